"""A deployed classroom, as the tests handle it: its front door, its containers, its people."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

REPOSITORY = Path(__file__).parent.parent
SETTINGS = REPOSITORY / "tests" / "classroom.yml"


GRADING_CALL = """
import os, sys, urllib.error, urllib.request
method, path, *token = sys.argv[1:]
given = token[0] if token else "token " + os.environ["JUPYTERHUB_API_TOKEN"]
headers = {"Authorization": given, "Content-Type": "application/json"}
body = sys.stdin.buffer.read() or (b"" if method == "POST" else None)
request = urllib.request.Request(os.environ["TT_GRADING_URL"] + "api/" + path, body, headers, method=method)
try:
    answer = urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
print(answer.read().decode())
"""


def run(*command: str, timeout: float = 600, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return it with its output as text; never raises for an exit code."""
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=REPOSITORY, **options)


def make(
    target: str, *, config: Path = SETTINGS, timeout: float = 900, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run one of the Makefile's targets as a user would."""
    # A make that runs the tests hands its own flags and its job server on: a user's shell would not.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    words = [f"{name}={value}" for name, value in variables.items()]
    return run(
        "make", "--no-print-directory", target, f"CONFIG={config}", *words, timeout=timeout, env=environment
    )


def undeploy(config: Path = SETTINGS, *, keep_engine: bool = True) -> subprocess.CompletedProcess[str]:
    """Take a classroom off the machine, work and marks too; with its engine, if a deploy started that."""
    pidfile = ["-e", "engine_pidfile=/nonexistent"] if keep_engine else []
    return run(
        ".venv/bin/ansible-playbook", "-e", f"settings_file={config}", "-e", "purge=true", *pidfile, "ansible/undeploy.yml",
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible" / "ansible.cfg")},
    )  # fmt: skip


def deployed(config: Path = SETTINGS) -> Classroom:
    """The classroom that `make deploy` made by these settings."""
    told = json.loads(
        run(".venv/bin/python", "-m", "config.settings", "ansible", "--config", str(config)).stdout
    )
    return Classroom(told["classroom"], told["environment"], config=config)


def wait_for(what: str, happened: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first true answer of `happened`, or fail saying what did not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = happened()
        if answer:
            return answer
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


@dataclass
class Student:
    """One person's session: signed in, perhaps with a running server."""

    classroom: Classroom
    name: str
    password: str
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def xsrf(self) -> str:
        return self.session.cookies.get("_xsrf", path=self.classroom.base_path + "hub/") or ""

    def sign_in(self) -> requests.Response:
        """Sign in through the form, as a browser does; the answer is the page after it."""
        page = self.session.get(self.classroom.url + "hub/login", timeout=30)
        form = {"username": self.name, "password": self.password, "_xsrf": self.xsrf}
        assert page.ok, page.status_code
        return self.session.post(self.classroom.url + "hub/login", data=form, timeout=60)

    def api(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the hub's REST API with this person's own session."""
        headers = {"X-XSRFToken": self.xsrf}
        return self.session.request(
            method, f"{self.classroom.url}hub/api/{path}", headers=headers, timeout=60, **options
        )

    def start_server(self) -> None:
        """Start this person's server and wait until it is ready."""
        answer = self.api("POST", f"users/{self.name}/server")
        assert answer.status_code in (201, 202, 400), answer.text  # 400: it runs already
        wait_for(
            f"server of {self.name}",
            lambda: self.api("GET", f"users/{self.name}").json().get("servers", {}).get("", {}).get("ready"),
            120,
        )

    def stop_server(self) -> None:
        """Stop this person's server."""
        self.api("DELETE", f"users/{self.name}/server")
        wait_for(
            f"end of the server of {self.name}",
            lambda: not self.api("GET", f"users/{self.name}").json().get("servers"),
        )

    @property
    def container(self) -> str:
        """Name of the running container."""
        label = f"label=tinytorch.user={self.name}"
        return run(
            "docker", "ps", "--filter", label, "--filter", self.classroom.label, "--format", "{{.Names}}"
        ).stdout.strip()

    def shell(
        self, command: str, *, timeout: float = 120, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the student's own container, as the student: what a terminal in the lab would do."""
        return run(
            "docker",
            "exec",
            "--interactive",
            self.container,
            "bash",
            "-c",
            command,
            timeout=timeout,
            input=stdin,
        )

    def grading(
        self, method: str, path: str, body: str | None = None, token: str | None = None
    ) -> tuple[int, str]:
        """Call the grading API from inside the student's container: status and text of the answer.

        Without a token of another's, the one that the student's own server holds.
        """
        words = [method, path] if token is None else [method, path, token]
        answer = self.shell(f"python3 -c '{GRADING_CALL}' {shlex.join(words)}", stdin=body or "")
        assert answer.returncode == 0, answer.stderr
        status, text = answer.stdout.split("\n", 1)
        return int(status), text

    def tito(self, arguments: str, *, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run the student's command in the student's container."""
        return self.shell(f"cd ~/course && tito {arguments}", timeout=timeout)


@dataclass
class Classroom:
    """A classroom that `make deploy` made for the tests."""

    settings: dict[str, Any]
    environment: dict[str, str]
    config: Path = field(default=SETTINGS, kw_only=True)

    @property
    def name(self) -> str:
        return str(self.environment["TT_NAME"])

    @property
    def state(self) -> Path:
        return Path(self.environment["TT_STATE"])

    @property
    def base_path(self) -> str:
        return str(self.environment["TT_BASE_PATH"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['TT_PORT']}{self.base_path}"

    @property
    def label(self) -> str:
        return f"label=tinytorch.classroom={self.name}"

    def secret(self, name: str) -> str:
        """One of the generated secrets; the tests run as root."""
        text = (self.state / "secrets" / "secrets.env").read_text()
        found = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
        assert found, name
        return found[1]

    def container(self, service: str) -> str:
        """Id of a service's container."""
        found = run(
            "docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={self.name}",
            "--filter", f"label=com.docker.compose.service={service}",
        )  # fmt: skip
        return found.stdout.strip()

    def compose(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """docker compose, as `make status` and `make logs` call it."""
        return run("ansible/compose.sh", str(self.config), *arguments, **options)

    def wait_healthy(self, service: str, seconds: float = 90) -> None:
        """Wait until a service's own health check says so."""
        wait_for(
            f"{service} healthy",
            lambda: (
                '"healthy"'
                in run(
                    "docker", "inspect", "--format", "{{json .State.Health.Status}}", self.container(service)
                ).stdout
            ),
            seconds,
        )

    def enrol(self, *names: str, role: str = "student", section: str = "A") -> list[Student]:
        """Put people on the roster and let each choose a password, as on their first day."""
        lines = ["name,id,email,section,role"] + [
            f"{name.title()} Example,{name},{name}@example.edu,{section},{role}" for name in names
        ]
        path = self.state / "hub" / f"passwords-{secrets.token_hex(4)}.csv"
        answer = self.compose(
            "exec", "-T", "hub", "python", "-m", "hub.roster", "apply", "-", "--passwords", f"/srv/hub/{path.name}",
            input="\n".join(lines) + "\n",
        )  # fmt: skip
        assert answer.returncode == 0, answer.stdout + answer.stderr
        given = one_time_passwords(path) if path.exists() else {}
        return [self.first_sign_in(name, given[name]) if name in given else self.back(name) for name in names]

    def back(self, name: str) -> Student:
        """Somebody of an earlier run, in a classroom that was kept."""
        student = Student(self, name, chosen_password(name))
        student.sign_in()
        return student

    def first_sign_in(self, name: str, one_time: str) -> Student:
        """Use the one-time password and choose a real one."""
        student = Student(self, name, one_time)
        page = student.sign_in()
        assert "Choose a password" in page.text, page.text[:2000]
        student.password = chosen_password(name)
        form = {"password": student.password, "again": student.password, "_xsrf": student.xsrf}
        answer = student.session.post(self.url + "hub/choose-password", data=form, timeout=60)
        assert answer.ok, answer.text[:2000]
        return student

    def submission(self, student: Student, identifier: str) -> dict[str, Any]:
        """A submission as its student sees it, once it is graded."""

        def graded() -> dict[str, Any] | None:
            status, text = student.grading("GET", f"submissions/{identifier}")
            body: dict[str, Any] = json.loads(text) if status == 200 else {}
            return body if body.get("state") in ("graded", "failed") else None

        found: dict[str, Any] = wait_for(f"mark of {identifier}", graded, 120)
        return found


def chosen_password(name: str) -> str:
    """What a person of the tests chooses at the first sign-in."""
    return f"correct horse of {name}"


def one_time_passwords(path: Path) -> dict[str, str]:
    """User names and one-time passwords of a roster's new accounts."""
    import csv

    with path.open(newline="", encoding="utf-8-sig") as file:
        return {row["username"]: row["one-time password"] for row in csv.DictReader(file)}
