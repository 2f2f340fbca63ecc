"""What is announced reaches everybody at once, in the hub and in a JupyterLab that is open; and that opens on the next step.

With TT_TEST_SCREENSHOTS=yes the picture of the documentation is taken anew.
"""

from __future__ import annotations

import json

from playwright.sync_api import Browser, Page, expect

from tests.classroom import Classroom, Student, make
from tests.submissions import right
from tests.test_browser import sign_in
from tests.test_pages import picture

SAID = "We meet in room 5 today. Bring your laptop, and the paper that we handed out."
AGAIN = "$5, `id`, $(id), \"quoted\" and 'so'. <script>document.title = 'taken over'</script>"
SOON = 20_000  # milliseconds; it takes five seconds


def test_announcement_is_shown_at_once_and_taken_back(classroom: Classroom, page: Page) -> None:
    (student,) = classroom.enrol("hopper")
    sign_in(page, student)
    # JupyterLab opens on what comes next: at first, and when that has changed.
    page.wait_for_url("**/lab/tree/course/setup.ipynb", timeout=120_000)
    page.locator(".jp-Notebook:visible").first.wait_for()
    student.shell("cat > ~/course/setup.ipynb", stdin=json.dumps(right("setup")))
    assert student.tito("export setup").returncode == 0
    page.goto(f"{classroom.url}user/{student.name}/")
    page.wait_for_url("**/lab/tree/course/tensor.ipynb")
    page.locator(".jp-Notebook:visible").first.wait_for()

    banner = page.get_by_role("status", name="Announcement")
    expect(banner).to_have_text("")
    told = make("announce", TEXT=SAID, UNTIL="+2h")
    assert told.returncode == 0, told.stderr
    assert SAID in told.stdout
    expect(banner).to_have_text(SAID, timeout=SOON)
    picture(page, "announcement")
    height = page.locator("#jp-main-content-panel").bounding_box()
    foot = page.locator("#tinytorch-announcement").bounding_box()
    assert height is not None
    assert foot is not None
    assert foot["height"] > 20, "it is seen"
    assert foot["y"] + foot["height"] <= height["y"], "it covers nothing"

    # Whoever has read it puts it away; another one comes all the same, as text.
    page.get_by_role("button", name="Hide the announcement").click()
    expect(banner).to_have_text("")
    assert AGAIN in make("announce", TEXT=AGAIN).stdout, "neither make nor a shell changed it"
    expect(banner).to_have_text(AGAIN, timeout=SOON)
    assert page.title() != "taken over"

    # The hub's pages show it too, to whoever signs in, and after a restart.
    classroom.compose("restart", "--timeout", "5", "hub")
    classroom.wait_healthy("hub")
    page.goto(f"{classroom.url}hub/home")
    expect(page.get_by_role("status").filter(has_text=AGAIN)).to_be_visible()
    stranger = page.context.browser.new_page()  # type: ignore[union-attr]
    stranger.goto(classroom.url)
    expect(stranger.get_by_role("status").filter(has_text=AGAIN)).to_be_visible()

    taken_back = make("announce", TEXT="")
    assert "Nothing is announced." in taken_back.stdout
    stranger.reload()
    expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(stranger.get_by_text(AGAIN)).to_have_count(0)
    stranger.close()


def test_student_announces_nothing(classroom: Classroom, mallory: Student) -> None:
    assert make("announce", TEXT="From the instructor").returncode == 0
    file = "/srv/course/announcement.json"
    for attempt in (
        f"echo {{}} > {file}",
        f"rm {file}",
        f"mv ~/course/README.md {file}",
        f"mount -o remount,rw {file}",
    ):
        assert mallory.shell(attempt).returncode != 0, attempt
    own = f"{classroom.url}user/{mallory.name}/announcement"
    for method in ("POST", "PUT", "DELETE"):
        answer = mallory.session.request(
            method, own, data="x", headers={"X-XSRFToken": mallory.xsrf}, timeout=30
        )
        assert answer.status_code in (403, 405), (method, answer.status_code)
    assert "From the instructor" in make("announce").stdout
    make("announce", TEXT="")


def test_bad_announcements_get_a_sentence(classroom: Classroom) -> None:
    for variables, sentence in (
        ({"TEXT": "x" * 10_240}, "at most 500 are shown"),
        ({"TEXT": "turned \u202e around"}, "U+202E"),
        ({"TEXT": "Break", "UNTIL": "soon"}, "UNTIL='soon' is no moment"),
        ({"UNTIL": "+2h"}, "but no TEXT"),
    ):
        answer = make("announce", **variables)
        assert answer.returncode != 0
        assert sentence in answer.stderr, answer.stderr
        assert "Traceback" not in answer.stderr
    assert "Nothing is announced." in make("announce").stdout


def test_jupyterlab_is_as_dark_as_the_system(classroom: Classroom, ada: Student, browser: Browser) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    sign_in(page, ada)
    page.wait_for_url("**/lab/**", timeout=120_000)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false", timeout=60_000)
    context.close()
