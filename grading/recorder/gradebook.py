"""nbgrader's gradebook: one mark into it, with nbgrader's own models.

A module is an assignment with one notebook of the same name; its checks are grade cells, its exercises
solution cells, its questions both: they wait for a person's points. A milestone is an assignment of its own.
What an instructor entered by hand is never touched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from nbgrader.api import BaseCell, Comment, Grade, Gradebook, GradeCell, MissingEntry, SolutionCell

from grading.course_files import questions_of
from grading.results import CheckMark
from grading.standings import SMALLEST

BUSY_SECONDS = 20


@dataclass(frozen=True)
class Assignment:
    """What an assignment is made of.

    Attributes:
        points: check -> points.
        exercises: check -> the exercise that it is about, where the reasons are shown.
        questions: question -> points that a person gives.
    """

    name: str
    points: Mapping[str, float]
    exercises: Mapping[str, str] = field(default_factory=dict)
    questions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The answer to a question: whether there is one, and whether it is another than the gradebook knows."""

    given: bool
    changed: bool


def module_assignment(slug: str, official: Mapping[str, Any]) -> Assignment:
    """The assignment of a module, from its official notebook."""
    points, exercises = {}, {}
    for cell in official["cells"]:
        ours = cell["metadata"].get("tinytorch", {})
        if ours.get("role") == "check":
            points[ours["id"]] = float(cell["metadata"]["nbgrader"]["points"])
            exercises[ours["id"]] = ours["exercise"]
    return Assignment(slug, points, exercises, questions_of(official))


def open_gradebook(url: str) -> Any:
    """Open nbgrader's database; makes it where it is missing."""
    # nbgrader calls `alembic` by name when it makes a database; it stands beside our Python.
    own = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([own, os.environ.get("PATH", "")])
    gradebook = Gradebook(url)
    if gradebook.engine.dialect.name == "sqlite":
        with gradebook.engine.connect() as connection:
            connection.execute(sa.text("PRAGMA journal_mode = WAL"))  # formgrader may read while we write
        sa.event.listen(gradebook.engine, "connect", _be_patient)
    gradebook.engine.dispose()
    return gradebook


# Gradebooks are `Any` below: nbgrader's own hints call its keyword arguments and columns by wrong types.


def utc(seconds: float) -> datetime:
    """A time as nbgrader keeps it: UTC, and not saying so."""
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)


def due_of(due: datetime | None) -> datetime | None:
    """A deadline as nbgrader keeps it."""
    return due and due.astimezone(timezone.utc).replace(tzinfo=None)


def written_at(gradebook: Any, assignment: str, student: str) -> datetime | None:
    """When the submission was handed in whose mark the gradebook holds; None if it holds none."""
    try:
        timestamp: datetime | None = gradebook.find_submission(assignment, student).timestamp
    except MissingEntry:
        return None
    return timestamp


def write(
    gradebook: Any,
    assignment: Assignment,
    student: str,
    received_at: float,
    checks: list[CheckMark],
    answers: Mapping[str, Answer],
) -> None:
    """Write one mark, whole or not at all. Writing it twice changes nothing."""
    try:
        _ensure_assignment(gradebook, assignment, [check.check for check in checks])
        submission = _ensure_submission(gradebook, assignment.name, student)
        submission.timestamp = utc(received_at)
        (notebook,) = submission.notebooks
        grades, comments = _Cells(gradebook, Grade, notebook), _Cells(gradebook, Comment, notebook)
        for name, grade in grades.items():
            # What an earlier submission had for checks that this one's course did not have counts no longer.
            if name not in answers and name not in {check.check for check in checks} and grade.auto_score:
                grade.auto_score = 0.0
        reasons: dict[str, list[str]] = {exercise: [] for exercise in assignment.exercises.values()}
        for check in checks:
            _grade(grades[check.check], check)
            if check.check in assignment.exercises:
                reasons[assignment.exercises[check.check]] += check.reasons
        for exercise, texts in reasons.items():
            comments[exercise].auto_comment = "\n".join(texts) or None
        for question, answer in answers.items():
            _await_points(grades[question], answer)
            comments[question].auto_comment = None if answer.given else "No response."
        gradebook.db.commit()
    except Exception:
        gradebook.db.rollback()
        raise


