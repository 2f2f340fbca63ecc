"""nbgrader's own autograder as a target: each attack in a container of its own, with limits, so that it may win."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.classroom import REPOSITORY, Classroom

SCRIPT = REPOSITORY / "tests" / "attacks" / "nbgrader_alone.py"
SECONDS = 110  # of a whole container; the script ends nbgrader before
MEMORY, PROCESSES, DISK = "1g", 128, "256m"


@dataclass(frozen=True)
class Outcome:
    """What came of one notebook."""

    words: str  # for the table
    score: float  # points that the attacker has
    text: str  # of the graded notebook


class Autograder:
    """nbgrader with one assignment and another student's submission, made once."""

    def __init__(self, classroom: Classroom, folder: Path, victim: dict[str, Any]) -> None:
        self.classroom, self.folder = classroom, folder
        folder.chmod(0o777)
        done = self._run("prepare", json.dumps(victim), "rw")
        assert done.returncode == 0, done.stdout + done.stderr

    def grade(self, book: dict[str, Any]) -> Outcome:
        """Have a notebook graded."""
        done = self._run("grade", json.dumps(book), "ro")
        assert done.returncode in (0, 124, 137), done.stderr  # 125 and the like: it never ran
        if done.returncode != 0:
            return Outcome("the autograder's container had to be ended", 0.0, "")
        came = json.loads(done.stdout.splitlines()[-1])
        return Outcome(_words(came), came["score"] or 0.0, came["text"])

    def _run(self, what: str, stdin: str, mode: str) -> subprocess.CompletedProcess[str]:
        image = f"{self.classroom.name}/grader:{self.classroom.environment['TT_VERSION']}"
        with _named(self.classroom) as name:
            command = [
                "docker", "run", "--rm", "--interactive", "--name", name, "--label", self.classroom.label.partition("=")[2],
                "--network", "none", "--memory", MEMORY, "--memory-swap", MEMORY, "--pids-limit", str(PROCESSES),
                "--cap-drop", "ALL", "--tmpfs", f"/tmp:size={DISK},mode=1777", "--env", "HOME=/tmp",
                "--env", "PYTHONPATH=/opt/course/reference", "--env", "OPENBLAS_NUM_THREADS=1", "--user", "1003:1003",
                "--log-driver", "none", "--volume", f"{self.folder}:/course:{mode}", "--volume", f"{SCRIPT}:/run/alone.py:ro",
                image, "python", "/run/alone.py", what,
            ]  # fmt: skip
            try:
                return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                return subprocess.CompletedProcess(command, 124, "", "")


@contextmanager
def _named(classroom: Classroom) -> Iterator[str]:
    """A container's name; whatever happens, nothing of that name is left."""
    name = f"{classroom.name}-autograder-{secrets.token_hex(4)}"
    try:
        yield name
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


def _words(came: dict[str, Any]) -> str:
    score = f"{came['score'] or 0:g} of {came['max_score']:g} points"
    if came["status"] is None:
        return f"did not end within {came['seconds']:.0f} s"
    if came["status"] < 0:
        return f"the autograder was killed (signal {-came['status']})"
    if came["status"] != 0:
        return f"the autograder failed; no mark, {came['unmarked']} cells for a person to look at"
    if came["unmarked"]:
        return f"{score}; {came['unmarked']} cells without a mark, for a person to look at"
    if came["bytes"] > 10_000_000:
        return f"{score}; {came['bytes'] // 1_000_000} MB kept in the graded notebook"
    return score
