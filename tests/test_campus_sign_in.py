"""Sign-in by the campus, in Chromium: a third party's OpenID provider (oidc-provider, by npm), and the hub with our
configuration, without engine and containers. What a person sees who may come in, and who may not.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect

from hub.accounts.names import PROBE
from hub.roster import __main__ as roster
from hub.tests.environment import environment
from tests.campus import Campus, come_back, go_to_campus, running, sign_in
from tests.classroom import REPOSITORY, wait_for

SECRET = "the client's own secret+%"
PEOPLE = {
    # LOGIN at the campus, which is also the `sub`: what the campus says.
    "ada": {"preferred_username": "Ada", "name": "Ada <i>L.</i>", "groups": ["cs101-staff", "cs101-tuesday", "admin"]},
    "grace": {"preferred_username": "grace", "name": "Grace", "groups": []},
    "second-ada": {"preferred_username": "\N{FULLWIDTH LATIN CAPITAL LETTER A}DA", "groups": ["cs101-staff"]},
    "stranger": {"preferred_username": "stranger", "groups": ["others"]},
    "would-be-admin": {"preferred_username": "Admin", "groups": ["cs101-staff"]},
    "would-be-probe": {"preferred_username": PROBE, "groups": ["cs101-staff"]},
    "nameless": {"name": "Nameless", "groups": ["cs101-staff"]},
    "odd": {"preferred_username": "../../hub/admin", "groups": ["cs101-staff"]},
}  # fmt: skip
HOME = "/course/hub/home"


@dataclass
class Hub:
    """A hub that asks the campus."""

    url: str
    state: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.state / "log").read_text()

    def api(self, path: str) -> dict[str, object]:
        """What the hub knows, asked with the roster's token."""
        headers = {"Authorization": f"token {environment()['TT_ROSTER_TOKEN']}"}
        answer = requests.get(f"{self.url}api/{path}", headers=headers, timeout=30)
        assert answer.ok, answer.text
        found: dict[str, object] = answer.json()
        return found

    def groups(self, username: str) -> list[str]:
        return sorted(self.api(f"users/{username}")["groups"])  # type: ignore[call-overload]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("campus", "hub", "other hub")}


@pytest.fixture(scope="module")
def campus(ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campus]:
    told = {
        "issuer": f"http://127.0.0.1:{ports['campus']}",
        "client_secret": SECRET,
        "back": [
            f"http://127.0.0.1:{ports[name]}/course/hub/oauth_callback" for name in ("hub", "other hub")
        ],
        "people": PEOPLE,
    }
    with running(tmp_path_factory.mktemp("oidc"), told) as campus:
        yield campus


def hub_of(campus: Campus, port: int, state: Path, secret: str, **oidc: object) -> Hub:
    told = {
        "issuer": campus.url,
        "client_id": "classroom",
        "preset": "keycloak",
        "username_claim": None,
        "groups_claim": None,
        "allowed_groups": ["cs101-students"],
        "allowed_domains": [],
        "instructor_groups": ["cs101-staff"],
        "grader_groups": [],
        "section_prefix": "cs101-",
        "button": "Sign in with your campus account",
        **oidc,
    }
    env = {
        **os.environ,
        **environment(
            TT_AUTH="oidc",
            TT_OIDC=in_base64(json.dumps(told)),
            TT_OIDC_SECRET=in_base64(secret),
            TT_SELF_REGISTRATION="closed",
        ),
        "TT_TEST_STATE": str(state),
        "TT_TEST_PORT": str(port),
        "PYTHONPATH": str(REPOSITORY),
    }
    with (state / "log").open("wb") as log:
        command = [sys.executable, "-m", "jupyterhub", "-f", str(REPOSITORY / "hub/tests/hub_alone.py")]
        process = subprocess.Popen(command, cwd=state, env=env, stdout=log, stderr=subprocess.STDOUT)
    return Hub(f"http://127.0.0.1:{port}/course/hub/", state, process)


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def await_hub(hub: Hub) -> Hub:
    def answers() -> bool:
        assert hub.process.poll() is None, hub.log
        try:
            return requests.get(f"{hub.url}health", timeout=5).ok
        except requests.RequestException:
            return False

    wait_for("the hub", answers, 180)
    return hub


@pytest.fixture(scope="module")
def hubs(
    campus: Campus, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Hub]]:
    """One that the campus knows; another whose secret is wrong."""
    made = {
        "hub": hub_of(campus, ports["hub"], tmp_path_factory.mktemp("hub"), SECRET),
        "other hub": hub_of(campus, ports["other hub"], tmp_path_factory.mktemp("other"), "not the secret"),
    }
    try:
        yield {name: await_hub(hub) for name, hub in made.items()}
    finally:
        for hub in made.values():
            hub.process.terminate()
        for hub in made.values():
            hub.process.wait(30)


