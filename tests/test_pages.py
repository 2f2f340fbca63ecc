"""The pages as people use them: in a real browser, with 300 generated students, whoever reads and however.

All but the last need no classroom: the service runs in a process of its own, with a stand-in for the hub. With
TT_TEST_SCREENSHOTS=yes the documentation's pictures are taken anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from grading.tests.class_in_a_process import ODD, REGRADE
from tests.classroom import REPOSITORY, Classroom
from tests.submissions import right
from tests.test_browser import PICTURES

STUCK, ADVANCED = "ada.adeyemi", "alan.bauer"  # what generated_class makes of the first two
# Who looks at which page.
PAGES = {
    "marks": (ADVANCED, ""),
    "marks of one who has begun": (STUCK, ""),
    "history": (STUCK, "module/losses"),
    "milestone": (ADVANCED, "milestone/xor"),
    "class": ("ada", "class"),
    "class of nobody": ("ada", "class?q=nobody+is+called+so"),
    "modules": ("ada", "class/modules"),
    "guesses": ("ada", "class/guesses/tensor"),
    "stuck": ("ada", "class/stuck"),
    "queue": ("ada", "class/queue"),
    "by hand": ("ada", "class/by-hand"),
    "regrades": ("ada", "class/regrades"),
    "regrade": ("ada", f"class/regrades/{REGRADE}"),
    "exports": ("ada", "class/exports"),
    "record": ("ada", f"class/student?name={STUCK}"),
    "record for a grader": ("gina", f"class/student?name={STUCK}"),
    "attempts": ("ada", f"class/attempts?name={ADVANCED}&kind=milestone&slug=xor"),
    "error": (STUCK, "nowhere"),
}
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light", "has_touch": True},
}
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
OPEN = "() => document.querySelectorAll('details').forEach((each) => { each.open = true })"
MOST_PICTURE = 150_000  # bytes


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service with a class of 300."""
    folder = tmp_path_factory.mktemp("class")
    command = [sys.executable, "-m", "grading.tests.class_in_a_process", str(folder), "300"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said, (folder / "log").read_text()
        yield json.loads(said)["url"]
        process.kill()


@pytest.fixture
def reader(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Somebody with a browser: `reader(name, look)` is a page of theirs, signed in at the first address."""
    contexts: list[BrowserContext] = []

    def opened(name: str, **look: Any) -> Page:
        context = browser.new_context(base_url=address, **look)
        context.set_default_timeout(20_000)
        context.add_cookies([{"name": "stand-in", "value": name, "domain": "127.0.0.1", "path": "/"}])
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


def picture(page: Page, name: str) -> None:
    """Take a picture for the documentation, small, if asked for."""
    if os.environ.get("TT_TEST_SCREENSHOTS") != "yes":
        return
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as taken:
        taken.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size < MOST_PICTURE


@pytest.mark.parametrize("look", LOOKS)
def test_everybody_can_read_every_page(
    reader: Callable[..., Page], axe: Callable[[Page], list[str]], look: str
) -> None:
    faults = []
    pages: dict[str, Page] = {}
    for title, (name, path) in PAGES.items():
        if name not in pages:
            pages[name] = reader(name, **LOOKS[look])
        page = pages[name]
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == (404 if title == "error" else 200), title
        if look == "phone":
            assert page.evaluate(WIDER) == 0, f"{title}: only its tables scroll sideways"
        page.evaluate(OPEN)  # what is hidden is read, too
        faults += [f"{title}: {found}" for found in axe(page)]
    assert not faults, "\n".join(faults)


def test_pictures_show_the_pages(reader: Callable[..., Page]) -> None:
    shots = {
        "student": ("light", "barbara.fischer", ""),
        "class": ("light", "ada", "class?section=Tuesday"),
        "record": ("light", "ada", f"class/student?name={STUCK}"),
        "class-phone": ("phone", "ada", "class?section=Tuesday"),
        "class-dark": ("dark", "ada", "class/modules"),
    }
    for name, (look, who, path) in shots.items():
        page = reader(who, **LOOKS[look])
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        if look == "phone":
            page.evaluate("() => window.scrollTo({top: 560, behavior: 'instant'})")
            page.wait_for_function("() => window.scrollY > 500")
        picture(page, name)


def tab_to(page: Page, selector: str, most: int = 80) -> None:
    """Press Tab until something has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by the Tab key")


def test_extension_is_granted_and_withdrawn_with_the_keyboard_only(reader: Callable[..., Page]) -> None:
    page = reader("ada", **LOOKS["light"])
    page.goto("class")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    tab_to(page, "input[type=search]")
    page.keyboard.type("Ada Adeyemi")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    tab_to(page, "tbody th a")
    ring = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid", "one sees where one is"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ada Adeyemi")).to_be_visible()

    tab_to(page, "select[name=item]")
    page.keyboard.type("Losses")
    tab_to(page, "input[name=due]")
    page.keyboard.type("12242036")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("1830PM" if page.locator("html").get_attribute("lang") == "en" else "1830")
    tab_to(page, "input[name=why]")
    page.keyboard.type("Was <b>ill</b> for a week.")
    page.keyboard.press("Enter")
    granted = page.locator(".granted .entry", has_text="Was <b>ill</b> for a week.")
    expect(granted).to_contain_text("24 Dec 2036")
    expect(granted).to_contain_text("by ada")
    expect(page.locator("#marks + .scroll tr", has_text="Losses")).to_contain_text("(extended)")

    granted.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(granted).to_contain_text("withdrawn by ada")


