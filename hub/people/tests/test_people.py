"""The staff's pages against a real JupyterHub: what they show, and who may do what to whom."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import requests

from hub.accounts import attempts, passwords
from hub.accounts.store import Account, Store
from hub.roster import __main__ as roster
from hub.tests.alone import GOOD, choose, fault, running, sign_in, sign_in_again, token
from hub.tests.environment import environment

STAFF = {"prof": "instructor", "prof2": "instructor", "gil": "grader", "mia": "student", "bob": "student"}
HASH = passwords.hashed(GOOD)  # one for all: hashing takes time, and nobody guesses here


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def hub(state: Path) -> Iterator[str]:
    with running(state, TT_SELF_REGISTRATION="approval") as url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TT_ROSTER_TOKEN", environment()["TT_ROSTER_TOKEN"])
            apply(url, state, *(f"{name.title()},{name},A,{role}" for name, role in STAFF.items()))
        with Store(state / "accounts.sqlite").change() as connection:
            connection.execute("UPDATE accounts SET password = ?, one_time = 0", [HASH])
        yield url


@pytest.fixture
def store(hub: str, state: Path) -> Store:
    return Store(state / "accounts.sqlite")


def apply(hub: str, state: Path, *lines: str, whole: bool = False) -> None:
    table = state / "class.csv"
    table.write_text("\n".join(["name,id,section,role", *lines]) + "\n")
    options = ["--store", str(state / "accounts.sqlite"), "--hub", hub + "api", "--grading", hub + "nobody"]
    command = ["apply", str(table), "--passwords", str(state / "passwords.csv"), *options]
    assert roster.main(command + ["--whole"] * whole) == 1  # grading is away here


def act(browser: requests.Session, hub: str, page: str, **form: str | list[str]) -> requests.Response:
    """Press a button of a page. The token is of a page that everybody signed in can see."""
    own = token(browser.get(hub + "choose-password"))
    return browser.post(hub + page, data={"_xsrf": own, **form})


def words(page: requests.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def one_time(page: requests.Response) -> str:
    return re.findall(r"<code>(.+?)</code>", page.text)[0]


def done(store: Store) -> list[tuple[str, str, str]]:
    with store.read() as connection:
        return connection.execute("SELECT who, what, whom FROM acts ORDER BY id").fetchall()


@pytest.mark.parametrize("name", ["gil", "mia"])
def test_graders_and_students_see_none_of_it_and_change_nothing(hub: str, store: Store, name: str) -> None:
    browser, _ = sign_in(hub, name, GOOD)
    before = store.everyone(), done(store)
    for page in ("people", "people/person?name=mia", "people/waiting", "people/record"):
        answer = browser.get(hub + page)
        assert answer.status_code == 403, page
        assert "Only the class" in answer.text
    for page, form in {
        "people/person": {"name": "bob", "act": "reset"},
        "people": {"address": "10.0.0.1"},
        "people/waiting": {"who": "zoe", "act": "let in"},
    }.items():
        assert act(browser, hub, page, **form).status_code == 403
    assert (store.everyone(), done(store)) == before


def test_nobody_sees_it_without_signing_in_nor_with_a_token(hub: str) -> None:
    assert "/hub/login" in requests.get(hub + "people").url
    browser, _ = sign_in(hub, "prof", GOOD)
    headers = {"X-XSRFToken": token(browser.get(hub + "choose-password"))}
    made = browser.post(hub + "api/users/prof/tokens", json={}, headers=headers).json()["token"]
    answer = requests.get(hub + "people", headers={"Authorization": f"token {made}"})
    assert "/hub/login" in answer.url
    answer = requests.post(
        hub + "people/person",
        data={"name": "bob", "act": "reset"},
        headers={"Authorization": f"token {made}"},
    )
    assert answer.status_code == 403


def test_form_from_elsewhere_resets_nobody(hub: str, store: Store) -> None:
    browser, _ = sign_in(hub, "prof", GOOD)
    before = store.find("bob")
    for other in ({}, {"_xsrf": "made-up"}):
        answer = browser.post(hub + "people/person", data={"name": "bob", "act": "reset", **other})
        assert answer.status_code == 403
    assert store.find("bob") == before


def test_forgotten_password_ends_old_sessions_and_is_shown_once(hub: str, store: Store) -> None:
    old, _ = sign_in(hub, "mia", GOOD)
    prof, _ = sign_in(hub, "prof", GOOD)
    page = act(prof, hub, "people/person", name="mia", act="reset")
    password = one_time(page)
    assert page.headers["Cache-Control"] == "no-store"
    assert "/hub/login" in old.get(hub + "home").url
    page = prof.get(hub + "people/person?name=mia")
    assert password not in page.text
    assert "One-time password not used yet" in page.text
    assert ("prof", "new one-time password", "mia") in done(store)
    assert "prof new one-time password mia" in words(prof.get(hub + "people/record"))
    mia, page = sign_in(hub, "mia", password)
    assert choose(mia, page, GOOD).url == hub + "home"
    assert "Active" in prof.get(hub + "people/person?name=mia").text


@pytest.mark.parametrize("target", ["prof2", "admin", "classroom-probe", "promoted", "prof"])
def test_instructor_cannot_take_over_another_instructor_or_an_admin(
    hub: str, store: Store, target: str
) -> None:
    if target == "promoted":  # by hand, on the hub's own page: no roster knows
        store.add(Account(target, "Promoted", password=HASH, one_time=False))
        headers = {"Authorization": f"token {environment()['TT_ROSTER_TOKEN']}"}
        requests.post(hub + f"api/users/{target}", headers=headers)
        group = requests.post(
            hub + "api/groups/role-instructor/users", json={"users": [target]}, headers=headers
        )
        assert group.ok, group.text
    browser, _ = sign_in(hub, "prof", GOOD)
    before, acts = store.find(target), done(store)
    for deed in ("reset", "unlock"):
        page = act(browser, hub, "people/person", name=target, act=deed)
        assert page.status_code == 403
        assert "Nothing was changed" in fault(page)
        assert "<code>" not in page.text
    assert (store.find(target), done(store)) == (before, acts)
    assert "New one-time password" not in browser.get(hub + f"people/person?name={target}").text


def test_admin_may_help_an_instructor(hub: str, store: Store) -> None:
    browser, _ = sign_in(hub, "admin", GOOD)
    assert "New one-time password" in browser.get(hub + "people/person?name=prof2").text
    page = act(browser, hub, "people/person", name="prof2", act="reset")
    other, page = sign_in(hub, "prof2", one_time(page))
    assert choose(other, page, GOOD).url == hub + "home"


def test_who_asked_waits_until_an_instructor_lets_them_in(hub: str, store: Store) -> None:
    zoe = requests.Session()
    page = zoe.get(hub + "sign-up")
    assert "Ask for an account" in page.text
    form = {"username": "Zoe", "name": "Zoe <b>Z</b>", "password": GOOD, "again": GOOD, "_xsrf": token(page)}
    page = zoe.post(page.url, data=form)
    assert "You have asked for an account" in page.text
    assert "taken" in fault(zoe.post(hub + "sign-up", data=form))
    _, page = sign_in(hub, "zoe", GOOD)
    assert page.status_code == 403
    assert "waits for an instructor" in fault(page)
    _, page = sign_in(hub, "zoe", "a wrong one")
    assert "do not belong together" in fault(page), "only who knows the password is told"
    headers = {"Authorization": f"token {environment()['TT_ROSTER_TOKEN']}"}
    assert requests.get(hub + "api/users/zoe", headers=headers).status_code == 404, "she costs nothing yet"

    prof, _ = sign_in(hub, "prof", GOOD)
    page = prof.get(hub + "people/waiting?tick=all")
    assert "Zoe &lt;b&gt;Z&lt;/b&gt;" in page.text
    assert " checked" in page.text
    assert "Nobody is ticked" in fault(act(prof, hub, "people/waiting", act="let in"))
    page = act(prof, hub, "people/waiting", act="let in", who=["zoe", "nobody"], section="Übung 1")
    assert "1 let in." in page.text
    assert "Grading was not told" in page.text  # it is away here
    groups = requests.get(hub + "api/users/zoe", headers=headers).json()["groups"]
    assert set(groups) == {"role-student", "section-übung-1"}
    _, page = sign_in(hub, "zoe", GOOD)
    assert page.url == hub + "home"
    assert ("prof", "let in", "zoe") in done(store)


def test_who_is_refused_is_forgotten(hub: str, store: Store) -> None:
    zed = requests.Session()
    page = zed.get(hub + "sign-up")
    form = {"username": "zed", "name": "Zed", "password": GOOD, "again": GOOD, "_xsrf": token(page)}
    zed.post(page.url, data=form)
    prof, _ = sign_in(hub, "prof", GOOD)
    assert "1 refused." in act(prof, hub, "people/waiting", act="refuse", who="zed").text
    _, page = sign_in(hub, "zed", GOOD)
    assert "do not belong together" in fault(page)
    assert ("prof", "refused", "zed") in done(store)
    assert store.find("zed") is None


def test_locked_out_student_is_shown_and_unlocked(hub: str, store: Store) -> None:
    prof, _ = sign_in(hub, "prof", GOOD)
    for _ in range(8):
        attempts.begin(store, "sign-in", "bob", "127.0.0.1", attempts.SIGN_IN)
    _, page = sign_in(hub, "bob", GOOD)
    assert page.status_code == 429
    page = prof.get(hub + "people?state=locked")
    assert "1 found." in page.text
    page = prof.get(hub + "people/person?name=bob")
    assert "From 127.0.0.1: locked out until" in words(page)
    act(prof, hub, "people/person", name="bob", act="unlock")
    _, page = sign_in(hub, "bob", GOOD)
    assert page.url == hub + "home"
    assert ("prof", "unlocked", "bob") in done(store)


def test_strangers_at_the_same_address_lock_out_no_browser_that_was_here_before(
    hub: str, store: Store
) -> None:
    prof, _ = sign_in(hub, "prof", GOOD)
    bob, _ = sign_in(hub, "bob", GOOD)
    bob.get(hub + "logout")
    with store.change() as connection:
        row = "sign-in", "somebody", "127.0.0.1", time.time()
        connection.executemany("INSERT INTO attempts VALUES (?, ?, ?, ?)", [row] * 600)
    _, page = sign_in(hub, "bob", GOOD)
    assert page.status_code == 429, "a new browser waits"
    assert sign_in_again(bob, hub, "bob", GOOD).url == hub + "home"
    page = prof.get(hub + "people")
    assert "from 127.0.0.1 until" in page.text
    act(prof, hub, "people", address="127.0.0.1")
    _, page = sign_in(hub, "bob", GOOD)
    assert page.url == hub + "home"


def test_large_class_is_searched_and_cut_into_pages(hub: str, store: Store) -> None:
    with store.change() as connection:
        connection.executemany(
            "INSERT INTO accounts (username, name, section, origin, password, one_time, password_at) "
            "VALUES (?, ?, ?, 'roster', '', 1, 0)",
            [(f"n{number:04}", f"Student {number:04}", f"S{number % 3}") for number in range(1000)],
        )
    prof, _ = sign_in(hub, "prof", GOOD)
    page = prof.get(hub + "people?state=new&section=S1")
    assert "333 found." in page.text
    assert page.text.count('<th scope="row">') == 50
    assert "Page 1 of 7" in page.text
    following = unescape(re.findall(r'href="([^"]+)" rel="next"', page.text)[0])
    assert "Page 2 of 7" in prof.get(hub + "people" + following).text
    assert "1 found." in prof.get(hub + "people?q=0777+student").text
    assert "Nobody is found" in prof.get(hub + "people?q=%3Cscript%3E&page=99999999999999999999").text


def test_who_left_is_out_at_once_and_comes_back_with_the_password(
    hub: str, store: Store, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TT_ROSTER_TOKEN", environment()["TT_ROSTER_TOKEN"])
    with store.change() as connection:
        connection.execute("DELETE FROM accounts WHERE username GLOB 'n[0-9]*'")
    apply(hub, state, "Lea,lea,A,student", "Mia,mia,A,student")
    with store.change() as connection:
        connection.execute("UPDATE accounts SET password = ?, one_time = 0 WHERE username = 'lea'", [HASH])
    lea, _ = sign_in(hub, "lea", GOOD)
    headers = {"X-XSRFToken": token(lea.get(hub + "choose-password"))}
    made = lea.post(hub + "api/users/lea/tokens", json={}, headers=headers).json()["token"]
    apply(hub, state, "Mia,mia,B,student", "Gil,gil,A,grader", whole=True)
    assert "/hub/login" in lea.get(hub + "home").url
    assert not requests.get(hub + "api/user", headers={"Authorization": f"token {made}"}).ok
    _, page = sign_in(hub, "lea", GOOD)
    assert page.status_code == 403
    assert "You are not in this class any more" in fault(page)
    prof, page = sign_in(hub, "prof", GOOD)
    assert page.url == hub + "home", "a list of students and graders says nothing of instructors"
    assert "Has left the class" in words(prof.get(hub + "people/person?name=lea"))
    assert ("make roster", "left the class", "lea") in done(store)
    apply(hub, state, "Lea,lea,A,student", "Mia,mia,B,student")
    _, page = sign_in(hub, "lea", GOOD)
    assert page.url == hub + "home"


def test_record_cannot_be_changed(store: Store) -> None:
    for statement in ("UPDATE acts SET who = 'nobody'", "DELETE FROM acts"):
        with pytest.raises(sqlite3.IntegrityError, match="acts are not"), store.change() as connection:
            connection.execute(statement)


def test_staff_see_whose_home_is_nearly_full(hub: str, state: Path) -> None:
    prof, _ = sign_in(hub, "prof", GOOD)
    assert "disk space" not in prof.get(hub + "people").text
    homes = {"bob": {"bytes": 2 * 10**9, "files": 9}, "mia": {"bytes": 10**9, "files": 9}}
    (state / "homes.json").write_text(json.dumps({"size": 1, "free": 1, "homes": homes}))
    assert "1 with hardly any disk space left bob : 1.9 of 2.0 GB" in words(prof.get(hub + "people"))
    assert "Disk space 0.9 of 2.0 GB" in words(prof.get(hub + "people/person?name=mia"))
    (state / "homes.json").unlink()
