"""nbgrader's gradebook: one mark into it, with nbgrader's own models.

A module is an assignment with one notebook of the same name; its checks are grade cells, its exercises
solution cells, its questions both: they wait for a person's points. A milestone is an assignment of its own.
What an instructor entered by hand is never touched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from nbgrader.api import Comment, Grade, Gradebook, MissingEntry

from grading.course_files import questions_of
from grading.results import CheckMark

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
    with gradebook.engine.connect() as connection:
        connection.execute(sa.text("PRAGMA journal_mode = WAL"))  # formgrader may read while we write
    sa.event.listen(gradebook.engine, "connect", _be_patient)
    gradebook.engine.dispose()
    return gradebook


# Gradebooks are `Any` below: nbgrader's own hints call its keyword arguments and columns by wrong types.


def utc(seconds: float) -> datetime:
    """A time as nbgrader keeps it: UTC, and not saying so."""
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)


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
        _ensure_assignment(gradebook, assignment)
        gradebook.update_or_create_student(student)
        submission = gradebook.update_or_create_submission(assignment.name, student)
        submission.timestamp = utc(received_at)
        notebook = gradebook.find_submission_notebook(assignment.name, assignment.name, student)
        reasons: dict[str, list[str]] = {exercise: [] for exercise in assignment.exercises.values()}
        for check in checks:
            _grade(gradebook, assignment, notebook, check)
            if check.check in assignment.exercises:
                reasons[assignment.exercises[check.check]] += check.reasons
        for exercise, texts in reasons.items():
            _comment(gradebook, assignment, notebook, exercise, "\n".join(texts))
        for question, answer in answers.items():
            _await_points(_find_grade(gradebook, assignment, notebook, question), answer)
            _comment(gradebook, assignment, notebook, question, "" if answer.given else "No response.")
        gradebook.db.commit()
    except Exception:
        gradebook.db.rollback()
        raise


def _ensure_assignment(gradebook: Any, assignment: Assignment) -> None:
    name = assignment.name
    try:
        notebook = gradebook.find_notebook(name, name)
    except MissingEntry:
        gradebook.update_or_create_assignment(name)
        notebook = gradebook.update_or_create_notebook(name, name)
    known = {cell.name: cell for cell in notebook.grade_cells}
    cells = [(check, points, "code") for check, points in assignment.points.items()]
    cells += [(question, points, "markdown") for question, points in assignment.questions.items()]
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


def _find_grade(gradebook: Any, assignment: Assignment, notebook: Any, cell: str) -> Any:
    name = assignment.name
    try:
        return gradebook.find_grade(cell, name, name, notebook.student.id)
    except MissingEntry:  # the cell is newer than the student's first submission
        found = gradebook.find_grade_cell(cell, name, name)
        grade: Any = Grade(cell_id=found.id, notebook=notebook)
        gradebook.db.add(grade)
        return grade


def _grade(gradebook: Any, assignment: Assignment, notebook: Any, check: CheckMark) -> None:
    grade = _find_grade(gradebook, assignment, notebook, check.check)
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


def _comment(gradebook: Any, assignment: Assignment, notebook: Any, exercise: str, text: str) -> None:
    name = assignment.name
    comment: Any
    try:
        comment = gradebook.find_comment(exercise, name, name, notebook.student.id)
    except MissingEntry:
        cell = gradebook.find_solution_cell(exercise, name, name)
        comment = Comment(cell_id=cell.id, notebook=notebook)
        gradebook.db.add(comment)
    comment.auto_comment = text or None


def _be_patient(connection: Any, _: object) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
