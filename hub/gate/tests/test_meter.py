"""What homes take is counted without asking their students, and whatever these do to it."""

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.gate import meter
from hub.gate.meter import LATE, SOON, Count, Meter, count

MIB = 2**20


@pytest.fixture
def srv(tmp_path: Path) -> Path:
    for folder in ("homes/ada", "homes/ben.0123", "gate", "meter"):
        (tmp_path / folder).mkdir(parents=True)
    table = sqlite3.connect(tmp_path / "gate" / "students.sqlite")
    table.execute("CREATE TABLE students (uid INTEGER, username TEXT, key TEXT)")
    people = [(20_000, "ada", "ada"), (20_001, "Ben", "ben.0123"), (20_002, "eve", "eve")]
    table.executemany("INSERT INTO students VALUES (?, ?, ?)", people)
    table.commit()
    table.close()
    return tmp_path


class Clock:
    """Time that passes when it is told to, and while somebody pauses."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which homes were counted, by the names of their folders; the real count all the same."""
    seen: list[str] = []

    def watched(folder: Path) -> Count:
        seen.append(folder.name)
        return count(folder)

    monkeypatch.setattr(meter, "count", watched)
    return seen


def told(srv: Path) -> dict[str, dict[str, int]]:
    homes: dict[str, dict[str, int]] = json.loads((srv / "meter" / "homes.json").read_text())["homes"]
    return homes


def test_each_home_is_counted_under_its_students_name(srv: Path) -> None:
    (srv / "homes" / "ada" / "work").write_bytes(bytes(3 * MIB))
    Meter(srv).turn(pause=lambda seconds: None)
    homes = told(srv)
    assert set(homes) == {"ada", "Ben"}, "who has no home yet is not there"
    assert 3 * MIB <= homes["ada"]["bytes"] < 4 * MIB
    assert homes["ada"]["files"] == 2, "the folder, and the file"
    assert homes["Ben"]["bytes"] < MIB


def test_links_lead_nowhere_and_no_file_counts_twice(srv: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "large").write_bytes(bytes(4 * MIB))
    home = srv / "homes" / "ada"
    (home / "out").symlink_to(outside)
    (home / "up").symlink_to("..")
    (home / "one").write_bytes(bytes(2 * MIB))
    os.link(home / "one", home / "two")
    assert 2 * MIB <= (count(home).bytes or 0) < 3 * MIB


def test_home_that_is_a_link_is_not_counted(srv: Path) -> None:
    (srv / "homes" / "ada").rmdir()
    (srv / "homes" / "ada").symlink_to("/usr")
    Meter(srv).turn(pause=lambda seconds: None)
    assert set(told(srv)) == {"Ben"}


def test_deep_and_oddly_named_folders_are_counted(srv: Path) -> None:
    home = srv / "homes" / "ada"
    here = os.open(home, os.O_RDONLY)
    odd = "\n\t1\t-\xff" * 3
    for _ in range(400):  # longer than any path may be
        os.mkdir(odd, dir_fd=here)
        below = os.open(odd, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    large = os.open("large", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(large, bytes(2 * MIB))
    os.close(large)
    os.close(here)
    found = count(home)
    assert found.files == 402
    assert (found.bytes or 0) >= 2 * MIB


def test_home_that_nobody_can_count_holds_up_no_other(srv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "LONGEST", 0)
    Meter(srv).turn(pause=lambda seconds: None)
    assert told(srv) == {name: {"bytes": None, "files": None} for name in ("ada", "Ben")}


def test_home_that_does_not_change_is_counted_ever_less_often(srv: Path, counted: list[str]) -> None:
    clock = Clock()
    it = Meter(srv, clock)
    for _ in range(24 * 12):  # a day, in steps of five minutes
        it.turn(clock.pass_by)
        clock.pass_by(300)
    assert counted.count("ada") < 24 * 3600 / LATE + 10
    # Whoever comes back is seen within the hour, and then every few minutes.
    for minute in range(120):
        (srv / "homes" / "ada" / f"file {minute}").write_bytes(bytes(4096))
        it.turn(clock.pass_by)
        clock.pass_by(60)
    assert counted.count("ada") >= 24 + 60 * 60 // SOON
    assert counted.count("ben.0123") < 24 * 3600 / LATE + 14


def test_a_thousand_homes_are_counted_at_a_pace(srv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    paused: list[float] = []

    def slow(folder: Path) -> Count:
        clock.pass_by(0.5 if folder.name == "ada" else 50)
        return Count(1, 1)

    monkeypatch.setattr(meter, "count", slow)
    Meter(srv, clock).turn(paused.append)
    assert paused == [10.0, 30.0]


def test_without_a_table_the_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        Meter(tmp_path).turn()
