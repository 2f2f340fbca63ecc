"""What an instructor may write, what they are told, and what is in force meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from course.calendar import PUBLISHED, SOURCE, Calendar, CalendarError, Entry, dumps, loads, read
from course.calendar.__main__ import main
from course.calendar.checking import SCHEMA, check
from course.calendar.publishing import publish, table
from course.manifest import HERE, load
from course.tests.fixture import write_course

NOON = datetime(2026, 10, 19, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@pytest.fixture
def course(tmp_path):
    return load(write_course(tmp_path / "course") / "course.yml")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The class's folder of the course, as the deploy makes it."""
    folder = tmp_path / "srv"
    (folder / "public").mkdir(parents=True)
    monkeypatch.setenv("TT_CALENDAR_FOLDER", str(folder))
    monkeypatch.setenv("TT_COURSE", str(tmp_path / "nowhere"))  # the real course's manifest
    return folder


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "modules:\n", "modules: {tensor: }\n"])
def test_without_dates_everything_is_open_and_nothing_is_due(text):
    calendar = check(text, load(HERE / "course.yml"))
    entry = calendar.module("tensor")
    assert entry.is_open(NOON)
    assert not entry.is_over(NOON)
    assert entry.allow_hints
    assert entry.weight == 1
    assert calendar.timezone == "UTC"


def test_times_are_those_of_the_class(course):
    text = "timezone: Europe/Berlin\nmodules:\n  counting: {opens: 2026-10-19, due: 2026-10-25 18:00}\n"
    entry = check(text, course).module("counting")
    assert entry.opens == datetime(2026, 10, 18, 22, tzinfo=timezone.utc)  # summer time
    assert entry.due == datetime(2026, 10, 25, 17, tzinfo=timezone.utc)  # the day on which it ends


def test_time_that_the_clocks_skip_or_show_twice_is_read_as_before_they_change(course):
    days = "{counting: {due: 2026-03-29 02:30}, adding: {due: 2026-10-25 02:30}}"
    calendar = check(f"timezone: Europe/Berlin\nmodules: {days}", course)
    assert calendar.module("counting").due == datetime(2026, 3, 29, 1, 30, tzinfo=timezone.utc)
    assert calendar.module("adding").due == datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc)
    assert loads(dumps(calendar)) == calendar


@pytest.mark.parametrize(
    "zone", ["Pacific/Kiritimati", "America/Los_Angeles", "Asia/Kathmandu", "Africa/Monrovia"]
)
@pytest.mark.parametrize("day", ["0001-01-01", "1900-01-01", "9999-12-31"])
def test_odd_days_and_zones_break_nothing(course, zone, day):
    calendar = check(f"timezone: {zone}\nmodules: {{counting: {{due: {day}}}}}", course)
    entry = loads(dumps(calendar)).module("counting")
    assert entry.due == calendar.module("counting").due
    assert entry.is_over(NOON) == (day < "2026")
    assert table(calendar, course.track(), NOON)


def test_day_without_a_time_is_due_at_its_end(course):
    entry = check("modules: {counting: {due: 2026-10-19}}", course).module("counting")
    assert not entry.is_over(datetime(2026, 10, 19, 23, 59, 30, tzinfo=timezone.utc))
    assert entry.is_over(datetime(2026, 10, 20, tzinfo=timezone.utc))


def test_module_says_otherwise_than_the_defaults(course):
    text = "defaults: {allow_hints: false}\nmodules: {adding: {allow_hints: true}}\n"
    calendar = check(text, course)
    assert calendar.module("adding").allow_hints
    assert not calendar.module("counting").allow_hints


