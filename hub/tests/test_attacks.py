"""What somebody with an account tries at the hub: what is beyond a token, cookies, ways to other sites."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.accounts import passwords
from hub.accounts.store import Account, Store
from hub.roster.hub_api import Hub
from hub.tests.alone import GOOD, choose, running, sign_in, sign_in_again, token
from hub.tests.environment import environment
from hub.tests.test_line import wait_for

# What is others', the class's or the hub's: method, address and what is sent along.
BEYOND: list[tuple[str, str, Any]] = [
    ("GET", "users", None),
    ("GET", "users/ben", None),
    ("POST", "users/zed", None),
    ("POST", "users", {"usernames": ["zed"], "admin": True}),
    ("PATCH", "users/mallory", {"admin": True}),
    ("PATCH", "users/ben", {"name": "mine"}),
    ("DELETE", "users/ben", None),
    ("POST", "users/ben/server", {}),
    ("DELETE", "users/ben/server", None),
    ("GET", "users/ben/server/progress", None),
    ("POST", "users/ben/activity", {"last_activity": "2026-01-01T00:00:00Z"}),
    ("GET", "users/ben/tokens", None),
    ("POST", "users/ben/tokens", {}),
    ("GET", "groups", None),
    ("GET", "groups/section-a", None),
    ("POST", "groups/role-admin", None),
    ("POST", "groups/role-instructor/users", {"users": ["mallory"]}),
    ("DELETE", "groups/section-a/users", {"users": ["ben"]}),
    ("POST", "shares/ben/", {"user": "mallory"}),
    ("POST", "share-codes/mallory/", {}),
    ("GET", "proxy", None),
    ("POST", "proxy", None),
    ("PATCH", "proxy", {"ip": "192.0.2.1", "port": 80}),
    ("GET", "services", None),
    ("POST", "services/mine", {"url": "http://192.0.2.1"}),
    ("POST", "shutdown", {}),
    ("GET", "info", None),
    ("GET", "../metrics", None),
]
MORE_SCOPES: list[dict[str, Any]] = [
    {"scopes": ["admin:users"]},
    {"scopes": ["list:users"]},
    {"scopes": ["access:servers"]},
    {"scopes": ["tokens!user=ben"]},
    {"scopes": ["access:servers!user=ben"]},
    {"scopes": ["proxy"]},
    {"scopes": ["custom:people"]},
    {"roles": ["admin"]},
    {"roles": ["people"]},
    {"roles": ["roster"]},
]
# Where a page may be told to lead after it, and must not.
ELSEWHERE = [
    "https://elsewhere.example/",
    "//elsewhere.example/",
    "///elsewhere.example/",
    "////elsewhere.example",
    "/\\elsewhere.example/",
    "\\\\elsewhere.example/",
    "/\t/elsewhere.example/",
    "/\n/elsewhere.example/",
    " //elsewhere.example/",
    "https:elsewhere.example",
    "http:///elsewhere.example",
    "javascript:alert(1)",
    "//127.0.0.1@elsewhere.example/",
    "//elsewhere.example#@127.0.0.1/",
    "/%09/elsewhere.example/",
    "/course/hub/../..//elsewhere.example/",
    "/course/hub/home\r\nLocation: https://elsewhere.example/",
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="module")
def hub(state: Path) -> Iterator[str]:
    with running(state, "hub/tests/hub_in_line.py", TT_SELF_REGISTRATION="open") as url:
        roster = Hub(url + "api", environment()["TT_ROSTER_TOKEN"])
        roster.place({name: {"section-a"} for name in ("ben", "mallory")})
        hashed = passwords.hashed(GOOD)
        for name in ("ben", "mallory"):
            account = Account(name, name, password=hashed, one_time=False)
            Store(state / "accounts.sqlite").add(account)
        yield url


@pytest.fixture(scope="module")
def mallory(hub: str) -> requests.Session:
    """A browser in which she is signed in, and her server runs."""
    browser, _ = sign_in(hub, "mallory", GOOD)
    browser.get(hub + "spawn", allow_redirects=False)
    wait_for(lambda: browser.get(hub + "api/user").json()["server"])
    return browser


@pytest.fixture(scope="module")
def own(hub: str, mallory: requests.Session) -> str:
    """A token that she made, with all that she may."""
    return made(mallory, hub)


@pytest.fixture(scope="module")
def servers(mallory: requests.Session, state: Path) -> str:
    """Her server's token."""
    return (state / "token-mallory").read_text()


