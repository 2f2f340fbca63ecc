"""An exam in a real classroom: a window for each, drafts with every save, and work collected without a click."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.classroom import Classroom, Student, make, run, wait_for
from tests.submissions import Notebook, exercises, right

MODULE = "setup"
MINUTES = 10
EXTRA = 0.05  # half a minute
SHORTEST = timedelta(seconds=60)  # what is left of the exam when it is put in force


@pytest.fixture
def calendar(tmp_path: Path) -> Iterator[Any]:
    """Put a calendar in force, and take it away again."""

    def put(text: str) -> None:
        path = tmp_path / "new.yml"
        path.write_text(text)
        answer = make("calendar", FILE=str(path))
        assert answer.returncode == 0, answer.stdout + answer.stderr

    yield put
    put("")


def save(student: Student, book: Notebook) -> None:
    """Save a notebook as JupyterLab does."""
    base = f"{student.classroom.url}user/{student.name}/"
    student.session.get(f"{base}lab", timeout=60)  # signs in at the student's own server
    path = f"{student.classroom.base_path}user/{student.name}/"
    headers = {"X-XSRFToken": student.session.cookies.get("_xsrf", path=path) or ""}
    address = f"{base}api/contents/course/{MODULE}.ipynb"
    content = {"type": "notebook", "format": "json", "content": book}
    answer = student.session.put(address, json=content, headers=headers, timeout=60)
    assert answer.ok, f"{answer.status_code} {answer.text[:300]}"


def draft(classroom: Classroom, student: Student) -> str:
    """The digest of what the service has of a student's exam; empty if it has nothing."""
    script = (
        "from grading import database, settings; import sqlalchemy as sa; d = database.drafts; "
        "c = database.connect(settings.load().database_url).connect(); "
        f"print(c.execute(sa.select(d.c.sha256).where(d.c.student == '{student.name}')).scalar() or '')"
    )
    answer = classroom.compose("exec", "-T", "api", "python", "-c", script)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def kept(classroom: Classroom, student: Student, before: str = "") -> str:
    """Wait until the service has a save, and one that differs from `before`."""
    found: str = wait_for(
        f"{student.name}'s draft", lambda: (d := draft(classroom, student)) != before and d, 30
    )
    return found


def mark(student: Student) -> dict[str, Any]:
    """The mark of the exam, once there is one."""

    def graded() -> dict[str, Any] | None:
        status, text = student.grading("GET", "marks")
        found = (
            [each for each in json.loads(text)["modules"] if each["slug"] == MODULE] if status == 200 else []
        )
        return found[0] if found and found[0]["state"] == "graded" else None

    found: dict[str, Any] = wait_for(f"{student.name}'s mark", graded, 150)
    return found


def test_exam_is_collected_for_each_when_their_time_is_over_whatever_is_killed(
    classroom: Classroom, calendar: Any
) -> None:
    xenia, yann, zoe = people = classroom.enrol("xenia", "yann", "zoe")
    (staff,) = classroom.enrol("wolf", role="instructor")
    for person in (*people, staff):
        person.start_server()
    for student in people:
        assert student.tito(f"start {MODULE}").returncode == 0
    granted = {"student": "zoe", "extra_time": EXTRA, "why": "by the office's letter"}
    status, text = staff.grading("POST", "exceptions", json.dumps(granted))
    assert status == 201, text
    ends = (datetime.now(timezone.utc) + SHORTEST).replace(second=0, microsecond=0) + timedelta(minutes=1)
    opens = ends - timedelta(minutes=MINUTES)
    calendar(f"modules: {{{MODULE}: {{opens: {opens:%Y-%m-%d %H:%M}, exam_minutes: {MINUTES}}}}}")

    empty, solved = right(MODULE), right(MODULE)
    exercises(empty)[0]["source"] = "nothing yet"
    save(xenia, empty)
    first = kept(classroom, xenia)
    refused = xenia.tito(f"hint {exercises(solved)[0]['metadata']['tinytorch']['id']}")
    assert refused.returncode == 1
    assert "is an exam, so there are no hints" in refused.stderr
    assert xenia.grading("GET", f"reference/{MODULE}")[0] == 403

    save(yann, solved)
    kept(classroom, yann)
    run("docker", "rm", "--force", yann.container)  # the whole server, in the middle
    run("docker", "kill", "--signal", "KILL", classroom.container("api"), classroom.container("recorder"))
    save(xenia, solved)
    classroom.compose("up", "--detach", "--no-recreate", "api", "recorder")
    kept(classroom, xenia, first)

    half = right(MODULE)
    exercises(half)[0]["source"] = "# not solved"
    save(zoe, half)
    before = kept(classroom, zoe)
    wait_for("the others' end", lambda: datetime.now(timezone.utc) > ends, 120)
    save(zoe, solved)  # in the time that only she has
    kept(classroom, zoe, before)

    worth = [mark(xenia), mark(zoe)]
    yann.start_server()
    worth.append(mark(yann))
    for found in worth:
        assert found["score"] == found["max_score"] > 0, found
    received = [datetime.fromisoformat(found["received_at"].replace("Z", "+00:00")) for found in worth]
    assert received == [ends, ends + timedelta(seconds=60 * MINUTES * EXTRA), ends]
    late = xenia.tito(f"submit {MODULE}")
    assert late.returncode != 0
    assert "is over: your time ended" in late.stderr
