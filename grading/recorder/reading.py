"""Reading nbgrader's gradebook: what it holds, and what people have written into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from nbgrader import api

from grading.nbgrader_side.audit import changes as noted
from grading.standings import Hand

SOMEBODY = "somebody in formgrader"
Name = tuple[str, str]  # of an assignment, and a student's


@dataclass(frozen=True)
class Held:
    """What the gradebook holds of one student's assignment, in points.

    Attributes:
        timestamp: when it was handed in; UTC, not saying so.
        automatic: what was marked automatically, whatever people have given instead.
        score: with what people have given, before the penalty.
    """

    timestamp: datetime | None
    automatic: float
    score: float
    max_score: float
    penalty: float


def _table(model: Any) -> sa.Table:
    table: sa.Table = model.__table__
    return table


assignment, submitted = _table(api.Assignment), _table(api.SubmittedAssignment)
notebook, grade, comment = _table(api.SubmittedNotebook), _table(api.Grade), _table(api.Comment)
sheet, cell, graded, task = (
    _table(api.Notebook),
    _table(api.BaseCell),
    _table(api.GradeCell),
    _table(api.TaskCell),
)
WORTH = sa.func.coalesce(graded.c.max_score, task.c.max_score, 0.0)
EXTRA = sa.func.coalesce(grade.c.extra_credit, 0.0)
BASE = sa.func.coalesce(grade.c.manual_score, grade.c.auto_score)
SCORE = sa.case((BASE.is_(None), 0.0), else_=BASE + EXTRA)  # as nbgrader has it
NAMED = (assignment.c.name.label("assignment"), submitted.c.student_id.label("student"))
# Two notebooks of one assignment may each have a cell of the same name. The course's have one notebook.
ITEM = sa.case(
    (sheet.c.name == assignment.c.name, cell.c.name),
    else_=sa.func.substr(sheet.c.name + "/" + cell.c.name, 1, 128),
)
SUBMITTED = (
    submitted.join(assignment, assignment.c.id == submitted.c.assignment_id)
    .join(notebook, notebook.c.assignment_id == submitted.c.id)
    .join(sheet, sheet.c.id == notebook.c.notebook_id)
)
GRADES = (
    SUBMITTED.join(grade, grade.c.notebook_id == notebook.c.id)
    .join(cell, cell.c.id == grade.c.cell_id)
    .outerjoin(graded, graded.c.id == cell.c.id)
    .outerjoin(task, task.c.id == cell.c.id)
)
COMMENTS = SUBMITTED.join(comment, comment.c.notebook_id == notebook.c.id).join(
    cell, cell.c.id == comment.c.cell_id
)


def version(book: Any) -> int:
    """Another number whenever somebody else has written.

    On SQLite what this process itself writes does not change it; on PostgreSQL it does.
    """
    query: Any = sa.text("PRAGMA data_version")
    if book.engine.dialect.name == "postgresql":
        # Each row's last transaction: milliseconds for a class, and at once, which the statistics are not.
        last: Any = sa.func.coalesce(sa.literal_column("sum(xmin::text::bigint)"), 0)
        sums = (
            sa.select(last).select_from(each).scalar_subquery()
            for each in (grade, comment, notebook, submitted)
        )
        query = sa.select(sum(sums, start=sa.literal(0)))
    number = int(book.db.execute(query).scalar_one())
    book.db.rollback()
    return number


def held(book: Any, of: Name | None = None) -> dict[Name, Held]:
    """What the gradebook holds of everybody, or of one student's assignment."""
    points = (
        sa.func.coalesce(sa.func.sum(grade.c.auto_score), 0.0).label("automatic"),
        sa.func.coalesce(sa.func.sum(SCORE), 0.0).label("score"),
        sa.func.coalesce(sa.func.sum(WORTH), 0.0).label("max_score"),
    )
    sums = _of(sa.select(submitted.c.id, *points).select_from(GRADES), of).group_by(submitted.c.id).subquery()
    penalty = sa.func.coalesce(sa.func.sum(notebook.c.late_submission_penalty), 0.0).label("penalty")
    query = _of(sa.select(submitted.c.id, *NAMED, submitted.c.timestamp, penalty).select_from(SUBMITTED), of)
    whole = query.group_by(submitted.c.id, *NAMED, submitted.c.timestamp).subquery()
    joined = sa.select(whole, sums.c.automatic, sums.c.score, sums.c.max_score).select_from(
        whole.outerjoin(sums, sums.c.id == whole.c.id)
    )
    return {
        (row["assignment"], row["student"]): Held(
            row["timestamp"],
            row["automatic"] or 0.0,
            row["score"] or 0.0,
            row["max_score"] or 0.0,
            row["penalty"],
        )
        for row in _rows(book, joined)
    }


def hands(book: Any, of: Name | None = None) -> dict[Name, dict[str, Hand]]:
    """What people gave, or are asked to give, by item; of everybody, or of one student's assignment."""
    touched = sa.or_(grade.c.manual_score.is_not(None), EXTRA != 0, grade.c.needs_manual_grade)
    given = sa.or_(grade.c.manual_score.is_not(None), sa.and_(grade.c.auto_score.is_not(None), EXTRA != 0))
    points = sa.case((given, SCORE), else_=None)
    columns = (ITEM.label("item"), points.label("points"), WORTH.label("worth"), grade.c.needs_manual_grade)
    of_grades = _of(sa.select(*NAMED, *columns).select_from(GRADES).where(touched), of)
    of_comments = _of(
        sa.select(*NAMED, ITEM.label("item"), comment.c.manual_comment).select_from(COMMENTS), of
    )
    comments = {
        (row["assignment"], row["student"], row["item"]): row["manual_comment"]
        for row in _rows(book, of_comments.where(comment.c.manual_comment.is_not(None)))
    }
    found: dict[Name, dict[str, Hand]] = {}
    for row in _rows(book, of_grades):
        name, item = (row["assignment"], row["student"]), row["item"]
        told = comments.pop((*name, item), None)
        hand = Hand(item, row["points"], row["worth"], told, bool(row["needs_manual_grade"]))
        found.setdefault(name, {})[item] = hand
    for (of_assignment, student, item), text in comments.items():
        found.setdefault((of_assignment, student), {})[item] = Hand(item, None, 0.0, text, False)
    return found


def automatic(book: Any, of: Name) -> dict[str, float | None]:
    """The automatic points of one student's assignment, by cell."""
    query = _of(sa.select(cell.c.name, grade.c.auto_score).select_from(GRADES), of)
    return {row["name"]: row["auto_score"] for row in _rows(book, query)}


def _of(query: Any, of: Name | None) -> Any:
    return query if of is None else query.where(assignment.c.name == of[0], submitted.c.student_id == of[1])


def _rows(book: Any, query: Any) -> Iterator[Any]:
    rows = book.db.execute(query).mappings().all()
    book.db.rollback()  # hold no lock while others write
    return iter(rows)


def who(book: Any, assignment: str, student: str, item: str) -> str:
    """Who last gave points or a comment, as formgrader noted it; SOMEBODY where it did not."""
    connection = book.db.connection()
    found = None
    if sa.inspect(connection).has_table(noted.name):
        query = sa.select(noted.c.by).where(
            noted.c.assignment == assignment, noted.c.student == student, noted.c.cell == item.split("/")[-1]
        )
        found = connection.execute(query.order_by(noted.c.id.desc()).limit(1)).scalar()
    book.db.rollback()
    return found or SOMEBODY
