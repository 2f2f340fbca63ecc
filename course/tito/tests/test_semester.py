"""What carries a student through a semester: dates, reasons, hints, help after a deadline, the story."""

from __future__ import annotations

import argparse
import json
import queue
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from jupyter_client.manager import start_new_kernel

from course.calendar import Calendar, Entry, dumps, now, short, words
from course.manifest import HERE
from course.tito import cli
from course.tito.tests.stand_ins import solve

PAST, FUTURE = now() - timedelta(days=2), now() + timedelta(days=2)
SOLUTION = {
    "module": "counting",
    "source": "def increase(n):\n    return n + 1\n",
    "given_at": "2026-01-31T12:00:00Z",
}


@pytest.fixture
def calendar(work, tmp_path):
    """Put entries in force: calendar(counting=Entry(...))."""

    def put(milestones: dict[str, Entry] | None = None, **modules: Entry) -> None:
        (tmp_path / "calendar.json").write_text(dumps(Calendar("UTC", Entry(), modules, milestones or {})))

    return put


def export(tito, work, *slugs):
    for slug in slugs:
        tito("start", slug)
        solve(work, slug)
        assert tito("export", slug)[0] == 0


def add_cell(work, slug, source):
    path = work / f"{slug}.ipynb"
    notebook = json.loads(path.read_text())
    cell = {"cell_type": "code", "id": "mine", "metadata": {}, "source": source, "outputs": []}
    notebook["cells"].insert(1, cell)
    path.write_text(json.dumps(notebook))


# ---- numbers ----


def test_number_stands_for_the_module_that_has_it_in_the_track(tito, work):
    assert tito("start", "1")[0] == 0
    solve(work, "counting")
    for command in ("test", "export"):
        assert tito(command, "1")[0] == 0
    assert (work / "tinytorch/counting.py").is_file()
    assert tito("start", "2")[1].startswith("adding.ipynb is ready")
    assert "Passed at 90%" in tito("milestone", "info", "1")[1]
    assert " 1  sums" in tito("milestone", "list")[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("start", "7"), "The track 'discovery' has no module 7. It has 1 to 3."),
        (("test", "0"), "has no module 0"),
        (("milestone", "run", "2"), "There is no milestone 2 in your track. There are 1 to 1."),
        (("export", "3"), "Module 'later' is still to come."),
    ],
)
def test_number_that_means_nothing_is_told(tito, arguments, sentence):
    code, said = tito(*arguments)
    assert code == 1
    assert sentence in said


# ---- status ----


def test_status_says_where_i_am_what_is_next_and_why(tito, work, tmp_path):
    path = tmp_path / "built" / "discovery" / "course.json"
    course = json.loads(path.read_text())
    course["modules"][1]["why"] = "Counting one by one is slow."
    path.write_text(json.dumps(course))
    export(tito, work, "counting")
    said = tito("status")[1]
    assert "You are at 2, Adding.\nWhy: Counting one by one is slow.\nNext: tito start adding\n" in said


def test_status_shows_points_and_deadlines(tito, work, calendar):
    calendar({"sums": Entry(due=FUTURE)}, counting=Entry(due=PAST, weight=2), adding=Entry(opens=FUTURE))
    tito("start", "counting")
    lines = tito("status")[1].splitlines()
    assert f"begun                  5 x2  over, {short(PAST)[:-6]}" in lines[3]
    assert f"opens {FUTURE.day} {FUTURE:%b %H:%M}" in lines[4]
    assert lines[5].startswith("      Milestone sums")
    assert lines[5].endswith(short(FUTURE))
    assert f"It was due {words(PAST)}." in lines[-2]


def test_status_keeps_within_eighty_columns(tito, work, calendar):
    late = Entry(due=PAST, weight=2)
    calendar({"sums": late}, counting=late, adding=late, later=late)
    table = tito("status")[1].split("\n\n")[1]
    assert max(map(len, table.splitlines())) <= 80


def test_what_is_not_open_cannot_be_begun_and_is_no_next_step(tito, work, calendar):
    calendar({"sums": Entry(held=True)}, adding=Entry(held=True))
    export(tito, work, "counting")
    for arguments in (("start", "adding"), ("start", "sums"), ("start",)):
        code, said = tito(*arguments)
        assert code == 1
        assert "is not open yet. Your instructor opens it." in said
    assert "You have exported every module that is open. 'adding' is not open yet." in tito("status")[1]
    calendar()
    assert tito("start", "adding")[0] == 0


def test_skipped_module_is_stepped_over(tito, work, calendar):
    calendar(counting=Entry(skipped=True))
    said = tito("status")[1]
    assert "skipped" in said
    assert "Next: tito start adding" in said


