"""The class's marks as one table: students, what they are marked on, and what counts of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from course.calendar import Calendar
from course.manifest import Manifest
from grading.database import by_hand, people, standings

Key = tuple[str, str]  # kind, slug


@dataclass(frozen=True)
class Item:
    """Something that is marked; `name` is nbgrader's."""

    kind: str
    slug: str
    title: str
    points: float

    @property
    def name(self) -> str:
        """What the gradebook calls it."""
        return f"milestone-{self.slug}" if self.kind == "milestone" else self.slug


@dataclass(frozen=True)
class Person:
    """A student. Whoever is on no roster has a name to sign in with, and nothing else."""

    name: str
    full_name: str = ""
    number: str = ""
    email: str = ""
    section: str = ""
    active: bool = True


@dataclass(frozen=True)
class Marks:
    """Everybody's marks.

    Attributes:
        marks: by student and item; the columns of the table `standings`.
        comments: what a person wrote, by student and nbgrader's name of the item.
    """

    people: list[Person]
    items: list[Item]
    marks: dict[tuple[str, str, str], dict[str, Any]]
    comments: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, section: str) -> Marks:
        """Those of one section; raises KeyError, with those that there are, where it is none."""
        known = sorted({person.section for person in self.people if person.section})
        if section not in known:
            raise KeyError(", ".join(known))
        return replace(self, people=[person for person in self.people if person.section == section])

    def mark(self, person: Person, item: Item) -> dict[str, Any] | None:
        """How somebody stands in something; None if there is nothing yet."""
        return self.marks.get((person.name, item.kind, item.slug))


def read(engine: sa.Engine, manifest: Manifest, track: str | None, calendar: Calendar) -> Marks:
    """The marks of all students who are in the class, and of whoever has a mark without being on a roster."""
    with engine.connect() as connection:
        known = {row["name"]: row for row in connection.execute(sa.select(people)).mappings()}
        found = connection.execute(sa.select(standings)).mappings().all()
        hand = sa.select(by_hand).where(by_hand.c.comment.is_not(None)).order_by(by_hand.c.item)
        told = connection.execute(hand).mappings().all()
    marks = {(row["student"], row["kind"], row["slug"]): dict(row) for row in found}
    students = [_person(row) for row in known.values() if row["role"] == "student" and row["active"]]
    students += [Person(name) for name in sorted({key[0] for key in marks} - known.keys())]
    comments: dict[tuple[str, str], str] = {}
    for row in told:
        place = (row["student"], row["assignment"])
        comments[place] = "\n".join(filter(None, (comments.get(place), row["comment"])))
    students.sort(key=lambda person: (person.section, person.full_name or person.name, person.name))
    return Marks(students, items(manifest, track, calendar, found), marks, comments)


def items(manifest: Manifest, track: str | None, calendar: Calendar, found: Any) -> list[Item]:
    """What is marked, in the track's order; an instructor's own assignments come last."""
    points: dict[Key, float] = {}
    for row in found:
        key = (row["kind"], row["slug"])
        points[key] = max(points.get(key, 0.0), row["max_score"])
    order = manifest.track(track)
    listed: list[Item] = []
    for step in order.steps:
        if step.module.available and not calendar.module(step.module.slug).skipped:
            listed.append(_item("module", step.module, points))
        for stop in order.stops:
            ours = stop.after == step.module.slug and stop.milestone.available
            if ours and not calendar.milestone(stop.milestone.slug).skipped:
                listed.append(_item("milestone", stop.milestone, points))
    listed = [item for item in listed if item.points]  # what has no points has no place in a gradebook
    own = sorted(slug for kind, slug in points if kind == "assignment")
    return listed + [Item("assignment", slug, slug, points["assignment", slug]) for slug in own]


def _item(kind: str, thing: Any, points: dict[Key, float]) -> Item:
    title = f"Milestone: {thing.title}" if kind == "milestone" else thing.title
    return Item(kind, thing.slug, title, points.get((kind, thing.slug), float(thing.points)))


def _person(row: sa.RowMapping) -> Person:
    return Person(row["name"], row["full_name"], row["number"], row["email"], row["section"], row["active"])
