"""Training an attempt again: honest work agrees, bought weights do not, and no hidden sample is there."""

import json
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from grading.database import jobs, results
from grading.jobs import Jobs
from grading.sandboxes import SandboxResult
from grading.tests.harness_process import HarnessProcess
from grading.tests.test_worker import Answering, hand_in, npy, worker_of

PREDICT = "import numpy as np\ndef predict(x, w):\n    return (x @ w['w'] > 0).astype(int)\n"
TRAINS = (
    PREDICT
    + """
from pathlib import Path
if __name__ == "__main__":
    from course.datasets import load
    data = load("points")
    w = data["train_x"].T @ (2 * data["train_y"] - 1)
    from matplotlib.figure import Figure
    figure = Figure()
    figure.savefig(Path(__file__).with_suffix(".png"))
    np.savez(Path(__file__).with_suffix(".npz"), w=w)
"""
)
MAIN = PREDICT + 'if __name__ == "__main__":\n    '
GOOD = np.array([1.0, 0.0])


@pytest.fixture(autouse=True)
def own_folder(toy, settings, monkeypatch):
    monkeypatch.setattr(toy, "settings", replace(settings, retrain_seconds=20))
    files = replace(toy.milestone("sign"), pace=None)
    monkeypatch.setattr(toy, "milestone", lambda slug: files)


@pytest.fixture
def points(tmp_path, monkeypatch):
    """A data set as students see it, where the harness's process finds it."""
    folder = tmp_path / "datasets" / "points"
    folder.mkdir(parents=True)
    x = np.random.default_rng(0).normal(size=(500, 2))
    np.save(folder / "train_x.npy", x)
    np.save(folder / "train_y.npy", (x[:, 0] > 0).astype(int))
    monkeypatch.setenv("TT_DATASETS", str(tmp_path / "datasets"))


def retrained(queue, store, toy, engine, code, weights, sandbox=None):
    """Hand an attempt in, have it trained again; the job's state and outcome.

    The student's own file never stands for the course's reader of data.
    """
    body = {"files": {"sign.py": code, "course/datasets/__init__.py": "1 / 0"}, "weights": weights}
    hand_in(queue, store, body, "milestone", "sign")
    worker = worker_of(queue, store, toy, sandbox)
    worker.work_once()
    with engine.connect() as connection:
        before = connection.execute(sa.select(results)).all()
    Jobs(engine, clock=queue.clock).add("retrain", asked_by="ada", submission=f"{1:032x}")
    worker.work_once()
    with engine.connect() as connection:
        assert connection.execute(sa.select(results)).all() == before, "it changes no mark"
        return connection.execute(sa.select(jobs.c.state, jobs.c.outcome)).one()


def test_weights_that_the_script_makes_agree(queue, store, toy, engine, points):
    state, outcome = retrained(queue, store, toy, engine, TRAINS, {"w": npy(GOOD)})
    assert (state, outcome["agree"], outcome["reason"]) == ("done", True, None), outcome
    assert outcome["submitted"]["private"] == 1.0
    assert outcome["retrained"]["private"] > 0.95
    assert outcome["retrained"]["passed"] is True


def test_weights_that_came_from_elsewhere_do_not_agree(queue, store, toy, engine):
    untrained = MAIN + 'np.savez("sign.npz", w=np.array([0.1, 1.0]))\n'
    _, outcome = retrained(queue, store, toy, engine, untrained, {"w": npy(GOOD)})
    assert outcome["submitted"]["passed"] is True
    assert outcome["agree"] is False
    assert outcome["retrained"]["reason"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (PREDICT, "ended without saving sign.npz"),
        (PREDICT + 'raise SystemExit("Still to be done in sign.py: learn.")', "Still to be done"),
        (PREDICT + "import os\nos._exit(0)", "ended its process"),
        (MAIN + "1 / 0", "ZeroDivisionError"),
        (MAIN + 'np.savez("sign.npz", w=np.array([print]))', "ValueError"),
        (MAIN + 'open("sign.npz", "w").write("no zip")', "ValueError"),
        (PREDICT + "from course.datasets import load\nload('mnist_of_nobody')", "does not have the data set"),
    ],
    ids=["saves nothing", "to do", "exit", "raises", "pickle", "no zip", "no data"],
)
def test_training_that_makes_no_weights_says_why(queue, store, toy, engine, code, said):
    state, outcome = retrained(queue, store, toy, engine, code, {"w": npy(GOOD)})
    assert (state, outcome["agree"], outcome["retrained"]) == ("done", None, None)
    assert said in outcome["reason"]


def test_training_gets_its_own_time_and_no_hidden_sample(queue, store, toy, engine):
    real, asked = HarnessProcess(), []

    def run(task, limits):
        asked.append((json.loads(task), limits))
        return real.run(task, limits)

    sandbox = Answering(None)
    sandbox.run = run
    retrained(queue, store, toy, engine, PREDICT, {"w": npy(GOOD)}, sandbox)
    trained = [(task, limits) for task, limits in asked if task["task"] == "training"]
    ((task, limits),) = trained
    assert (limits.seconds, limits.training) == (20, True)
    assert set(task) == {"task", "slug", "files", "own", "seconds", "memory"}
    assert not any(limits.training for task, limits in asked if task["task"] == "milestone")


def test_sandbox_that_said_nothing_is_asked_once_more(queue, store, toy, engine):
    sandbox = Answering(SandboxResult("failed", b""))
    hand_in(queue, store, {"files": {"sign.py": PREDICT}, "weights": {}}, "milestone", "sign")
    list_of_jobs = Jobs(engine, clock=queue.clock)
    queue.lease()  # somebody else's
    job = list_of_jobs.add("retrain", asked_by="ada", submission=f"{1:032x}")
    worker = worker_of(queue, store, toy, sandbox)
    worker.work_once()
    assert list_of_jobs.get(job).state == "queued"
    worker.work_once()
    assert list_of_jobs.get(job).outcome["reason"].startswith("Training again: there is no answer")


# ---- the API ----


async def test_staff_have_an_attempt_trained_again_and_students_do_not(api, engine, store, queue):
    attempt = hand_in(queue, store, {"files": {"sign.py": PREDICT}, "weights": {}}, "milestone", "sign")
    module = hand_in(queue, store, {"notebook": {}}, number=2)
    path = f"api/milestones/retrain/{attempt.id}"
    assert (await api.json(path, method="POST", body=""))[0] == 403
    assert (await api.json(path))[0] == 403
    assert (await api.json(f"api/milestones/retrain/{module.id}", "token-ada", method="POST", body=""))[
        0
    ] == 404
    assert (await api.json(path, "token-ada", method="POST", body=""))[0] == 202
    assert (await api.json(path, "token-ada", method="POST", body=""))[0] == 409
    status, answer = await api.json(path, "token-ada")
    assert status == 200
    assert [(job["asked_by"], job["state"]) for job in answer["retrainings"]] == [("ada", "queued")]
