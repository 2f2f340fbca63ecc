"""`python -m hub.verify --url http://proxy:8000/`: does the classroom work for a student?

Signs in as the probe user, starts its server, runs a cell in a kernel, and stops the server again. Where the
campus signs people in, its provider is asked whether it knows the classroom, or the LMS for its keys. What
fails is said in one sentence, and the exit code is 1.
"""

import argparse
import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketError, websocket_connect

from hub import hosts
from hub.accounts.names import PROBE
from hub.config.settings import Settings, SettingsError
from hub.launch.platform import Platform
from hub.signin.issuer import Issuer, IssuerError

START_SECONDS = 240
STOP_SECONDS = 60
CELL_SECONDS = 60
ANSWER_SECONDS = 30

# What a student needs on the first day: numpy, a home to write to, a user of their own.
CELL = """
import os, pathlib, numpy
pathlib.Path.home().joinpath(".classroom-probe").write_text("written by a probe of the deploy")
assert os.getuid() != 0, "the server runs as root"
print("sum", int(numpy.arange(10).sum()))
"""
EXPECTED = "sum 45"


class VerifyError(Exception):
    """Something does not work; the text says what, and where to look."""


@contextmanager
def step(what: str) -> Iterator[None]:
    """One line of progress, with how long it took."""
    print(f"{what} ... ", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except Exception:
        print("failed", flush=True)
        raise
    print(f"ok ({time.monotonic() - began:.1f} s)", flush=True)


class Door(requests.adapters.HTTPAdapter):
    """Comes in by the classroom's proxy, whichever host is asked for, as a browser does by the DNS."""

    def __init__(self, proxy: str) -> None:
        self.proxy = urlsplit(proxy)
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        there = str(request.url)
        request.headers["Host"] = urlsplit(there).netloc
        request.url = urlsplit(there)._replace(scheme="http", netloc=self.proxy.netloc).geturl()
        try:
            answer = super().send(request, *args, **more)
        finally:
            request.url = there
            del request.headers["Host"]
        answer.url = there
        return answer


class Probe:
    """A student with a browser.

    Args:
        url: where the classroom's proxy is, with the base path and a slash at the end.
        password: the probe user's.
        origin: the hub's, where students' servers have hosts of their own; else empty.
    """

    def __init__(self, url: str, password: str, origin: str = "") -> None:
        path = urlsplit(url).path
        self.proxy = url
        self.url = f"{origin}{path}" if origin else url
        self.own = f"{hosts.origin_of(PROBE, origin)}{path}" if origin else url
        self.password = password
        self.session = requests.Session()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, Door(url))
        self.session.trust_env = False  # the classroom is not to be sought through a proxy to the outside

    def sign_in(self) -> None:
        page = self._send("GET", "hub/login")
        if not page.ok:
            raise VerifyError(f"The sign-in page answered with status {page.status_code}. Does the hub run?")
        form = {"username": PROBE, "password": self.password, "_xsrf": self._xsrf("hub/")}
        answer = self._send("POST", "hub/login", data=form, allow_redirects=False)
        if answer.status_code == 429:
            raise VerifyError("Too many sign-ins as the probe user failed lately. Wait ten minutes.")
        if answer.status_code != 302:
            raise VerifyError(
                f"Sign-in as {PROBE} was refused (status {answer.status_code}). Restart the hub: it takes "
                "the password from TT_PROBE_PASSWORD when it starts."
            )

    def start(self) -> None:
        self.stop()  # one that an earlier, interrupted probe left would show nothing
        answer = self._hub("POST", f"users/{PROBE}/server")
        if answer.status_code not in (201, 202):
            raise VerifyError(f"The hub would not start a server: {_reason(answer)}")
        self._wait(START_SECONDS, "was not ready", self._is_ready)

    def open_lab(self) -> None:
        page = self._send("GET", f"user/{PROBE}/lab", self.own)
        if not page.ok or "jupyter-config-data" not in page.text:
            raise VerifyError(f"The lab did not open: {page.url} answered with status {page.status_code}.")

    def run_cell(self) -> None:
        answer = self._server("POST", "api/kernels", json={"name": "python3"})
        if answer.status_code != 201:
            raise VerifyError(f"The server started no kernel: {_reason(answer)}")
        kernel = answer.json()["id"]
        try:
            text = asyncio.run(self._execute(kernel))
        except TimeoutError:
            raise VerifyError(f"A cell did not end within {CELL_SECONDS} seconds.") from None
        except (OSError, HTTPClientError, WebSocketError) as error:
            raise VerifyError(f"No WebSocket reached the kernel ({error}).") from None
        if text.strip() != EXPECTED:
            raise VerifyError(f"A cell printed {text.strip()[-300:]!r}, not {EXPECTED!r}.")

    def stop(self) -> None:
        answer = self._hub("DELETE", f"users/{PROBE}/server")
        if answer.status_code not in (202, 204, 400, 404):  # 400: there is none to stop
            raise VerifyError(f"The hub would not stop the server: {_reason(answer)}")
        self._wait(STOP_SECONDS, "did not stop", lambda: not self._servers())

    def _servers(self) -> dict[str, Any]:
        answer = self._hub("GET", f"users/{PROBE}")
        if not answer.ok:
            raise VerifyError(f"The hub does not tell how the server is: {_reason(answer)}")
        servers: dict[str, Any] = answer.json()["servers"]
        return servers

    def _is_ready(self) -> bool:
        servers = self._servers()
        if not servers:
            page = self._send("GET", f"hub/spawn-pending/{PROBE}")
            raise VerifyError(f"The server failed to start: {_paragraph(page.text)} See the hub's log.")
        return bool(servers[""]["ready"])

    def _wait(self, seconds: float, fault: str, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not is_done():
            if time.monotonic() > deadline:
                raise VerifyError(f"The server {fault} within {seconds:.0f} seconds.")
            time.sleep(0.25)

    async def _execute(self, kernel: str) -> str:
        """Run the cell over the kernel's WebSocket; what it printed, or its traceback."""
        channels = f"user/{PROBE}/api/kernels/{kernel}/channels"
        cookies = self.session.prepare_request(requests.Request("GET", self.own + channels)).headers
        request = HTTPRequest(
            (self.proxy + channels).replace("http", "ws", 1),
            headers={**cookies, "Host": urlsplit(self.own).netloc},
            connect_timeout=10,
        )
        message = uuid.uuid4().hex
        async with asyncio.timeout(CELL_SECONDS):
            socket = await websocket_connect(request)
            try:
                await socket.write_message(json.dumps(_execute_request(message)))
                return await _output(socket, message)
            finally:
                socket.close()

    def _hub(self, method: str, path: str) -> requests.Response:
        return self._send(method, f"hub/api/{path}", headers={"X-XSRFToken": self._xsrf("hub/")})

    def _server(self, method: str, path: str, **more: Any) -> requests.Response:
        here = f"user/{PROBE}/"
        return self._send(method, here + path, self.own, headers={"X-XSRFToken": self._xsrf(here)}, **more)

    def _send(self, method: str, path: str, there: str = "", **more: Any) -> requests.Response:
        address = (there or self.url) + path
        try:
            return self.session.request(method, address, timeout=ANSWER_SECONDS, **more)
        except requests.RequestException as error:
            raise VerifyError(
                f"{address} does not answer ({type(error).__name__}). Does the proxy run?"
            ) from None

    def _xsrf(self, path: str) -> str:
        """The token for pages under `path`: the hub and each server have their own."""
        root = urlsplit(self.url).path
        values = [c.value for c in self.session.cookies if c.name == "_xsrf" and c.path == root + path]
        return values[0] or "" if values else ""


def ask_campus() -> None:
    """Whether the campus's provider is there and knows the classroom, or the LMS shows its keys."""
    try:
        settings = Settings.from_environment()
        if oidc := settings.oidc:
            with step("Asking the campus's sign-in"):
                asyncio.run(Issuer(oidc.issuer).try_out(oidc.client_id, oidc.secret))
        if lti := settings.lti:
            with step("Asking the LMS for its keys"):
                asyncio.run(Platform(lti.issuer, lti.keys_url).try_keys())
    except (SettingsError, IssuerError) as error:
        raise VerifyError(str(error)) from None


def _execute_request(message: str) -> dict[str, Any]:
    return {
        "channel": "shell",
        "header": {"msg_id": message, "msg_type": "execute_request", "session": message, "version": "5.3"},
        "parent_header": {},
        "metadata": {},
        "content": {"code": CELL, "silent": False, "store_history": False, "allow_stdin": False},
    }


async def _output(socket: Any, message: str) -> str:
    text = ""
    while True:
        received = await socket.read_message()
        if received is None:
            raise WebSocketError("it was closed")
        answer = json.loads(received)
        if answer["parent_header"].get("msg_id") != message:
            continue
        content = answer["content"]
        if answer["msg_type"] == "stream":
            text += content["text"]
        elif answer["msg_type"] == "error":
            text += f"{content['ename']}: {content['evalue']}"
        elif answer["msg_type"] == "status" and content["execution_state"] == "idle":
            return text


def _reason(answer: requests.Response) -> str:
    try:
        return f"{answer.json()['message']} (status {answer.status_code})"
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}."


def _paragraph(page: str) -> str:
    """What the hub's page tells a student, without its markup."""
    main = page.partition('<p class="tt-lead">')[2] or page.partition("</h1>")[2]
    return " ".join(main.partition("</p>")[0].replace("<p>", "").split())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hub.verify", description=__doc__)
    parser.add_argument("--url", required=True, help="the classroom's address with its base path")
    url = parser.parse_args(arguments).url.rstrip("/") + "/"
    password = os.environ.get("TT_PROBE_PASSWORD")
    if not password:
        print("TT_PROBE_PASSWORD is not set. Run this inside the hub's container.", file=sys.stderr)
        return 1
    probe = Probe(url, password, os.environ.get("TT_ORIGIN", ""))
    try:
        with step(f"Signing in as {PROBE}"):
            probe.sign_in()
        try:
            with step("Starting its server"):
                probe.start()
            with step("Opening the lab"):
                probe.open_lab()
            with step("Running a cell"):
                probe.run_cell()
        finally:
            with step("Stopping its server"):
                probe.stop()
        ask_campus()
    except VerifyError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
