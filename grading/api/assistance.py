"""The calendar, and the help that it allows. For staff: who took it, and what a class guesses."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from course import calendar as calendars
from course.calendar import Entry, words
from course.export import cells
from course.manifest import ManifestError, Module
from grading import assistance, exams, limits, terms
from grading.api.handlers import Answer, ApiHandler, Handler
from grading.api.submissions import in_thread
from grading.marks import iso

MOST_HINTS = 100  # in one message: what a student asked for while the service was away
NOT_NOTED = "This could not be noted just now, so nothing was given. Try again in a minute."

log = logging.getLogger(__name__)


class CalendarHandler(ApiHandler):
    """GET calendar: what holds for whoever asks."""

    async def get(self) -> None:
        """Each module and milestone of the track, with what is allowed at this moment."""
        answer = await in_thread(self._answer)
        if self.is_staff(self.user):
            answer["problem"] = self.service.calendar.problem
        self.finish(answer)

    def _answer(self) -> dict[str, Any]:
        calendar, now = self.service.calendar.current(), calendars.now()
        track = self.service.manifest.track(self.service.settings.track)
        own = terms.of_student(self.service.engine, calendar, self.user["name"])

        def entry(kind: str, slug: str) -> dict[str, Any]:
            found = own(kind, slug)
            left = limits.attempts_left(
                self.service.engine, calendar, self.user["name"], kind, slug, found, now.timestamp()
            )
            return {**_entry(slug, calendar.entry(kind, slug), found, now), "attempts_left": left}

        return {
            "timezone": calendar.timezone,
            "now": now.isoformat(timespec="seconds"),
            "modules": [
                {
                    "number": step.number,
                    **entry("module", step.module.slug),
                    **_help(
                        step.module.slug,
                        calendar.module(step.module.slug),
                        own("module", step.module.slug),
                        now,
                    ),
                }
                for step in track.steps
            ],
            "milestones": [entry("milestone", stop.milestone.slug) for stop in track.stops],
            "assignments": [entry("assignment", name) for name in calendar.assignments],
        }


class ReferenceHandler(ApiHandler):
    """GET reference/SLUG: the solution of a module, where the calendar gives it. Each time is noted."""

    async def get(self, slug: str) -> None:
        """?catch_up=TARGET: as one of those before TARGET; otherwise because its deadline is over."""
        module = known_module(self, slug)
        target = self.get_query_argument("catch_up", None)
        refusal = await in_thread(self._refused, module, target)
        if refusal:
            raise Answer(403, refusal)
        path = self.service.settings.reference / "tinytorch" / f"{module.slug}.py"
        try:
            source = await in_thread(path.read_text, "utf-8")
            student, engine = self.user["name"], self.service.engine
            at = await in_thread(assistance.record_restore, engine, student, module.slug, target)
        except (OSError, sa.exc.SQLAlchemyError) as error:
            log.error("reference of %s: %s", module.slug, error)
            raise Answer(503, NOT_NOTED) from None
        log.info("reference of '%s' to %s (%s)", module.slug, student, target or "restore")
        self.finish({"module": module.slug, "source": source, "given_at": iso(at)})

    def _refused(self, module: Module, target: str | None) -> str | None:
        calendar, now = self.service.calendar.current(), calendars.now()
        if exam := _still_an_exam(self, module.slug, now):
            return exam
        if target is None:
            own = terms.of_student(self.service.engine, calendar, self.user["name"])("module", module.slug)
            return _own(calendar.module(module.slug), own).restore_refused(module.slug, now)
        track = self.service.manifest.track(self.service.settings.track)
        try:
            wanted, given = track.step(target[:64]), track.step(module.slug)
        except ManifestError as error:
            raise Answer(404, str(error)) from None
        if given.number >= wanted.number:
            raise Answer(400, f"'{module.slug}' does not come before '{target}' in the track '{track.name}'.")
        return calendar.module(target).catch_up_refused(target, now)


class RestoresHandler(ApiHandler):
    """GET restores, for staff: who got which solution when."""

    async def get(self) -> None:
        """?module=SLUG for one module."""
        staff_only(self)
        found = await in_thread(assistance.restores_of_class, self.service.engine, module_asked(self))
        self.finish({"restores": found})


class HintsHandler(ApiHandler):
    """POST hints: note those that a student asked for. GET hints, for staff: who asked for which."""

    async def post(self) -> None:
        """{"hints": [{"module": ..., "exercise": ..., "number": ...}, ...]}: each is noted, or refused."""
        refused = []
        for module, exercise, number in self._asked():
            reason = await in_thread(self._refused, module, exercise, number)
            if reason:
                refused.append({"exercise": exercise, "number": number, "reason": reason})
                continue
            student, engine = self.user["name"], self.service.engine
            try:
                await in_thread(assistance.record_hint, engine, student, module, exercise, number)
            except sa.exc.SQLAlchemyError as error:
                log.error("hints of %s: %s", student, error)
                raise Answer(503, NOT_NOTED) from None
        self.finish({"refused": refused})

    async def get(self) -> None:
        """?module=SLUG for one module."""
        staff_only(self)
        found = await in_thread(assistance.hints_of_class, self.service.engine, module_asked(self))
        self.finish({"hints": found})

    def _asked(self) -> list[tuple[str, str, int]]:
        try:
            listed = json.loads(self.request.body)["hints"]
            asked = [(each["module"], each["exercise"], each["number"]) for each in listed]
        except (ValueError, KeyError, TypeError, RecursionError):
            asked = []
        good = all([*map(type, each)] == [str, str, int] for each in asked)
        if not asked or not good or len(asked) > MOST_HINTS:
            raise Answer(400, f"Send 1 to {MOST_HINTS} hints, each with its module, exercise and number.")
        return asked

    def _refused(self, module: str, exercise: str, number: int) -> str | None:
        there = (
            _hints(self.service.settings.official, module) if module in self.service.manifest.modules else {}
        )
        if not 1 <= number <= there.get(exercise, 0):
            return f"There is no hint {number} for '{exercise[:64]}'."
        return self.service.calendar.current().module(module).hints_refused(module)


class GuessesHandler(ApiHandler):
    """GET guesses/SLUG, for staff: what the class expects to come after a module."""

    async def get(self, slug: str) -> None:
        """From the newest notebook of each student."""
        staff_only(self)
        module = known_module(self, slug).slug
        if exam := await in_thread(_still_an_exam, self, module, calendars.now()):
            raise Answer(403, exam)
        found = await in_thread(assistance.guesses, self.service.engine, self.service.store, module)
        self.finish({"module": module, "guesses": found})


def staff_only(handler: ApiHandler) -> None:
    """Only instructors and the admin get further."""
    if not handler.is_staff(handler.user):
        raise Answer(403, "Only instructors see this.")


def module_asked(handler: ApiHandler) -> str | None:
    """The module that ?module= names; None for all."""
    slug = handler.get_query_argument("module", None)
    return None if slug is None else known_module(handler, slug).slug


def known_module(handler: Handler, slug: str) -> Module:
    """A module that is there.

    Raises:
        Answer: there is none of this name, or it is only planned.
    """
    try:
        module = handler.service.manifest.module(slug[:64])
    except ManifestError as error:
        raise Answer(404, str(error)) from None
    if not module.available:
        raise Answer(400, f"The module '{module.slug}' is not available yet.")
    return module


@cache
def _hints(official: Path, module: str) -> dict[str, int]:
    """How many hints each exercise of a module has, by the files that students have too."""
    try:
        texts = json.loads((official / "hints.json").read_text(encoding="utf-8"))
        notebook = json.loads((official / f"{module}.ipynb").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {cell.id: len(texts.get(cell.id, [])) for cell in cells(notebook) if cell.role == "exercise"}


def _still_an_exam(handler: ApiHandler, slug: str, now: datetime) -> str | None:
    """Why nothing is told of a module whose exam is to come or runs for anybody; None if there is none."""
    calendar = handler.service.calendar.current()
    ends = exams.ends_for_all(handler.service.engine, calendar, slug, now)
    return f"'{slug}' is an exam. This is given when it is over for all: {words(ends)}." if ends else None


def _own(entry: Entry, own: terms.Terms) -> Entry:
    """What the calendar says, with a student's own deadline."""
    return replace(entry, due=own.due)