def penalise(gradebook: Any, assignment: str, student: str, factor: float) -> None:
    """Take from a submission what lateness takes, where nbgrader's pages and exports look for it.

    Args:
        factor: what is left of its points, 0 to 1.
    """
    try:
        submission = gradebook.find_submission(assignment, student)
    except MissingEntry:
        return
    for notebook in submission.notebooks:
        penalty = round(max(0.0, notebook.score) * (1.0 - factor), 4)
        if abs((notebook.late_submission_penalty or 0.0) - penalty) > SMALLEST:
            notebook.late_submission_penalty = penalty
    _commit(gradebook)


def set_due(gradebook: Any, due: Mapping[str, datetime | None]) -> None:
    """Write when assignments are due, of those that are there; UTC, not saying so."""
    for assignment in gradebook.assignments:
        if assignment.name in due and assignment.duedate != due[assignment.name]:
            assignment.duedate = due[assignment.name]
    _commit(gradebook)


def _commit(gradebook: Any) -> None:
    try:
        gradebook.db.commit()
    except Exception:
        gradebook.db.rollback()
        raise


class _Cells(dict[str, Any]):
    """A submitted notebook's grades or comments by the name of their cell; one that is missing is made.

    All of them are read at once: nbgrader's own way asks several times for each.
    """

    def __init__(self, gradebook: Any, model: Any, notebook: Any) -> None:
        query = gradebook.db.query(BaseCell.name, model).join(model, model.cell_id == BaseCell.id)
        super().__init__(query.filter(model.notebook_id == notebook.id).all())
        self.gradebook, self.model, self.notebook = gradebook, model, notebook

    def __missing__(self, name: str) -> Any:
        """The cell is newer than the student's first submission."""
        of = GradeCell if self.model is Grade else SolutionCell
        cells = self.gradebook.db.query(of).filter(of.notebook_id == self.notebook.notebook_id)
        made = self.model(cell_id=cells.filter(of.name == name).one().id, notebook=self.notebook)
        self.gradebook.db.add(made)
        self[name] = made
        return made


def _ensure_submission(gradebook: Any, assignment: str, student: str) -> Any:
    try:
        return gradebook.find_submission(assignment, student)
    except MissingEntry:
        gradebook.update_or_create_student(student)
        return gradebook.update_or_create_submission(assignment, student)


def _ensure_assignment(gradebook: Any, assignment: Assignment, marked: Iterable[str]) -> None:
    """Make assignment, notebook and cells. What was `marked` before the course lost it has a cell, too."""
    name = assignment.name
    try:
        notebook = gradebook.find_notebook(name, name)
    except MissingEntry:
        gradebook.update_or_create_assignment(name)
        notebook = gradebook.update_or_create_notebook(name, name)
    known = {cell.name: cell for cell in notebook.grade_cells}
    cells = [(check, points, "code") for check, points in assignment.points.items()]
    cells += [(question, points, "markdown") for question, points in assignment.questions.items()]
    cells += [(check, 0.0, "code") for check in marked if check not in assignment.points]
    for cell, points, kind in cells:
        former = known.pop(cell, None)
        if former is None or former.max_score != points:
            gradebook.update_or_create_grade_cell(cell, name, name, max_score=points, cell_type=kind)
    for former in known.values():
        if former.max_score:  # the course no longer has it: kept for what was entered by hand, worth nothing
            gradebook.update_or_create_grade_cell(former.name, name, name, max_score=0.0)
    present = {cell.name for cell in notebook.solution_cells}
    for cell in {*assignment.exercises.values(), *assignment.questions} - present:
        gradebook.update_or_create_solution_cell(cell, name, name)


def _grade(grade: Any, check: CheckMark) -> None:
    points = min(max(check.points, 0.0), check.max_points)  # nbgrader accepts more than there is
    # As in nbgrader: where a person has given points, another automatic mark asks that person to look again.
    changed = grade.auto_score is not None and grade.auto_score != points
    grade.needs_manual_grade = grade.manual_score is not None and (changed or grade.needs_manual_grade)
    grade.auto_score = points


def _await_points(grade: Any, answer: Answer) -> None:
    """An answer waits for a person, again where it was changed; no answer is 0 points without one."""
    grade.auto_score = None if answer.given else 0.0
    unread = answer.given if grade.manual_score is None else answer.changed or grade.needs_manual_grade
    grade.needs_manual_grade = bool(unread)


def _be_patient(connection: Any, _: object) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
