"""The restic repository: each call to restic, and what its failures mean in our words."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backup.places import Places
from backup.problems import Problem

FOLDERS = {"data", "index", "keys", "locks", "snapshots", "tmp"}  # restic's own
INCOMPLETE = 3  # restic's status when some files could not be read

# Beginnings of sentences; each meets what restic, or the system behind it, says.
MEANINGS = (
    (
        "wrong password",
        "The key does not open the backups in {to}. They are another classroom's, or the key is mistyped.",
    ),
    ("no space left", "{to} is full. What was backed up before is whole; make room there."),
    ("disk quota exceeded", "{to} is at its quota. What was backed up before is whole; make room there."),
    ("read-only file system", "{to} is mounted read-only. Mount it so that it can be written."),
    ("permission denied", "{to} cannot be written by root. Change who owns it, or choose another folder."),
    (
        "(contains|were [0-9]+) errors|does not match|invalid data|ciphertext verification|pack .* not found",
        "{to} is damaged. Back up into a new folder, and keep this one until you know what of it reads.",
    ),
)


@dataclass(frozen=True)
class Snapshot:
    """One backup in the repository."""

    id: str
    time: str

    @property
    def short(self) -> str:
        return self.id[:8]

    @property
    def when(self) -> str:
        return self.time[:16].replace("T", " ")

    def __str__(self) -> str:
        return f"{self.short} of {self.when} UTC"


@dataclass(frozen=True)
class Answer:
    """What restic said."""

    text: str
    lines: list[Any]
    said: str


class Repository:
    """A repository in a folder. Its key is in the environment (RESTIC_PASSWORD)."""

    def __init__(self, places: Places) -> None:
        self.folder = places.repository
        self.shown = places.shown
        self._options: list[str] = []

    @property
    def is_there(self) -> bool:
        return (self.folder / "config").is_file()

    @contextmanager
    def locked(self, alone: bool) -> Iterator[None]:
        """Meanwhile no other run of ours works on it; or none that is `alone`.

        The lock ends with its process, however that ends. So whatever locks of restic's own are there when a
        backup is alone are those of a run that was killed, and may be removed.
        """
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
            try:
                fcntl.flock(handle, how | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Another backup or restore is under way; waiting for its end.", flush=True)
                fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)

    def make(self) -> bool:
        """Make the repository where there is none; whether it was made.

        Raises:
            Problem: the folder holds something else.
        """
        if self.is_there:
            return False
        found = {entry.name for entry in self.folder.iterdir()} - {"lost+found"}
        if found - FOLDERS or any(self.folder.glob("snapshots/*")):
            raise Problem(
                f"{self.shown} holds other files and no backup. Give backups a folder of their own."
            )
        for name in found:  # of a start that was killed: nothing can be in it without its `config`
            shutil.rmtree(self.folder / name)
        self.run("init")
        return True

    def need(self) -> None:
        """Raises Problem if there is no repository."""
        if not self.is_there:
            raise Problem(
                f"{self.shown} holds no backup. Name the folder that `make backup` wrote to: FROM=FOLDER."
            )

    def release(self) -> None:
        """Remove what killed runs left; only while nobody else can work on it."""
        self.run("unlock", "--remove-all")

    def identity(self) -> str:
        """The repository's own id."""
        return str(self.run("cat", "config", "--no-lock").lines[0]["id"])

    def snapshots(self) -> list[Snapshot]:
        """All of them, oldest first."""
        listed = self.run("snapshots", "--json", "--no-lock").lines
        found = [Snapshot(each["id"], each["time"]) for each in (listed[0] or [] if listed else [])]
        return sorted(found, key=lambda snapshot: snapshot.time)

    def snapshot(self, wanted: str) -> Snapshot:
        """The newest, or the one whose id begins so.

        Raises:
            Problem: there is none, or more than one.
        """
        known = self.snapshots()
        if not known:
            raise Problem(f"{self.shown} holds no finished backup.")
        if wanted in ("", "latest"):
            return known[-1]
        found = [each for each in known if len(wanted) >= 4 and each.id.startswith(wanted)]
        if len(found) != 1:
            newest = ", ".join(str(each) for each in known[-3:])
            raise Problem(
                f"There is no backup {wanted!r} in {self.shown}. The newest: {newest}. "
                "`make backups` lists all."
            )
        return found[0]

    def run(self, *arguments: str, accept: Sequence[int] = (0,)) -> Answer:
        """Run restic to its end.

        Args:
            accept: exit statuses that are no failure.

        Raises:
            Problem: it failed; in words.
        """
        command = ["restic", "--repo", str(self.folder), "--no-cache", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode not in accept:
            raise Problem(self.meaning(done.stderr))
        return Answer(done.stdout, _json(done.stdout), done.stderr)

    def meaning(self, said: str) -> str:
        """A sentence for what restic wrote when it failed."""
        for pattern, sentence in MEANINGS:
            if re.search(pattern, said, re.IGNORECASE):
                return sentence.format(to=self.shown)
        lines = [line for line in said.splitlines() if line.strip()]
        why = lines[-1] if lines else "it was killed, perhaps for want of memory"
        return f"restic failed at {self.shown}: {why}"


def unread(said: str) -> list[str]:
    """Files that a backup found but could not read.

    Not those that people deleted or replaced while it ran, whatever their names, and however often.
    """
    errors = [line for line in _json(said) if isinstance(line, dict) and line.get("message_type") == "error"]
    named = [str(error.get("item", "")) for error in errors]
    return [name for name in named if os.path.lexists(name) and not _readable(Path(name))]


def _readable(path: Path) -> bool:
    try:
        if path.is_symlink():
            path.readlink()
        elif path.is_dir():
            os.scandir(path).close()
        elif path.is_file():
            with path.open("rb") as file:
                while file.read(2**20):
                    pass
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def pattern(path: Path) -> str:
    """A path as restic takes it for itself: no character of it stands for others."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", str(path))


def _json(text: str) -> list[Any]:
    if text.lstrip().startswith("{") and "\n}" in text:  # `cat` prints one object over many lines
        return [json.loads(text)]
    found = (_json_line(line) for line in text.splitlines())
    return [each for each in found if each is not None]


def _json_line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
