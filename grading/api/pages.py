"""A student's pages: progress along the track, and each module and milestone with its history."""

from __future__ import annotations

from typing import Any

from tornado.web import authenticated

from course import calendar as calendars
from grading.api import charts, class_pages, export_pages, overview, record_pages, regrade_pages
from grading.api.browser import HERE, CallbackHandler, MissingPage, PageHandler, StaticHandler
from grading.api.handlers import Answer
from grading.api.submissions import in_thread

__all__ = ["ROUTES", "MissingPage"]


class MarksPage(PageHandler):
    """GET /: one's own progress and marks."""

    @authenticated
    async def get(self) -> None:
        """Modules and milestones in the track's order, and what comes next."""
        entries = await self.entries_of(self.current_user["name"])
        available = [entry for entry in entries if entry.available]
        self.show(
            "marks.html",
            student=self.current_user["name"],
            entries=available,
            later=[entry for entry in entries if not entry.available],
            done=sum(entry.done for entry in available),
            total=overview.total(entries),
            next=overview.next_step(entries, calendars.now()),
            short=sum(entry.short and not entry.done for entry in available),
            now=calendars.now(),
            waiting=any(entry.waiting for entry in entries),
            live="own",
        )


class HistoryPage(PageHandler):
    """GET module/SLUG, milestone/SLUG: one's own submissions of it, with receipts."""

    @authenticated
    async def get(self, kind: str, slug: str) -> None:
        """All attempts, newest first; a milestone's as a curve, too."""
        student = self.current_user["name"]
        entries = await self.entries_of(student)
        found = [each for each in entries if (each.kind, each.slug) == (kind, slug)]
        if not found:
            raise Answer(404, f"There is no {kind} '{slug[:64]}' in this course.")
        attempts = await in_thread(overview.attempts_at, self.service.engine, student, kind, slug)
        self.show(
            "history.html",
            entry=found[0],
            attempts=attempts,
            **charts.of_attempts(self.service.manifest, kind, slug, attempts),
            now=calendars.now(),
            waiting=found[0].waiting,
            live="own",
        )


ROUTES: list[tuple[Any, ...]] = [
    ("?", MarksPage),
    ("(module|milestone|assignment)/([^/]+)", HistoryPage),
    *class_pages.ROUTES,
    *record_pages.ROUTES,
    *regrade_pages.ROUTES,
    *export_pages.ROUTES,
    ("oauth_callback", CallbackHandler),
    ("static/(.*)", StaticHandler, {"path": str(HERE / "static")}),
]
