"""Sign-in by an LMS, in Chromium: a third party's LTI 1.3 platform (lti1p3platform), and the hub with our configuration,
without engine and containers. What a person sees who comes from a course, and who may not come in.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tornado.web import create_signed_value

from hub.accounts.store import Store
from hub.launch.courses import Courses
from hub.launch.tests import lms
from hub.launch.tests.lms import CLIENT, COURSE, DEPLOYMENT, LINK, Lms
from hub.roster import reading
from hub.signin.identities import Identities
from hub.tests.alone import free_port, running
from hub.tests.environment import environment
from tests.classroom import REPOSITORY

HOME = "/course/hub/home"
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"


@dataclass
class Classroom:
    """A hub that is a tool of the LMS's."""

    url: str
    state: Path
    lms: Lms
    env: dict[str, str]

    @property
    def log(self) -> str:
        return (self.state / "log").read_text()

    @property
    def realm(self) -> str:
        return f"{self.lms.url} {CLIENT}"

    def groups(self, username: str) -> list[str]:
        headers = {"Authorization": f"token {environment()['TT_ROSTER_TOKEN']}"}
        answer = requests.get(f"{self.url}api/users/{username}", headers=headers, timeout=30)
        assert answer.ok, answer.text
        return sorted(answer.json()["groups"])


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    state, port = tmp_path_factory.mktemp("hub"), free_port()
    site = Lms(f"http://127.0.0.1:{port}/course/hub/")
    site.registration.set_launch_url(f"{site.hub}home")
    told = {
        "issuer": site.url,
        "client_id": CLIENT,
        "authorize_url": f"{site.url}/authorize",
        "keys_url": f"{site.url}/keys",
        "token_url": f"{site.url}/token",
        "deployments": [DEPLOYMENT],
        "courses": [COURSE],
        "username_claim": "custom.username",
        "course_is_section": True,
        "roster_only": False,
    }
    text = base64.b64encode(json.dumps(told).encode()).decode()
    changed = {"TT_AUTH": "lti13", "TT_LTI": text, "TT_SELF_REGISTRATION": "closed"}
    with running(state, port=port, **changed) as url:
        yield Classroom(url, state, site, environment(**changed))
    site.stop()


@pytest.fixture(autouse=True)
def honest(classroom: Classroom) -> None:
    classroom.lms.clock, classroom.lms.changed = 0, {}


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Somebody with a browser of their own."""
    contexts: list[BrowserContext] = []

    def opened() -> Page:
        context = browser.new_context()
        context.set_default_timeout(20_000)
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


def launch(page: Page, classroom: Classroom, login: str) -> Page:
    page.goto(f"{classroom.lms.url}/course?as={login}")
    page.get_by_role("link", name="The classroom").click()
    page.wait_for_url(f"{classroom.url}**")
    return page


def begin(classroom: Classroom, login: str) -> tuple[requests.Session, dict[str, str]]:
    """A session without a browser's work, and what the LMS gives it to take back."""
    session = requests.Session()
    answer = session.get(classroom.lms.begin(login), timeout=30, allow_redirects=False)
    asked = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    sent = classroom.lms.launch(asked)
    return session, {name: sent[name] for name in ("id_token", "state")}


def come_back(classroom: Classroom, login: str) -> tuple[requests.Session, requests.Response]:
    """The session, and what the hub answers to who comes back from the LMS."""
    session, sent = begin(classroom, login)
    place = f"{classroom.url}lti13/oauth_callback"
    answer = session.post(place, data=sent, timeout=30, allow_redirects=False)
    if answer.status_code == 303:
        answer = session.get(urljoin(place, answer.headers["Location"]), timeout=30, allow_redirects=False)
    return session, answer


def refused(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("You could not be signed in")
    expect(page.locator("main")).to_contain_text(words)
    assert "Traceback" not in page.content()


def test_an_instructor_comes_from_the_course_and_is_who_they_are_there(
    classroom: Classroom, visitor: Callable[[], Page]
) -> None:
    page = launch(visitor(), classroom, "ada")
    page.wait_for_url(f"**{HOME}")
    expect(page.get_by_text("Welcome,")).to_have_text("Welcome, Ada <i>L.</i>.")
    assert classroom.groups("ada") == ["role-instructor", "section-cs-101"]
    page.goto(f"{classroom.url}admin")
    expect(page.locator("main")).to_contain_text("403")  # an administrator of the LMS's, and none here

    store = Store(classroom.state / "accounts.sqlite")
    assert Identities(store, classroom.realm).find("u-1") == "ada"
    [course] = Courses(store, classroom.realm).known()
    assert (course.id, course.title, course.link) == (COURSE, "Deep Learning", LINK)
    assert course.line_items or course.line_item
    assert course.members == f"{classroom.lms.url}/members"
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies(classroom.url)}
    assert {cookie["sameSite"] for cookie in cookies.values()} == {"Lax"}
    assert "tinytorch-launch" not in cookies


