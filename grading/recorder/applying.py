"""Making the outcomes of a regrade count that somebody has applied."""

from __future__ import annotations

import time

import sqlalchemy as sa

from grading.database import applied, jobs, results, submissions

BATCH = 100


def apply(engine: sa.Engine) -> int:
    """Put what was applied into the results, at most BATCH of them; how many those were.

    Each is whole or not at all, and waits to be recorded like a new mark. Killed in the middle, the rest
    follows at the next look.
    """
    waiting = (
        sa.select(applied.c.job, jobs.c.submission, jobs.c.outcome, jobs.c.done_at)
        .join(jobs, jobs.c.id == applied.c.job)
        .where(applied.c.done_at.is_(None))
        .order_by(applied.c.at, applied.c.job)
        .limit(BATCH)
    )
    with engine.connect() as connection:
        rows = connection.execute(waiting).all()
    for row in rows:
        of = submissions.c.id == row.submission
        values = {**row.outcome, "graded_at": row.done_at, "recorded_at": None}
        with engine.begin() as connection:
            connection.execute(applied.update().where(applied.c.job == row.job).values(done_at=time.time()))
            connection.execute(results.update().where(results.c.submission == row.submission).values(values))
            connection.execute(submissions.update().where(of).values(state="graded"))
    return len(rows)
