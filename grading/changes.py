"""Every change of a mark, kept: who, when, from, to, why. Rows are only ever added."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from grading.database import changes
from grading.marks import iso

GRADER = "grader"  # who it was, where no person decided
MOST = 100  # changes on one page

Change = dict[str, Any]


def note(
    connection: sa.Connection,
    *,
    by: str,
    student: str,
    kind: str,
    slug: str,
    before: float | None,
    after: float | None,
    why: str,
    item: str | None = None,
    submission: str | None = None,
) -> None:
    """Keep a change, in the transaction that makes it.

    Args:
        by: a person's name, or GRADER.
        before, after: points; None: there was, or is, no mark.
        item: the check or question; None: the whole mark.
    """
    row = {
        "at": time.time(),
        "by": by,
        "student": student,
        "kind": kind,
        "slug": slug,
        "item": item,
        "submission": submission,
        "before": before,
        "after": after,
        "why": why,
    }
    connection.execute(changes.insert().values(row))


def of(engine: sa.Engine, student: str | None = None, before: int | None = None) -> list[Change]:
    """The newest changes of a student, or of everybody; at most MOST.

    Args:
        before: the id of the last change of the page before; only older ones are returned.
    """
    query = sa.select(changes).order_by(changes.c.id.desc()).limit(MOST)
    if student is not None:
        query = query.where(changes.c.student == student)
    if before is not None:
        query = query.where(changes.c.id < before)
    with engine.connect() as connection:
        return [{**row, "at": iso(row["at"])} for row in connection.execute(query).mappings()]
