"""Databases are copied whole while somebody writes, and nothing of a copy gets in the services' way."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from backup import databases
from backup.places import Places
from backup.problems import Problem

SERVICE = 1003  # the uid of a service that owns a database
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="copies as the databases' owners")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A state folder with the services' databases, and beside them what is none."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(
                folder.stat().st_mode | 0o711
            )  # pytest's own folders, which the services pass through
    state = tmp_path / "state"
    for name in (
        "hub/jupyterhub.sqlite",
        "hub/accounts.sqlite",
        "gate/students.sqlite",
        "grading/grading.db",
    ):
        database(state / name)
    database(state / "grading" / "nbgrader" / "gradebook.db")
    database(state / "homes" / "ada" / "own.db")
    database(state / "grading" / "nbgrader" / "submitted" / "ada" / "own.db")
    (state / "hub" / "empty.db").touch()
    (state / "hub" / "notes.db").write_text("not a database")
    (state / "hub" / "link.db").symlink_to("accounts.sqlite")
    (tmp_path / "own").mkdir(mode=0o711)
    return Places(state, tmp_path / "own", tmp_path / "repository", live=state)


def database(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE pairs (a INTEGER, b INTEGER)")


def test_every_database_of_the_services_is_found_and_the_queues_comes_first(places: Places) -> None:
    found = [str(path) for path in places.databases()]
    assert found[0] == "grading/grading.db"
    assert found[1:] == [
        "gate/students.sqlite",
        "grading/nbgrader/gradebook.db",
        "hub/accounts.sqlite",
        "hub/jupyterhub.sqlite",
    ]


def test_a_copy_taken_while_somebody_writes_is_of_one_moment(places: Places) -> None:
    file = places.state / "grading" / "grading.db"
    begun, stop = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                connection.execute("BEGIN")
                connection.execute("INSERT INTO pairs VALUES (?, 0)", [number])
                connection.execute("UPDATE pairs SET b = a WHERE a = ?", [number])
                connection.execute("COMMIT")
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(60)
        counts = []
        for number in range(5):
            target = places.own / f"{number}.db"
            databases.copy(file, target)
            with closing(sqlite3.connect(target)) as kept:
                assert kept.execute("SELECT count(*) FROM pairs WHERE a != b").fetchone() == (0,)
                counts += kept.execute("SELECT count(*) FROM pairs").fetchone()
            assert [each.name for each in places.own.glob(f"{number}.db*")] == [target.name]
    finally:
        stop.set()
        writer.join()
    assert counts == sorted(counts)
    assert counts[0] > 0


@as_root
def test_what_a_copy_leaves_beside_a_database_belongs_to_its_owner(places: Places) -> None:
    folder = places.state / "grading"
    for path in (folder, *folder.rglob("*")):
        os.chown(path, SERVICE, SERVICE)
    databases.copy_all(places, {})
    copy = places.copies / "grading" / "grading.db"
    assert (copy.stat().st_uid, copy.parent.stat().st_uid) == (SERVICE, SERVICE)
    assert {path.stat().st_uid for path in folder.glob("grading.db*")} == {SERVICE}
    databases.remove(places)
    assert not places.copies.exists()


@as_root
def test_a_copy_that_is_killed_leaves_the_service_at_work(places: Places) -> None:
    folder = places.state / "grading"
    file = folder / "grading.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany("INSERT INTO pairs VALUES (?, ?)", ((n, n) for n in range(300_000)))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, SERVICE, SERVICE)
    target = places.own / "killed.db"
    places.own.chmod(0o777)
    copying = databases.FORK.Process(target=databases.copy_as_owner, args=(file, target, None))
    copying.start()
    while not (folder / "grading.db-shm").exists() and copying.is_alive():
        time.sleep(0.0005)
    copying.kill()
    copying.join()
    assert {path.stat().st_uid for path in folder.glob("grading.db*")} == {SERVICE}
    writing = databases.FORK.Process(target=write_as_service, args=(file,))
    writing.start()
    writing.join()
    assert writing.exitcode == 0


def write_as_service(file: Path) -> None:
    os.setgid(SERVICE)
    os.setuid(SERVICE)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO pairs VALUES (0, 0)")


@as_root
def test_a_damaged_database_is_named(places: Places) -> None:
    file = places.state / "hub" / "accounts.sqlite"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany("INSERT INTO pairs VALUES (?, ?)", ((n, n) for n in range(5000)))
        connection.execute("CREATE INDEX by_a ON pairs (a)")
    with file.open("r+b") as raw:
        raw.seek(8192)
        raw.write(b"\xff" * 4096)
    with pytest.raises(Problem, match=r"hub/accounts\.sqlite could not be copied: .*(damaged|malformed)"):
        databases.copy_all(places, {})
