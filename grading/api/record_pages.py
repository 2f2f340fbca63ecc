"""One student's record, for instructors and graders; and what an instructor grants that student."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

import sqlalchemy as sa
from tornado.web import authenticated

from course import calendar as calendars
from grading import exceptions as granting
from grading.api import charts, overview
from grading.api.browser import query
from grading.api.class_list import Person
from grading.api.class_pages import ClassHandler
from grading.api.handlers import Answer
from grading.api.submissions import in_thread
from grading.database import changes, exceptions, hints, people, restores, submissions

MOST_CHANGES = 500
NOBODY = "Nobody of this name is on the roster or has handed in."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """What is known of one student beside the marks; rows of the database, newest first."""

    person: Person
    changes: Sequence[overview.Row]
    hints: Sequence[overview.Row]
    restores: Sequence[overview.Row]
    granted: Sequence[overview.Row]


def read_record(connection: sa.Connection, name: str) -> Record | None:
    """One student's record; None for somebody whom neither roster nor store knows."""
    row = connection.execute(sa.select(people).where(people.c.name == name)).mappings().first()
    if row is None:
        known = sa.select(submissions.c.id).where(submissions.c.student == name).limit(1)
        if connection.execute(known).first() is None:
            return None
        person = Person(name)
    else:
        person = Person(**{field: row[field] for field in Person.__dataclass_fields__})

    def newest(table: sa.Table, *which: sa.ColumnElement[bool]) -> Sequence[overview.Row]:
        rows = sa.select(table).where(*which).order_by(table.c.at.desc()).limit(MOST_CHANGES)
        return connection.execute(rows).mappings().all()

    whom = exceptions.c.student == name
    if person.section:
        whom = sa.or_(whom, exceptions.c.section == person.section)
    return Record(
        person,
        newest(changes, changes.c.student == name),
        newest(hints, hints.c.student == name),
        newest(restores, restores.c.student == name),
        newest(exceptions, whom),
    )


def as_asked(person: Person, given: Mapping[str, str], zone: tzinfo) -> dict[str, object]:
    """What the form asks for, as the API would be asked.

    Raises:
        Refused: a time or number is none.
    """
    kind, _, slug = given["item"].partition("/")
    whom = {"section": person.section} if given["whole"] else {"student": person.name}
    asked: dict[str, object] = {**whom, "why": given["why"], "excused": given["excused"] == "yes"}
    if slug:
        asked |= {"kind": kind, "slug": slug}
    try:
        if given["due"]:  # by the class's clock, as the form says
            asked["due"] = datetime.fromisoformat(given["due"]).replace(tzinfo=zone).isoformat()
        if given["extra_time"]:
            asked["extra_time"] = float(given["extra_time"]) / 100
    except (ValueError, OverflowError):
        raise granting.Refused(
            "The deadline is a day and a time, the extra time a number of percent."
        ) from None
    return asked


class RecordPage(ClassHandler):
    """GET class/student?name=: everything about one student. POST: grant something, or withdraw it."""

    @authenticated
    async def get(self) -> None:
        """The record, and a form."""
        self.graders_only()
        await self.show_record(self.get_query_argument("name", ""))

    async def post(self) -> None:
        """Grant what the form says, or withdraw what its button is about; then show the record again."""
        self.instructors_only()
        name = self.get_query_argument("name", "")
        record = await self.read(read_record, name)
        if record is None:
            raise Answer(404, NOBODY)
        engine, by = self.service.engine, self.current_user["name"]
        withdrawn = self.get_body_argument("withdraw", "")
        if withdrawn:
            id = (
                int(withdrawn) if withdrawn.isascii() and withdrawn.isdecimal() and len(withdrawn) < 10 else 0
            )
            if await in_thread(granting.withdraw, engine, id, by) is None:
                raise Answer(404, "This was withdrawn already. Load the page again.")
            log.info("exception %d withdrawn by %s", id, by)
        else:
            given = {
                field: self.get_body_argument(field, "")
                for field in ("item", "due", "extra_time", "excused", "whole", "why")
            }
            try:
                asked = as_asked(record.person, given, self.zone)
                calendar = self.service.calendar.current()
                row = await in_thread(granting.checked, engine, self.service.manifest, calendar, asked)
            except granting.Refused as error:
                self.set_status(400)
                await self.show_record(name, str(error), given)
                return
            granted = await in_thread(granting.grant, engine, row, by)
            log.info("exception %d granted by %s", granted["id"], by)
        self.see_other(f"class/student{query({}, name=name)}#granted")

    async def show_record(self, name: str, fault: str = "", given: Mapping[str, str] | None = None) -> None:
        """Render it; with what was wrong in the form, and what was typed."""
        record = await self.read(read_record, name)
        if record is None:
            raise Answer(404, NOBODY)
        entries = await self.entries_of(name)
        available = [entry for entry in entries if entry.available]
        self.show_class(
            "record.html",
            "marks",
            record=record,
            person=record.person,
            entries=available,
            total=overview.total(available),
            titles={(each.kind, each.slug): each.title for each in entries},
            fault=fault,
            given=given or {},
            now=calendars.now(),
            live="class",
        )


class AttemptsPage(ClassHandler):
    """GET class/attempts?name=&kind=&slug=: a student's submissions of one module or milestone."""

    @authenticated
    async def get(self) -> None:
        """All attempts, newest first."""
        self.graders_only()
        name, kind, slug = (self.get_query_argument(each, "") for each in ("name", "kind", "slug"))
        record = await self.read(read_record, name)
        found = [each for each in await self.entries_of(name) if (each.kind, each.slug) == (kind, slug)]
        if record is None or not found:
            raise Answer(404, "There are no submissions of this name.")
        attempts = await in_thread(overview.attempts_at, self.service.engine, name, kind, slug)
        self.show_class(
            "attempts.html",
            "marks",
            person=record.person,
            entry=found[0],
            attempts=attempts,
            now=calendars.now(),
            **charts.of_attempts(self.service.manifest, kind, slug, attempts),
            live="class",
        )


ROUTES: list[tuple[Any, ...]] = [
    ("class/student", RecordPage),
    ("class/attempts", AttemptsPage),
]
