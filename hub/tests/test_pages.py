"""The pages and the roster against a real JupyterHub, under a base path."""

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from hub.accounts import passwords
from hub.accounts.store import Account, Store
from hub.roster import __main__ as roster
from hub.tests.alone import GOOD, choose, fault, running, sign_in, token
from hub.tests.environment import environment


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def hub(state: Path) -> Iterator[str]:
    with running(state) as url:
        yield url


@pytest.fixture
def mia(hub: str, state: Path) -> str:
    """Someone who has an account, and no other test's."""
    username = f"mia-{secrets.token_hex(4)}"
    account = Account(username, "Mia", password=passwords.hashed(GOOD), one_time=False)
    Store(state / "accounts.sqlite").add(account)
    return username


def test_the_pages_need_no_script_and_allow_none(hub: str) -> None:
    for name in ("login", "sign-up"):
        page = requests.get(hub + name)
        assert page.ok
        assert "<script" not in page.text
        assert "style=" not in page.text
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "Deep Learning from Scratch" in page.text
    assert requests.get(hub + "classroom/classroom.css").ok
    assert not requests.get(hub + "classroom/%2e%2e/spawner.py").ok


def test_what_is_announced_is_on_every_page_as_text(hub: str, state: Path, mia: str) -> None:
    browser, _ = sign_in(hub, mia, GOOD)
    file = state / "announcement.json"

    def said() -> list[str]:
        pages = [requests.get(hub + "login"), requests.get(hub + "nowhere"), browser.get(hub + "home")]
        assert not any("<script>alert" in page.text for page in pages)
        banner = re.compile(r'role="status">.*?<p dir="auto">(.*?)</p>', re.DOTALL)
        shown = [banner.search(page.text) for page in pages]
        return [found[1] if found else "" for found in shown]

    assert said() == [""] * 3
    file.write_text('{"text": "<script>alert(1)</script>", "since": "", "until": null}')
    assert said() == ["&lt;script&gt;alert(1)&lt;/script&gt;"] * 3
    file.write_text('{"text": "Break", "since": "", "until": "2999-01-01T00:00:00+00:00"}')
    assert said() == ["Break"] * 3
    for nothing in (
        '{"text": "Over", "since": "", "until": "2026-01-01T00:00:00+00:00"}',
        '{"text": "No zone", "since": "", "until": "2999-01-01T00:00:00"}',
        "damaged",
    ):
        file.write_text(nothing)
        assert said() == [""] * 3
    file.write_text('{"text": "' + "x" * 10_000 + '", "since": "", "until": null}')
    assert said() == ["x" * 500] * 3
    file.unlink()


def test_who_has_hardly_any_room_left_is_told_and_staff_see_it(hub: str, state: Path, mia: str) -> None:
    browser, page = sign_in(hub, mia, GOOD)
    assert "Your files took" not in page.text, "not counted yet"
    home = {"bytes": 2**30, "files": 9}
    file = state / "homes.json"
    for count, told in ((home, False), ({**home, "bytes": 2**31}, True)):
        file.write_text(json.dumps({"size": 1, "free": 1, "homes": {mia: count}}))
        page = browser.get(hub + "home")
        assert f"{count['bytes'] / 2**30:.1f} of 2.0 GB" in page.text
        assert ("Make room soon" in page.text) == told
    file.unlink()


def test_the_admin_chooses_a_password_before_anything_else(hub: str) -> None:
    browser, page = sign_in(hub, "admin", "first-of-the-admin")
    assert "Choose a password" in page.text
    assert "/hub/login" in browser.get(hub + "home").url
    assert "differ" in fault(
        browser.post(page.url, data={"password": GOOD, "again": "x", "_xsrf": token(page)})
    )
    assert "at least 10" in fault(choose(browser, page, "short"))
    home = choose(browser, page, GOOD)
    assert home.url == hub + "home"
    assert browser.get(hub + "admin").ok
    assert browser.get(page.url).url == page.url  # the ticket is spent: the page is now the signed-in one
    assert "Password of now" in browser.get(page.url).text
    _, page = sign_in(hub, "admin", GOOD)
    assert page.url == hub + "home"
    _, page = sign_in(hub, "admin", "first-of-the-admin")
    assert page.status_code == 403
    assert "do not belong together" in fault(page)


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(hub: str, mia: str) -> None:
    browser, _ = sign_in(hub, mia, GOOD)
    assert {cookie.name for cookie in browser.cookies} >= {
        "jupyterhub-hub-login",
        "jupyterhub-session-id",
        "_xsrf",
    }
    for cookie in browser.cookies:
        assert cookie.has_nonstandard_attr("HttpOnly"), cookie.name
        assert cookie.get_nonstandard_attr("SameSite") == "Lax", cookie.name


