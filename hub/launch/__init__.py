"""Sign-in by an LMS (LTI 1.3): people come from a course in Moodle or Canvas, and stay who they are."""
