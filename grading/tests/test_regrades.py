"""Marking again: shown before it counts, applied once, and finished whatever is killed in between."""

import json
import multiprocessing
import os
import signal
from dataclasses import replace

import pytest
import sqlalchemy as sa

from course.calendar import Calendar, Entry
from course.probing import collect
from grading import regrades
from grading.database import jobs as jobs_table
from grading.database import results, submissions
from grading.jobs import Jobs
from grading.queue import row_of
from grading.recorder import applying
from grading.results import CheckMark, Result
from grading.tests.postgresql import BOTH
from grading.tests.test_recorder import grade, graded
from grading.tests.test_standings import DUE, given_in_formgrader, hand_in_on, history
from grading.tests.test_worker import hand_in, worker_of
from grading.tests.toy_course import PROBES, with_double

# nbgrader's own models give these to nbgrader's own code.
pytestmark = [
    BOTH,
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
    pytest.mark.xdist_group("gradebook"),  # one process: to make a gradebook takes seconds
]

MENDED = PROBES.replace('@probe("check-toy-double")', '@probe("check-toy-double", atol=0.1)')


@pytest.fixture
def finish(engine):
    """A function that does a regrade's jobs: every submission gets these points for its first check."""

    def finish(id, points, only=None):
        jobs = Jobs(engine)
        while lease := jobs.lease():
            marks = [CheckMark("check-toy-double", points, 2.0), CheckMark("check-toy-shuffle", 3.0, 3.0)]
            if only is None or lease.job.submission.student in only:
                jobs.finish(lease, row_of(Result(marks)))
            else:
                jobs.fail(lease, "The course has a fault.")

    return finish


def look(engine, id, calendar=None):
    return regrades.look(engine, calendar or Calendar(), id)


def test_mended_probe_changes_the_mark_only_when_it_is_applied(
    queue,
    store,
    toy,
    engine,
    settled,
    recorder,
    book,
    monkeypatch,
):
    nearly = "def double(x):\n    return x * 2.0 + 0.001\n"
    added = hand_in(queue, store, {"notebook": with_double(nearly)})
    worker = worker_of(queue, store, toy)
    worker.work_once()
    assert settled().score == 3.0
    names = {"__name__": "mended"}
    exec(compile(MENDED, "mended", "exec"), names)
    mended = replace(toy.module("toy"), probes=collect(names), probes_source=MENDED)
    monkeypatch.setattr(toy, "module", lambda _: mended)
    id = regrades.begin(engine, "ada", "The probe was too strict.", kind="module", slug="toy")
    assert look(engine, id)["progress"]["waiting"] == 1
    worker.work_once()
    shown = look(engine, id)
    (change,) = shown["changes"]
    assert (change["student"], change["before"], change["after"]) == ("ann", 3.0, 5.0)
    assert [(each["check"], each["before"], each["after"]) for each in change["checks"]] == [
        ("check-toy-double", 0.0, 2.0)
    ]
    assert shown["suspicion"] == [
        {"kind": "module", "slug": "toy", "check": "check-toy-double", "higher": 1, "lower": 0}
    ]
    assert settled().score == 3.0, "nothing counts before it is applied"
    assert regrades.apply(engine, id, "ada") == 1
    assert regrades.apply(engine, id, "ida") == 0
    assert settled().score == 5.0
    assert grade(book).auto_score == 2.0
    assert "0.001" in (recorder.folder / "autograded" / "ann" / "toy" / "toy.ipynb").read_text()
    assert history(engine)[-1] == ("ada", 3.0, 5.0, "regrade: The probe was too strict.")
    settled()
    assert len(history(engine)) == 2
    assert look(engine, id)["changes"] == []
    with engine.connect() as connection:
        assert connection.execute(sa.select(submissions.c.seed)).scalar_one() == added.seed


def test_only_chosen_students_are_applied_and_the_others_later(queue, clock, engine, settled, finish):
    for number, student in enumerate(("ann", "bob")):
        clock.now += 1
        queue.add(f"{number:032x}", student, "module", "toy", "0" * 64, 10)
        queue.finish(queue.lease(), Result([CheckMark("check-toy-double", 0.0, 2.0)]))
    settled()
    id = regrades.begin(engine, "ada", "Why not.")
    with pytest.raises(regrades.Refused, match="2 submissions are still being marked"):
        regrades.apply(engine, id, "ada")
    finish(id, 2.0)
    assert regrades.apply(engine, id, "ada", ["bob"]) == 1
    settled()
    assert {each["student"] for each in look(engine, id)["changes"]} == {"ann"}
    assert regrades.apply(engine, id, "ada") == 1
    assert settled().score == 5.0


def test_counted_and_newest_are_marked_again_and_the_best_is_found_anew(
    queue,
    clock,
    engine,
    settled,
    calendar,
    finish,
):
    calendar.says(counts="best")
    graded(queue, clock, 2.0, number=1)
    graded(queue, clock, 0.0, number=2)
    graded(queue, clock, 1.0, number=3)
    assert settled().counted[-1] == "1"
    id = regrades.begin(engine, "ada", "A probe was too kind.")
    with engine.connect() as connection:
        found = connection.execute(sa.select(jobs_table.c.submission)).scalars().all()
    assert sorted(each[-1] for each in found) == ["1", "3"]
    finish(id, 0.5)
    (change,) = look(engine, id, calendar.calendar)["changes"]
    assert (change["before"], change["after"], change["would_count"][-1]) == (5.0, 3.5, "3")
    regrades.apply(engine, id, "ada")
    assert (settled().score, settled().counted[-1]) == (3.5, "3")


