"""What the two sockets answer when the engine is away, or the request is not what it should be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from hub.gate import sandbox
from hub.gate.engine import Engine, EngineDown
from hub.gate.homes import Homes
from hub.gate.hub_socket import LARGEST_BODY, HubSocket
from hub.gate.pool import Pool
from hub.gate.settings import Settings
from hub.gate.tests.test_policy import ENVIRONMENT
from hub.gate.worker_socket import WorkerSocket

SETTINGS = Settings.from_environment(ENVIRONMENT)
CREATE = "/v1.41/containers/create?name=tinytorch-student-20000"


@asynccontextmanager
async def calling(app: web.Application) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    for folder in ("homes", "passwd", "gate"):
        (tmp_path / folder).mkdir()
    homes = Homes(tmp_path)
    async with (
        Engine(tmp_path / "no.sock") as engine,
        calling(HubSocket(SETTINGS, engine, homes).app()) as client,
    ):
        yield client
    homes.close()


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async with (
        Engine(tmp_path / "no.sock") as engine,
        Pool(engine, SETTINGS) as pool,
        calling(WorkerSocket(SETTINGS, engine, pool).app()) as client,
    ):
        yield client


@pytest.fixture
async def hanging_up(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine that creates a container, and hangs up when something is to be attached to it."""
    removed: list[str] = []

    async def create(request: web.Request) -> web.Response:
        return web.json_response({"Id": "0" * 64})

    async def attach(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.close()
        return web.Response()

    async def remove(request: web.Request) -> web.Response:
        removed.append(request.match_info["id"])
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/containers/create", create)
    app.router.add_post("/containers/{id}/attach", attach)
    app.router.add_delete("/containers/{id}", remove)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "engine.sock")).start()
    async with Engine(tmp_path / "engine.sock") as engine:
        yield engine
    await runner.cleanup()
    assert removed == ["0" * 64]


async def test_worker_hears_that_the_engine_is_away_and_may_try_again(
    worker: TestClient[web.Request, web.Application],
) -> None:
    for answer in (await worker.post("/sandbox", data=b"x"), await worker.get("/health")):
        assert answer.status == 503
        assert "does not answer" in (await answer.json())["error"]


async def test_submission_is_unknown_and_removed_when_the_engine_hangs_up(hanging_up: Engine) -> None:
    with pytest.raises(EngineDown):
        async with sandbox.started(hanging_up, SETTINGS, memory=2**26):
            pass


async def test_hub_hears_that_the_engine_is_away(hub: TestClient[web.Request, web.Application]) -> None:
    answer = await hub.get("/version")
    assert answer.status == 503
    assert "does not answer" in (await answer.json())["message"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CREATE, b"x" * (LARGEST_BODY + 1), 413),
        (CREATE, b'{"Image": "a", "Image": "b"}', 400),
        (CREATE, b'{"Labels": {"tinytorch.user": "ada"}}', 403),  # she has no home yet
        (CREATE + "&name=other", b"{}", 400),
        (CREATE + "&platform=linux", b"{}", 403),
        ("/containers/ada/start", b"", 403),
        ("/containers/0123456789ab/start", b"", 403),  # the engine takes the beginning of an id for the id
        (f"/containers/{'0' * 64}/stop?t=999", b"", 403),
        (f"/containers/{'0' * 64}/stop?t=%D9%A1", b"", 403),  # a digit, but not one of ours
        ("/v9.99/version", b"", 403),
        ("/homes/%00", b"", 400),
        ("/homes/..%2F..%2Fetc?uid=0", b"", 403),
    ],
)
async def test_hub_request_that_is_not_quite_right_never_reaches_the_engine(
    hub: TestClient[web.Request, web.Application], path: str, body: bytes, status: int
) -> None:
    answer = await hub.post(path, data=body)
    assert answer.status == status, await answer.text()
    assert (await answer.json())["message"]


async def test_link_of_containers_is_refused(hub: TestClient[web.Request, web.Application]) -> None:
    answer = await hub.delete(f"/containers/{'0' * 64}?v=True&link=True&force=False")
    assert (answer.status, "link" in await answer.text()) == (403, True)
