"""Who opens whose server in a real JupyterHub, by each setting and by ways around it; what is written down.

The test plays the servers: it asks the hub as each of them does.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from jupyterhub.services.auth import check_scopes

from hub.accounts import passwords
from hub.accounts.store import Account, Store
from hub.opening import UNWRITTEN
from hub.people.tests.test_people import words
from hub.roster.hub_api import Hub
from hub.tests.alone import GOOD, running, sign_in, token
from hub.tests.environment import environment
from hub.tests.test_attacks import bearing, made, xsrf
from hub.tests.test_line import wait_for

ROLES = {
    "ada": {"role-student"},
    "ben": {"role-student"},
    "gil": {"role-grader"},
    "ivy": {"role-instructor"},
    "ida": {"role-instructor", "role-student"},  # made one by hand, and left among the students
}
VISITORS = ("ben", "gil", "ivy", "admin")
SERVERS = ("ada", "ida", "gil")
OPENED = "opened the notebooks"


@contextmanager
def classroom(state: Path, **changed: str) -> Iterator[str]:
    """A hub in which the servers of ada, an instructor and a grader run."""
    store = Store(state / "accounts.sqlite")
    with running(state, "hub/tests/hub_in_line.py", **changed) as url:
        Hub(url + "api", environment()["TT_ROSTER_TOKEN"]).place(ROLES)
        hashed = passwords.hashed(GOOD)
        for name in ROLES:
            if not store.find(name):
                store.add(Account(name, name, password=hashed, one_time=False))
        store.set_password("admin", hashed, one_time=False)
        owners = {name: sign_in(url, name, GOOD)[0] for name in SERVERS}

        def run() -> list[bool]:
            return [bool(browser.get(url + "api/user").json()["server"]) for browser in owners.values()]

        for browser in owners.values():
            browser.get(url + "spawn", allow_redirects=False)
        wait_for(lambda: all(run()))
        yield url
        for name, browser in owners.items():  # else the next hub would look for them
            browser.delete(f"{url}api/users/{name}/server", headers=xsrf(browser))
        wait_for(lambda: not any(run()))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("opening")


@pytest.fixture(scope="module")
def hub(state: Path) -> Iterator[str]:
    """Where most may open."""
    with classroom(state, TT_MAY_OPEN_SERVERS="graders") as url:
        yield url


@pytest.fixture(scope="module")
def people(hub: str) -> dict[str, requests.Session]:
    return {name: sign_in(hub, name, GOOD)[0] for name in (*ROLES, "admin")}


def door(browser: requests.Session, hub: str, whose: str, form: bool = True) -> requests.Response:
    """Where a server sends a browser that it does not know; who is asked agrees, or does so unasked."""
    client = {"client_id": f"jupyterhub-user-{whose}", "redirect_uri": f"/course/user/{whose}/oauth_callback"}
    asked = {"params": {**client, "response_type": "code", "state": "x"}, "allow_redirects": False}
    if form:
        page = browser.get(hub + "api/oauth2/authorize", **asked)
        if page.status_code != 200:
            return page
        sent = {"_xsrf": token(page)}
    else:
        sent = {"_xsrf": xsrf(browser)["X-XSRFToken"]}
    return browser.post(hub + "api/oauth2/authorize", data=sent, **asked)


def known(hub: str, state: Path, whose: str, page: requests.Response) -> str:
    """The token that a server gets for a browser that comes back from there; nothing if it brings no code."""
    codes = parse_qs(urlsplit(page.headers.get("Location", "")).query).get("code")
    if not codes:
        return ""
    sent = {
        "client_id": f"jupyterhub-user-{whose}",
        "client_secret": (state / f"token-{whose}").read_text(),
        "grant_type": "authorization_code",
        "code": codes[0],
        "redirect_uri": f"/course/user/{whose}/oauth_callback",
    }
    answer = requests.post(hub + "api/oauth2/token", data=sent)
    assert answer.ok, answer.text
    return str(answer.json()["access_token"])


def lets_in(hub: str, whose: str, value: str) -> bool:
    """Whether that server lets in who comes with this token."""
    answer = requests.get(hub + "api/user", headers=bearing(value))
    needed = {f"access:servers!server={whose}/", f"access:servers!user={whose}"}
    return answer.ok and bool(check_scopes(needed, set(answer.json()["scopes"])))


def opens(browser: requests.Session, hub: str, state: Path, whose: str) -> bool:
    value = known(hub, state, whose, door(browser, hub, whose))
    return bool(value) and lets_in(hub, whose, value)


def done(state: Path) -> list[tuple[str, str, str]]:
    with Store(state / "accounts.sqlite").read() as connection:
        return connection.execute("SELECT who, what, whom FROM acts ORDER BY id").fetchall()


@contextmanager
def full(state: Path) -> Iterator[None]:
    """Nothing can be written into the record."""
    with sqlite3.connect(state / "accounts.sqlite") as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON acts BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    try:
        yield
    finally:
        with sqlite3.connect(state / "accounts.sqlite") as connection:
            connection.execute("DROP TRIGGER full")
        connection.close()


def check_everybody(hub: str, state: Path, staff: tuple[str, ...]) -> None:
    """The admin opens all, these staff students' alone, nobody else any; and each is written down once."""
    before = done(state)
    came = [
        (name, OPENED, whose)
        for name in VISITORS
        for browser, _ in [sign_in(hub, name, GOOD)]
        for whose in SERVERS
        if name != whose and opens(browser, hub, state, whose)
    ]
    may = [(name, OPENED, "ada") for name in staff] + [("admin", OPENED, whose) for whose in SERVERS]
    assert sorted(came) == sorted(may)
    assert done(state) == before + came


