"""From a provider's claims to a person of the classroom. Nothing in a claim is taken for more than text."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.accounts import names
from hub.roster.reading import slug
from hub.signin.choices import Choices

LONGEST_NAME = 100
LONGEST_SECTION = 100
MOST_SECTIONS = 20

log = logging.getLogger(__name__)


class ClaimsError(Exception):
    """These claims make nobody. `words` are for the person, the text is for the admin."""

    def __init__(self, words: str, line: str) -> None:
        super().__init__(line)
        self.words = words


@dataclass(frozen=True)
class Person:
    """Whom the provider named."""

    subject: str  # the provider's own name of this person, which never becomes another's
    username: str
    name: str
    domain: str  # whose account it is, as far as the provider vouches for it; else empty
    campus_groups: frozenset[str]

    def groups(self, choices: Choices) -> set[str]:
        """The hub's groups that the claims put this person in."""
        role = "student"
        if self.campus_groups & choices.grader_groups:
            role = "grader"
        if self.campus_groups & choices.instructor_groups:
            role = "instructor"
        found = {f"role-{role}"}
        if choices.section_prefix:
            prefix = choices.section_prefix
            begun = sorted(group for group in self.campus_groups if group.startswith(prefix))[:MOST_SECTIONS]
            found |= {f"section-{slug(group.removeprefix(prefix))[:LONGEST_SECTION]}" for group in begun}
        return found

    def is_vouched_for(self, choices: Choices) -> bool:
        """Whether the claims alone open the door, without the roster."""
        welcome = choices.allowed_groups | choices.instructor_groups | choices.grader_groups
        return bool(self.campus_groups & welcome) or self.domain in choices.allowed_domains


def read(claims: Mapping[str, Any], choices: Choices) -> Person:
    """The person that claims describe; raises ClaimsError."""
    username = _username(claims, choices.username_claim)
    return Person(
        subject=str(claims["sub"]),
        username=username,
        name=display_name(claims) or username,
        domain=_domain(claims, choices.domain_claim),
        campus_groups=_groups(claims, choices.groups_claim),
    )


def display_name(claims: Mapping[str, Any]) -> str:
    """A person's full name as it is shown; empty where there is none."""
    told = claims.get("name")
    return names.display(told)[:LONGEST_NAME] if isinstance(told, str) else ""


def _username(claims: Mapping[str, Any], key: str) -> str:
    told = at(claims, key)
    if key == "email" and isinstance(told, str) and claims.get("email_verified") is not True:
        raise ClaimsError(
            "Your campus has not verified your e-mail address, which would be your name here.",
            f"{told[:80]!a} comes without email_verified. Name another claim in oidc.username_claim.",
        )
    return username(told, key, claims, "oidc.username_claim")


def username(told: Any, key: str, claims: Mapping[str, Any], setting: str) -> str:
    """The username that the claim `key` makes; `setting` is where the admin names another."""
    if not isinstance(told, str) or not told.strip():
        raise ClaimsError(
            "Your campus did not tell the classroom your sign-in name.",
            f"There is no claim {key!r} (there are: {', '.join(sorted(map(ascii, claims)))}). Have the "
            f"provider release it to the classroom's client, or name another in {setting}.",
        )
    found = names.normalise(told)
    if not names.is_valid(found):
        raise ClaimsError(
            "Your sign-in name has signs in it that cannot be used here.",
            f"The claim {key!r} says {told[:80]!a}, which cannot be a username. {names.HINT}. "
            f"Name another claim in {setting}.",
        )
    return found


def _domain(claims: Mapping[str, Any], key: str | None) -> str:
    if key is not None:
        told = claims.get(key)
        return told.casefold() if isinstance(told, str) else ""
    address = claims.get("email")
    if not isinstance(address, str) or claims.get("email_verified") is not True:
        return ""
    return address.rpartition("@")[2].casefold()


def _groups(claims: Mapping[str, Any], key: str) -> frozenset[str]:
    told = at(claims, key)
    if told is None and key in (claims.get("_claim_names") or {}):
        log.warning(
            "Sign-in: the provider has more groups of this person than it tells (claim %r is elsewhere): "
            "they count as none. Have it send only the groups that are assigned to the classroom.",
            key,
        )
    several = [told] if isinstance(told, str) else told
    if not isinstance(several, list):
        return frozenset()
    return frozenset(group for group in several if isinstance(group, str))


def at(claims: Mapping[str, Any], key: str) -> Any:
    """A claim; with periods, one inside another (realm_access.roles). A name with periods goes first."""
    if key in claims:
        return claims[key]
    found: Any = claims
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
