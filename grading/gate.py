"""The way to a sandbox: the gate's socket for workers, which lets through this one request and no other."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path

from grading.sandboxes import Limits, SandboxResult, SandboxUnavailable

MARGIN = 30.0  # seconds for the engine to make and remove the container, beside the submission's own


class GateRefused(RuntimeError):  # noqa: N818  # says what happened
    """The gate will not run this task, now or later; the message is for the log."""


class GateConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("gate", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class GateSandbox:
    """Sandboxes by the gate."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, task: bytes, limits: Limits) -> SandboxResult:
        """Run a task in a container that exists only for it."""
        connection = GateConnection(self.path, limits.seconds + MARGIN)
        where = f"/sandbox?seconds={limits.seconds:g}&memory={limits.memory}&output={limits.output}"
        where += "&purpose=training" * limits.training
        try:
            connection.request("POST", where, body=task)
            response = connection.getresponse()
            body = response.read(limits.output + 1)
        except (OSError, http.client.HTTPException) as error:
            raise SandboxUnavailable(f"The gate at {self.path} does not answer: {error}") from error
        finally:
            connection.close()
        if 400 <= response.status < 500:
            raise GateRefused(f"The gate refused a task ({response.status}): {_sentence(body)}")
        if response.status != 200:
            raise SandboxUnavailable(f"The gate answered {response.status}: {_sentence(body)}")
        exit = response.headers.get("X-Exit", "failed")
        return SandboxResult(exit, body[: limits.output])


def _sentence(body: bytes) -> str:
    """The gate's reason, as JSON or as plain text."""
    text = body[:500].decode("utf-8", "replace").strip()
    try:
        said = json.loads(text)
    except ValueError:
        return text
    return str(said.get("error", text)) if isinstance(said, dict) else text
