"""Who may grant what, what is refused in which words, and what a student then sees."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from course.calendar import PUBLISHED, Calendar, Entry, dumps, now
from grading.database import exceptions, people

STAFF = "token-ada"
DUE = "2099-10-19T18:00:00+02:00"
WHY = {"why": "ill"}


@pytest.fixture(autouse=True)
def calendar(api):
    opens = now() + timedelta(hours=1)
    exam = Entry(opens=opens, due=opens + timedelta(hours=1), exam_minutes=60)
    entries = {"toy": Entry(due=now() - timedelta(days=1), attempts=3), "base": exam}
    (api.service.settings.calendar / PUBLISHED).write_text(dumps(Calendar(modules=entries)))
    row = {"name": "bob", "full_name": "Bob", "number": "1", "email": "", "section": "B", "role": "student"}
    with api.service.engine.begin() as connection:
        connection.execute(people.insert().values(row | {"active": True, "at": 1.0}))


async def grant(api, token=STAFF, **asked):
    return await api.json("api/exceptions", token, method="POST", body=json.dumps(asked))


async def toys(api, token):
    return (await api.json("api/calendar", token))[1]["modules"][1]


async def test_extension_holds_for_its_student_and_is_noted_with_who_and_why(api):
    status, granted = await grant(api, student="ann", kind="module", slug="toy", due=DUE, **WHY)
    assert status == 201
    assert (granted["by"], granted["why"], granted["due"]) == ("ada", "ill", "2099-10-19T16:00:00Z")
    mine, bobs = await toys(api, "token-ann"), await toys(api, "token-bob")
    assert (mine["due"][:10], mine["over"], mine["extended"]) == ("2099-10-19", False, True)
    assert (bobs["over"], bobs["extended"], bobs["attempts_left"]) == (True, False, 3)
    assert (await api.ask("api/reference/toy", "token-bob")).code == 200
    assert (await api.ask("api/reference/toy", "token-ann")).code == 403, "their own deadline is to come"


async def test_what_was_withdrawn_no_longer_holds_and_stays_to_be_seen(api):
    _, granted = await grant(api, section="B", excused=True, **WHY)
    assert (await toys(api, "token-bob"))["excused"]
    assert not (await toys(api, "token-ann"))["excused"]
    path = f"api/exceptions/{granted['id']}"
    status, gone = await api.json(path, STAFF, method="DELETE")
    assert (status, gone["withdrawn_by"]) == (200, "ada")
    assert not (await toys(api, "token-bob"))["excused"]
    assert (await api.json(path, STAFF, method="DELETE"))[0] == 404
    listed = (await api.json("api/exceptions?student=bob", STAFF))[1]["exceptions"]
    assert [each["id"] for each in listed] == [granted["id"]]
    assert (await api.json("api/exceptions?student=ann", STAFF))[1]["exceptions"] == []


async def test_extra_time_makes_a_students_exam_longer(api):
    await grant(api, student="ann", extra_time=0.5, **WHY)
    begins, ends = (await api.json("api/calendar"))[1]["modules"][0]["exam"]
    assert begins != ends
    shorter = (await api.json("api/calendar", "token-bob"))[1]["modules"][0]["exam"]
    assert shorter[0] == begins
    assert shorter[1] < ends


async def test_students_grant_and_see_nothing(api):
    assert (await grant(api, "token-ann", student="ann", excused=True, **WHY))[0] == 403
    assert (await api.ask("api/exceptions", "token-ann")).code == 403
    assert (await api.ask("api/exceptions/1", "token-ann", method="DELETE")).code == 403
    with api.service.engine.connect() as connection:
        assert connection.execute(sa.select(exceptions)).all() == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ([], "Send an object with some of: student, section"),
        ({"studnet": "ann"}, "There is no 'studnet'."),
        ({"excused": True, **WHY}, "Name either a student or a section."),
        ({"student": "ann", "section": "B", "excused": True, **WHY}, "Name either"),
        ({"student": " ", "excused": True, **WHY}, "The name is empty."),
        ({"student": 7, "excused": True, **WHY}, "'student' is no text"),
        ({"student": "a" * 300, "excused": True, **WHY}, "at most 255 characters"),
        ({"student": "ann\ud800", "excused": True, **WHY}, "'student' is no text"),
        ({"student": "ann", "excused": True}, "Say why"),
        ({"student": "ann", **WHY}, "Grant something"),
        ({"student": "ann", "excused": 1, **WHY}, "'excused' must be true or false."),
        ({"section": "C", "excused": True, **WHY}, "Nobody is in a section 'C'. There are: B."),
        ({"student": "ann", "kind": "exam", "excused": True, **WHY}, "module, milestone, assignment."),
        ({"student": "ann", "slug": "toy", "excused": True, **WHY}, "Say which kind 'toy' is"),
        ({"student": "ann", "kind": "module", "slug": "toi", "excused": True, **WHY}, "no module 'toi'."),
        ({"student": "ann", "kind": "module", "slug": "toy", "due": "soon", **WHY}, "'due' is no time."),
        ({"student": "ann", "kind": "module", "slug": "toy", "due": DUE[:19], **WHY}, "with its time zone"),
        ({"student": "ann", "kind": "module", "slug": "toy", "due": 7, **WHY}, "'due' is no time."),
        ({"student": "ann", "due": DUE, **WHY}, "A deadline is for one thing"),
        ({"student": "ann", "kind": "module", "slug": "base", "due": DUE, **WHY}, "Grant 'extra_time'."),
        ({"student": "ann", "kind": "module", "slug": "toy", "extra_time": 1, **WHY}, "is no exam"),
        ({"student": "ann", "extra_time": -1, **WHY}, "'extra_time' must be 0 to 10"),
        ({"student": "ann", "extra_time": float("nan"), **WHY}, "'extra_time' must be 0 to 10"),
        ({"student": "ann", "extra_time": True, **WHY}, "'extra_time' must be 0 to 10"),
    ],
)  # fmt: skip
async def test_fault_is_told_in_a_sentence(api, asked, sentence):
    status, answer = await api.json("api/exceptions", STAFF, method="POST", body=json.dumps(asked))
    assert status == 400
    assert sentence in answer["error"]