def test_damaged_calendar_holds_nobody_up_and_doctor_names_it(tito, work, tmp_path):
    (tmp_path / "calendar.json").write_text("{")
    assert tito("start", "counting")[0] == 0
    assert tito("status")[0] == 0
    code, said = tito("doctor")
    assert code == 1
    assert "This is no published calendar" in said


def test_doctor_tells_the_next_deadline_and_a_fault_that_only_staff_hear_of(tito, work, calendar, service):
    calendar(adding=Entry(due=FUTURE))
    tito("start", "counting")
    assert f"Calendar: adding is due {words(FUTURE)}" in tito("doctor")[1]
    service.answers["calendar"] = {"problem": "calendar.yml, line 2: no."}
    code, said = tito("doctor")
    assert code == 1
    assert "calendar.yml, line 2: no." in said


# ---- restore and catch-up ----


def test_restore_is_refused_before_the_deadline_without_asking(tito, work, calendar, service):
    calendar(counting=Entry(due=FUTURE))
    code, said = tito("restore", "counting")
    assert code == 1
    assert f"The solution of 'counting' is given after its deadline: {words(FUTURE)}." in said
    assert service.asked == []
    assert not (work / "tinytorch/counting.py").exists()


def test_restore_says_what_it_is_and_keeps_all_that_was_there(tito, work, calendar, service):
    calendar(counting=Entry(due=PAST))
    service.answers["reference/counting"] = SOLUTION
    export(tito, work, "counting")
    notebook = (work / "counting.ipynb").read_bytes()
    own = (work / "tinytorch/counting.py").read_bytes()
    code, said = tito("restore", "1")
    assert code == 0, said
    assert service.asked == ["reference/counting"]
    assert (work / "counting.ipynb").read_bytes() == notebook
    assert (work / "tinytorch/counting.1.py").read_bytes() == own
    first, *_, last = (work / "tinytorch/counting.py").read_text().splitlines()
    assert first.startswith(
        "# The course's own solution of 'counting', put here by `tito restore counting` on"
    )
    assert last == "    return n + 1"
    assert "the course's own" in tito("status")[1]
    tito("restore", "counting")
    assert not (work / "tinytorch/counting.2.py").exists(), "what is no work of the student's needs no copy"
    tito("export", "counting")
    assert (work / "tinytorch/counting.py").read_bytes() == own
    assert tito("doctor")[0] == 0


def test_restore_that_the_service_refuses_changes_nothing(tito, work, calendar, service):
    calendar(counting=Entry(due=PAST))
    export(tito, work, "counting")
    own = (work / "tinytorch/counting.py").read_bytes()
    service.error = (403, b'{"error": "Not yet."}')
    assert tito("restore", "counting") == (1, "Not yet.\n")
    service.error = (200, b"{}")
    assert "is no solution" in tito("restore", "counting")[1]
    assert (work / "tinytorch/counting.py").read_bytes() == own


def test_restore_outside_the_classroom_is_told(tito, work):
    code, said = tito("restore", "counting")
    assert code == 1
    assert "This is no classroom" in said


def test_catch_up_gives_what_is_missing_and_leaves_what_is_done(tito, work, calendar, service):
    assert "does not allow to catch up to 'adding'" in (calendar(), tito("catch-up", "adding"))[1][1]
    calendar(adding=Entry(allow_catch_up=True))
    service.answers["reference/counting?catch_up=adding"] = SOLUTION
    assert "Next: tito start adding" in tito("catch-up", "2")[1]
    assert service.asked == ["reference/counting?catch_up=adding"]
    assert "`tito catch-up adding`" in (work / "tinytorch/counting.py").read_text()
    export(tito, work, "counting")
    assert "is in your tinytorch already" in tito("catch-up", "adding")[1]
    assert len(service.asked) == 1


def test_milestone_says_which_modules_are_not_the_students_own(tito, work, calendar, service):
    calendar(counting=Entry(due=PAST))
    service.answers["reference/counting"] = SOLUTION
    export(tito, work, "counting", "adding")
    tito("restore", "counting")
    tito("milestone", "run", "sums")
    said = tito("milestone", "submit", "sums", "--no-wait")[1]
    assert "Note: counting is the course's own solution, and the result will say so." in said
    files = service.got[0][2]["files"]
    assert files["tinytorch/counting.py"].startswith("# The course's own solution of 'counting'")
    assert "tinytorch/counting.1.py" not in files


# ---- hints ----


