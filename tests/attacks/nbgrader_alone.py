"""nbgrader's own autograder on one hostile notebook: run inside a container of its own, which may break.

`python nbgrader_alone.py prepare` makes the course in /course; `python nbgrader_alone.py grade` copies it, reads a
notebook on standard input, grades it, and prints one JSON object with what came of it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

SLUG = "setup"
VICTIM, STUDENT = "victim", "mallory"
CELL_SECONDS = 5
SECONDS = 60  # for one notebook; an honest one takes five on a quiet machine
LATER = 2.0  # what a detached process does, it does after the mark
CONFIG = f"""
c = get_config()
c.CourseDirectory.course_id = "course"
c.ExecutePreprocessor.timeout = {CELL_SECONDS}
c.Execute.timeout = {CELL_SECONDS}
"""


def nbgrader(folder: Path, *words: str, seconds: float = 120) -> int | None:
    """Run nbgrader's command in a course's folder; its exit status, None if it had to be ended."""
    command = [sys.executable, "-m", "nbgrader", *words, f"--course-dir={folder}"]
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return None


def prepare() -> None:
    """Make the course, with an assignment and somebody's submission in it."""
    folder = Path("/course")
    source = folder / "source" / SLUG / f"{SLUG}.ipynb"
    source.parent.mkdir(parents=True)
    shutil.copy(f"/opt/course/instructor/{SLUG}.ipynb", source)
    (folder / "nbgrader_config.py").write_text(CONFIG)
    if nbgrader(folder, "generate_assignment", SLUG) != 0:
        sys.exit((folder / "log.txt").read_text())
    theirs = folder / "submitted" / VICTIM / SLUG / f"{SLUG}.ipynb"
    theirs.parent.mkdir(parents=True)
    theirs.write_text(sys.stdin.read())


def grade() -> None:
    """Grade the notebook on standard input, in a copy of the course that goes with this container."""
    folder = Path("/tmp/course")
    shutil.copytree("/course", folder)
    handed_in = folder / "submitted" / STUDENT / SLUG / f"{SLUG}.ipynb"
    handed_in.parent.mkdir(parents=True)
    handed_in.write_text(sys.stdin.read())
    began = time.monotonic()
    status = nbgrader(folder, "autograde", SLUG, f"--student={STUDENT}", seconds=SECONDS)
    took = time.monotonic() - began
    time.sleep(LATER)
    autograded = folder / "autograded" / STUDENT / SLUG / f"{SLUG}.ipynb"
    text = autograded.read_text() if autograded.is_file() else ""
    score, most, automatic = marks(folder)
    came = {
        "status": status,
        "seconds": round(took, 1),
        "score": score,
        "max_score": most,
        "unmarked": automatic,
        "bytes": len(text),
        "text": text if len(text) < 2_000_000 else "",
    }
    print(json.dumps(came))


def marks(folder: Path) -> tuple[float | None, float, int]:
    """The points that the gradebook holds, the most that could be had, and how many cells have no mark."""
    with sqlite3.connect(folder / "gradebook.db") as book:
        grades = book.execute(
            "SELECT grade.auto_score FROM grade JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id "
            "JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id "
            "JOIN grade_cells ON grade.cell_id = grade_cells.id "
            "WHERE submitted_assignment.student_id = ? AND grade_cells.cell_type = 'code'",
            (STUDENT,),
        ).fetchall()
        most = book.execute("SELECT SUM(max_score) FROM grade_cells WHERE cell_type = 'code'").fetchone()[0]
    known = [score for (score,) in grades if score is not None]
    return (sum(known) if known else None), float(most or 0), len(grades) - len(known)


if __name__ == "__main__":
    {"prepare": prepare, "grade": grade}[sys.argv[1]]()
