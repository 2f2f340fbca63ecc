"""What comes back into a home goes past whatever the student has put in the way."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backup import students
from backup.places import Places
from backup.problems import Problem

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="homes belong to their students")
ADA, MALLORY = 20001, 20002


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Two homes, and the gate's table of them."""
    places = Places(tmp_path, tmp_path / "own", tmp_path / "repository")
    (tmp_path / "gate").mkdir()
    with closing(sqlite3.connect(tmp_path / "gate" / "students.sqlite")) as table, table:
        table.execute("CREATE TABLE students (uid INTEGER PRIMARY KEY, username TEXT, key TEXT)")
        table.executemany(
            "INSERT INTO students VALUES (?, ?, ?)",
            [(ADA, "ada@example.edu", "ada.1f"), (MALLORY, "mallory", "mallory")],
        )
    for key, uid in (("ada.1f", ADA), ("mallory", MALLORY)):
        (places.homes / key).mkdir(parents=True)
        os.chown(places.homes / key, uid, uid)
    return places


def fetched(places: Places) -> Path:
    """What restic brought back: root's folder, with a file of mallory's."""
    folder = places.homes / ".restoring-1" / "mallory"
    (folder / "course").mkdir(parents=True)
    (folder / "course" / "tensor.ipynb").write_text("mine")
    (folder / "passwd").symlink_to("/etc/passwd")
    return folder


def test_a_name_becomes_the_home_that_the_gate_gave_it(places: Places) -> None:
    assert students.who(places, "ada@example.edu") == ("ada.1f", ADA)
    with pytest.raises(Problem, match="Nobody called 'nobody'"):
        students.who(places, "nobody")


@pytest.mark.parametrize("file", ["/etc/passwd", "../ada.1f/notes", "course/../../x"])
def test_a_file_outside_the_home_is_refused(places: Places, file: str) -> None:
    with pytest.raises(Problem, match="below the student's home"):
        students.restore(places, "mallory", file, "latest")


def test_what_comes_back_is_the_students_and_beside_what_is_there(places: Places) -> None:
    home = places.homes / "mallory"
    (home / "course").mkdir()
    (home / "course" / "tensor.ipynb").write_text("newer")
    folder = fetched(places)
    students._give(folder, MALLORY)
    where = students.place(folder, home, MALLORY)
    new = home / where.split()[0]
    assert (home / "course" / "tensor.ipynb").read_text() == "newer"
    assert (new / "course" / "tensor.ipynb").read_text() == "mine"
    assert {path.lstat().st_uid for path in (new, *new.rglob("*"))} == {MALLORY}
    assert Path("/etc/passwd").stat().st_uid == 0, "a link was followed"


def test_links_and_files_in_the_way_are_never_gone_through(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, target = places.homes / "mallory", places.homes / "ada.1f"
    monkeypatch.setattr(students, "datetime", Still)
    (home / "restored-now").symlink_to(target)
    where = students.place(fetched(places), home, MALLORY)
    assert where.startswith("restored-now-")
    assert list(target.iterdir()) == []
    assert (home / "restored-now").is_symlink()


class Still:
    """A clock that stands still, so that a student can know the name."""

    @staticmethod
    def now(_: object) -> Still:
        return Still()

    def strftime(self, _: str) -> str:
        return "now"


def test_a_home_that_is_a_link_or_anothers_is_left_alone(places: Places) -> None:
    home = places.homes / "mallory"
    home.rmdir()
    home.symlink_to(places.homes / "ada.1f")
    with pytest.raises(Problem, match="is no folder"):
        students.place(fetched(places), home, MALLORY)
    with pytest.raises(Problem, match="does not belong"):
        students.place(places.homes / ".restoring-1" / "mallory", places.homes / "ada.1f", MALLORY)
    assert list((places.homes / "ada.1f").iterdir()) == []


def test_a_home_that_is_gone_comes_back_to_its_place(places: Places) -> None:
    home = places.homes / "mallory"
    home.rmdir()
    students.place(fetched(places), home, MALLORY)
    assert (home / "course" / "tensor.ipynb").read_text() == "mine"