def test_graders_and_instructors_open_students_servers_where_graders_may(
    hub: str, state: Path, people: dict[str, requests.Session]
) -> None:
    check_everybody(hub, state, ("gil", "ivy"))
    before = done(state)
    assert opens(people["ada"], hub, state, "ada")
    assert done(state) == before, "one's own is nobody's business"


def test_who_may_not_gets_no_code_by_sending_the_form_unasked(
    hub: str, state: Path, people: dict[str, requests.Session]
) -> None:
    before = done(state)
    for name, whose in (("ben", "ada"), ("gil", "ida"), ("ivy", "ida")):
        answer = door(people[name], hub, whose, form=False)
        assert answer.status_code == 403
        assert "This server is somebody else" in answer.text
    assert done(state) == before


def test_no_token_opens_anothers_server_unwritten(
    hub: str, state: Path, people: dict[str, requests.Session]
) -> None:
    before = done(state)
    for name in ("gil", "ivy", "admin"):
        for scopes in ({}, {"scopes": ["access:servers!server=ada/"]}):
            own = made(people[name], hub, name, **scopes)
            assert not lets_in(hub, "ada", own), (name, scopes)
    everything = made(people["admin"], hub, "admin", scopes=["access:servers"])
    assert not lets_in(hub, "ada", everything)
    assert lets_in(hub, "admin", everything), "one's own it does"
    assert lets_in(hub, "gil", made(people["gil"], hub, "gil"))
    assert lets_in(hub, "ada", (state / "token-ada").read_text())
    assert done(state) == before


def test_a_visitors_token_opens_that_server_and_nothing_else(
    hub: str, state: Path, people: dict[str, requests.Session]
) -> None:
    value = known(hub, state, "ada", door(people["admin"], hub, "ada"))
    assert lets_in(hub, "ada", value)
    assert not lets_in(hub, "ida", value)
    for path in ("users", "users/ada", "users/ada/tokens", "groups"):
        assert requests.get(f"{hub}api/{path}", headers=bearing(value)).status_code in (403, 404), path


