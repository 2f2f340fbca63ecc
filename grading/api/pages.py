"""The pages: a student's marks with their reasons, and the class's list for staff."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from tornado.web import HTTPError, StaticFileHandler, authenticated

from grading import marks
from grading.api import overview
from grading.api.handlers import HEADERS, HUB_AWAY, Answer, Handler
from grading.api.submissions import in_thread

HERE = Path(__file__).parent
LOOK_AGAIN = 4  # seconds, while something is being marked

templates = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
templates.filters["points"] = overview.points
templates.filters["moment"] = overview.moment


class PageHandler(HubOAuthenticated, Handler):
    """A page for somebody whom the hub has signed in."""

    def initialize(self) -> None:
        """Ask the service's own hub."""
        self.hub_auth = self.application.settings["hub_auth"]

    async def prepare(self) -> None:
        """Ask the hub without holding up everybody else; the answer is kept for `current_user`."""
        try:
            await self.hub_auth.get_user(self, sync=False)
        except HTTPError:
            raise Answer(503, HUB_AWAY) from None

    def show(self, template: str, **values: Any) -> None:
        """Render a page."""
        self.finish(self.rendered(template, **values))

    def rendered(self, template: str, **values: Any) -> str:
        """A page's HTML."""
        settings = self.service.settings
        common = {
            "title": settings.title,
            "prefix": settings.prefix,
            "home": f"{settings.base_path}hub/home",
            "staff": False,
        }
        return templates.get_template(template).render({**common, **values})

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error as a page."""
        sentence = self.sentence(status_code, **kwargs)
        self.finish(self.rendered("error.html", status=status_code, sentence=sentence))


class MarksPage(PageHandler):
    """GET /: one's own marks."""

    @authenticated
    async def get(self) -> None:
        """Modules and milestones in the track's order."""
        user = self.current_user
        found = await in_thread(marks.of_student, self.service.engine, user["name"])
        entries = overview.of_student(self.service.manifest, self.service.settings.track, found)
        if any(entry.waiting for entry in entries):
            self.set_header("Refresh", str(LOOK_AGAIN))
        self.show(
            "marks.html",
            student=user["name"],
            staff=self.is_staff(user),
            entries=[entry for entry in entries if entry.available],
            later=[entry for entry in entries if not entry.available],
            total=overview.total(entries),
        )


class ClassPage(PageHandler):
    """GET class: everybody's marks, for staff."""

    @authenticated
    async def get(self) -> None:
        """A table of students and modules."""
        if not self.is_staff(self.current_user):
            raise Answer(403, "Only instructors see the class's marks.")
        found = await in_thread(marks.of_class, self.service.engine)
        columns, rows = overview.of_class(self.service.manifest, self.service.settings.track, found)
        self.show("class.html", staff=True, columns=columns, rows=rows)


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
    """The style sheet and the icon."""

    def set_extra_headers(self, path: str) -> None:
        """The same headers as everywhere, but these files may be kept for a while."""
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Cache-Control", "public, max-age=600")


ROUTES = [
    ("?", MarksPage),
    ("class", ClassPage),
    ("oauth_callback", CallbackHandler),
    ("static/(.*)", StaticHandler, {"path": str(HERE / "static")}),
]