def test_submission_that_could_not_be_marked_gets_its_mark(queue, engine, settled, finish, book):
    queue.add(f"{1:032x}", "ann", "module", "toy", "0" * 64, 10)
    queue.fail(queue.lease(), "The course had a fault.")
    assert settled() is None
    id = regrades.begin(engine, "ada", "The course is mended.", student="ann")
    finish(id, 2.0)
    shown = look(engine, id)
    assert (shown["changes"][0]["before"], shown["changes"][0]["after"], shown["suspicion"]) == (
        None,
        5.0,
        [],
    )
    regrades.apply(engine, id, "ada")
    assert settled().score == 5.0
    assert history(engine) == [("ada", None, 5.0, "regrade: The course is mended.")]


def test_lateness_and_points_by_hand_are_in_what_is_shown(
    queue, clock, engine, settled, calendar, finish, book
):
    calendar.says(due=DUE, late_per_day=0.5)
    hand_in_on(clock, DUE.replace(hour=19))
    graded(queue, clock, 1.0)
    settled()
    given_in_formgrader(book, manual_score=1.5)
    assert settled().score == 2.25
    id = regrades.begin(engine, "ada", "Once more.")
    finish(id, 0.0)
    (change,) = look(engine, id, calendar.calendar)["changes"]
    assert (change["before"], change["after"]) == (2.25, 2.25), "a person's points stand"
    assert look(engine, id, Calendar(modules={"toy": Entry()}))["changes"][0]["after"] == 4.5


def test_dropped_regrade_leaves_nothing_and_an_applied_one_cannot_be_dropped(
    queue, clock, engine, settled, finish
):
    graded(queue, clock, 1.0)
    settled()
    id = regrades.begin(engine, "ada", "Never mind.")
    lease = Jobs(engine).lease()
    regrades.drop(engine, id)
    with pytest.raises(Exception, match=lease.job.id):
        Jobs(engine).finish(lease, {})
    assert look(engine, id) is None
    assert regrades.listed(engine) == []
    id = regrades.begin(engine, "ada", "This one.")
    finish(id, 2.0)
    regrades.apply(engine, id, "ada")
    with pytest.raises(regrades.Refused):
        regrades.drop(engine, id)


def test_what_fails_again_is_named_and_keeps_its_mark(queue, clock, engine, settled, finish):
    graded(queue, clock, 1.0)
    settled()
    id = regrades.begin(engine, "ada", "Once more.")
    finish(id, 2.0, only=["bob"])
    shown = look(engine, id)
    assert [(each["student"], each["note"]) for each in shown["failed"]] == [
        ("ann", "The course has a fault.")
    ]
    assert regrades.apply(engine, id, "ada") == 0
    assert settled().score == 4.0


def _killed_in_the_middle(engine):
    """A recorder's process, killed when it is about to have applied three."""
    engine.dispose(close=False)
    done = []

    def count(*_):
        done.append(1)
        if len(done) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(engine, "commit", count)
    applying.apply(engine)


def test_applying_that_is_killed_in_the_middle_is_finished(queue, clock, engine, settled, finish):
    for number in range(6):
        clock.now += 1
        queue.add(f"{number:032x}", f"s{number}", "module", "toy", "0" * 64, 10)
        queue.finish(queue.lease(), Result([CheckMark("check-toy-double", 0.0, 2.0)]))
    settled()
    id = regrades.begin(engine, "ada", "All of them.")
    finish(id, 2.0)
    assert regrades.apply(engine, id, "ada") == 6
    process = multiprocessing.get_context("fork").Process(target=_killed_in_the_middle, args=(engine,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    done = look(engine, id)["progress"]
    assert (done["applied"], done["recorded"]) == (6, 2)
    settled()
    with engine.connect() as connection:
        assert connection.execute(sa.select(results.c.score)).scalars().all() == [5.0] * 6
    assert len(history(engine)) == 12
    assert len([row for row in history(engine) if row[0] == "ada"]) == 6


async def test_only_staff_mark_again_and_a_reason_is_needed(api, queue, clock, settled, finish):
    graded(queue, clock, 1.0)
    settled()
    body = json.dumps({"why": "A probe was mended.", "slug": "toy"})
    for path in ("api/regrades", f"api/regrades/{'0' * 32}/apply", f"api/regrades/{'0' * 32}/drop"):
        assert (await api.ask(path, method="POST", body=body)).code == 403
    assert (await api.ask("api/regrades")).code == 403
    code, told = await api.json("api/regrades", "token-ada", method="POST", body="{}")
    assert (code, "Say why" in told["error"]) == (400, True)
    code, told = await api.json("api/regrades", "token-ada", method="POST", body=body)
    assert code == 201
    finish(told["id"], 2.0)
    code, shown = await api.json(f"api/regrades/{told['id']}", "token-ada")
    assert (shown["asked_by"], shown["changes"][0]["after"]) == ("ada", 5.0)
    applying = {"method": "POST", "body": json.dumps({"students": ["ann"]})}
    code, answer = await api.json(f"api/regrades/{told['id']}/apply", "token-ada", **applying)
    assert (code, answer["applied"]) == (202, 1)
    assert settled().score == 5.0
    code, own = await api.json("api/changes")
    assert [(each["by"], each["why"][:9]) for each in own["changes"]] == [
        ("your instructor", "regrade"),
        ("grader", "submissio"),
    ]
    assert (await api.ask("api/changes?student=ann", "token-bob")).code == 403
    code, told = await api.json("api/changes?student=ann", "token-ada")
    assert [each["by"] for each in told["changes"]] == ["ada", "grader"]
    older = (await api.json(f"api/changes?before={told['changes'][0]['id']}"))[1]["changes"]
    assert [each["after"] for each in older] == [4.0]
