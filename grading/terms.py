"""What holds for one student: the calendar, and what staff granted one person or section instead of it.

Pure and fast: whoever asks for a class reads the exceptions and the sections once, and asks for each student.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from course.calendar import Calendar, Entry
from grading import database

DAY = 24 * 3600.0


@dataclass(frozen=True)
class Granted:
    """A row of the table of exceptions; times in seconds since 1970."""

    id: int
    student: str | None
    section: str | None
    kind: str | None
    slug: str | None
    due: float | None
    extra_time: float | None
    excused: bool
    at: float

    def is_about(self, student: str, section: str, kind: str, slug: str) -> bool:
        """Whether it holds for this student's work."""
        whom = self.student == student if self.student is not None else self.section == section != ""
        return whom and self.kind in (None, kind) and self.slug in (None, slug)


@dataclass(frozen=True)
class Terms:
    """What holds for one student's module, milestone or assignment.

    Attributes:
        due: the deadline; of an exam the end of this student's time.
        exam: when this student's time begins and ends; None if it is no exam.
        late_grace: minutes after the deadline in which nothing is late.
        late_per_day: the share of the points that each begun day after the deadline takes.
        late_days: days after the deadline in which work is taken; None: always.
        extended: whether the deadline is another than the calendar's.
    """

    opens: datetime | None = None
    held: bool = False
    due: datetime | None = None
    exam: tuple[datetime, datetime] | None = None
    extended: bool = False
    excused: bool = False
    counts: Literal["last", "best"] = "last"
    attempts: int | None = None
    attempts_per_day: int | None = None
    late_grace: float = 0
    late_per_day: float = 0
    late_days: int | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether the student may begin."""
        return not self.held and (self.opens is None or self.opens <= now)

    def is_running(self, now: datetime) -> bool:
        """Whether it is an exam, and this student's time runs."""
        return self.exam is not None and self.exam[0] <= now < self.exam[1]

    def late(self, received_at: float) -> bool:
        """Whether work that came at this moment (seconds since 1970) is late; in the grace it is not."""
        return self._days_late(received_at) > 0

    def is_taken(self, received_at: float) -> bool:
        """Whether work that came at this moment is taken at all. An exam is over when its time is."""
        return self._days_late(received_at) <= self._most_days()

    def factor(self, received_at: float) -> float:
        """What is left of the points of work that came at this moment: 1.0 on time, 0.0 too late."""
        days = self._days_late(received_at)
        if days > self._most_days():
            return 0.0
        return min(1.0, max(0.0, round(1.0 - days * self.late_per_day, 9)))

    def last_moment(self) -> float | None:
        """When the last work is taken, in seconds since 1970; None if it is always."""
        days = self._most_days()
        if self.due is None or math.isinf(days):
            return None
        return self.due.timestamp() + 60 * self.late_grace * (self.exam is None) + days * DAY

    def _most_days(self) -> float:
        if self.exam is not None:
            return 0
        return math.inf if self.late_days is None else self.late_days

    def _days_late(self, received_at: float) -> int:
        """Begun days after the deadline and the grace. The first day begins where the grace ends."""
        if self.due is None:
            return 0
        grace = 0.0 if self.exam is not None else 60 * self.late_grace
        return max(0, math.ceil((received_at - self.due.timestamp() - grace) / DAY))


