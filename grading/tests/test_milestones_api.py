"""GET milestones: one's own attempts with what one may know of them, and the class's for staff."""

from datetime import timedelta

import pytest

from course import calendar as calendars
from course.calendar import Calendar, Entry
from grading import attempts
from grading.results import Attempt, CheckMark, Result

ANN, EVE = "ann", "bob"


def attempt(queue, number, student, private, passed, state="graded"):
    """One attempt, marked as a worker would."""
    queue.add(f"{number:032x}", student, "milestone", "sign", "0" * 64, 1)
    lease = queue.lease()
    if state == "graded":
        figures = Attempt(0.95, private, verified=True, sandbox_seconds=2.5, weights=100)
        marks = [CheckMark("sign", 10.0 * passed, 10.0, [] if passed else ["Too few are right."])]
        queue.finish(lease, Result(marks, ["A note."], passed=passed, seconds=3.0, attempt=figures))
    return lease


@pytest.fixture
def calendar(api, monkeypatch):
    """Set what the calendar says of the milestone."""

    def put(**entry):
        made = Calendar("UTC", Entry(), {}, {"sign": Entry(**entry)})
        monkeypatch.setattr(type(api.service.calendar), "current", lambda self: made)

    return put


async def own(api, token="token-ann"):
    status, answer = await api.json("api/milestones?milestone=sign", token)
    assert status == 200
    (told,) = answer["milestones"]
    return told


async def test_student_sees_the_private_figure_once_it_is_passed_and_not_before(api, queue, clock):
    attempt(queue, 1, ANN, 0.899, passed=False)
    clock.now += 60
    attempt(queue, 2, ANN, 0.91, passed=True)
    told = await own(api)
    assert [(each["private"], each["public"]) for each in told["attempts"]] == [(0.91, 0.95), (None, 0.95)]
    assert [each["reason"] for each in told["attempts"]] == [None, "Too few are right."]
    assert told["passed"] is True
    assert told["attempts"][0]["cost"] == {"sandbox_seconds": 2.5, "weights": 100}


@pytest.mark.parametrize(("days", "shown"), [(-1, 0.899), (1, None)])
async def test_private_figure_is_shown_when_the_students_deadline_is_over(api, queue, calendar, days, shown):
    calendar(due=calendars.now() + timedelta(days=days))
    attempt(queue, 1, ANN, 0.899, passed=False)
    told = await own(api)
    assert told["attempts"][0]["private"] == shown
    assert told["private_shown"] is (shown is not None)


async def test_private_figure_stands_nowhere_else_that_a_student_can_ask(api, queue):
    attempt(queue, 1, ANN, 0.8989, passed=False)
    for path in (f"api/submissions/{1:032x}", "api/marks", "api/milestones"):
        answer = await api.ask(path)
        assert answer.code == 200
        assert b"8989" not in answer.body, path
        assert b"89.9" not in answer.body, path


async def test_attempts_left_are_counted_by_the_calendar(api, queue, calendar, clock):
    assert (await own(api))["attempts_left_today"] is None
    calendar(attempts=5, attempts_per_day=2)
    clock.now = calendars.now().timestamp() - 3 * 86400
    attempt(queue, 1, ANN, 0.5, passed=False)
    clock.now = calendars.now().timestamp()
    attempt(queue, 2, ANN, 0.5, passed=False)
    told = await own(api)
    assert (told["attempts_left"], told["attempts_left_today"]) == (3, 1)


async def test_nobody_sees_anothers_attempts(api, queue):
    attempt(queue, 1, ANN, 0.95, passed=True)
    assert (await own(api, "token-bob"))["attempts"] == []
    assert (await api.json("api/milestones/class", "token-bob"))[0] == 403
    assert (await api.json("api/milestones?milestone=nothing"))[0] == 404


async def test_staff_see_the_class_with_both_figures_and_can_filter(api, queue, clock):
    for number, (student, private) in enumerate([(ANN, 0.8), (ANN, 0.92), (EVE, 0.7)], start=1):
        attempt(queue, number, student, private, passed=private >= 0.9)
        clock.now += 60
    status, answer = await api.json("api/milestones/class", "token-ada")
    assert status == 200
    rows = {row["student"]: row for row in answer["rows"]}
    assert (rows[ANN]["attempts"], rows[ANN]["best_private"], rows[ANN]["passed"]) == (2, 0.92, True)
    assert (rows[EVE]["best_private"], rows[EVE]["passed"]) == (0.7, False)

    async def found(query):
        answer = (await api.json(f"api/milestones/class?{query}", "token-ada"))[1]
        return answer["total"], [row["student"] for row in answer["rows"]]

    assert await found("passed=no") == (1, [EVE])
    assert await found("attempts=yes&passed=no") == (2, [EVE, ANN])
    assert await found("attempts=yes&student=ann&milestone=sign") == (2, [ANN, ANN])
    assert await found("section=A") == (0, [])
    for query in ("passed=maybe", "page=0", "page=x", "page=99999999999999999999", "attempts=1"):
        assert (await api.json(f"api/milestones/class?{query}", "token-ada"))[0] == 400


async def test_class_comes_page_by_page(api, queue, clock, monkeypatch):
    monkeypatch.setattr(attempts, "PAGE", 2)
    for number in range(1, 6):
        attempt(queue, number, f"s{number}", 0.5, passed=False)
        clock.now += 1
    seen = []
    for page in (1, 2, 3):
        answer = (await api.json(f"api/milestones/class?page={page}", "token-ada"))[1]
        assert (answer["total"], answer["pages"], answer["page"]) == (5, 3, page)
        seen += [row["student"] for row in answer["rows"]]
    assert seen == [f"s{number}" for number in range(1, 6)]


async def test_attempt_from_before_there_were_two_parts_is_shown_as_it_is(api, queue):
    queue.add(f"{1:032x}", ANN, "milestone", "sign", "0" * 64, 1)
    queue.finish(queue.lease(), Result([CheckMark("sign", 10.0, 10.0)], ["Verified."], passed=True))
    (told,) = (await own(api))["attempts"]
    assert (told["passed"], told["public"], told["private"]) == (True, None, None)
