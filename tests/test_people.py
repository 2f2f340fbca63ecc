"""The staff's pages of people in a real browser, with a class of a thousand; and who left a real classroom.

All but the last need no classroom: the hub runs in a process of its own, without containers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from hub.accounts import acts, passwords, waiting
from hub.accounts.store import Account, Store, insert
from hub.tests.alone import GOOD, running
from tests.classroom import Classroom, run
from tests.test_pages import LOOKS, WIDER, picture, tab_to

ODD = '<b>Zoë</b> "Z" ' + "long" * 40


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A hub with a class of a thousand, some of whom have trouble."""
    state = tmp_path_factory.mktemp("hub")
    with running(state, TT_SELF_REGISTRATION="approval") as url:
        store, kept, now = Store(state / "accounts.sqlite"), passwords.hashed(GOOD), time.time()
        with store.change() as connection:
            connection.execute(
                "UPDATE accounts SET password = ?, one_time = 0 WHERE username = 'admin'", [kept]
            )
            for number in range(1000):
                been = now - 600 * number if number % 7 else None
                name = ODD if number == 500 else f"Student {number:04}"
                section = "Monday" if number % 2 else "Tuesday"
                account = Account(
                    f"s{number:04}", name, "", section, "student", "roster", kept, not number % 5, been,
                    now if number % 90 == 89 else None,
                )  # fmt: skip
                insert(connection, account)
            row = "sign-in", "s0001", "192.0.2.7", now
            connection.executemany("INSERT INTO attempts VALUES (?, ?, ?, ?)", [row] * 8)
            row = "sign-in", "guessed", "192.0.2.9", now
            connection.executemany("INSERT INTO attempts VALUES (?, ?, ?, ?)", [row] * 600)
            for number in range(60):
                acts.record(connection, "admin", "new one-time password", f"s{number:04}")
        for number in range(60):
            waiting.add(store, f"w{number}", ODD if number == 1 else f"Newcomer {number}", kept)
        yield url


def signed_in(browser: Browser, hub: str, look: str) -> Page:
    """A window of the admin's."""
    page = browser.new_context(**LOOKS[look]).new_page()
    page.set_default_timeout(20_000)
    page.goto(hub + "login?next=%2Fcourse%2Fhub%2Fpeople")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(GOOD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="People")).to_be_visible()
    return page


@pytest.mark.parametrize("look", LOOKS)
def test_staff_can_read_every_page_of_people(
    browser: Browser, hub: str, axe: Callable[[Page], list[str]], look: str
) -> None:
    page = signed_in(browser, hub, look)
    faults = []
    for path in (
        "people",
        "people?q=nobody+is+called+so",
        "people/person?name=s0001",
        "people/person?name=s0500",
        "people/waiting?tick=all",
        "people/record",
    ):
        page.goto(hub + path)
        if look == "phone":
            assert page.evaluate(WIDER) == 0, f"{path}: only its tables scroll sideways"
        faults += [f"{path}: {found}" for found in axe(page)]
    assert not faults, "\n".join(faults)
    page.context.close()


def test_page_for_whoever_asks_is_readable_too(
    browser: Browser, hub: str, axe: Callable[[Page], list[str]]
) -> None:
    page = browser.new_context(**LOOKS["phone"]).new_page()
    page.goto(hub + "sign-up")
    page.get_by_label("Your name").fill("Robin")
    page.get_by_label("Username").fill("robin")
    page.get_by_label("Password", exact=True).fill(GOOD)
    page.get_by_label("The same again").fill(GOOD)
    page.get_by_role("button", name="Ask for my account").click()
    expect(page.get_by_role("heading", name="You have asked for an account")).to_be_visible()
    assert axe(page) == []
    page.context.close()


def test_forgotten_password_is_helped_with_the_keyboard_only(browser: Browser, hub: str) -> None:
    page = signed_in(browser, hub, "light")
    page.goto(hub + "people?q=student")
    picture(page, "people")
    page.goto(hub + "people")
    tab_to(page, "input[type=search]")
    page.keyboard.type("s0777")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    tab_to(page, "tbody th a")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Student 0777")).to_be_visible()
    tab_to(page, "form button")
    page.keyboard.press("Enter")
    given = page.locator(".tt-given code").inner_text()
    page.goto(hub + "people/person?name=s0777")
    expect(page.get_by_text(given)).to_have_count(0)
    expect(page.locator("tbody tr").first).to_contain_text("new one-time password")
    student = browser.new_context().new_page()
    student.goto(hub + "login")
    student.get_by_label("Username").fill("s0777")
    student.get_by_label("Password").fill(given)
    student.get_by_role("button", name="Sign in").click()
    expect(student.get_by_role("heading", name="Choose a password")).to_be_visible()
    student.context.close()
    page.context.close()


def test_who_left_the_class_loses_the_running_server_and_keeps_the_work(classroom: Classroom) -> None:
    leaving, _ = classroom.enrol("leaving", "staying", role="assistant", section="")
    leaving.start_server()
    assert leaving.shell("echo mine > ~/work.txt").returncode == 0
    container = leaving.container
    apply(classroom, "Staying Example,staying,assistant", "--whole")
    assert not run("docker", "ps", "-aq", "--filter", f"name={container}").stdout
    assert "/hub/login" in leaving.session.get(f"{classroom.url}user/leaving/lab", timeout=30).url
    assert leaving.sign_in().status_code == 403

    apply(classroom, "Leaving Example,leaving,assistant")
    assert leaving.sign_in().ok
    leaving.start_server()
    assert leaving.shell("cat ~/work.txt").stdout == "mine\n"
    leaving.stop_server()


def apply(classroom: Classroom, line: str, *options: str) -> None:
    """A roster for the hub alone: of grading's list the other tests' people are to stay."""
    command = ["python", "-m", "hub.roster", "apply", "-", "--grading", "http://127.0.0.1:9", *options]
    answer = classroom.compose("exec", "-T", "hub", *command, input=f"name,id,role\n{line}\n")
    assert "grading was not told" in answer.stderr, answer.stdout + answer.stderr
