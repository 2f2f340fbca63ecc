"""The grading worker's side of the gate: bytes into a throw-away container, and the bytes that come out."""

import asyncio
from typing import TypeVar

from aiohttp import web

from hub.gate import sandbox, strict
from hub.gate.engine import Engine
from hub.gate.pool import Pool
from hub.gate.settings import Settings
from hub.gate.strict import Refused

LARGEST_BODY = 32 * 2**20  # bytes; a submission has 10 MB, and what it is run with comes on top
LARGEST_OUTPUT = 32 * 2**20
LEAST_MEMORY = 16 * 2**20
MOST_AT_ONCE = 16  # the next ones wait, unread: a flood of requests costs us no memory

Number = TypeVar("Number", int, float)


class WorkerSocket:
    """Answers what comes over the worker's socket."""

    def __init__(self, settings: Settings, engine: Engine, pool: Pool) -> None:
        self.settings = settings
        self.engine = engine
        self.pool = pool
        self.places = asyncio.Semaphore(MOST_AT_ONCE)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[strict.sentences("error")], client_max_size=LARGEST_BODY)
        app.router.add_get("/health", self.health)
        app.router.add_post("/sandbox", self.sandbox)
        return app

    async def health(self, request: web.Request) -> web.Response:
        strict.query(request.query, set())
        answer = await self.engine.call("GET", "/version")
        return web.Response(status=answer.status, body=answer.body, content_type="application/json")

    async def sandbox(self, request: web.Request) -> web.Response:
        given = strict.query(request.query, {"seconds", "memory", "output", "purpose"})
        training = given.get("purpose") == "training"
        if not training and "purpose" in given:
            raise Refused(400, f"The gate knows the purpose 'training', and not {given['purpose']!r}.")
        most = self.settings.retrain_seconds if training else self.settings.sandbox_seconds
        limits = sandbox.Limits(
            seconds=_within("seconds", given.get("seconds"), 0.1, most),
            memory=_within("memory", given.get("memory"), LEAST_MEMORY, self.settings.sandbox_memory),
            output=_within("output", given.get("output"), 0, LARGEST_OUTPUT),
        )
        async with self.places:
            task = await request.read()
            async with self.pool.sandbox(limits.memory, training) as container:
                ended, output = await container.run(task, limits)
        return web.Response(
            body=output, content_type="application/octet-stream", headers={"X-Exit": ended.value}
        )


def _within(name: str, text: str | None, least: Number, most: Number) -> Number:
    """A limit that may be lowered, not raised; left out, it is the classroom's."""
    if text is None:
        return most
    try:
        number = type(most)(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise Refused(400, f"{name} is {text!r}; it must be a number from {least} to {most}.")
    return number