def terms_of(
    calendar: Calendar, exceptions: Iterable[Granted], student: str, section: str, kind: str, slug: str
) -> Terms:
    """What holds for a student.

    Each of deadline, extra time and excuse is decided by itself. What was granted to the student goes before
    what was granted to the section, and the newest of those before the others.

    Args:
        exceptions: what `load` found; more than this student's do no harm.
        section: the student's; empty if there is none.
        kind: 'module', 'milestone' or 'assignment'.
    """
    entry = calendar.entry(kind, slug)
    granted = sorted(
        (each for each in exceptions if each.is_about(student, section, kind, slug)),
        key=lambda each: (each.student is not None, each.at, each.id),
        reverse=True,
    )
    excused = any(each.excused for each in granted)
    if entry.exam_minutes is not None and entry.opens is not None:
        extra_time = _first(granted, lambda each: each.extra_time) or 0.0
        ends = entry.opens + timedelta(minutes=entry.exam_minutes * (1 + extra_time))
        return _terms(entry, ends, (entry.opens, ends), entry.due != ends, excused)
    due = _first(granted, lambda each: each.due)
    if due is None:
        return _terms(entry, entry.due, None, False, excused)
    zone = (entry.due or entry.opens or datetime.now(timezone.utc)).tzinfo
    return _terms(entry, datetime.fromtimestamp(due, zone), None, True, excused)


def _terms(
    entry: Entry, due: datetime | None, exam: tuple[datetime, datetime] | None, extended: bool, excused: bool
) -> Terms:
    return Terms(
        opens=entry.opens,
        held=entry.held,
        due=due,
        exam=exam,
        extended=extended,
        excused=excused,
        counts="best" if entry.counts == "best" else "last",
        attempts=entry.attempts,
        attempts_per_day=entry.attempts_per_day,
        late_grace=entry.late_grace,
        late_per_day=entry.late_per_day,
        late_days=entry.late_days,
    )


def _first(granted: list[Granted], field: Callable[[Granted], float | None]) -> float | None:
    return next((value for each in granted if (value := field(each)) is not None), None)


# ---- what is in the database ----


def load(engine: sa.Engine, student: str | None = None) -> list[Granted]:
    """Everything that was granted and not withdrawn; for one student without what is another's own."""
    table = database.exceptions
    query = sa.select(*(table.c[name] for name in Granted.__dataclass_fields__))
    query = query.where(table.c.withdrawn_at.is_(None))
    if student is not None:
        query = query.where(sa.or_(table.c.student == student, table.c.student.is_(None)))
    with engine.connect() as connection:
        return [Granted(**row) for row in connection.execute(query).mappings()]


def sections(engine: sa.Engine) -> dict[str, str]:
    """The section of everybody on the roster; whoever is not there has none."""
    table = database.people
    with engine.connect() as connection:
        rows = connection.execute(sa.select(table.c.name, table.c.section))
        return {row.name: row.section for row in rows}


def section_of(engine: sa.Engine, student: str) -> str:
    """One student's section; empty if there is none."""
    query = sa.select(database.people.c.section).where(database.people.c.name == student)
    with engine.connect() as connection:
        return connection.execute(query).scalar() or ""


def of_student(engine: sa.Engine, calendar: Calendar, student: str) -> Callable[[str, str], Terms]:
    """What holds for one student, by kind and slug; the database is read once."""
    exceptions, section = load(engine, student), section_of(engine, student)
    return lambda kind, slug: terms_of(calendar, exceptions, student, section, kind, slug)


def most_extra_time(exceptions: Iterable[Granted], kind: str, slug: str) -> float:
    """The most extra time that anybody has in an exam: until then nobody may have its solution."""
    matching = (each for each in exceptions if each.kind in (None, kind) and each.slug in (None, slug))
    return max((each.extra_time or 0.0 for each in matching), default=0.0)


def attempts_made(
    engine: sa.Engine, student: str, kind: str, slug: str, since: float = 0.0, besides: str = ""
) -> int:
    """How often a student handed something in since a moment (seconds since 1970).

    Args:
        besides: a submission that does not count: the one that is just coming in.
    """
    table: Any = database.submissions.c
    query = sa.select(sa.func.count()).where(
        table.student == student,
        table.kind == kind,
        table.slug == slug,
        table.received_at >= since,
        table.id != besides,
    )
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def day_began(calendar: Calendar, now: float) -> float:
    """When the class's day began, by the calendar's time zone; in seconds since 1970."""
    zone = timezone.utc if calendar.timezone == "UTC" else ZoneInfo(calendar.timezone)
    midnight = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.timestamp()
