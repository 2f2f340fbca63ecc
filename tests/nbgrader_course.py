"""nbgrader's own autograder on the same submissions: what the tests and the benchmark compare with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.classroom import REPOSITORY, run
from tests.submissions import Notebook, notebook, write


class NbgraderCourse:
    """A course folder of nbgrader's with one assignment that is one module of ours."""

    def __init__(self, root: Path, slug: str) -> None:
        self.root, self.slug = root, slug
        self.environment = {
            **os.environ,
            "PYTHONPATH": f"{REPOSITORY / 'build' / 'course' / 'discovery' / 'reference'}:{REPOSITORY}",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(root),
        }
        write(notebook(slug, "instructor"), root / "source" / slug / f"{slug}.ipynb")
        (root / "nbgrader_config.py").write_text(
            "c = get_config()\nc.CourseDirectory.course_id = 'course'\nc.ExecutePreprocessor.timeout = 120\n"
        )
        self.command("generate_assignment", slug)

    def command(self, *arguments: str) -> str:
        answer = run(
            sys.executable,
            "-m",
            "nbgrader",
            *arguments,
            f"--course-dir={self.root}",
            timeout=900,
            env=self.environment,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def submit(self, student: str, book: Notebook) -> None:
        write(book, self.root / "submitted" / student / self.slug / f"{self.slug}.ipynb")

    def autograde(self) -> None:
        self.command("autograde", self.slug)

    def marks(self) -> dict[str, tuple[float, float]]:
        """Score and highest score of each student."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.root}/gradebook.db") as book:
            return {
                each.student.id: (each.score, each.max_score)
                for each in book.assignment_submissions(self.slug)
            }
