"""Who changed which points and comments, kept in the gradebook's own database in the same transaction.

The recorder reads these rows (table tt_changes) into the classroom's list of changes. Rows are only added.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

import sqlalchemy as sa
from nbgrader.api import Comment, Grade
from sqlalchemy.orm import Session

SOMEBODY = "somebody in a terminal of formgrader"
LONGEST = 1000  # characters of a comment that are kept

acting: ContextVar[str] = ContextVar("acting", default=SOMEBODY)  # who sent the request

changes = sa.Table(
    "tt_changes",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),  # seconds since 1970
    sa.Column("by", sa.String(255), nullable=False),
    sa.Column("student", sa.String(255), nullable=False),
    sa.Column("assignment", sa.String(128), nullable=False),  # nbgrader's name of it
    sa.Column("cell", sa.String(128)),  # none: all of it
    sa.Column("before", sa.Float),
    sa.Column("after", sa.Float),
    sa.Column("why", sa.Text, nullable=False),
)
POINTS = {"manual_score": "points by hand", "extra_credit": "extra credit", "auto_score": "autograded"}


def install() -> None:
    """Note every change from here on, of whatever session of this process."""
    if not sa.event.contains(Session, "before_flush", _before_flush):
        sa.event.listen(Session, "before_flush", _before_flush)


def note(
    session: Any,
    student: str,
    assignment: str,
    cell: str | None,
    before: float | None,
    after: float | None,
    why: str,
) -> None:
    """Add a row in the session's transaction; makes the table where it is missing."""
    connection = session.connection()
    changes.create(connection, checkfirst=True)
    row = {"student": student, "assignment": assignment, "cell": cell, "before": before, "after": after}
    connection.execute(changes.insert().values(at=time.time(), by=acting.get(), why=why, **row))


def _before_flush(session: Any, *_: object) -> None:
    with session.no_autoflush:
        for changed in [*session.new, *session.dirty]:
            if isinstance(changed, Grade):
                for column, why in POINTS.items():
                    before, after = _history(changed, column)
                    if before != after:
                        _note(session, changed, before, after, why)
            elif isinstance(changed, Comment):
                former, text = _history(changed, "manual_comment")
                if former != text:
                    said = f"comment: {text[:LONGEST]}" if text else "comment taken away"
                    _note(session, changed, None, None, said)


def _history(row: Any, column: str) -> tuple[Any, Any]:
    """A column's value in the database, and the one that is about to be written."""
    history = sa.inspect(row).attrs[column].load_history()
    after = history.added[0] if history.added else (history.unchanged or [None])[0]
    return (history.deleted[0] if history.deleted else None) if history.added else after, after


def _note(session: Any, row: Any, before: float | None, after: float | None, why: str) -> None:
    notebook = row.notebook
    submission = notebook.assignment
    note(session, submission.student.id, submission.assignment.name, row.cell.name, before, after, why)
