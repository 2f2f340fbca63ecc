"""Each order through the course, as a student goes it: from the first module to the last, with all marks.

What the student types is `tito`; the notebooks are run as a kernel runs them; marks come from the real grading service
and go into nbgrader's gradebook. Needs no engine and no deployed classroom.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from course import manifest as manifests
from course.builder.build import build
from course.manifest import HERE, Module
from course.tests import playing

TRACKS = sorted(manifests.load(HERE / "course.yml").tracks)
PATIENCE = 120  # seconds for a mark to be in the gradebook


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """Every track, built."""
    return {track: build(HERE, track, tmp_path_factory.mktemp("built")).folder for track in TRACKS}


@contextmanager
def classroom(built: Path, folder: Path) -> Iterator[str]:
    """A small classroom; the address of its grading service."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.small_classroom", built, folder],
        cwd=HERE.parent, stdout=subprocess.PIPE, stderr=(folder.parent / "classroom.log").open("ab"), text=True,
    )  # fmt: skip
    try:
        assert server.stdout
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


class Student:
    """A student with a folder."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.work = home / name
        self.work.mkdir(parents=True)

    def enter(self, course: Path, address: str) -> None:
        """Sit down in a classroom, as the student image of a track gives it."""
        self.course = course
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TT_")},
            "PYTHONPATH": str(HERE.parent),
            "TT_COURSE": str(course),
            "TT_WORK": str(self.work),
            "TT_GRADING_URL": address,
            "JUPYTERHUB_API_TOKEN": f"token-{self.name}",
            "COLUMNS": "200",
        }

    def tito(self, *arguments: str) -> str:
        """What tito says; it must succeed."""
        ended = subprocess.run(
            [sys.executable, "-m", "course.tito.cli", *arguments],
            cwd=self.work, env=self.environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, f"tito {' '.join(arguments)}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def work_through(self, slug: str) -> None:
        """Get a module, solve it, run it from top to bottom, export it and hand it in."""
        self.tito("start", slug)
        notebook = self.work / f"{slug}.ipynb"
        playing.fill_in(notebook, self.course / "instructor" / notebook.name)
        playing.run(notebook)
        self.tito("test", slug)
        self.tito("export", slug)
        self.tito("submit", slug)

    def marks(self) -> dict[str, float]:
        """The marks that the student has seen."""
        seen = json.loads((self.work / ".tito" / "marks.json").read_text())
        return {mark["slug"]: mark["score"] for mark in seen.values()}

    def files(self) -> dict[str, bytes]:
        """Everything in the student's folder."""
        return {str(path): path.read_bytes() for path in self.work.rglob("*") if path.is_file()}


def modules(track: str) -> list[Module]:
    """The modules of a track that are there, in its order."""
    steps = manifests.load(HERE / "course.yml").track(track).steps
    return [step.module for step in steps if step.module.available]


def in_gradebook(folder: Path) -> list[tuple]:
    """Every grade in nbgrader's gradebook: student, assignment, cell, points, most points."""
    with closing(sqlite3.connect(folder / "nbgrader" / "gradebook.db")) as book:
        return sorted(
            book.execute(
                """select submitted_assignment.student_id, notebook.name, base_cell.name, grade.id,
                          grade.auto_score, grade.manual_score, grade_cells.max_score
                   from grade join base_cell on base_cell.id = grade.cell_id
                   join grade_cells on grade_cells.id = base_cell.id
                   join notebook on notebook.id = base_cell.notebook_id
                   join submitted_notebook on submitted_notebook.id = grade.notebook_id
                   join submitted_assignment on submitted_assignment.id = submitted_notebook.assignment_id"""
            ),
            key=str,
        )


def sums(folder: Path) -> dict[tuple[str, str], float]:
    """Automatic points by student and module."""
    found: dict[tuple[str, str], float] = {}
    for student, module, _, _, points, *_ in in_gradebook(folder):
        found[student, module] = found.get((student, module), 0.0) + (points or 0.0)
    return found


def await_sums(folder: Path, wanted: dict[tuple[str, str], float]) -> None:
    """The recorder writes a moment after the mark is seen."""
    late = time.monotonic() + PATIENCE
    while sums(folder) != wanted and time.monotonic() < late:
        time.sleep(0.3)
    assert sums(folder) == wanted


@pytest.mark.parametrize("track", TRACKS)
def test_student_goes_the_whole_way_with_all_points_and_an_idle_one_gets_none(track, built, tmp_path):
    ann, bob = Student("ann", tmp_path), Student("bob", tmp_path)
    with classroom(built[track], tmp_path / "classroom") as address:
        for student in (ann, bob):
            student.enter(built[track], address)
        for module in modules(track):
            if module.slug not in optional(track):
                assert ann.tito("start").startswith(f"{module.slug}.ipynb"), (
                    "the next one, without being named"
                )
            ann.work_through(module.slug)
            bob.tito("start", module.slug)
            bob.tito("export", module.slug)
            bob.tito("submit", module.slug)
        assert ann.marks() == {module.slug: module.points for module in modules(track)}
        assert set(bob.marks().values()) == {0.0}
        await_sums(
            tmp_path / "classroom",
            {("ann", m.slug): float(m.points) for m in modules(track)}
            | {("bob", m.slug): 0.0 for m in modules(track)},
        )


def optional(track: str) -> set[str]:
    """The modules that `tito start` steps over."""
    steps = manifests.load(HERE / "course.yml").track(track).steps
    return {step.module.slug for step in steps if step.optional}


def test_another_track_in_the_middle_of_a_course_moves_no_work_and_no_mark(built, tmp_path):
    ann, folder = Student("ann", tmp_path), tmp_path / "classroom"
    first, second = "discovery", "core"
    points = {m.slug: float(m.points) for m in modules(first)[:3]}
    with classroom(built[first], folder) as address:
        ann.enter(built[first], address)
        for slug in points:
            ann.work_through(slug)
        exercise, other = list(json.loads((built[first] / "student" / "hints.json").read_text()))[:2]
        ann.tito("hint", exercise)
        await_sums(folder, {("ann", slug): most for slug, most in points.items()})
    work, grades = ann.files(), in_gradebook(folder)
    with classroom(built[second], folder) as address:
        ann.enter(built[second], address)
        for slug in points:
            assert "stays as it is" in ann.tito("start", slug)
        assert ann.files() == work
        assert "layers" in ann.tito("status").splitlines()[-1]
        ann.tito("mark")
        assert (ann.marks(), in_gradebook(folder)) == (points, grades)
        assert "hint 2 of" in ann.tito("hint", exercise)
        assert "hint 1 of" in ann.tito("hint", other)
        ann.tito("export", "tensor")
        ann.tito("submit", "tensor")
        ann.work_through("layers")
        await_sums(folder, {("ann", slug): most for slug, most in [*points.items(), ("layers", 18.0)]})
    assert [grade for grade in in_gradebook(folder) if grade[1] in points] == grades
    after = ann.files()
    changed = {name for name, was in work.items() if after.get(name) != was}
    assert {Path(name).parent.name for name in changed} <= {".tito"}, changed
