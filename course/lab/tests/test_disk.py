"""A student hears of a full home in time, in words that help, at a cost that nobody feels."""

from __future__ import annotations

import os

import pytest

from course.lab import disk
from course.lab.disk import Count, Limits, Meter, count, warning

GIB, MIB = 2**30, 2**20
LIMITS = Limits(2 * GIB, 262_144)


def told(used: float, files: int = 100, **large: float) -> dict[str, str]:
    sizes = {path: int(size * GIB) for path, size in large.items()}
    return warning(Count(int(used * GIB), files, sizes), LIMITS)


def test_student_with_room_is_not_disturbed():
    assert told(1.59, **{"course": 1.5}) == {"level": "", "text": ""}


def test_student_is_told_at_80_and_95_percent_where_most_of_it_lies():
    found = told(1.7, **{"course": 1.3, "course/data": 1.25, ".cache": 0.3, ".cache/pip": 0.3, "a": 0.01})
    assert found["level"] == "filling"
    assert found["text"] == (
        "Your files take 1.7 of 2.0 GB. Most of it: ~/course/data (1.2 GB), ~/.cache/pip (0.3 GB), "
        "~/course (0.05 GB). To make room, delete in the file browser what you no longer need, "
        "or `rm -r` it in a terminal."
    )
    full = told(1.95)
    assert full["level"] == "full"
    assert full["text"].startswith(
        "Your files take 1.9 of 2.0 GB: hardly any room is left, and soon nothing can be saved. To make room"
    )


def test_too_many_files_are_told_as_such():
    assert told(0.1, 210_000)["text"].startswith("You have 210,000 of 262,144 files. To make room")


def test_odd_names_are_shown_harmlessly():
    text = told(1.9, **{"a\n\u202e\udcff" + "b" * 200: 1.8})["text"]
    assert "~/a???bbb" in text
    assert len(text) < 400
    assert text.isprintable()


async def test_home_is_counted_without_following_links(tmp_path):
    home = tmp_path / "home"
    (home / "course" / "data").mkdir(parents=True)
    (home / "course" / "data" / "large.npy").write_bytes(bytes(5 * MIB))
    (home / "own\nnotes.bin").write_bytes(bytes(2 * MIB))
    os.link(home / "own\nnotes.bin", home / "course" / "again")
    (tmp_path / "outside").write_bytes(bytes(9 * MIB))
    (home / "link").symlink_to(tmp_path)
    found = await count(home)
    assert 7 * MIB <= found.bytes < 8 * MIB
    assert found.files == 6
    assert {"course", "course/data"} <= set(found.large)
    assert "course/data/large.npy" not in found.large, "two levels are enough to say where it lies"
    assert not any("outside" in path for path in found.large)


async def test_empty_home_is_empty(tmp_path):
    found = await count(tmp_path)
    assert (found.bytes, found.files, found.large) == (0, 1, {})


async def test_a_home_is_not_counted_more_often_than_is_cheap(tmp_path, monkeypatch):
    asked = []

    async def watched(home):
        asked.append(home)
        return Count(2 * GIB, 1, {})

    monkeypatch.setattr(disk, "count", watched)
    meter = Meter(tmp_path, LIMITS)
    assert [(await meter.warning())["level"] for _ in range(20)] == ["full"] * 20
    assert len(asked) == 1


async def test_without_a_limit_nothing_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "count", None)
    assert await Meter(tmp_path, Limits(0, 0)).warning() == {"level": "", "text": ""}


async def test_count_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "LONGEST", 0)
    with pytest.raises(OSError, match="was not counted"):
        await Meter(tmp_path, LIMITS).warning()
