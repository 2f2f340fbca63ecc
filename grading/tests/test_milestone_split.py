"""Public and private parts of a milestone's hidden samples: what is learned by heart does not pass."""

import json

import numpy as np
import pytest
import sqlalchemy as sa

from grading import split
from grading.database import attempts, results
from grading.tests.test_worker import RIGHT, hand_in, milestone, npy, state, worker_of


@pytest.fixture(autouse=True)
def own_folder(toy, settings, monkeypatch):
    monkeypatch.setattr(toy, "settings", settings)


@pytest.fixture
def set_draws(settings, monkeypatch):
    """The same samples in every run: of 200, two draws have as many right by chance once in 25 runs."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    (settings.folder / "public-seed").write_text("public", encoding="ascii")
    monkeypatch.setattr("grading.queue.secrets.randbits", lambda bits: 1)


def reached(engine, number=1):
    with engine.connect() as connection:
        query = sa.select(attempts).where(attempts.c.submission == f"{number:032x}")
        return connection.execute(query).one()


def test_model_that_memorised_the_public_part_fails(queue, store, toy, engine):
    files = toy.milestone("sign")
    shown, labels = split.samples(toy, files, seed=1)["public"]
    code = """
def predict(x, w):
    known = {row.tobytes(): label for row, label in zip(w['x'], w['y'])}
    return np.array([known.get(row.tobytes(), 0) for row in x])
"""
    hand_in(queue, store, milestone(code, {"x": npy(shown), "y": npy(labels)}), "milestone", "sign")
    worker_of(queue, store, toy).work_once()
    found, mark = reached(engine), state(engine)
    assert found.public == 1.0, "the test itself: it should know them all"
    assert found.private < 0.7
    assert (mark.passed, mark.score) == (False, 0.0)
    assert "no attempt has seen them before" in mark.checks[0]["reasons"][0]


def test_student_who_failed_reads_the_public_figure_and_not_the_private_one(
    set_draws, queue, store, toy, engine
):
    code = "def predict(x, w):\n    return np.ones(len(x), int)"
    hand_in(queue, store, milestone(code), "milestone", "sign")
    worker_of(queue, store, toy).work_once()
    found, mark = reached(engine), state(engine)
    told = json.dumps([mark.checks, mark.notes])
    assert f"{found.public:.1%}" in told
    assert found.private != found.public, "the test itself: else nothing could be told apart"
    assert f"{found.private:.1%}" not in told


def test_public_part_stays_and_private_part_is_new_for_each_attempt(toy, settings):
    files = toy.milestone("sign")
    one, two = (split.samples(toy, files, seed) for seed in (1, 2))
    np.testing.assert_array_equal(one["public"][0], two["public"][0])
    assert not np.isin(one["private"][0], two["private"][0]).any()
    assert not np.isin(one["public"][0], one["private"][0]).any()
    again = split.samples(toy, files, 1)["private"][0]
    np.testing.assert_array_equal(one["private"][0], again)  # a regrade has what the mark came from


def test_attempt_is_kept_with_what_it_cost(queue, store, toy, engine):
    hand_in(queue, store, milestone(RIGHT, {"w": npy(np.zeros(2))}), "milestone", "sign")
    worker_of(queue, store, toy).work_once()
    found = reached(engine)
    assert (found.public, found.private, found.verified) == (1.0, 1.0, True)
    assert found.sandbox_seconds > 0.4, "its own run, and the solved script's, which sleeps twice"
    assert found.weights > 128


def test_answer_to_the_public_part_alone_is_not_verified(queue, store, toy, engine):
    code = """
import os
asked = []
def predict(x, w):
    asked.append(x)
    if len(asked) > 1:
        os._exit(0)
    return (x[:, 0] > 0).astype(int)
"""
    hand_in(queue, store, milestone(code), "milestone", "sign")
    worker_of(queue, store, toy).work_once()
    found = reached(engine)
    assert (found.public, found.private, found.verified) == (1.0, None, False)
    assert state(engine).passed is False


def test_two_workers_that_start_together_draw_one_seed(tmp_path):
    split.public_seed.cache_clear()
    first = split.public_seed(tmp_path)
    split.public_seed.cache_clear()
    assert split.public_seed(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == ["public-seed"]


def test_mark_and_attempt_are_written_together_or_not_at_all(queue, store, toy, engine, clock):
    hand_in(queue, store, milestone(RIGHT), "milestone", "sign")
    lease = queue.lease()
    clock.now += 100
    worker_of(queue, store, toy).work_once()
    from grading.leases import LeaseLost
    from grading.results import Attempt, Result

    with pytest.raises(LeaseLost):
        queue.finish(lease, Result([], passed=False, attempt=Attempt()))
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(attempts)).scalar_one() == 1
        assert connection.execute(sa.select(results.c.passed)).scalars().all() == [True]
