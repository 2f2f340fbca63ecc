# mypy: disable-error-code="no-untyped-call"
"""Asking the LMS who is in a course (LTI's Names and Role Provisioning Services): the lines of a roster."""

import re
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httputil import url_concat

from hub.launch import claims
from hub.launch.choices import Choices
from hub.launch.claims import LTI, Course
from hub.launch.key import Key
from hub.launch.platform import Platform
from hub.roster.reading import COLUMNS
from hub.signin.claims import ClaimsError
from hub.signin.issuer import IssuerError

SCOPE = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
KIND = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
AT_ONCE = 100  # people on a page of the answer
MOST_PAGES = 500
TOKEN_SECONDS = 60  # for which what we sign counts


class Members(Platform):
    """An LMS that is asked. It knows who asks by our key."""

    setting = "lti.token_url"

    def __init__(self, choices: Choices, key: Key) -> None:
        super().__init__(choices.issuer, choices.keys_url)
        self.choices, self.key = choices, key

    async def rows(self, course: Course) -> list[dict[str, str]]:
        """A line of a roster for everybody who learns or teaches; raises IssuerError and ClaimsError."""
        token = await self._token()
        place: str | None = url_concat(course.members, {"rlid": course.link, "limit": str(AT_ONCE)})
        found: list[dict[str, str]] = []
        for _ in range(MOST_PAGES):
            if place is None:
                return found
            if urlsplit(place)[:2] != urlsplit(course.members)[:2]:
                raise self._away(place, "it is at another address than the course's members")
            headers = {"Authorization": f"Bearer {token}", "Accept": KIND}
            told, sent = await self._fetch(HTTPRequest(place, headers=headers))
            found += _rows(told, self.choices)
            place = _next(place, sent.get("Link", ""))
        raise self._away(course.members, f"it has more than {MOST_PAGES} pages")

    async def _token(self) -> str:
        """What the LMS gives to who shows our signature (https://www.imsglobal.org/spec/security/v1p0/#token)."""
        now, place = int(time.time()), self.choices.token_url
        if not place:
            raise IssuerError("", "lti.token_url is missing. Write the LMS's access token URL, and deploy.")
        client = self.choices.client_id
        assertion = {"iss": client, "sub": client, "aud": place, "iat": now, "exp": now + TOKEN_SECONDS}
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.key.sign({**assertion, "jti": uuid.uuid4().hex}),
            "scope": SCOPE,
        }
        told = await self._ask(HTTPRequest(place, method="POST", body=urlencode(form)))
        return str(told.get("access_token", ""))

    def _refused(self, place: str, error: HTTPClientError) -> IssuerError:
        return self._away(place, f"{error.code} {error.message}")


def _rows(told: dict[str, Any], choices: Choices) -> Iterator[dict[str, str]]:
    context, members = told.get("context"), told.get("members")
    label = str(context.get("label") or context.get("id")) if isinstance(context, dict) else ""
    for member in filter(_is_group, members if isinstance(members, list) else ()):
        role = claims.role_of(member.get("roles"))
        if role is None or member.get("status", "Active") != "Active":
            continue
        messages = member.get("message")
        message: dict[str, Any] = next(filter(_is_group, messages if isinstance(messages, list) else ()), {})
        lis = {f"{LTI}lis": {"person_sourcedid": member.get("lis_person_sourcedid")}}
        try:
            username = claims.username_of({**lis, **member, **message}, choices)
        except ClaimsError as error:
            raise ClaimsError(
                "", f"{str(member.get('name'))[:80]!a} cannot be in a roster: {error}"
            ) from None
        cells = (
            str(member.get("name") or username),
            username,
            str(member.get("email") or ""),
            label if choices.course_is_section else "",
            role,
        )
        yield dict(zip(COLUMNS, cells, strict=True))


def _is_group(told: Any) -> bool:
    return isinstance(told, dict)


def _next(place: str, link: str) -> str | None:
    """The address of the next page (RFC 8288)."""
    found = re.search(r'<([^>]*)>\s*;\s*rel="?next"?', link)
    return urljoin(place, found[1]) if found else None