def test_held_module_is_closed_until_the_line_is_taken_away(course):
    entry = check("modules: {adding: {held: true, opens: 2020-01-01}}", course).module("adding")
    assert not entry.is_open(NOON)
    assert entry.closed("adding", NOON) == "'adding' is not open yet. Your instructor opens it."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modules: {cuonting: {}}", "line 1: modules.cuonting: there is no module of this name. "
         "There are: counting, adding, later."),
        ("milestones: {counting: {weight: 2}}", "there is no milestone of this name. There are: sums."),
        ("modules:\n  adding: {opens: 2026-10-19, due: 2026-10-12}", "line 2: modules.adding: it is due "
         "(Monday 12 October 2026, 23:59) before it opens (Monday 19 October 2026, 00:00). Change one"),
        ("modules: {adding: {due: 2026-02-30}}", "'2026-02-30' is no date. Write a day such as 2026-10-19"),
        ("modules: {adding: {due: soon}}", "'soon' is no date"),
        ("modules: {adding: {due: 2026-10-19T18:00}}", "is no date"),
        ("modules: {adding: {due: 19}}", "19 is no date"),
        ("modules: {adding: {weight: -1}}", "modules.adding.weight: -1 is less than 0."),
        ("modules: {adding: {weight: .nan}}", "its weight is no number"),
        ("modules: {adding: {weight: much}}", '"much" does not belong here. Write a number.'),
        ("modules: {adding: {held: maybe}}", '"maybe" does not belong here. Write true or false.'),
        ("modules: {adding: {skipped: true, chosen: true}}", "it is skipped and chosen"),
        ("modules: {adding: {dew: 2026-10-19}}", "adding.dew: there is no such key. There are: opens"),
        ("modules: [adding]", "Write keys and values"),
        ("milestones: {sums: {allow_hints: true}}", "there is no such key"),
        ("timezone: Berlin", "there is no time zone 'Berlin'. Name one such as Europe/Berlin."),
        ("timezone: ../etc/passwd", "there is no time zone"),
        ("timezone: 7", "7 does not belong here. Write a text."),
        ("modules: {adding: {weight: 1}}\nmodules: {}", "line 2: 'modules' is there twice, first in line 1."),
        ("modules: [", "this is no valid YAML"),
        ("hello", "it must hold keys such as 'modules:'"),
        ("- a", "it must hold keys such as 'modules:'"),
        ("a: &a [*a]", "cannot be read"),
        ("modules: {adding: {weight: 1" + "0" * 400 + "}}", "is more than 1000."),
        ("modules: {adding: {weight: .inf}}", "inf is more than 1000."),
        ("modules: {adding: {weight: !!binary aGk=}}", "does not belong here. Write a number."),
        ("modules: {adding: {held: !!bool maybe}}", "cannot be read"),
        ("modules: {adding: {weight: !!int ''}}", "cannot be read"),
        ("modules: !!python/object/apply:os.system [echo]", "Write keys and values"),
        ("timezone: !!python/name:os.system", "this is no valid YAML"),
        ("modules: \0", "this is no valid YAML: special characters are not allowed."),
        ("? [a, b]\n: c", "line 1: a key must be one word"),
        ("timezone: Europe", "there is no time zone"),
        ("modules: {adding: {due: 2026-10-19, late_per_day: 1.5}}", "late_per_day: 1.5 is more than 1."),
        ("modules: {adding: {due: 2026-10-19, late_per_day: .nan}}", "its late_per_day is no number"),
        ("modules: {adding: {late_per_day: 0.1}}", "it has late_per_day, but no deadline. Add `due`"),
        ("modules: {adding: {late_days: 1.5}}", "1.5 does not belong here. Write a whole number."),
        ("milestones: {sums: {counts: worst}}", '"worst" does not belong here. Write last or best.'),
        ("modules: {adding: {attempts: 0}}", "attempts: 0 is less than 1."),
        ("modules: {adding: {attempts: 2, attempts_per_day: 3}}", "3 attempts on a day, but only 2 at all"),
        ("defaults: {attempts: 2, attempts_per_day: 3}", "line 1: defaults: it allows 3 attempts on a day"),
        ("defaults: {exam_minutes: 60}", "there is no such key"),
        ("modules: {adding: {exam_minutes: 60}}", "an exam, and does not say when it begins. Add `opens`"),
        ("modules: {adding: {opens: 2026-10-19, due: 2026-10-20, exam_minutes: 60}}", "Take `due` away."),
        ("modules: {adding: {opens: 2026-10-19, held: true, exam_minutes: 60}}", "Take `held` away."),
        ("modules: {adding: {opens: 2026-10-19, skipped: true, exam_minutes: 60}}", "skipped and an exam"),
        ("modules: {adding: {opens: 2026-10-19, late_days: 1, exam_minutes: 60}}", "Take late_days away."),
        ("assignments: {counting: {}}", "this is a module. Write it under 'modules'."),
        ("assignments: {milestone-sums: {}}", "this is a milestone. Write it under 'milestones'"),
        ("assignments: {../ps1: {}}", "this is no name for an assignment"),
        ("assignments: {ps1: {allow_hints: true}}", "there is no such key"),
        ("x" * 200_000, "longer than 100,000 characters"),
        ("a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 10}]\n" for n in range(1, 30)),
         "more than 10,000 values"),
    ],
)  # fmt: skip
def test_fault_is_told_in_a_sentence(course, text, sentence):
    with pytest.raises(CalendarError) as caught:
        check(text, course)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("calendar.yml")
    assert str(caught.value).count("calendar.yml") == 1


