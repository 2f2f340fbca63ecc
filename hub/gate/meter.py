"""What each home takes of the disk: `python -m hub.gate.meter`, a service of its own.

A student's own server counts too, for the student; this is the count that does not ask the student. It may
read every home, so it can do nothing else: no network, no engine, homes read-only. Counting is left to `du`,
which follows no link, is at home in any tree that a student may grow, and is ended where it takes too long.

A home is counted again after some minutes while it changes, and ever less often while it does not. After each
count there is a pause that is many times as long: homes without number take a twentieth of one CPU at most.
"""

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

SOON, LATE = 300.0, 3600.0  # seconds until a home is counted again: where it changes, where it does not
LONGEST = 60  # seconds for one home; what takes longer has more files than anybody needs
PAUSE, LONGEST_PAUSE = 20, 30.0  # times as long as the count, but no more seconds than that
TURN = 10.0  # seconds between two looks at what is due; what was counted is told as often


@dataclass(frozen=True)
class Count:
    """What a home holds; None where it could not be counted in time."""

    bytes: int | None
    files: int | None


@dataclass
class Home:
    """One home: what it held last, and when it is counted again (by the clock that never goes back)."""

    count: Count
    due: float
    interval: float = SOON


class Meter:
    """Counts the homes of `srv` in turn."""

    def __init__(self, srv: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._srv, self._clock = srv, clock
        self._homes: dict[str, Home] = {}

    def turn(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Write down what all hold, count what is due, and write that down."""
        students = self._students()
        for gone in self._homes.keys() - students:
            del self._homes[gone]
        self._tell()
        for username, key in students.items():
            before = self._homes.get(username)
            began = self._clock()
            if before and before.due > began:
                continue
            folder = self._srv / "homes" / key
            if not folder.is_dir() or folder.is_symlink():
                continue
            found = count(folder)
            interval = min(2 * before.interval, LATE) if before and before.count == found else SOON
            self._homes[username] = Home(found, self._clock() + interval, interval)
            self._tell()
            pause(min(PAUSE * (self._clock() - began), LONGEST_PAUSE))

    def _students(self) -> dict[str, str]:
        """Whose home is called what, by the gate's table."""
        table = self._srv / "gate" / "students.sqlite"
        with closing(sqlite3.connect(f"file:{table}?mode=ro", uri=True)) as gate:
            return dict(gate.execute("SELECT username, key FROM students"))

    def _tell(self) -> None:
        """For the hub: a file that is there whole or not at all."""
        disk = os.statvfs(self._srv / "homes")
        told = {
            "size": disk.f_blocks * disk.f_frsize,
            "free": disk.f_bavail * disk.f_frsize,
            "homes": {username: asdict(home.count) for username, home in self._homes.items()},
        }
        draft = self._srv / "meter" / ".homes.json"
        draft.write_text(json.dumps(told))
        draft.rename(draft.with_name("homes.json"))


def count(folder: Path) -> Count:
    """What `folder` takes of the disk, with all in it: as `du` counts, each file once, others' mounts not."""
    return Count(_du(folder, "--block-size=1"), _du(folder, "--inodes"))


def _du(folder: Path, what: str) -> int | None:
    command = ["du", "--summarize", "--one-file-system", what, "--", str(folder)]
    try:
        # What disappears meanwhile is complained of, and no matter.
        done = subprocess.run(  # noqa: S603 - the folder comes after `--`, and no shell reads it
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    number = done.stdout.split(b"\t")[0]
    return int(number) if number.isdigit() else None


def main() -> None:
    """Count until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    meter = Meter(Path("/srv"))
    while True:
        try:
            meter.turn()
        except (OSError, sqlite3.Error) as error:  # a full disk, or a gate that has not begun
            logging.warning("meter: nothing was counted this time: %s", error)
        time.sleep(TURN)


if __name__ == "__main__":
    main()
