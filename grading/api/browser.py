"""What all pages have in common: who is signed in, the frame, the policy for scripts, and protected forms."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from tornado.web import HTTPError, StaticFileHandler

from grading.api import overview
from grading.api.handlers import HEADERS, HUB_AWAY, Answer, Handler
from grading.api.submissions import in_thread

HERE = Path(__file__).parent
# A nonce, not 'self': students' servers have the same origin, and their files are no part of these pages.
PAGE_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
STALE_FORM = (
    "This form is out of date, or it did not come from this page. Nothing was changed. "
    "Load the page again, and send the form once more."
)
Moment = float | datetime | str  # seconds since 1970, a time, or one in ISO 8601
FOR_STAFF = "Only instructors see the class's marks."
FOR_INSTRUCTORS = "Only instructors change this; graders may read it."


class PageHandler(HubOAuthenticated, Handler):
    """A page for somebody whom the hub has signed in."""

    def initialize(self) -> None:
        """Ask the service's own hub."""
        self.hub_auth = self.application.settings["hub_auth"]

    def set_default_headers(self) -> None:
        """As everywhere, and our own script may run and look for news."""
        super().set_default_headers()
        self.nonce = secrets.token_urlsafe(16)
        self.set_header("Content-Security-Policy", PAGE_POLICY.format(nonce=self.nonce))

    async def prepare(self) -> None:
        """Ask the hub without holding up everybody else; the answer is kept for `current_user`.

        Whoever sends a form without the token of their own page is nobody for HubOAuth; so nothing that
        another page makes a browser send gets further than this.
        """
        try:
            user = await self.hub_auth.get_user(self, sync=False)
        except HTTPError:
            raise Answer(503, HUB_AWAY) from None
        if user is None and self.request.method == "POST":
            raise Answer(403, STALE_FORM)

    def graders_only(self) -> None:
        """Only instructors and graders get further."""
        if not self.is_grader(self.current_user):
            raise Answer(403, FOR_STAFF)

    def instructors_only(self) -> None:
        """Only instructors and the admin get further."""
        if not self.is_staff(self.current_user):
            raise Answer(403, FOR_INSTRUCTORS if self.is_grader(self.current_user) else FOR_STAFF)

    async def entries_of(self, student: str) -> list[overview.Entry]:
        """The track as a student stands in it."""
        service = self.service
        found: list[overview.Entry] = await in_thread(
            overview.of_student,
            service.engine,
            service.manifest,
            service.settings.track,
            service.calendar.current(),
            student,
        )
        return found

    @property
    def zone(self) -> tzinfo:
        """The class's own clock."""
        try:
            return ZoneInfo(self.service.calendar.current().timezone)
        except (ZoneInfoNotFoundError, ValueError):
            return timezone.utc

    def show(self, template: str, **values: Any) -> None:
        """Render a page."""
        self.finish(self.rendered(template, **values))

    def rendered(self, template: str, **values: Any) -> str:
        """A page's HTML."""
        settings = self.service.settings
        common = {
            "title": settings.title,
            "prefix": settings.prefix,
            "home": f"{settings.hub_origin}{settings.base_path}hub/home",
            "formgrader": f"{settings.formgrader_origin}{settings.base_path}services/formgrader/",
            "zone": self.zone,
            "nonce": self.nonce,
            "xsrf": "",
            "grader": False,
            "staff": False,
            "live": "",
            "waiting": False,
            "wide": False,
        }
        user = getattr(self, "_cached_hub_user", None)  # an error's page asks nobody again
        if user:
            token = self.xsrf_token
            common |= {
                "xsrf": token.decode() if isinstance(token, bytes) else token,
                "grader": self.is_grader(user),
                "staff": self.is_staff(user),
            }
        return templates.get_template(template).render({**common, **values})

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error as a page."""
        sentence = self.sentence(status_code, **kwargs)
        self.finish(self.rendered("error.html", status=status_code, sentence=sentence))


class MissingPage(PageHandler):
    """An address that means nothing."""

    async def prepare(self) -> None:
        """The same for everybody."""
        raise Answer(404, "There is nothing here.")


class CallbackHandler(HubOAuthCallbackHandler):
    """Where the hub sends a browser back to, after signing in."""

    def initialize(self) -> None:
        """Ask the service's own hub."""
        self.hub_auth = self.application.settings["hub_auth"]


class StaticHandler(StaticFileHandler):
    """The style sheet, the script and the icon."""

    def set_extra_headers(self, path: str) -> None:
        """The same headers as everywhere, but these files may be kept for a while."""
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Cache-Control", "public, max-age=600")


def points(value: float) -> str:
    """Points as people write them: 3, 2.5, 0.67."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent(value: float) -> str:
    """A share as people read it; 99.96% is not 100%."""
    shown = f"{100 * value:.1f}".removesuffix(".0")
    return f"{'99.9' if shown == '100' and value < 1 else shown}%"


@pass_context
def moment(context: Context, when: Moment) -> str:
    """A time as people read it, by the class's own clock."""
    at = _at(when, context["zone"])
    return f"{at.day} {at:%B %Y, %H:%M}"


@pass_context
def day(context: Context, when: Moment) -> str:
    """The day of a time, with its weekday; the year only where it is another than this."""
    at = _at(when, context["zone"])
    year = "" if at.year == datetime.now(at.tzinfo).year else f" {at.year}"
    return f"{at:%a} {at.day} {at:%b}{year}, {at:%H:%M}"


def machine(when: Moment) -> str:
    """A time for `<time datetime>`."""
    return _at(when, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def ago(seconds: float) -> str:
    """How long something took, in the unit that says enough."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{max(0, int(seconds))} s"


def query(values: Mapping[str, object], **changed: object) -> str:
    """The part of an address behind '?', without what is empty."""
    kept = {name: value for name, value in {**values, **changed}.items() if value not in ("", None)}
    return f"?{urlencode(kept)}" if kept else "?"


def _at(when: Moment, zone: tzinfo) -> datetime:
    if isinstance(when, str):
        when = datetime.fromisoformat(when.replace("Z", "+00:00"))
    return when.astimezone(zone) if isinstance(when, datetime) else datetime.fromtimestamp(when, zone)


templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters |= {
    "points": points,
    "percent": percent,
    "moment": moment,
    "day": day,
    "machine": machine,
    "ago": ago,
    "query": query,
    "check_name": overview.check_name,
}