@pytest.fixture(scope="module")
def admin(hub: str) -> requests.Session:
    browser, page = sign_in(hub, "admin", environment()["TT_ADMIN_PASSWORD"])
    choose(browser, page, GOOD)  # it keeps where the sign-in was to lead: home
    return browser


def bearing(value: str) -> dict[str, str]:
    return {"Authorization": f"token {value}"}


def xsrf(browser: requests.Session) -> dict[str, str]:
    return {"X-XSRFToken": browser.cookies.get("_xsrf", path="/course/hub/") or ""}


def made(browser: requests.Session, hub: str, name: str = "mallory", **asked: Any) -> str:
    """A token that somebody made for themselves."""
    answer = browser.post(f"{hub}api/users/{name}/tokens", json=asked, headers=xsrf(browser))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def works(hub: str, value: str) -> bool:
    return requests.get(hub + "api/user", headers=bearing(value)).ok


@pytest.mark.parametrize(("method", "path", "sent"), BEYOND)
def test_no_token_or_session_of_a_student_reaches_beyond_its_owner(
    hub: str, mallory: requests.Session, own: str, servers: str, method: str, path: str, sent: Any
) -> None:
    for session, headers in (
        (mallory, xsrf(mallory)),
        (requests, bearing(own)),
        (requests, bearing(servers)),
        (requests, {}),
    ):
        answer = session.request(method, f"{hub}api/{path}", json=sent, headers=headers)
        assert answer.status_code in (403, 404), f"{answer.status_code} {answer.text[:300]}"


def test_what_was_refused_is_there_for_an_admin(hub: str, admin: requests.Session) -> None:
    for path in (path for method, path, _ in BEYOND if method == "GET" and "progress" not in path):
        assert admin.get(f"{hub}api/{path}").ok, path


def test_what_was_refused_changed_nothing(hub: str, mallory: requests.Session) -> None:
    assert mallory.get(hub + "api/user").json()["admin"] is False
    assert mallory.get(hub + "api/user").json()["groups"] == ["section-a"]
    users = requests.get(hub + "api/users", headers=bearing(environment()["TT_WARM_TOKEN"])).json()
    assert {user["name"] for user in users} == {"admin", "ben", "mallory"}
    groups = requests.get(hub + "api/groups", headers=bearing(environment()["TT_ROSTER_TOKEN"])).json()
    staff = {"role-admin": [], "role-instructor": []}
    assert {group["name"]: group["users"] for group in groups} == {**staff, "section-a": ["ben", "mallory"]}


@pytest.mark.parametrize("asked", MORE_SCOPES, ids=str)
def test_nobody_makes_a_token_that_may_do_more_than_they_may(
    hub: str, mallory: requests.Session, own: str, servers: str, asked: dict[str, Any]
) -> None:
    for session, headers in (
        (mallory, xsrf(mallory)),
        (requests, bearing(own)),
        (requests, bearing(servers)),
    ):
        answer = session.post(f"{hub}api/users/mallory/tokens", json=asked, headers=headers)
        assert answer.status_code in (400, 403, 404), answer.text


def test_a_server_makes_no_token_and_starts_and_stops_none(hub: str, servers: str) -> None:
    assert works(hub, servers)
    for method, path in (("POST", "tokens"), ("GET", "tokens"), ("POST", "server"), ("DELETE", "server")):
        answer = requests.request(method, f"{hub}api/users/mallory/{path}", headers=bearing(servers), json={})
        assert answer.status_code in (403, 404), path


@pytest.mark.parametrize("path", ["users/mallory/servers/second", "users/mallory/servers/..%2fben"])
def test_one_server_is_all_that_anybody_has(hub: str, mallory: requests.Session, path: str) -> None:
    answer = mallory.post(f"{hub}api/{path}", json={}, headers=xsrf(mallory))
    assert answer.status_code in (400, 403, 404), answer.text


@pytest.mark.parametrize("following", ELSEWHERE)
def test_no_page_leads_to_another_site(hub: str, mallory: requests.Session, following: str) -> None:
    asked = {"params": {"next": following}, "allow_redirects": False}
    answers = [mallory.get(hub + page, **asked) for page in ("login", "spawn", "choose-password")]
    answers += [
        mallory.get(f"{hub}{page}{following}", allow_redirects=False)
        for page in ("user-redirect/", "..//", "", "login/", "../user/mallory/")
        if following.isprintable()
    ]
    for answer in answers:
        where = answer.headers.get("Location", "/")
        assert leads(where) in ("", hub.split("/")[2]), f"{answer.url} leads to {where}"


