"""Waiting for a mark in one request."""

import asyncio

import pytest
import sqlalchemy as sa

from grading.api import waiting
from grading.database import submissions
from grading.results import CheckMark, Result
from grading.tests.running_api import BODY


def marked(api):
    lease = api.service.queue.lease()
    api.service.queue.finish(lease, Result([CheckMark("check", 1.0, 2.0)]))


async def waiting_for(api, count):
    async with asyncio.timeout(5):
        while len(api.service.waiting._waiting) != count:
            await asyncio.sleep(0.01)


async def test_question_that_waits_is_answered_with_the_mark(api):
    _, receipt = await api.hand_in()
    asked = asyncio.create_task(api.json(f"api/submissions/{receipt['id']}?wait=20"))
    await waiting_for(api, 1)
    assert not asked.done()
    marked(api)
    status, said = await asked
    assert (status, said["state"], said["score"]) == (200, "graded", 1.0)
    assert (await api.json(f"api/submissions/{receipt['id']}?wait=20"))[1]["score"] == 1.0


async def test_question_is_answered_without_a_mark_when_its_time_is_over(api, monkeypatch):
    monkeypatch.setattr(waiting, "LONGEST", 0.05)
    _, receipt = await api.hand_in()
    assert (await api.json(f"api/submissions/{receipt['id']}?wait=20"))[1]["state"] == "queued"


async def test_too_many_who_wait_are_answered_at_once(api, monkeypatch):
    monkeypatch.setattr(waiting, "MOST", 1)
    _, receipt = await api.hand_in()
    first = asyncio.create_task(api.json(f"api/submissions/{receipt['id']}?wait=20"))
    await waiting_for(api, 1)
    assert (await api.json(f"api/submissions/{receipt['id']}?wait=20"))[1]["state"] == "queued"
    marked(api)
    assert (await first)[1]["state"] == "graded"


async def test_student_who_hangs_up_waits_no_longer(api):
    _, receipt = await api.hand_in()
    _, writer = await asyncio.open_connection("127.0.0.1", api.port)
    path = f"/services/grading/api/submissions/{receipt['id']}?wait=20"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: token token-ann\r\n\r\n".encode())
    await waiting_for(api, 1)
    writer.close()
    await waiting_for(api, 0)


async def test_database_that_is_away_for_a_moment_is_asked_again(api, monkeypatch):
    looks = []
    look = waiting.Waiting._marked

    def failing_once(self, ids):
        looks.append(ids)
        if len(looks) == 1:
            raise sa.exc.OperationalError("SELECT", {}, Exception("locked"))
        return look(self, ids)

    monkeypatch.setattr(waiting.Waiting, "_marked", failing_once)
    _, receipt = await api.hand_in()
    asked = asyncio.create_task(api.json(f"api/submissions/{receipt['id']}?wait=20"))
    await waiting_for(api, 1)
    with api.service.engine.begin() as connection:
        connection.execute(submissions.update().values(state="failed"))
    assert (await asked)[1]["state"] == "failed"


@pytest.mark.parametrize("wait", ["x", "-1", "1.5", "99999"])
async def test_waiting_time_that_is_none_is_refused(api, wait):
    _, receipt = await api.hand_in(body=BODY)
    status, said = await api.json(f"api/submissions/{receipt['id']}?wait={wait}")
    assert (status, said["error"]) == (400, "wait is not a whole number of seconds.")


async def test_nobody_waits_for_anothers_submission(api):
    _, receipt = await api.hand_in()
    assert (await api.json(f"api/submissions/{receipt['id']}?wait=20", "token-bob"))[0] == 404