def test_hints_come_one_at_a_time_and_are_noted(tito, work, service):
    tito("start", "counting")
    code, said = tito("hint")
    assert code == 0
    assert "counting-increase, hint 1 of 2\nWhat is one step?" in said
    assert "1 more, if you need it: tito hint counting-increase" in said
    said = tito("hint", "counting-increase")[1]
    assert "hint 2 of 2\nAdd it to the number." in said
    assert "hint 1 of 2" not in said
    said = tito("hint", "1")[1]
    assert "hint 1 of 2" in said
    assert "These are all." in said
    asked = [body["hints"] for path, _, body in service.got if path.endswith("/api/hints")]
    assert [(one["module"], one["exercise"], one["number"]) for (one,) in asked] == [
        ("counting", "counting-increase", 1),
        ("counting", "counting-increase", 2),
    ]


def test_hints_are_given_offline_and_told_later(tito, work, service):
    tito("start", "counting")
    service.error = (503, b"{}")
    assert "hint 1 of 2" in tito("hint", "counting")[1]
    service.error = None
    tito("hint", "counting")
    assert [hint["number"] for hint in service.got[-1][2]["hints"]] == [1, 2]


def test_hint_without_a_classroom_needs_none(tito, work):
    tito("start", "counting")
    assert "hint 1 of 2" in tito("hint", "counting-increase")[1]


def test_hint_that_the_calendar_does_not_give_is_refused(tito, work, calendar, service):
    tito("start", "counting")
    calendar(counting=Entry(allow_hints=False))
    assert tito("hint")[0] == 1
    calendar()
    reason = "The calendar gives no hints for 'counting'."
    refused = {"exercise": "counting-increase", "number": 1, "reason": reason}
    service.answers["hints"] = {"refused": [refused]}
    assert tito("hint") == (1, f"{reason}\n")
    assert not (work / ".tito/hints.json").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("counting-decrease", "Exercise 'counting-decrease' has no hints."),
        ("countess", "There is no exercise or module 'countess'."),
        ("adding", "Begin with: tito start adding"),
    ],
)
def test_hint_that_there_is_not_is_told(tito, name, sentence):
    tito("start", "counting")
    code, said = tito("hint", name)
    assert code == 1
    assert sentence in said


def test_hint_when_everything_is_done_asks_for_the_exercise(tito, work):
    tito("start", "counting")
    solve(work, "counting")
    code, said = tito("hint", "counting")
    assert code == 1
    assert "name the exercise: counting-increase, counting-decrease." in said


def test_damaged_memory_of_hints_begins_anew(tito, work):
    tito("start", "counting")
    (work / ".tito").mkdir(exist_ok=True)
    (work / ".tito/hints.json").write_text('{"shown": 7}')
    assert "hint 1 of 2" in tito("hint")[1]


# ---- bridge ----


def test_bridge_tells_the_story_with_my_guess_and_my_figures(tito, work):
    assert "begins with your first export" in tito("bridge")[1]
    export(tito, work, "counting")
    path = work / "counting.ipynb"
    path.write_text(path.read_text().replace('my_guess = \\"\\"', 'my_guess = \\"a loop?\\"'))
    (work / ".tito").mkdir(exist_ok=True)
    (work / ".tito/figures.json").write_text('{"seconds to count": 1.25}')
    code, said = tito("bridge")
    assert code == 0
    assert "Counting\nWhat comes next?" in said
    assert "Your guess: a loop?" in said
    assert "seconds to count" in said
    assert "1.25" in said
    assert "Where we come from" not in said, "that is how adding begins, which was not exported"
    said = tito("bridge", "2")[1]
    assert "Where we come from" in said
    assert "seconds" not in said


# ---- checkpoints ----


def test_export_tries_what_it_completes_and_names_the_next_step(tito, work):
    tito("start", "counting")
    solve(work, "counting")
    said = tito("export", "counting")[1]
    assert "yes  counts to three" in said
    assert "It counts to 3." in said
    assert "Next it adds: that needs adding." in said


def test_checkpoint_lists_yes_not_yet_and_fails_because(tito, work):
    code, said = tito("checkpoint")
    assert code == 0
    assert "not yet  counts to three" in said
    tito("start", "counting")
    solve(work, "counting", counting_increase="def increase(number):\n    return number + 2")
    tito("export", "counting")
    code, said = tito("checkpoint")
    assert code == 1
    assert " no  counts to three" in said
    assert "It fails because: three times one more than nothing is 3; yours is 6." in said
    assert "It needs adding." in said


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("while True: pass", "took more than 3 seconds"),
        ("import os; os._exit(0)", "the process ended"),
        ("print('loud'); return number + 1", "It counts to 3."),
    ],
)
def test_checkpoint_outlives_what_it_tries(tito, work, monkeypatch, body, sentence):
    monkeypatch.setattr("course.tito.checkpoint.SECONDS", 3)
    tito("start", "counting")
    solve(work, "counting", counting_increase=f"def increase(number):\n    {body}")
    assert sentence in tito("export", "counting")[1]


