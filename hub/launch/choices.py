"""What the admin chose about sign-in by an LMS: the group `lti` of the settings, as the hub gets it."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Choices:
    """An LMS, and which of its courses the classroom is for."""

    issuer: str
    client_id: str
    authorize_url: str
    keys_url: str
    token_url: str | None
    deployments: frozenset[str]
    courses: frozenset[str]
    username_claim: str
    course_is_section: bool
    roster_only: bool

    @property
    def realm(self) -> str:
        """Within which a `sub` means one person: one issuer may be many campuses'."""
        return f"{self.issuer} {self.client_id}"


def read(text: str) -> Choices:
    """From TT_LTI: JSON, in base64 as it holds any sign; raises ValueError."""
    try:
        given: dict[str, Any] = json.loads(base64.b64decode(text, validate=True))
        sets = {name: frozenset(value) for name, value in given.items() if isinstance(value, list)}
        choices = Choices(**{**given, **sets})
    except (TypeError, AttributeError, binascii.Error) as error:
        raise ValueError(str(error)) from error
    if not all((choices.issuer, choices.client_id, choices.authorize_url, choices.keys_url)):
        raise ValueError("something is empty")
    return choices
