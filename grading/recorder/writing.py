"""The one writer of automatic marks, of standings, and of their history.

It looks for what is not in agreement, and settles it: marks that are not recorded, terms that have changed,
and what people have written into the gradebook. At start it looks at everything, so that nothing is lost
whenever it was killed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from grading import standings
from grading.calendar import CalendarKeeper
from grading.course_files import CourseFiles
from grading.database import by_hand, results, submissions
from grading.database import standings as table
from grading.marks import MILESTONE, name_of
from grading.metrics import RecorderMetrics
from grading.recorder import applying, gradebook, reading
from grading.recorder.in_force import InForce
from grading.recorder.settling import Settling, marked_of, marked_rows
from grading.standings import Hand, Key
from grading.store import Store

POLL_SECONDS = 1.0
LOOK_SECONDS = 2.0
BACK_OFF_SECONDS = 15.0
BATCH = 100

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Postponed:
    """What could not be settled: when to try again, and which marks wait for it."""

    again: float
    unrecorded: frozenset[str]


@dataclass
class Recorder:
    """Writes what the workers have decided, and what follows from it."""

    engine: sa.Engine
    course: CourseFiles
    store: Store
    gradebook_url: str
    metrics: RecorderMetrics
    keeper: CalendarKeeper
    folder: Path  # nbgrader's, for its course
    postponed: dict[Key, Postponed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing was looked at yet."""
        self.in_force = InForce(self.engine, self.keeper, self.course.manifest)
        self.settling = Settling(self.engine, self.course, self.store, self.in_force, self.folder)
        self._version: int | None = None  # of the gradebook, when it was last looked at
        self._renewed = 0  # how often terms had changed then
        self._looked = -LOOK_SECONDS
        self._others: set[Key] = set()  # to be settled, beside new marks

    def run(self, stop: threading.Event) -> None:
        """Write until told to stop."""
        book: Any = None
        while not stop.is_set():
            book = book or self._open()
            if book and time.monotonic() - self._looked >= LOOK_SECONDS:
                self.look(book)
                self._looked = time.monotonic()
            busy = self.record(book) if book else 0
            stop.wait(0 if busy or self._others else POLL_SECONDS)

    def _open(self) -> Any:
        try:
            return gradebook.open_gradebook(self.gradebook_url)
        except Exception:
            log.exception("the gradebook %s cannot be opened", self.gradebook_url)
            self.metrics.record_failures.inc()
            time.sleep(BACK_OFF_SECONDS)
            return None

    def record(self, book: Any) -> int:
        """Record marks that are not recorded yet, at most BATCH; how many those were. Never raises.

        Between them it settles what a look has found, so that neither waits for all of the other.
        """
        try:
            self.in_force.renew()
            applying.apply(self.engine)
            waiting = self._unrecorded()
        except Exception:
            self._failed("the grading database cannot be read")
            return 0
        recorded = sum(len(ids) for key, ids in waiting.items() if self._settled(book, key, ids))
        for key in sorted(self._others)[:BATCH]:
            self._others.remove(key)
            self._settled(book, key, ())
        return recorded

    def look(self, book: Any) -> None:
        """Find whatever else is not in agreement; everything is looked at the first time. Never raises."""
        try:
            self.in_force.renew()
            version, renewed = reading.version(book), self.in_force.renewed
            if renewed != self._renewed:
                self._set_due(book)
                self._others |= set(self._other_terms())
            if version != self._version:
                self._others |= set(self._other_gradebook(book))
            self._version, self._renewed = version, renewed
            now = time.time()
            again = (key for key, each in self.postponed.items() if each.again <= now and not each.unrecorded)
            self._others |= set(again)
        except Exception:
            book.db.rollback()
            self._failed("the gradebook or the grading database cannot be read")

    def _settled(self, book: Any, key: Key, unrecorded: Iterable[str]) -> bool:
        """Settle one key. One that cannot be settled waits, and keeps no other from it."""
        ids = frozenset(unrecorded)
        try:
            self.settling.settle(book, key, ids)
        except Exception:
            book.db.rollback()
            self._failed(f"{' '.join(key)} cannot be recorded; again in {BACK_OFF_SECONDS:g} s")
            self.postponed[key] = Postponed(time.time() + BACK_OFF_SECONDS, ids)
            return False
        self.postponed.pop(key, None)
        self.metrics.recorded.inc(len(ids))
        return True

    def _failed(self, what: str) -> None:
        log.exception(what)
        self.metrics.record_failures.inc()

    # ---- what is not in agreement ----

    def _unrecorded(self) -> dict[Key, list[str]]:
        """Marks that are not recorded, the oldest first."""
        now = time.time()
        # Many that cannot be recorded must hide no other.
        later = [id for each in self.postponed.values() if each.again > now for id in each.unrecorded]
        query = (
            sa.select(submissions.c.student, submissions.c.kind, submissions.c.slug, submissions.c.id)
            .join(results, results.c.submission == submissions.c.id)
            .where(results.c.recorded_at.is_(None), submissions.c.id.not_in(later))
            .order_by(submissions.c.received_at, submissions.c.id)
            .limit(BATCH)
        )
        found: dict[Key, list[str]] = {}
        with self.engine.connect() as connection:
            for student, kind, slug, id in connection.execute(query):
                found.setdefault(Key(student, kind, slug), []).append(id)
        return found

    def _other_terms(self) -> Iterator[Key]:
        """Whoever's terms give another standing than the one that is kept."""
        with self.engine.connect() as connection:
            kept = {_key(row): row for row in connection.execute(sa.select(table)).mappings()}
        marked = set()
        for key, (newest, counted) in self._counted():
            marked.add(key)
            row = kept.get(key)
            terms = self.in_force.terms(key)
            ours = (newest, counted and counted.id, standings.factor(counted, terms), terms.excused)
            if row is None or ours != (row["newest"], row["counted"], row["factor"], row["excused"]):
                yield key
        for key, row in kept.items():
            excused = self.in_force.terms(key).excused
            if key not in marked and (key.kind == "assignment" or row["excused"] != excused):
                yield key  # of an own assignment nbgrader knows when it was handed in
        yield from (key for key in self.in_force.excused() if key not in kept)

    def _counted(self) -> Iterator[tuple[Key, Any]]:
        """Of everybody's marks the newest, and the one that counts."""
        order = (submissions.c.student, submissions.c.kind, submissions.c.slug, submissions.c.received_at)
        with self.engine.connect() as connection:
            rows = connection.execution_options(yield_per=1000).execute(
                marked_rows().order_by(*order, submissions.c.id)
            )
            for key, group in groupby(rows.mappings(), _key):
                marked = [marked_of(row) for row in group]
                yield key, (marked[-1].id, standings.counted(marked, self.in_force.terms(key)))

    def _other_gradebook(self, book: Any) -> Iterator[Key]:
        """Whoever's gradebook is another than what is kept: people wrote into it, or it was replaced."""
        held, hands = reading.held(book), reading.hands(book)
        seen: dict[Key, dict[str, Hand]] = {}
        with self.engine.connect() as connection:
            for row in connection.execute(sa.select(by_hand)).mappings():
                key = Key(row["student"], *self._named(row["assignment"]))
                hand = Hand(row["item"], row["points"], row["max_points"], row["comment"], row["waiting"])
                seen.setdefault(key, {})[hand.item] = hand
            kept = {_key(row): row for row in connection.execute(sa.select(table)).mappings()}
        ours = {Key(student, *self._named(assignment)) for assignment, student in held}
        for key in ours | seen.keys() | kept.keys():
            name = (name_of(key.kind, key.slug), key.student)
            if hands.get(name, {}) != seen.get(key, {}) or self._differs(key, kept.get(key), held.get(name)):
                yield key

    @staticmethod
    def _differs(key: Key, row: sa.RowMapping | None, held: reading.Held | None) -> bool:
        if row is None:
            return held is not None and (key.kind == "assignment" or bool(held.score))
        if held is None:
            return row["counted"] is not None
        raw = row["automatic"] + row["by_hand"]
        if key.kind == "assignment" and standings.differ(row["max_score"], held.max_score):
            return True
        penalty = max(0.0, held.score) * (1 - row["factor"])
        return standings.differ(raw, held.score) or abs(penalty - held.penalty) > 0.001

    def _named(self, assignment: str) -> tuple[str, str]:
        """Kind and slug of what nbgrader calls so."""
        manifest = self.course.manifest
        if assignment in manifest.modules:
            return "module", assignment
        slug = assignment.removeprefix(MILESTONE)
        return (
            ("milestone", slug)
            if slug != assignment and slug in manifest.milestones
            else ("assignment", assignment)
        )

    def _set_due(self, book: Any) -> None:
        """Tell nbgrader what is due when. An own assignment that the calendar does not name keeps its own."""
        calendar, manifest = self.in_force.calendar, self.course.manifest
        due = {slug: calendar.module(slug).due for slug in manifest.modules}
        due |= {name_of("milestone", slug): calendar.milestone(slug).due for slug in manifest.milestones}
        due |= {slug: entry.due for slug, entry in calendar.assignments.items()}
        gradebook.set_due(book, {name: gradebook.due_of(each) for name, each in due.items()})


def _key(row: sa.RowMapping) -> Key:
    return Key(row["student"], row["kind"], row["slug"])