@pytest.mark.parametrize(
    ("login", "group"), [("Grace", "role-student"), ("tom", "role-grader")], ids=["learner", "assistant"]
)
def test_roles_at_the_campus_count_for_nothing_and_those_in_the_course_do(
    classroom: Classroom, login: str, group: str
) -> None:
    _, answer = come_back(classroom, login)
    assert answer.headers["Location"] == HOME
    assert classroom.groups(login.casefold()) == [group, "section-cs-101"]


@pytest.mark.parametrize(
    ("login", "changed", "words", "line"),
    [
        ("parent", {}, "you neither learn nor teach in it", "no role of a student, teaching assistant"),
        ("admin", {}, "that of the classroom's own account", "another lti.username_claim"),
        ("$User.username", {}, "signs in it that cannot be used", "says '$User.username', which cannot be"),
        ("Grace", {"sub": "u-99"}, "account grace belongs to somebody else", "make forget USER=grace"),
        ("Grace", {"aud": "another"}, "could not be verified", "Audience doesn't match"),
        ("Grace", {"iss": "https://evil.example"}, "could not be verified", "Invalid issuer"),
        ("Grace", {f"{CLAIM}deployment_id": "9"}, "this part of your LMS", "the deployment '9' is refused"),
        (
            "Grace",
            {f"{CLAIM}context": {"id": "43", "title": "Painting", "label": "P 1"}},
            "This classroom is not for the course Painting.",
            "the course '43' ('Painting') is refused. If this classroom is for it, add its id to lti.courses.",
        ),
        (
            "Grace",
            {f"{CLAIM}message_type": "LtiDeepLinkingRequest"},
            "nothing to choose",
            "Turn deep linking",
        ),
        ("Grace", {f"{CLAIM}version": "1.1"}, "not a launch that the classroom can take", "1.1"),
    ],
)
def test_who_may_not_come_in_is_told_why(
    classroom: Classroom, login: str, changed: dict[str, object], words: str, line: str
) -> None:
    come_back(classroom, "Grace")
    classroom.lms.changed = changed
    session, answer = come_back(classroom, login)
    assert "You could not be signed in" in answer.text
    assert words in html.unescape(answer.text)
    assert line in classroom.log
    assert "/hub/login" in session.get(f"{classroom.url}home", timeout=30).url


def test_a_clock_that_is_wrong_is_told_in_words(classroom: Classroom, visitor: Callable[[], Page]) -> None:
    words = "The clock of this classroom and that of your campus's sign-in do not agree"
    classroom.lms.clock = -1800
    refused(launch(visitor(), classroom, "Grace"), words)
    assert "set this machine's clock" in classroom.log
    classroom.lms.clock = 1800
    assert words in html.unescape(come_back(classroom, "Grace")[1].text)
    classroom.lms.clock = 30
    assert come_back(classroom, "Grace")[1].headers["Location"] == HOME


def test_who_opens_the_address_without_the_lms_is_told_where_to_begin(
    classroom: Classroom, visitor: Callable[[], Page]
) -> None:
    page = visitor()
    for path in ("oauth_login", "oauth_login?iss=x&login_hint=y", "oauth_callback"):
        page.goto(f"{classroom.url}lti13/{path}")
        refused(page, "Open the classroom by its link in your course")
    answer = requests.get(f"{classroom.url}lti13/oauth_callback", timeout=30)
    assert (
        "frame-ancestors *" in answer.headers["Content-Security-Policy"]
    )  # said where the LMS frames it, too
    answer = requests.get(f"{classroom.url}login", timeout=30)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    page.get_by_role("link", name="Back to the start").click()
    expect(page.locator("main")).to_contain_text("You come in from your course")
    page.get_by_text("The classroom's own account").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert requests.get(f"{classroom.url}sign-up", timeout=30).status_code == 404


