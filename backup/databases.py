"""Copies of databases while people work: SQLite's by its own online backup, PostgreSQL's by pg_dump.

SQLite keeps locks and recent changes in files beside a database, which whoever opens it may have to make.
So each is copied by a process with the uid of its owner: what is left beside it, even by one that was
killed, is the owner's, and the service goes on.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

from backup.places import Places
from backup.problems import Problem

FORK = multiprocessing.get_context("fork")
BUSY_SECONDS = 60
COPY_SECONDS = 1800
POSTGRESQL = {"grading": "TT_POSTGRESQL_PASSWORD", "gradebook": "TT_GRADEBOOK_PASSWORD"}  # in this order
PG_DUMP = Path("/usr/lib/postgresql")  # /usr/bin/pg_dump is a script of Debian's that needs Perl


def copy_all(places: Places, environment: Mapping[str, str]) -> None:
    """Copy every database that the classroom has into places.copies.

    Raises:
        Problem: one cannot be copied, or is damaged.
    """
    remove(places)
    places.copies.mkdir(parents=True, mode=0o711)
    if environment.get("TT_POSTGRESQL"):
        _dump(places, environment)
    databases = places.databases()
    need = sum((places.state / path).stat().st_size for path in databases)
    free = shutil.disk_usage(places.own).free
    if free < need:
        raise Problem(
            f"Copies of the databases, which come first, take {need:,} bytes, but the disk of "
            f"the state folder has {free:,} left. Make room there."
        )
    for path in databases:
        _copy_as_owner(places, path)


def remove(places: Places) -> None:
    """Take the copies away: they are in the repository, or of an attempt that was ended."""
    shutil.rmtree(places.copies, ignore_errors=True)


def _folder(places: Places, path: Path) -> Path:
    """A folder among the copies, as private as the one that it stands for."""
    folder = places.copies
    for part in path.parts:
        folder = folder / part
        if not folder.exists():
            like = (places.state / folder.relative_to(places.copies)).stat()
            folder.mkdir(mode=0o700)
            os.chown(folder, like.st_uid, like.st_gid)
    return folder


def _copy_as_owner(places: Places, path: Path) -> None:
    source = places.live / path
    target = _folder(places, path.parent) / path.name
    heard, told = FORK.Pipe(duplex=False)
    copying = FORK.Process(target=copy_as_owner, args=(source, target, told))
    copying.start()
    copying.join(COPY_SECONDS)
    if copying.is_alive():
        copying.kill()
        raise Problem(f"{path} could not be copied within {COPY_SECONDS} seconds: somebody keeps it locked.")
    why = heard.recv() if heard.poll() else "the process was killed, perhaps for want of memory."
    if why:
        raise Problem(f"{path} could not be copied: {why}")


def copy_as_owner(source: Path, target: Path, told: Connection) -> None:
    """Become the owner of a database and copy it; says why not, or nothing. Only in a process made for it."""
    owner = source.stat()
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
    try:
        copy(source, target)
    except (sqlite3.Error, OSError) as error:
        told.send(str(error))
    else:
        told.send("")


def copy(source: Path, target: Path) -> None:
    """Copy one SQLite database as it is at one moment, whoever writes meanwhile, and see whether it is whole.

    Raises:
        sqlite3.Error: it cannot be read or written, or is damaged.
    """
    target.touch(mode=source.stat().st_mode & 0o777)
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as live,
        closing(sqlite3.connect(target)) as kept,
    ):
        kept.execute("PRAGMA synchronous = OFF")  # it is a copy; restic makes it last
        live.backup(kept)
        kept.execute("PRAGMA journal_mode = DELETE")  # one file; the services choose again when they open it
        found = kept.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"it is damaged ({found}). An earlier backup may have it whole.")


def _dump(places: Places, environment: Mapping[str, str]) -> None:
    """Dump both databases to where PostgreSQL's first start looks for them (images/postgresql/start.sh)."""
    programs = sorted(PG_DUMP.glob("*/bin/pg_dump"))
    like = (places.state / "postgresql").stat()
    folder = _folder(places, Path("postgresql")) / "restore"
    folder.mkdir(mode=0o700)
    os.chown(folder, like.st_uid, like.st_gid)
    for name, password in POSTGRESQL.items():
        file = folder / f"{name}.sql"
        socket = places.state / "run" / "postgresql"
        command = [
            str(programs[-1]),
            "--host",
            str(socket),
            "--username",
            name,
            "--dbname",
            name,
            "--file",
            str(file),
        ]
        done = subprocess.run(  # noqa: S603
            command,
            env={"PGPASSWORD": environment.get(password, ""), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=COPY_SECONDS,
            check=False,
        )
        if done.returncode:
            why = " ".join(done.stderr.split())
            raise Problem(
                f"PostgreSQL's database '{name}' could not be copied ({why}). "
                "`make status` says whether it runs."
            )
        file.chmod(0o600)  # first: what is another's, the service's root may not change
        os.chown(file, like.st_uid, like.st_gid)
