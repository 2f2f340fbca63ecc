"""What a student's pages show: the track's modules and milestones in order, and how each stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from course.calendar import Calendar
from course.manifest import Manifest
from grading import terms
from grading.database import attempts as verified
from grading.database import by_hand, results, standings, submissions
from grading.terms import Terms

Key = tuple[str, str]  # kind and slug
Row = Mapping[Any, Any]
UNMARKED = ("queued", "grading")
MOST_ATTEMPTS = 500  # of one module or milestone that a page shows


@dataclass(frozen=True)
class Entry:
    """A module or milestone on a page.

    Attributes:
        number: the module's in the track; empty for a milestone.
        worth: points of everything that can be had.
        newest: the newest submission; None if there is none.
        marked: the submission that counts, with its checks; None if none has a mark.
        standing: what the recorder made of it; None until it has.
        by_hand: points and comments that a person gave.
        attempt: the number of submissions.
    """

    kind: str
    slug: str
    title: str
    number: str
    worth: float
    available: bool
    skipped: bool = False
    terms: Terms = field(default_factory=Terms)
    newest: Row | None = None
    marked: Row | None = None
    standing: Row | None = None
    by_hand: tuple[Row, ...] = ()
    attempts: int = 0

    @property
    def waiting(self) -> bool:
        """Handed in, and not marked yet."""
        return self.newest is not None and self.newest["state"] in UNMARKED

    @property
    def excused(self) -> bool:
        """Whether nothing is expected here."""
        return self.terms.excused or bool(self.standing and self.standing["excused"])

    @property
    def score(self) -> float | None:
        """Points that count; None without a mark."""
        if self.standing is not None:
            return float(self.standing["score"])
        return None if self.marked is None else float(self.marked["score"])

    @property
    def points(self) -> float:
        """Points that can be had."""
        return float(self.standing["max_score"]) if self.standing is not None else self.worth

    @property
    def passed(self) -> bool:
        """A milestone: whether it is reached."""
        return bool((self.standing or self.marked or {}).get("passed"))

    @property
    def lost(self) -> bool:
        """Whether points are missing."""
        return self.score is not None and self.score < self.points

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        if self.excused or self.skipped:
            return True
        if self.marked is None or self.waiting:
            return False
        return self.passed if self.kind == "milestone" else not self.short

    @property
    def short(self) -> bool:
        """Whether the submission that counts misses points itself, before lateness and people."""
        return self.marked is not None and self.marked["score"] < self.marked["max_score"]

    @property
    def factor(self) -> float:
        """What lateness leaves of the points."""
        return float(self.standing["factor"]) if self.standing is not None else 1.0

    @property
    def status(self) -> tuple[str, str]:
        """A word for the style sheet and words for the reader; colour is never alone."""
        if self.waiting:
            return "waiting", "Being marked"
        if self.excused:
            return "excused", "Excused"
        if self.newest is not None and self.newest["state"] == "failed":
            return "failed", "Could not be marked"
        if self.score is None:
            return "none", "Not handed in" if self.newest is None else "Handed in"
        if self.kind == "milestone":
            return ("full", "Reached") if self.passed else ("part", "Not reached yet")
        return ("part", "Points missing") if self.lost else ("full", "All points")

    @property
    def command(self) -> str:
        """What a student types next."""
        if self.newest is None:
            return f"tito start {self.slug}"
        return f"tito {'milestone ' if self.kind == 'milestone' else ''}submit {self.slug}"

    def checks(self) -> Iterable[tuple[str, Row]]:
        """Each check of the mark, with a name that reads well."""
        for check in (self.marked or {}).get("checks") or []:
            yield check_name(check["check"], self.slug), check


def of_track(manifest: Manifest, track_name: str | None) -> list[Entry]:
    """All entries of a track, in order; milestones behind the module they come after. Nobody's marks."""
    track = manifest.track(track_name)
    entries = []
    for step in track.steps:
        module = step.module
        worth = float(module.points + module.by_hand)
        entries.append(Entry("module", module.slug, module.title, str(step.number), worth, module.available))
        for stop in track.stops:
            if stop.after == module.slug:
                stone = stop.milestone
                worth = float(stone.points)
                entries.append(Entry("milestone", stone.slug, stone.title, "", worth, stone.available))
    return entries


