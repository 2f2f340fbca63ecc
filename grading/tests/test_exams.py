"""An exam of one hour by a set clock: what is saved, what a crash costs, and what is handed in at the end."""

import asyncio
import json
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from course.calendar import PUBLISHED, Calendar, Entry, dumps
from grading import exams
from grading.database import drafts, exceptions, submissions
from grading.exams import COLLECTING_SECONDS, SAVING_SECONDS, ExamKeeper
from grading.tests import toy_course
from grading.tests.running_api import BODY

BEGINS = datetime(2026, 10, 19, 12, tzinfo=timezone.utc)
HOUR = 3600.0
DRAFT = "api/drafts/module/toy"
EXAM = Entry(opens=BEGINS, due=BEGINS + timedelta(hours=1), exam_minutes=60, allow_catch_up=True)


class Exam:
    """An exam of the toy, and the keeper that ends it."""

    def __init__(self, api):
        self.api = api
        self.calendar = Calendar(modules={"toy": EXAM})
        (api.service.settings.calendar / PUBLISHED).write_text(dumps(self.calendar))
        self.at(0)

    def at(self, seconds):
        self.now = BEGINS.timestamp() + seconds
        self.api.service.queue.clock = lambda: self.now

    async def save(self, double, token="token-ann"):
        body = json.dumps({"notebook": toy_course.with_double(double)}).encode()
        return await self.api.json(DRAFT, token, method="PUT", body=body)

    def collect(self):
        service = self.api.service
        return ExamKeeper(service.engine, service.store, lambda: self.calendar, lambda: self.now).collect()

    def grant(self, **row):
        row = {"extra_time": 0.5, "excused": False, "why": "w", "by": "ada", "at": 1.0, **row}
        with self.api.service.engine.begin() as connection:
            connection.execute(exceptions.insert().values(row))

    def handed_in(self):
        order = sa.select(submissions).order_by(submissions.c.received_at, submissions.c.student)
        with self.api.service.engine.connect() as connection:
            rows = connection.execute(order).all()
        return [(row.student, row.received_at - BEGINS.timestamp(), self.text(row.id)) for row in rows]

    def text(self, id):
        book = json.loads(self.api.service.store.read(id))["notebook"]
        return next(c["source"] for c in book["cells"] if c["metadata"]["tinytorch"]["id"] == "toy-double")


@pytest.fixture
def exam(api):
    return Exam(api)


async def test_last_save_of_each_is_handed_in_when_their_own_time_is_over(exam):
    exam.grant(student="bob")
    await exam.save("first")
    exam.at(HOUR - 1)
    assert (await exam.save("last"))[1]["kept"]
    await exam.save("bob so far", "token-bob")
    exam.at(HOUR + COLLECTING_SECONDS - 1)
    assert exam.collect() == 0
    exam.at(HOUR + COLLECTING_SECONDS)
    assert exam.collect() == 1
    await exam.save("bob at the end", "token-bob")
    exam.at(1.5 * HOUR + COLLECTING_SECONDS)
    assert exam.collect() == 1
    assert exam.handed_in() == [("ann", HOUR, "last"), ("bob", 1.5 * HOUR, "bob at the end")]
    assert exam.collect() == 0, "once"
    files, _ = exam.api.kept()
    assert files == 2, "no draft is left over"


async def test_own_submission_that_is_newer_is_not_replaced_and_an_older_one_is(exam):
    await exam.save("before")
    exam.at(10)
    assert (await exam.api.hand_in())[0] == 201
    await exam.api.hand_in(token="token-bob")
    exam.at(20)
    await exam.save("after", "token-bob")
    exam.at(HOUR + COLLECTING_SECONDS)
    assert exam.collect() == 1
    assert [(student, at) for student, at, _ in exam.handed_in()] == [("ann", 10), ("bob", 10), ("bob", HOUR)]
    assert exam.collect() == 0


async def test_nothing_is_kept_before_and_after_and_where_there_is_no_exam(exam):
    exam.at(-1)
    assert (await exam.save("x"))[0] == 403
    exam.at(HOUR + SAVING_SECONDS)
    assert (await exam.save("just starting again"))[0] == 200
    exam.at(HOUR + SAVING_SECONDS + 1)
    status, answer = await exam.save("x")
    assert (status, answer["error"].startswith("Your time for 'toy' is over.")) == (403, True)
    assert (await exam.api.json("api/drafts/module/base", method="PUT", body=BODY))[0] == 403
    assert (await exam.api.json("api/drafts/module/none", method="PUT", body=BODY))[0] == 404
    assert (await exam.api.json(DRAFT, "token-none", method="PUT", body=BODY))[0] == 401
    exam.at(0)
    assert (await exam.api.json(DRAFT, method="PUT", body=b"no json"))[0] == 400
    assert (await exam.api.json(DRAFT, method="PUT", body=b"x" * 20_000_000))[0] == 413
    assert exam.api.kept() == (1, 0)


