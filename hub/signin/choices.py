"""What the admin chose about sign-in by the campus: the group `oidc` of the settings, as the hub gets it."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

from hub.signin.presets import PRESETS


@dataclass(frozen=True)
class Choices:
    """A provider, and whom of those that it names the classroom lets in as what."""

    issuer: str
    client_id: str
    secret: str = field(repr=False)
    button: str
    username_claim: str
    groups_claim: str
    domain_claim: str | None
    scopes: tuple[str, ...]
    allowed_groups: frozenset[str]
    allowed_domains: frozenset[str]
    instructor_groups: frozenset[str]
    grader_groups: frozenset[str]
    section_prefix: str | None

    @property
    def realm(self) -> str:
        """Within which a `sub` means one person: some providers give each client others."""
        return f"{self.issuer} {self.client_id}"


def read(text: str, secret: str) -> Choices:
    """From TT_OIDC (JSON) and TT_OIDC_SECRET, both in base64 as they hold any sign; raises ValueError."""
    try:
        given: dict[str, Any] = json.loads(base64.b64decode(text, validate=True))
        preset = PRESETS[given.pop("preset")]
        known = {
            "username_claim": given.pop("username_claim") or preset.username_claim,
            "groups_claim": given.pop("groups_claim") or preset.groups_claim,
            "domain_claim": preset.domain_claim,
            "scopes": preset.scopes,
            "secret": base64.b64decode(secret, validate=True).decode().strip(),
        }
        sets = {name: frozenset(value) for name, value in given.items() if isinstance(value, list)}
        choices = Choices(**{**given, **sets, **known})
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise ValueError(str(error)) from error
    if not all((choices.issuer, choices.client_id, choices.secret)):
        raise ValueError("something is empty")
    return choices
