"""Notebooks that instructors have run, recorded marks, and who marks what: the API's side."""

import json
import time

import sqlalchemy as sa

from grading.api.allocation import allocation, turns_of
from grading.database import by_hand, jobs, people, standings
from grading.jobs import Jobs

TASK = {
    "notebook": {"cells": [{"cell_type": "code", "source": "1"}]},
    "files": {},
    "timeout": 30,
    "canary": True,
}
FORMGRADER = "token-formgrader"


async def run(api, token=FORMGRADER, task=TASK):
    return await api.hand_in("api/executions", json.dumps(task).encode(), token)


async def test_formgrader_has_a_notebook_run_and_gets_its_outcome(api):
    status, answer = await run(api)
    assert status == 201
    assert api.kept() == (0, 0), "it only passes through"
    queue = Jobs(api.service.engine)
    lease = queue.lease()
    assert (lease.job.purpose, lease.job.asked_by, lease.job.task) == ("execute", "formgrader", TASK)
    queue.finish(lease, {"cells": [[]], "canary": "failed", "ended": "ok", "notes": []})
    status, found = await api.json(f"api/executions/{answer['id']}", FORMGRADER)
    assert (status, found["state"], found["outcome"]["cells"]) == (200, "done", [[]])


async def test_only_those_who_teach_have_notebooks_run(api):
    for token, status in (("token-ann", 403), ("token-service", 403), ("token-ada", 201)):
        assert (await run(api, token))[0] == status, token
    _, answer = await run(api)
    assert (await api.json(f"api/executions/{answer['id']}", "token-ann"))[0] == 403
    assert (await api.json("api/recorded/toy", "token-ann"))[0] == 403
    assert (await api.json("api/allocation", "token-ann"))[0] == 403


async def test_formgraders_token_is_no_persons(api):
    assert (await api.json("api/marks", FORMGRADER))[0] == 403
    assert (await api.hand_in(token=FORMGRADER))[0] == 403


async def test_what_is_no_notebook_is_refused_in_a_sentence(api):
    for body in (b"", b"[]", b"{", json.dumps({**TASK, "notebook": 1}).encode(), b"[" * 100_000):
        status, answer = await api.hand_in("api/executions", body, FORMGRADER)
        assert status == 400, body[:20]
        assert answer["error"].startswith("Send a notebook"), answer


async def test_what_was_run_long_ago_is_not_kept_for_ever(api):
    _, former = await run(api)
    queue = Jobs(api.service.engine)
    queue.finish(queue.lease(), {})
    with api.service.engine.begin() as connection:
        connection.execute(jobs.update().values(done_at=time.time() - 86_400))
    _, newer = await run(api)
    with api.service.engine.connect() as connection:
        assert connection.execute(sa.select(jobs.c.id)).scalars().all() == [newer["id"]]
    assert (await api.json(f"api/executions/{former['id']}", FORMGRADER))[0] == 404


async def test_recorded_marks_are_told_by_nbgraders_name(api):
    row = {"student": "ann", "kind": "module", "slug": "toy", "attempts": 1, "automatic": 4.0, "by_hand": 0.0}
    row |= {"factor": 1.0, "score": 4.0, "max_score": 5.0, "excused": False, "at": 0.0, "counted": "c" * 32}
    with api.service.engine.begin() as connection:
        connection.execute(standings.insert().values(row))
    status, found = await api.json("api/recorded/toy", FORMGRADER)
    assert (status, found["marks"][0]["student"], found["marks"][0]["score"]) == (200, "ann", 4.0)
    assert (await api.json("api/recorded/ps1", FORMGRADER))[0] == 404


def test_what_waits_is_dealt_evenly_and_stays_dealt(api):
    students = [f"s{number}" for number in range(31)]
    on_it = [(each, "student") for each in students] + [("gus", "grader"), ("ivy", "instructor")]
    empty = {"full_name": "", "number": "", "email": "", "section": "", "active": True, "at": 0.0}
    waits = {"assignment": "toy", "item": "why", "max_points": 2.0, "waiting": True, "at": 0.0}
    with api.service.engine.begin() as connection:
        connection.execute(people.insert(), [{"name": name, "role": role, **empty} for name, role in on_it])
        connection.execute(by_hand.insert(), [{"student": each, **waits} for each in students[:20]])
    before = {each["student"]: each["marker"] for each in allocation(api.service.engine, "toy")}
    with api.service.engine.begin() as connection:
        connection.execute(by_hand.insert(), [{"student": each, **waits} for each in students[20:]])
    after = {each["student"]: each["marker"] for each in allocation(api.service.engine)}
    assert before.items() <= after.items()
    counts = sorted(list(after.values()).count(marker) for marker in ("gus", "ivy"))
    assert counts == [15, 16]
    assert allocation(api.service.engine, "other") == []
    assert turns_of("toy", set(students), []) == {}
