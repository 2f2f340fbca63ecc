"""Attempts at milestones, training again, and what leaves the classroom, in the real one."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any

import pytest

from tests.classroom import REPOSITORY, Classroom, Student, wait_for
from tests.submissions import right

SOLVED = REPOSITORY / "build" / "course" / "discovery"
NEEDED = ("tensor", "activations", "layers")  # by the perceptron


@pytest.fixture(scope="module")
def teacher(classroom: Classroom) -> Student:
    """An instructor with a running server, whose token may ask for the class."""
    (lovelace,) = classroom.enrol("lovelace", role="instructor")
    lovelace.start_server()
    return lovelace


@pytest.fixture(scope="module")
def attempt(classroom: Classroom) -> tuple[Student, str]:
    """A student of the section 'B, late' who passed the perceptron with weights of her own training."""
    (hedy,) = classroom.enrol("hedy", section='"B, ""late"""')
    hedy.start_server()
    hedy.shell("mkdir -p ~/course/milestones")
    for slug in NEEDED:
        hedy.shell(f"cat > ~/course/{slug}.ipynb", stdin=json.dumps(right(slug)))
        exported = hedy.tito(f"export {slug}")
        assert exported.returncode == 0, exported.stdout + exported.stderr
    script = SOLVED / "instructor" / "milestones" / "perceptron.py"
    hedy.shell("cat > ~/course/milestones/perceptron.py", stdin=script.read_text())
    assert hedy.tito("milestone run perceptron", timeout=300).returncode == 0
    answer = hedy.tito("milestone submit perceptron")
    assert "Passed." in answer.stdout, answer.stdout + answer.stderr
    return hedy, asked(hedy, "milestones?milestone=perceptron")["milestones"][0]["attempts"][0]["id"]


def asked(student: Student, path: str, method: str = "GET") -> Any:
    """The answer to a question that is allowed."""
    status, text = student.grading(method, path)
    assert status in (200, 202), f"{status} {text[:500]}"
    return json.loads(text)


def test_history_tells_what_both_parts_came_to(attempt: tuple[Student, str]) -> None:
    student, _ = attempt
    said = student.tito("milestone history perceptron")
    assert said.returncode == 0, said.stderr
    assert "passed" in said.stdout
    assert "public" in said.stdout
    (told,) = asked(student, "milestones?milestone=perceptron")["milestones"]
    newest = told["attempts"][0]
    assert newest["passed"]
    assert newest["verified"]
    assert min(newest["public"], newest["private"]) > 0.9
    assert newest["cost"]["sandbox_seconds"] > 0


def test_attempt_is_trained_again_in_a_sandbox_and_agrees(
    attempt: tuple[Student, str], teacher: Student
) -> None:
    student, id = attempt
    assert student.grading("POST", f"milestones/retrain/{id}")[0] == 403
    asked(teacher, f"milestones/retrain/{id}", "POST")

    def done() -> Any:
        (job,) = asked(teacher, f"milestones/retrain/{id}")["retrainings"]
        return job if job["state"] in ("done", "failed") else None

    job = wait_for("the training", done, 240)
    assert job["state"] == "done", job
    outcome = job["outcome"]
    assert outcome["reason"] is None, outcome
    assert outcome["agree"] is True, outcome
    assert outcome["retrained"]["passed"] is True, outcome


def test_marks_leave_the_classroom_as_canvas_and_moodle_read_them(
    attempt: tuple[Student, str], teacher: Student
) -> None:
    student, _ = attempt
    assert student.grading("GET", "exports/canvas.csv")[0] == 403

    def row() -> list[str] | None:
        status, text = teacher.grading("GET", "exports/canvas.csv")
        assert status == 200, text
        rows = list(csv.reader(io.StringIO(text), strict=True))
        place = next(n for n, title in enumerate(rows[0]) if "Perceptron" in title or "perceptron" in title)
        (found,) = [row for row in rows if row[3:4] == ["hedy"]]
        assert len(found) == len(rows[0])
        assert found[4] == 'B, "late"'
        return found if found[place] not in ("", "0") else None

    wait_for("the recorder", row, 30)
    status, text = teacher.grading("GET", "exports/moodle.csv")
    assert status == 200
    assert any(line[:1] == ["hedy@example.edu"] for line in csv.reader(io.StringIO(text), strict=True))


def test_code_for_similarity_checkers_holds_what_was_written_and_no_more(
    classroom: Classroom, attempt: tuple[Student, str], teacher: Student
) -> None:
    token = teacher.shell("printenv JUPYTERHUB_API_TOKEN").stdout.strip()
    answer = teacher.session.get(
        f"{classroom.url}services/grading/api/exports/code.zip?kind=milestone&slug=perceptron",
        headers={"Authorization": f"token {token}"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text[:300]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        code = archive.read("hedy/perceptron.py").decode()
    assert "def learn(" in code
    assert "def draw_training(" not in code, "that was given"


def test_description_of_the_api_asks_for_no_token(classroom: Classroom, teacher: Student) -> None:
    answer = teacher.session.get(f"{classroom.url}services/grading/api/openapi.json", timeout=30)
    assert answer.status_code == 200
    assert "/api/milestones" in answer.json()["paths"]
