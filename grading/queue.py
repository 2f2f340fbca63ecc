"""The queue of submissions: rows with a lease in the grading database.

A worker holds a submission only as long as its lease lasts, and writes a result only while it holds it. So a
worker that is killed at any instant leaves its submission to another, and one that comes back late writes
nothing.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from grading.database import results, submissions
from grading.results import Result

LEASE_SECONDS = 20.0
MAX_ATTEMPTS = 4  # leases that ended without a result, until the submission itself is under suspicion
GIVEN_UP = (
    "This submission could not be marked: the grader stopped several times while it ran. Your work is kept; "
    "tell your instructor."
)


@dataclass(frozen=True)
class Submission:
    """A submission as the queue knows it. The student's bytes are in the store, under the id."""

    id: str
    student: str
    kind: str
    slug: str
    sha256: str
    size: int
    received_at: float
    seed: int


@dataclass(frozen=True)
class Lease:
    """The right to grade a submission, until it runs out."""

    submission: Submission
    token: str
    attempt: int  # 1 for the first


class LeaseLost(RuntimeError):  # noqa: N818  # reads better where it is raised
    """Another worker has the submission now; what was computed is dropped."""


class Queue:
    """Submissions in, leases out, results in. Safe for any number of processes at once."""

    def __init__(
        self, engine: sa.Engine, lease_seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.time
    ) -> None:
        self.engine = engine
        self.lease_seconds = lease_seconds
        self.clock = clock

    def add(self, id: str, student: str, kind: str, slug: str, sha256: str, size: int) -> Submission:
        """Put a submission in; when this returns, it is in the database for good."""
        submission = Submission(id, student, kind, slug, sha256, size, self.clock(), secrets.randbits(62))
        values = {**vars(submission), "state": "queued", "attempts": 0, "not_before": 0.0}
        with self.engine.begin() as connection:
            connection.execute(submissions.insert().values(values))
        return submission

    def waiting_of(self, student: str) -> int:
        """How many of a student's submissions have no result yet."""
        query = sa.select(sa.func.count()).where(
            submissions.c.student == student, submissions.c.state.in_(("queued", "grading"))
        )
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def waiting(self) -> tuple[int, float]:
        """How many submissions wait, and for how many seconds the oldest has."""
        query = sa.select(sa.func.count(), sa.func.min(submissions.c.received_at)).where(
            submissions.c.state.in_(("queued", "grading"))
        )
        with self.engine.connect() as connection:
            count, oldest = connection.execute(query).one()
        return int(count), max(0.0, self.clock() - oldest) if count else 0.0

    def lease(self) -> Lease | None:
        """Take the oldest submission that nobody holds; None if there is none."""
        while True:
            now = self.clock()
            free = self._free(now)
            order = (submissions.c.received_at, submissions.c.id)
            oldest = sa.select(submissions.c.id).where(free).order_by(*order).limit(1)
            with self.engine.connect() as connection:  # a look first: an idle worker takes no write lock
                id = connection.execute(oldest).scalar()
            if id is None:
                return None
            token = uuid.uuid4().hex
            taken = (
                submissions.update()
                .where(submissions.c.id == id, free)
                .values(
                    state="grading",
                    lease_token=token,
                    lease_until=now + self.lease_seconds,
                    attempts=submissions.c.attempts + 1,
                )
            )
            with self.engine.begin() as connection:
                if connection.execute(taken).rowcount == 0:
                    continue  # another worker was faster
                row = connection.execute(sa.select(submissions).where(submissions.c.id == id)).one()
            lease = Lease(_submission(row), token, row.attempts)
            if lease.attempt <= MAX_ATTEMPTS:
                return lease
            self.fail(lease, GIVEN_UP)

    def extend(self, lease: Lease) -> bool:
        """Keep a lease for another while; False if it is lost."""
        return self._change(lease, lease_until=self.clock() + self.lease_seconds)

    def put_back(self, lease: Lease, seconds: float, *, forgive: bool = False) -> None:
        """Give a submission back, to be tried again after so many seconds.

        Args:
            forgive: the attempt does not count, because what failed had nothing to do with the submission.
        """
        self._change(
            lease,
            state="queued",
            lease_token=None,
            lease_until=None,
            not_before=self.clock() + seconds,
            attempts=submissions.c.attempts - (1 if forgive else 0),
        )

    def finish(self, lease: Lease, result: Result) -> None:
        """Write a result and end the lease, both or neither.

        Raises:
            LeaseLost: the lease ran out, and another worker has taken the submission.
        """
        self._end(lease, "graded", result)

    def fail(self, lease: Lease, note: str) -> None:
        """End without a mark: the fault is not the student's, who reads `note`."""
        self._end(lease, "failed", Result([], [note]))

    def _end(self, lease: Lease, state: str, result: Result) -> None:
        now = self.clock()
        ended = submissions.update().where(self._held(lease))
        ended = ended.values(state=state, lease_token=None, lease_until=None)
        row = {
            "submission": lease.submission.id,
            "score": result.score,
            "max_score": result.max_score,
            "passed": result.passed,
            "checks": result.checks_as_json(),
            "notes": result.notes,
            "seconds": result.seconds,
            "graded_at": now,
            "recorded_at": None if state == "graded" else now,  # a failure is never recorded as a mark
        }
        with self.engine.begin() as connection:
            if connection.execute(ended).rowcount == 0:
                raise LeaseLost(lease.submission.id)
            connection.execute(results.insert().values(row))

    def _change(self, lease: Lease, **values: object) -> bool:
        changed = submissions.update().where(self._held(lease)).values(values)
        with self.engine.begin() as connection:
            return connection.execute(changed).rowcount == 1

    @staticmethod
    def _held(lease: Lease) -> sa.ColumnElement[bool]:
        return sa.and_(
            submissions.c.id == lease.submission.id,
            submissions.c.lease_token == lease.token,
            submissions.c.state == "grading",
        )

    @staticmethod
    def _free(now: float) -> sa.ColumnElement[bool]:
        return sa.or_(
            sa.and_(submissions.c.state == "queued", submissions.c.not_before <= now),
            sa.and_(submissions.c.state == "grading", submissions.c.lease_until < now),
        )


def _submission(row: sa.Row[tuple[object, ...]]) -> Submission:
    return Submission(**{name: row._mapping[name] for name in Submission.__dataclass_fields__})
