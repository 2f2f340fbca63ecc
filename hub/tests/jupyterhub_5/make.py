"""What a JupyterHub 5.0.0 leaves: users, groups, tokens, a server that runs. `database.sql` is its output.

python3 -m venv /tmp/five && /tmp/five/bin/pip install jupyterhub==5.0.0
/tmp/five/bin/python hub/tests/jupyterhub_5/make.py > hub/tests/jupyterhub_5/database.sql
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
GROUPS = {"role-student": ["ada", "ben"], "section-a": ["ada"], "role-instructor": ["prof"], "chess": ["ben"]}


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    api = f"http://127.0.0.1:{port}/course/hub/api"

    def call(method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": "token " + "roster" * 4, "Content-Type": "application/json"}
        request = urllib.request.Request(api + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"null")

    with tempfile.TemporaryDirectory() as state:
        environment = {**os.environ, "TT_TEST_PORT": str(port), "JPY_COOKIE_SECRET": "1" * 64}
        command = [sys.executable, "-m", "jupyterhub", "-f", str(HERE / "jupyterhub_config.py")]
        hub = subprocess.Popen(command, cwd=state, env=environment, stdout=sys.stderr)
        try:
            while True:
                try:
                    version = call("GET", "/")
                    break
                except urllib.error.URLError:
                    assert hub.poll() is None
                    time.sleep(0.2)
            assert version == {"version": "5.0.0"}, version
            call("POST", "/users", {"usernames": ["ada", "ben", "prof"]})
            for group, users in GROUPS.items():
                call("POST", f"/groups/{group}", {"users": users})
            tokens = {name: call("POST", f"/users/{name}/tokens", {})["token"] for name in ("ada", "ben")}
            call("POST", "/users/ada/server")
            while not call("GET", "/users/ada")["servers"][""]["ready"]:
                time.sleep(0.2)
            tokens["ada's server"] = (Path(state) / "token-of-the-server").read_text()
        finally:
            hub.terminate()
            hub.wait()
        for name, token in tokens.items():
            print(f"-- token of {name}: {token}")
        with sqlite3.connect(Path(state) / "jupyterhub.sqlite") as database:
            print("\n".join(database.iterdump()))


if __name__ == "__main__":
    main()
