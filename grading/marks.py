"""Reading a student's own marks. Plain data, for the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from grading.database import by_hand, results, standings, submissions
from grading.terms import Terms

View = dict[str, Any]
MARKED = submissions.outerjoin(results, results.c.submission == submissions.c.id)
JOINED = sa.select(submissions, results).select_from(MARKED)
MILESTONE = "milestone-"  # before its slug it is nbgrader's name of it
STANDING = (
    "counted",
    "attempts",
    "automatic",
    "by_hand",
    "factor",
    "score",
    "max_score",
    "passed",
    "excused",
)


def one(engine: sa.Engine, id: str, student: str) -> View | None:
    """One submission of a student; None if there is none, or it is somebody else's."""
    query = JOINED.where(submissions.c.id == id, submissions.c.student == student)
    with engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    return view(row) if row else None


def of_student(engine: sa.Engine, student: str) -> list[View]:
    """The newest submission of each of a student's modules, milestones and assignments.

    While the newest has no mark, `previous` holds the newest one that has. Marks are read of these only,
    however many others there are.
    """
    whose = (submissions.c.student, submissions.c.kind, submissions.c.slug)
    moment = sa.func.max(submissions.c.received_at)
    of = sa.select(*whose, moment.label("received_at")).where(submissions.c.student == student)
    newest = of.group_by(*whose).subquery()
    marked = of.where(submissions.c.state == "graded").group_by(*whose).subquery()
    found: dict[tuple[str, str], View] = {}
    with engine.connect() as connection:
        for chosen in (newest, marked):
            same = [
                submissions.c[name] == chosen.c[name] for name in ("student", "kind", "slug", "received_at")
            ]
            query = sa.select(submissions, results).select_from(MARKED.join(chosen, sa.and_(*same)))
            for row in connection.execute(query.order_by(submissions.c.id)).mappings():
                key = (row["kind"], row["slug"])
                if chosen is newest:
                    found[key] = view(row)
                elif row["id"] != found[key]["id"] and found[key]["state"] != "graded":
                    found[key]["previous"] = view(row)
    return sorted(found.values(), key=lambda each: str(each["received_at"]))


def standing_of(engine: sa.Engine, student: str) -> dict[tuple[str, str], View]:
    """What counts of a student's modules, milestones and assignments, by kind and slug."""
    query = sa.select(standings).where(standings.c.student == student)
    given = sa.select(by_hand).where(by_hand.c.student == student).order_by(by_hand.c.item)
    with engine.connect() as connection:
        hands: dict[str, list[View]] = {}
        for row in connection.execute(given).mappings():
            hand = {name: row[name] for name in ("item", "points", "max_points", "comment", "waiting")}
            hands.setdefault(row["assignment"], []).append(hand)
        return {
            (row["kind"], row["slug"]): {
                **{name: row[name] for name in STANDING},
                "given": hands.get(name_of(row["kind"], row["slug"]), []),
                "late": late_in_words(row["factor"]),
            }
            for row in connection.execute(query).mappings()
        }


def told(
    views: Iterable[View], stands: dict[tuple[str, str], View], terms: Callable[[str, str], Terms]
) -> View:
    """All of a student's marks: each submission with what counts of it and when it was due, and the total."""
    listed: dict[str, list[View]] = {"module": [], "milestone": [], "assignment": []}
    for each in views:
        due = terms(each["kind"], each["slug"]).due
        stand = stands.get((each["kind"], each["slug"]))
        listed[each["kind"]].append({**each, "due": due and iso(due.timestamp()), "counts": stand})
    counting = [each for each in stands.values() if not each["excused"]]
    return {
        **{f"{kind}s": found for kind, found in listed.items()},
        "total": {
            "score": round(sum(each["score"] for each in counting), 4),
            "max_score": round(sum(each["max_score"] for each in counting), 4),
        },
        "excused": [
            {"kind": kind, "slug": slug} for (kind, slug), each in sorted(stands.items()) if each["excused"]
        ],
    }


def late_in_words(factor: float) -> str | None:
    """What lateness takes, for the student; None if nothing."""
    return None if factor >= 1 else f"Handed in late: {factor:.0%} of the points count."


def name_of(kind: str, slug: str) -> str:
    """nbgrader's name of a module, milestone or assignment."""
    return MILESTONE + slug if kind == "milestone" else slug


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
