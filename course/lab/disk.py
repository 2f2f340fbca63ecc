"""How full a student's home is, for the student: how much, where most of it lies, and how to make room.

It is counted in the student's own container, so it shows at once what was deleted, and costs nobody else
anything. It decides nothing: staff go by the meter's count, and what holds a home to its limit is the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

FILLING, FULL = 0.80, 0.95  # shares at which a student is told; hub/disk.py has the same
EVERY, PAUSE = (
    30.0,
    100,
)  # seconds between two counts at least, and how many times as long as the last one took
LONGEST = 60.0  # seconds for one count
LARGE = 2**20  # bytes; what is smaller is not worth a word
NAMED, LONGEST_NAME = 3, 60


@dataclass(frozen=True)
class Limits:
    """Bytes and files of a home; 0 is no limit."""

    disk: int
    files: int

    @staticmethod
    def here() -> Limits:
        """What the hub said."""
        return Limits(*(int(os.environ.get(name) or 0) for name in ("TT_STUDENT_DISK", "TT_STUDENT_FILES")))


@dataclass(frozen=True)
class Count:
    """What a home holds. `large` are files and folders of the two uppermost levels, by path below it."""

    bytes: int
    files: int
    large: dict[str, int]


class Meter:
    """Counts one home, not more often than is cheap."""

    def __init__(self, home: Path, limits: Limits) -> None:
        self._home, self._limits = home, limits
        self._warning = {"level": "", "text": ""}
        self._next = 0.0
        self._one = asyncio.Lock()

    async def warning(self) -> dict[str, str]:
        """What to tell the student; both empty while there is room."""
        async with self._one:
            began = time.monotonic()
            if self._limits.disk and began >= self._next:
                try:
                    self._warning = warning(await count(self._home), self._limits)
                finally:
                    took = time.monotonic() - began
                    self._next = began + took + max(EVERY, PAUSE * took)
            return self._warning


async def count(home: Path) -> Count:
    """Ask `du`: it follows no link, counts each file once, and is a process of its own.

    Raises:
        OSError: it could not be asked, or took too long.
    """
    listed = await _du(home, "--null", "--all", "--max-depth=2", f"--threshold={LARGE}", "--block-size=1")
    large = {}
    for line in filter(None, listed.split(b"\0")):
        size, _, path = line.partition(b"\t")
        large[os.path.relpath(os.fsdecode(path), home)] = int(size)
    total = large.pop(".", 0)
    return Count(total, int((await _du(home, "--summarize", "--inodes")).partition(b"\t")[0] or 0), large)


async def _du(home: Path, *options: str) -> bytes:
    quiet = asyncio.subprocess.DEVNULL  # of what disappears meanwhile, and what may not be read
    process = await asyncio.create_subprocess_exec(
        *("du", "--one-file-system", *options, "--", str(home)), stdout=asyncio.subprocess.PIPE, stderr=quiet
    )
    try:
        answer, _ = await asyncio.wait_for(process.communicate(), LONGEST)
    except asyncio.TimeoutError as error:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            process.kill()
        raise OSError(f"{home} was not counted in {LONGEST:.0f} seconds") from error
    return answer


def warning(found: Count, limits: Limits) -> dict[str, str]:
    """A level that tells one warning from another, and its text."""
    by_size, by_files = found.bytes / limits.disk, found.files / limits.files
    share = max(by_size, by_files)
    if share < FILLING:
        return {"level": "", "text": ""}
    if by_files > by_size:
        says = f"You have {found.files:,} of {limits.files:,} files"
    else:
        says = f"Your files take {_gigabytes(found.bytes)} of {_gigabytes(limits.disk)} GB"
    says += ": hardly any room is left, and soon nothing can be saved." if share >= FULL else "."
    largest = _largest(found.large)
    if largest:
        says += f" Most of it: {', '.join(largest)}."
    says += " To make room, delete in the file browser what you no longer need, or `rm -r` it in a terminal."
    return {"level": "full" if share >= FULL else "filling", "text": says}


def _largest(large: dict[str, int]) -> list[str]:
    """The files and folders that most would be gained by deleting, without those that are in them."""
    own = dict(large)
    for path, size in large.items():
        if (parent := str(Path(path).parent)) in own:
            own[parent] -= size
    first = sorted((path for path in own if own[path] >= LARGE), key=lambda path: -own[path])[:NAMED]
    return [f"{_name(path)} ({_gigabytes(own[path])} GB)" for path in first]


def _name(path: str) -> str:
    shown = "".join(sign if sign.isprintable() else "?" for sign in f"~/{path}")
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:LONGEST_NAME]}..."


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f}" if size >= 2**30 / 10 else f"{size / 2**30:.2f}"
