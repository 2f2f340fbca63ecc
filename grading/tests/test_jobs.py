"""Jobs: done once, after what students wait for, whatever is killed and whenever."""

import json

import pytest

from grading.course_files import CourseFault
from grading.jobs import GIVEN_UP, Jobs
from grading.leases import MAX_ATTEMPTS, LeaseLost
from grading.sandboxes import SandboxResult, SandboxUnavailable
from grading.tests.postgresql import BOTH
from grading.tests.test_worker import Answering, hand_in, state, worker_of
from grading.tests.toy_course import SOLVED, notebook
from grading.worker import jobs as doing

pytestmark = BOTH


@pytest.fixture
def jobs(queue):
    return Jobs(queue.engine, 20.0, queue.clock)


@pytest.fixture
def asked(monkeypatch):
    """What the job 'try' was asked to do; a test may put an exception there to be raised."""
    asked = []

    def run(job, *_):
        if asked and isinstance(asked[0], Exception):
            raise asked[0]
        asked.append(job.task)
        return {"done": job.task}

    monkeypatch.setitem(doing.DONE_BY, "try", run)
    return asked


def test_job_is_done_once_and_its_outcome_kept(jobs, queue, store, toy, asked):
    id = jobs.add("try", asked_by="ida", task={"n": 1})
    worker = worker_of(queue, store, toy)
    assert worker.work_once()
    assert not worker.work_once()
    done = jobs.get(id)
    assert (done.state, done.outcome, done.asked_by, asked) == ("done", {"done": {"n": 1}}, "ida", [{"n": 1}])


def test_submissions_go_before_jobs_and_a_regrade_goes_last(jobs, queue, store, toy, clock, asked):
    first = hand_in(queue, store, {"notebook": notebook(SOLVED)})
    regrade = jobs.add("regrade", asked_by="ida", submission=first.id)
    clock.now += 1
    later = jobs.add("try", asked_by="ida")
    worker = worker_of(queue, store, toy)
    worker.work_once()
    assert state(queue.engine).state == "graded"
    assert jobs.lease().job.id == later
    assert jobs.lease().job.id == regrade


def test_job_survives_worker_killed_while_it_is_done(jobs, clock):
    jobs.add("try", asked_by="ida")
    late = jobs.lease()  # and the worker is killed here
    assert jobs.lease() is None
    clock.now += 21
    other = jobs.lease()
    assert not jobs.extend(late)
    with pytest.raises(LeaseLost):
        jobs.finish(late, {"of": "late"})
    jobs.finish(other, {"of": "other"})
    assert jobs.get(other.job.id).outcome == {"of": "other"}


def test_job_that_kills_every_worker_ends_with_a_sentence(jobs, clock):
    id = jobs.add("try", asked_by="ida")
    for _ in range(MAX_ATTEMPTS):
        jobs.lease()
        clock.now += 21
    assert jobs.lease() is None
    assert (jobs.get(id).state, jobs.get(id).outcome) == ("failed", {"note": GIVEN_UP})


def test_engine_that_is_away_costs_a_job_no_attempt(jobs, queue, store, toy, clock, asked):
    id = jobs.add("try", asked_by="ida")
    asked.append(SandboxUnavailable("no engine"))
    worker = worker_of(queue, store, toy)
    for _ in range(MAX_ATTEMPTS + 1):
        assert worker.work_once()
        clock.now += 6
    assert (jobs.get(id).state, jobs.get(id).attempt) == ("queued", 0)


def test_fault_of_the_course_ends_a_job_with_its_sentence(jobs, queue, store, toy, asked):
    id = jobs.add("try", asked_by="ida")
    asked.append(CourseFault("The probes of 'toy' are not there."))
    worker_of(queue, store, toy).work_once()
    assert (jobs.get(id).state, jobs.get(id).outcome["note"]) == (
        "failed",
        "The probes of 'toy' are not there.",
    )


def test_regrade_marks_again_with_the_stored_seed_and_changes_no_mark(jobs, queue, store, toy, engine):
    added = hand_in(queue, store, {"notebook": notebook(SOLVED)})
    worker = worker_of(queue, store, toy)
    worker.work_once()
    seeds, real = [], worker.sandbox.run

    def run(task, limits):
        seeds.append(json.loads(task)["seed"])
        return real(task, limits)

    worker.sandbox.run = run
    id = jobs.add("regrade", asked_by="ida", submission=added.id)
    worker.work_once()
    assert jobs.get(id).outcome["score"] == 5.0
    assert seeds == [added.seed]


def test_regrade_whose_sandbox_says_nothing_is_tried_once_more(jobs, queue, store, toy):
    added = hand_in(queue, store, {"notebook": notebook(SOLVED)})
    queue.fail(queue.lease(), "The course had a fault.")
    id = jobs.add("regrade", asked_by="ida", submission=added.id)
    worker = worker_of(queue, store, toy, Answering(SandboxResult("failed", b"")))
    worker.work_once()
    assert jobs.get(id).state == "queued"
    worker.work_once()
    assert (jobs.get(id).state, jobs.get(id).outcome["score"]) == ("done", 0.0)