def test_checkpoint_is_tried_again_only_when_something_has_changed(tito, work, monkeypatch):
    export(tito, work, "counting")
    monkeypatch.setattr("course.tito.checkpoint._run", lambda *_: {"good": True, "said": "Tried anew."})
    assert "It counts to 3." in tito("checkpoint")[1]
    (work / "tinytorch/counting.py").write_text("# changed\ndef increase(n):\n    return n + 1\n")
    assert "Tried anew." in tito("checkpoint")[1]


def test_checkpoint_with_a_borrowed_module_says_so(tito, work, calendar, service):
    calendar(counting=Entry(due=PAST))
    service.answers["reference/counting"] = SOLUTION
    tito("restore", "counting")
    assert "It counts to 3. With the course's own counting." in tito("checkpoint")[1]


# ---- what is lost on export ----


@pytest.mark.parametrize("command", ["test", "export"])
def test_helper_in_a_cell_of_its_own_is_named(tito, work, command):
    tito("start", "counting")
    solve(work, "counting", counting_increase="def increase(number):\n    return plus(number, STEP, math.pi)")
    add_cell(work, "counting", "import math\n\n\ndef plus(a, b, c):\n    return a + b")
    said = tito(command, "counting")[1]
    assert "Exercise 'counting-increase' uses 'math', 'plus', defined in a cell of its own that" in said
    assert "Move them into the exercise's cell." in said


def test_what_is_exported_or_local_is_not_named(tito, work):
    tito("start", "counting")
    body = (
        "def increase(number):\n    other = [n for n in range(2)]\n    return number + STEP + len(other) - 2"
    )
    solve(work, "counting", counting_increase=body)
    add_cell(work, "counting", "other = 1\nn = 2\nSTEP = 5\nnumber = 3\nunused = 7\nlen = len")
    assert "not exported" not in tito("export", "counting")[1]


# ---- %tito ----


def test_tito_in_a_notebook_says_the_same_as_in_a_terminal(work, tito):
    expected = tito("map")[1]
    manager, client = start_new_kernel(extra_arguments=["--ext=course.tito.magic"])
    try:
        assert printed(client, "%tito map") == expected
        assert "\x1b" not in printed(client, "%tito status")
        assert "There is no module 'cuonting'." in printed(client, "%tito start cuonting")
        assert "invalid choice" in printed(client, "%tito nonsense")
        assert "quotation mark" in printed(client, "%tito start 'x")
        heavy = "import sys; print('course.tito.cli' in sys.modules)"
        assert printed(client, heavy) == "True\n"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def printed(client, code: str) -> str:
    """What a cell prints; an error fails the test."""
    asked = client.execute(code)
    text = ""
    while True:
        try:
            message = client.get_iopub_msg(timeout=60)
        except queue.Empty:
            raise AssertionError(f"{code}: no answer; {text}") from None
        if message["parent_header"].get("msg_id") != asked:
            continue
        content = message["content"]
        if message["msg_type"] == "stream":
            text += content["text"]
        assert message["msg_type"] != "error", content
        if message["msg_type"] == "status" and content["execution_state"] == "idle":
            return text


# ---- the reference page ----


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """Every command, with its arguments, as the reference page writes it."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in inner:
        for name, one in action.choices.items():
            yield from commands(one, (*words, name))
    if not inner:
        given = [action for action in parser._actions if action.dest != "help"]
        shown = [f"--{a.dest.replace('_', '-')}" if a.option_strings else a.dest.upper() for a in given]
        yield " ".join(["tito", *words]), shown


def test_reference_page_names_every_command_and_no_other():
    page = (HERE.parent / "docs" / "reference" / "tito.md").read_text()
    rows = re.findall(r"^\| `(tito [^`]*)` \|", page, re.MULTILINE)
    known = dict(commands(cli._parser()))
    written: dict[str, set[str]] = {}
    for row in (re.sub(r"(--[a-z-]+) [A-Z]+", r"\1", each) for each in rows):
        (name,) = [known_name for known_name in known if f"{row} ".startswith(f"{known_name} ")]
        written.setdefault(name, set()).update(re.findall(r"--[a-z-]+|\b[A-Z]{4,}\b", row[len(name) :]))
    assert written.keys() == known.keys()
    for name, shown in known.items():
        options = {each for each in shown if each.startswith("--")}
        assert {each for each in written[name] if each.startswith("--")} == options, name
        assert bool({*shown} - options) == bool({e for e in written[name] if not e.startswith("--")}), name
