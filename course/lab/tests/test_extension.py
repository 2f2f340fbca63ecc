"""A real Jupyter server with the extension: where it sends a browser, and what it says is announced."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from course.announcement import FILE, Announcement

KEY = {"Authorization": "token of-the-test"}
ASKED = "announcement?no_track_activity=1"
NOW = datetime.now(timezone.utc)


@pytest.fixture
def server(work, tmp_path) -> Iterator[SimpleNamespace]:
    """Its address, the student's folder, and where an announcement lies."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", f"--port={port}", "--allow-root"),
        *(f"--ServerApp.root_dir={work.parent}", "--ServerApp.base_url=/user/ada/"),
        *("--ServerApp.default_url=/lab/tree/course", "--IdentityProvider.token=of-the-test"),
        "--ServerApp.jpserver_extensions={'course.lab.extension': True}",
    ]
    own = {
        name: str(tmp_path / "jupyter")
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    environment = {
        **os.environ,
        **own,
        "JUPYTER_NO_CONFIG": "1",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    log = tmp_path / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}/user/ada/"
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            requests.get(url + "api", timeout=5)
            break
        except requests.ConnectionError:
            time.sleep(0.05)
    yield SimpleNamespace(url=url, work=work, announcement=tmp_path / FILE, log=log)
    process.terminate()
    process.wait(30)


def opens_on(server: SimpleNamespace) -> str:
    answer = requests.get(server.url, headers=KEY, allow_redirects=False, timeout=30)
    assert answer.status_code == 302, server.log.read_text()
    return answer.headers["Location"]


def test_server_tells_where_to_open_and_what_is_announced(server: SimpleNamespace) -> None:
    # The next step; and with a folder that cannot be used, what the hub says.
    assert opens_on(server) == "/user/ada/lab/tree/course/counting.ipynb"
    for path in (server.work / "counting.ipynb", server.work / "README.md"):
        path.unlink()
    folder = server.work.rename(server.work.with_name("moved"))
    server.work.write_text("a file where the folder was")
    assert opens_on(server) == "/user/ada/lab/tree/course"
    server.work.unlink()
    folder.rename(server.work)

    # What is announced: nothing, something, the same still, nothing again because it is over.
    assert requests.get(server.url + ASKED, headers=KEY, timeout=30).json() == {"since": "", "text": ""}
    said = Announcement("<script>alert(1)</script> & more", NOW, NOW + timedelta(hours=1))
    server.announcement.write_text(said.dumps())
    first = requests.get(server.url + ASKED, headers=KEY, timeout=30)
    assert first.json() == {"since": NOW.isoformat(), "text": said.text}
    assert first.headers["Content-Type"].startswith("application/json")
    again = {**KEY, "If-None-Match": first.headers["Etag"]}
    assert requests.get(server.url + ASKED, headers=again, timeout=30).status_code == 304, (
        "no activity for the proxy"
    )
    server.announcement.write_text(Announcement("Over", NOW, NOW).dumps())
    assert requests.get(server.url + ASKED, headers=again, timeout=30).json()["text"] == ""

    # A stranger gets neither.
    assert requests.get(server.url + ASKED, timeout=30).status_code == 403
    answer = requests.get(server.url, allow_redirects=False, timeout=30)
    assert "/login" in answer.headers["Location"]
