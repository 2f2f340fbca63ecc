"""A class that comes all at once: the line in front of the servers, and servers started ahead."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.classroom import REPOSITORY, SETTINGS, Classroom, Student, make, run, wait_for

STUDENTS = 4


@pytest.fixture(scope="module")
def section(classroom: Classroom) -> list[Student]:
    """A section of its own."""
    return classroom.enrol(*(f"early-{number}" for number in range(STUDENTS)), section="Early Birds")


@pytest.fixture
def early(section: list[Student]) -> Iterator[list[Student]]:
    """The section, with no server running before and after."""
    stop(section)
    yield section
    stop(section)


def click(student: Student) -> str:
    """Ask for the lab; the page that comes."""
    return student.session.get(f"{student.classroom.url}hub/spawn", timeout=60).text


def ready(student: Student) -> bool:
    servers = student.api("GET", f"users/{student.name}").json().get("servers", {})
    return bool(servers.get("", {}).get("ready"))


def in_a_line(early: list[Student]) -> list[str]:
    """Everybody clicks, in this order and within moments; the pages that they see."""
    with ThreadPoolExecutor(len(early)) as threads:
        pages = []
        for student in early:
            pages.append(threads.submit(click, student))
            time.sleep(0.1)
        return [page.result() for page in pages]


def stop(early: list[Student]) -> None:
    with ThreadPoolExecutor(len(early)) as threads:
        list(threads.map(Student.stop_server, early))


def test_who_asks_first_is_served_first_and_sees_the_place(
    classroom: Classroom, early: list[Student]
) -> None:
    pages = in_a_line(early)
    places = [int(found[1]) for page in pages if (found := re.search(r"You are (\d+)\w\w in line", page))]
    assert len(places) >= 2, pages
    assert places == sorted(places)
    wait_for("all are ready", lambda: all(ready(student) for student in early))
    begun = [run("docker", "inspect", "--format", "{{.State.StartedAt}}", s.container).stdout for s in early]
    assert begun == sorted(begun)


def test_a_page_that_waits_finds_its_way_over_a_restart_of_the_hub(
    classroom: Classroom, early: list[Student], page: Page
) -> None:
    last = early[-1]
    for student in early[:-1]:
        with pytest.raises(requests.Timeout):
            student.session.get(f"{classroom.url}hub/spawn", timeout=0.1)
    page.goto(classroom.url)
    page.get_by_label("Username").fill(last.name)
    page.get_by_label("Password").fill(last.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status")).to_contain_text("in line")
    run("docker", "kill", "--signal", "KILL", classroom.container("hub"))
    run("docker", "start", classroom.container("hub"))
    page.wait_for_url(f"**/user/{last.name}/lab**", timeout=60_000)
    early[0].start_server()  # the kill came in the middle of its start


def test_servers_are_started_ahead_and_a_click_needs_no_waiting(
    classroom: Classroom, early: list[Student]
) -> None:
    stopped, said = warm_and_interrupt()
    assert stopped != 0
    assert "4 to start, 0 run already" in said
    assert re.search(r"\[#+\.+\] [1-3] of 4", said)
    assert re.search(r"[1-3] are left: the same command goes on with them", said)
    again = make("warm", SECTION="early birds")
    assert again.returncode == 0, again.stdout + again.stderr
    assert re.search(r"[1-3] started in \d+ s, [1-3] ran already, 0 failed\.", again.stdout)
    for student in early:
        answer = student.session.get(f"{classroom.url}hub/spawn", timeout=60)
        assert "jupyter-config-data" in answer.text
        assert not any("spawn-pending" in step.url for step in answer.history)
    nobody = make("warm", SECTION="zeta")
    assert nobody.returncode != 0
    assert "Nobody is in section 'zeta'. There are:" in nobody.stderr


def warm_and_interrupt() -> tuple[int, str]:
    """`make warm` at a terminal, and Ctrl-C once the first server is there: exit code, and what was seen."""
    ours, theirs = pty.openpty()
    command = ["make", "--no-print-directory", "warm", f"CONFIG={SETTINGS}", "SECTION=Early Birds"]
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=quiet, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    said, interrupted = "", False
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:  # how the end of a terminal reads
            break
        said += more.decode(errors="replace")
        if not interrupted and "] 1 of 4" in said:
            os.write(ours, b"\x03")
            interrupted = True
    os.close(ours)
    return process.wait(60), said
