"""A notebook's kernel on a student's server, as the browser talks to it: through the proxy."""

from __future__ import annotations

import json
import uuid
from types import TracebackType
from typing import Any

import websocket

from tests.classroom import Student


class Kernel:
    """Starts a kernel, or joins one that runs; leaving the block closes the connection and lets the kernel run on."""

    def __init__(self, student: Student, identifier: str | None = None) -> None:
        self.student = student
        base = f"{student.classroom.url}user/{student.name}/"
        # The first page signs the session in at the student's own server.
        student.session.get(f"{base}lab", timeout=60)
        self.headers = {"X-XSRFToken": self._cookie()}
        self.api = f"{base}api/kernels"
        if identifier is None:
            answer = student.session.post(
                self.api, json={"name": "python3"}, headers=self.headers, timeout=60
            )
            assert answer.status_code == 201, f"{answer.status_code} {answer.text[:300]}"
            identifier = answer.json()["id"]
        self.identifier: str = identifier
        # A door with TLS has its own root certificate.
        trusted = student.session.verify
        self.socket = websocket.WebSocket(sslopt={"ca_certs": trusted} if isinstance(trusted, str) else None)

    def _cookie(self) -> str:
        path = f"{self.student.classroom.base_path}user/{self.student.name}/"
        return self.student.session.cookies.get("_xsrf", path=path) or ""

    def __enter__(self) -> Kernel:
        address = f"{self.api}/{self.identifier}/channels".replace("http", "ws", 1)
        jar = self.student.session.cookies
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar if self._sent(cookie.path))
        self.socket.connect(address, cookie=cookies, timeout=60)
        return self

    def _sent(self, path: str) -> bool:
        return f"{self.student.classroom.base_path}user/{self.student.name}/".startswith(path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def run(self, code: str) -> str:
        """Run code and return what it printed."""
        message = uuid.uuid4().hex
        header = {
            "msg_id": message,
            "msg_type": "execute_request",
            "username": "",
            "session": message,
            "version": "5.3",
        }
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "allow_stdin": False,
            "stop_on_error": True,
        }
        request: dict[str, Any] = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
        }
        self.socket.send(json.dumps(request))
        printed = ""
        while True:
            received = json.loads(self.socket.recv())
            if received["parent_header"].get("msg_id") != message:
                continue
            match received["msg_type"]:
                case "stream":
                    printed += received["content"]["text"]
                case "error":
                    raise AssertionError(received["content"]["evalue"])
                case "status" if received["content"]["execution_state"] == "idle":
                    return printed

    def delete(self) -> None:
        """End the kernel."""
        self.student.session.delete(f"{self.api}/{self.identifier}", headers=self.headers, timeout=30)
