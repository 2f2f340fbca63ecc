"""nbgrader's gradebook: one mark into it, with nbgrader's own models.

A module is an assignment with one notebook of the same name; its checks are grade cells, its exercises
solution cells.
A milestone is an assignment of its own. What an instructor entered by hand is never touched.
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

from grading.results import CheckMark

BUSY_SECONDS = 20


@dataclass(frozen=True)
class Assignment:
    """What an assignment is made of.

    Attributes:
        points: check -> points.
        exercises: check -> the exercise that it is about, where the reasons are shown.
    """

    name: str
    points: Mapping[str, float]
    exercises: Mapping[str, str] = field(default_factory=dict)


def module_assignment(slug: str, official: Mapping[str, Any]) -> Assignment:
    """The assignment of a module, from its official notebook."""
    points, exercises = {}, {}
    for cell in official["cells"]:
        ours = cell["metadata"].get("tinytorch", {})
        if ours.get("role") == "check":
            points[ours["id"]] = float(cell["metadata"]["nbgrader"]["points"])
            exercises[ours["id"]] = ours["exercise"]
    return Assignment(slug, points, exercises)


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


def write(
    gradebook: Any, assignment: Assignment, student: str, received_at: float, checks: list[CheckMark]
) -> None:
    """Write one mark, whole or not at all. Writing it twice changes nothing."""
    try:
        _ensure_assignment(gradebook, assignment)
        gradebook.update_or_create_student(student)
        submission = gradebook.update_or_create_submission(assignment.name, student)
        submission.timestamp = datetime.fromtimestamp(received_at, timezone.utc).replace(tzinfo=None)
        notebook = gradebook.find_submission_notebook(assignment.name, assignment.name, student)
        reasons: dict[str, list[str]] = {exercise: [] for exercise in assignment.exercises.values()}
        for check in checks:
            _grade(gradebook, assignment, notebook, check)
            if check.check in assignment.exercises:
                reasons[assignment.exercises[check.check]] += check.reasons
        for exercise, texts in reasons.items():
            _comment(gradebook, assignment, notebook, exercise, "\n".join(texts))
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
    known = {cell.name: cell.max_score for cell in notebook.grade_cells}
    for check, points in assignment.points.items():
        if known.pop(check, None) != points:
            gradebook.update_or_create_grade_cell(check, name, name, max_score=points, cell_type="code")
    for former, points in known.items():
        if points:  # a check that the course no longer has: kept for what was entered by hand, worth nothing
            gradebook.update_or_create_grade_cell(former, name, name, max_score=0.0, cell_type="code")
    present = {cell.name for cell in notebook.solution_cells}
    for exercise in set(assignment.exercises.values()) - present:
        gradebook.update_or_create_solution_cell(exercise, name, name)


def _grade(gradebook: Any, assignment: Assignment, notebook: Any, check: CheckMark) -> None:
    name = assignment.name
    grade: Any
    try:
        grade = gradebook.find_grade(check.check, name, name, notebook.student.id)
    except MissingEntry:  # the check is newer than the student's first submission
        cell = gradebook.find_grade_cell(check.check, name, name)
        grade = Grade(cell_id=cell.id, notebook=notebook)
        gradebook.db.add(grade)
    points = min(max(check.points, 0.0), check.max_points)  # nbgrader accepts more than there is
    # As in nbgrader: where a person has given points, another automatic mark asks that person to look again.
    changed = grade.auto_score is not None and grade.auto_score != points
    grade.needs_manual_grade = grade.manual_score is not None and (changed or grade.needs_manual_grade)
    grade.auto_score = points


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
