"""The line of those who wait for a server, alone and in a real JupyterHub."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.accounts import passwords
from hub.accounts.store import Account, Store
from hub.line import Line, Place
from hub.roster.hub_api import Hub
from hub.tests.alone import GOOD, running, sign_in
from hub.tests.environment import environment
from hub.warm import __main__ as warm
from hub.warm.hub_api import Servers

STUDENTS = ["ada", "ben", "cleo", "dan", "unlucky"]


def wait_for(happened: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (answer := happened()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return answer


# ---- the line alone ----


def test_who_asked_first_is_served_first() -> None:
    async def play() -> list[int]:
        line, served = Line(2), []

        async def start(number: int) -> None:
            place = line.join()
            await place.turn()
            served.append(number)
            await asyncio.sleep(0)
            place.leave()

        await asyncio.gather(*(start(number) for number in range(50)))
        return served

    assert asyncio.run(play()) == list(range(50))


def test_who_clicks_goes_before_what_is_started_ahead_of_the_class() -> None:
    async def play() -> None:
        line = Line(1)
        first, ahead, also_ahead = line.join(), line.join(False), line.join(False)
        clicked = line.join()
        assert [first.number, clicked.number, ahead.number, also_ahead.number] == [0, 1, 2, 3]
        also_ahead.hurry()  # its student has come: behind those who asked before, ahead of who is not here
        also_ahead.hurry()
        assert [clicked.number, also_ahead.number, ahead.number] == [1, 2, 3]

    asyncio.run(play())


def test_whoever_leaves_makes_room_wherever_they_stood() -> None:
    async def play() -> None:
        line = Line(2)
        places = [line.join() for _ in range(6)]
        waiting = asyncio.create_task(places[2].turn())
        await asyncio.sleep(0)
        waiting.cancel()
        places[0].leave()  # the one whose turn it is now was cancelled in this very moment
        with pytest.raises(asyncio.CancelledError):
            await waiting
        places[2].leave()
        places[4].leave()
        places[4].leave()
        assert [place.number for place in places] == [0, 0, 0, 0, 0, 1]
        for place in places:
            place.leave()
        assert not line.waiting
        assert not line.starting

    asyncio.run(play())


def test_a_place_is_told_in_words() -> None:
    async def play() -> list[str]:
        line = Line(1)
        line.lasted.extend([2.0, 2.0])
        return [line.join().sentence for _ in range(113)]

    said = asyncio.run(play())
    assert said[0] == "Your notebooks are opening. This takes a few seconds."
    assert said[1] == "You are 1st in line, a few seconds."
    assert said[11] == "You are 11th in line, about 25 s."
    assert said[22] == "You are 22nd in line, about 50 s."
    assert said[112] == "You are 112th in line, about 4 min."


def test_before_the_first_start_nobody_guesses_how_long_it_takes() -> None:
    async def place() -> Place:
        line = Line(1)
        line.join()
        return line.join()

    assert asyncio.run(place()).sentence == "You are 1st in line."


# ---- in a real hub ----


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("line")


@pytest.fixture(scope="module")
def hub(state: Path) -> Iterator[str]:
    with running(state, "hub/tests/hub_in_line.py") as url:
        roster = Hub(url + "api", environment()["TT_ROSTER_TOKEN"])
        roster.place({name: {"section-a"} for name in STUDENTS})
        hashed = passwords.hashed(GOOD)
        for name in STUDENTS:
            Store(state / "accounts.sqlite").add(Account(name, name, password=hashed, one_time=False))
        yield url


class Browser:
    """A signed-in student."""

    def __init__(self, hub: str, name: str) -> None:
        self.hub, self.name = hub, name
        self.session, _ = sign_in(hub, name, GOOD)

    def click(self) -> None:
        """Ask for a server, and go on as soon as the hub has heard it."""
        with contextlib.suppress(
            requests.Timeout
        ):  # it answers after a second, unless the server is ready before
            self.session.get(f"{self.hub}spawn", timeout=0.1, allow_redirects=False)
        wait_for(lambda: self.place() or self.is_ready())

    def place(self) -> str:
        """What the page of who waits says."""
        found = re.search(r'id="place"[^>]*>([^<]*)<', self._page().text)
        return found[1] if found else ""

    def is_ready(self) -> bool:
        """Whether that page sends on to the server."""
        return self._page().status_code == 302

    def _page(self) -> requests.Response:
        return self.session.get(f"{self.hub}spawn-pending/{self.name}", allow_redirects=False)

    def news(self) -> Iterator[str]:
        """What the hub tells the open page."""
        with self._api("GET", "/server/progress", stream=True) as answer:
            for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
                if line.startswith("data:"):
                    yield line

    def leave(self) -> requests.Response:
        return self._api("DELETE", "/server")

    def _api(self, method: str, path: str, **more: Any) -> requests.Response:
        xsrf = {"X-XSRFToken": self.session.cookies.get("_xsrf", path="/course/hub/") or ""}
        return self.session.request(method, f"{self.hub}api/users/{self.name}{path}", headers=xsrf, **more)


@pytest.fixture
def held(state: Path) -> Iterator[Callable[[], list[str]]]:
    """All starts last until this is called; it returns who has begun, in order, since the test began."""
    (state / "hold").touch()
    (state / "started").write_text("")

    def let_go() -> list[str]:
        (state / "hold").unlink(missing_ok=True)
        return started(state)

    yield let_go
    let_go()


def started(state: Path) -> list[str]:
    return (state / "started").read_text().split()


@pytest.fixture
def students(hub: str) -> Iterator[dict[str, Browser]]:
    """Four students without a server, before and after."""
    browsers = {name: Browser(hub, name) for name in STUDENTS[:4]}
    yield browsers
    for browser in browsers.values():
        browser.leave()
    ask = Servers(f"{hub}api", environment()["TT_WARM_TOKEN"])
    wait_for(lambda: not any(user.active for user in ask.users()))


def test_places_are_shown_and_served_in_the_order_of_asking(
    students: dict[str, Browser], state: Path, held: Callable[[], list[str]]
) -> None:
    order = ["cleo", "ada", "dan", "ben"]
    for name in order:
        students[name].click()
    assert "Your notebooks are opening" in students["cleo"].place()
    for number, name in zip(("1st", "2nd", "3rd"), order[1:], strict=True):
        assert f"You are {number} in line" in students[name].place()
    held()
    wait_for(lambda: len(started(state)) == 4)
    assert started(state) == order
    wait_for(students["ben"].is_ready)


def test_clicking_again_and_again_holds_one_place(
    students: dict[str, Browser], state: Path, held: Callable[[], list[str]]
) -> None:
    ada, ben, cleo = (students[name] for name in ("ada", "ben", "cleo"))
    ada.click()
    ben.click()
    for _ in range(100):
        ben.session.get(f"{ben.hub}spawn", allow_redirects=False)
        assert ben._api("POST", "/server").status_code == 202
    cleo.click()
    assert "You are 2nd in line" in cleo.place()
    held()
    wait_for(lambda: len(started(state)) == 3)
    assert started(state) == ["ada", "ben", "cleo"]


def test_who_leaves_makes_room_and_who_comes_back_is_last(
    students: dict[str, Browser], state: Path, held: Callable[[], list[str]]
) -> None:
    ada, ben, cleo = (students[name] for name in ("ada", "ben", "cleo"))
    for browser in (ada, ben, cleo):
        browser.click()
    assert ben.leave().status_code in (202, 204)
    wait_for(lambda: "You are 1st in line" in cleo.place())
    ben.click()
    assert "You are 2nd in line" in ben.place()
    assert ada.leave().status_code in (202, 204)  # in the middle of its start
    held()
    wait_for(lambda: len(started(state)) == 3)
    assert started(state) == ["ada", "cleo", "ben"]


def test_a_click_goes_before_warming(
    students: dict[str, Browser], state: Path, hub: str, held: Callable[[], list[str]]
) -> None:
    token = {"Authorization": f"token {environment()['TT_WARM_TOKEN']}"}
    students["ada"].click()
    for name in ("dan", "ben"):
        with pytest.raises(requests.Timeout):  # it answers once there is something to say
            requests.post(f"{hub}api/users/{name}/server", headers=token, timeout=0.3)
    students["cleo"].click()
    assert "You are 1st in line" in students["cleo"].place()
    assert "You are 3rd in line" in students["ben"].place()
    news = students["ben"].news()  # ben opens the page: now he waits himself
    wait_for(lambda: "You are 2nd in line" in next(news))
    held()
    wait_for(lambda: len(started(state)) == 4)
    assert started(state) == ["ada", "cleo", "ben", "dan"]
    wait_for(lambda: '"ready": true' in next(news))


def test_warming_says_what_it_did_and_unused_servers_are_closed(
    students: dict[str, Browser],
    state: Path,
    hub: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TT_WARM_TOKEN", environment()["TT_WARM_TOKEN"])
    monkeypatch.setenv("TT_CEILING_STUDENTS_MEMORY_BYTES", str(4 * 2**28))
    monkeypatch.setenv("TT_ADMIN", "admin")
    monkeypatch.setenv("TT_PROFILES", environment()["TT_PROFILES"])
    monkeypatch.setattr("hub.warm.pace.PATIENCE", 0.0)
    students["ada"].click()
    wait_for(students["ada"].is_ready)
    assert warm.main(["--section", "A", "--hub", f"{hub}api"]) == 1
    said = capsys.readouterr().out
    assert "3 to start, 1 run already. The ceiling of memory holds 4 servers" in said
    assert "3 started in" in said
    assert "1 are not started: the ceiling of memory holds 4" in said

    monkeypatch.setenv("TT_CEILING_STUDENTS_MEMORY_BYTES", str(100 * 2**28))
    assert warm.main(["--hub", f"{hub}api"]) == 1
    said = capsys.readouterr().out
    assert "0 started in" in said
    assert "4 ran already, 1 failed.\n  unlucky: The classroom could not start your server." in said

    culler = [
        sys.executable,
        "-m",
        "jupyterhub_idle_culler",
        f"--url={hub}api",
        "--timeout=1",
        "--cull-every=1",
    ]
    process = subprocess.Popen(culler, env={**os.environ, "JUPYTERHUB_API_TOKEN": "culler" * 4})
    try:
        wait_for(
            lambda: "Your notebooks are closed" in students["dan"].session.get(f"{hub}spawn-pending/dan").text
        )
    finally:
        process.terminate()
        process.wait()

    assert warm.main(["--section", "zeta", "--hub", f"{hub}api"]) == 1
    assert capsys.readouterr().err == "Nobody is in section 'zeta'. There are: a.\n"


def test_the_token_for_warming_opens_nothing_else(hub: str) -> None:
    token = {"Authorization": f"token {environment()['TT_WARM_TOKEN']}"}
    for method, path in [
        ("DELETE", "users/ada/server"),
        ("DELETE", "users/ada"),
        ("POST", "users/ada/tokens"),
        ("POST", "users"),
        ("POST", "groups/section-b"),
    ]:
        answer = requests.request(method, f"{hub}api/{path}", headers=token, json={})
        assert answer.status_code in (403, 404), (method, path)
