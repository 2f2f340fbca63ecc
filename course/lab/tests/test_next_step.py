"""Where a student's JupyterLab opens, from the first day to the last module."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from course.calendar import Calendar, Entry, dumps, now
from course.lab.next_step import address
from course.tito import TitoError, places
from course.tito.tests.stand_ins import solve


def opens_on(work) -> str:
    return address(places.find(), work.parent)


def test_it_opens_on_the_module_that_comes_next(tito, work):
    assert opens_on(work) == "lab/tree/course/counting.ipynb"
    assert (work / "counting.ipynb").is_file(), "it is ready, as after `tito start`"
    solve(work, "counting")
    assert opens_on(work) == "lab/tree/course/counting.ipynb", "solved, but not exported"
    assert tito("export", "counting")[0] == 0
    assert opens_on(work) == "lab/tree/course/adding.ipynb"
    assert (work / "adding.ipynb").is_file()


def test_work_is_never_overwritten(work):
    opens_on(work)
    (work / "counting.ipynb").write_text("mine")
    assert opens_on(work) == "lab/tree/course/counting.ipynb"
    assert (work / "counting.ipynb").read_text() == "mine"


def test_what_is_not_open_yet_is_not_opened(work, tmp_path):
    later = Entry(opens=now() + timedelta(days=1))
    (tmp_path / "calendar.json").write_text(dumps(Calendar("UTC", Entry(), {"counting": later})))
    with pytest.raises(TitoError, match="not open yet"):
        opens_on(work)
    assert not (work / "counting.ipynb").exists()


def test_what_the_class_leaves_out_is_passed_over(work, tmp_path):
    skipped = {"counting": Entry(skipped=True)}
    (tmp_path / "calendar.json").write_text(dumps(Calendar("UTC", Entry(), skipped)))
    assert opens_on(work) == "lab/tree/course/adding.ipynb"


def test_damaged_calendar_holds_nobody_up(work, tmp_path):
    (tmp_path / "calendar.json").write_text(json.dumps({"modules": 3}))
    assert opens_on(work) == "lab/tree/course/counting.ipynb"
