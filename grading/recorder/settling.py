"""Settling how one student stands in one thing: gradebook and table agree, and the change is kept.

The gradebook is written first, then everything in the grading database in one transaction. Killed in between,
it is settled again, which changes nothing that is right already.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from course.export import answers
from grading import changes, standings
from grading.changes import GRADER
from grading.course_files import CourseFault, CourseFiles
from grading.database import applied, by_hand, jobs, regrades, results, submissions
from grading.database import standings as table
from grading.marks import name_of
from grading.recorder import gradebook, notebooks, reading
from grading.recorder.in_force import InForce
from grading.results import CheckMark
from grading.standings import Hand, Key, Marked, Standing
from grading.store import Store

SAME_SECOND = 1.0  # nbgrader keeps times less exactly than we do

log = logging.getLogger(__name__)


@dataclass
class Settling:
    """Everything that settling needs; it keeps nothing."""

    engine: sa.Engine
    course: CourseFiles
    store: Store
    in_force: InForce
    folder: Path  # nbgrader's, for its course

    def settle(self, book: Any, key: Key, unrecorded: Collection[str] = ()) -> None:
        """Bring gradebook and standing of one key into agreement with what is in force.

        Args:
            unrecorded: its submissions whose marks are new, or were computed again.

        Raises:
            Exception: the gradebook, the database or the course cannot be read or written.
        """
        former = self._former(key)
        if key.kind == "assignment":
            standing, hands, what = self._settled_own(book, key)
        else:
            standing, hands, what = self._settled(book, key, unrecorded)
        self._keep(book, key, former, standing, hands, unrecorded, what)

    def assignment(self, kind: str, slug: str) -> gradebook.Assignment:
        """What the assignment of a module or milestone is made of."""
        if kind == "module":
            return gradebook.module_assignment(slug, self.course.official(slug))
        points = float(self.course.manifest.milestone(slug).points)
        return gradebook.Assignment(name_of(kind, slug), {slug: points})

    # ---- the course's modules and milestones: what was marked here goes into the gradebook ----

    def _settled(
        self, book: Any, key: Key, unrecorded: Collection[str]
    ) -> tuple[Standing | None, dict[str, Hand], str]:
        terms = self.in_force.terms(key)
        marked = self._marked(key)
        counted = standings.counted(marked, terms)
        name = (name_of(key.kind, key.slug), key.student)
        checks: list[dict[str, Any]] = []
        if counted is not None:
            checks = self._checks(counted.id)
            if counted.id in unrecorded or not self._is_written(book, name, counted, checks):
                self._write(book, key, counted, checks)
        hands = reading.hands(book, name).get(name, {})
        if counted is None and not hands and not terms.excused:
            return None, {}, ""
        factor = standings.factor(counted, terms)
        gradebook.penalise(book, *name, factor)
        automatic, more = self._points(key)
        standing = Standing(
            newest=marked[-1].id if marked else None,
            counted=counted.id if counted else None,
            attempts=self._attempts(key),
            automatic=counted.score if counted else 0.0,
            by_hand=standings.points_by_hand(checks, hands.values()),
            factor=factor,
            max_score=round((counted.max_score if counted else automatic) + more, 4),
            passed=counted.passed if counted else None,
            excused=terms.excused,
        )
        what = f"submission {counted.id[:8]} graded" if counted else ""
        if counted and counted.id != marked[-1].id:
            what = f"submission {marked[-1].id[:8]} graded; {counted.id[:8]} is better and counts"
        return standing, hands, what

    def _marked(self, key: Key) -> list[Marked]:
        """All submissions that have a mark, in order of time."""
        query = marked_rows().where(*_is(submissions, key))
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(submissions.c.received_at, submissions.c.id)).mappings()
            return [marked_of(row) for row in rows]

    def _points(self, key: Key) -> tuple[float, float]:
        """What can be had automatically, and by hand."""
        if key.kind == "module":
            module = self.course.manifest.module(key.slug)
            return float(module.points), float(module.by_hand)
        return float(self.course.manifest.milestone(key.slug).points), 0.0

    def _checks(self, id: str) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(results.c.checks).where(results.c.submission == id))
            return list(found.scalar_one())

    def _attempts(self, key: Key) -> int:
        query = sa.select(sa.func.count()).select_from(submissions).where(*_is(submissions, key))
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def _is_written(
        self,
        book: Any,
        name: reading.Name,
        counted: Marked,
        checks: Sequence[Mapping[str, Any]],
    ) -> bool:
        """Whether the gradebook holds this submission's mark."""
        if gradebook.written_at(book, *name) != gradebook.utc(counted.received_at):
            return False
        points = reading.automatic(book, name)
        return all(not standings.differ(points.get(each["check"]), each["points"]) for each in checks)

    def _write(
        self,
        book: Any,
        key: Key,
        counted: Marked,
        checks: Sequence[Mapping[str, Any]],
    ) -> None:
        assignment = self.assignment(key.kind, key.slug)
        found = [CheckMark(**each) for each in checks]
        told = self._answers(book, key, counted.id, assignment)
        due = {assignment.name: gradebook.due_of(self.in_force.calendar.entry(key.kind, key.slug).due)}
        gradebook.write(book, assignment, key.student, counted.received_at, found, told)
        gradebook.set_due(book, due)
        if key.kind == "module":
            self._show(key, counted)

    def _show(self, key: Key, counted: Marked) -> None:
        """Put the notebook where formgrader looks for it. One that cannot be shown has its mark anyway."""
        try:
            notebooks.write(
                self.folder,
                self.course.official(key.slug),
                self.course.instructor(key.slug),
                key.student,
                key.slug,
                json.loads(self.store.read(counted.id))["notebook"],
                counted.received_at,
            )
        except (OSError, ValueError, CourseFault) as problem:
            log.warning("%s: formgrader cannot show it: %s", counted.id, problem)

    def _answers(
        self, book: Any, key: Key, id: str, assignment: gradebook.Assignment
    ) -> dict[str, gradebook.Answer]:
        """Which questions are answered, and where the answer is another than in the gradebook."""
        if not assignment.questions:
            return {}
        former = self._written_before(book, key, assignment.name)
        known = self._texts(key.slug, former) if former else {}
        texts = self._texts(key.slug, id)
        return {item: gradebook.Answer(bool(text), text != known.get(item)) for item, text in texts.items()}

    def _texts(self, slug: str, id: str) -> dict[str, str]:
        return answers(self.course.official(slug), json.loads(self.store.read(id))["notebook"])

    def _written_before(self, book: Any, key: Key, assignment: str) -> str | None:
        """The submission whose mark the gradebook holds. Not always the one before: some are overtaken."""
        timestamp = gradebook.written_at(book, assignment, key.student)
        query = sa.select(submissions.c.id, submissions.c.received_at).where(*_is(submissions, key))
        with self.engine.connect() as connection:
            handed_in = connection.execute(query).all()
        return next((id for id, received_at in handed_in if gradebook.utc(received_at) == timestamp), None)

    # ---- an instructor's own assignments: what nbgrader marked is read from the gradebook ----

    def _settled_own(self, book: Any, key: Key) -> tuple[Standing | None, dict[str, Hand], str]:
        terms = self.in_force.terms(key)
        name = (key.slug, key.student)
        found = reading.held(book, name).get(name)
        if found is None and not terms.excused:
            return None, {}, ""
        received_at = seconds(found.timestamp) if found and found.timestamp else None
        submission = self._handed_in(key, received_at) if received_at else None
        late = Marked("", received_at, 0.0, 0.0, None) if received_at else None
        factor = standings.factor(late, terms)
        gradebook.penalise(book, key.slug, key.student, factor)
        standing = Standing(
            newest=submission,
            counted=submission,
            attempts=self._attempts(key),
            automatic=found.automatic if found else 0.0,
            by_hand=round(found.score - found.automatic, 4) if found else 0.0,
            factor=factor,
            max_score=found.max_score if found else 0.0,
            passed=None,
            excused=terms.excused,
        )
        return standing, reading.hands(book, name).get(name, {}), "marked by nbgrader"

    def _handed_in(self, key: Key, received_at: float) -> str | None:
        """Which submission it is that nbgrader collected."""
        near = submissions.c.received_at.between(received_at - SAME_SECOND, received_at + SAME_SECOND)
        query = sa.select(submissions.c.id).where(*_is(submissions, key), near)
        with self.engine.connect() as connection:
            return connection.execute(query.order_by(submissions.c.received_at.desc())).scalars().first()

    # ---- what is kept of it ----

    def _former(self, key: Key) -> sa.RowMapping | None:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(table).where(*_is(table, key))).mappings().first()

    def _hands_before(self, key: Key) -> dict[str, float | None]:
        query = sa.select(by_hand.c.item, by_hand.c.points).where(*_of_hands(key))
        with self.engine.connect() as connection:
            return {row.item: row.points for row in connection.execute(query)}

    def _keep(
        self,
        book: Any,
        key: Key,
        former: sa.RowMapping | None,
        standing: Standing | None,
        hands: Mapping[str, Hand],
        unrecorded: Collection[str],
        what: str,
    ) -> None:
        """Write standing, points by hand, their history, and that the marks are recorded: all or nothing."""
        now = time.time()
        before = self._hands_before(key)
        given = {
            item: (before.get(item), hands[item].points if item in hands else None)
            for item in {*before, *hands}
            if standings.differ(before.get(item), hands[item].points if item in hands else None)
        }
        who = {item: reading.who(book, name_of(key.kind, key.slug), key.student, item) for item in given}
        automatic = standing.automatic if standing else None
        by, why = self._cause(key, former, automatic, unrecorded, what, who)
        common = {"student": key.student, "kind": key.kind, "slug": key.slug}
        counted = standing.counted if standing else None
        with self.engine.begin() as connection:
            connection.execute(table.delete().where(*_is(table, key)))
            if standing is not None:
                row = {**common, **asdict(standing), "score": standing.score, "at": now}
                connection.execute(table.insert().values(row))
            connection.execute(by_hand.delete().where(*_of_hands(key)))
            name = {"student": key.student, "assignment": name_of(key.kind, key.slug), "at": now}
            rows = [{**name, **asdict(hand)} for hand in hands.values()]
            if rows:
                connection.execute(by_hand.insert(), rows)
            for item, (of, to) in sorted(given.items()):
                told = f"points by hand for '{item}'"
                changes.note(
                    connection,
                    **common,
                    by=who[item],
                    before=of,
                    after=to,
                    why=told,
                    item=item,
                    submission=counted,
                )
            now_is = None if standing is None else {**asdict(standing), "score": standing.score}
            of, to = _mark(key, former), _mark(key, now_is)
            toggled = bool(former and former["excused"]) != bool(standing and standing.excused)
            if standings.differ(of, to) or toggled:
                changes.note(connection, **common, by=by, before=of, after=to, why=why, submission=counted)
            noted = results.update().where(results.c.submission.in_(sorted(unrecorded)))
            connection.execute(noted.values(recorded_at=now))

    def _cause(
        self,
        key: Key,
        former: sa.RowMapping | None,
        automatic: float | None,
        unrecorded: Collection[str],
        what: str,
        who: Mapping[str, str],
    ) -> tuple[str, str]:
        """Who changed the mark, and why, in words."""
        if regrade := self._regraded(unrecorded):
            return regrade
        if unrecorded:
            return GRADER, what
        if who:
            return next(iter(who.values())), f"points by hand for {', '.join(map(repr, sorted(who)))}"
        if what and (
            former is None or (key.kind == "assignment" and standings.differ(former["automatic"], automatic))
        ):
            return GRADER, what
        return self.in_force.cause(key, former["at"] if former else 0.0)

    def _regraded(self, unrecorded: Collection[str]) -> tuple[str, str] | None:
        """Who had these marked again, and why; None if they are marks of the first time."""
        query = (
            sa.select(applied.c.by, regrades.c.why)
            .select_from(
                applied.join(jobs, jobs.c.id == applied.c.job).join(regrades, regrades.c.id == jobs.c.regrade)
            )
            .where(jobs.c.submission.in_(sorted(unrecorded)), applied.c.done_at.is_not(None))
            .order_by(applied.c.done_at.desc())
        )
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        return (row.by, f"regrade: {row.why}") if row else None


