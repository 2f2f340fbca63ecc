"""One student's home, or one file of it, comes back: into a new folder in the home, beside what is there.

The home is the student's, who may have put anything into it, and may be changing it at this moment: a link to
somebody else's home, or to /etc, where we are about to write. So nothing is ever written *into* the home. The
files are restored into a folder of root's that no student's container sees, given to the student there, and
moved in by one rename, through the home's own descriptor, which follows no link.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

from backup.places import UNFINISHED, Places
from backup.problems import Problem
from backup.restic import Repository, Snapshot, pattern

TRIES = 5  # at a name for the new folder; the student may have taken it


def restore(places: Places, user: str, file: str, wanted: str) -> str:
    """Bring a home or one file or folder of it back; what to tell the admin.

    Raises:
        Problem: no such student, file or backup, or no room; nothing is changed.
    """
    key, uid = who(places, user)
    below = _below(file)
    repository = Repository(places)
    with repository.locked(alone=True):
        for left in places.homes.glob(f"{UNFINISHED}-*"):  # by a restore that was killed
            shutil.rmtree(left)
        snapshot = repository.snapshot(wanted)
        source = places.homes / key / below
        _expect(
            places, repository, snapshot, source, f"{user} had no {file}" if file else f"{user} had no home"
        )
        scratch = places.homes / f"{UNFINISHED}-{secrets.token_hex(8)}"
        scratch.mkdir(mode=0o700)
        try:
            repository.run(
                "restore", "--no-lock", snapshot.id, "--target", str(scratch), "--include", pattern(source)
            )
            found = scratch / (places.homes / key).relative_to("/")
            _give(found, uid)
            where = place(found, places.homes / key, uid)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    what = file or "the home"
    return f"Restored {what} of {user} from {snapshot}: it is in {where}. What was there is as it was."


def who(places: Places, user: str) -> tuple[str, int]:
    """A student's folder and uid, from the gate's table, which outlives the home."""
    table = places.state / "gate" / "students.sqlite"
    try:
        with closing(sqlite3.connect(f"{table.as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT key, uid FROM students WHERE username = ?", [user]).fetchall()
    except sqlite3.Error as error:
        raise Problem(
            f"The table of students cannot be read ({error}). Is there a classroom? `make deploy` makes one."
        ) from None
    if not rows:
        raise Problem(
            f"Nobody called {user!r} has a home here. Write the name as it is at sign-in: USER=ada."
        )
    return str(rows[0][0]), int(rows[0][1])


def place(found: Path, home: Path, uid: int) -> str:
    """Move a folder into a home under a new name, or to the home's place if that is gone; where it is now.

    Args:
        found: a folder on the same disk that nobody else can reach.
    """
    if not os.path.lexists(home):
        found.rename(home)
        return f"homes/{home.name}"
    try:
        handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise Problem(
            f"homes/{home.name} is no folder ({error.strerror}). Look at it before anything is restored."
        ) from None
    try:
        if os.fstat(handle).st_uid != uid:
            raise Problem(
                f"homes/{home.name} does not belong to uid {uid}. Look at it before anything is restored."
            )
        name = "restored-" + datetime.now(timezone.utc).strftime("%Y-%m-%d-%H%M%S")
        for attempt in range(TRIES):
            new = name if attempt == 0 else f"{name}-{secrets.token_hex(4)}"
            try:
                # In the place of a link or a file this fails; it never goes through one.
                os.rename(found, new, dst_dir_fd=handle)
            except OSError as error:
                last = error
            else:
                return f"{new} in the home"
        raise Problem(f"homes/{home.name} takes nothing in ({last.strerror}).")
    finally:
        os.close(handle)


def _below(file: str) -> PurePosixPath:
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\0" in file:
        raise Problem(
            f"FILE is {file!r}. Write a path below the student's home, like FILE=course/tensor.ipynb."
        )
    return path


def _expect(places: Places, repository: Repository, snapshot: Snapshot, source: Path, not_there: str) -> None:
    listed = repository.run("ls", "--no-lock", "--json", "--recursive", snapshot.id, str(source)).lines
    nodes = [each for each in listed if each.get("struct_type") == "node"]
    inside = [each for each in nodes if Path(each["path"]).is_relative_to(source)]
    if not inside:
        raise Problem(f"{not_there} in {snapshot}. `make backups` lists other backups: AT=ID.")
    need, free = sum(each.get("size") or 0 for each in inside), shutil.disk_usage(places.homes).free
    if free < need:
        raise Problem(
            f"That takes {need:,} bytes, but the disk of the homes has {free:,} left. Make room there."
        )


def _give(folder: Path, uid: int) -> None:
    """To the student, all of it; links themselves, never what they point to."""
    os.lchown(folder, uid, uid)
    for where, folders, files in os.walk(folder):
        for name in folders + files:
            os.lchown(Path(where) / name, uid, uid)
    folder.chmod(0o700)
