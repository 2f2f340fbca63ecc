"""Backup and restore: the drill with a whole classroom, one student's files, faults on the way, and bad input."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backup.places import Places
from grading.tests import postgresql
from tests.classroom import REPOSITORY, SETTINGS, Classroom, Student, make, run, undeploy, wait_for
from tests.submissions import notebook, right
from tests.test_bad_input import refused

# All that the service's root may, by docker-compose.yml.
MAY = "-all,+chown,+dac_override,+setgid,+setuid"
COPY = """
import pathlib, sys
from backup import databases, places
databases.copy_all(places.Places(*map(pathlib.Path, sys.argv[1:])), {"TT_POSTGRESQL": "yes"})
"""
RECEIPTS = "SELECT s.id, s.student, s.sha256, r.score, r.max_score, r.checks FROM submissions s JOIN results r ON r.submission = s.id"


@pytest.fixture(scope="module")
def folder(classroom: Classroom) -> Iterator[Path]:
    """Where this classroom's backups go; what the tests wrote there goes with them."""
    place = Path(classroom.environment["TT_BACKUP_TO"])
    _forget(classroom, place)  # what a run that was ended left
    yield place
    _forget(classroom, place)


def _forget(classroom: Classroom, folder: Path) -> None:
    _empty(folder)
    (classroom.state / "backup" / "record.json").unlink(missing_ok=True)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@pytest.fixture(scope="module")
