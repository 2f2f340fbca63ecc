"""Submissions from a student's container, through API, queue, worker and sandbox, to the mark and nbgrader's gradebook."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

import pytest

from tests.classroom import REPOSITORY, Classroom, Student
from tests.submissions import Notebook, notebook, right, wrong


def hand_in(student: Student, slug: str, book: Notebook) -> dict[str, Any]:
    """Submit as the student's own server does; return the graded submission."""
    status, text = student.grading("POST", f"submissions/module/{slug}", json.dumps({"notebook": book}))
    assert status == 201, text
    return student.classroom.submission(student, json.loads(text)["id"])


@pytest.mark.parametrize("slug", ["setup", "tensor", "activations", "layers"])
def test_right_solution_gets_every_point(grace: Student, slug: str) -> None:
    graded = hand_in(grace, slug, right(slug))
    assert graded["state"] == "graded"
    assert graded["score"] == graded["max_score"] > 0, graded


@pytest.mark.parametrize("slug", ["setup", "tensor", "activations", "layers"])
def test_untouched_notebook_gets_nothing(grace: Student, slug: str) -> None:
    assert hand_in(grace, slug, notebook(slug, "student"))["score"] == 0


def test_wrong_solution_loses_the_points_of_what_is_wrong_and_says_why(grace: Student) -> None:
    graded = hand_in(grace, "tensor", wrong("tensor", "tensor-matmul", "return", "return -"))
    lost = [check for check in graded["checks"] if check["points"] < check["max_points"]]
    assert "check-tensor-matmul" in {check["check"] for check in lost}
    assert all(check["reasons"] for check in lost)
    assert 0 < graded["score"] < graded["max_score"]


def test_mark_is_in_nbgraders_gradebook(classroom: Classroom, grace: Student) -> None:
    graded = hand_in(grace, "setup", right("setup"))
    with sqlite3.connect(classroom.state / "grading" / "nbgrader" / "gradebook.db") as book:
        query = """
            SELECT SUM(grade.auto_score) FROM grade
            JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id
            JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id
            JOIN assignment ON submitted_assignment.assignment_id = assignment.id
            WHERE submitted_assignment.student_id = 'grace' AND assignment.name = 'setup'
        """
        deadline = time.monotonic() + 30
        while (score := book.execute(query).fetchone()[0]) != graded["score"] and time.monotonic() < deadline:
            time.sleep(0.5)
    assert score == graded["score"]


def test_instructor_from_the_roster_sees_the_class(classroom: Classroom, grace: Student) -> None:
    hand_in(grace, "setup", right("setup"))
    (hopper,) = classroom.enrol("hopper", role="instructor")
    page = hopper.session.get(f"{classroom.url}services/grading/class", timeout=60)
    assert page.status_code == 200, page.text[:500]
    assert "grace" in page.text
    answer = grace.session.get(f"{classroom.url}services/grading/class", timeout=60)
    assert answer.status_code == 403
    assert "Only instructors" in answer.text


def test_student_never_sees_anothers_submission(grace: Student, mallory: Student) -> None:
    mine = hand_in(grace, "setup", right("setup"))
    assert mallory.grading("GET", f"submissions/{mine['id']}")[0] in (403, 404)


@pytest.mark.parametrize("token", ["", "token nonsense"])
def test_nobody_submits_without_a_token_that_is_theirs(mallory: Student, token: str) -> None:
    body = json.dumps({"notebook": right("setup")})
    assert mallory.grading("POST", "submissions/module/setup", body, token)[0] in (401, 403)


def test_oversized_submission_is_refused_with_a_sentence(classroom: Classroom, mallory: Student) -> None:
    limit = int(classroom.environment["TT_SUBMISSION_MAX_BYTES"])
    status, text = mallory.grading("POST", "submissions/module/setup", "x" * (limit + 4096))
    assert status == 413
    assert f"{limit:,} bytes" in json.loads(text)["error"]


