"""nbgrader's autograde, command and button, with the work put into our sandbox.

A student's code never runs here. The notebook goes to the grading API as nbgrader would have run it (locked
cells restored), and comes back with its outputs; nbgrader then makes its points of them as always. A cell
that must fail runs along: where it passes, something in the notebook changes how checks work, and the
submission is flagged.

The course's own modules and milestones are not run at all: their marks come from probes, and have one writer.
"""

from __future__ import annotations

import base64
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbgrader.apps.api
import nbgrader.apps.autogradeapp
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters.autograde import Autograde
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    IgnorePattern,
    LimitOutput,
    NbGraderPreprocessor,
    SaveAutoGrades,
)
from nbgrader.utils import is_grade
from traitlets import Bool, Integer, List

from grading.nbgrader_side import outputs
from grading.nbgrader_side.api import GradingError, call
from grading.nbgrader_side.audit import note

NOT_SENT = (".ipynb", "timestamp.txt", "submission_secret.txt")
FLAGGED = (
    "flagged: a check that must fail has passed, so something in this notebook changes how checks work. "
    "Read it before its points count"
)
NOT_RUN = "The sandbox gave no result for this cell."


class SandboxExecute(NbGraderPreprocessor):
    """Has a notebook run in the classroom's sandbox instead of in a kernel here."""

    timeout = Integer(30, help="Seconds that one cell may take.").tag(config=True)
    patience = Integer(1800, help="Seconds to wait for one notebook, the queue before it included.").tag(
        config=True
    )
    canary = Bool(True, help="Whether a cell that must fail runs along, to flag what changes checks.").tag(
        config=True
    )
    stderr_costs_points = Bool(False, help="nbgrader's own rule: any output to stderr is 0 points.").tag(
        config=True
    )
    max_output_bytes = Integer(outputs.TEXT_BYTES, help="Bytes of text that are kept of one cell.").tag(
        config=True
    )
    max_files_bytes = Integer(5_000_000, help="Bytes of the assignment's other files that are sent.").tag(
        config=True
    )

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Run the notebook; the answer's outputs in its cells."""
        folder = Path(resources.get("metadata", {}).get("path") or ".")
        body = {
            "notebook": nb,
            "files": dict(self._files(folder)),
            "timeout": self.timeout,
            "canary": self.canary,
        }
        outcome = self._outcome(call("POST", "executions", body=body)["id"])
        self._fill(nb, outcome)
        for each in outcome.get("notes") or []:
            self.log.warning("Sandbox: %s", each)
        if outcome.get("canary") == "passed":
            who = resources["nbgrader"]["student"]
            self.log.error("%s %s", who, FLAGGED)
            resources["nbgrader"]["flagged"] = True
        return nb, resources

    def _files(self, folder: Path) -> Iterator[tuple[str, str]]:
        """The assignment's other files, as base64. Links are not followed."""
        left = self.max_files_bytes
        for at, _, names in os.walk(folder):
            for name in sorted(names):
                path = Path(at, name)
                if name.endswith(NOT_SENT) or not stat.S_ISREG(path.lstat().st_mode):
                    continue
                left -= path.stat().st_size
                if left < 0:
                    raise GradingError(
                        None,
                        f"{folder} holds more than {self.max_files_bytes} bytes beside its notebooks. "
                        "Take files out, or raise c.SandboxExecute.max_files_bytes.",
                    )
                yield path.relative_to(folder).as_posix(), base64.b64encode(path.read_bytes()).decode()

    def _outcome(self, id: str) -> dict[str, Any]:
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            job = call("GET", "executions", id)
            if job["state"] == "failed":
                raise GradingError(None, str((job.get("outcome") or {}).get("note") or "The sandbox failed."))
            if job["state"] == "done":
                outcome: dict[str, Any] = job["outcome"]
                return outcome
        raise GradingError(None, f"The sandbox has not run it within {self.patience} s. Try again later.")

    def _fill(self, nb: NotebookNode, outcome: dict[str, Any]) -> None:
        """Put the outputs into the cells. A cell without gets an error, and so 0 points."""
        ran = outcome.get("cells") or []
        for number, cell in enumerate(nb.cells):
            if cell.cell_type != "code":
                continue
            given = ran[number] if number < len(ran) else None
            cell.execution_count = None
            cell.outputs = outputs.read(given, self.max_output_bytes)
            if given is None:
                cell.outputs.append(outputs.failure("NotRun", NOT_RUN))
            if is_grade(cell) and not self.stderr_costs_points:
                for output in cell.outputs:
                    if output.output_type == "stream":
                        output.name = "stdout"  # nbgrader gives 0 points for a warning


class SaveFlags(NbGraderPreprocessor):
    """Flags a submission in formgrader, where each of its points then waits for a person."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Flag it if the sandbox said so; never unflag."""
        about = resources["nbgrader"]
        if about.get("flagged"):
            gradebook: Any
            with Gradebook(about["db_url"]) as gradebook:
                submission = gradebook.find_submission_notebook(
                    about["notebook"], about["assignment"], about["student"]
                )
                submission.flagged = True
                for grade in submission.grades:
                    grade.needs_manual_grade = True
                note(gradebook.db, about["student"], about["assignment"], None, None, None, FLAGGED)
                gradebook.db.commit()
        return nb, resources


class SandboxAutograde(Autograde):
    """nbgrader's autograde without a kernel."""

    autograde_preprocessors = List(
        [
            SandboxExecute,
            IgnorePattern,
            ClearMetadataPreprocessor,
            LimitOutput,
            SaveAutoGrades,
            SaveFlags,
            AssignLatePenalties,
            CheckCellMetadata,
        ]
    ).tag(config=True)

    def start(self) -> None:
        """Grade an assignment of the instructor's own; of one of the course's, say who marks it."""
        marks = recorded(self.coursedir.assignment_id, self.coursedir.student_id)
        if marks is None:
            super().start()
            return
        shown = ", ".join(f"{each['student']}: {each['score']:g} of {each['max_score']:g}" for each in marks)
        self.log.warning(
            "The marks of '%s' come from the course's probes and are in the gradebook already (%s). "
            "Nothing was run or changed. To have it marked again, use Regrade on the class's page.",
            self.coursedir.assignment_id,
            shown or "nobody has handed in yet",
        )


def recorded(assignment: str, student: str) -> list[dict[str, Any]] | None:
    """What the classroom has recorded of a module or milestone of the course; None if it is none.

    Args:
        assignment: nbgrader's name of it.
        student: one student, or '*' for all.
    """
    try:
        marks: list[dict[str, Any]] = call("GET", "recorded", assignment)["marks"]
    except GradingError as error:
        if error.status == 404:
            return None
        raise
    return [each for each in marks if student in ("*", each["student"])]


def install() -> None:
    """From here on, nbgrader's command and formgrader's button autograde in the sandbox."""
    nbgrader.apps.api.Autograde = SandboxAutograde
    nbgrader.apps.autogradeapp.Autograde = SandboxAutograde
