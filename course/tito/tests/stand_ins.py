"""What the tests share: a student's solutions, and a grading service that answers as told."""

from __future__ import annotations

import hashlib
import http.server
import json

SOLUTIONS = {
    "counting-increase": "def increase(number):\n    return number + STEP",
    "counting-decrease": "def decrease(number):\n    return number - STEP",
    "adding-add": "def add(a, b):\n    for _ in range(b):\n        a = increase(a)\n    return a",
}


def solve(work, slug: str, **instead: str) -> None:
    """Write solutions into a notebook; `instead` replaces some (with _ for -)."""
    path = work / f"{slug}.ipynb"
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        if cell["id"] in SOLUTIONS:
            cell["source"] = instead.get(cell["id"].replace("-", "_"), SOLUTIONS[cell["id"]])
    path.write_text(json.dumps(notebook))


class Service(http.server.ThreadingHTTPServer):
    """A grading service that answers as told, and keeps what it got."""

    def __init__(self):
        self.got: list[tuple[str, str, dict]] = []
        self.keys: list[str | None] = []  # of what was handed in
        self.asked: list[str] = []  # what was to be got, besides the calendar
        self.answers: dict[str, dict] = {}  # by the end of the path
        self.states: list[dict] = []
        self.error: tuple[int, bytes] | None = None
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(http.server.BaseHTTPRequestHandler):
    server: Service

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Authorization"], json.loads(body)))
        self.server.keys.append(self.headers["Idempotency-Key"])
        digest = hashlib.sha256(body).hexdigest()
        receipt = {"id": "r1", "sha256": digest, "received_at": "2026-01-01T10:00:00Z"}
        answer = self.special() or receipt
        self.reply(*(self.server.error or (201, json.dumps(answer).encode())))

    do_PUT = do_POST  # noqa: N815

    def do_DELETE(self):
        self.reply(*(self.server.error or (200, b"{}")))

    def do_GET(self):
        states = self.server.states or [{}]
        if self.path.endswith("/calendar"):
            states = [{}]  # asked by the way
        else:
            self.server.asked.append(self.path.split("/api/")[1])
        answer = self.special() or (states.pop(0) if len(states) > 1 else states[0])
        self.reply(*(self.server.error or (200, json.dumps(answer).encode())))

    def special(self) -> dict | None:
        return next((said for end, said in self.server.answers.items() if self.path.endswith(end)), None)

    def reply(self, status: int, body: bytes):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