def test_changing_a_password_signs_other_browsers_out(hub: str, mia: str) -> None:
    other, _ = sign_in(hub, mia, GOOD)
    browser, _ = sign_in(hub, mia, GOOD)
    page = browser.get(hub + "choose-password?next=%2Fcourse%2Fhub%2Fhome")
    assert "not your password" in fault(choose(browser, page, "another fine one", current="wrong"))
    assert choose(browser, page, "another fine one", current=GOOD).url == hub + "home"
    assert "/hub/login" in other.get(hub + "home").url


def test_a_form_from_another_site_is_refused(hub: str) -> None:
    page = requests.post(hub + "login", data={"username": "admin", "password": GOOD})
    assert page.status_code == 403
    assert "Try again" in fault(page)
    assert requests.post(hub + "sign-up", data={"username": "x"}).status_code == 403


def test_a_form_without_a_username_is_answered_in_words(hub: str) -> None:
    browser = requests.Session()
    answer = browser.post(hub + "login", data={"password": "x", "_xsrf": token(browser.get(hub + "login"))})
    assert answer.status_code == 400
    assert "Enter your username" in fault(answer)


def test_the_ninth_guess_waits(hub: str) -> None:
    for _ in range(8):
        sign_in(hub, "guessed", "wrong password")
    _, page = sign_in(hub, "guessed", "wrong password")
    assert page.status_code == 429
    assert "Wait 10 minutes" in fault(page)


def guesses(hub: str, account: str, sender: str) -> list[str]:
    """What nine wrong passwords are told that come from one address and claim another one each time."""
    told = []
    for guess in range(9):
        browser = requests.Session()
        browser.mount("http://", From(sender))
        browser.headers["X-Forwarded-For"] = f"192.0.2.{guess}"
        form = {"username": account, "password": "wrong password", "_xsrf": token(browser.get(hub + "login"))}
        told.append(fault(browser.post(hub + "login", data=form)))
    return told


class From(requests.adapters.HTTPAdapter):
    """Sends from one of this machine's addresses."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args: object, **more: object) -> None:
        super().init_poolmanager(*args, source_address=(self.address, 0), **more)


def test_a_students_server_cannot_pretend_to_be_many_machines(hub: str) -> None:
    assert "Wait 10 minutes" in guesses(hub, "guessed-past-the-proxy", "127.8.0.5")[8]
    # Whereas what the proxy tells of browsers is believed: each of these is another one's first.
    assert "do not belong together" in guesses(hub, "guessed-through-the-proxy", "127.0.0.1")[8]


def test_signing_up_opens_the_classroom(hub: str) -> None:
    browser = requests.Session()
    page = browser.get(hub + "sign-up?next=%2Fcourse%2Fhub%2Fhome")
    form = {"username": "Zoe", "name": 'Zoe <b> "Z"', "password": GOOD, "again": GOOD, "_xsrf": token(page)}
    taken = browser.post(page.url, data={**form, "username": "admin"})
    assert "taken" in fault(taken)
    assert "<b>" not in taken.text
    assert browser.post(page.url, data=form).url == hub + "home"


def test_a_roster_makes_users_groups_and_first_passwords(
    hub: str, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TT_ROSTER_TOKEN", environment()["TT_ROSTER_TOKEN"])
    table, given = state / "class.csv", state / "passwords.csv"
    table.write_text("name,id,section\nMia O'Neil,s-1,Übung 1\nAl,al@example.edu,一班\n")
    options = ["--store", str(state / "accounts.sqlite"), "--hub", hub + "api"]
    options += ["--grading", hub + "nobody/answers/here"]
    command = ["apply", str(table), "--passwords", str(given), *options]
    assert roster.main(command) == 1
    said = capsys.readouterr()
    assert "2 added, 0 changed, 0 unchanged." in said.out
    assert "The roster is applied, but grading was not told" in said.err  # only the hub runs here
    assert roster.main(command) == 1
    assert "0 added, 0 changed, 2 unchanged." in capsys.readouterr().out
    password = given.read_text().splitlines()[1].rpartition(",")[2]
    browser, page = sign_in(hub, "S-1", password)
    assert "Welcome, Mia O&#39;Neil" in page.text
    assert choose(browser, page, GOOD).url == hub + "home"

    table.write_text("name,id\nMia,s 1\n")
    assert roster.main(command) == 1
    assert "line 2, column id: 's 1' cannot be a username." in capsys.readouterr().err


def test_the_rest_api_takes_no_one_time_password(hub: str, state: Path) -> None:
    one_time = Account("al", "Al", password=passwords.hashed("once-and-only"), one_time=True)
    Store(state / "accounts.sqlite").add(one_time)
    login = {"auth": {"username": "al", "password": "once-and-only"}}
    assert requests.post(hub + "api/users/al/tokens", json=login).status_code == 403
