"""Reading marks: a student's own, and a class's. Plain data, for the API and the pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from grading.database import results, submissions

View = dict[str, Any]
MARKED = submissions.outerjoin(results, results.c.submission == submissions.c.id)
JOINED = sa.select(submissions, results).select_from(MARKED)
# Without the reasons: a class has many, and its list shows none.
SCORES = sa.select(
    submissions,
    results.c.score,
    results.c.max_score,
    results.c.passed,
    sa.null().label("checks"),
    sa.null().label("notes"),
).select_from(MARKED)


def one(engine: sa.Engine, id: str, student: str) -> View | None:
    """One submission of a student; None if there is none, or it is somebody else's."""
    query = JOINED.where(submissions.c.id == id, submissions.c.student == student)
    with engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    return view(row) if row else None


def of_student(engine: sa.Engine, student: str) -> list[View]:
    """The newest submission of each of a student's modules and milestones.

    While the newest has no mark, `previous` holds the newest one that has.
    """
    query = JOINED.where(submissions.c.student == student)
    query = query.order_by(submissions.c.received_at, submissions.c.id)
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return list(_newest(rows).values())


def of_class(engine: sa.Engine) -> dict[str, dict[tuple[str, str], View]]:
    """Everybody's newest marks, without reasons: student -> (kind, slug) -> view."""
    query = SCORES.order_by(submissions.c.student, submissions.c.received_at, submissions.c.id)
    found: dict[str, list[sa.RowMapping]] = {}
    with engine.connect() as connection:
        for row in connection.execute(query).mappings():
            found.setdefault(row["student"], []).append(row)
    return {student: _newest(rows) for student, rows in found.items()}


def _newest(rows: Iterable[sa.RowMapping]) -> dict[tuple[str, str], View]:
    """Of rows in order of time, the last of each module or milestone."""
    found: dict[tuple[str, str], View] = {}
    for row in rows:
        key = (row["kind"], row["slug"])
        before = found.get(key)
        found[key] = view(row)
        if before and row["state"] != "graded":
            found[key]["previous"] = before if before["state"] == "graded" else before.get("previous")
    return found


def view(row: sa.RowMapping) -> View:
    """A submission as its student may see it: no seed, no place, no attempts."""
    shown: View = {
        "id": row["id"],
        "kind": row["kind"],
        "slug": row["slug"],
        "state": row["state"],
        "sha256": row["sha256"],
        "received_at": iso(row["received_at"]),
        "score": None,
        "max_score": None,
        "checks": [],
        "notes": row["notes"] or [],
    }
    if row["state"] == "graded":
        shown |= {"score": row["score"], "max_score": row["max_score"], "checks": row["checks"] or []}
    if row["kind"] == "milestone":
        shown["passed"] = row["passed"]
    return shown


def iso(seconds: float) -> str:
    """A time in ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
