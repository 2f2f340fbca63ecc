"""A database that a JupyterHub 5.0.0 left (jupyterhub_5/make.py says how), under today's hub."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from hub import upgrading
from hub.accounts.store import Account, Store
from hub.roster.hub_api import Hub
from hub.tests.alone import ROOT, running
from hub.tests.environment import environment

LEFT = (Path(__file__).parent / "jupyterhub_5" / "database.sql").read_text()
TOKENS = dict(re.findall("^-- token of (.*): (.*)$", LEFT, re.MULTILINE))
FORM = "4621fec11365"  # what JupyterHub 5.0.0 calls its own
GROUPS = {
    "ada": {"role-student", "section-a"},
    "ben": {"role-student", "chess", "last-minute"},
    "prof": {"role-instructor"},
}


class Answers(BaseHTTPRequestHandler):
    """What ada's server answers to the hub."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[int]:
    """The port of ada's server, which never ended."""
    with HTTPServer(("127.0.0.1", 0), Answers) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_port
        listening.shutdown()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The old hub's database; its last change is in SQLite's log beside it: that hub was killed."""
    path = tmp_path / "jupyterhub.sqlite"
    with closing(sqlite3.connect(path)) as made:
        made.executescript(LEFT)
    script = f"""
import os, sqlite3
made = sqlite3.connect({str(path)!r})
made.execute("PRAGMA journal_mode = WAL")
made.execute("INSERT INTO groups VALUES (5, 'last-minute', '{{}}')")
made.execute("INSERT INTO user_group_map VALUES (2, 5)")
made.commit()
os._exit(0)"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert path.with_name("jupyterhub.sqlite-wal").stat().st_size
    return path


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as opened:
        return list(opened.iterdump())


def me(hub: str, token: str) -> requests.Response:
    return requests.get(f"{hub}api/user", headers={"Authorization": f"token {token}"}, timeout=30)


def test_users_groups_tokens_and_a_running_server_of_jupyterhub_5_are_there(
    database: Path, server: int
) -> None:
    before = dump(database)
    with closing(sqlite3.connect(database)) as old, old:
        old.execute("UPDATE servers SET port = ?", [server])
    store = Store(database.with_name("accounts.sqlite"))
    for name in GROUPS:
        store.add(Account(name, name.title(), password="x", one_time=False))
    # Nobody can say whether a container runs: its server is asked.
    with running(database.parent, DOCKER_HOST="unix:///nowhere/gate.sock") as url:
        hub = Hub(url + "api", environment()["TT_ROSTER_TOKEN"])
        assert {name: groups for name, groups in hub.groups_of_users().items() if name in GROUPS} == GROUPS
        for name in ("ada", "ben"):
            answer = me(url, TOKENS[name])
            assert answer.status_code == 200, answer.text
            assert answer.json()["name"] == name
        assert me(url, TOKENS["ada's server"]).status_code == 200
        assert me(url, "0" * 32).status_code == 403
        [there] = me(url, TOKENS["ada"]).json()["servers"].values()
        assert there["ready"]
        assert there["started"].startswith("20")
    kept = database.with_name(f"jupyterhub.sqlite.{FORM}")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "last-minute" in str(dump(kept))
    assert len(dump(kept)) == len(before)
    written = kept.stat().st_mtime_ns
    upgrading.bring_up_to_date(database)  # as at each start from now on
    assert kept.stat().st_mtime_ns == written


def refused(state: Path) -> str:
    """What the hub says that does not start."""
    env = {**os.environ, **environment(), "TT_TEST_STATE": str(state), "TT_TEST_PORT": "1"}
    command = [sys.executable, "-m", "jupyterhub", "-f", str(ROOT / "hub/tests/hub_alone.py")]
    env["PYTHONPATH"] = str(ROOT)
    ended = subprocess.run(command, cwd=state, env=env, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1, ended.stderr
    return ended.stderr


def test_a_step_that_fails_leaves_the_database_as_it_was_and_says_so(database: Path) -> None:
    with closing(sqlite3.connect(database)) as old, old:
        old.execute("ALTER TABLE users ADD COLUMN user_info TEXT")  # the third step of JupyterHub 6 adds it
    before = dump(database)
    said = refused(database.parent)
    assert "duplicate column name: user_info" in said
    assert "It is as it was. Deploy the version that you had before" in said
    assert "Traceback" not in said
    assert dump(database) == before
    assert dump(database.with_name(f"jupyterhub.sqlite.{FORM}")) == before
    assert not database.with_name(".upgrade").exists()


def test_a_newer_hubs_database_is_refused_and_left_alone(database: Path) -> None:
    with closing(sqlite3.connect(database)) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    before = dump(database)
    with pytest.raises(upgrading.UpgradeError, match="written by a newer JupyterHub"):
        upgrading.bring_up_to_date(database)
    assert dump(database) == before
    assert not list(database.parent.glob("jupyterhub.sqlite.*"))


def test_an_upgrade_that_is_killed_is_begun_again(database: Path) -> None:
    before = dump(database)
    script = (
        "import os, sys; from pathlib import Path; import alembic.command; from hub import upgrading\n"
        "whole = alembic.command.upgrade\n"
        "alembic.command.upgrade = lambda *given: (whole(*given), os.kill(os.getpid(), 9))\n"
        "upgrading.bring_up_to_date(Path(sys.argv[1]))"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(database)], cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert dump(database) == before
    upgrading.bring_up_to_date(database)
    after = str(dump(database))
    assert "last-minute" in after
    assert FORM not in after
    assert not database.with_name(".upgrade").exists()