@pytest.mark.parametrize(
    "body", ["", "not json", "[]", '{"notebook": 7}', '{"notebook": {"cells": "none"}}', '{"wrong": {}}']
)
def test_notebook_that_is_no_notebook_is_refused_with_a_sentence(mallory: Student, body: str) -> None:
    status, text = mallory.grading("POST", "submissions/module/setup", body)
    assert status == 400
    assert json.loads(text)["error"].endswith(".")


def test_tito_takes_a_student_from_the_notebook_to_the_mark(grace: Student) -> None:
    assert grace.tito("start setup").returncode == 0
    grace.shell("cat > ~/course/setup.ipynb", stdin=json.dumps(right("setup")))
    tested = grace.tito("test setup")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    exported = grace.tito("export setup")
    assert exported.returncode == 0, exported.stdout + exported.stderr
    submitted = grace.tito("submit setup")
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert "10 of 10" in grace.tito("status").stdout
    doctor = grace.tito("doctor")
    assert "Traceback" not in doctor.stdout + doctor.stderr


def test_tito_says_when_a_notebook_is_none(grace: Student) -> None:
    grace.shell("echo 'not a notebook' > ~/course/activations.ipynb")
    answer = grace.tito("submit activations")
    assert answer.returncode != 0
    assert "activations.ipynb" in answer.stderr
    assert "Traceback" not in answer.stdout + answer.stderr
    grace.shell("rm ~/course/activations.ipynb")


@pytest.fixture(scope="module")
def framework(people: dict[str, Student]) -> Student:
    """A student whose own tinytorch is complete."""
    grace = people["grace"]
    grace.start_server()
    grace.shell("mkdir -p ~/course/milestones")
    for slug in ("tensor", "activations", "layers", "losses", "autograd", "optimizers", "dataloader"):
        grace.shell(f"cat > ~/course/{slug}.ipynb", stdin=json.dumps(right(slug)))
        exported = grace.tito(f"export {slug}")
        assert exported.returncode == 0, exported.stdout + exported.stderr
    return grace


@pytest.mark.parametrize("slug", ["perceptron", "xor", "batching"])
def test_milestone_is_verified_outside_the_students_code(framework: Student, slug: str) -> None:
    before = framework.tito(f"milestone submit {slug}")
    assert before.returncode != 0, "an untouched milestone cannot pass"
    solved = REPOSITORY / "build" / "course" / "discovery" / "instructor" / "milestones" / f"{slug}.py"
    framework.shell(f"cat > ~/course/milestones/{slug}.py", stdin=solved.read_text())
    run = framework.tito(f"milestone run {slug}", timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    answer = framework.tito(f"milestone submit {slug}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Passed." in answer.stdout


def test_forged_milestone_is_refused_with_its_reason(framework: Student) -> None:
    """It says that it has learned, and predicts what the student likes."""
    forged = "import numpy as np\n\n\ndef predict(images, weights):\n    return np.ones(len(images), int)\n"
    framework.shell("cat > ~/course/milestones/xor.py", stdin=forged)
    framework.shell(
        "cd ~/course/milestones && python3 -c 'import numpy as np; np.savez(\"xor.npz\", w=np.ones(3))'"
    )
    answer = framework.tito("milestone submit xor")
    said = " ".join((answer.stdout + answer.stderr).split())
    assert "Not passed yet." in said, said
    assert "Too few of the private hidden samples are right" in said, said


def test_training_sample_by_sample_is_too_slow_for_batching(framework: Student) -> None:
    """It learns as well, but the clock is the worker's: nothing that the student's code says counts."""
    solved = REPOSITORY / "build" / "course" / "discovery" / "instructor" / "milestones" / "batching.py"
    script = solved.read_text()
    for quick, slow in (("batch_size=128, epochs=5", "batch_size=1, epochs=2"), ("lr=0.2, m", "lr=0.005, m")):
        assert quick in script
        script = script.replace(quick, slow)
    framework.shell("cat > ~/course/milestones/batching.py", stdin=script)
    answer = framework.tito("milestone submit batching")
    assert "Not passed yet." in answer.stdout, answer.stdout
    assert "the solved script" in " ".join(answer.stdout.split()), answer.stdout
