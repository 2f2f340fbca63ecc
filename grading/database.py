"""The grading database: its tables, and how to connect. SQLAlchemy Core, for SQLite and PostgreSQL alike.

A rule for whoever writes a transaction: its first statement writes. SQLite then takes the write lock at once
(and waits for it as long as BUSY_SECONDS), instead of finding later that another has written since it first
read.
"""

from __future__ import annotations

import contextlib
import time

import sqlalchemy as sa

BUSY_SECONDS = 20
STARTING_ATTEMPTS = 20

metadata = sa.MetaData()

submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("student", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # module | milestone
    sa.Column("slug", sa.String(64), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),  # all times: seconds since 1970, UTC
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # queued | grading | graded | failed
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("not_before", sa.Float, nullable=False),
    sa.Column("lease_token", sa.String(32)),
    sa.Column("lease_until", sa.Float),
    sa.Index("submissions_waiting", "state", "received_at"),
    sa.Index("submissions_of_student", "student", "kind", "slug", "received_at"),
)

results = sa.Table(
    "results",
    metadata,
    sa.Column("submission", sa.String(32), sa.ForeignKey("submissions.id"), primary_key=True),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("max_score", sa.Float, nullable=False),
    sa.Column("passed", sa.Boolean),  # milestones only
    sa.Column("checks", sa.JSON, nullable=False),
    sa.Column("notes", sa.JSON, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("graded_at", sa.Float, nullable=False),
    sa.Column("recorded_at", sa.Float),  # when it reached nbgrader's gradebook
    sa.Index("results_unrecorded", "recorded_at"),
)

# The help that students took. It costs no points; staff see it.
hints = sa.Table(
    "hints",
    metadata,
    sa.Column("student", sa.String(255), primary_key=True),
    sa.Column("exercise", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),  # 1 for the first
    sa.Column("module", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

restores = sa.Table(
    "restores",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("student", sa.String(255), nullable=False),
    sa.Column("module", sa.String(64), nullable=False),  # whose solution was given
    sa.Column("target", sa.String(64)),  # which module was caught up to; none for a restore
    sa.Column("at", sa.Float, nullable=False),
)


def connect(url: str) -> sa.Engine:
    """Open the database; makes its tables where they are missing."""
    engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    _make_tables(engine)
    return engine


def _make_tables(engine: sa.Engine) -> None:
    """Make what is missing. API and workers may start together: what another has just made is as good."""
    for _ in range(STARTING_ATTEMPTS):
        with contextlib.suppress(sa.exc.DBAPIError):
            return metadata.create_all(engine)
        time.sleep(0.1)
    return metadata.create_all(engine)


def _prepare_sqlite(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # a receipt is a promise: the row outlives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