def test_neither_signing_in_nor_out_leads_to_another_site(hub: str) -> None:
    browser = requests.Session()
    form = {"username": "mallory", "password": GOOD, "_xsrf": token(browser.get(hub + "login"))}
    asked = {"params": {"next": "//elsewhere.example/"}, "allow_redirects": False}
    for answer in (browser.post(hub + "login", data=form, **asked), browser.get(hub + "logout", **asked)):
        assert answer.status_code == 302, answer.text
        assert leads(answer.headers["Location"]) == ""


def leads(where: str) -> str:
    """The host to which a browser goes, which takes \\ for / and any number of them for two, without tabs."""
    text = where.strip(" \x00\x1f").replace("\\", "/")
    for sign in "\t\r\n":
        text = text.replace(sign, "")
    scheme, colon, rest = text.partition(":")
    if colon and scheme.isalpha():
        return rest.lstrip("/").partition("/")[0] or scheme
    return text.lstrip("/").partition("/")[0] if text.startswith("//") else ""


def test_oauth_leads_back_to_the_server_that_began_it_and_nowhere_else(
    hub: str, mallory: requests.Session
) -> None:
    asked = {"client_id": "jupyterhub-user-mallory", "response_type": "code", "state": "x"}
    for back in ("https://elsewhere.example/oauth_callback", "/course/user/ben/oauth_callback", ""):
        answer = mallory.get(
            hub + "api/oauth2/authorize", params={**asked, "redirect_uri": back}, allow_redirects=False
        )
        assert answer.status_code in (400, 403), answer.headers.get("Location")


def test_a_form_token_of_ones_own_opens_nobody_elses_session(hub: str) -> None:
    """What a page of hers could send from another's browser, which sends that one's cookies with it."""
    hers, _ = sign_in(hub, "mallory", GOOD)
    his, _ = sign_in(hub, "ben", GOOD)
    assert his.post(f"{hub}api/users/ben/tokens", json={}, headers=xsrf(hers)).status_code == 403
    # A server may set cookies for the pages of all: with hers planted, his still do not count.
    planted = requests.Session()
    planted.cookies.update(his.cookies)
    planted.cookies.set("_xsrf", hers.cookies.get("_xsrf", path="/course/hub/"), path="/course/hub/")
    planted.cookies.set("_xsrf", hers.cookies.get("_xsrf", path="/course/hub/"), path="/")
    assert planted.post(f"{hub}api/users/ben/tokens", json={}, headers=xsrf(hers)).status_code == 403


@pytest.mark.parametrize("name", ["jupyterhub-hub-login", "tinytorch-known-browser"])
def test_a_cookie_counts_under_its_own_name_only(hub: str, mallory: requests.Session, name: str) -> None:
    browser = requests.Session()
    for cookie in sign_in(hub, "mallory", GOOD)[0].cookies:
        if cookie.name != name and cookie.value:
            browser.cookies.set(name, cookie.value.replace("mallory", "ben"), path="/course/hub/")
            assert "/hub/login" in browser.get(hub + "home").url, cookie.name


def test_a_reset_ends_what_was_made_with_the_old_password_but_not_the_server(
    hub: str, state: Path, mallory: requests.Session, servers: str, admin: requests.Session
) -> None:
    store = Store(state / "accounts.sqlite")
    # As narrow as a server's, under the name of a server's: still not the server's.
    narrow = ["users:activity!user", "access:servers!server=mallory/"]
    old = [made(mallory, hub), made(mallory, hub, note="Server at /course/user/mallory/", scopes=narrow)]
    sent = {"name": "mallory", "act": "reset", "_xsrf": token(admin.get(hub + "choose-password"))}
    assert admin.post(hub + "people/person", data=sent).ok
    assert [works(hub, value) for value in (*old, servers)] == [False, False, True]
    assert "/hub/login" in mallory.get(hub + "home").url

    # Nor does what she makes now outlive a password that she chooses herself.
    store.set_password("mallory", passwords.hashed(GOOD), one_time=False)
    sign_in_again(mallory, hub, "mallory", GOOD)
    old = [made(mallory, hub)]
    page = mallory.get(hub + "choose-password?next=%2Fcourse%2Fhub%2Fhome")
    choose(mallory, page, "another fine one", current=GOOD)
    assert [works(hub, value) for value in (*old, servers)] == [False, True]


def test_a_reset_beside_the_hub_is_noticed_by_the_tokens(hub: str, state: Path) -> None:
    """`make reset` changes the file of accounts only."""
    browser, _ = sign_in(hub, "ben", GOOD)
    old = made(browser, hub, "ben")
    Store(state / "accounts.sqlite").set_password("ben", passwords.hashed_one_time("once"), one_time=True)
    wait_for(lambda: not works(hub, old))
