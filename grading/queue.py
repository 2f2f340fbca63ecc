"""The queue of submissions: each is marked by whoever holds its lease, once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from grading.database import attempts, results, submissions
from grading.leases import LEASE_SECONDS, MAX_ATTEMPTS, Leases
from grading.results import Attempt, Result

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


class Queue:
    """Submissions in, leases out, results in. Safe for any number of processes at once."""

    def __init__(
        self, engine: sa.Engine, lease_seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.time
    ) -> None:
        self.engine = engine
        self.clock = clock
        order = (submissions.c.received_at, submissions.c.id)
        self.leases = Leases(engine, submissions, "grading", order, lease_seconds, clock)

    def add(
        self,
        id: str,
        student: str,
        kind: str,
        slug: str,
        sha256: str,
        size: int,
        received_at: float | None = None,
    ) -> Submission:
        """Put a submission in; when this returns, it is in the database for good.

        Args:
            received_at: by which moment it is judged (seconds since 1970); now, if not given.
        """
        received_at = self.clock() if received_at is None else received_at
        submission = Submission(id, student, kind, slug, sha256, size, received_at, secrets.randbits(62))
        state = "kept" if kind == "assignment" else "queued"  # what nbgrader marks waits for nobody here
        values = {**vars(submission), "state": state, "attempts": 0, "not_before": 0.0}
        with self.engine.begin() as connection:
            connection.execute(submissions.insert().values(values))
        return submission

    def find(self, id: str) -> Submission | None:
        """The submission of this id, whoever's it is."""
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(submissions).where(submissions.c.id == id)).mappings().first()
        return submission_of(row) if row else None

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
        while (row := self.leases.take()) is not None:
            lease = Lease(submission_of(row), row["lease_token"], row["attempts"])
            if lease.attempt <= MAX_ATTEMPTS:
                return lease
            self.fail(lease, GIVEN_UP)
        return None

    def extend(self, lease: Lease) -> bool:
        """Keep a lease for another while; False if it is lost."""
        return self.leases.extend(lease.submission.id, lease.token)

    def put_back(self, lease: Lease, seconds: float, *, forgive: bool = False) -> None:
        """Give a submission back, to be tried again after so many seconds.

        Args:
            forgive: the attempt does not count, because what failed had nothing to do with the submission.
        """
        self.leases.put_back(lease.submission.id, lease.token, seconds, forgive=forgive)

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
        row = {
            "submission": lease.submission.id,
            **row_of(result),
            "graded_at": now,
            "recorded_at": None if state == "graded" else now,  # a failure is never recorded as a mark
        }
        with self.engine.begin() as connection:
            self.leases.end(connection, lease.submission.id, lease.token, state)
            connection.execute(results.insert().values(row))
            if result.attempt is not None:
                connection.execute(attempts.insert().values(of_attempt(lease.submission.id, result.attempt)))


def row_of(result: Result) -> dict[str, Any]:
    """A result's own columns in the table `results`."""
    return {
        "score": result.score,
        "max_score": result.max_score,
        "passed": result.passed,
        "checks": result.checks_as_json(),
        "notes": result.notes,
        "seconds": result.seconds,
    }


def of_attempt(submission: str, attempt: Attempt) -> dict[str, Any]:
    """A milestone's attempt as a row of the table `attempts`."""
    return {"submission": submission, **asdict(attempt)}


def submission_of(row: sa.RowMapping) -> Submission:
    """A submission from its row."""
    return Submission(**{name: row[name] for name in Submission.__dataclass_fields__})
