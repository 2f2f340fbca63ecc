"""The engine behind the gate: the few calls that the gate makes itself, over the engine's Unix socket."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from hub.gate.strict import Refused

PATIENCE = 60.0  # seconds; an engine that is busy with a spawn storm is slow, not dead
STREAM = 2**16  # bytes of an attached stream that we hold unread


class EngineDown(Refused):
    """The engine did not answer; what was asked may be tried again later."""

    def __init__(self, why: object) -> None:
        super().__init__(503, f"The container engine does not answer ({why}). Try again later.")


class Answer:
    """What the engine said: a status and a body."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body

    @property
    def ok(self) -> bool:
        return self.status < 400

    def json(self) -> Any:
        return json.loads(self.body)

    def sentence(self) -> str:
        """The engine's own words for what went wrong."""
        try:
            return str(self.json()["message"])
        except (ValueError, KeyError, TypeError):
            return f"status {self.status}"


class Engine:
    """A client of the engine that keeps its connections. Use as an asynchronous context manager."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    async def __aenter__(self) -> "Engine":
        self._http = aiohttp.ClientSession(
            "http://engine",
            connector=aiohttp.UnixConnector(str(self.socket)),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        patience: float = PATIENCE,
    ) -> Answer:
        """Send one request and read the whole answer; raises EngineDown.

        Without a version in the path the engine speaks its newest API; the gate uses what all have in common.
        """
        try:
            async with self._http.request(
                method, path, params=query, json=body, timeout=aiohttp.ClientTimeout(total=patience)
            ) as response:
                return Answer(response.status, await response.read())
        except (aiohttp.ClientError, OSError) as error:
            raise EngineDown(str(error) or type(error).__name__) from error