def test_form_says_what_is_wrong_and_keeps_what_was_typed(reader: Callable[..., Page]) -> None:
    page = reader("ada")
    page.goto(f"class/student?name={STUCK}")
    page.get_by_label("Why").fill("No reason at all")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert")).to_contain_text("Grant something")
    expect(page.get_by_label("Why")).to_have_value("No reason at all")


def test_form_from_elsewhere_changes_nothing(reader: Callable[..., Page]) -> None:
    page = reader("ada")
    page.goto(f"class/student?name={STUCK}")
    before = page.locator(".granted .entry").count()
    form = {"item": "module/losses", "excused": "yes", "why": "Somebody else wants it"}
    for token in ({}, {"_xsrf": "made-up"}):
        answer = page.request.post(f"class/student?name={STUCK}", form={**form, **token})
        assert answer.status == 403
        assert "Nothing was changed" in answer.text()
    own = page.locator("#grant input[name=_xsrf]").input_value()
    student = reader(STUCK)
    student.goto("")
    answer = student.request.post(f"class/student?name={STUCK}", form={**form, "_xsrf": own})
    assert answer.status == 403, "the token of somebody else's page is no use"
    page.reload()
    assert page.locator(".granted .entry").count() == before


def test_only_instructors_grant_and_only_staff_see_the_class(reader: Callable[..., Page]) -> None:
    grader, student = reader("gina"), reader(STUCK)
    grader.goto(f"class/student?name={STUCK}")
    expect(grader.locator("#grant")).to_have_count(0)
    token = grader.locator("body").get_attribute("data-xsrf") or ""
    form = {"item": "module/losses", "excused": "yes", "why": "I want to", "_xsrf": token}
    answer = grader.request.post(f"class/student?name={STUCK}", form=form)
    assert (answer.status, "Only instructors" in answer.text()) == (403, True)
    for path in (path for name, path in PAGES.values() if path.startswith("class")):
        answer = student.goto(path)
        assert answer is not None
        assert answer.status == 403, path
    student.goto("")
    token = student.locator("body").get_attribute("data-xsrf") or ""
    assert student.request.get("events", params={"about": "class", "_xsrf": token}).status == 403


def test_regrade_is_looked_at_and_applied_to_one(reader: Callable[..., Page]) -> None:
    page = reader("ada")
    page.goto(f"class/regrades/{REGRADE}")
    expect(page.get_by_text("The code is the same as before")).to_be_visible()
    rows = page.locator("tbody tr")
    assert rows.count() == 5
    page.get_by_role("button", name="Apply to those ticked").click()
    expect(page.get_by_role("alert")).to_contain_text("Tick the students")
    rows.first.get_by_role("checkbox").check()
    page.get_by_role("button", name="Apply to those ticked").click()
    expect(page.get_by_text("1 applied")).to_be_visible()


def test_names_show_as_they_are(reader: Callable[..., Page]) -> None:
    page = reader("ada", **LOOKS["phone"])
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    for name, full_name in ODD.items():
        page.goto("class")
        page.get_by_label("Name or number").fill(full_name)
        page.get_by_role("button", name="Show").click()
        page.locator("tbody th a", has_text=full_name).click()
        expect(page.locator("h1")).to_have_text(full_name)
        assert page.evaluate(WIDER) == 0, "a long name breaks no page"
        assert name in (page.locator(".head").text_content() or "")
    page.goto("class/queue")
    expect(page.get_by_role("link", name="<script>alert(1)</script>")).to_be_visible()
    assert said == [], "no name is run"