def test_who_may_open_a_server_neither_starts_nor_stops_it_nor_makes_its_owners_tokens(
    hub: str, people: dict[str, requests.Session]
) -> None:
    for name in ("gil", "ivy"):
        for method, path in (
            ("POST", "users/ben/server"),
            ("DELETE", "users/ada/server"),
            ("POST", "users/ada/tokens"),
            ("GET", "users/ada/tokens"),
            ("GET", "users/ada"),
            ("GET", "users"),
        ):
            answer = people[name].request(method, f"{hub}api/{path}", json={}, headers=xsrf(people[name]))
            assert answer.status_code in (403, 404), (name, method, path)
        assert people[name].get(hub + "spawn/ben").status_code in (403, 404)


def test_nobody_gets_in_while_it_cannot_be_written_down(
    hub: str, state: Path, people: dict[str, requests.Session]
) -> None:
    before = done(state)
    with full(state):
        for name in ("gil", "ivy", "admin"):
            answer = door(people[name], hub, "ada")
            assert answer.status_code == 503
            assert "Location" not in answer.headers
            assert UNWRITTEN in words(answer)
        answer = people["admin"].post(f"{hub}api/users/ada/tokens", json={}, headers=xsrf(people["admin"]))
        assert answer.status_code == 503
        assert "token" not in answer.json()
        assert opens(people["ada"], hub, state, "ada")
    assert done(state) == before
    assert opens(people["ivy"], hub, state, "ada")


def test_a_token_in_somebodys_name_is_written_down(
    hub: str, state: Path, people: dict[str, requests.Session]
) -> None:
    before = done(state)
    answer = people["admin"].post(f"{hub}api/users/ada/tokens", json={}, headers=xsrf(people["admin"]))
    assert answer.status_code == 201
    assert done(state) == [*before, ("admin", "made a token", "ada")]


def test_page_of_a_student_leads_there_while_the_server_runs(
    hub: str, people: dict[str, requests.Session]
) -> None:
    page = people["ivy"].get(hub + "people/person?name=ada")
    assert '<a href="/course/user/ada/" target="_blank" rel="noopener">' in page.text
    assert "What runs there acts as you." in page.text
    for name in ("ben", "ida", "gil", "ivy"):  # not running, instructor's, grader's, own
        assert "/course/user/" not in people["ivy"].get(f"{hub}people/person?name={name}").text, name


def test_student_and_staff_read_who_was_there(
    hub: str, state: Path, people: dict[str, requests.Session]
) -> None:
    assert opens(people["ivy"], hub, state, "ada")
    assert "ivy opened the notebooks: " in words(people["ada"].get(hub + "home"))
    assert "ivy opened the notebooks" in words(people["ida"].get(hub + "people/person?name=ada"))
    assert "ivy opened the notebooks ada" in words(people["ida"].get(hub + "people/record"))
    assert "ivy opened the notebooks of ada" in (state / "log").read_text()
    assert "Who else was here" not in people["ben"].get(hub + "home").text


def test_fewer_open_them_after_the_setting_changed_and_the_record_stays(tmp_path: Path) -> None:
    with classroom(tmp_path, TT_MAY_OPEN_SERVERS="instructors") as hub:
        check_everybody(hub, tmp_path, ("ivy",))
    before = done(tmp_path)
    with classroom(tmp_path) as hub:  # nobody but the admin, unless it says so
        check_everybody(hub, tmp_path, ())
        assert done(tmp_path)[: len(before)] == before
        ivy, _ = sign_in(hub, "ivy", GOOD)
        assert "/course/user/" not in ivy.get(hub + "people/person?name=ada").text
        assert "ivy opened the notebooks" in words(ivy.get(hub + "people/person?name=ada"))


def test_a_visit_ends_by_itself_and_the_next_is_written_down_again(tmp_path: Path) -> None:
    with classroom(tmp_path, TT_TEST_VISIT="0") as hub:
        before = done(tmp_path)
        admin, _ = sign_in(hub, "admin", GOOD)
        for _ in range(2):
            value = known(hub, tmp_path, "ada", door(admin, hub, "ada"))
            assert value
            assert not lets_in(hub, "ada", value)
        assert done(tmp_path) == [*before, *[("admin", OPENED, "ada")] * 2]
        ada, _ = sign_in(hub, "ada", GOOD)
        assert opens(ada, hub, tmp_path, "ada")
