"""Code that wants to break the grader, in the real sandbox's containers by the real gate: it gets nothing, and a
reason; what runs beside it and after it does not notice; and nothing of it is left."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from grading.course_files import CourseFiles
from grading.gate import GateSandbox
from grading.jobs import Job
from grading.queue import Submission
from grading.results import Result
from grading.sandboxes import Limits
from grading.tests import toy_course
from grading.worker import execution, modules
from tests.attacks.code import BREAKING
from tests.classroom import run, wait_for
from tests.test_gate import Gate

SANDBOX = "org.opencontainers.image.title=TinyTorch Classroom: sandbox"
SECONDS = 2.0
MEMORY = 512 * 2**20


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate whose sandboxes run the real harness, with one ahead."""
    found = run("docker", "images", f"--filter=label={SANDBOX}", "--format={{.Repository}}:{{.Tag}}")
    images = [image for image in found.stdout.split() if "<none>" not in image]
    if not images:
        pytest.skip("images/sandbox is not built: build the images first")
    gate = Gate(
        tmp_path_factory.mktemp("gate"),
        images[0],
        TT_SANDBOX_POOL="1",
        TT_SANDBOX_MEMORY="512M",
        TT_CGROUP_STUDENTS=f"/sandbox-{secrets.token_hex(3)}",
    )
    try:
        yield gate
    finally:
        gate.stop()
        assert not gate.containers("sandbox")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CourseFiles]:
    """A course of one module with two checks."""
    settings, manifest = toy_course.install(tmp_path_factory.mktemp("toy"))
    with toy_course.in_force():
        yield CourseFiles(settings, manifest)


def grade(gate: Gate, toy: CourseFiles, double: str) -> Result:
    """What a notebook with this `double`, and a right `shuffle`, gets."""
    submission = Submission("0" * 32, "eve", "module", "toy", "", 0, 0.0, seed=4711)
    sandbox = GateSandbox(Path(gate.socket("worker")))
    limits = Limits(SECONDS, MEMORY, modules.OUTPUT_LIMIT)
    body = {"notebook": toy_course.with_double(double)}
    return modules.grade(submission, body, toy, sandbox, limits)[0]


def processes(gate: Gate) -> list[str]:
    """The processes in the gate's sandboxes, whoever is their parent."""
    group = gate.environment["TT_CGROUP_STUDENTS"]
    return [place.name for place in Path("/proc").glob("[0-9]*") if group in _cgroup(place)]


def _cgroup(place: Path) -> str:
    try:
        return (place / "cgroup").read_text()
    except OSError:  # it has ended meanwhile
        return ""


@pytest.mark.parametrize("attack", BREAKING, ids=str)
def test_attack_gets_nothing_and_a_reason_and_harms_nobody(
    gate: Gate, toy: CourseFiles, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules, "PROBE_SECONDS", 0.4)
    looks = "FOUND" in BREAKING[attack]
    body = 'raise RuntimeError(f"FOUND{FOUND}")' if looks else "return -x"
    code = f"{BREAKING[attack]}\ndef double(x):\n    {body}\n"
    double = grade(gate, toy, code).checks[0]
    assert double.points == 0
    assert double.reasons, "no reason is given"
    for reason in double.reasons:
        assert "not solved yet" not in reason, "the attack was not run"
        assert ("FOUND[]" in reason) == looks, reason
        assert reason.isprintable()
        assert "Traceback" not in reason
    after = grade(gate, toy, toy_course.SOLVED["toy-double"])
    assert after.score == after.max_score, "the next submission is harmed"
    wait_for("one container waits, and no other is there", lambda: len(gate.containers("sandbox")) == 1, 10)
    wait_for("its process is the only one", lambda: len(processes(gate)) == 1, 10)


def test_instructors_own_notebook_runs_in_a_container_and_its_canary_fails(gate: Gate) -> None:
    cells = [
        {"cell_type": "code", "source": "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"},
        {"cell_type": "code", "source": "open('/tmp/x', 'wb').write(b'x' * 10**9)"},
        {"cell_type": "code", "source": "assert 1 == 1", "metadata": {"nbgrader": {"grade": True}}},
        {"cell_type": "code", "source": "import time\ntime.sleep(60)"},
    ]
    task = {"notebook": {"cells": cells}, "files": {}, "timeout": 1, "canary": True}
    job = Job("j", "execute", None, None, task, "ann", 0.0, "running", 1, None, None)
    sandbox = GateSandbox(Path(gate.socket("worker")))
    said = execution.run(job, None, None, sandbox, Limits(10, MEMORY, modules.OUTPUT_LIMIT))  # type: ignore[arg-type]
    assert "image/png" in said["cells"][0][0]["data"], said["cells"][0]
    assert said["cells"][1][0]["ename"] in ("OSError", "MemoryError")
    assert said["cells"][2] == []
    assert (said["ended"], said["canary"]) == ("timeout", "failed")