@pytest.fixture(scope="module")
def hub(hubs: dict[str, Hub]) -> Hub:
    return hubs["hub"]


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Somebody with a browser of their own, who reaches this machine only: the provider's page asks for a font elsewhere."""
    contexts: list[BrowserContext] = []

    def opened() -> Page:
        context = browser.new_context()
        context.set_default_timeout(20_000)
        context.route(lambda url: urlsplit(url).hostname != "127.0.0.1", lambda route: route.abort())
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


def refused(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("You could not be signed in")
    expect(page.locator("main")).to_contain_text(words)
    assert "Traceback" not in page.content()


def test_somebody_of_the_campus_signs_in_and_is_in_the_groups_that_the_claims_say(
    hub: Hub, visitor: Callable[[], Page]
) -> None:
    page = sign_in(visitor(), hub, "ada")
    assert page.url.endswith(HOME)
    expect(page.get_by_text("Welcome,")).to_have_text("Welcome, Ada <i>L.</i>.")
    assert hub.groups("ada") == ["role-instructor", "section-staff", "section-tuesday"]
    assert "Password" not in page.locator("nav").inner_text()
    page.goto(f"{hub.url}admin")
    expect(page.locator("main")).to_contain_text("403")  # an instructor, and no admin


def test_the_way_there_has_state_nonce_and_a_challenge(hub: Hub) -> None:
    first, second = (
        requests.get(f"{hub.url}oauth_login", allow_redirects=False, timeout=30).headers["Location"]
        for _ in "ab"
    )
    told = parse_qs(urlsplit(first).query)
    assert told["code_challenge_method"] == ["S256"]
    assert told["scope"] == ["openid profile email"]
    for name in ("state", "nonce", "code_challenge"):
        assert told[name] != parse_qs(urlsplit(second).query)[name], name


def test_the_next_sign_in_takes_groups_away_that_the_claims_no_longer_say(
    hub: Hub, visitor: Callable[[], Page]
) -> None:
    sign_in(visitor(), hub, "ada")
    headers = {"Authorization": f"token {environment()['TT_ROSTER_TOKEN']}"}
    for group in ("role-grader", "friends"):
        requests.post(f"{hub.url}api/groups/{group}", headers=headers, timeout=30)
        answer = requests.post(
            f"{hub.url}api/groups/{group}/users", headers=headers, json={"users": ["ada"]}, timeout=30
        )
        assert answer.ok, answer.text
    sign_in(visitor(), hub, "ada")
    assert hub.groups("ada") == ["friends", "role-instructor", "section-staff", "section-tuesday"]


def test_the_roster_lets_in_and_says_who_is_what(
    hub: Hub, visitor: Callable[[], Page], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = sign_in(visitor(), hub, "grace")
    refused(page, "Your campus signed you in as grace, who is not on this class's list. Ask your instructor.")
    assert "'grace' is not on the roster" in hub.log

    monkeypatch.setenv("TT_ROSTER_TOKEN", environment()["TT_ROSTER_TOKEN"])
    monkeypatch.setenv("TT_AUTH", "oidc")
    table = hub.state / "class.csv"
    table.write_text("name,id,section,role\nGrace Hopper,Grace,B,grader\n")
    given = hub.state / "passwords.csv"
    roster.main(
        ["apply", str(table), "--passwords", str(given), "--store", str(hub.state / "accounts.sqlite"),
         "--hub", f"{hub.url}api", "--grading", f"{hub.url}nobody"]
    )  # fmt: skip
    assert "1 added" in capsys.readouterr().out
    assert not given.exists()

    page = sign_in(visitor(), hub, "grace")
    expect(page.get_by_text("Welcome,")).to_have_text("Welcome, Grace Hopper.")
    assert hub.groups("grace") == ["role-grader", "section-b"]


@pytest.mark.parametrize(
    ("login", "words", "line"),
    [
        ("stranger", "not on this class's list", "'stranger' is not on the roster"),
        ("second-ada", "The account ada belongs to somebody else", "make forget USER=ada"),
        ("would-be-admin", "that of the classroom's own account", "'admin' is the classroom's own name"),
        ("would-be-probe", "that of the classroom's own account", f"'{PROBE}' is the classroom's own name"),
        (
            "nameless",
            "did not tell the classroom your sign-in name",
            "There is no claim 'preferred_username'",
        ),
        ("odd", "has signs in it that cannot be used here", "'../../hub/admin', which cannot be a username"),
    ],
)
def test_who_may_not_come_in_is_told_why(hub: Hub, login: str, words: str, line: str) -> None:
    if login == "second-ada":
        come_back(hub, "ada")
    session, answer = come_back(hub, login)
    assert answer.status_code == 403
    assert "You could not be signed in" in answer.text
    assert words in html.unescape(answer.text)
    assert line in hub.log
    assert "/hub/login" in session.get(f"{hub.url}home", timeout=30).url


def test_a_wrong_client_secret_is_told_in_words(hubs: dict[str, Hub], visitor: Callable[[], Page]) -> None:
    other = hubs["other hub"]
    page = sign_in(visitor(), other, "ada")
    refused(page, "Your campus does not let this classroom ask who you are. Tell your instructor")
    assert "refuses the classroom's client_id or its secret (invalid_client)" in other.log
    assert "not the secret" not in other.log


@pytest.mark.parametrize("by", [-1800, 1800])
def test_a_clock_that_is_wrong_is_told_in_words(
    hub: Hub, campus: Campus, visitor: Callable[[], Page], by: int
) -> None:
    campus.set_clock(by)
    try:
        refused(
            sign_in(visitor(), hub, "ada"), "The clock of this classroom and that of your campus's sign-in"
        )
    finally:
        campus.set_clock(0)
    assert "set this machine's clock" in hub.log


def test_who_cancels_at_the_campus_may_begin_again(hub: Hub, visitor: Callable[[], Page]) -> None:
    page = visitor()
    go_to_campus(page, hub)
    page.get_by_role("link", name="Cancel").click()
    refused(page, "was cancelled")
    page.get_by_role("link", name="Back to the start").click()
    expect(page.get_by_role("link", name="Sign in with your campus account")).to_be_visible()


def test_a_way_back_that_this_browser_did_not_begin_leads_nowhere(
    hub: Hub, visitor: Callable[[], Page]
) -> None:
    """Somebody is led to sign in as somebody else, by a link that was begun in another browser."""
    page = visitor()
    go_to_campus(page, hub)
    page.goto(f"{hub.url}oauth_callback?code=stolen&state=e30=")
    refused(page, "begun in another window or too long ago")
    page = visitor()
    for query in (
        "",
        "?code=x",
        "?state=x",
        "?code=x&state=%C3%A9",
        "?code=x&state=W10=",
        "?error=%3Cb%3Ex&error_description=%3Cb%3EPay",
    ):
        page.goto(f"{hub.url}oauth_callback{query}")
        expect(page.get_by_role("heading", level=1)).to_have_text("You could not be signed in")
        assert "Pay" not in page.content()


def test_a_code_serves_once(hub: Hub, visitor: Callable[[], Page]) -> None:
    page = visitor()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url) if "oauth_callback?" in request.url else None)
    sign_in(page, hub, "ada")
    other = visitor()
    other.goto(seen[0])
    refused(other, "begun in another window")
    page.goto(seen[0])
    refused(page, "begun in another window")


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example", "\\\\evil.example", "/%09/evil.example",
        "https:evil.example", "javascript:alert(1)", "%0d%0aLocation:%20https://evil.example", "//evil.example%2f@127.0.0.1/",
        "http://127.0.0.1@evil.example/",
    ],
)  # fmt: skip
def test_signing_in_leads_to_no_other_site(hub: Hub, following: str) -> None:
    _, answer = come_back(hub, "ada", following)
    assert answer.status_code == 302, answer.text
    where = answer.headers["Location"]
    assert re.match(r"/(?![/\\\t])", where), where
    assert urlsplit(urljoin(answer.url, where)).hostname == "127.0.0.1"


