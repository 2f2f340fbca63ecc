"""Sign-in by the campus (OpenID Connect): whom its provider names, and who that is in the classroom."""