def of_student(
    engine: sa.Engine, manifest: Manifest, track_name: str | None, calendar: Calendar, student: str
) -> list[Entry]:
    """The track as one student stands in it; reads checks only of what counts."""
    known = {(entry.kind, entry.slug): entry for entry in of_track(manifest, track_name)}
    with engine.connect() as connection:
        standing = _by_key(connection.execute(sa.select(standings).where(standings.c.student == student)))
        newest, counts = _newest(connection, student)
        marked = _marked(connection, student, newest, standing)
        hand = connection.execute(sa.select(by_hand).where(by_hand.c.student == student)).mappings().all()
    for key in sorted({*newest, *standing} - known.keys()):  # of another track, or nbgrader's own
        known[key] = Entry(*key, key[1], "", 0.0, True)
    holds = terms.of_student(engine, calendar, student)
    return [
        replace(
            entry,
            skipped=calendar.entry(*key).skipped,
            terms=holds(*key),
            newest=newest.get(key),
            marked=marked.get(key),
            standing=standing.get(key),
            by_hand=tuple(row for row in hand if row["assignment"] == assignment(*key)),
            attempts=counts.get(key, 0),
        )
        for key, entry in known.items()
    ]


def next_step(entries: Sequence[Entry], now: datetime) -> Entry | None:
    """What a student does next, of what is open and still taken.

    The last in the track that was begun, if it misses points; then what is not begun; then what is left.
    """
    possible = [
        entry
        for entry in entries
        if entry.available
        and not entry.done
        and not entry.waiting
        and entry.terms.is_open(now)
        and entry.terms.is_taken(now.timestamp())
    ]
    begun = [entry for entry in entries if entry.newest is not None]
    last = begun[-1] if begun else None
    untouched = next((entry for entry in possible if entry.newest is None), None)
    return last if last in possible else untouched or next(iter(possible), None)


def attempts_at(engine: sa.Engine, student: str, kind: str, slug: str) -> list[Row]:
    """All submissions of one module or milestone with their results, oldest first."""
    query = (
        sa.select(submissions, results, verified.c.public, verified.c.private)
        .select_from(
            submissions.outerjoin(results, results.c.submission == submissions.c.id).outerjoin(
                verified, verified.c.submission == submissions.c.id
            )
        )
        .where(submissions.c.student == student, submissions.c.kind == kind, submissions.c.slug == slug)
        .order_by(submissions.c.received_at.desc(), submissions.c.id.desc())
        .limit(MOST_ATTEMPTS)
    )
    with engine.connect() as connection:
        return [*reversed(connection.execute(query).mappings().all())]


def total(entries: Iterable[Entry]) -> tuple[float, float]:
    """Points reached, and points of everything that is available and expected."""
    counted = [entry for entry in entries if entry.available and not entry.excused and not entry.skipped]
    return sum(entry.score or 0.0 for entry in counted), sum(entry.points for entry in counted)


def assignment(kind: str, slug: str) -> str:
    """nbgrader's name of a module, milestone or assignment."""
    return f"milestone-{slug}" if kind == "milestone" else slug


def check_name(check: str, slug: str = "") -> str:
    """A check's or exercise's name, so that it reads well."""
    return check.removeprefix("check-").removeprefix(f"{slug}-").replace("-", " ").replace("_", " ")


def _newest(connection: sa.Connection, student: str) -> tuple[dict[Key, Row], dict[Key, int]]:
    """Of each module and milestone the newest submission, and how many there are."""
    query = sa.select(
        submissions.c.id,
        submissions.c.kind,
        submissions.c.slug,
        submissions.c.state,
        submissions.c.received_at,
    ).where(submissions.c.student == student)
    query = query.order_by(submissions.c.received_at, submissions.c.id)
    newest: dict[Key, Row] = {}
    counts: dict[Key, int] = {}
    for row in connection.execute(query).mappings():
        key = (row["kind"], row["slug"])
        newest[key] = row
        counts[key] = counts.get(key, 0) + 1
    return newest, counts


def _marked(
    connection: sa.Connection, student: str, newest: Mapping[Key, Row], standing: Mapping[Key, Row]
) -> dict[Key, Row]:
    """The submissions that count, with checks; where nothing is recorded yet, the newest with a mark."""
    ids = {row["counted"] for row in standing.values() if row["counted"]}
    ids |= {row["id"] for key, row in newest.items() if key not in standing and row["state"] == "graded"}
    unrecorded = [key for key, row in newest.items() if key not in standing and row["state"] != "graded"]
    for kind, slug in unrecorded:  # the newest waits or failed: an earlier one may have a mark
        before = (
            sa.select(submissions.c.id)
            .where(
                submissions.c.student == student,
                submissions.c.kind == kind,
                submissions.c.slug == slug,
                submissions.c.state == "graded",
            )
            .order_by(submissions.c.received_at.desc(), submissions.c.id.desc())
            .limit(1)
        )
        ids |= set(connection.execute(before).scalars())
    query = sa.select(
        submissions.c.id, submissions.c.kind, submissions.c.slug, submissions.c.received_at, results
    ).join(results, results.c.submission == submissions.c.id)
    return _by_key(connection.execute(query.where(submissions.c.id.in_(ids))))


def _by_key(found: sa.CursorResult[Any]) -> dict[Key, Row]:
    return {(row["kind"], row["slug"]): row for row in found.mappings()}