def test_the_classrooms_own_accounts_keep_their_password_and_nobody_else_has_one(
    hub: Hub, visitor: Callable[[], Page]
) -> None:
    page = visitor()
    page.goto(f"{hub.url}login?next={HOME}")
    page.get_by_text("The classroom's own account").click()
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(environment()["TT_ADMIN_PASSWORD"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose a password")

    page.goto(f"{hub.url}login")
    page.get_by_text("The classroom's own account").click()
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Password").fill("any password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    assert requests.get(f"{hub.url}sign-up", timeout=30).status_code == 404


def test_a_campus_that_is_away_is_told_in_words(
    hub: Hub, campus: Campus, visitor: Callable[[], Page]
) -> None:
    """The last: the provider ends here. Who is signed in stays so, and the admin's way in is there."""
    inside = sign_in(visitor(), hub, "ada")
    page = visitor()
    begun: list[str] = []
    page.on(
        "request",
        lambda request: begun.append(request.url) if request.url.startswith(f"{campus.url}/auth?") else None,
    )
    go_to_campus(page, hub)
    campus.process.kill()
    campus.process.wait()
    [state] = parse_qs(urlsplit(begun[0]).query)["state"]
    page.goto(f"{hub.url}oauth_callback?code=x&state={state}")
    refused(page, "Your campus's sign-in does not answer just now. Try again in a minute")
    assert f"{campus.url}/token cannot be used" in hub.log
    inside.goto(f"{hub.url}home")
    expect(inside.get_by_text("Welcome,")).to_have_text("Welcome, Ada <i>L.</i>.")
    page.goto(f"{hub.url}login")
    expect(page.get_by_text("The classroom's own account")).to_be_visible()
