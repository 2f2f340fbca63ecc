"""A roster's people in a real JupyterHub, and what it refuses."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.accounts import passwords
from hub.accounts.store import Account, Store
from hub.roster import reading
from hub.roster.applying import apply
from hub.roster.hub_api import AT_ONCE, Hub, HubError
from hub.tests.alone import GOOD, running, sign_in
from hub.tests.environment import environment

CLASS = "name,id,section\n" + "".join(f"Student {n},n{n:03},{'AB'[n % 2]}\n" for n in range(150))
TOKEN = environment()["TT_ROSTER_TOKEN"]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def hub(state: Path) -> Iterator[str]:
    with running(state) as url:
        yield url + "api"


def ask(
    hub: str, body: Any, token: str = TOKEN, method: str = "POST", path: str = "/roster"
) -> requests.Response:
    return requests.request(
        method, hub + path, json=body, headers={"Authorization": f"token {token}"}, timeout=30
    )


def test_people_are_users_like_any_other_and_keep_their_other_groups(hub: str) -> None:
    asked = ask(hub, {"ada": ["role-student", "section-a"], "ben": ["role-student"]})
    assert asked.status_code == 204, asked.text
    ask(hub, {}, path="/groups/chess")
    ask(hub, {"users": ["ada"]}, path="/groups/chess/users")
    assert ask(hub, {"ada": ["section-b"]}).status_code == 204
    ada = ask(hub, None, method="GET", path="/users/ada").json()
    assert set(ada["groups"]) == {"chess", "section-b"}
    assert (ada["admin"], ada["roles"]) == (False, ["user"])
    ben = ask(hub, None, method="GET", path="/users/ben").json()
    assert ben["groups"] == ["role-student"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        ["zoe"],
        {"zoe": "role-student"},
        {"zoe": [1]},
        {"zoe": ["chess"]},
        {"zoe": ["role-student"], "Zoe": []},
        {"zoe": [], "": []},
        {"zoe": [], "a/../b": []},
    ],
)
def test_what_is_no_roster_changes_nothing(hub: str, body: Any) -> None:
    assert ask(hub, body).status_code == 400
    assert ask(hub, None, method="GET", path="/users/zoe").status_code == 404


def test_a_student_cannot_place_anybody(hub: str, state: Path) -> None:
    ask(hub, {"eve": ["role-student"]})
    Store(state / "accounts.sqlite").add(
        Account("eve", "Eve", password=passwords.hashed(GOOD), one_time=False)
    )
    browser, _ = sign_in(hub.removesuffix("api"), "eve", GOOD)
    headers = {"X-XSRFToken": browser.cookies.get("_xsrf", path="/course/hub/") or ""}
    assert browser.get(hub + "/user", headers=headers).json()["name"] == "eve"
    asked = browser.post(hub + "/roster", json={"eve": ["role-admin"]}, headers=headers)
    assert asked.status_code == 403, asked.text
    assert "requires any of [admin:users]" in asked.json()["message"]
    assert ask(hub, {"eve": ["role-admin"]}, token="wrong").status_code == 403
    assert ask(hub, None, method="GET", path="/users/eve").json()["groups"] == ["role-student"]


class KillsTheHub(Hub):
    """Its hub ends after the first part of a roster, without a chance to write."""

    pid = 0

    def _call(self, method: str, path: str, body: Any = None, patience: float = 0) -> Any:
        answer = super()._call(method, path, body, patience)
        if path == "/roster":
            os.kill(self.pid, signal.SIGKILL)
        return answer


def test_a_hub_killed_in_the_middle_of_a_roster_forgets_nothing_and_the_next_one_completes_it(
    tmp_path: Path,
) -> None:
    people = reading.read(CLASS.encode())
    with running(tmp_path) as url:
        store, killed = Store(tmp_path / "accounts.sqlite"), KillsTheHub(url + "api", TOKEN)
        with closing(sqlite3.connect(tmp_path / "jupyterhub.sqlite")) as database:
            assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        killed.pid = int((tmp_path / "pid").read_text())
        with pytest.raises(HubError):
            apply(people, store, killed, tmp_path / "passwords.csv")
    handed_out = (tmp_path / "passwords.csv").read_bytes()
    with running(tmp_path) as url:
        hub = Hub(url + "api", TOKEN)
        there = hub.groups_of_users()
        placed = [person for person in people if person.username in there]
        assert len(placed) == AT_ONCE
        assert all(there[person.username] == person.groups for person in placed)
        assert apply(people, store, hub, None).sentence == f"0 added, 50 changed, {AT_ONCE} unchanged."
        there = hub.groups_of_users()
        assert all(there[person.username] == person.groups for person in people)
    assert (tmp_path / "passwords.csv").read_bytes() == handed_out
