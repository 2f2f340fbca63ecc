"""The pool of waiting containers, with an engine that is a script: what it makes, hands out and removes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hub.gate import pool as pools
from hub.gate.engine import Engine, EngineDown
from hub.gate.pool import Pool
from hub.gate.tests.test_policy import ENVIRONMENT
from hub.gate.tests.test_sockets import SETTINGS

FULL = SETTINGS.sandbox_memory
WAITING = replace(SETTINGS, sandbox_pool=2)


class ScriptedEngine:
    """An engine without containers: it counts them."""

    def __init__(self) -> None:
        self.image = "first"
        self.away = False
        self.memory: dict[str, int] = {}
        self.streams: dict[str, Any] = {}
        self.made = 0

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._away])
        app.router.add_get("/images/{image:.+}/json", self._image)
        app.router.add_post("/containers/create", self._create)
        app.router.add_post("/containers/{id}/attach", self._attach)
        app.router.add_post("/containers/{id}/start", self._start)
        app.router.add_delete("/containers/{id}", self._remove)
        return app

    async def _image(self, request: web.Request) -> web.Response:
        return web.json_response({"Id": self.image})

    async def _create(self, request: web.Request) -> web.Response:
        self.made += 1
        id = f"{self.made:064x}"
        self.memory[id] = (await request.json())["HostConfig"]["Memory"]
        return web.json_response({"Id": id})

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        assert request.transport
        self.streams[request.match_info["id"]] = request.transport
        request.transport.write(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
        await asyncio.Event().wait()
        return web.Response()

    async def _start(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _remove(self, request: web.Request) -> web.Response:
        self.memory.pop(request.match_info["id"])
        return web.Response(status=204)

    @web.middleware
    async def _away(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.away:
            return web.json_response({"message": "away"}, status=500)
        answer: web.StreamResponse = await handler(request)
        return answer

    def die(self, id: str) -> None:
        self.streams[id].close()


@pytest.fixture
async def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedEngine]:
    monkeypatch.setattr(pools, "GLANCE", 0.02)
    monkeypatch.setattr(pools, "PAUSE", 0.02)
    scripted = ScriptedEngine()
    runner = web.AppRunner(scripted.app(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "engine.sock")).start()
    yield scripted
    await runner.cleanup()
    assert not scripted.memory, "containers were left behind"


@pytest.fixture
async def pool(scripted: ScriptedEngine, tmp_path: Path) -> AsyncIterator[Pool]:
    async with Engine(tmp_path / "engine.sock") as engine, Pool(engine, WAITING) as pool:
        await ready(pool, 2)
        yield pool


async def ready(pool: Pool, count: int) -> None:
    async with asyncio.timeout(5):
        while len(pool._waiting) != count:
            await asyncio.sleep(0.01)


async def test_each_waiting_container_is_used_once_and_replaced(pool: Pool, scripted: ScriptedEngine) -> None:
    used = set()
    for _ in range(3):
        async with pool.sandbox(FULL) as container:
            used.add(container.path)
            await ready(pool, 2)  # while the submission runs
            assert len(scripted.memory) == 3
    assert len(used) == 3
    assert set(scripted.memory.values()) == {FULL}


async def test_request_for_less_memory_gets_a_container_of_its_own(
    pool: Pool, scripted: ScriptedEngine
) -> None:
    async with pool.sandbox(FULL // 2):
        assert sorted(scripted.memory.values()) == [FULL // 2, FULL, FULL]


async def test_more_submissions_than_waiting_containers_all_get_one(pool: Pool) -> None:
    async with pool.sandbox(FULL) as a, pool.sandbox(FULL) as b, pool.sandbox(FULL) as c:
        assert len({a.path, b.path, c.path}) == 3


async def test_waiting_container_that_died_is_never_handed_out(pool: Pool, scripted: ScriptedEngine) -> None:
    dead = set(scripted.memory)
    for id in dead:
        scripted.die(id)
    await asyncio.sleep(0)
    async with pool.sandbox(FULL) as container:
        assert container.path.removeprefix("/containers/") not in dead
    await ready(pool, 2)
    assert not dead & set(scripted.memory)


async def test_waiting_container_of_an_image_that_was_built_anew_is_not_used(
    pool: Pool, scripted: ScriptedEngine
) -> None:
    old = set(scripted.memory)
    scripted.image = "second"
    async with pool.sandbox(FULL) as container:
        assert container.path.removeprefix("/containers/") not in old
    await ready(pool, 2)
    assert not old & set(scripted.memory)


async def test_engine_that_was_away_costs_nothing_but_the_time(pool: Pool, scripted: ScriptedEngine) -> None:
    scripted.away = True
    with pytest.raises(EngineDown):
        async with pool.sandbox(FULL):
            pass
    scripted.away = False
    async with pool.sandbox(FULL):
        await ready(pool, 2)


async def test_pool_without_places_makes_nothing_ahead(scripted: ScriptedEngine, tmp_path: Path) -> None:
    assert ENVIRONMENT["TT_SANDBOX_POOL"] == "0"
    async with Engine(tmp_path / "engine.sock") as engine, Pool(engine, SETTINGS) as pool:
        await asyncio.sleep(0.05)
        assert not scripted.memory
        async with pool.sandbox(FULL):
            assert len(scripted.memory) == 1


async def test_training_never_gets_a_container_that_waited(pool: Pool, scripted: ScriptedEngine) -> None:
    waited = {f"/containers/{id}" for id in scripted.memory}
    async with pool.sandbox(FULL, training=True) as container:
        assert container.path not in waited
