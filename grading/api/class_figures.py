"""Figures of the class: how marks are distributed, who is stuck, and what waits to be marked.

As in class_list, what it costs does not grow with the stored submissions: of those only the few are read
that standings or the queue's states name.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from grading.api import charts
from grading.api.class_list import Person
from grading.api.overview import UNMARKED, Entry, Key, Row
from grading.database import jobs, results, standings, submissions

DAY = 86400.0
REPEATED = 3  # failures of the same check in a row
LOOKED_AT = 400  # students whose newest attempts are read at most
RATE_SECONDS = 300.0
MOST_ROWS = 200


@dataclass(frozen=True)
class Figures:
    """How the marks of one module or milestone are distributed over the class.

    Attributes:
        handed_in, full, excused: numbers of students.
        median: share of the points in the middle; None where nobody has a mark.
    """

    entry: Entry
    handed_in: int
    full: int
    excused: int
    students: int
    median: float | None
    bars: list[charts.Bar]


@dataclass(frozen=True)
class Stuck:
    """A student who may need help, and why.

    Attributes:
        since: when something last counted, seconds since 1970; None: never.
        check: the check that failed again and again; None if it is only quiet.
        times: how many attempts in a row failed it.
    """

    person: Person
    kind: str
    slug: str
    since: float | None
    check: str | None = None
    times: int = 0
    reason: str = ""


def distributions(
    connection: sa.Connection, columns: Iterable[Entry], listed: Sequence[Person]
) -> list[Figures]:
    """Each module's and milestone's figures over these students."""
    names = {person.name for person in listed}
    query = sa.select(
        standings.c.student,
        standings.c.kind,
        standings.c.slug,
        standings.c.score,
        standings.c.max_score,
        standings.c.passed,
        standings.c.excused,
    )
    found: dict[Key, list[Any]] = {}
    for row in connection.execute(query):
        if row.student in names:
            found.setdefault((row.kind, row.slug), []).append(row)
    return [_figures(entry, found.get((entry.kind, entry.slug), []), len(names)) for entry in columns]


def _figures(entry: Entry, rows: list[Any], students: int) -> Figures:
    counted = [row for row in rows if not row.excused]
    shares = sorted(row.score / row.max_score if row.max_score else 1.0 for row in counted)
    stone = entry.kind == "milestone"
    full = sum(bool(row.passed) if stone else row.score >= row.max_score for row in counted)
    return Figures(
        entry,
        len(counted),
        full,
        len(rows) - len(counted),
        students,
        shares[len(shares) // 2] if shares else None,
        charts.distribution(Counter(shares)),
    )


def stuck(
    connection: sa.Connection, columns: Sequence[Entry], listed: Sequence[Person], days: float
) -> tuple[list[Stuck], list[Stuck], list[Person]]:
    """Who fails one exercise again and again; who is quiet; who has not begun.

    Progress is the last submission that counts. Whoever has done everything is not stuck.

    Args:
        days: without progress for so long is quiet.
    """
    people = {person.name: person for person in listed}
    newest: dict[str, Any] = {}
    since: dict[str, float] = {}
    done: Counter[str] = Counter()
    for row in connection.execute(_progress()):
        if row.student not in people:
            continue
        since[row.student] = max(since.get(row.student, 0.0), row.counted_at or row.at)
        if row.student not in newest or row.at > newest[row.student].at:
            newest[row.student] = row
        done[row.student] += bool(row.excused or row.passed or row.score >= row.max_score)
    repeating = _repeating(connection, [row for row in newest.values() if _failing(row)], people, since)
    told = {each.person.name for each in repeating}
    before = time.time() - days * DAY
    quiet = [
        Stuck(people[name], newest[name].kind, newest[name].slug, at)
        for name, at in sorted(since.items(), key=lambda item: item[1])
        if at < before and name not in told and done[name] < len(columns)
    ]
    return repeating, quiet, [person for person in listed if person.name not in since]


def _progress() -> sa.Select[Any]:
    counted = submissions.alias("counted")
    return sa.select(standings, counted.c.received_at.label("counted_at")).select_from(
        standings.outerjoin(counted, counted.c.id == standings.c.counted)
    )


def _failing(row: Any) -> bool:
    return row.attempts >= REPEATED and row.score < row.max_score and not row.excused and not row.passed


def _repeating(
    connection: sa.Connection, rows: list[Any], people: Mapping[str, Person], since: Mapping[str, float]
) -> list[Stuck]:
    """Of the module that each worked at last: whose newest attempts all fail the same check."""
    found = []
    for row in sorted(rows, key=lambda row: -row.at)[:LOOKED_AT]:
        same = (
            submissions.c.student == row.student,
            submissions.c.kind == row.kind,
            submissions.c.slug == row.slug,
            submissions.c.state == "graded",
        )
        query = (
            sa.select(results.c.checks)
            .join(submissions, submissions.c.id == results.c.submission)
            .where(*same)
            .order_by(submissions.c.received_at.desc(), submissions.c.id.desc())
            .limit(2 * REPEATED)
        )
        attempts = connection.execute(query).scalars().all()
        check, times, reason = _in_a_row(attempts)
        if times >= REPEATED:
            person = people[row.student]
            found.append(Stuck(person, row.kind, row.slug, since[row.student], check, times, reason))
    return sorted(found, key=lambda each: (each.slug, each.check or "", each.person.name))


def _in_a_row(attempts: Sequence[Any]) -> tuple[str, int, str]:
    """The check that has missed points in most of the newest attempts in a row; how many, and why."""
    failing: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for place, checks in enumerate(attempts):
        for check in checks or []:
            name = check["check"]
            if check["points"] < check["max_points"] and failing.get(name, 0) == place:
                failing[name] = place + 1
                reasons.setdefault(name, (check["reasons"] or [""])[0])
    worst = max(failing, key=lambda name: failing[name], default="")
    return worst, failing.get(worst, 0), reasons.get(worst, "")


@dataclass(frozen=True)
class QueueFigures:
    """What waits, and how fast it goes.

    Attributes:
        oldest: seconds that the oldest has waited; None where nothing waits.
        rate: submissions marked in the last five minutes, a minute.
        seconds: median seconds of those; None where there were none.
        rows, failed: the oldest that wait, and what could not be marked.
        more: how many wait that are not in `rows`.
    """

    waiting: int
    running: int
    jobs: int
    oldest: float | None
    rate: float
    seconds: float | None
    rows: list[Row]
    failed: list[Row]

    @property
    def more(self) -> int:
        """How many wait that are not listed."""
        return self.waiting + self.running - len(self.rows)


def queue(connection: sa.Connection, now: float) -> QueueFigures:
    """The queue at this moment."""
    counts: dict[str, int] = {}
    oldest = None
    grouped = sa.select(submissions.c.state, sa.func.count(), sa.func.min(submissions.c.received_at))
    for state, count, first in connection.execute(
        grouped.where(submissions.c.state.in_(UNMARKED)).group_by(submissions.c.state)
    ):
        counts[state] = count
        oldest = first if oldest is None else min(oldest, first)
    fields = ("id", "student", "kind", "slug", "state", "received_at", "attempts")
    listed = sa.select(*(submissions.c[name] for name in fields))
    rows = listed.where(submissions.c.state.in_(UNMARKED)).order_by(submissions.c.received_at)
    failed = (
        listed.add_columns(results.c.notes)
        .outerjoin(results, results.c.submission == submissions.c.id)
        .where(submissions.c.state == "failed")
        .order_by(submissions.c.received_at.desc())
        .limit(MOST_ROWS)
    )
    # By the time of recording, which has an index and follows within a second.
    seconds = sorted(
        connection.execute(
            sa.select(results.c.seconds).where(
                results.c.recorded_at > now - RATE_SECONDS, results.c.graded_at > now - RATE_SECONDS
            )
        ).scalars()
    )
    waiting_jobs = sa.select(sa.func.count()).where(jobs.c.state.in_(("queued", "running")))
    return QueueFigures(
        counts.get("queued", 0),
        counts.get("grading", 0),
        int(connection.execute(waiting_jobs).scalar_one()),
        None if oldest is None else max(0.0, now - oldest),
        len(seconds) / (RATE_SECONDS / 60),
        seconds[len(seconds) // 2] if seconds else None,
        list(connection.execute(rows.limit(MOST_ROWS)).mappings()),
        list(connection.execute(failed).mappings()),
    )
