"""A student's way in a real browser: sign in, open the notebook, solve it, hand it in, see the mark and its reasons.

With TT_TEST_SCREENSHOTS=yes the pictures of the documentation are taken anew.
"""

from __future__ import annotations

import json
import os

from playwright.sync_api import Page, expect

from tests.classroom import REPOSITORY, Classroom, Student
from tests.submissions import right, wrong

PICTURES = REPOSITORY / "docs" / "images"


def picture(page: Page, name: str) -> None:
    """Take a picture for the documentation, if asked for."""
    if os.environ.get("TT_TEST_SCREENSHOTS") == "yes":
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")


def sign_in(page: Page, student: Student) -> None:
    page.goto(student.classroom.url)
    page.get_by_label("Username").fill(student.name)
    page.get_by_label("Password").fill(student.password)
    page.get_by_role("button", name="Sign in").click()


def test_student_goes_from_sign_in_to_the_mark_with_its_reasons(classroom: Classroom, page: Page) -> None:
    (student,) = classroom.enrol("lovelace")
    page.goto(classroom.url)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    picture(page, "sign-in")
    sign_in(page, student)
    page.wait_for_url("**/lab**", timeout=120_000)

    # What a student types into the notebook over an hour is put there at once; one exercise stays wrong.
    started = student.tito("start tensor")
    assert started.returncode == 0, started.stderr
    book = wrong("tensor", "tensor-matmul", "return", "return -")
    student.shell("cat > ~/course/setup.ipynb", stdin=json.dumps(right("setup")))
    assert student.tito("export setup").returncode == 0
    student.shell("cat > ~/course/tensor.ipynb", stdin=json.dumps(book))
    page.goto(f"{classroom.url}user/{student.name}/lab/tree/course/tensor.ipynb")
    notebook = page.locator(".jp-Notebook").first
    notebook.wait_for()
    # The indicator beside the kernel's name says 'idle' already while the kernel is still starting; the status bar does not.
    page.get_by_text("(ipykernel) | Idle").wait_for(timeout=90_000)

    # Run the first cells, as Shift-Enter does.
    page.locator(".jp-Notebook .jp-Cell").first.click()
    for _ in range(6):
        page.keyboard.press("Shift+Enter")
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=90_000)
    page.wait_for_selector(".jp-OutputArea-output", timeout=60_000)
    picture(page, "notebook")

    submitted = student.tito("submit tensor")
    assert "check-tensor-matmul" in submitted.stdout or "points" in submitted.stdout, submitted.stdout
    page.goto(f"{classroom.url}services/grading/")
    expect(page.get_by_text("Tensor").first).to_be_visible()
    body = page.locator("body").inner_text()
    assert "22" in body, body
    picture(page, "mark")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
        "scrolls sideways on a phone"
    )


def test_wrong_password_is_refused_in_words(classroom: Classroom, ada: Student, page: Page) -> None:
    sign_in(page, Student(classroom, ada.name, "not her password"))
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")


def test_student_does_not_see_the_class_page(classroom: Classroom, mallory: Student, page: Page) -> None:
    sign_in(page, mallory)
    page.wait_for_url("**/lab**", timeout=120_000)
    page.goto(f"{classroom.url}services/grading/")
    assert "lovelace" not in page.content()
    answer = page.goto(f"{classroom.url}services/grading/class")
    assert answer is not None
    assert answer.status in (403, 404)
