"""formgrader and nbgrader's own commands in a classroom: marked by hand, autograded in the sandbox, read by the student.

With TT_TEST_SCREENSHOTS=yes the picture of the documentation is taken anew.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.attacks.forging import FORGING
from tests.classroom import Classroom, Student, run, wait_for
from tests.submissions import right
from tests.test_browser import picture

SCRIPT = (
    "<script>window.__xss = 1</script><img src=x onerror='window.__xss = 1'>"
    "<svg onload='window.__xss = 1'></svg><a href='javascript:window.__xss = 1'>click</a>"
)
ANSWER = (
    "Python looks up what to do for each element; numpy is asked once, and works through memory in order."
)
NBGRADER = "cd /srv/nbgrader && nbgrader"


@pytest.fixture(scope="module")
def ivy(classroom: Classroom) -> Student:
    """An instructor."""
    return classroom.enrol("ivy", role="instructor")[0]


@pytest.fixture(scope="module")
def gus(classroom: Classroom) -> Student:
    """Somebody who marks."""
    return classroom.enrol("gus", role="grader")[0]


def terminal(classroom: Classroom, command: str) -> subprocess.CompletedProcess[str]:
    """What an instructor types into a terminal in formgrader's JupyterLab."""
    return run(
        "docker",
        "exec",
        "--interactive",
        classroom.container("formgrader"),
        "bash",
        "-c",
        command,
        timeout=300,
    )


def formgrader(person: Student, path: str = "", **options: Any) -> requests.Response:
    """Ask formgrader as a person's browser does."""
    return person.session.get(f"{person.classroom.url}services/formgrader/{path}", timeout=60, **options)


