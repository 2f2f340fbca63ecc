"""nbgrader's exchange: what is released for students, what they handed in, and the feedback for them.

Files travel and are kept as one JSON object, {"files": {path: base64}}: nothing is ever unpacked here. What
is released again or marked again gets a new file; the former stays in the store.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from course.calendar import Calendar, now
from grading.database import feedback, releases, submissions
from grading.store import Store, Upload
from grading.terms import of_student

KINDS = ("module", "assignment")  # what the exchange is about; milestones are scripts, handed in with tito
MOST_A_DAY = 50  # submissions of one assignment, of one student: nobody fills the disk
DAY = 24 * 3600.0
NO_ASSIGNMENT = "There is no assignment '{name}' that you could fetch. `nbgrader list` shows what there is."


class AlreadyReleased(Exception):  # noqa: N818  # says what is in the way
    """Something else is released under this name."""


@dataclass(frozen=True)
class Release:
    """An assignment that students may fetch; its files are in the store."""

    assignment: str
    file: str
    at: float


class Exchange:
    """Releases, submissions and feedback, in the database and the store."""

    def __init__(self, engine: sa.Engine, store: Store) -> None:
        self.engine = engine
        self.store = store

    # ---- releases ----

    def releases(self) -> list[Release]:
        """Everything that is released."""
        query = sa.select(releases.c.assignment, releases.c.file, releases.c.at)
        query = query.order_by(releases.c.assignment)
        with self.engine.connect() as connection:
            return [Release(*row) for row in connection.execute(query)]

    def released(self, name: str) -> Release | None:
        """What is released under this name."""
        return next((each for each in self.releases() if each.assignment == name), None)

    def open_to(self, student: str, calendar: Calendar) -> list[Release]:
        """What is released and has begun, for one student."""
        terms, moment = of_student(self.engine, calendar, student), now()
        return [each for each in self.releases() if terms("assignment", each.assignment).is_open(moment)]

    def is_open(self, name: str, calendar: Calendar, student: str) -> bool:
        """Whether one student may fetch an assignment, and hand it in."""
        return any(each.assignment == name for each in self.open_to(student, calendar))

    def release(self, name: str, upload: Upload, by: str, force: bool) -> Release:
        """Let students have a kept upload.

        Raises:
            AlreadyReleased: there is another one already, and no force.
        """
        release = Release(name, upload.id, time.time())
        row = {**vars(release), "sha256": upload.sha256, "size": upload.size, "by": by}
        this = releases.c.assignment == name
        query = sa.select(releases).where(this)
        with self.engine.begin() as connection:
            # A statement that writes comes first: see database.py.
            connection.execute(releases.update().where(this).values(by=releases.c.by))
            former = connection.execute(query).mappings().first()
            if former and former["sha256"] == upload.sha256:
                return Release(name, former["file"], former["at"])
            if former and not force:
                raise AlreadyReleased(name)
            connection.execute(releases.delete().where(this))
            connection.execute(releases.insert().values(row))
        return release

    def withdraw(self, name: str) -> bool:
        """Let students have it no longer; whether it was released. What was handed in stays."""
        with self.engine.begin() as connection:
            return connection.execute(releases.delete().where(releases.c.assignment == name)).rowcount == 1

    # ---- submissions ----

    def handed_in(self, student: str | None = None, name: str | None = None) -> list[sa.RowMapping]:
        """Submissions, oldest first: everybody's, or of one student or one assignment."""
        query = sa.select(submissions).where(submissions.c.kind.in_(KINDS))
        if student is not None:
            query = query.where(submissions.c.student == student)
        if name is not None:
            query = query.where(submissions.c.slug == name)
        query = query.order_by(submissions.c.received_at, submissions.c.id)
        with self.engine.connect() as connection:
            return list(connection.execute(query).mappings())

    def submission(self, id: str) -> sa.RowMapping | None:
        """One submission that the exchange knows."""
        query = sa.select(submissions).where(submissions.c.id == id, submissions.c.kind.in_(KINDS))
        with self.engine.connect() as connection:
            return connection.execute(query).mappings().first()

    def today(self, student: str, name: str) -> int:
        """How often a student handed an assignment in within 24 hours."""
        query = sa.select(sa.func.count()).where(
            submissions.c.student == student,
            submissions.c.kind == "assignment",
            submissions.c.slug == name,
            submissions.c.received_at > time.time() - DAY,
        )
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    # ---- feedback ----

    def give_feedback(self, submission: sa.RowMapping, upload: Upload) -> None:
        """Let a submission's student have a kept upload; it takes the place of former feedback."""
        key = {
            "student": submission["student"],
            "assignment": submission["slug"],
            "submission": submission["id"],
        }
        this = sa.and_(*(feedback.c[column] == value for column, value in key.items()))
        row = {**key, "file": upload.id, "sha256": upload.sha256, "at": time.time()}
        with self.engine.begin() as connection:
            connection.execute(feedback.delete().where(this))
            connection.execute(feedback.insert().values(row))

    def feedback_of(self, student: str) -> dict[str, str]:
        """A student's feedback: submission -> file in the store."""
        query = sa.select(feedback.c.submission, feedback.c.file).where(feedback.c.student == student)
        with self.engine.connect() as connection:
            return {row.submission: row.file for row in connection.execute(query)}

    # ---- files ----

    def files(self, id: str) -> dict[str, str]:
        """What an upload holds: path -> base64."""
        return files_of(json.loads(self.store.read(id)))

    def digests(self, id: str) -> Mapping[str, str]:
        """What an upload holds: path -> sha256."""
        return _digests(self.store.path(id))

    def notebooks(self, id: str) -> list[str]:
        """The names of an upload's notebooks, those at its top."""
        names = (Path(path) for path in self.digests(id))
        return sorted(path.stem for path in names if path.suffix == ".ipynb" and len(path.parts) == 1)


def files_of(body: Mapping[str, Any], slug: str = "") -> dict[str, str]:
    """The files of a body that was taken in; a module's notebook is a file, too."""
    if "notebook" in body:
        text = json.dumps(body["notebook"], indent=1, ensure_ascii=False)
        return {f"{slug}.ipynb": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()}
    return dict(body["files"])


@lru_cache(maxsize=4096)  # a file of the store never changes
def _digests(path: Path) -> Mapping[str, str]:
    files = files_of(json.loads(path.read_bytes()))
    return {name: hashlib.sha256(base64.b64decode(content)).hexdigest() for name, content in files.items()}
