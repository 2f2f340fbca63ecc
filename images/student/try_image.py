"""Tries a student's server as its hub and its student would; the last step of the image's build, run in it.

Starts start-student against a stand-in of the hub, then: the lab's page for a signed-in student and a
redirect for anybody else, a kernel that plots, a terminal that finds tito, a notebook saved, activity told
to the hub, what nbgrader's panels ask for, and no database library in the server's memory (an upgrade of
jupyterhub that needs one at start shows here).
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import websocket
from jupyterhub import __version__

PREFIX = "/user/student/"
TOKEN = "trial"  # noqa: S105 - of a server that lives for seconds
SERVER = f"127.0.0.1:18{os.getpid() % 900 + 100}"
seen: list[str] = []


class Hub(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.headers.get("Authorization", "").endswith(f" {TOKEN}")
        if self.path == "/hub/api":
            self.answer({"version": __version__})
        elif known:
            self.answer({"kind": "user", "name": "student", "scopes": ["access:servers!server=student/"]})
        else:
            self.answer({"message": "unknown"}, 403)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({})

    def answer(self, body: dict[str, object], status: int = 200) -> None:
        seen.append(self.path)
        self.send_response(status)
        self.send_header("X-JupyterHub-Version", __version__)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def ask(method: str, path: str, body: object = None, token: str = TOKEN) -> tuple[int, str]:
    request = urllib.request.Request(f"http://{SERVER}{PREFIX}{path}", method=method)
    if token:
        request.add_header("Authorization", f"token {token}")
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.build_opener(Stay).open(request, data, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def connect(path: str) -> websocket.WebSocket:
    return websocket.create_connection(
        f"ws://{SERVER}{PREFIX}{path}", header=[f"Authorization: token {TOKEN}"], timeout=30
    )


def run_cell(code: str) -> str:
    """What a new kernel prints for this code."""
    kernel = json.loads(ask("POST", "api/kernels", {})[1])["id"]
    socket = connect(f"api/kernels/{kernel}/channels")
    header = {
        "msg_id": "1",
        "msg_type": "execute_request",
        "session": "trial",
        "username": "",
        "version": "5",
    }
    content = {"code": code, "silent": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    socket.send(json.dumps(message))
    printed = ""
    while True:
        answer = json.loads(socket.recv())
        if answer["parent_header"].get("msg_id") != "1":
            continue
        if answer["msg_type"] == "stream":
            printed += answer["content"]["text"]
        if answer["msg_type"] == "error":
            sys.exit("\n".join(answer["content"]["traceback"]))
        if answer["msg_type"] == "execute_reply":
            return printed


def run_in_terminal(line: str, until: str) -> None:
    name = json.loads(ask("POST", "api/terminals", {})[1])["name"]
    socket = connect(f"terminals/websocket/{name}")
    socket.send(json.dumps(["stdin", f"{line}\r"]))
    shown = ""
    while until not in shown:
        shown += str(json.loads(socket.recv())[1])


def try_nbgrader() -> None:
    """What nbgrader's panels ask for; a grading service to tell of assignments is not here."""
    assert json.loads(ask("GET", "courses")[1])["value"] == ["course"], (
        "the panel 'Assignments' has no course"
    )
    listed = json.loads(ask("GET", "assignments?course_id=course")[1])
    assert "TT_GRADING_URL" in listed["value"], f"the panel 'Assignments' tells no fault: {listed}"
    assert json.loads(ask("GET", f"nbgrader_version?version={version('nbgrader')}")[1])["success"]
    notebook = {
        "cells": [cell("def double(x):\n    return x + x"), cell("assert double(2) == 5", "check")],
        **{"metadata": {}, "nbformat": 4, "nbformat_minor": 5},
    }
    ask("PUT", "api/contents/assignment.ipynb", {"type": "notebook", "content": notebook})
    validated = json.loads(ask("POST", "assignments/validate", {"path": "assignment.ipynb"})[1])
    assert validated["success"], validated
    assert "AssertionError" in validated["value"]["failed"][0]["error"], validated
    assert not json.loads(ask("POST", "assignments/validate", {"path": "../../etc/passwd"})[1])["success"]
    assert ask("GET", "formgrader")[0] == 404, "a student's server has a formgrader"
    assert ask("GET", "assignments?course_id=course", token="")[0] in {302, 403}, (
        "a stranger sees assignments"
    )


def cell(source: str, grade_id: str = "") -> dict[str, object]:
    """A code cell; with an id, one of nbgrader's tests."""
    kind = {"grade": True, "solution": False, "locked": True, "points": 1, "task": False, "schema_version": 3}
    metadata = {"nbgrader": {"grade_id": grade_id, "cell_type": "code", **kind}} if grade_id else {}
    cell_id = grade_id or "solution"
    empty = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "id": cell_id, "metadata": metadata, "source": source, **empty}


def main() -> None:
    hub = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    api = f"http://127.0.0.1:{hub.server_port}/hub/api"
    environment = {
        "JUPYTERHUB_API_URL": api,
        "JUPYTERHUB_ACTIVITY_URL": f"{api}/activity",
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JUPYTERHUB_USER": "student",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-student",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
        "JUPYTERHUB_SERVICE_URL": f"http://{SERVER}{PREFIX}",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!server=student/"]',
        "JUPYTERHUB_DEFAULT_URL": "/lab/tree/course",
        "JUPYTERHUB_ROOT_DIR": "~",
    }
    server = subprocess.Popen(["/opt/venv/bin/start-student"], env=os.environ | environment)
    try:
        for _ in range(600):
            time.sleep(0.1)
            try:
                status, _ = ask("GET", "", token="")
                break
            except OSError:
                assert server.poll() is None, "the server ended"
        assert status == 302, f"a stranger got {status}"
        status, page = ask("GET", "lab/tree/course")
        assert status == 200, f"the lab's page: {status}"
        assert "jupyter-config-data" in page, "the lab's page is not JupyterLab's"
        assert "@jupyter/nbgrader" in page, "nbgrader's panels are not in the lab"
        assert "tinytorch-announcement" in page, "announcements are not in the lab"
        assert ask("GET", "lab/extensions/tinytorch-announcement/static/announcement.js")[0] == 200
        assert json.loads(ask("GET", "announcement")[1]) == {"since": "", "text": ""}
        assert json.loads(ask("GET", "disk")[1]) == {"level": "", "text": ""}
        assert ask("GET", "lab", token=f"not {TOKEN}-")[0] in {302, 403}, "a wrong token was let in"
        assert ask("GET", "api/contents/course/README.md")[0] == 200, "no ~/course on the first start"

        try_nbgrader()
        maps = Path(f"/proc/{server.pid}/maps").read_text()
        assert "sqlalchemy" not in maps, "the server imported the hub's database: see start_student.py"
        assert any("activity" in path for path in seen), "the hub was not told of activity"

        plot = (
            "import numpy as np, matplotlib.pyplot as plt; plt.plot(np.arange(3)); plt.show(); print(6 * 7)"
        )
        assert "42" in run_cell(plot), "the kernel did not answer"
        assert "Setup" in run_cell("%tito status"), "%tito did not answer in a kernel"
        run_in_terminal("tito status && echo do'ne'", "done")
        notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        saved = ask("PUT", "api/contents/trial.ipynb", {"type": "notebook", "content": notebook})
        assert saved[0] == 201, f"saving a notebook: {saved}"
        assert ask("GET", "lab/api/settings/@jupyterlab/apputils-extension:themes")[0] == 200, "no settings"
    finally:
        server.terminate()
        assert server.wait(30) == 0, "the server did not end when told to"


if __name__ == "__main__":
    main()
