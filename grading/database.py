"""The grading database: its tables, and how to connect. SQLAlchemy Core, for SQLite and PostgreSQL alike.

A rule for whoever writes a transaction: its first statement writes. SQLite then takes the write lock at once
(and waits for it as long as BUSY_SECONDS), instead of finding later that another has written since it first
read.
"""

from __future__ import annotations

import logging
import time

import sqlalchemy as sa

BUSY_SECONDS = 20
STARTING_SECONDS = 60  # after a reboot the parts start together, and a server takes a while

log = logging.getLogger(__name__)
metadata = sa.MetaData()

submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("student", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # module | milestone | assignment (nbgrader's)
    sa.Column("slug", sa.String(64), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),  # all times: seconds since 1970, UTC
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column(
        "state", sa.String(16), nullable=False
    ),  # queued | grading | graded | failed | kept: for nbgrader
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

# What an attempt at a milestone reached, beside its mark; see grading.results.Attempt.
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("submission", sa.String(32), sa.ForeignKey("submissions.id"), primary_key=True),
    sa.Column("public", sa.Float),
    sa.Column("private", sa.Float),
    sa.Column("verified", sa.Boolean, nullable=False),
    sa.Column("sandbox_seconds", sa.Float, nullable=False),
    sa.Column("weights", sa.BigInteger, nullable=False),
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

# Work beside the marking of what comes in: a regrade, a retraining, an instructor's own notebook.
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("purpose", sa.String(16), nullable=False),  # regrade | retrain | execute
    sa.Column("submission", sa.String(32), sa.ForeignKey("submissions.id")),
    sa.Column("regrade", sa.String(32), sa.ForeignKey("regrades.id")),
    sa.Column("asked_by", sa.String(255), nullable=False),
    sa.Column("asked_at", sa.Float, nullable=False),
    sa.Column("task", sa.JSON),  # what a job without a submission is about
    sa.Column("state", sa.String(16), nullable=False),  # queued | running | done | failed
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("not_before", sa.Float, nullable=False),
    sa.Column("lease_token", sa.String(32)),
    sa.Column("lease_until", sa.Float),
    sa.Column("outcome", sa.JSON),
    sa.Column("done_at", sa.Float),
    sa.Index("jobs_waiting", "state", "asked_at"),
    sa.Index("jobs_of_regrade", "regrade"),
    sa.Index("jobs_of_submission", "submission"),
)

# Marks computed again, and compared before any of them counts.
regrades = sa.Table(
    "regrades",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("asked_by", sa.String(255), nullable=False),
    sa.Column("asked_at", sa.Float, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16)),  # none: everything
    sa.Column("slug", sa.String(64)),
    sa.Column("student", sa.String(255)),
    sa.Column("applied_by", sa.String(255)),
    sa.Column("applied_at", sa.Float),
)

