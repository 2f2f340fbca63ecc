"""A student who fills the disk: told in time, seen by staff, and never shut out of the own server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.classroom import Classroom, Student, run, wait_for
from tests.kernel import Kernel
from tests.test_browser import sign_in

GIB = 2**30


@pytest.fixture(scope="module")
def hoarder(classroom: Classroom) -> Student:
    (student,) = classroom.enrol("hoarder")
    return student


def test_student_with_a_large_home_is_told_where_most_of_it_lies_and_staff_see_it(
    classroom: Classroom, hoarder: Student, page: Page
) -> None:
    hoarder.start_server()
    filled = hoarder.shell(
        "mkdir -p ~/course/data/many && cd ~/course/data/many && seq 5000 | xargs touch && fallocate -l 1950M ~/large.bin"
    )
    assert filled.returncode == 0, filled.stderr
    sign_in(page, hoarder)
    page.wait_for_url("**/lab/**", timeout=120_000)
    warning = page.get_by_role("status", name="Disk space")
    expect(warning).to_contain_text("Your files take 1.9 of 2.0 GB", timeout=90_000)
    expect(warning).to_contain_text("Most of it: ~/large.bin (1.9 GB)")

    classroom.compose("restart", "--timeout", "5", "meter")
    file = classroom.state / "meter" / "homes.json"

    def counted() -> bool:
        home = json.loads(file.read_text())["homes"].get(hoarder.name)
        return bool(home) and home["bytes"] > 1.9 * GIB and home["files"] > 5000

    wait_for("the meter's own count", counted, 180)
    assert "1.9 of 2.0 GB" in hoarder.session.get(classroom.url + "hub/home", timeout=30).text
    metrics = requests.get(
        f"{classroom.url}hub/metrics",
        headers={"Authorization": f"token {classroom.secret('TT_METRICS_TOKEN')}"},
        timeout=30,
    ).text
    assert 'homes_filled{share="95%"} 1.0' in metrics
    assert hoarder.shell("rm ~/large.bin").returncode == 0
    hoarder.stop_server()


@pytest.fixture
def full_home(classroom: Classroom, hoarder: Student) -> Iterator[Path]:
    """The student's home as it is where the kernel holds them to their share: not a byte more fits in, nor a folder."""
    home = classroom.state / "homes" / hoarder.name
    uid = home.stat().st_uid
    run(
        "mount", "-t", "tmpfs", "-o", f"size=2m,nr_inodes=3,mode=0700,uid={uid},gid={uid}", "tmpfs", str(home)
    )
    (home / "small.txt").write_text("small")
    filled = run("dd", "if=/dev/zero", f"of={home}/large.bin", "bs=4096")
    assert "No space left" in filled.stderr
    yield home
    hoarder.stop_server()
    run("umount", "--lazy", str(home))


def test_student_without_a_byte_left_gets_a_server_and_makes_room(
    classroom: Classroom, hoarder: Student, full_home: Path
) -> None:
    hoarder.start_server()
    base = f"{classroom.url}user/{hoarder.name}/"
    with Kernel(hoarder) as kernel:  # so that what is left can be looked at
        assert kernel.run("print(6 * 7)").strip() == "42"
    path = f"{classroom.base_path}user/{hoarder.name}/"
    headers = {"X-XSRFToken": hoarder.session.cookies.get("_xsrf", path=path) or ""}

    def contents(method: str, name: str, **body: object) -> int:
        address = f"{base}api/contents/{name}"
        return hoarder.session.request(
            method, address, json=body or None, headers=headers, timeout=60
        ).status_code

    note = {"type": "file", "format": "text", "content": "x" * 100_000}
    assert contents("PUT", "note.txt", **note) == 500, "it is full"
    assert contents("DELETE", "large.bin") == 204
    # Jupyter Server makes its folder of checkpoints in the first one's place.
    assert contents("DELETE", "small.txt") == 204
    assert contents("PUT", "note.txt", **note) in (200, 201)
