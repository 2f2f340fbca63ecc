"""Who changed which points and comments, kept in the gradebook's own database in the same transaction.

The recorder reads these rows (table tt_changes) into the classroom's list of changes. Rows are only added.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
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
                for column, (before, after) in _changed(session, changed, POINTS).items():
                    _note(session, changed, before, after, POINTS[column])
            elif isinstance(changed, Comment):
                for _, text in _changed(session, changed, ("manual_comment",)).values():
                    said = f"comment: {text[:LONGEST]}" if text else "comment taken away"
                    _note(session, changed, None, None, said)


def _changed(session: Any, row: Any, columns: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    """Columns whose value is about to become another than the database has."""
    state = sa.inspect(row)
    given = {name: getattr(row, name) for name in columns if state.attrs[name].history.added}
    if not given:
        return {}
    table = type(row).__table__
    query = sa.select(*(table.c[name] for name in given)).where(table.c.id == row.id)
    former = session.connection().execute(query).mappings().first() if state.persistent else None
    pairs = {name: (former[name] if former else None, value) for name, value in given.items()}
    return {name: (before, after) for name, (before, after) in pairs.items() if before != after}


def _note(session: Any, row: Any, before: float | None, after: float | None, why: str) -> None:
    submission = row.notebook.assignment
    note(session, submission.student.id, submission.assignment.name, row.cell.name, before, after, why)