@pytest.mark.parametrize("name", ["iss", "client_id"])
def test_another_lms_or_client_is_refused_before_anything_is_sent_there(
    classroom: Classroom, name: str
) -> None:
    address = re.sub(f"{name}=[^&]*", f"{name}=another", classroom.lms.begin("Grace"))
    answer = requests.get(address, timeout=30, allow_redirects=False)
    assert "This classroom does not know your LMS" in answer.text
    assert f"an LMS says {name} 'another', not" in classroom.log


def test_a_launch_serves_once_and_only_the_browser_that_began_it(
    classroom: Classroom, visitor: Callable[[], Page]
) -> None:
    page, sent, seen = visitor(), [], []
    page.on("request", lambda asked: sent.append(asked.post_data) if asked.method == "POST" else None)
    page.on("request", lambda asked: seen.append(asked.url) if "callback?" in asked.url else None)
    launch(page, classroom, "Grace").wait_for_url(f"**{HOME}")
    other = visitor()
    other.goto(seen[0])
    refused(other, "was begun in another window")
    page.goto(seen[0])
    refused(page, "was begun in another window")
    place = f"{classroom.url}lti13/oauth_callback"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    again = requests.post(place, data=sent[0], headers=headers, timeout=30)
    assert "was used already" in again.text
    assert "came back a second time" in classroom.log

    # Somebody is led to be somebody else: a launch that another browser began.
    _, thief = begin(classroom, "ada")
    answer = requests.post(place, data=thief, timeout=30, allow_redirects=False)
    page.goto(urljoin(place, answer.headers["Location"]))
    refused(page, "was begun in another window")


def test_a_launch_that_took_too_long_is_told_in_words(classroom: Classroom) -> None:
    key = bytes.fromhex(environment()["JPY_COOKIE_SECRET"])
    old = create_signed_value(key, "tinytorch-launch", "x", clock=lambda: time.time() - 700)
    for state in (base64.urlsafe_b64encode(old).decode(), "forged", "é", "W10="):
        form = {"state": state, "id_token": "x"}
        answer = requests.post(f"{classroom.url}lti13/oauth_callback", data=form, timeout=30)
        assert answer.status_code == 400
        assert "This launch took too long" in answer.text


def test_in_a_frame_it_opens_in_a_window_of_its_own(
    classroom: Classroom, visitor: Callable[[], Page]
) -> None:
    page = visitor()
    page.goto(f"{classroom.lms.url}/course?as=Grace&framed=yes")
    with page.expect_popup() as opened:
        page.frame_locator("iframe").get_by_role("link", name="Open in a new window").click()
    opened.value.wait_for_url(f"**{HOME}")


def test_the_lms_leads_to_no_other_site(classroom: Classroom) -> None:
    for target in (
        "https://evil.example/",
        "//evil.example",
        f"{classroom.url}lti13/oauth_login",
        "javascript:1",
    ):
        classroom.lms.changed = {f"{CLAIM}target_link_uri": target}
        _, answer = come_back(classroom, "Grace")
        assert answer.headers["Location"] == "/course/hub/"


def test_what_the_admin_of_the_lms_enters_is_on_a_page(
    classroom: Classroom, visitor: Callable[[], Page]
) -> None:
    page = visitor()
    page.goto(f"{classroom.url}lti13/")
    told = requests.get(f"{classroom.url}lti13/config", timeout=30).json()
    for name in ("target_link_uri", "oidc_initiation_url", "public_jwk_url"):
        expect(page.locator("main")).to_contain_text(told[name])
    [key] = requests.get(told["public_jwk_url"], timeout=30).json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "alg", "use"}
    assert (classroom.state / "lti-key.pem").stat().st_mode & 0o777 == 0o600
    assert requests.get(told["target_link_uri"], timeout=30).ok


def test_the_members_of_a_course_become_a_roster(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    come_back(classroom, "ada")

    def asked() -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "hub.launch",
            "--store",
            str(classroom.state / "accounts.sqlite"),
            "members",
        ]
        env = {**os.environ, **classroom.env, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)

    answer = asked()
    assert answer.returncode == 1
    assert "'Nameless' cannot be in a roster: The claim 'custom.username'" in answer.stderr
    assert answer.stdout == ""

    monkeypatch.delitem(lms.PEOPLE, "$User.username")
    answer = asked()
    assert answer.returncode == 0, answer.stderr
    people = {person.username: person for person in reading.read(answer.stdout.encode())}
    assert {name: person.role for name, person in people.items()} == {
        "ada": "instructor", "grace": "student", "tom": "grader", "admin": "instructor",
    }  # fmt: skip
    assert people["grace"].section == "CS 101"