def key(classroom: Classroom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key, as an admin keeps it elsewhere."""
    answer = make("backup-key")
    assert answer.returncode == 0, answer.stderr
    file = tmp_path_factory.mktemp("elsewhere") / "key"
    file.write_text(answer.stdout)
    return file


@pytest.fixture(scope="module")
def backed_up(classroom: Classroom, people: dict[str, Student], folder: Path) -> str:
    """A backup of a classroom in which mallory has a home with a file; the backup's id."""
    mallory = people["mallory"]
    mallory.start_server()
    mallory.shell("mkdir -p ~/course && echo mine > ~/course/kept.txt && echo odd > ~/'[odd] *name'")
    answer = make("backup")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return latest(folder)


def latest(folder: Path) -> str:
    return max((folder / "snapshots").iterdir(), key=lambda file: file.stat().st_mtime).name


def fresh_clone(into: Path) -> Path:
    """The project as it is here, in another folder; what pip installs is the same, and not fetched again."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, into / name)
    (into / ".venv").symlink_to(REPOSITORY / ".venv")
    return into


def restored_elsewhere(
    clone: Path, folder: Path, key: Path, config: Path = SETTINGS
) -> subprocess.CompletedProcess[str]:
    """`make restore` of all, by who has a fresh clone, the backup and its key."""
    fresh_clone(clone)
    words = [f"FROM={folder}", f"KEY={key}", f"CONFIG={config}"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ["make", "--no-print-directory", "restore", *words],
        cwd=clone, env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip


def rows(classroom: Classroom) -> dict[str, tuple[Any, ...]]:
    """Every marked submission with its mark."""
    with closing(sqlite3.connect(f"file:{classroom.state}/grading/grading.db?mode=ro", uri=True)) as database:
        return {row[0]: row for row in database.execute(RECEIPTS)}


def hand_in(student: Student, book: dict[str, Any]) -> str | None:
    status, text = student.grading("POST", "submissions/module/setup", json.dumps({"notebook": book}))
    return str(json.loads(text)["id"]) if status == 201 else None


def marks(student: Student) -> Any:
    status, text = student.grading("GET", "marks")
    assert status == 200, text
    return json.loads(text)


def settled(student: Student) -> set[str]:
    """The submissions that count."""
    return {each["counts"]["counted"] for each in marks(student)["modules"] if each["counts"]}


def test_the_drill(
    classroom: Classroom, people: dict[str, Student], folder: Path, key: Path, tmp_path: Path
) -> None:
    """Backed up under load, deleted, restored from a fresh clone: nothing with a receipt is lost."""
    ada, grace = people["ada"], people["grace"]
    ada.start_server()
    grace.start_server()
    ada.shell("mkdir -p ~/course && echo unhurried > ~/course/notes.txt")
    identifier: str | None = None
    for book in (notebook("setup", "student"), right("setup")):
        identifier = hand_in(ada, book)
        assert identifier
        classroom.submission(ada, identifier)
    # A mark is shown before it is reckoned with the earlier ones: a moment later, and longer on a busy machine.
    wait_for("ada's mark is settled", lambda: identifier in settled(ada))
    before = marks(ada)

    receipts: list[str] = []
    enough = threading.Event()

    def work() -> None:
        book = notebook("setup", "student")
        while not enough.is_set():
            identifier = hand_in(grace, book)
            grace.shell(
                "head -c 100000 /dev/urandom > ~/course/busy; rm -f ~/course/busier; cp ~/course/busy ~/course/busier"
            )
            if identifier:
                receipts.append(identifier)

    load = threading.Thread(target=work)
    load.start()
    wait_for("grace hands in", lambda: len(receipts) >= 2)
    promised = list(receipts)
    answer = make("backup")
    during = len(receipts)
    enough.set()
    load.join()
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "make backup-key" in answer.stdout, "the first one says that the key must be kept"
    assert during > len(promised), "nobody worked meanwhile: the test shows nothing"
    marked = rows(classroom)
    uid = (classroom.state / "homes" / "ada").stat().st_uid

    gone = undeploy()
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert "backups in" in gone.stdout
    assert not classroom.state.exists()

    back = restored_elsewhere(tmp_path, folder, key)
    assert back.returncode == 0, back.stdout[-6000:] + back.stderr[-3000:]

    for person in people.values():
        again = Student(classroom, person.name, person.password)
        page = again.sign_in()
        assert "/hub/login" not in page.url, f"{person.name} does not get in"
        person.session = again.session
    ada.start_server()
    assert marks(ada) == before
    assert ada.shell("cat ~/course/notes.txt").stdout == "unhurried\n"
    assert (classroom.state / "homes" / "ada").stat().st_uid == uid

    with closing(sqlite3.connect(f"file:{classroom.state}/grading/grading.db?mode=ro", uri=True)) as database:
        found = dict(database.execute("SELECT id, sha256 FROM submissions"))
    assert set(promised) <= set(found), "a receipt from before the backup has no submission"
    for identifier, digest in found.items():
        file = classroom.state / "grading" / "submissions" / identifier[:2] / f"{identifier}.json"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    wait_for("what waited is marked", lambda: len(rows(classroom)) == len(found))
    for identifier, row in rows(classroom).items():
        if (
            identifier in marked
        ):  # also those that were marked after the backup, and again here: with the same seed
            assert row == marked[identifier]


def test_a_student_gets_one_file_back_beside_the_present_one(
    classroom: Classroom, backed_up: str, mallory: Student
) -> None:
    mallory.shell("echo newer > ~/course/kept.txt")
    answer = make("restore", USER="mallory", FILE="course/kept.txt", AT=backed_up[:10])
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = mallory.shell(
        "cd && cat course/kept.txt && cat restored-*/course/kept.txt && echo more >> restored-*/course/kept.txt"
    )
    assert found.stdout == "newer\nmine\n", found.stderr
    mallory.shell("rm -r ~/restored-*")
    answer = make("restore", USER="mallory", FILE="[odd] *name")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert mallory.shell("cd && cat restored-*/*odd* && ls restored-*").stdout == "odd\n[odd] *name\n"
    mallory.shell("rm -r ~/restored-*")


def test_a_student_cannot_turn_a_restore_against_others(
    classroom: Classroom, backed_up: str, mallory: Student, ada: Student
) -> None:
    before = sorted(path.name for path in (classroom.state / "homes" / "ada").iterdir())
    # Whatever second it will be: a link of that name is there already.
    lay = "cd && for n in $(seq 0 60); do ln -s /home/../srv restored-$(date -u -d +${n}sec +%Y-%m-%d-%H%M%S); done; rm -rf course; ln -s /etc course"
    assert mallory.shell(lay).returncode == 0
    answer = make("restore", USER="mallory", FILE="course/kept.txt")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert not Path("/etc/kept.txt").exists()
    assert sorted(path.name for path in (classroom.state / "homes" / "ada").iterdir()) == before
    found = mallory.shell(
        "cd && find . -path './restored-*' -name kept.txt -user mallory | wc -l && readlink course"
    )
    assert found.stdout == "1\n/etc\n", found.stdout + found.stderr
    assert not list((classroom.state / "homes").glob(".*")), "nothing of the restore stays behind"
    mallory.shell("cd && rm -rf restored-* course && mkdir course")


def test_a_backup_that_is_killed_leaves_the_last_one_and_the_next_goes_on(
    classroom: Classroom, backed_up: str, folder: Path, mallory: Student
) -> None:
    mallory.shell("head -c 150000000 /dev/urandom > ~/large")
    known = {file.name for file in (folder / "snapshots").iterdir()}
    packs = len(list(folder.glob("data/*/*")))
    backup = subprocess.Popen(
        ["make", "--no-print-directory", "backup", f"CONFIG={REPOSITORY}/tests/classroom.yml"],
        cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for("data is written", lambda: len(list(folder.glob("data/*/*"))) > packs, 60)
    oneoff = run(
        "docker", "ps", "-q", "--filter", classroom.label, "--filter", "label=com.docker.compose.oneoff=True",
        "--filter", "label=com.docker.compose.service=backup",
    ).stdout.split()  # fmt: skip
    assert oneoff
    run("docker", "kill", "--signal", "KILL", *oneoff)
    assert backup.wait(timeout=60) != 0
    assert {file.name for file in (folder / "snapshots").iterdir()} == known
    assert list((folder / "locks").iterdir()), "it held no lock: the test shows nothing"
    answer = make("backup")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert not list((folder / "locks").iterdir())
    assert not (classroom.state / "backup" / "copies").exists()
    assert backed_up in {file.name for file in (folder / "snapshots").iterdir()}
    mallory.shell("rm ~/large")


def test_a_failed_backup_is_seen_and_an_empty_mount_point_is_not_begun_anew(
    classroom: Classroom, backed_up: str, folder: Path
) -> None:
    away = folder.with_name("elsewhere")
    shutil.copytree(folder, away)
    _empty(folder)
    try:
        refused(make("backup"), "mount it", str(folder))
        assert list(folder.iterdir()) == []
        status = make("status")
        assert status.returncode != 0
        assert "FAILED" in status.stdout
    finally:
        shutil.copytree(away, folder, dirs_exist_ok=True)
        shutil.rmtree(away)
    assert make("backup").returncode == 0
    status = make("status")
    assert status.returncode == 0, status.stdout
    assert "Backup: less than a minute ago" in status.stdout


def test_the_hour_brings_a_backup_by_itself(classroom: Classroom, backed_up: str, folder: Path) -> None:
    """Without cron or systemd; a day that was missed is made up for."""
    file = classroom.state / "backup" / "record.json"
    known = json.loads(file.read_text())
    file.write_text(json.dumps({**known, "good": known["good"] - 90_000, "tried": known["tried"] - 90_000}))
    run_timer = ["run", "--rm", "--detach", "--no-TTY", "--env", "TT_BACKUP_AT=00:00", "backup"]
    started = classroom.compose(*run_timer)
    assert started.returncode == 0, started.stderr
    try:
        wait_for("a backup", lambda: json.loads(file.read_text())["good"] > time.time() - 3600, 60)
    finally:
        run("docker", "rm", "--force", started.stdout.split()[-1])


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB, too little for the smallest classroom."""
    folder = tmp_path / "disk"
    folder.mkdir()
    assert run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)).returncode == 0
    yield folder
    run("umount", str(folder))