def marked_rows() -> sa.Select[Any]:
    """Submissions that have a mark, without the reasons."""
    mark = (results.c.score, results.c.max_score, results.c.passed)
    whose = (submissions.c.student, submissions.c.kind, submissions.c.slug)
    return (
        sa.select(submissions.c.id, *whose, submissions.c.received_at, *mark)
        .join(results, results.c.submission == submissions.c.id)
        .where(submissions.c.state == "graded")
    )


def marked_of(row: sa.RowMapping) -> Marked:
    """A submission of `marked_rows`."""
    return Marked(**{name: row[name] for name in Marked.__dataclass_fields__})


def seconds(timestamp: datetime) -> float:
    """The seconds since 1970 of a time as nbgrader keeps it."""
    return timestamp.replace(tzinfo=timezone.utc).timestamp()


def _mark(key: Key, standing: sa.RowMapping | dict[str, Any] | None) -> float | None:
    """The score; None where nothing was marked: who is excused may have handed in nothing."""
    if standing is None:
        return None
    marked = standing["max_score"] if key.kind == "assignment" else standing["counted"] or standing["by_hand"]
    return float(standing["score"]) if marked else None


def _is(of: sa.Table, key: Key) -> tuple[sa.ColumnElement[bool], ...]:
    return of.c.student == key.student, of.c.kind == key.kind, of.c.slug == key.slug


def _of_hands(key: Key) -> tuple[sa.ColumnElement[bool], ...]:
    return by_hand.c.student == key.student, by_hand.c.assignment == name_of(key.kind, key.slug)
