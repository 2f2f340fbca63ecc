"""The worker: marks, milestones, and what it does when something else fails."""

import base64
import io
import json
import multiprocessing
import os
import re
import shutil
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from course.datasets import DatasetError
from course.manifest import HERE
from course.restored import marked
from grading import database
from grading.course_files import _needing_data
from grading.database import results, submissions
from grading.jobs import Jobs
from grading.metrics import WorkerMetrics
from grading.queue import Queue
from grading.sandboxes import Limits, SandboxResult, SandboxUnavailable
from grading.tests.harness_process import HarnessProcess
from grading.tests.toy_course import SOLVED, UNSOLVED, asking, notebook
from grading.worker.loop import COURSE_AT_FAULT, Worker
from grading.worker.milestones import rated
from grading.worker.modules import OUTPUT_LIMIT

LIMITS = Limits(10, 1 << 30, OUTPUT_LIMIT)
RIGHT = "def predict(x, w):\n    return (x[:, 0] > 0).astype(int)"


class Answering:
    """A sandbox with a given answer: a result, or an exception."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = 0

    def run(self, task, limits):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def worker_of(queue, store, toy, sandbox=None):
    jobs = Jobs(queue.engine, queue.leases.seconds, queue.clock)
    return Worker(queue, jobs, store, toy, sandbox or HarnessProcess(), LIMITS, WorkerMetrics())


def hand_in(queue, store, body, kind="module", slug="toy", number=1, student="ann"):
    upload = store.upload(f"{number:032x}")
    upload.write(json.dumps(body).encode())
    upload.keep()
    return queue.add(upload.id, student, kind, slug, upload.sha256, upload.size)


def state(engine, id=f"{1:032x}"):
    with engine.connect() as connection:
        columns = (results.c.score, results.c.passed, results.c.checks, results.c.notes)
        return connection.execute(
            sa.select(submissions.c.state, *columns)
            .outerjoin(results, results.c.submission == submissions.c.id)
            .where(submissions.c.id == id)
        ).one()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return base64.b64encode(file.getvalue()).decode()


def milestone(predict, weights=None):
    return {"files": {"sign.py": f"import numpy as np\n{predict}"}, "weights": weights or {}}


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (None, "Question 'toy-why' is not answered yet; it is worth 2 points by hand."),
        ("So.", "Plus 2 points by hand, once a person has read your answer to 'toy-why'."),
    ],
)
def test_note_tells_of_the_points_that_a_person_gives(queue, store, toy, engine, monkeypatch, answer, note):
    asked = replace(toy.module("toy"), official=asking(notebook(UNSOLVED)))
    monkeypatch.setattr(toy, "module", lambda _: asked)
    hand_in(queue, store, {"notebook": asking(notebook(SOLVED), answer)})
    worker_of(queue, store, toy).work_once()
    assert state(engine).notes == [note]
    assert state(engine).score == 5.0


def test_submission_gets_its_mark(queue, store, toy, engine):
    hand_in(queue, store, {"notebook": notebook(SOLVED)})
    worker = worker_of(queue, store, toy)
    assert worker.work_once()
    assert not worker.work_once()
    assert state(engine)[:2] == ("graded", 5.0)


@pytest.mark.parametrize(
    ("predict", "passed", "reason"),
    [
        (RIGHT, True, None),
        ("def predict(x, w):\n    return np.ones(len(x), int)", False, "are right; 90% are needed"),
        ("def predict(x, w):\n    return 1", False, "were expected, shape () came"),
        ("def predict(x, w):\n    return np.full(len(x), np.nan)", False, "Of the public ones 0.0% are"),
        ("def predict(x, w):\n    return {'labels': x}", False, "nothing came"),
        ("def predict(x, w):\n    return w['missing']", False, "KeyError"),
        ("def predict(x, w)", False, "SyntaxError"),
        ("import os\nos._exit(0)", False, "ended its process"),
    ],
)
def test_milestone_is_decided_by_labels_that_never_leave(queue, store, toy, engine, predict, passed, reason):
    hand_in(queue, store, milestone(predict), "milestone", "sign")
    worker_of(queue, store, toy).work_once()
    found = state(engine)
    assert (found.state, found.passed, found.score) == ("graded", passed, 10.0 if passed else 0.0)
    reasons = found.checks[0]["reasons"]
    assert reasons == [] if passed else reason in reasons[0]


def test_milestone_says_which_modules_are_the_courses_own(queue, store, toy, engine):
    body = milestone(RIGHT)
    body["files"]["tinytorch/toy.py"] = marked(
        "toy", "def double(x):\n    return 2 * x\n", "`tito restore toy`"
    )
    hand_in(queue, store, body, "milestone", "sign")
    worker_of(queue, store, toy).work_once()
    assert "It runs with the course's own toy instead of the student's." in state(engine).notes


def test_milestone_sends_inputs_but_no_labels(queue, store, toy):
    sandbox = Answering(SandboxResult("ok", b""))
    sent = []
    sandbox.run = lambda task, limits: sent.append(json.loads(task)) or SandboxResult("ok", b"")
    hand_in(queue, store, milestone("def predict(x, w):\n    return x"), "milestone", "sign")
    worker_of(queue, store, toy, sandbox).work_once()
    told = {"task", "slug", "files", "weights", "entry", "inputs", "seconds", "memory"}
    assert set(sent[0]) == told, "not the seed either, from which the labels could be made"


def test_weights_reach_the_students_code_and_pickles_do_not(queue, store, toy, engine):
    predict = "def predict(x, w):\n    return (x @ w['w'] > 0).astype(int)"
    hand_in(queue, store, milestone(predict, {"w": npy(np.array([1.0, 0.0]))}), "milestone", "sign")
    hand_in(queue, store, milestone(predict, {"w": npy(np.array([print, None]))}), "milestone", "sign", 2)
    zipped = io.BytesIO()
    np.savez_compressed(zipped, w=np.zeros(1000))
    packed = base64.b64encode(zipped.getvalue()).decode()
    hand_in(queue, store, milestone(predict, {"w": packed}), "milestone", "sign", 3)
    worker = worker_of(queue, store, toy)
    for _ in range(3):
        worker.work_once()
    assert state(engine).passed is True
    for number in (2, 3):
        assert "ValueError" in state(engine, f"{number:032x}").checks[0]["reasons"][0]


@pytest.mark.parametrize(("seconds", "passed"), [(0.0, True), (2.5, False)])
def test_milestone_must_keep_pace_with_the_solved_script(queue, store, toy, engine, seconds, passed):
    predict = (
        f"import time\ndef predict(x, w):\n    time.sleep({seconds})\n    return (x[:, 0] > 0).astype(int)"
    )
    hand_in(queue, store, milestone(predict), "milestone", "sign")
    worker_of(queue, store, toy).work_once()
    found = state(engine)
    assert found.passed is passed
    told = found.notes[-1] if passed else found.checks[0]["reasons"][0]
    assert "the solved script" in told


def test_solved_script_that_fails_is_the_courses_fault(queue, store, toy, engine, monkeypatch):
    files = replace(toy.milestone("sign"), solved=lambda: ({"sign.py": "def predict(x, w)"}, {}))
    monkeypatch.setattr(toy, "milestone", lambda slug: files)
    hand_in(
        queue,
        store,
        milestone(RIGHT),
        "milestone",
        "sign",
    )
    worker_of(queue, store, toy).work_once()
    assert state(engine).state == "failed"


@pytest.mark.parametrize(
    ("weights", "code", "said"),
    [
        ({"w": npy(np.zeros(20_000))}, "", "; at most 100,000 can be handed in"),
        ({f"{n:064}": npy(np.zeros(46)) for n in range(200)}, "", "the weights take 112,400 bytes"),
        ({}, f"DATA = '{'x' * 600_000}'", "the Python files take 600"),
        ({}, f"DATA = '{chr(0x1F600) * 200_000}'", "the Python files take 800"),
    ],
    ids=["weights", "names", "code", "letters"],
)
def test_what_could_hold_the_data_is_refused_with_both_sizes(queue, store, toy, engine, weights, code, said):
    hand_in(queue, store, milestone(f"{code}\n{RIGHT}", weights), "milestone", "sign")
    worker_of(queue, store, toy).work_once()
    found = state(engine)
    assert found.passed is False
    assert said in found.checks[0]["reasons"][0]


LABELS = np.stack([np.arange(100) % 10] * 2)
SPOILT = np.where(np.arange(100) < 5, 0, LABELS[0]) + 0 * LABELS


@pytest.mark.parametrize(
    ("predictions", "reached"),
    [
        (np.stack([SPOILT[0], LABELS[1]]).astype(np.float32), 1.0),
        (LABELS, 0.0),
        (LABELS[0], 0.0),
        (LABELS.T, 0.0),
        (np.zeros((2, 0), np.int64), 0.0),
        (LABELS.astype(bool), 0.0),
        (np.full((2, 100), np.nan), 0.0),
        (np.full((2, 100), np.inf), 0.0),
        (None, 0.0),
    ],
)
def test_predictions_of_two_networks_of_any_shape_and_type_are_scored(toy, predictions, reached):
    source = (HERE / "probes" / "milestones" / "cnn_against_mlp.py").read_text()
    names = {}
    exec(compile(source, "cnn_against_mlp", "exec"), names)
    files = replace(toy.milestone("sign"), score=names["score"])
    found = rated(files, LABELS, predictions)
    assert found == reached or (isinstance(found, str) and reached == 0.0)


@pytest.mark.parametrize("name", ["course.datasets", "course.manifest", "grading.settings", "tinytorch.toy"])
def test_sandbox_holds_no_data_set_and_no_reference_for_a_milestone(
    queue, store, toy, engine, tmp_path, name
):
    recipe = (HERE.parent / "images" / "sandbox" / "Dockerfile").read_text()
    for sources, target in re.findall(r"^COPY (.+) /opt/classroom/(\S+)$", recipe, re.MULTILINE):
        for each in sources.split():
            source, into = HERE.parent / each, tmp_path / target
            if source.is_dir():
                shutil.copytree(source, into)
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, into)
    sandbox = HarnessProcess()
    sandbox.harness = tmp_path / "grading" / "sandbox" / "__main__.py"
    predict = f"def predict(x, w):\n    import {name}\n    return (x[:, 0] > 0).astype(int)"
    hand_in(queue, store, milestone(predict), "milestone", "sign")
    worker_of(queue, store, toy, sandbox).work_once()
    assert "ModuleNotFoundError" in state(engine).checks[0]["reasons"][0]


def test_data_set_that_is_not_there_costs_nobody_an_attempt(queue, store, toy, engine, monkeypatch):
    def hidden(rng, half):
        raise DatasetError("This classroom does not have the data set 'mnist'.")

    files = replace(toy.milestone("sign"), hidden=_needing_data(hidden))
    monkeypatch.setattr(toy, "milestone", lambda slug: files)
    hand_in(queue, store, milestone("def predict(x, w):\n    return x"), "milestone", "sign")
    worker_of(queue, store, toy).work_once()
    assert state(engine).state == "failed"


def test_engine_that_is_away_keeps_the_submission_queued(queue, store, toy, engine):
    hand_in(queue, store, {"notebook": notebook(SOLVED)})
    worker_of(queue, store, toy, Answering(SandboxUnavailable("no engine"))).work_once()
    assert state(engine).state == "queued"


def test_sandbox_that_says_nothing_is_tried_once_more(queue, store, toy, engine):
    hand_in(queue, store, {"notebook": notebook(SOLVED)})
    silent = Answering(SandboxResult("failed", b""))
    worker = worker_of(queue, store, toy, silent)
    assert worker.work_once()
    assert state(engine).state == "queued"
    assert worker.work_once()
    assert state(engine)[:2] == ("graded", 0.0)
    assert "there is no answer" in state(engine).checks[0]["reasons"][0]
    assert silent.asked == 2


@pytest.mark.parametrize("exit", ["timeout", "oom", "output", "ok"])
def test_container_that_was_ended_is_zero_with_a_reason(queue, store, toy, engine, exit):
    hand_in(queue, store, {"notebook": notebook(SOLVED)})
    worker_of(queue, store, toy, Answering(SandboxResult(exit, b"\xff" * 100))).work_once()
    found = state(engine)
    assert (found.state, found.score) == ("graded", 0.0)
    assert len({reason for check in found.checks for reason in check["reasons"]}) == 3


def test_fault_of_the_course_costs_nobody_points(queue, store, toy, engine):
    hand_in(queue, store, {"notebook": notebook(SOLVED)}, slug="base")
    worker_of(queue, store, toy).work_once()
    found = state(engine)
    assert (found.state, found.notes, found.checks) == ("failed", [COURSE_AT_FAULT], [])


def _work_forever(settings, slow):
    """A worker's process, whose sandbox takes its time."""
    from grading.course_files import CourseFiles
    from grading.store import Store
    from grading.tests import toy_course

    class Slow(HarnessProcess):
        def run(self, task, limits):
            (settings.folder / "leased").touch()
            time.sleep(slow)
            return super().run(task, limits)

    manifest = toy_course.manifest.build(toy_course.MANIFEST, lambda entry, _: bool(entry["available"]))
    queue = Queue(database.connect(settings.database_url), lease_seconds=1.0)
    worker = worker_of(queue, Store(settings.submissions), CourseFiles(settings, manifest), Slow())
    while True:
        if not worker.work_once():
            time.sleep(0.05)


def test_submission_survives_worker_killed_while_grading(settings, engine, store):
    hand_in(Queue(engine), store, {"notebook": notebook(SOLVED)})
    context = multiprocessing.get_context("fork")
    first = context.Process(target=_work_forever, args=(settings, 60))
    first.start()
    while not (settings.folder / "leased").exists():
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    second = context.Process(target=_work_forever, args=(settings, 0))
    second.start()
    try:
        deadline = time.monotonic() + 15
        while state(engine).state != "graded" and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        second.kill()
        second.join()
    assert state(engine)[:2] == ("graded", 5.0)
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(results)).scalar_one() == 1
        assert connection.execute(sa.select(submissions.c.attempts)).scalar_one() == 2
