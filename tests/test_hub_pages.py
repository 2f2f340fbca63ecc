"""The hub's own pages as people use them: in a real browser, light and dark, on a phone, with a screen reader's checker.

Needs no classroom: a real JupyterHub runs in a process of its own. With TT_TEST_SCREENSHOTS=yes the documentation's
pictures are taken anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from hub.accounts import passwords
from hub.accounts.store import Account, Store
from hub.tests.alone import running
from hub.tests.environment import GIB, profiles
from tests.classroom import chosen_password
from tests.test_pages import LOOKS, WIDER, picture

SAID = "We meet in room 5 today. Bring your laptop, and the paper that we handed out."
KINDS = profiles(
    student={"title": "Standard", "description": "For the course, module by module."},
    large={
        "description": "Training on all of CIFAR-10, and the capstone.",
        "memory": 4 * GIB,
        "cpus": 4.0,
        "guarantee": 2 * GIB,
    },
    project={
        "description": "For project groups, after asking your instructor.",
        "memory": 16 * GIB,
        "cpus": 8.0,
        "guarantee": 16 * GIB,
    },
)
PEOPLE = {"light": "ada", "dark": "grace", "phone": "mia"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A hub where nobody's server becomes ready, something is announced, and one kind of server does not fit."""
    state = tmp_path_factory.mktemp("hub")
    (state / "announcement.json").write_text(json.dumps({"text": SAID, "since": "", "until": None}))
    with running(
        state, "tests/hub_that_never_starts.py", TT_TITLE="TinyTorch Classroom", TT_PROFILES=KINDS
    ) as url:
        store = Store(state / "accounts.sqlite")
        for name in PEOPLE.values():
            hashed = passwords.hashed(chosen_password(name))
            store.add(Account(name, f"{name.title()} Example", password=hashed, one_time=False))
        yield url


@pytest.mark.parametrize("look", LOOKS)
def test_everybody_can_read_the_hubs_pages(
    browser: Browser, hub: str, axe: Callable[..., list[str]], look: str
) -> None:
    context = browser.new_context(**LOOKS[look])
    context.set_default_timeout(20_000)
    page = context.new_page()
    faults = []

    def read(title: str) -> None:
        expect(page.get_by_role("status").filter(has_text=SAID)).to_be_visible()
        if look == "phone":
            assert page.evaluate(WIDER) == 0, f"{title} scrolls sideways"
        ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) == (look == "dark"), f"{title}: {ground}"
        faults.extend(f"{title}: {found}" for found in axe(page))

    page.goto(hub + "login?next=%2Fcourse%2Fhub%2Fhome")
    read("sign-in")
    page.get_by_label("Username").fill(PEOPLE[look])
    page.get_by_label("Password").fill(chosen_password(PEOPLE[look]))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="TinyTorch Classroom")).to_be_visible()
    expect(page.get_by_role("link", name="See my marks")).to_be_visible()
    read("home")
    if look != "phone":
        picture(page, "home" if look == "light" else "home-dark")
    page.goto(f"{hub}../user/{PEOPLE[look]}/")
    read("not running")
    page.goto(hub + "nowhere")
    read("error")
    page.goto(hub + "spawn")
    expect(page.get_by_role("heading", name="Choose your server")).to_be_visible()
    read("choice")
    if look == "light":
        picture(page, "profiles")
    expect(page.get_by_role("radio", name="Project")).to_be_disabled()
    page.get_by_role("radio", name="Standard").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Large")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your notebooks are opening")).to_be_visible()
    expect(page.get_by_text("Your server is being made.")).to_be_visible()
    read("pending")
    assert not faults, "\n".join(faults)
    context.close()
