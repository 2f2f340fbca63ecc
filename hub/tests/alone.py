"""A real JupyterHub with our configuration, as a process on a port of its own, and people with browsers."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from hub.tests.environment import environment

ROOT = Path(__file__).parents[2]
GOOD = "correct horse battery"


@contextmanager
def running(
    state: Path, config: str = "hub/tests/hub_alone.py", port: int | None = None, **changed: str
) -> Iterator[str]:
    """The hub's address, until the end of the block. Its files are in `state`."""
    port = port or free_port()
    env = {
        **os.environ,
        **environment(**changed),
        "TT_TEST_STATE": str(state),
        "TT_TEST_PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    url = f"http://127.0.0.1:{port}/course/hub/"
    with (state / "log").open("a") as log:
        command = [sys.executable, "-m", "jupyterhub", "-f", str(ROOT / config)]
        process = subprocess.Popen(command, cwd=state, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 120
        while not _answers(url):
            assert process.poll() is None, (state / "log").read_text()
            assert time.monotonic() < deadline, (state / "log").read_text()
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return requests.get(url + "health", timeout=5).ok
    except requests.RequestException:
        return False


def token(page: requests.Response) -> str:
    """What a form of the page has to send along."""
    found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def fault(page: requests.Response) -> str:
    """What the page says is wrong."""
    found = re.search(r'role="alert">(.*?)</p>', page.text, re.DOTALL)
    return found[1] if found else ""


def sign_in(hub: str, username: str, password: str) -> tuple[requests.Session, requests.Response]:
    """Somebody with a browser of their own, and the page after the form."""
    browser = requests.Session()
    return browser, sign_in_again(browser, hub, username, password)


def sign_in_again(browser: requests.Session, hub: str, username: str, password: str) -> requests.Response:
    """The page after the form, in a browser that was used before."""
    form = {"username": username, "password": password, "_xsrf": token(browser.get(hub + "login"))}
    return browser.post(hub + "login?next=%2Fcourse%2Fhub%2Fhome", data=form)


def choose(
    browser: requests.Session, page: requests.Response, password: str, **more: str
) -> requests.Response:
    """The page after a password was chosen."""
    return browser.post(
        page.url, data={"password": password, "again": password, "_xsrf": token(page), **more}
    )
