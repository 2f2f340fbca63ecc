"""The deadline: sixty hand in at once while servers and workers are killed. Count in, count marked: the same.

`benchmarks/rush.py` does it with a thousand. In the classroom here, with what restarts its parts there; and, by that
benchmark, with PostgreSQL.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest
import requests

from tests.classroom import Classroom, run, wait_for
from tests.submissions import right

STUDENTS = [f"rush{number:02d}" for number in range(60)]
SECONDS = 8.0  # within which they come
TOKENS = """
import json, sys
from hub.accounts.store import Store
from jupyterhub import orm
session = orm.new_session_factory("sqlite:////srv/hub/jupyterhub.sqlite")()
names = json.load(sys.stdin)
for name in names:  # as if each had chosen a password: while a one-time one waits, tokens end
    Store().set_password(name, "no hash: nobody signs in", one_time=False)
print(json.dumps({n: orm.User.find(session, n).new_api_token(note="rush", expires_in=3600) for n in names}))
"""


@pytest.fixture(scope="module")
def tokens(classroom: Classroom) -> dict[str, str]:
    """A hub token for each, as their own servers hold one: sixty servers would be a test of the machine."""
    roster = "name,id,email,section,role\n" + "".join(
        f"{name},{name},{name}@example.edu,Rush,student\n" for name in STUDENTS
    )
    passwords = f"/srv/hub/passwords-{secrets.token_hex(4)}.csv"  # nobody needs them
    applied = classroom.compose(
        "exec",
        "-T",
        "hub",
        "python",
        "-m",
        "hub.roster",
        "apply",
        "-",
        "--passwords",
        passwords,
        input=roster,
    )
    assert applied.returncode == 0, applied.stdout + applied.stderr
    made = classroom.compose("exec", "-T", "hub", "python", "-c", TOKENS, input=json.dumps(STUDENTS))
    assert made.returncode == 0, made.stderr
    found: dict[str, str] = json.loads(made.stdout.splitlines()[-1])
    return found


def hand_in(classroom: Classroom, token: str, body: str, at: float) -> str:
    """One student, as tito does it: the same key again after a pause, until there is a receipt; its id."""
    time.sleep(at)
    address = f"http://{classroom.environment['TT_API_IP']}:8300{classroom.base_path}services/grading/"
    headers = {"Authorization": f"token {token}", "Idempotency-Key": secrets.token_hex(16)}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            answer = requests.post(
                f"{address}api/submissions/module/setup", data=body, headers=headers, timeout=30
            )
        except requests.ConnectionError:
            pass
        else:
            if answer.status_code not in (502, 503, 504):
                assert answer.status_code in (200, 201), answer.text
                return str(answer.json()["id"])
        time.sleep(0.5)
    raise AssertionError("no receipt within a minute")


def processes(classroom: Classroom, service: str) -> Iterator[tuple[int, int]]:
    """The processes of a service's container, as this machine numbers them: each with its parent."""
    listed = run("docker", "top", classroom.container(service), "-eo", "pid,ppid,args").stdout
    for line in listed.splitlines()[1:]:
        pid, parent, command = line.split(None, 2)
        if f"grading.{service}" in command and "init" not in command.split()[0]:
            yield int(pid), int(parent)


def kill_meanwhile(classroom: Classroom) -> None:
    """One of the API's serving processes, and the worker: by itself, as when memory runs out."""
    time.sleep(SECONDS * 0.4)
    api = dict(processes(classroom, "api"))
    os.kill(next(pid for pid, parent in api.items() if parent in api), signal.SIGKILL)
    time.sleep(SECONDS * 0.3)
    os.kill(next(processes(classroom, "worker"))[0], signal.SIGKILL)


def rows(classroom: Classroom, file: str, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{classroom.state}/grading/{file}?mode=ro", uri=True) as database:
        return database.execute(query).fetchall()


def test_rush_with_kills_loses_nothing_and_marks_nothing_twice(
    classroom: Classroom, tokens: dict[str, str]
) -> None:
    body, begun = json.dumps({"notebook": right("setup")}), time.time()
    killing = Thread(target=kill_meanwhile, args=[classroom])
    killing.start()
    with ThreadPoolExecutor(len(STUDENTS)) as pool:
        sent = [
            pool.submit(hand_in, classroom, tokens[name], body, SECONDS * number / len(STUDENTS))
            for number, name in enumerate(STUDENTS)
        ]
        receipts = {each.result() for each in sent}
    killing.join()
    assert len(receipts) == len(STUDENTS)
    mine = f"FROM submissions WHERE student LIKE 'rush%' AND received_at > {begun}"
    assert {row[0] for row in rows(classroom, "grading.db", f"SELECT id {mine}")} == receipts
    wait_for(
        "all are marked",
        lambda: (
            {row[0] for row in rows(classroom, "grading.db", f"SELECT DISTINCT state {mine}")} == {"graded"}
        ),
        240,
    )
    said = run("docker", "logs", classroom.container("worker")).stderr
    times = Counter(re.findall(r"grading\.worker\.loop: ([0-9a-f]{32}): [\d.]+ of ", said))
    assert {id: times[id] for id in receipts} == dict.fromkeys(receipts, 1)
    marked = "id IN (SELECT submission FROM results WHERE score = max_score)"
    marks = rows(classroom, "grading.db", f"SELECT count(*) {mine} AND {marked}")
    assert marks == [(len(STUDENTS),)]
    book = "SELECT count(*) FROM submitted_assignment WHERE student_id LIKE 'rush%'"
    wait_for(
        "all are in the gradebook",
        lambda: rows(classroom, "nbgrader/gradebook.db", book) == [(len(STUDENTS),)],
        60,
    )
    for service in ("api", "worker"):
        classroom.wait_healthy(service)


def test_rush_with_kills_on_postgresql(classroom: Classroom) -> None:
    image = f"{classroom.name}/sandbox:{classroom.environment['TT_VERSION']}"
    options = ["--students", "60", "--seconds", "8", "--module", "setup", "--image", image]
    done = run(sys.executable, "benchmarks/rush.py", "--database", "postgresql", *options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["killed"] == {"servers": 2, "workers": 3}
    assert [figures[name] for name in ("receipts", "stored", "graded", "recorded")] == [60] * 4
    assert [figures[name] for name in ("lost", "graded_twice", "wrong_marks")] == [0] * 3


def test_what_depends_on_the_database_passes_on_postgresql() -> None:
    done = run(sys.executable, "-m", "pytest", "grading/tests", "-k", "postgresql", "-rs")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "not installed" not in done.stdout, done.stdout
