"""For `nbgrader export`: nbgrader's own columns, quoted. Its own exporter quotes nothing, so a name with a
comma moves every mark behind it by one column.

    nbgrader export --exporter=grading.exports.nbgrader.QuotedExport --to=grades.csv
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.plugins import ExportPlugin

from grading.exports import cells

COLUMNS = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
    "late_submission_penalty", "score", "max_score",
)  # fmt: skip
READ = ("last_name", "first_name")  # nobody is matched by these


class QuotedExport(ExportPlugin):
    """nbgrader's CSV file, as RFC 4180 wants it."""

    def export(self, gradebook: Any) -> None:
        """Write the marks to `--to` (grades.csv), of all or of the chosen students and assignments."""
        rows = [list(COLUMNS)]
        for assignment in gradebook.assignments:
            if self.assignment and assignment.name not in map(str, self.assignment):
                continue
            for student in gradebook.students:
                if self.student and student.id not in map(str, self.student):
                    continue
                rows.append(_row(gradebook, assignment, student))
        Path(self.to or "grades.csv").write_text(cells.table(rows), encoding="utf-8", newline="")
        self.log.info("%d marks exported", len(rows) - 1)


def _row(gradebook: Any, assignment: Any, student: Any) -> list[str]:
    found: dict[str, Any] = {
        "assignment": assignment.name,
        "duedate": assignment.duedate,
        "student_id": student.id,
        "last_name": student.last_name,
        "first_name": student.first_name,
        "email": student.email,
        "max_score": assignment.max_score,
    }
    try:
        submission = gradebook.find_submission(assignment.name, student.id)
    except MissingEntry:
        found |= {"timestamp": "", "raw_score": 0.0, "late_submission_penalty": 0.0, "score": 0.0}
    else:
        penalty = submission.late_submission_penalty
        found |= {
            "timestamp": submission.timestamp,
            "raw_score": submission.score,
            "late_submission_penalty": penalty,
            "score": max(0.0, submission.score - penalty),
        }
    said = {name: "" if found[name] is None else str(found[name]) for name in COLUMNS}
    return [cells.text(said[name]) if name in READ else said[name] for name in COLUMNS]