def test_late_policy_of_the_class_holds_for_everything_that_says_nothing_else(course):
    text = (
        "defaults: {late_per_day: 0.1, late_days: 5, allow_hints: false}\n"
        "modules: {adding: {due: 2026-10-19, late_per_day: 0.5}}\nassignments: {ps1: {due: 2026-10-19}}"
    )
    calendar = loads(dumps(check(text, course)))
    assert calendar.entry("module", "adding").late_per_day == 0.5
    assert calendar.entry("module", "adding").late_days == 5
    for kind, slug in (("module", "counting"), ("milestone", "sums"), ("assignment", "ps1")):
        assert calendar.entry(kind, slug).late_per_day == 0.1


def test_exam_is_due_when_its_time_is_over(course):
    text = "modules: {adding: {opens: 2026-10-19 12:00, exam_minutes: 60}}"
    assert check(text, course).module("adding").due == NOON + HOUR


def test_table_shows_the_rules_of_handing_in(course):
    text = (
        "modules:\n  counting: {due: 2026-10-19, late_grace: 10, late_per_day: 0.125, late_days: 1}\n"
        "  adding: {opens: 2026-10-19, exam_minutes: 45, counts: best}\n"
        "assignments: {ps1: {due: 2026-10-19, late_days: 0, attempts: 9, attempts_per_day: 3}}"
    )
    said = table(check(text, course), course.track(), NOON)
    assert "10 min of grace, late: -12.5% a day, taken for 1 day after" in said
    assert "exam of 45 min, best counts" in said
    assert "not taken late, 9 attempts, 3 a day" in said


def test_publication_of_an_older_classroom_is_read(course):
    older = json.loads(dumps(check("modules: {adding: {held: true}}", course)))
    del older["assignments"], older["modules"]["adding"]["late_grace"]
    assert loads(json.dumps(older)).module("adding").held


def test_every_fault_is_named_at_once(course):
    text = "timezone: Berlin\nmodules:\n  adding: {due: 2026-02-30}\n  nothing: {}\n"
    with pytest.raises(CalendarError) as caught:
        check(text, course)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("entry", "given"),
    [
        (Entry(), "has none for it"),
        (Entry(due=NOON + HOUR), "is given after its deadline: Monday 19 October 2026, 13:00."),
        (Entry(due=NOON - HOUR), None),
        (Entry(due=NOON - HOUR, allow_restore_after_due=False), "Ask your instructor."),
        (Entry(skipped=True), None),
        (Entry(skipped=True, allow_restore_after_due=False), None),
    ],
)
def test_solution_is_given_after_the_deadline_only(entry, given):
    said = entry.restore_refused("adding", NOON)
    assert said is None if given is None else given in said


@pytest.mark.parametrize(
    ("entry", "given"),
    [
        (Entry(), "does not allow"),
        (Entry(allow_catch_up=True), None),
        (Entry(allow_catch_up=True, held=True), "not open yet"),
        (Entry(allow_catch_up=True, opens=NOON + HOUR), "opens on Monday 19 October 2026, 13:00."),
    ],
)
def test_nobody_catches_up_to_what_is_closed(entry, given):
    said = entry.catch_up_refused("adding", NOON)
    assert said is None if given is None else given in said


def test_what_is_published_says_the_same(course):
    text = (
        "timezone: Asia/Kolkata\nmodules: {counting: {opens: 2026-10-19, weight: 0.5}, adding: {held: true}}"
    )
    calendar = check(text, course)
    assert loads(dumps(calendar)) == calendar


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"modules": 1}', '{"modules": {"a": {"due": "x"}}}'])
def test_damaged_publication_is_told(tmp_path, text):
    (tmp_path / "calendar.json").write_text(text)
    with pytest.raises(CalendarError, match="no published calendar"):
        read(tmp_path / "calendar.json")


def test_where_nothing_was_published_everything_is_open(tmp_path):
    assert read(tmp_path / "no" / "calendar.json") == Calendar()


def test_faulty_calendar_leaves_the_last_good_one_in_force(course, folder):
    (folder / SOURCE).write_text("modules: {adding: {held: true}}")
    assert publish(folder, course).module("adding").held
    for text in ("modules: {", "modules: {nothing: {}}"):
        (folder / SOURCE).write_text(text)
        with pytest.raises(CalendarError):
            publish(folder, course)
        assert read(folder / PUBLISHED).module("adding").held
    (folder / SOURCE).unlink()
    with pytest.raises(CalendarError, match="is missing"):
        publish(folder, course)
    assert read(folder / PUBLISHED).module("adding").held