# Which of a regrade's outcomes count by somebody's decision, and when the recorder has made them count.
applied = sa.Table(
    "applied",
    metadata,
    sa.Column("job", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("by", sa.String(255), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("done_at", sa.Float),
    sa.Index("applied_waiting", "done_at"),
)

# Every change of a mark: who, when, from, to, why. Rows are only ever added.
changes = sa.Table(
    "changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("by", sa.String(255), nullable=False),  # a person, or 'grader'
    sa.Column("student", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("slug", sa.String(64), nullable=False),
    sa.Column("item", sa.String(128)),  # a check or question; none: the whole mark
    sa.Column("submission", sa.String(32)),
    sa.Column("before", sa.Float),
    sa.Column("after", sa.Float),
    sa.Column("why", sa.Text, nullable=False),
    sa.Index("changes_of_student", "student", "kind", "slug", "at"),
)

# Points and comments that a person gave in the gradebook, as the recorder last saw them.
by_hand = sa.Table(
    "by_hand",
    metadata,
    sa.Column("student", sa.String(255), primary_key=True),
    sa.Column("assignment", sa.String(128), primary_key=True),  # nbgrader's name of it
    sa.Column("item", sa.String(128), primary_key=True),
    sa.Column("points", sa.Float),  # none: not given yet
    sa.Column("max_points", sa.Float, nullable=False),
    sa.Column("comment", sa.Text),
    sa.Column("waiting", sa.Boolean, nullable=False),  # for a person to look
    sa.Column("at", sa.Float, nullable=False),
)

# Who is on the roster, as the hub's roster command last said.
people = sa.Table(
    "people",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),  # as they sign in
    sa.Column("full_name", sa.String(255), nullable=False),
    sa.Column("number", sa.String(255), nullable=False),  # the campus's id
    sa.Column("email", sa.String(255), nullable=False),
    sa.Column("section", sa.String(255), nullable=False),
    sa.Column("role", sa.String(32), nullable=False),  # student | grader | instructor | admin
    sa.Column("active", sa.Boolean, nullable=False),  # dropped people keep their marks
    sa.Column("at", sa.Float, nullable=False),
)

# What counts at this moment, one row for each student and module, milestone or assignment: written by the
# recorder alone, so that a class's pages cost the same whatever is stored.
standings = sa.Table(
    "standings",
    metadata,
    sa.Column("student", sa.String(255), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("slug", sa.String(64), primary_key=True),
    sa.Column("newest", sa.String(32)),  # the newest submission that has a mark
    sa.Column("counted", sa.String(32)),  # the one that counts: the newest, or the best
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("automatic", sa.Float, nullable=False),  # points
    sa.Column("by_hand", sa.Float, nullable=False),
    sa.Column("factor", sa.Float, nullable=False),  # what lateness leaves of them, 0 to 1
    sa.Column("score", sa.Float, nullable=False),  # (automatic + by_hand) * factor
    sa.Column("max_score", sa.Float, nullable=False),
    sa.Column("passed", sa.Boolean),  # milestones
    sa.Column("excused", sa.Boolean, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Index("standings_of", "kind", "slug"),
)

# What holds for one student or section instead of the calendar. Of those not withdrawn the newest counts.
exceptions = sa.Table(
    "exceptions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("student", sa.String(255)),  # either a student
    sa.Column("section", sa.String(255)),  # or a section
    sa.Column("kind", sa.String(16)),  # none: every module, milestone and assignment
    sa.Column("slug", sa.String(64)),
    sa.Column("due", sa.Float),  # an extension
    sa.Column("extra_time", sa.Float),  # of an exam: 0.5 is half as long again
    sa.Column("excused", sa.Boolean, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("by", sa.String(255), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("withdrawn_by", sa.String(255)),
    sa.Column("withdrawn_at", sa.Float),
)

# What is on a student's disk during an exam, sent with each save: handed in for them when time is over.
drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("student", sa.String(255), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("slug", sa.String(64), primary_key=True),
    sa.Column("file", sa.String(32), nullable=False),  # its id in the store
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("saved_at", sa.Float, nullable=False),
    sa.Column("submission", sa.String(32)),  # what became of it
)

# nbgrader's exchange: what is released for students to fetch, and feedback on what they handed in.
releases = sa.Table(
    "releases",
    metadata,
    sa.Column("assignment", sa.String(128), primary_key=True),
    sa.Column("file", sa.String(32), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("by", sa.String(255), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("student", sa.String(255), primary_key=True),
    sa.Column("assignment", sa.String(128), primary_key=True),
    sa.Column("submission", sa.String(32), primary_key=True),
    sa.Column("file", sa.String(32), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)


def connect(url: str) -> sa.Engine:
    """Open the database; makes its tables where they are missing.

    Raises:
        sa.exc.DBAPIError: it did not answer for a minute.
    """
    engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    _make_tables(engine)
    return engine


def _make_tables(engine: sa.Engine) -> None:
    """Make what is missing. API and workers may start together: what another has just made is as good."""
    until = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < until:
        try:
            return metadata.create_all(engine)
        except sa.exc.DBAPIError as error:
            log.warning("the database is not ready: %s", str(error.orig).strip().split("\n")[0])
        time.sleep(0.2)
    return metadata.create_all(engine)


def _prepare_sqlite(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # a receipt is a promise: the row outlives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
