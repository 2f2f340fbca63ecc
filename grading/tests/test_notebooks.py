"""What formgrader gets to see of a module: the student's words, the rubric, and nothing that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grading.recorder import notebooks

QUESTION = "Why?\n\nYOUR ANSWER HERE"
RUBRIC = "Why?\n\n### BEGIN SOLUTION\n2 points: because.\n### END SOLUTION"


def cell(kind: str, source: str, role: str = "", id: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"tinytorch": {"role": role, "id": id}, "nbgrader": {"grade_id": id}} if role else {}
    return {"cell_type": kind, "id": id or "text_1", "metadata": metadata, "source": source, **more}


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


OFFICIAL = notebook(
    cell("markdown", "# Adding"),
    cell("code", "def add(x, y): ...", "exercise", "add", outputs=[], execution_count=None),
    cell("code", "assert add(1, 2) == 3", "check", "add-check", outputs=[], execution_count=None),
    cell("markdown", QUESTION, "question", "why"),
)
INSTRUCTOR = notebook(*OFFICIAL["cells"][:3], cell("markdown", RUBRIC, "question", "why"))
STUDENTS = notebook(
    cell("markdown", "# Adding"),
    cell("code", "def add(x, y): return x + y", "exercise", "add", outputs=[{"output_type": "display_data"}]),
    cell("code", "assert True", "check", "add-check"),
    cell("markdown", "Why?\n\nBecause.", "question", "why"),
    cell("code", "print('mine')"),
)


def write(folder: Path, student: str = "ada", **more: Any) -> None:
    notebooks.write(folder, OFFICIAL, INSTRUCTOR, student, "adding", STUDENTS, **more)


def test_a_marker_reads_the_students_words_beside_the_rubric(tmp_path: Path) -> None:
    write(tmp_path, received_at=1_700_000_000.5)
    shown = json.loads((tmp_path / "autograded/ada/adding/adding.ipynb").read_text())
    sources = ["".join(each["source"]) for each in shown["cells"]]
    assert sources[:4] == [
        "# Adding",
        "def add(x, y): return x + y",
        "assert add(1, 2) == 3",  # a locked cell that was changed is shown as it is marked
        "Why?\n\nBecause.",
    ]
    assert "2 points: because." in sources[4]
    assert sources[6:] == ["print('mine')"]
    assert not any(each.get("outputs") for each in shown["cells"])
    assert "because." not in (tmp_path / "release/adding/adding.ipynb").read_text()
    assert (tmp_path / "source/adding/adding.ipynb").exists()
    when = (tmp_path / "submitted/ada/adding/timestamp.txt").read_text()
    assert when == "2023-11-14 22:13:20.500000 UTC\n"


def test_writing_again_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "autograded/ada/adding/adding.ipynb").chmod(0o444)
    write(tmp_path)
    assert [path.name for path in (tmp_path / "autograded/ada/adding").iterdir()] == ["adding.ipynb"]


@pytest.mark.parametrize("place", ["autograded", "autograded/ada", "autograded/ada/adding"])
def test_no_link_that_formgrader_planted_is_followed(tmp_path: Path, place: str) -> None:
    course, outside = tmp_path / "course", tmp_path / "outside"
    outside.mkdir()
    link = course / place
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    with pytest.raises(OSError, match=r"link|directory"):
        write(course)
    assert not list(outside.rglob("*"))


def test_a_link_in_the_place_of_the_notebook_is_replaced(tmp_path: Path) -> None:
    course, secret = tmp_path / "course", tmp_path / "grading.db"
    secret.write_text("marks")
    link = course / "autograded/ada/adding/adding.ipynb"
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)
    write(course)
    assert secret.read_text() == "marks"
    assert not link.is_symlink()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../../etc", "a\x00b", ".hidden", "é" * 200])
def test_a_name_that_is_no_folders_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(notebooks.UnusableNameError):
        write(tmp_path, student=name)


def test_a_monstrous_notebook_is_cut(tmp_path: Path) -> None:
    huge = notebook(
        cell("code", "x" * 10**6, "exercise", "add"), *[cell("code", f"print({n})") for n in range(10**4)]
    )
    shown = notebooks.marked(OFFICIAL, INSTRUCTOR, huge)
    assert len(json.dumps(shown)) < 10**6
    assert "not shown" in shown["cells"][1]["source"]
