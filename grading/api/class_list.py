"""The class as a table: who is in it, searched, filtered and in pages, with the marks of one page's students.

What it costs depends on students and modules, not on how many submissions are stored: marks come from the
recorder's standings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from course.calendar import Calendar
from course.manifest import Manifest
from grading import terms
from grading.api import overview
from grading.api.overview import UNMARKED, Entry, Key, Row
from grading.database import people, results, standings, submissions
from grading.exports.table import Person as OnRoster

PAGE = 50  # students on one page
STATES = {
    "full": "all points, or reached",
    "part": "points missing",
    "none": "not handed in",
    "waiting": "being marked",
    "failed": "could not be marked",
    "excused": "excused",
}
ORDERS = {"name": "by name", "least": "fewest points first", "most": "most points first"}


@dataclass(frozen=True)
class Person(OnRoster):
    """A student of the list."""

    def matches(self, sought: str) -> bool:
        """Whether all words of a search are somewhere in it."""
        text = f"{self.name} {self.full_name} {self.number}".casefold()
        return all(word in text for word in sought.casefold().split())


@dataclass(frozen=True)
class Filter:
    """What is asked for; empty means all.

    Attributes:
        kind, slug: the module or milestone that `state` is about; without one: any.
    """

    sought: str = ""
    section: str = ""
    kind: str = ""
    slug: str = ""
    state: str = ""
    order: str = "name"


@dataclass(frozen=True)
class Line:
    """A student's row: the entries in the columns' order, points reached and points to be had."""

    person: Person
    entries: tuple[Entry, ...]
    total: tuple[float, float]


@dataclass(frozen=True)
class Table:
    """One page of the class.

    Attributes:
        found: how many students the filter found, on all pages.
        page, pages: counted from 1.
    """

    columns: tuple[Entry, ...]
    lines: tuple[Line, ...]
    found: int
    page: int
    pages: int


def students(connection: sa.Connection) -> list[Person]:
    """Everybody who is on the roster as a student, or has handed in; by name."""
    roster = sa.select(*(people.c[field] for field in Person.__dataclass_fields__), people.c.role)
    known = {row["name"]: row for row in connection.execute(roster).mappings()}
    found = {
        name: Person(**{field: row[field] for field in Person.__dataclass_fields__})
        for name, row in known.items()
        if row["role"] == "student" and row["active"]
    }
    unlisted = set(connection.execute(sa.select(standings.c.student).distinct()).scalars())
    unlisted |= {row["student"] for row in unsettled(connection)}
    for name in unlisted - known.keys():
        found[name] = Person(name)
    return sorted(found.values(), key=lambda person: person.name.casefold())


def sections(listed: Iterable[Person]) -> list[str]:
    """The sections that there are."""
    return sorted({person.section for person in listed if person.section})


def columns_of(connection: sa.Connection, manifest: Manifest, track: str | None) -> list[Entry]:
    """The track's modules and milestones that are there, and nbgrader's assignments that have marks."""
    own = sa.select(standings.c.slug).where(standings.c.kind == "assignment").distinct()
    entries = [entry for entry in overview.of_track(manifest, track) if entry.available]
    return entries + [
        Entry("assignment", slug, slug, "", 0.0, True) for slug in sorted(connection.execute(own).scalars())
    ]


def table(
    engine: sa.Engine,
    columns: Sequence[Entry],
    calendar: Calendar,
    listed: Sequence[Person],
    wanted: Filter,
    page: int,
) -> Table:
    """One page of the class, filtered."""
    with engine.connect() as connection:
        open_work = unsettled(connection)
        chosen = _filtered(connection, listed, wanted, columns, open_work)
        pages = max(1, -(-len(chosen) // PAGE))
        page = min(max(1, page), pages)
        shown = chosen[(page - 1) * PAGE : page * PAGE]
        marks = _marks(connection, [person.name for person in shown])
    granted = _of_each(terms.load(engine), [person.name for person in shown])
    latest = {(row["student"], row["kind"], row["slug"]): row for row in open_work}
    lines = []
    for person in shown:
        name, section, own = person.name, person.section, granted[person.name]
        entries = tuple(
            _entry(
                column,
                marks.get((name, column.kind, column.slug)),
                latest.get((name, column.kind, column.slug)),
                terms.terms_of(calendar, own, name, section, column.kind, column.slug),
                calendar.entry(column.kind, column.slug).skipped,
            )
            for column in columns
        )
        lines.append(Line(person, entries, overview.total(entries)))
    return Table(tuple(columns), tuple(lines), len(chosen), page, pages)


def unsettled(connection: sa.Connection) -> list[Row]:
    """Submissions that no standing tells of yet: waiting, failed, or marked but not recorded; oldest first.

    A failed one is told of as long as nothing newer has a mark.
    """
    own = (
        submissions.c.id,
        submissions.c.student,
        submissions.c.kind,
        submissions.c.slug,
        submissions.c.state,
        submissions.c.received_at,
    )
    none = [sa.null().label(name) for name in ("score", "max_score", "passed")]
    waiting = sa.select(*own, *none).where(submissions.c.state.in_(UNMARKED))
    marked = sa.select(*own, results.c.score, results.c.max_score, results.c.passed)
    marked = marked.join(results, results.c.submission == submissions.c.id)
    # Not by state as well: that would lead SQLite to read all that is graded. Failed ones count as recorded.
    unrecorded = marked.where(results.c.recorded_at.is_(None))
    newest = submissions.alias("newest")
    same = sa.and_(
        standings.c.student == submissions.c.student,
        standings.c.kind == submissions.c.kind,
        standings.c.slug == submissions.c.slug,
    )
    failed = (
        sa.select(*own, *none)
        .outerjoin(standings, same)
        .outerjoin(newest, newest.c.id == standings.c.newest)
        .where(
            submissions.c.state == "failed",
            sa.or_(newest.c.id.is_(None), newest.c.received_at < submissions.c.received_at),
        )
    )
    found = [
        row for query in (waiting, unrecorded, failed) for row in connection.execute(query).mappings().all()
    ]
    return sorted(found, key=lambda row: (row["received_at"], row["id"]))


def _entry(
    column: Entry, standing: Row | None, latest: Row | None, holds: terms.Terms, skipped: bool
) -> Entry:
    newest = latest or ({"state": "graded"} if standing else None)
    marked = latest if latest and latest["state"] == "graded" and standing is None else None
    return replace(column, standing=standing, newest=newest, marked=marked, terms=holds, skipped=skipped)


def _of_each(granted: Sequence[terms.Granted], names: list[str]) -> dict[str, list[terms.Granted]]:
    """What was granted to each by name, and what was to a section."""
    to_sections = [each for each in granted if each.student is None]
    found = {name: [*to_sections] for name in names}
    for each in granted:
        if each.student in found:
            found[each.student].append(each)
    return found


def _marks(connection: sa.Connection, names: list[str]) -> dict[tuple[str, str, str], Row]:
    query = sa.select(standings).where(standings.c.student.in_(names))
    rows = connection.execute(query).mappings()
    return {(row["student"], row["kind"], row["slug"]): row for row in rows}


def _filtered(
    connection: sa.Connection,
    listed: Sequence[Person],
    wanted: Filter,
    columns: Sequence[Entry],
    open_work: Sequence[Row],
) -> list[Person]:
    chosen = [
        person
        for person in listed
        if person.matches(wanted.sought) and wanted.section in ("", person.section)
    ]
    if wanted.state:
        keys = [(each.kind, each.slug) for each in columns]
        if wanted.slug:
            keys = [key for key in keys if key == (wanted.kind, wanted.slug)]
        having = _having(connection, wanted.state, keys, open_work, [person.name for person in chosen])
        chosen = [person for person in chosen if person.name in having]
    if wanted.order in ("least", "most"):
        expected = [sa.and_(standings.c.kind == each.kind, standings.c.slug == each.slug) for each in columns]
        sums = sa.select(standings.c.student, sa.func.sum(standings.c.score)).group_by(standings.c.student)
        sums = sums.where(sa.or_(*expected), ~standings.c.excused)
        points = {row[0]: float(row[1]) for row in connection.execute(sums)}
        chosen.sort(key=lambda person: points.get(person.name, 0.0), reverse=wanted.order == "most")
    return chosen


def _having(
    connection: sa.Connection, state: str, keys: Sequence[Key], open_work: Sequence[Row], names: list[str]
) -> set[str]:
    """Who has something in this state."""
    latest = {(row["student"], row["kind"], row["slug"]): row["state"] for row in open_work}
    if state in ("waiting", "failed"):
        states = UNMARKED if state == "waiting" else ("failed",)
        return {who for (who, *key), found in latest.items() if found in states and tuple(key) in keys}
    fields = ("student", "kind", "slug", "score", "max_score", "passed", "excused")
    query = sa.select(*(standings.c[field] for field in fields))
    if len(keys) == 1:
        query = query.where(standings.c.kind == keys[0][0], standings.c.slug == keys[0][1])
    found: set[str] = set()
    begun: dict[str, set[Key]] = {}
    for row in connection.execute(query):
        key = (row.kind, row.slug)
        if key not in keys:
            continue
        begun.setdefault(row.student, set()).add(key)
        if state == _state(row):
            found.add(row.student)
    if state == "none":
        for who, kind, slug in latest:
            if (kind, slug) in keys:
                begun.setdefault(who, set()).add((kind, slug))
        return {name for name in names if len(begun.get(name, ())) < len(keys)}
    return found


def _state(row: Any) -> str:
    if row.excused:
        return "excused"
    full = row.passed if row.kind == "milestone" else row.score >= row.max_score
    return "full" if full else "part"
