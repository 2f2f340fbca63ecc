"""The hub's image is replaced, and its database follows a newer JupyterHub, while a student works."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests

from tests.classroom import Classroom, Student, run, wait_for
from tests.kernel import Kernel

FORM = "4621fec11365"  # what JupyterHub 5.0 calls the form of its database
PUT_BACK = f"""
import alembic.command
from alembic.config import Config
from jupyterhub.dbutil import write_alembic_ini
write_alembic_ini("/tmp/alembic.ini", "sqlite:////srv/hub/jupyterhub.sqlite")
alembic.command.downgrade(Config("/tmp/alembic.ini"), "{FORM}")
"""


class Watch(threading.Thread):
    """A browser of the student's that asks their server for something all the time."""

    def __init__(self, student: Student) -> None:
        super().__init__(daemon=True)
        self.address = f"{student.classroom.url}user/{student.name}/api/status"
        self.session = requests.Session()
        self.session.cookies.update(student.session.cookies)
        self.answers: list[int | str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.answers.append(self.ask())

    def ask(self) -> int | str:
        try:
            return self.session.get(self.address, timeout=10).status_code
        except requests.RequestException as error:
            return str(error)


@pytest.fixture
def image(classroom: Classroom) -> Iterator[str]:
    """The hub's image, which a test may make anew; the one before comes back."""
    image, before = (
        f"{classroom.name}/hub:{classroom.environment['TT_VERSION']}",
        f"{classroom.name}/hub:before",
    )
    assert run("docker", "tag", image, before).returncode == 0
    yield image
    run("docker", "tag", before, image)
    run("docker", "rmi", before)
    start_hub(classroom)


def start_hub(classroom: Classroom) -> None:
    """As a deploy does where nothing but the hub has changed."""
    started = classroom.compose("up", "--detach", "--no-deps", "hub")
    assert started.returncode == 0, started.stderr
    wait_for("the hub answers", lambda: answers(classroom.url + "hub/health"), 90)


def answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=10).status_code == 200
    except requests.RequestException:
        return False


def test_a_hub_that_is_upgraded_drops_nobody_and_loses_nothing(
    classroom: Classroom, ada: Student, people: dict[str, Student], image: str
) -> None:
    container, server = ada.container, ada.api("GET", "users/ada").json()["servers"][""]
    token = ada.api("POST", "users/ada/tokens", json={"note": "a script"}).json()["token"]
    kept = classroom.state / "hub" / f"jupyterhub.sqlite.{FORM}"
    label = "tinytorch.rehearsed=yes"
    built = run("docker", "build", "--label", label, "--tag", image, "-", input=f"FROM {image}\n")
    assert built.returncode == 0, built.stderr
    with Kernel(ada) as kernel:
        kernel.run("kept = 41")
        watch = Watch(ada)
        watch.start()
        classroom.compose("stop", "hub")
        put_back = run(
            "docker", "run", "--rm", "--network", "none", "--volume", f"{classroom.state}/hub:/srv/hub",
            image, "python", "-c", PUT_BACK,
        )  # fmt: skip
        assert put_back.returncode == 0, put_back.stderr
        start_hub(classroom)
        assert kernel.run("print(kept + 1)") == "42\n", "on the connection from before"
        watch.over.set()
        watch.join()
        kernel.delete()
    assert len(watch.answers) > 10
    assert set(watch.answers) == {200}, watch.answers
    running = run("docker", "ps", "--quiet", "--no-trunc", "--filter", f"label={label}").stdout
    assert running.strip()
    assert classroom.container("hub") in running
    assert kept.exists(), "the database was not upgraded: the test shows nothing"
    kept.unlink()
    assert ada.container == container
    now = ada.api("GET", "users/ada").json()["servers"][""]
    assert (now["ready"], now["started"]) == (True, server["started"])
    with_token = requests.get(
        classroom.url + "hub/api/user", headers={"Authorization": f"token {token}"}, timeout=30
    )
    assert with_token.json()["name"] == "ada"
    assert sorted(with_token.json()["groups"]) == ["role-student", "section-a"]
    assert people["grace"].api("GET", "users/grace").status_code == 200, "grace has to sign in again"
    status, text = ada.grading("GET", "marks")  # with the token that the server was started with
    assert status == 200, text
