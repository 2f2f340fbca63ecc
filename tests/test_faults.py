"""Kill each service without warning, with a student connected and a submission in flight: nothing may be lost."""

from __future__ import annotations

import json
import re
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


def gradings(classroom: Classroom) -> int:
    """How many submissions the running worker says it has graded, since it started.

    Counted where the work is done: the database has one row a submission, however often it was graded.
    """
    ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9302/metrics').read().decode())"
    answer = run("docker", "exec", classroom.container("worker"), "python", "-c", ask)
    found = re.search(r'^grading_graded_total\{outcome="graded"\} (\S+)$', answer.stdout, re.MULTILINE)
    assert found, answer.stdout + answer.stderr
    return int(float(found[1]))


@pytest.mark.parametrize("service", KILLS)
def test_a_killed_service_costs_no_kernel_and_no_submission(
    classroom: Classroom, ada: Student, service: str
) -> None:
    container = ada.container
    with Kernel(ada) as kernel:
        kernel.run("kept = 41")
        identifier = running_submission(ada)
        wait_for("the worker takes it", lambda: grading_rows(classroom, identifier) == [("grading",)], 30)
        before = 0 if service == "worker" else gradings(classroom)  # a new worker begins at 0
        killed = run("docker", "kill", "--signal", "KILL", classroom.container(service))
        assert killed.returncode == 0, killed.stderr
        # Held by a worker before, and not finished after: with the gate gone it is queued again at once.
        assert grading_rows(classroom, identifier) != [("graded",)], (
            "it was done already: the test shows nothing"
        )
        # `docker kill` tells the engine that it is meant; what dies by itself the restart policy brings back.
        run("docker", "start", classroom.container(service))
        classroom.wait_healthy(service)
        graded = classroom.submission(ada, identifier)
        assert graded["state"] == "graded", graded
        assert graded["score"] == graded["max_score"]
        assert gradings(classroom) - before == 1
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
