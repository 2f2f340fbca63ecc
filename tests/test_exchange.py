"""An instructor's own assignment, the one that `nbgrader quickstart` makes, from release to feedback.

The instructor uses nbgrader's commands in formgrader, the students nbgrader's commands in their terminals and
its panel in JupyterLab. With TT_TEST_SCREENSHOTS=yes the picture of the documentation is taken anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.classroom import Classroom, Student, run
from tests.test_browser import picture, sign_in
from tests.test_formgrader import enter

COURSE = "/srv/nbgrader"
# The notebooks of ps1 as they are: what students have not solved fails, which is a mark, too.
QUICKSTART = f"""
set -e
cd /tmp && rm -rf course101 && nbgrader quickstart course101
cp -r /tmp/course101/source {COURSE}/
"""


AFRESH = "rm -rf ~/course/assignments"  # in a classroom that was kept


def instruct(classroom: Classroom, command: str) -> str:
    """Run nbgrader as an instructor does, in formgrader's terminal; what it said."""
    container = classroom.container("formgrader")
    answer = run("docker", "exec", "--workdir", COURSE, container, "bash", "-c", command, timeout=300)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def released(classroom: Classroom) -> Iterator[None]:
    """ps1, released; taken back afterwards."""
    instruct(classroom, QUICKSTART)
    instruct(classroom, "nbgrader generate_assignment ps1 --force")
    instruct(classroom, "nbgrader release_assignment ps1 --force")
    yield
    instruct(classroom, "nbgrader list ps1 --remove")


COMMENT = "Seen by a person: it is right."
WHICH = """
from nbgrader.api import Gradebook
print(Gradebook("sqlite:////srv/nbgrader/gradebook.db").find_submission_notebook("problem1", "ps1", "ada").id)
"""


def mark_by_hand(classroom: Classroom, page: Page) -> None:
    """Give the answer in words its point, and a comment, in formgrader's own page."""
    (ivy,) = classroom.enrol("ivy", role="instructor")
    notebook = instruct(classroom, f"python -W ignore -c '{WHICH}'").split()[-1]
    enter(page, ivy, f"formgrader/submissions/{notebook}")
    page.locator("input.score").last.fill("1")
    page.locator("textarea.comment").last.fill(COMMENT)
    with page.expect_response(lambda said: "/api/comment/" in said.url and said.request.method == "PUT"):
        page.locator("input.score").last.focus()


@pytest.mark.usefixtures("released")
def test_quickstart_assignment_goes_from_release_to_feedback_by_nbgraders_commands(
    classroom: Classroom, ada: Student, mallory: Student, page: Page
) -> None:
    ada.shell(AFRESH)
    assert "ps1" in ada.shell("nbgrader list").stderr
    fetched = ada.shell("nbgrader fetch_assignment ps1")
    assert fetched.returncode == 0, fetched.stderr
    assert ada.shell("ls ~/course/assignments/ps1").stdout.split() == [
        "jupyter.png",
        "problem1.ipynb",
        "problem2.ipynb",
    ]
    submitted = ada.shell("nbgrader submit ps1")
    assert "safely stored" in submitted.stderr, submitted.stderr

    said = instruct(classroom, "nbgrader list ps1 --inbound && nbgrader collect ps1 --update")
    assert "Collected submission: ada ps1" in said
    stamp = instruct(classroom, "cat submitted/ada/ps1/timestamp.txt")
    assert stamp in said
    instruct(classroom, "nbgrader autograde ps1 --force --student ada")
    mark_by_hand(classroom, page)
    instruct(classroom, "nbgrader generate_feedback ps1 --force --student ada")
    instruct(classroom, "nbgrader release_feedback ps1")

    assert "feedback ready to be fetched" in ada.shell("nbgrader list --cached").stderr
    assert ada.shell("nbgrader fetch_feedback ps1").returncode == 0
    feedback = ada.shell(f"cat ~/course/assignments/ps1/feedback/'{stamp}'/problem1.html").stdout
    assert "<html" in feedback
    assert COMMENT in feedback

    # The same from where an attacker stands: nothing of hers, and nothing of the instructors'.
    _, listed = mallory.grading("GET", "exchange/submissions?student=ada")
    assert {each["student"] for each in json.loads(listed)["submissions"]} <= {"mallory"}
    assert "no feedback yet" in mallory.shell("nbgrader fetch_feedback ps1").stderr
    refused = mallory.shell("mkdir -p /tmp/m/release/ps1 && cd /tmp/m && touch release/ps1/a.ipynb; "
                            "nbgrader release_assignment ps1 --force --course-dir /tmp/m")  # fmt: skip
    assert "Only instructors release" in refused.stderr
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr


@pytest.mark.usefixtures("released")
def test_student_fetches_hands_in_and_sees_feedback_in_the_assignments_panel(
    classroom: Classroom, page: Page
) -> None:
    (student,) = classroom.enrol("noether")
    sign_in(page, student)
    page.wait_for_url("**/lab**", timeout=120_000)
    expect(page.locator(".jp-NotebookPanel")).to_be_visible(
        timeout=60_000
    )  # the next step, which opens by itself
    student.shell(AFRESH)
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.get_by_role("menuitem", name="Assignment List").click()
    row = page.locator("#nbgrader-assignment-list .list_item", has_text="ps1")
    row.get_by_role("button", name="Fetch", exact=True).click()
    row.get_by_role("button", name="Submit").click()
    expect(page.locator("#submitted_assignments_list .list_item", has_text="ps1").first).to_be_visible()

    instruct(classroom, "nbgrader collect ps1 --update")
    instruct(classroom, "nbgrader autograde ps1 --force --student noether")
    instruct(classroom, "nbgrader generate_feedback ps1 --force --student noether")
    instruct(classroom, "nbgrader release_feedback ps1 --student noether")

    page.locator("#refresh_assignments_list").click()
    handed_in = page.locator("#submitted_assignments_list")
    expect(handed_in.get_by_text("feedback available to fetch").last).to_be_visible()
    handed_in.get_by_role("button", name="Fetch Feedback").click()
    expect(handed_in.get_by_text("view feedback").last).to_be_visible()
    picture(page, "assignments-panel")

    # What goes wrong is said, where nbgrader's own handlers tell success.
    student.shell("rm -rf ~/course/assignments/ps1")
    page.locator("#refresh_assignments_list").click()
    expect(row.get_by_role("button", name="Fetch", exact=True)).to_be_visible()
    student.shell("mkdir ~/course/assignments/ps1")
    row.get_by_role("button", name="Fetch", exact=True).click()
    expect(page.get_by_text("You have 'ps1' already").first).to_be_visible()
