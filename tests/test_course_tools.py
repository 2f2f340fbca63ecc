"""A semester's tools in a real classroom: the calendar in every container, help when it allows it, %tito."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.classroom import Classroom, Student, make, wait_for
from tests.kernel import Kernel
from tests.submissions import right

PAST, FUTURE = (f"{datetime.now(timezone.utc) + timedelta(days=days):%Y-%m-%d}" for days in (-2, 2))


@pytest.fixture
def calendar(classroom: Classroom, tmp_path: Path) -> Iterator[Any]:
    """Put a calendar in force as an instructor does, and take it away again."""

    def put(text: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "new.yml"
        path.write_text(text)
        return make("calendar", FILE=str(path))

    yield put
    assert put("").returncode == 0


@pytest.fixture(scope="module")
def hopper(classroom: Classroom) -> Student:
    """An instructor with a running server."""
    (student,) = classroom.enrol("hopper", role="instructor")
    student.start_server()
    return student


def asked(student: Student, path: str) -> tuple[int, dict[str, Any]]:
    status, text = student.grading("GET", path)
    body: dict[str, Any] = json.loads(text)
    return status, body


def test_first_deploy_leaves_a_calendar_to_edit_and_everything_open(classroom: Classroom) -> None:
    path = classroom.state / "course" / "calendar.yml"
    assert path.stat().st_mode & 0o777 == 0o644
    shown = make("calendar")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "In force." in shown.stdout
    assert "The calendar is in force." in make("status").stdout


def test_calendar_reaches_every_student_and_none_can_change_it(calendar: Any, ada: Student) -> None:
    put = calendar(
        f"timezone: Europe/Berlin\nmodules: {{setup: {{due: {FUTURE}}}, tensor: {{held: true}}, layers: {{skipped: true}}}}"
    )
    assert put.returncode == 0, put.stdout + put.stderr
    assert "held" in put.stdout
    status = ada.tito("status").stdout
    assert "not open yet" in status
    assert "skipped" in status
    refused = ada.tito("start tensor")
    assert refused.returncode == 1
    assert "'tensor' is not open yet." in refused.stderr
    assert asked(ada, "calendar")[1]["timezone"] == "Europe/Berlin"
    for command in (
        "echo x > /srv/course/calendar.json",
        "rm /srv/course/calendar.json",
        "touch /srv/course/x",
    ):
        assert ada.shell(command).returncode != 0
    assert ada.shell("ls -A /srv/course").stdout.split() == ["calendar.json"]


def test_edited_file_is_in_force_within_seconds_and_a_fault_changes_nothing(
    classroom: Classroom, calendar: Any, ada: Student, hopper: Student
) -> None:
    assert calendar("modules: {tensor: {held: true}}").returncode == 0
    path = classroom.state / "course" / "calendar.yml"
    path.write_text("modules: {layers: {held: true}}")
    wait_for("the new calendar", lambda: "'layers' is not open" in ada.tito("start layers").stderr, 30)
    path.write_text("modules: {layrs: {}}\n")
    wait_for("the fault", lambda: asked(hopper, "calendar")[1]["problem"], 30)
    assert "'layers' is not open" in ada.tito("start layers").stderr
    assert "problem" not in asked(ada, "calendar")[1]
    refused = make("calendar")
    assert refused.returncode != 0
    assert "modules.layrs" in refused.stdout + refused.stderr
    assert "has a fault" in make("status").stdout
    assert "modules.layrs" in hopper.tito("doctor").stdout


def test_faulty_file_is_refused_before_it_takes_the_others_place(classroom: Classroom, calendar: Any) -> None:
    assert calendar("modules: {tensor: {held: true}}").returncode == 0
    refused = calendar("modules: {tensor: {due: soon}}")
    assert refused.returncode != 0
    assert "'soon' is no date" in refused.stdout + refused.stderr
    assert "held" in (classroom.state / "course" / "calendar.yml").read_text()


def test_solution_is_refused_before_the_deadline_and_given_and_noted_after_it(
    calendar: Any, grace: Student, hopper: Student
) -> None:
    calendar(f"modules: {{tensor: {{due: {FUTURE}}}}}")
    refused = grace.tito("restore tensor")
    assert refused.returncode == 1
    assert "is given after its deadline" in refused.stderr
    status, answer = asked(grace, "reference/tensor")
    assert (status, "source" in answer) == (403, False)
    calendar(f"modules: {{tensor: {{due: {PAST}}}}}")
    grace.shell("cat > ~/course/tensor.ipynb", stdin=json.dumps(right("tensor")))
    before = grace.shell("sha256sum ~/course/tensor.ipynb").stdout
    restored = grace.tito("restore tensor")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert grace.shell("sha256sum ~/course/tensor.ipynb").stdout == before
    assert (
        "The course's own solution of 'tensor'" in grace.shell("head -1 ~/course/tinytorch/tensor.py").stdout
    )
    tried = grace.shell("cd ~/course && python3 -c 'import tinytorch; print(tinytorch.ones(2).sum().item())'")
    assert tried.stdout.strip() == "2.0", tried.stderr
    _, noted = asked(hopper, "restores?module=tensor")
    assert ("grace", "restore") in [(each["student"], each["way"]) for each in noted["restores"]]


def test_late_joiner_catches_up_where_the_calendar_allows_it(
    classroom: Classroom, calendar: Any, hopper: Student
) -> None:
    (late,) = classroom.enrol("late")
    late.start_server()
    calendar("")
    assert late.tito("catch-up layers").returncode == 1
    calendar("modules: {layers: {allow_catch_up: true}}")
    caught = late.tito("catch-up layers")
    assert caught.returncode == 0, caught.stdout + caught.stderr
    checkpoints = " ".join(late.tito("checkpoint").stdout.split())
    assert "yes computes with tensors" in checkpoints
    assert "With the course's own tensor." in checkpoints
    assert late.grading("GET", "reference/layers?catch_up=layers")[0] == 400
    assert late.grading("GET", "reference/layers")[0] == 403
    _, noted = asked(hopper, "restores")
    given = {each["module"]: each["target"] for each in noted["restores"] if each["student"] == "late"}
    assert given == {"setup": "layers", "tensor": "layers", "activations": "layers"}


def test_hint_is_shown_once_at_a_time_and_noted(grace: Student, hopper: Student) -> None:
    grace.tito("start losses")
    first = grace.tito("hint losses")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "hint 1 of" in first.stdout
    assert "hint 2 of" in grace.tito("hint losses").stdout
    _, noted = asked(hopper, "hints?module=losses")
    assert [each["number"] for each in noted["hints"] if each["student"] == "grace"][:2] == [1, 2]


def test_instructor_reads_guesses_and_a_student_does_not(grace: Student, hopper: Student) -> None:
    book = right("tensor")
    (guess,) = (
        cell for cell in book["cells"] if cell["metadata"].get("tinytorch", {}).get("role") == "guess"
    )
    guess["source"] = 'my_guess = "something has to bend"'
    status, text = grace.grading("POST", "submissions/module/tensor", json.dumps({"notebook": book}))
    assert status == 201, text
    _, found = asked(hopper, "guesses/tensor")
    assert {"grace": "something has to bend"}.items() <= {
        each["student"]: each["guess"] for each in found["guesses"]
    }.items()
    for path in ("guesses/tensor", "hints", "restores"):
        assert grace.grading("GET", path)[0] == 403


def test_tito_works_in_a_kernel(ada: Student) -> None:
    kernel = Kernel(ada)
    try:
        with kernel:
            assert "Setup" in kernel.run("%tito status")
            assert "There is no module 'nothing'." in kernel.run("%tito start nothing")
    finally:
        kernel.delete()


def test_corrected_notebook_reaches_a_student_who_has_begun_it(grace: Student) -> None:
    """As after a deploy with a mended course: another course folder, the same home."""
    grace.shell("rm -rf ~/course/setup*.ipynb; cp -r /opt/course ~/corrected; chmod -R u+w ~/corrected")
    assert grace.tito("start setup").returncode == 0
    grace.shell("cat > ~/course/setup.ipynb", stdin=json.dumps(right("setup")))
    grace.shell(
        "sed -i -e 's/3 elements, 4 bytes each/three elements of 4 bytes/' -e 's/\"version\": \"/&x/' "
        "~/corrected/notebooks/setup.ipynb"
    )
    corrected = "cd ~/course && TT_COURSE=~/corrected tito"
    assert "tito update setup" in grace.shell(f"{corrected} status").stdout
    answer = grace.shell(f"{corrected} update setup")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "three elements of 4 bytes" in answer.stdout
    assert "three elements of 4 bytes" in grace.shell("cat ~/course/setup.ipynb").stdout
    assert "three elements of 4 bytes" not in grace.shell("cat ~/course/setup.1.ipynb").stdout
    assert grace.tito("test setup").returncode == 0, "what was solved is solved"
    grace.shell("rm -rf ~/corrected ~/course/setup*.ipynb")
