"""What is taken in when, from whom and how often, and what the receipt says of it."""

import asyncio
import json
from datetime import datetime, timezone

import pytest

from course.calendar import PUBLISHED, Calendar, Entry, dumps
from grading import limits, terms
from grading.database import exceptions
from grading.tests.running_api import BODY, MODULE

NOON = datetime(2026, 10, 19, 12, tzinfo=timezone.utc)
HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def at(api):
    """Sets the service's clock, in seconds after noon."""

    def set_clock(seconds):
        api.service.queue.clock = lambda: NOON.timestamp() + seconds

    set_clock(0)
    return set_clock


def in_force(api, zone="UTC", **entry):
    folder = api.service.settings.calendar
    (folder / PUBLISHED).write_text(dumps(Calendar(zone, modules={"toy": Entry(**entry)})))


async def refusal(api, **how):
    status, answer = await api.hand_in(**how)
    return status, answer.get("error")


async def test_what_is_not_open_is_not_taken_and_staff_try_it_all_the_same(api, at):
    in_force(api, opens=NOON)
    at(-1)
    assert await refusal(api) == (403, "'toy' is not open yet. It opens on Monday 19 October 2026, 12:00.")
    assert (await api.hand_in(token="token-ada"))[0] == 201
    at(0)
    assert (await api.hand_in())[0] == 201
    in_force(api, held=True)
    assert (await refusal(api))[0] == 403


async def test_late_work_is_taken_as_long_as_the_calendar_says_and_the_receipt_tells_what_it_counts(api, at):
    in_force(api, due=NOON, late_grace=10, late_per_day=0.25, late_days=1)
    at(600)
    assert "late" not in (await api.hand_in())[1]
    at(601)
    status, receipt = await api.hand_in()
    assert (status, receipt["late"], receipt["counts"]) == (201, True, 0.75)
    assert receipt["note"] == "It is late, and counts 75%."
    at(601 + DAY)
    status, sentence = await refusal(api)
    assert status == 403
    assert "was due on Monday 19 October 2026, 12:00, and was taken late until Tuesday 20 October" in sentence
    assert api.kept() == (2, 2), "nothing of what is refused is kept"


async def test_extension_lets_one_student_hand_in_and_nobody_else(api, at):
    in_force(api, due=NOON, late_days=0)
    row = {
        "student": "ann",
        "due": NOON.timestamp() + HOUR,
        "excused": False,
        "why": "w",
        "by": "ada",
        "at": 1.0,
    }
    with api.service.engine.begin() as connection:
        connection.execute(exceptions.insert().values(row))
    at(HOUR)
    assert (await api.hand_in())[0] == 201
    assert (await refusal(api, token="token-bob"))[0] == 403
    at(HOUR + 1)
    assert (await refusal(api))[0] == 403


async def test_attempts_are_counted_and_even_many_at_once_are_no_more(api, at):
    in_force(api, attempts=3)
    statuses = sorted(status for status, _ in await asyncio.gather(*(api.hand_in() for _ in range(9))))
    assert statuses == [201] * 3 + [429] * 6
    assert api.kept() == (3, 3)
    assert "3 times, which is all there is." in (await refusal(api))[1]
    assert (await api.hand_in(token="token-bob"))[0] == 201
    key = {"Idempotency-Key": "a" * 32}
    in_force(api, attempts=4)
    assert (await _with(api, key))[0] == 201
    assert (await _with(api, key))[0] == 200, "the same one again is no other attempt"


async def _with(api, headers):
    from tornado.httpclient import AsyncHTTPClient

    url = f"http://127.0.0.1:{api.port}/services/grading/{MODULE}"
    headers = {"Authorization": "token token-ann", **headers}
    answer = await AsyncHTTPClient().fetch(url, method="POST", body=BODY, headers=headers, raise_error=False)
    return answer.code, json.loads(answer.body)


async def test_attempts_of_a_day_come_back_at_the_midnight_of_the_class(api, at):
    in_force(api, zone="Asia/Kolkata", attempts_per_day=1)  # noon is 17:30 there
    assert (await api.hand_in())[0] == 201
    status, sentence = await refusal(api)
    assert (status, sentence.endswith("once today, which is all there is. Go on tomorrow.")) == (429, True)
    at(6.5 * HOUR - 1)
    assert (await refusal(api))[0] == 429
    at(6.5 * HOUR)
    assert (await api.hand_in())[0] == 201


async def test_exam_takes_work_while_the_students_own_time_runs(api, at):
    in_force(api, opens=NOON, due=NOON.replace(hour=13), exam_minutes=60)
    row = {"student": "bob", "extra_time": 0.5, "excused": False, "why": "w", "by": "ada", "at": 1.0}
    with api.service.engine.begin() as connection:
        connection.execute(exceptions.insert().values(row))
    at(-1)
    assert "has not begun. It begins on Monday 19 October 2026, 12:00" in (await refusal(api))[1]
    at(HOUR)
    assert (await api.hand_in())[0] == 201
    at(HOUR + 1)
    assert "is over: your time ended on Monday 19 October 2026, 13:00" in (await refusal(api))[1]
    assert (await api.hand_in(token="token-bob"))[0] == 201
    at(1.5 * HOUR + 1)
    assert (await refusal(api, token="token-bob"))[0] == 403


async def test_slow_upload_that_began_in_time_is_not_late_but_one_that_trickles_in_buys_no_time(api, at):
    in_force(api, due=NOON, late_days=0)
    at(-1)
    for seconds, status in ((limits.UPLOAD_SECONDS - 2, b"201"), (limits.UPLOAD_SECONDS, b"403")):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        head = f"POST /services/grading/{MODULE} HTTP/1.1\r\nHost: x\r\nAuthorization: token token-ann\r\n"
        writer.write(f"{head}Connection: close\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:100])
        while not list(api.service.store.incoming.glob("*.part")):
            await asyncio.sleep(0.01)
        at(seconds)
        writer.write(BODY[100:])
        assert (await reader.read()).split()[1] == status
        writer.close()
        at(-1)
    assert api.kept() == (1, 1)


def test_what_is_left_of_attempts_is_the_least_of_both_limits(engine):
    found = terms.Terms(attempts=5, attempts_per_day=2)
    assert limits.attempts_left(engine, Calendar(), "ann", "module", "toy", found, NOON.timestamp()) == 2
    assert limits.attempts_left(engine, Calendar(), "ann", "module", "toy", terms.Terms(), 0.0) is None
