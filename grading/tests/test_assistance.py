"""The calendar in force, the help that it allows, and what staff see of it."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from course.calendar import PUBLISHED, SOURCE, now
from grading import assistance
from grading.api.app import MOST_BODY
from grading.calendar import CalendarKeeper
from grading.tests import toy_course

STAFF = "token-ada"
PAST, FUTURE = (f"{now() + timedelta(days=days):%Y-%m-%d}" for days in (-2, 2))


def written(api, text):
    """What the instructor writes, in force."""
    (api.service.calendar.folder / SOURCE).write_text(text)
    api.service.calendar.start()


def guessing(guess):
    book = toy_course.notebook(toy_course.UNSOLVED)
    metadata = {"tinytorch": {"role": "guess", "id": "toy-guess"}}
    book["cells"].append({"cell_type": "code", "metadata": metadata, "source": guess})
    return json.dumps({"notebook": book}).encode()


@pytest.fixture
def hints(api, tmp_path):
    """The toy course, with two hints for one exercise."""
    official = tmp_path / "official"
    shutil.copytree(api.service.settings.official, official)
    (official / "hints.json").write_text(json.dumps({"toy-double": ["Look at it.", "Twice."]}))
    object.__setattr__(api.service, "settings", replace(api.service.settings, official=official))


def ask_for(*numbers, exercise="toy-double", module="toy"):
    listed = [{"module": module, "exercise": exercise, "number": number} for number in numbers]
    return {"method": "POST", "body": json.dumps({"hints": listed})}


async def test_calendar_tells_what_holds_for_me(api):
    written(
        api, f"timezone: Europe/Berlin\nmodules: {{toy: {{due: {PAST}, weight: 2}}, base: {{held: true}}}}"
    )
    status, answer = await api.json("api/calendar")
    assert status == 200
    base, toy, future = answer["modules"]
    assert answer["timezone"] == "Europe/Berlin"
    assert (base["open"], base["number"]) == (False, 1)
    assert (toy["over"], toy["weight"], toy["restore"], toy["catch_up"]) == (True, 2, True, False)
    assert toy["due"].startswith(f"{PAST}T23:59:59")
    assert (future["due"], future["restore"]) == (None, False)
    assert [each["slug"] for each in answer["milestones"]] == ["sign", "flight"]
    assert "problem" not in answer


async def test_only_staff_hear_what_is_wrong_with_the_calendar(api):
    written(api, f"modules: {{toy: {{due: {PAST}}}}}")
    written(api, "modules: {toi: {}}")
    _, answer = await api.json("api/calendar")
    assert answer["modules"][1]["over"], "the last good calendar stays in force"
    assert "problem" not in answer
    _, answer = await api.json("api/calendar", STAFF)
    assert "there is no module of this name" in answer["problem"]
    written(api, "")
    assert (await api.json("api/calendar", STAFF))[1]["problem"] is None


async def test_solution_is_refused_before_the_deadline_and_given_and_noted_after_it(api):
    written(api, f"modules: {{toy: {{due: {FUTURE}}}}}")
    status, answer = await api.json("api/reference/toy")
    assert status == 403
    assert answer["error"].startswith("The solution of 'toy' is given after its deadline: ")
    assert "return" not in json.dumps(answer)
    assert (await api.json("api/restores", STAFF))[1] == {"restores": []}
    written(api, f"modules: {{toy: {{due: {PAST}}}}}")
    status, answer = await api.json("api/reference/toy")
    assert status == 200
    assert "return x * 2.0" in answer["source"]
    (noted,) = (await api.json("api/restores", STAFF))[1]["restores"]
    assert (noted["student"], noted["module"], noted["way"]) == ("ann", "toy", "restore")
    assert noted["at"] == answer["given_at"]


async def test_solution_that_is_asked_for_again_and_again_fills_no_disk(api):
    written(api, f"modules: {{toy: {{due: {PAST}, allow_catch_up: true}}, base: {{due: {PAST}}}}}")
    for path in 3 * ["api/reference/toy", "api/reference/base", "api/reference/base?catch_up=toy"]:
        assert (await api.json(path))[0] == 200
    assert (await api.json("api/reference/toy", "token-bob"))[0] == 200
    _, noted = await api.json("api/restores", STAFF)
    assert [(each["student"], each["module"], each["target"]) for each in noted["restores"]] == [
        ("ann", "toy", None),
        ("ann", "base", None),
        ("ann", "base", "toy"),
        ("bob", "toy", None),
    ]


async def test_name_that_somebody_asks_for_forges_no_line_of_the_log(api, caplog):
    for path in ("api/reference/a%0aINFO%20forged", f"api/reference/base?catch_up=a%0aforged{'x' * 9000}"):
        status, answer = await api.json(path)
        assert status == 404
        assert len(answer["error"]) < 300
    assert any("forged" in record.getMessage() for record in caplog.records)
    assert not any("\n" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("query", ["catch_up=", "catch_up=..", "catch_up=toy&catch_up=base", "catch_up=%ff"])
async def test_catching_up_to_what_is_no_module_after_it_gives_nothing(api, query):
    written(api, "defaults: {allow_catch_up: true}")
    status, answer = await api.json(f"api/reference/base?{query}")
    assert status in (400, 404)
    assert "source" not in answer


async def test_without_a_calendar_no_solution_is_given(api):
    for path in ("api/reference/toy", "api/reference/base?catch_up=toy"):
        assert (await api.json(path))[0] == 403


async def test_catching_up_gives_what_comes_before_and_nothing_else(api):
    written(api, "modules: {toy: {allow_catch_up: true}}")
    status, answer = await api.json("api/reference/base?catch_up=toy")
    assert (status, answer["source"]) == (200, "one = 1\n")
    status, answer = await api.json("api/reference/toy?catch_up=toy")
    assert status == 400
    assert "does not come before" in answer["error"]
    assert (await api.json("api/reference/base?catch_up=nothing"))[0] == 404
    assert (await api.json("api/reference/base?catch_up=future"))[0] == 403
    (noted,) = (await api.json("api/restores?module=base", STAFF))[1]["restores"]
    assert (noted["way"], noted["target"]) == ("catch-up", "toy")
    assert (await api.json("api/restores?module=toy", STAFF))[1]["restores"] == []


async def test_nobody_catches_up_to_what_is_held(api):
    written(api, "modules: {toy: {allow_catch_up: true, held: true}}")
    status, answer = await api.json("api/reference/base?catch_up=toy")
    assert status == 403
    assert "not open yet" in answer["error"]


@pytest.mark.parametrize(
    ("slug", "status"),
    [("nothing", 404), ("future", 400), ("..%2ftoy", 404), ("%2e%2e", 404), ("x" * 500, 404)],
)
async def test_solution_of_what_is_no_module_is_refused_in_a_sentence(api, slug, status):
    answered, answer = await api.json(f"api/reference/{slug}")
    assert answered == status
    assert answer["error"].endswith(".")
    assert len(answer["error"]) < 300


async def test_solution_that_cannot_be_noted_is_not_given(api, monkeypatch):
    def full(*_):
        raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))

    written(api, f"modules: {{toy: {{due: {PAST}}}}}")
    monkeypatch.setattr(assistance, "record_restore", full)
    status, answer = await api.json("api/reference/toy")
    assert status == 503
    assert "source" not in answer


async def test_hints_are_noted_once(api, hints):
    assert await api.json("api/hints", **ask_for(1)) == (200, {"refused": []})
    assert await api.json("api/hints", **ask_for(1, 2)) == (200, {"refused": []})
    _, answer = await api.json("api/hints", STAFF)
    assert [(each["student"], each["exercise"], each["number"]) for each in answer["hints"]] == [
        ("ann", "toy-double", 1),
        ("ann", "toy-double", 2),
    ]
    assert {each["module"] for each in answer["hints"]} == {"toy"}
    assert (await api.json("api/hints?module=base", STAFF))[1]["hints"] == []


@pytest.mark.parametrize(
    "asked",
    [
        ask_for(3),
        ask_for(0),
        ask_for(1, exercise="toy-shuffle"),
        ask_for(1, module="base"),
        ask_for(1, module="x"),
    ],
)
async def test_hint_that_there_is_not_is_refused(api, hints, asked):
    status, answer = await api.json("api/hints", **asked)
    assert status == 200
    assert answer["refused"][0]["reason"].startswith("There is no hint")
    assert (await api.json("api/hints", STAFF))[1]["hints"] == []


async def test_hint_that_the_calendar_does_not_give_is_refused(api, hints):
    written(api, "modules: {toy: {allow_hints: false}}")
    _, answer = await api.json("api/hints", **ask_for(1))
    assert "gives no hints for 'toy'" in answer["refused"][0]["reason"]


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"hints": []}', '{"hints": [1]}', '{"hints": [{"module": "toy"}]}',
             '{"hints": [{"module": "toy", "exercise": [], "number": 1}]}',
             '{"hints": [{"module": "toy", "exercise": "toy-double", "number": true}]}',
             json.dumps({"hints": [{"module": "toy", "exercise": "toy-double", "number": 1}] * 101})]
)  # fmt: skip
async def test_message_that_is_none_is_refused_in_a_sentence(api, hints, body):
    status, answer = await api.json("api/hints", method="POST", body=body)
    assert status == 400
    assert answer["error"].startswith("Send 1 to 100 hints")


async def test_staff_read_what_the_class_guesses(api):
    await api.hand_in(body=guessing('my_guess = "something slow"\nprint(my_guess)'))
    await api.hand_in(body=guessing('my_guess = """autograd"""'))
    await api.hand_in(body=guessing("I think it is a loop"), token="token-bob")
    await api.hand_in(body=guessing('my_guess = ""'), token="token-eve")
    status, answer = await api.json("api/guesses/toy", STAFF)
    assert status == 200
    assert [(each["student"], each["guess"]) for each in answer["guesses"]] == [
        ("ann", "autograd"),
        ("bob", "I think it is a loop"),
    ]
    assert (await api.json("api/guesses/base", STAFF))[1]["guesses"] == []


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("my_guess = {{}: 1}", "my_guess = {{}: 1}"),
        ('my_guess = "<script>alert(1)</script>"', "<script>alert(1)</script>"),
        (f'my_guess = "{"x" * 5000}"', "x" * 1000),
        ("my_guess = [" + "1," * 50_000 + "]", "my_guess = [" + "1," * 494),
        ('my_guess = "\\ud800"', "\ud800"),
        ("my_guess = " + "-" * 9000 + "1", ("my_guess = " + "-" * 9000)[:1000]),
    ],
)
async def test_hostile_guess_is_a_short_text_and_hides_no_other(api, cell, shown):
    await api.hand_in(body=guessing(cell))
    await api.hand_in(body=guessing('my_guess = "kept"'), token="token-bob")
    answer = await api.ask("api/guesses/toy", STAFF)
    assert answer.code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert [each["guess"] for each in json.loads(answer.body)["guesses"]] == [shown, "kept"]


async def test_message_that_would_fill_the_memory_is_not_read(api):
    for token in (None, "token-ann"):
        answer = await api.ask("api/hints", token, method="POST", body=b" " * (MOST_BODY + 1))
        assert answer.code in (400, 599), "refused by its length, or hung up on"
    assert (await api.json("api/hints", **ask_for(1)))[0] == 200


async def test_one_lost_file_does_not_hide_everybodys_guess(api):
    _, receipt = await api.hand_in(body=guessing('my_guess = "lost"'))
    await api.hand_in(body=guessing('my_guess = "kept"'), token="token-bob")
    api.service.store.path(receipt["id"]).unlink()
    _, answer = await api.json("api/guesses/toy", STAFF)
    assert [each["guess"] for each in answer["guesses"]] == ["kept"]


@pytest.mark.parametrize("path", ["api/hints", "api/restores", "api/guesses/toy", "api/restores?module=toy"])
async def test_only_staff_see_what_others_did(api, path):
    assert (await api.json(path, "token-service"))[0] == 403
    assert await api.json(path) == (403, {"error": "Only instructors see this."})
    assert (await api.json(path, None))[0] == 401
    assert (await api.json(path, STAFF))[0] == 200


@pytest.mark.parametrize("path", ["api/calendar", "api/reference/toy", "api/hints"])
async def test_nobody_unknown_gets_any_help(api, path):
    for token, status in ((None, 401), ("wrong", 401), ("token-out", 403), ("token-service", 403)):
        assert (await api.json(path, token))[0] == status


def test_what_is_still_being_written_is_not_taken(tmp_path, toy):
    (tmp_path / "public").mkdir()
    keeper = CalendarKeeper(tmp_path, toy.manifest)
    keeper.start()
    assert "calendar.yml is missing" in keeper.problem
    (tmp_path / SOURCE).write_text("modules: {toy: {held: true}}")
    keeper.look()
    assert not (tmp_path / PUBLISHED).exists(), "it was new a moment ago"
    keeper.look()
    assert keeper.current().module("toy").held
    assert keeper.problem is None


def test_damaged_publication_leaves_the_last_good_calendar(tmp_path, toy):
    (tmp_path / "public").mkdir()
    (tmp_path / SOURCE).write_text("modules: {toy: {held: true}}")
    keeper = CalendarKeeper(tmp_path, toy.manifest)
    keeper.start()
    assert keeper.current().module("toy").held
    (tmp_path / PUBLISHED).write_text("{")
    assert keeper.current().module("toy").held


def test_surprise_in_a_calendar_stops_neither_the_service_nor_the_next_look(tmp_path, toy, monkeypatch):
    (tmp_path / "public").mkdir()
    (tmp_path / SOURCE).write_text("modules: {toy: {held: true}}")

    def surprised(*_):
        raise TypeError

    keeper = CalendarKeeper(tmp_path, toy.manifest)
    with monkeypatch.context() as surprising:
        surprising.setattr("grading.calendar.publish", surprised)
        keeper.start()
    keeper.look()
    assert keeper.current().module("toy").held
