"""One real classroom for the whole session of tests: deployed as an admin would, and taken away again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.classroom import REPOSITORY, Classroom, Student, deployed, make, undeploy

# Without these Chromium calls home for updates and lists, which a closed network refuses, many times at once.
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FINDINGS = "() => axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)"


# What does without the session's classroom; in this order, since the last deploys one of its own, from images that are there by then.
ALONE = [
    f"tests/test_{name}.py"
    for name in (
        "tracks",
        "campus_sign_in",
        "hub_pages",
        "lms_sign_in",
        "student_folder",
        "subdomains",
        "campus_classroom",
    )
]


class TwoProcesses(LoadScopeScheduling):  # type: ignore[misc]
    """One has the classroom; what needs none runs beside it in the other."""

    def _split_scope(self, nodeid: str) -> str:
        return "alone" if nodeid.partition("::")[0] in ALONE else "classroom"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        file = item.nodeid.partition("::")[0]
        return ALONE.index(file) if file in ALONE else len(ALONE)

    items.sort(key=place)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoProcesses:
    """With `-n 2`, as tests/test.sh runs them."""
    return TwoProcesses(config, log)


def _remove() -> None:
    """Take the tests' classroom off the machine; an engine that was there before stays."""
    undeploy(keep_engine=os.environ.get("TT_TEST_ENGINE") == "found")


@pytest.fixture(scope="session")
def classroom() -> Iterator[Classroom]:
    """A classroom that `make deploy` made from nothing; what an aborted run left is removed first.

    With TT_TEST_KEEP=yes it stays, and the next run takes it as it is: for the one who writes a test.
    """
    keep = os.environ.get("TT_TEST_KEEP") == "yes"
    if not keep:
        _remove()
    answer = make("deploy", timeout=1500)
    assert answer.returncode == 0, answer.stdout[-6000:] + answer.stderr[-3000:]
    yield deployed()
    if not keep:
        _remove()


@pytest.fixture(scope="session")
def people(classroom: Classroom) -> dict[str, Student]:
    """Three students who chose their passwords."""
    return {student.name: student for student in classroom.enrol("ada", "grace", "mallory")}


@pytest.fixture
def ada(people: dict[str, Student]) -> Student:
    """A student with a running server."""
    people["ada"].start_server()
    return people["ada"]


@pytest.fixture
def grace(people: dict[str, Student]) -> Student:
    """Another one, who hands in much."""
    people["grace"].start_server()
    return people["grace"]


@pytest.fixture
def mallory(people: dict[str, Student]) -> Student:
    """A student who means harm, with a running server."""
    people["mallory"].start_server()
    return people["mallory"]


@pytest.fixture(scope="module")  # no longer: its event loop would be in the way of others
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of a browser that nobody has signed in with."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(60_000)
    opened = context.new_page()
    yield opened
    context.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Page], list[str]]:
    """What the accessibility checker, of the version and digest in tests/axe, finds on a page."""
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(REPOSITORY / "tests" / "axe" / name, folder)
    answer = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, f"npm could not install axe-core, so nothing was checked: {answer.stderr}"
    script = (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")

    def faults(page: Page) -> list[str]:
        page.evaluate(script)
        return [
            f"{found['help']}: {[node['html'][:200] for node in found['nodes'][:3]]}"
            for found in page.evaluate(FINDINGS)
        ]

    return faults
