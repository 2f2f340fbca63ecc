"""The help that students took, and what they guessed: recorded without a price, shown to staff."""

from __future__ import annotations

import json
import time
from typing import Any

import sqlalchemy as sa

from course.guess import guess_of
from grading.database import hints, restores, submissions
from grading.marks import iso
from grading.store import Store


def record_restore(engine: sa.Engine, student: str, module: str, target: str | None) -> float:
    """Note that a student got the solution of a module; when. Of each way the first time counts."""
    at = time.time()
    row = {"student": student, "module": module, "target": target, "at": at}
    noted = sa.exists().where(
        restores.c.student == student,
        restores.c.module == module,
        restores.c.target.is_not_distinct_from(target),
    )
    new = sa.select(*map(sa.literal, row.values())).where(~noted)
    with engine.begin() as connection:
        connection.execute(restores.insert().from_select(list(row), new))
    return at


def restores_of_class(engine: sa.Engine, module: str | None) -> list[dict[str, Any]]:
    """Who got which solution when, oldest first."""
    query = sa.select(restores).order_by(restores.c.at, restores.c.id)
    if module is not None:
        query = query.where(restores.c.module == module)
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        {
            "student": row["student"],
            "module": row["module"],
            "way": "catch-up" if row["target"] else "restore",
            "target": row["target"],
            "at": iso(row["at"]),
        }
        for row in rows
    ]


def record_hint(engine: sa.Engine, student: str, module: str, exercise: str, number: int) -> None:
    """Note that a student asked for a hint; the first time counts."""
    row = {"student": student, "module": module, "exercise": exercise, "number": number, "at": time.time()}
    try:
        with engine.begin() as connection:
            connection.execute(hints.insert().values(row))
    except sa.exc.IntegrityError:
        return  # it is noted already


def hints_of_class(engine: sa.Engine, module: str | None) -> list[dict[str, Any]]:
    """Who asked for which hint when, oldest first."""
    query = sa.select(hints).order_by(hints.c.at, hints.c.student, hints.c.number)
    if module is not None:
        query = query.where(hints.c.module == module)
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [{**row, "at": iso(row["at"])} for row in rows]


def guesses(engine: sa.Engine, store: Store, module: str) -> list[dict[str, Any]]:
    """What each student guessed at the end of a module, from the newest notebook that they handed in."""
    query = (
        sa.select(submissions.c.student, submissions.c.id, submissions.c.received_at)
        .where(submissions.c.kind == "module", submissions.c.slug == module)
        .order_by(submissions.c.received_at, submissions.c.id)
    )
    with engine.connect() as connection:
        newest = {row.student: row for row in connection.execute(query)}
    found = []
    for student, row in sorted(newest.items()):
        if guess := _guess(store, row.id):
            found.append({"student": student, "guess": guess, "at": iso(row.received_at)})
    return found


def _guess(store: Store, id: str) -> str:
    try:
        return guess_of(json.loads(store.read(id)).get("notebook"))
    except (OSError, ValueError):
        return ""  # a file that a broken disk lost must not hide everybody's
