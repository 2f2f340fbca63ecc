"""Who marks what: everything that waits for a person, dealt to those who mark."""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

from grading.api.handlers import Answer, ApiHandler
from grading.api.submissions import in_thread
from grading.database import by_hand, people

MARKERS = ("grader", "instructor")  # roles of the roster
ONLY_MARKERS = "Only those who mark see what waits for them."


class AllocationHandler(ApiHandler):
    """GET allocation?assignment=NAME: what waits, and for whom; without a name, of all assignments."""

    async def get(self) -> None:
        """For graders and instructors."""
        if not self.is_grader(self.user):
            raise Answer(403, ONLY_MARKERS)
        found = await in_thread(allocation, self.service.engine, self.get_query_argument("assignment", None))
        self.finish({"waiting": found})


def allocation(engine: sa.Engine, assignment: str | None = None) -> list[dict[str, Any]]:
    """What waits for a person: assignment, student, items, and the marker whose turn it is.

    Within an assignment the class is dealt in turns, in an order that is the same each time, whoever has
    handed in or is marked by now; so it changes only when the roster does. The marker is None where the
    roster has none.
    """
    waiting = sa.select(by_hand.c.assignment, by_hand.c.student, by_hand.c.item).where(by_hand.c.waiting)
    if assignment is not None:
        waiting = waiting.where(by_hand.c.assignment == assignment)
    with engine.connect() as connection:
        rows = connection.execute(waiting.order_by(*waiting.selected_columns)).all()
        on_it = connection.execute(sa.select(people.c.name, people.c.role).where(people.c.active)).all()
    markers = sorted(name for name, role in on_it if role in MARKERS)
    students = {name for name, role in on_it if role not in MARKERS}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name, student, item in rows:
        entry = found.setdefault(
            (name, student), {"assignment": name, "student": student, "items": [], "marker": None}
        )
        entry["items"].append(item)
    for name in {each for each, _ in found}:
        turns = turns_of(name, students | {student for each, student in found if each == name}, markers)
        for (each, student), entry in found.items():
            if each == name:
                entry["marker"] = turns.get(student)
    return list(found.values())


def turns_of(assignment: str, students: set[str], markers: list[str]) -> dict[str, str]:
    """Student -> marker, in turns; another order for each assignment, so that nobody always has the same."""
    if not markers:
        return {}

    def place(student: str) -> bytes:
        return hashlib.sha256(f"{assignment}\0{student}".encode("utf-8", "replace")).digest()

    ordered = sorted(students, key=place)
    return {student: markers[turn % len(markers)] for turn, student in enumerate(ordered)}


ROUTES = [("api/allocation", AllocationHandler)]
