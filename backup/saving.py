"""One backup: copies of the databases, a snapshot of all files, old ones pruned, the repository verified.

What comes when decides whether a backup taken while people work is one classroom:

1. The list of homes. Whoever has a home has had a uid before, so the table of uids, copied later, knows each
   of them. A home that is made meanwhile is the next backup's: restored without its row, it would be in the
   way of whoever got its uid then.
2. The databases. A submission is forced to disk before its row is written, and never removed while there is a
   row. So every row of the copy finds its file in step 3; a file without a row is nobody's receipt. The other
   way round there would be receipts without submissions. (Only the draft of an exam that is running may be
   replaced in between; the next save brings another.)
3. The files.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from backup import databases, record
from backup.places import CACHES, HALF_WRITTEN, Places
from backup.problems import Problem
from backup.restic import INCOMPLETE, Repository, Snapshot, pattern, unread

EACH = "2d"  # within which every backup is kept, not only a day's last
PARTS = 14  # of the data; one is read back each day, so that all of it is in two weeks
BESIDE = ("", "-wal", "-shm", "-journal")  # a database, and what SQLite keeps beside it


def back_up(places: Places, environment: Mapping[str, str] = os.environ, *, keep_record: bool) -> str:
    """Make a backup; what to tell the admin.

    Args:
        keep_record: whether it is the one that `make status` asks for: in the folder that the settings name.

    Raises:
        Problem: it failed. Former backups are as they were.
    """
    file = places.own / record.FILE
    try:
        repository = Repository(places)
        if keep_record:
            _expect_mounted(repository, record.read(file))
        with repository.locked(alone=True):
            made = repository.make()
            repository.release()
            snapshot = _snapshot(places, repository, environment)
            _prune(repository, environment)
            repository.run("check", f"--read-data-subset={date.today().toordinal() % PARTS + 1}/{PARTS}")
            identity = repository.identity()
    except (Problem, OSError) as error:
        if keep_record:
            record.failed(file, str(error))
        if isinstance(error, Problem):
            raise
        raise Problem(f"The backup failed: {error}.") from error
    if keep_record:
        record.succeeded(file, identity)
    return _told(places, snapshot, made)


def _expect_mounted(repository: Repository, former: record.Record) -> None:
    """Refuse to begin anew in what looks like a disk that is not mounted."""
    if former.repository and not repository.is_there:
        raise Problem(
            f"{repository.shown} holds no backup any more. If it is a disk, mount it and run `make down up`. "
            f"To begin anew there on purpose, delete {record.FILE} in the state folder's `backup`."
        )


def _snapshot(places: Places, repository: Repository, environment: Mapping[str, str]) -> Snapshot:
    students = places.students()
    live = [places.state / path for path in places.databases()]
    try:
        databases.copy_all(places, environment)
        targets = [places.copies, *places.kept(bool(environment.get("TT_POSTGRESQL"))), *students]
        left_out = [str(places.state / HALF_WRITTEN), str(places.state / CACHES)]
        left_out += [pattern(path) + beside for path in live for beside in BESIDE]
        return _stored(repository, targets, left_out, environment.get("TT_NAME", "classroom"))
    finally:
        databases.remove(places)


def _stored(repository: Repository, targets: list[Path], left_out: list[str], name: str) -> Snapshot:
    known = repository.snapshots()
    # Named, since restic looks for one with the same targets: each new student would have all read anew.
    parent = ["--parent", known[-1].id] if known else []
    with tempfile.TemporaryDirectory() as folder:
        lists = {"--files-from-verbatim": map(str, targets), "--exclude-file": left_out}
        options = []
        for option, lines in lists.items():
            file = Path(folder) / option.strip("-")
            file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            options += [option, str(file)]
        answer = repository.run(
            "backup", "--json", "--quiet", "--host", name, *parent, *options, accept=(0, INCOMPLETE)
        )
    missed = unread(answer.said)
    if missed:
        raise Problem(
            f"{len(missed)} files could not be read, the first of them {missed[0]}. The rest is backed up."
        )
    return repository.snapshots()[-1]


def _prune(repository: Repository, environment: Mapping[str, str]) -> None:
    days, weeks = environment["TT_BACKUP_KEEP_DAILY"], environment["TT_BACKUP_KEEP_WEEKLY"]
    keep = ["--keep-within", EACH, "--keep-daily", days, "--keep-weekly", weeks]
    # By nothing: each snapshot's targets differ by the newest students' homes.
    repository.run("forget", "--prune", "--group-by", "", *keep)


def _told(places: Places, snapshot: Snapshot, made: bool) -> str:
    told = f"Backed up into {places.shown}: {snapshot}, verified."
    if made:
        told += (
            "\nThe backups are encrypted. Without their key nobody can restore them on another machine: "
            "`make backup-key` shows it.\nKeep it where this machine's end does not reach it."
        )
    return told
