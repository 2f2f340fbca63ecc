"""When a backup is made by itself, and what `make status` says of it."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from backup import record, timer
from backup.record import Record

NOW = 1_800_000_000.0
DAY = 86400.0


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-11-21 02:00", "2026-11-21 03:30"),
        ("2026-11-21 03:30", "2026-11-22 03:30"),
        ("2026-11-21 12:00", "2026-11-22 03:30"),
        ("2026-12-31 23:59", "2027-01-01 03:30"),
    ],
)
def test_a_backup_is_due_at_the_next_such_hour(after: str, expected: str) -> None:
    assert timer.due(moment(after), "03:30") == moment(expected)


@pytest.mark.parametrize(
    ("known", "at", "well", "word"),
    [
        (Record(), "03:30", True, "none yet"),
        (Record(), "", True, "none by itself"),
        (Record(since=NOW - DAY), "03:30", True, "none yet"),
        (Record(since=NOW - 2 * DAY), "03:30", False, "OVERDUE"),
        (Record(good=NOW - 7200), "03:30", True, "2 hours ago"),
        (Record(good=NOW - 3 * DAY), "03:30", False, "OVERDUE"),
        (Record(good=NOW - 3 * DAY), "", True, "3 days ago"),
        (
            Record(good=NOW - DAY, tried=NOW - 60, problem="It is full."),
            "03:30",
            False,
            "FAILED 1 minute ago: It is full.",
        ),
        (Record(tried=NOW - 60, problem="It is full."), "", False, "no good one yet"),
    ],
)
def test_status_says_how_old_the_last_good_one_is_and_what_is_wrong(
    known: Record, at: str, well: bool, word: str
) -> None:
    line, said = record.words(known, "/mnt/backup", at, NOW)
    assert word in line
    assert said is well


def test_a_failure_keeps_the_last_good_one_on_record(tmp_path: Path) -> None:
    file = tmp_path / record.FILE
    record.succeeded(file, "abc")
    record.failed(file, "It is full.")
    known = record.read(file)
    assert (known.repository, known.problem) == ("abc", "It is full.")
    assert known.good
    record.succeeded(file, "abc")
    assert record.read(file).problem is None
    file.write_text('{"other": ')
    assert record.read(file) == Record()


def test_status_exits_with_1_when_a_backup_failed(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "classroom.env").write_text("TT_BACKUP_TO='/mnt/backup'\nTT_BACKUP_AT='03:30'\n")
    record.write(tmp_path / "backup" / record.FILE, Record(good=time.time()))
    ask = [sys.executable, "-m", "backup.record", str(tmp_path)]
    well = subprocess.run(ask, capture_output=True, text=True, check=True)
    assert "/mnt/backup; each day at 03:30 UTC" in well.stdout
    record.failed(tmp_path / "backup" / record.FILE, "It is full.")
    ill = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert ill.returncode == 1
    assert "It is full." in ill.stdout
    assert ill.stderr == ""