async def test_draft_that_trickles_in_buys_no_time(exam):
    exam.at(HOUR - 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", exam.api.port)
    head = f"PUT /services/grading/{DRAFT} HTTP/1.1\r\nHost: x\r\nAuthorization: token token-ann\r\n"
    writer.write(f"{head}Connection: close\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:100])
    while not list(exam.api.service.store.incoming.glob("*.part")):
        await asyncio.sleep(0.01)
    exam.at(HOUR + SAVING_SECONDS + 1)
    writer.write(BODY[100:])
    assert (await reader.read()).split()[1] == b"403"
    writer.close()
    assert exam.api.kept() == (0, 0)


async def test_collecting_that_is_killed_at_any_instant_is_done_once(exam):
    await exam.save("mine")
    exam.at(HOUR + COLLECTING_SECONDS)

    class Killed(BaseException):
        pass

    engine = exam.api.service.engine
    for statement in ("UPDATE drafts", "INSERT INTO submissions"):

        def watch(connection, cursor, text, *_, wanted=statement):
            if text.startswith(wanted):
                raise Killed

        sa.event.listen(engine, "after_cursor_execute", watch)
        with pytest.raises(Killed):
            exam.collect()
        sa.event.remove(engine, "after_cursor_execute", watch)
        assert exam.handed_in() == []
    assert exam.collect() == 1
    assert exam.collect() == 0
    assert exam.handed_in() == [("ann", HOUR, "mine")]


async def test_draft_of_a_newer_save_is_not_replaced_by_one_that_was_overtaken(exam):
    exam.at(20)
    await exam.save("newer")
    exam.at(10)
    assert not (await exam.save("older"))[1]["kept"]
    assert exam.api.kept()[0] == 1
    exam.at(HOUR + COLLECTING_SECONDS)
    exam.collect()
    assert exam.handed_in()[0][2] == "newer"


async def test_extra_time_that_is_granted_too_late_opens_no_collected_exam(exam):
    await exam.save("collected")
    exam.at(HOUR + COLLECTING_SECONDS)
    exam.collect()
    exam.grant(student="ann")
    assert (await exam.save("more"))[0] == 403
    assert (await exam.api.hand_in())[0] == 201, "but work of one's own is taken"


async def test_calendar_that_cannot_be_read_collects_nothing(exam):
    await exam.save("mine")
    exam.at(HOUR + COLLECTING_SECONDS)
    calendar, exam.calendar = exam.calendar, Calendar()
    assert exam.collect() == 0
    exam.calendar = calendar
    assert exam.collect() == 1


async def test_another_exam_of_the_same_module_begins_anew(exam):
    await exam.save("first exam")
    exam.at(HOUR + COLLECTING_SECONDS)
    exam.collect()
    again = Entry(opens=BEGINS + timedelta(days=1), due=BEGINS + timedelta(days=1, hours=1), exam_minutes=60)
    exam.calendar = Calendar(modules={"toy": again})
    (exam.api.service.settings.calendar / PUBLISHED).write_text(dumps(exam.calendar) + " ")
    exam.at(24 * HOUR + 1)
    assert (await exam.save("second exam"))[0] == 200
    exam.at(25 * HOUR + COLLECTING_SECONDS)
    assert exam.collect() == 1
    assert [text for _, _, text in exam.handed_in()] == ["first exam", "second exam"]


async def test_help_is_off_until_the_exam_is_over_for_the_last_student(exam, monkeypatch):
    exam.grant(student="bob")
    monkeypatch.setattr("course.calendar.now", lambda: datetime.fromtimestamp(exam.now, timezone.utc))
    paths = ("api/reference/toy", "api/reference/base?catch_up=toy", "api/guesses/toy")
    for seconds, statuses in ((-1, [403, 403, 403]), (HOUR + 1, [403, 200, 403]), (1.5 * HOUR, [200] * 3)):
        exam.at(seconds)
        token = "token-ada" if seconds > 0 else "token-ann"
        assert [(await exam.api.ask(path, token)).code for path in paths] == statuses
    asked = json.dumps({"hints": [{"module": "toy", "exercise": "toy-double", "number": 1}]})
    _, answer = await exam.api.json("api/hints", method="POST", body=asked)
    assert answer["refused"]


def test_keeper_goes_on_after_a_look_that_failed(engine, store, monkeypatch):
    def broken(self):
        raise RuntimeError

    monkeypatch.setattr(exams.Drafts, "waiting", broken)
    ExamKeeper(engine, store, Calendar)._look()
    with engine.connect() as connection:
        assert connection.execute(sa.select(drafts)).all() == []
