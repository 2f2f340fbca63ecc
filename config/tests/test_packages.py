"""What ansible/roles/outbound asks this machine's pip: where students' servers may get packages from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "ansible/roles/outbound/files/packages.py"
PAGE = b"""<a href="https://files.campus.test:8443/a/pip-1.whl#sha256=0">pip</a>
<a href="../../other/pip-2.whl">pip</a>"""


class Index(BaseHTTPRequestHandler):
    """One page of a package index."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path.endswith("/simple/pip/") else 404)
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def index() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/a-mirror-with-a-long-name/of-all-packages/simple"
        server.shutdown()


def asked(index: str) -> subprocess.CompletedProcess[str]:
    narrow = {**os.environ, "PIP_INDEX_URL": index, "COLUMNS": "40"}
    narrow = {name: value for name, value in narrow.items() if not name.lower().endswith("_proxy")}
    return subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, env=narrow)


def test_the_index_and_where_its_files_lie_are_named(index: str) -> None:
    answer = asked(index)
    assert answer.returncode == 0, answer.stderr
    place = index.split("/")[2]
    assert json.loads(answer.stdout) == {"index": f"{index}/", "hosts": [place, "files.campus.test:8443"]}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://me:secret@mirror.campus.test/simple", "wants a password, which students would read"),
        ("http://127.0.0.1:9/simple", "http://127.0.0.1:9/simple/pip/ cannot be read"),
        ("packages", "packages/pip/ cannot be read"),
    ],
)
def test_an_index_that_cannot_be_given_to_students_is_refused_in_words(url: str, words: str) -> None:
    answer = asked(url)
    assert answer.returncode != 0
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "secret" not in answer.stderr
