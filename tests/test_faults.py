"""Kill each service without warning, with a student connected and a submission in flight: nothing may be lost."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from tests.classroom import Classroom, Student, run, wait_for
from tests.kernel import Kernel
from tests.submissions import right

KILLS = ["hub", "proxy", "api", "worker", "gate"]


def running_submission(student: Student) -> str:
    """Hand in a submission that takes some seconds to run; return its id at once."""
    book = right("setup")
    first = next(
        cell for cell in book["cells"] if cell["metadata"].get("tinytorch", {}).get("role") == "exercise"
    )
    code = first["source"] if isinstance(first["source"], str) else "".join(first["source"])
    first["source"] = "import time\ntime.sleep(4)\n" + code
    status, text = student.grading("POST", "submissions/module/setup", json.dumps({"notebook": book}))
    assert status == 201, text
    return str(json.loads(text)["id"])


def grading_rows(classroom: Classroom, identifier: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{classroom.state}/grading/grading.db?mode=ro", uri=True) as database:
        return database.execute("SELECT state FROM submissions WHERE id = ?", (identifier,)).fetchall()


def results(classroom: Classroom, identifier: str) -> int:
    with sqlite3.connect(f"file:{classroom.state}/grading/grading.db?mode=ro", uri=True) as database:
        return int(
            database.execute("SELECT COUNT(*) FROM results WHERE submission = ?", (identifier,)).fetchone()[0]
        )


@pytest.mark.parametrize("service", KILLS)
def test_a_killed_service_costs_no_kernel_and_no_submission(
    classroom: Classroom, ada: Student, service: str
) -> None:
    container = ada.container
    with Kernel(ada) as kernel:
        kernel.run("kept = 41")
        identifier = running_submission(ada)
        wait_for("the worker takes it", lambda: grading_rows(classroom, identifier) != [("queued",)], 30)
        killed = run("docker", "kill", "--signal", "KILL", classroom.container(service))
        assert killed.returncode == 0, killed.stderr
        # `docker kill` tells the engine that it is meant; what dies by itself the restart policy brings back.
        run("docker", "start", classroom.container(service))
        classroom.wait_healthy(service)
        graded = classroom.submission(ada, identifier)
        assert graded["state"] == "graded", graded
        assert graded["score"] == graded["max_score"]
        assert results(classroom, identifier) == 1
    assert ada.container == container, "the student's server was replaced"
    wait_for("the way to the student's server is back", lambda: reachable(ada), 60)
    with Kernel(ada, kernel.identifier) as kernel:
        assert kernel.run("print(kept + 1)") == "42\n"
        kernel.delete()


def reachable(student: Student) -> bool:
    answer = student.session.get(f"{student.classroom.url}user/{student.name}/api/kernels", timeout=10)
    return answer.status_code == 200


def test_the_engine_brings_back_a_service_that_dies_by_itself(classroom: Classroom) -> None:
    before = run("docker", "inspect", "--format", "{{.RestartCount}}", classroom.container("worker")).stdout
    pid = run("docker", "inspect", "--format", "{{.State.Pid}}", classroom.container("worker")).stdout.strip()
    run("kill", "-KILL", pid)
    wait_for(
        "restart",
        lambda: (
            run("docker", "inspect", "--format", "{{.RestartCount}}", classroom.container("worker")).stdout
            != before
        ),
        30,
    )
    classroom.wait_healthy("worker")