def test_mark_arrives_by_itself_and_disturbs_nobody(
    reader: Callable[..., Page],
) -> None:
    page = reader(ADVANCED)
    page.goto("module/activations")
    first = page.locator(".attempts details").first
    first.locator("summary").click()
    first.locator("summary").focus()
    before = page.locator(".attempts > li").count()
    token = {"Authorization": f"token token-{ADVANCED}"}
    body = json.dumps({"notebook": {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}})
    answer = page.request.post("api/submissions/module/activations", data=body, headers=token)
    assert answer.status == 201, answer.text()
    expect(page.locator(".attempts > li")).to_have_count(before + 1)
    expect(page.locator(".attempts > li").first).to_contain_text("Being marked")
    opened = page.locator(".attempts details").nth(1)
    expect(opened).to_have_attribute("open", "")
    expect(opened.locator("summary")).to_be_focused()


def test_pages_work_without_script(reader: Callable[..., Page]) -> None:
    page = reader("ada", java_script_enabled=False)
    page.goto("class")
    page.get_by_label("State").select_option("waiting")
    page.get_by_role("button", name="Show").click()
    waiting = page.locator("tbody tr")
    assert 0 < waiting.count() <= 50
    page.goto("class/queue")
    assert page.locator("noscript meta[http-equiv=refresh]").count() or "refresh" in page.content()


def test_one_person_has_few_live_pages(reader: Callable[..., Page]) -> None:
    page = reader(STUCK)
    page.goto("")
    token = page.locator("body").get_attribute("data-xsrf")
    states = page.evaluate(
        """async (token) => {
            const open = [];
            for (let i = 0; i < 5; i += 1) {
                const answer = await fetch(`events?about=own&_xsrf=${token}`, {signal: AbortSignal.timeout(15000)});
                open.push(answer.status);
            }
            return open;
        }""",
        token,
    )
    assert states == [200, 200, 200, 429, 429], "with the page's own there are four"


def test_filters_find_whom_they_name(reader: Callable[..., Page]) -> None:
    page = reader("ada")
    page.goto("class")
    everybody = page.locator("h1 + p").inner_text()
    assert everybody.startswith("304 students")
    assert page.locator("tbody tr").count() == 50
    expect(page.get_by_text("Page 1 of 7")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Page 2 of 7")).to_be_visible()
    page.goto("class?section=Tuesday&item=module/tensor&state=none")
    none = page.locator("tbody tr").count()
    assert 0 < none < 50
    page.goto("class?order=least")
    totals = [float(each.split("/")[0]) for each in page.locator("tbody td:last-child").all_inner_texts()]
    assert totals == sorted(totals)
    page.goto("class/stuck")
    row = page.get_by_role("row", name="Ada Adeyemi")
    expect(row).to_contain_text("Losses")


def test_folder_of_pictures_is_small() -> None:
    for name in ("student", "class", "record", "class-phone", "class-dark"):
        path = Path(PICTURES / f"{name}.png")
        assert path.stat().st_size < MOST_PICTURE, path


def test_instructor_follows_the_class_behind_the_real_hub(classroom: Classroom, browser: Browser) -> None:
    """Sign-in by the hub, live news through its proxy, and a form that the hub's cookies protect."""
    (teacher,) = classroom.enrol("lamarr", role="instructor")
    (student,) = classroom.enrol("noether")
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(f"{classroom.url}services/grading/class?q=noether")
    page.get_by_label("Username").fill(teacher.name)
    page.get_by_label("Password").fill(teacher.password)
    page.get_by_role("button", name="Sign in").click()
    row = page.locator("tbody tr", has_text="Noether Example")
    expect(row).to_be_visible()
    expect(row).not_to_contain_text("10")

    answer = student.api("POST", f"users/{student.name}/tokens", json={"note": "hands in", "expires_in": 600})
    assert answer.ok, answer.text
    handed_in = requests.post(
        f"{classroom.url}services/grading/api/submissions/module/setup",
        json={"notebook": right("setup")},
        headers={"Authorization": f"token {answer.json()['token']}"},
        timeout=60,
    )
    assert handed_in.status_code == 201, handed_in.text
    expect(row.locator("td").first).to_contain_text("10", timeout=90_000)  # without a click

    row.get_by_role("link").click()
    page.get_by_label("Excused").check()
    page.get_by_label("Why").fill("Tried in the real classroom")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".granted .entry")).to_contain_text("Tried in the real classroom")
    expect(page.locator("#marks + .scroll tbody tr").first).to_contain_text("Excused", timeout=60_000)
    context.close()