def _entry(slug: str, entry: Entry, own: terms.Terms, now: datetime) -> dict[str, Any]:
    """What holds for a student's module, milestone or assignment."""
    last = own.last_moment()
    return {
        "slug": slug,
        "opens": entry.opens.isoformat() if entry.opens else None,
        "due": own.due.isoformat() if own.due else None,
        "open": entry.is_open(now),
        "over": _own(entry, own).is_over(now),
        "weight": entry.weight,
        "skipped": entry.skipped,
        "extended": own.extended,
        "excused": own.excused,
        "taken_until": None if last is None else iso(last),
        "exam": [each.isoformat() for each in own.exam] if own.exam else None,
    }


def _help(slug: str, entry: Entry, own: terms.Terms, now: datetime) -> dict[str, Any]:
    """What help with a module is given at this moment."""
    return {
        "chosen": entry.chosen,
        "hints": entry.hints_refused(slug) is None,
        "restore": _own(entry, own).restore_refused(slug, now) is None,
        "catch_up": entry.catch_up_refused(slug, now) is None,
    }


ROUTES = [
    ("api/calendar", CalendarHandler),
    ("api/reference/([^/]+)", ReferenceHandler),
    ("api/restores", RestoresHandler),
    ("api/hints", HintsHandler),
    ("api/guesses/([^/]+)", GuessesHandler),
]
