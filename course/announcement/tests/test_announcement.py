"""What may be announced, until when, and what comes of a damaged file."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from course.announcement import FILE, LONGEST, __main__, read
from course.announcement.wording import WordingError, moment, plain
from course.calendar import Calendar, dumps

NOON = datetime(2026, 10, 12, 12, 0, tzinfo=timezone.utc)  # a Monday; 14:00 in Berlin


@pytest.fixture
def announce(tmp_path, monkeypatch, capsys):
    """Run the command: its exit code, and what it said."""
    (tmp_path / "public").mkdir()
    monkeypatch.setenv("TT_CALENDAR_FOLDER", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str]:
        code = __main__.main(list(arguments))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_it_is_announced_shown_and_taken_back(announce, tmp_path):
    path = tmp_path / "public" / FILE
    assert announce() == (0, "Nothing is announced.\n")
    code, said = announce("--text=The lecture moves\nto room 5 <b>today</b>.")
    assert code == 0
    assert "The lecture moves to room 5 <b>today</b>." in said
    assert read(path, NOON).text == "The lecture moves to room 5 <b>today</b>."
    assert path.stat().st_mode & 0o777 == 0o644, "every student reads it"
    assert "room 5" in announce()[1]
    assert announce("--text=") == (0, "Nothing is announced.\n")
    assert read(path, NOON) is None


def test_the_same_words_again_are_news(announce, tmp_path):
    announce("--text=Break")
    first = read(tmp_path / "public" / FILE, NOON)
    announce("--text=Break")
    assert read(tmp_path / "public" / FILE, NOON).since > first.since


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x" * 10_240, "TEXT has 10,240 characters; at most 500 are shown. Shorten it."),
        ("pay \u202egnp.exe", "(U+202E)"),  # turns the direction of what follows
        ("a\u2066b", "(U+2066)"),
        ("a\x1b[31mb", "(U+001B)"),
        ("a\x00b", "(U+0000)"),
        ("a\udce4b", "(U+DCE4)"),  # how bytes that are no text arrive
    ],
)
def test_bad_text_gets_a_sentence_and_changes_nothing(announce, tmp_path, text, sentence):
    announce("--text=Before")
    code, said = announce(f"--text={text}")
    assert code == 1
    assert sentence in said
    assert read(tmp_path / "public" / FILE, NOON).text == "Before"


@pytest.mark.parametrize(
    "text", ["x" * LONGEST, "שלום, הכיתה", "می‌خواهم", "👩‍💻 -- $(rm) `rm` ${HOME}", '<script>"']
)
def test_honest_text_stays_as_it_is(text):
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("+2h", "2026-10-12T14:00"),
        ("+90m", "2026-10-12T13:30"),
        ("+1d", "2026-10-13T12:00"),
        ("18:30", "2026-10-12T16:30"),
        ("2026-10-12", "2026-10-12T21:59:59"),
        ("2026-10-26 18:00", "2026-10-26T17:00"),  # summer time is over
    ],
)
def test_until_is_the_class_clock(text, until):
    assert moment(text, NOON, "Europe/Berlin") == datetime.fromisoformat(f"{until}+00:00")


@pytest.mark.parametrize(
    "text", ["soon", "+2", "+99999h", "2h", "25:00", "2026-13-01", "18:00:00 x", " ", "0001-01-01"]
)
def test_until_that_is_no_moment_gets_a_sentence(text):
    with pytest.raises(WordingError, match=r"is no moment|is over"):
        moment(text, NOON, "Europe/Berlin")


def test_until_that_is_over_says_what_time_it_is():
    with pytest.raises(WordingError, match=r"is over: it is 2026-10-12 14:00 .*\(Europe/Berlin\)"):
        moment("13:59", NOON, "Europe/Berlin")


def test_it_ends_by_itself(announce, tmp_path):
    (tmp_path / "public" / "calendar.json").write_text(dumps(Calendar("Europe/Berlin")))
    assert "Europe/Berlin" in announce("--text=Break", "--until=+2h")[1]
    found = read(tmp_path / "public" / FILE, datetime.now(timezone.utc))
    assert read(tmp_path / "public" / FILE, found.until - timedelta(seconds=1)) == found
    assert read(tmp_path / "public" / FILE, found.until) is None


def test_until_alone_is_asked_for_its_text(announce):
    assert announce("--until=+2h") == (
        1,
        'UNTIL is there, but no TEXT. Write make announce TEXT="..." UNTIL=...\n',
    )


@pytest.mark.parametrize(
    "kept", ["", "[]", "{}", "\xff", json.dumps({"text": "x", "since": "?", "until": None})]
)
def test_damaged_file_announces_nothing(tmp_path, kept):
    (tmp_path / FILE).write_text(kept, encoding="latin-1")
    assert read(tmp_path / FILE, NOON) is None