def test_bad_input_gets_a_sentence(
    classroom: Classroom, backed_up: str, folder: Path, full_disk: Path, tmp_path: Path
) -> None:
    before = sorted(path.name for path in classroom.state.iterdir())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    (tmp_path / "key").write_text("another key\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(make("restore"), "holds a classroom already, so nothing was changed", "REPLACE=yes")
    refused(make("restore", USER="nobody"), "Nobody called 'nobody'")
    refused(make("restore", USER="mallory", FILE="course/none.ipynb"), "course/none.ipynb", "make backups")
    refused(make("restore", USER="mallory", FILE="../ada"), "below the student's home")
    refused(make("restore", USER="mallory", AT="0000"), "'0000'", "make backups")
    refused(make("restore", FILE="course/kept.txt"), "USER=")
    refused(make("restore", FROM="/nonexistent"), "/nonexistent")
    refused(make("restore", FROM=str(empty)), "holds no backup", str(empty))
    refused(make("restore", USER="mallory", KEY=str(tmp_path / "key")), "key does not open")
    refused(make("backup", TO="/nonexistent"), "/nonexistent")
    refused(make("backup", TO=str(tmp_path / "other")), "folder of their own")
    refused(make("backup", TO=str(full_disk)), "is full")
    assert sorted(path.name for path in classroom.state.iterdir()) == before
    assert not list((classroom.state / "homes").glob(".*"))
    assert make("status").returncode == 0, "what was tried elsewhere is no failure of the daily backup"


def test_postgresql_is_dumped_while_it_is_written_to_and_read_back(tmp_path: Path) -> None:
    """By the machine's own package. That the service's first start reads such dumps, its image's build tries."""
    with postgresql.running() as server:
        places = Places(tmp_path / "state", tmp_path / "own", tmp_path / "repository")
        (places.state / "postgresql").mkdir(parents=True)
        os.chown(places.state / "postgresql", 1006, 1006)
        (places.state / "run").mkdir()
        (places.state / "run" / "postgresql").symlink_to(server.socket)
        server.execute("CREATE ROLE gradebook LOGIN")
        for name in ("grading", "gradebook", "again"):
            server.execute(f"CREATE DATABASE {name}")
        url = f"host={server.socket} user=grading dbname="
        with psycopg.connect(url + "grading") as writer:
            writer.execute("CREATE TABLE marks AS SELECT generate_series(1, 1000) AS mark")
            writer.commit()
            writer.execute("DELETE FROM marks")  # not committed
            copied = run(
                "setpriv",
                f"--bounding-set={MAY}",
                "--inh-caps=-all",
                sys.executable,
                "-c",
                COPY,
                *map(str, vars(places).values()),
            )
            assert copied.returncode == 0, copied.stderr
        dump = places.copies / "postgresql" / "restore" / "grading.sql"
        assert dump.stat().st_mode & 0o777 == 0o600
        back = run(
            "psql",
            "--quiet",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            server.socket,
            "-U",
            "grading",
            "-d",
            "again",
            "-f",
            str(dump),
        )
        assert back.returncode == 0, back.stderr
        with psycopg.connect(url + "again") as reader:
            assert reader.execute("SELECT count(*) FROM marks").fetchone() == (1000,)


def test_secrets_are_in_no_container_of_a_restore_and_backups_are_unreadable(
    classroom: Classroom, backed_up: str, folder: Path
) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"TT_GRADING_TOKEN" not in content
            assert classroom.secret("TT_BACKUP_PASSWORD").encode() not in content
    inspected = json.loads(run("docker", "inspect", classroom.container("backup")).stdout)[0]
    assert inspected["HostConfig"]["NetworkMode"] == "none"
    assert inspected["HostConfig"]["CapDrop"] == ["ALL"]
    writable = {mount["Destination"] for mount in inspected["Mounts"] if mount["RW"]}
    assert "/srv/state" not in writable
    assert "/srv/state/homes" not in writable