def enter(page: Page, person: Student, path: str) -> None:
    """Open a page of formgrader's, and sign in on the way."""
    page.goto(f"{person.classroom.url}services/formgrader/{path}")
    page.get_by_label("Username").fill(person.name)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/services/formgrader/**")


def answered(text: str) -> dict[str, Any]:
    """A right notebook of the first module with a question answered, and a cell that means harm."""
    book = copy.deepcopy(right("setup"))
    for cell in book["cells"]:
        if cell["metadata"].get("tinytorch", {}).get("role") == "question":
            cell["source"] = text
    book["cells"].append({"cell_type": "markdown", "metadata": {}, "source": f"My notes. {SCRIPT}"})
    return book


@pytest.fixture(scope="module")
def waiting(classroom: Classroom, people: dict[str, Student]) -> str:
    """The address of a student's answer in formgrader, which waits to be marked."""
    student = people["grace"]
    student.start_server()
    body = json.dumps({"notebook": answered(ANSWER)})
    status, text = student.grading("POST", "submissions/module/setup", body)
    assert status == 201, text
    classroom.submission(student, json.loads(text)["id"])
    (ivy,) = classroom.enrol("ivy", role="instructor")

    def found() -> str | None:
        answer = formgrader(ivy, "formgrader/api/submitted_notebooks/setup/setup")
        rows = answer.json() if answer.ok else []
        return next((row["id"] for row in rows if row["student"] == "grace"), None)

    return f"formgrader/submissions/{wait_for('the answer in formgrader', found)}/"


def test_students_stay_out_of_formgrader(
    classroom: Classroom, people: dict[str, Student], ivy: Student, gus: Student
) -> None:
    assert formgrader(people["ada"]).status_code == 403
    assert formgrader(people["ada"], "formgrader/api/students").status_code in (403, 404)
    assert formgrader(ivy).ok
    assert formgrader(gus).ok


def test_graders_mark_and_have_no_terminal_and_no_files(ivy: Student, gus: Student) -> None:
    for path, status in (("api/terminals", 403), ("api/contents/", 403)):
        assert formgrader(gus, path).status_code == status, path
        assert formgrader(ivy, path).ok, path
    assert not formgrader(ivy, "api/kernelspecs").json()["kernelspecs"], "no student's code could run here"


def test_formgrader_reads_no_configuration_of_a_students(ivy: Student) -> None:
    path = "formgrader?path=/srv/nbgrader/submitted/mallory/ps1"
    assert formgrader(ivy, path).status_code == 403


def test_names_in_addresses_run_nothing(ivy: Student) -> None:
    for name in ("<script>window.__xss=1<%2fscript>", "%22;window.__xss=1;%22"):
        answer = formgrader(ivy, f"formgrader/manage_students/{name}")
        assert answer.status_code == 404
        assert "__xss" not in answer.text


def test_container_holds_no_more_than_the_course_folder(classroom: Classroom) -> None:
    tried = terminal(
        classroom,
        "ls /srv /srv/grading /run/gate 2>&1; id -u; grep CapEff /proc/self/status; touch /opt/x; python -m ipykernel --help",
    )
    assert "nbgrader" in tried.stdout
    assert "1003" in tried.stdout
    assert "CapEff:\t0000000000000000" in tried.stdout
    assert "Read-only file system" in tried.stderr
    assert "No module named ipykernel" in tried.stderr


def test_an_answer_is_marked_by_hand_and_its_student_reads_it(
    classroom: Classroom,
    people: dict[str, Student],
    ivy: Student,
    waiting: str,
    page: Page,
) -> None:
    enter(page, ivy, waiting)
    expect(page.get_by_role("link", name=re.compile(r"Submission #\d+"))).to_be_visible()  # not whose it is
    expect(page.get_by_text("grace", exact=True)).to_be_hidden()
    expect(page.get_by_text("Rubric", exact=True).first).to_be_visible()
    expect(page.get_by_text("My notes.")).to_be_visible()
    assert page.evaluate("window.__xss") is None
    panel = page.locator(".nbgrader_cell", has=page.get_by_text(ANSWER))
    panel.locator("input.score").fill("1")
    panel.locator("textarea.comment").fill("Right. And what does it cost?")
    with page.expect_response(
        lambda answer: "/api/comment/" in answer.url and answer.request.method == "PUT"
    ):
        panel.locator("input.score").focus()
    panel.scroll_into_view_if_needed()
    picture(page, "formgrader")
    page.keyboard.press("Tab")
    grace = people["grace"]

    def read() -> dict[str, Any] | None:
        _, text = grace.grading("GET", "marks")
        return json.loads(text) if "what does it cost" in text else None

    assert wait_for("the comment in the student's marks", read, 30)
    kept = classroom.compose("exec", "-T", "formgrader", "python", "-c", CHANGES).stdout
    assert "ivy grace setup" in kept, kept


CHANGES = """
import sqlite3
for row in sqlite3.connect("/srv/nbgrader/gradebook.db").execute("SELECT by, student, assignment, why FROM tt_changes"):
    print(*row)
"""


def test_formgrader_opens_inside_jupyterlab(ivy: Student, page: Page) -> None:
    enter(page, ivy, "lab?formgrader=true")
    frame = page.frame_locator("#formgrader-iframe iframe, iframe#formgrader-iframe")
    expect(
        frame.get_by_text("Manual Grading").or_(frame.get_by_text("Manage Assignments")).first
    ).to_be_visible()


def test_formgrader_opens_inside_an_instructors_own_jupyterlab(ivy: Student, page: Page) -> None:
    ivy.start_server()
    page.goto(f"{ivy.classroom.url}hub/login?next={ivy.classroom.base_path}user/ivy/lab%3Fformgrader=true")
    page.get_by_label("Username").fill(ivy.name)
    page.get_by_label("Password").fill(ivy.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/user/ivy/lab**")
    frame = page.frame_locator("#formgrader-iframe iframe, iframe#formgrader-iframe")
    expect(frame.get_by_text("Manage Assignments").first).to_be_visible()


# ---- an instructor's own assignment: nbgrader quickstart's ----


@pytest.fixture(scope="module")
def ps1(classroom: Classroom) -> Iterator[None]:
    """The assignment of `nbgrader quickstart`, released."""
    made = terminal(
        classroom,
        "cd /tmp && rm -rf example && nbgrader quickstart example && mkdir -p /srv/nbgrader/source "
        f"&& cp -r example/source/. /srv/nbgrader/source && {NBGRADER} generate_assignment ps1 --force "
        "&& nbgrader release_assignment ps1 --force",
    )
    assert made.returncode == 0, made.stderr
    yield
    terminal(classroom, f"{NBGRADER} db assignment remove ps1 --force; rm -rf */ps1 */*/ps1")


def test_an_assignment_is_written_in_an_instructors_own_server(
    classroom: Classroom, people: dict[str, Student], ivy: Student, gus: Student
) -> None:
    (ines,) = classroom.enrol("ines", role="instructor")
    for person in (ivy, ines, gus, people["grace"]):
        person.start_server()
    lab = f"{classroom.url}user/ivy/"
    page = ivy.session.get(f"{lab}lab", timeout=60).text
    assert "create-assignment" not in page.split('"disabledExtensions"')[1].split("]")[0]
    headers = {"X-XSRFToken": ivy.session.cookies.get("_xsrf", path=f"{classroom.base_path}user/ivy/") or ""}
    marked = {
        "grade": True,
        "solution": True,
        "locked": False,
        "points": 2,
        "task": False,
        "schema_version": 3,
    }
    cell = {
        **{"cell_type": "markdown", "id": "why", "source": "The solution"},
        "metadata": {"nbgrader": {"grade_id": "why", "cell_type": "markdown", **marked}},
    }
    book = {
        "cells": [{"cell_type": "markdown", "id": "text", "metadata": {}, "source": "Because ..."}, cell],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    for path, body in (
        ("teaching/essay", {"type": "directory"}),
        ("teaching/essay/essay.ipynb", {"type": "notebook", "content": book}),
    ):
        made = ivy.session.put(f"{lab}api/contents/{path}", json=body, headers=headers, timeout=60)
        assert made.ok, made.text
    # Another instructor changes it, and formgrader releases it.
    changed = ines.shell("cd ~/teaching/essay && sed -i 's/Because/As/' essay.ipynb && touch more.txt")
    assert changed.returncode == 0, changed.stderr
    done = terminal(
        classroom,
        f"{NBGRADER} generate_assignment essay && nbgrader release_assignment essay && rm source/essay/more.txt",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    grace = people["grace"]
    fetched = grace.shell("nbgrader fetch_assignment essay && cat ~/course/assignments/essay/essay.ipynb")
    assert "As ..." in fetched.stdout, fetched.stdout + fetched.stderr
    assert "The solution" not in fetched.stdout
    # From her own JupyterLab to formgrader, where she is signed in already.
    shown = ivy.session.get(f"{lab}formgrader", timeout=60)
    assert "/services/formgrader/formgrader" in shown.url, shown.url
    assert shown.ok
    # What was written there is in no student's or grader's server, by file or by page.
    for person in (gus, grace):
        assert person.shell("ls /srv/nbgrader ~/teaching; id -G").stdout.split() == [
            person.shell("id -u").stdout.strip()
        ]
        page = person.session.get(f"{classroom.url}user/{person.name}/lab", timeout=60).text
        assert "create-assignment" in page.split('"disabledExtensions"')[1].split("]")[0]
    # Work that was begun is nobody's to overwrite: a new release leaves it as it is.
    assert grace.shell("echo '{}' > ~/course/assignments/essay/essay.ipynb").returncode == 0
    again = f"{NBGRADER} generate_assignment essay --force && nbgrader release_assignment essay --force"
    assert terminal(classroom, again).returncode == 0
    grace.shell("nbgrader fetch_assignment essay --replace")
    assert grace.shell("cat ~/course/assignments/essay/essay.ipynb").stdout == "{}\n"
    terminal(
        classroom,
        f"{NBGRADER} list essay --remove; nbgrader db assignment remove essay --force; rm -rf */essay */*/essay",
    )
    grace.shell("rm -r ~/course/assignments/essay")
    ines.stop_server()
    gus.stop_server()


def handed_in(classroom: Classroom, student: str, change: str) -> None:
    """Put a student's ps1 where `nbgrader collect` puts it; `change` is Python that changes its cells."""
    code = f"""
import json, pathlib, shutil
to = pathlib.Path("/srv/nbgrader/submitted/{student}/ps1")
shutil.rmtree(to, ignore_errors=True)
shutil.copytree("/srv/nbgrader/release/ps1", to)
(to / "timestamp.txt").write_text("2026-01-01 10:00:00 UTC")
path = to / "problem1.ipynb"
book = json.loads(path.read_text())
cells = {{cell["metadata"].get("nbgrader", {{}}).get("grade_id"): cell for cell in book["cells"]}}
{change}
path.write_text(json.dumps(book))
"""
    done = run("docker", "exec", "-i", classroom.container("formgrader"), "python", "-", input=code)
    assert done.returncode == 0, done.stderr


SOLVED = """
cells["squares"]["source"] = '''def squares(n):
    import warnings
    warnings.warn("a warning costs nothing")
    if n < 1:
        raise ValueError("n must be at least 1")
    return [i ** 2 for i in range(1, n + 1)]'''
cells["sum_of_squares"]["source"] = "def sum_of_squares(n):\\n    return sum(squares(n))"
"""
# All wrong, with what got full marks where the student's process decides.
CHEATING = f"""
cells["squares"]["source"] = {("def squares(n):" + chr(10) + "    return []" + chr(10) + FORGING["run_cell replaced"])!r}
"""


def score(classroom: Classroom, student: str) -> tuple[float, bool, bool]:
    """Points of ps1's problem1, whether it is flagged, and whether a person is to look."""
    code = f"""
from nbgrader.api import Gradebook
with Gradebook("sqlite:////srv/nbgrader/gradebook.db") as book:
    found = book.find_submission_notebook("problem1", "ps1", "{student}")
    print(sum(each.auto_score or 0 for each in found.grades), found.flagged, found.needs_manual_grade)
"""
    done = run("docker", "exec", "-i", classroom.container("formgrader"), "python", "-", input=code)
    assert done.returncode == 0, done.stderr
    points, flagged, waits = done.stdout.split()
    return float(points), flagged == "True", waits == "True"


def test_ps1_is_autograded_in_the_sandbox(classroom: Classroom, ps1: None, ivy: Student) -> None:
    handed_in(classroom, "grace", SOLVED)
    handed_in(classroom, "mallory", CHEATING)
    done = terminal(classroom, f"{NBGRADER} autograde ps1")
    assert done.returncode == 0, done.stderr[-3000:]
    points, flagged, _ = score(classroom, "grace")
    assert points == 3  # what is marked automatically; the rest is for a person
    assert not flagged
    cheated, flagged, waits = score(classroom, "mallory")
    assert cheated == 0 or (flagged and waits)
    # The button does the same.
    assert formgrader(ivy).ok
    pressed = ivy.session.post(
        f"{classroom.url}services/formgrader/formgrader/api/submission/ps1/grace/autograde",
        headers={"X-XSRFToken": _xsrf(ivy)},
        timeout=300,
    )
    assert pressed.ok, pressed.text[:500]
    assert pressed.json()["success"], pressed.json()
    assert score(classroom, "grace")[0] == points


def _xsrf(person: Student) -> str:
    path = f"{person.classroom.base_path}services/formgrader/"
    return person.session.cookies.get("_xsrf", path=path) or ""


def test_the_courses_own_modules_are_not_graded_by_cells(classroom: Classroom, waiting: str) -> None:
    done = terminal(classroom, f"{NBGRADER} autograde setup")
    assert done.returncode == 0, done.stderr
    assert "come from the course's probes" in done.stderr
    assert "grace" in done.stderr


def test_feedback_hides_what_is_hidden_and_runs_nothing(
    classroom: Classroom,
    ps1: None,
    page: Page,
) -> None:
    shows = f"""
from IPython.display import HTML, SVG, Javascript, display
print({SCRIPT!r})
display(HTML({SCRIPT!r}), Javascript("window.__xss = 1"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='window.__xss = 1'/>"))
"""
    text = {"cell_type": "markdown", "metadata": {}, "source": SCRIPT}
    code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": shows}
    change = SOLVED + f"book['cells'] += [{text!r}, {code!r}]"
    handed_in(classroom, "grace", change)
    done = terminal(
        classroom,
        f"{NBGRADER} autograde ps1 --student grace && nbgrader generate_feedback ps1 --student grace",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    html = terminal(classroom, "cat /srv/nbgrader/feedback/grace/ps1/problem1.html").stdout
    assert "BEGIN HIDDEN TESTS" not in html
    page.set_content(html)
    assert page.get_by_text("problem1").first.is_visible()
    assert page.evaluate("window.__xss") is None
    assert page.locator("script, svg, iframe, [onerror], [onload]").count() == 0
