"""A roster and a real JupyterHub that is killed."""

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.accounts.store import Store
from hub.roster import reading
from hub.roster.applying import apply
from hub.roster.hub_api import Hub, HubError
from hub.tests.alone import running
from hub.tests.environment import environment

CLASS = "name,id,section\n" + "".join(f"Student {n},n{n:03},{'AB'[n % 2]}\n" for n in range(40))
TOKEN = environment()["TT_ROSTER_TOKEN"]


class KillsTheHub(Hub):
    """Its hub gets no further than the first of a roster's groups, and ends without a chance to write."""

    pid = 0

    def enter(self, group: str, usernames: list[str]) -> None:
        super().enter(group, usernames)
        os.kill(self.pid, signal.SIGKILL)


def test_a_hub_killed_in_the_middle_of_a_roster_has_forgotten_nothing_and_the_next_one_completes_it(
    tmp_path: Path,
) -> None:
    people = reading.read(CLASS.encode())
    with running(tmp_path) as url:
        store, hub = Store(tmp_path / "accounts.sqlite"), KillsTheHub(url + "api", TOKEN)
        with closing(sqlite3.connect(tmp_path / "jupyterhub.sqlite")) as database:
            assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        hub.pid = int((tmp_path / "pid").read_text())
        with pytest.raises(HubError):
            apply(people, store, hub, tmp_path / "passwords.csv")
    passwords = (tmp_path / "passwords.csv").read_bytes()
    with running(tmp_path) as url:
        again = Hub(url + "api", TOKEN)
        there = again.groups_of_users()
        assert {person.username for person in people} <= set(there)
        assert {group for groups in there.values() for group in groups} == {"role-student"}
        assert apply(people, store, again, None).sentence == "0 added, 40 changed, 0 unchanged."
        there = again.groups_of_users()
        assert all(there[person.username] == person.groups for person in people)
    assert (tmp_path / "passwords.csv").read_bytes() == passwords
