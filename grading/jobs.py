"""Work beside the marking of what comes in: a regrade, a retraining, an instructor's own notebook."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from grading.database import jobs, submissions
from grading.leases import LEASE_SECONDS, MAX_ATTEMPTS, Leases
from grading.queue import Submission, submission_of

GIVEN_UP = "This could not be done: the grader stopped several times while it was at it."
# A regrade can be a thousand jobs; nobody who waits for one notebook waits for them.
ORDER = (sa.case((jobs.c.purpose == "regrade", 1), else_=0), jobs.c.asked_at, jobs.c.id)


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes:
        purpose: which function does it; see grading/worker/jobs.py.
        submission: the submission that it is about, if it is about one.
        task: what else it is about.
        state: queued | running | done | failed.
        attempt: how often it was begun.
        outcome: what came of it, as plain data; of a failed one `note`, a sentence.
    """

    id: str
    purpose: str
    submission: Submission | None
    regrade: str | None
    task: Any
    asked_by: str
    asked_at: float
    state: str
    attempt: int
    outcome: Any
    done_at: float | None


@dataclass(frozen=True)
class JobLease:
    """The right to do a job, until it runs out."""

    job: Job
    token: str


class Jobs:
    """Jobs in, leases out, outcomes in. Safe for any number of processes at once."""

    def __init__(
        self, engine: sa.Engine, lease_seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.time
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.leases = Leases(engine, jobs, "running", ORDER, lease_seconds, clock)

    def add(
        self,
        purpose: str,
        *,
        asked_by: str,
        submission: str | None = None,
        regrade: str | None = None,
        task: Any = None,
    ) -> str:
        """Put a job in; its id. When this returns, it is in the database for good."""
        with self.engine.begin() as connection:
            (id,) = self.insert(connection, purpose, [submission], asked_by, regrade, task)
        return id

    def insert(
        self,
        connection: sa.Connection,
        purpose: str,
        of: Iterable[str | None],
        asked_by: str,
        regrade: str | None = None,
        task: Any = None,
    ) -> list[str]:
        """Put a job in for each submission, within somebody's transaction; their ids."""
        common = {
            "purpose": purpose,
            "regrade": regrade,
            "asked_by": asked_by,
            "asked_at": self.clock(),
            "task": task,
            "state": "queued",
            "attempts": 0,
            "not_before": 0.0,
        }
        rows = [{"id": uuid.uuid4().hex, "submission": submission, **common} for submission in of]
        if rows:
            connection.execute(jobs.insert(), rows)
        return [row["id"] for row in rows]

    def get(self, id: str) -> Job | None:
        """A job as it stands; None if there is none."""
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(jobs).where(jobs.c.id == id)).mappings().first()
            return _job(connection, row) if row else None

    def lease(self) -> JobLease | None:
        """Take the oldest job that nobody holds; None if there is none."""
        while (row := self.leases.take()) is not None:
            with self.engine.connect() as connection:
                lease = JobLease(_job(connection, row), row["lease_token"])
            if lease.job.attempt <= MAX_ATTEMPTS:
                return lease
            self.fail(lease, GIVEN_UP)
        return None

    def extend(self, lease: JobLease) -> bool:
        """Keep a lease for another while; False if it is lost."""
        return self.leases.extend(lease.job.id, lease.token)

    def put_back(self, lease: JobLease, seconds: float, *, forgive: bool = False) -> None:
        """Give a job back, to be tried again after so many seconds; `forgive`: the attempt does not count."""
        self.leases.put_back(lease.job.id, lease.token, seconds, forgive=forgive)

    def finish(self, lease: JobLease, outcome: dict[str, Any]) -> None:
        """Write what came of it and end the lease, both or neither.

        Raises:
            LeaseLost: the lease ran out, and another worker has taken the job.
        """
        self._end(lease, "done", outcome)

    def fail(self, lease: JobLease, note: str) -> None:
        """End without an outcome but a sentence; LeaseLost as above."""
        self._end(lease, "failed", {"note": note})

    def _end(self, lease: JobLease, state: str, outcome: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            ended = {"outcome": outcome, "done_at": self.clock()}
            self.leases.end(connection, lease.job.id, lease.token, state, **ended)


def _job(connection: sa.Connection, row: sa.RowMapping) -> Job:
    about = None
    if row["submission"]:
        query = sa.select(submissions).where(submissions.c.id == row["submission"])
        about = submission_of(connection.execute(query).mappings().one())
    same = ("id", "purpose", "regrade", "task", "asked_by", "asked_at", "state", "outcome", "done_at")
    return Job(submission=about, attempt=row["attempts"], **{name: row[name] for name in same})