def test_students_can_read_what_is_published(course, folder):
    (folder / SOURCE).write_text("")
    publish(folder, course)
    assert (folder / PUBLISHED).stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (folder / "public").iterdir()] == ["calendar.json"]


def test_command_shows_what_holds(folder, capsys):
    (folder / SOURCE).write_text("timezone: Europe/Berlin\nmodules: {tensor: {due: 2099-10-19 18:00}}")
    assert main(["show"]) == 0
    said = capsys.readouterr().out
    assert "Mon 19 Oct 18:00" in said
    assert "Times are those of Europe/Berlin." in said
    assert main(["state"]) == 0
    assert "The next deadline: tensor, Monday 19 October 2099, 18:00" in capsys.readouterr().out


def test_command_says_what_is_wrong_and_what_holds_meanwhile(folder, capsys):
    (folder / SOURCE).write_text("modules: {tensr: {}}")
    assert main(["show"]) == 1
    said = capsys.readouterr().err
    assert "modules.tensr" in said
    assert "Until it is mended, everything is open and nothing is due." in said
    (folder / SOURCE).write_text("")
    main(["show"])
    (folder / SOURCE).write_text("modules: {tensr: {}}")
    assert main(["state"]) == 0
    assert "stays in force" in capsys.readouterr().out


def test_command_says_that_a_change_is_not_in_force_yet(folder, capsys):
    (folder / SOURCE).write_text("")
    main(["show"])
    (folder / SOURCE).write_text("modules: {tensor: {held: true}}")
    main(["state"])
    assert "was changed" in capsys.readouterr().out


def test_command_checks_a_file_without_changing_anything(folder, tmp_path, capsys):
    path = tmp_path / "new.yml"
    path.write_text("modules: {tensor: {held: true}}")
    assert main(["check", str(path)]) == 0
    path.write_text("modules: {tensor: {hold: true}}")
    assert main(["check", str(path)]) == 1
    assert f"{path}, line 1" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "none.yml")]) == 1
    assert list((folder / "public").iterdir()) == []


def test_table_shows_what_is_skipped_chosen_and_held(folder):
    course = load(HERE / "course.yml")
    text = "modules: {training: {chosen: true}, tensor: {skipped: true}, layers: {held: true}}"
    lines = table(check(text, course), course.track("core"), NOON).splitlines()
    assert lines[1].endswith("skipped")
    assert next(line for line in lines if " training " in line).endswith("chosen")
    assert next(line for line in lines if " layers " in line).endswith("held")


def test_template_is_a_calendar_as_it_stands_and_with_every_line_in_force(capsys):
    course = load(HERE / "course.yml")
    main(["template"])
    text = capsys.readouterr().out
    assert check(text, course).modules == {}
    body = text.split("\n\n", 1)[1]
    uncommented = "\n".join(line.removeprefix("# ") for line in body.splitlines())
    calendar = check(uncommented, course)
    assert calendar.module("tensor").weight == 2
    assert calendar.module("losses").held


def test_schema_and_entry_name_the_same_keys():
    schema = yaml.safe_load(SCHEMA.read_text())
    keys = set(schema["properties"]["modules"]["additionalProperties"]["properties"])
    assert keys == set(vars(Entry()))
    work = set(schema["$defs"]["work"]["properties"])
    assert work == keys - {"chosen", "allow_restore_after_due", "allow_catch_up", "allow_hints"}


def test_reading_the_calendar_in_force_imports_nothing_heavy():
    script = "import sys, course.calendar; print(sorted(sys.modules))"
    said = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=HERE.parent
    )
    for heavy in ("yaml", "jsonschema", "zoneinfo", "numpy", "tempfile"):
        assert f"'{heavy}'" not in said.stdout


def test_calendars_of_a_broken_disk_are_told(tmp_path):
    (tmp_path / "calendar.json").mkdir()
    with pytest.raises(CalendarError, match="cannot be read"):
        read(Path(tmp_path / "calendar.json"))


def test_calendar_may_be_a_link_to_a_file_and_nothing_that_has_no_end(course, folder, tmp_path):
    (tmp_path / "elsewhere.yml").write_text("modules: {adding: {held: true}}")
    source = folder / SOURCE
    source.symlink_to(tmp_path / "elsewhere.yml")
    assert publish(folder, course).module("adding").held
    for target, said in (("/dev/zero", "is no file"), (folder, "is no file"), ("nowhere", "is missing")):
        source.unlink()
        source.symlink_to(target)
        with pytest.raises(CalendarError, match=said):
            publish(folder, course)
    source.unlink()
    os.mkfifo(source)
    with pytest.raises(CalendarError, match="is no file"):
        publish(folder, course)
    assert read(folder / PUBLISHED).module("adding").held
