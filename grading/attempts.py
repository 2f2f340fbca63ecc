"""Reading attempts at milestones: a student's own, and a class's. Plain data, for the API.

What an attempt reached on its private part is shown to its student once the attempt has passed or the
student's deadline is over: a figure that says how close one came could be climbed, step by step, without
learning anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from course.calendar import Calendar
from course.manifest import Manifest, Milestone
from grading import terms
from grading.database import attempts, people, results, submissions
from grading.marks import iso

MOST_SHOWN = 200  # of a student's attempts at one milestone, the newest
PAGE = 100  # rows

Row = dict[str, Any]
ALL = (
    submissions.outerjoin(results, results.c.submission == submissions.c.id)
    .outerjoin(attempts, attempts.c.submission == submissions.c.id)
    .outerjoin(people, people.c.name == submissions.c.student)
)
COLUMNS = (
    submissions.c.id,
    submissions.c.student,
    submissions.c.slug,
    submissions.c.state,
    submissions.c.received_at,
    results.c.passed,
    results.c.checks,
    results.c.notes,
    results.c.seconds,
    attempts.c.public,
    attempts.c.private,
    attempts.c.verified,
    attempts.c.sandbox_seconds,
    attempts.c.weights,
)
SECTION = sa.func.coalesce(people.c.section, "")


@dataclass(frozen=True)
class Wanted:
    """Which of a class's attempts; None means all."""

    student: str | None = None
    milestone: str | None = None
    section: str | None = None
    passed: bool | None = None
    page: int = 1


def of_student(
    engine: sa.Engine, manifest: Manifest, calendar: Calendar, student: str, now: datetime, slug: str | None
) -> list[Row]:
    """Every milestone that can be had, or the one named, with the student's attempts, newest first."""
    holds = terms.of_student(engine, calendar, student)
    return [
        _of_milestone(engine, calendar, student, milestone, holds("milestone", milestone.slug), now)
        for milestone in manifest.milestones.values()
        if milestone.available and slug in (None, milestone.slug)
    ]


def _of_milestone(
    engine: sa.Engine,
    calendar: Calendar,
    student: str,
    milestone: Milestone,
    holds: terms.Terms,
    now: datetime,
) -> Row:
    mine = sa.and_(
        submissions.c.kind == "milestone",
        submissions.c.slug == milestone.slug,
        submissions.c.student == student,
    )
    query = sa.select(*COLUMNS).select_from(ALL).where(mine)
    query = query.order_by(submissions.c.received_at.desc(), submissions.c.id).limit(MOST_SHOWN)
    with engine.connect() as connection:
        made = [attempt(row) for row in connection.execute(query).mappings()]
    over = holds.due is not None and holds.due <= now
    for each in made:
        if not (each["passed"] or over):
            each["private"] = None
    return {
        "slug": milestone.slug,
        "title": milestone.title,
        "points": milestone.points,
        "needed": milestone.passing,
        "due": holds.due.isoformat() if holds.due else None,
        "private_shown": over,
        "passed": any(each["passed"] for each in made),
        **_left(engine, calendar, student, milestone.slug, holds, now),
        "attempts": made,
    }


def _left(
    engine: sa.Engine, calendar: Calendar, student: str, slug: str, holds: terms.Terms, now: datetime
) -> Row:
    """How many attempts are left, in all and today; None where there is no limit."""

    def left(most: int | None, since: float) -> int | None:
        if most is None:
            return None
        return max(0, most - terms.attempts_made(engine, student, "milestone", slug, since))

    return {
        "attempts_left": left(holds.attempts, 0.0),
        "attempts_left_today": left(holds.attempts_per_day, terms.day_began(calendar, now.timestamp())),
    }


def of_class(engine: sa.Engine, wanted: Wanted) -> tuple[list[Row], int]:
    """A page of attempts, newest first; and how many there are."""
    query = _chosen(sa.select(*COLUMNS, SECTION.label("section")).select_from(ALL), wanted)
    if wanted.passed is not None:
        query = query.where(sa.func.coalesce(results.c.passed, sa.false()) == wanted.passed)
    ordered = query.order_by(submissions.c.received_at.desc(), submissions.c.id)
    rows, total = _page(engine, query, ordered, wanted.page)
    return [
        {"student": row["student"], "section": row["section"], "slug": row["slug"], **attempt(row)}
        for row in rows
    ], total


def table(engine: sa.Engine, wanted: Wanted) -> tuple[list[Row], int]:
    """A page of students and milestones, each with the best of the attempts; and how many there are."""
    passed = sa.func.max(sa.case((results.c.passed, 1), else_=0))
    columns = (
        submissions.c.student,
        sa.func.max(SECTION).label("section"),
        submissions.c.slug,
        sa.func.count().label("attempts"),
        sa.func.max(attempts.c.public).label("best_public"),
        sa.func.max(attempts.c.private).label("best_private"),
        passed.label("passed"),
        sa.func.max(submissions.c.received_at).label("newest_at"),
        sa.func.sum(attempts.c.sandbox_seconds).label("sandbox_seconds"),
    )
    query = _chosen(sa.select(*columns).select_from(ALL), wanted)
    query = query.group_by(submissions.c.student, submissions.c.slug)
    if wanted.passed is not None:
        query = query.having(passed == int(wanted.passed))
    rows, total = _page(engine, query, query.order_by(submissions.c.student, submissions.c.slug), wanted.page)
    return [{**row, "passed": bool(row["passed"]), "newest_at": iso(row["newest_at"])} for row in rows], total


def attempt(row: sa.RowMapping) -> Row:
    """One attempt, with everything."""
    reasons = [reason for check in row["checks"] or [] for reason in check["reasons"]]
    return {
        "id": row["id"],
        "received_at": iso(row["received_at"]),
        "state": row["state"],
        "public": row["public"],
        "private": row["private"],
        "verified": bool(row["verified"]),
        "passed": row["passed"],
        "reason": reasons[0] if reasons else None,
        "notes": row["notes"] or [],
        "seconds": row["seconds"],
        "cost": {"sandbox_seconds": row["sandbox_seconds"], "weights": row["weights"]},
    }


def _chosen(query: sa.Select[Any], wanted: Wanted) -> sa.Select[Any]:
    query = query.where(submissions.c.kind == "milestone")
    for column, value in (
        (submissions.c.student, wanted.student),
        (submissions.c.slug, wanted.milestone),
        (SECTION, wanted.section),
    ):
        if value is not None:
            query = query.where(column == value)
    return query


def _page(
    engine: sa.Engine, query: sa.Select[Any], ordered: sa.Select[Any], page: int
) -> tuple[list[sa.RowMapping], int]:
    count = sa.select(sa.func.count()).select_from(query.subquery())
    with engine.connect() as connection:
        total = int(connection.execute(count).scalar_one())
        rows = connection.execute(ordered.limit(PAGE).offset((page - 1) * PAGE)).mappings().all()
    return list(rows), total
