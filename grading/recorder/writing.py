"""The one writer of automatic marks into nbgrader's gradebook.

Of each student's module or milestone the newest graded submission counts. A mark is written first and then
noted as written; if that is interrupted, it is written again, which changes nothing.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from course.export import answers
from grading.course_files import CourseFiles
from grading.database import results, submissions
from grading.metrics import RecorderMetrics
from grading.recorder import gradebook
from grading.results import CheckMark
from grading.store import Store

POLL_SECONDS = 1.0
BACK_OFF_SECONDS = 15.0
BATCH = 100

log = logging.getLogger(__name__)


@dataclass
class Recorder:
    """Writes what the workers have decided, in the order in which it was handed in."""

    engine: sa.Engine
    course: CourseFiles
    store: Store
    gradebook_url: str
    metrics: RecorderMetrics
    postponed: dict[str, float] = field(default_factory=dict)  # id -> when to try again

    def run(self, stop: threading.Event) -> None:
        """Write until told to stop."""
        book: Any = None
        while not stop.is_set():
            book = book or self._open()
            written = self.record(book) if book else 0
            stop.wait(0 if written else POLL_SECONDS)

    def _open(self) -> Any:
        try:
            return gradebook.open_gradebook(self.gradebook_url)
        except Exception:
            log.exception("the gradebook %s cannot be opened", self.gradebook_url)
            self.metrics.record_failures.inc()
            time.sleep(BACK_OFF_SECONDS)
            return None

    def record(self, book: Any) -> int:
        """Write what is not written yet, at most BATCH marks; how many those were. Never raises."""
        try:
            return sum(self._written(book, row) for row in self._unrecorded())
        except sa.exc.SQLAlchemyError:
            log.exception("the grading database cannot be read")
            self.metrics.record_failures.inc()
            return 0

    def _written(self, book: Any, row: sa.RowMapping) -> bool:
        """Write one mark. One that cannot be written waits, and keeps no other from being written."""
        try:
            if self._is_newest(row):
                assignment = self._assignment(row["kind"], row["slug"])
                checks = [CheckMark(**check) for check in row["checks"]]
                answers = self._answers(book, row, assignment)
                gradebook.write(book, assignment, row["student"], row["received_at"], checks, answers)
                self.metrics.recorded.inc()
            self._note(row["id"])
        except Exception:
            log.exception("%s: its mark cannot be recorded; again in %s s", row["id"], BACK_OFF_SECONDS)
            self.metrics.record_failures.inc()
            self.postponed[row["id"]] = time.time() + BACK_OFF_SECONDS
            return False
        self.postponed.pop(row["id"], None)
        return True

    def _unrecorded(self) -> list[sa.RowMapping]:
        now = time.time()
        later = [
            id for id, again in self.postponed.items() if again > now
        ]  # many of these must hide no other
        query = (
            sa.select(submissions, results.c.checks)
            .join(results, results.c.submission == submissions.c.id)
            .where(results.c.recorded_at.is_(None), submissions.c.id.not_in(later))
            .order_by(submissions.c.received_at, submissions.c.id)
            .limit(BATCH)
        )
        with self.engine.connect() as connection:
            return list(connection.execute(query).mappings())

    def _is_newest(self, row: sa.RowMapping) -> bool:
        """Whether no later submission of the same has a mark: workers may finish in another order."""
        later = sa.select(sa.func.count()).where(
            submissions.c.student == row["student"],
            submissions.c.kind == row["kind"],
            submissions.c.slug == row["slug"],
            submissions.c.state == "graded",
            sa.or_(
                submissions.c.received_at > row["received_at"],
                sa.and_(submissions.c.received_at == row["received_at"], submissions.c.id > row["id"]),
            ),
        )
        with self.engine.connect() as connection:
            return connection.execute(later).scalar_one() == 0

    def _answers(
        self, book: Any, row: sa.RowMapping, assignment: gradebook.Assignment
    ) -> dict[str, gradebook.Answer]:
        """Which questions are answered, and where the answer is another than in the gradebook."""
        if not assignment.questions:
            return {}
        former = self._written_before(book, row, assignment.name)
        known = self._texts(row["slug"], former) if former else {}
        texts = self._texts(row["slug"], row["id"])
        return {id: gradebook.Answer(bool(text), text != known.get(id)) for id, text in texts.items()}

    def _texts(self, slug: str, id: str) -> dict[str, str]:
        return answers(self.course.official(slug), json.loads(self.store.read(id))["notebook"])

    def _written_before(self, book: Any, row: sa.RowMapping, assignment: str) -> str | None:
        """The submission whose mark the gradebook holds. Not always the one before: some are overtaken."""
        timestamp = gradebook.written_at(book, assignment, row["student"])
        query = sa.select(submissions.c.id, submissions.c.received_at).where(
            submissions.c.student == row["student"],
            submissions.c.kind == row["kind"],
            submissions.c.slug == row["slug"],
        )
        with self.engine.connect() as connection:
            handed_in = connection.execute(query).all()
        return next((id for id, received_at in handed_in if gradebook.utc(received_at) == timestamp), None)

    def _note(self, id: str) -> None:
        noted = results.update().where(results.c.submission == id).values(recorded_at=time.time())
        with self.engine.begin() as connection:
            connection.execute(noted)

    def _assignment(self, kind: str, slug: str) -> gradebook.Assignment:
        if kind == "module":
            return gradebook.module_assignment(slug, self.course.official(slug))
        points = float(self.course.manifest.milestone(slug).points)
        return gradebook.Assignment(f"milestone-{slug}", {slug: points})
