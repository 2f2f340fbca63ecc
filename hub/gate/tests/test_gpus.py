"""Who gets which GPU: each to one container, for as long as that is there."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from hub.gate.engine import Engine
from hub.gate.homes import Homes
from hub.gate.hub_socket import HubSocket
from hub.gate.tests.test_fuzz import WITH_GPUS, WORN
from hub.gate.tests.test_policy import SETTINGS, asked

SLOW = 0.02  # seconds that the engine takes for a container


class Classroom:
    """Students before a gate, and an engine behind it that remembers its containers, by name."""

    def __init__(self, hub: TestClient[web.Request, web.Application], homes: Homes) -> None:
        self.hub = hub
        self.homes = homes
        self.containers: dict[str, dict[str, Any]] = {}
        self.healthy = True

    async def start(self, student: str, profile: str = "fast") -> ClientResponse:
        fields = WITH_GPUS if profile == "fast" else {}
        labels = {"tinytorch.user": student, "tinytorch.profile": profile}
        body = asked(**{**fields, "Labels": labels})
        name = self.name(student)
        return await self.hub.post(f"/v1.41/containers/create?name={name}", data=json.dumps(body))

    def name(self, student: str) -> str:
        found = self.homes.find(student) or self.homes._add(student, student)
        return f"tinytorch-student-{found.uid}"

    def given(self, student: str) -> list[str]:
        [request] = self.containers[self.name(student)]["HostConfig"]["DeviceRequests"]
        gpus: list[str] = request["DeviceIDs"]
        return gpus

    def engine(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/containers/create", self._create)
        app.router.add_get("/containers/json", self._list)
        app.router.add_get("/containers/{name}/json", self._inspect)
        app.router.add_delete("/containers/{name}", self._remove)
        return app

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        await asyncio.sleep(SLOW)
        self.containers[request.query["name"]] = body
        return web.json_response({"Id": request.query["name"]}, status=201)

    async def _list(self, request: web.Request) -> web.Response:
        if not self.healthy:
            return web.json_response({"message": "out of order"}, status=500)
        assert request.query["all"] == "true"  # whether they run or not
        assert json.loads(request.query["filters"]) == {"label": WORN}
        holders = [body for body in self.containers.values() if "tinytorch.gpus" in body["Labels"]]
        return web.json_response([{"Labels": body["Labels"]} for body in holders])

    async def _inspect(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response({"Id": name, "Config": {"Labels": self.containers[name]["Labels"]}})

    async def _remove(self, request: web.Request) -> web.Response:
        del self.containers[request.match_info["name"]]
        return web.Response(status=204)


@pytest.fixture
async def classroom(tmp_path: Path) -> AsyncIterator[Classroom]:
    for folder in ("homes", "passwd", "gate"):
        (tmp_path / folder).mkdir()
    homes = Homes(tmp_path)
    async with Engine(tmp_path / "engine.sock") as engine:
        server = TestServer(HubSocket(SETTINGS, engine, homes).app())
        async with TestClient(server) as hub:
            classroom = Classroom(hub, homes)
            runner = web.AppRunner(classroom.engine())
            await runner.setup()
            await web.UnixSite(runner, str(tmp_path / "engine.sock")).start()
            yield classroom
            await runner.cleanup()
    homes.close()


async def test_two_that_start_at_once_do_not_get_the_same_gpus(classroom: Classroom) -> None:
    answers = await asyncio.gather(*(classroom.start(student) for student in ("ada", "ben")))
    assert [answer.status for answer in answers] == [201, 201]
    assert sorted(classroom.given("ada") + classroom.given("ben")) == ["0", "1", "2", "3"]


async def test_who_comes_when_none_is_free_is_refused_until_a_container_is_gone(classroom: Classroom) -> None:
    answers = await asyncio.gather(*(classroom.start(student) for student in ("ada", "ben", "cleo")))
    assert sorted(answer.status for answer in answers) == [201, 201, 429]
    [refused] = [answer for answer in answers if answer.status == 429]
    assert (await refused.json())["message"] == "No room now: all GPUs are taken."
    assert (await classroom.start("dan", "large")).status == 201  # which needs none
    leaves = next(name for name in ("ada", "ben", "cleo") if classroom.name(name) in classroom.containers)
    freed = classroom.given(leaves)
    assert (await classroom.hub.delete(f"/containers/{classroom.name(leaves)}?force=1")).status == 204
    assert (await classroom.start("eve")).status == 201
    assert classroom.given("eve") == freed


async def test_nobody_gets_a_gpu_while_it_is_not_known_who_has_one(classroom: Classroom) -> None:
    classroom.healthy = False
    answer = await classroom.start("ada")
    assert (answer.status, (await answer.json())["message"]) == (500, "out of order")
    assert not classroom.containers


async def test_both_images_of_students_can_be_looked_at_and_no_other(classroom: Classroom) -> None:
    for image, status in (("student", 404), ("student-gpu", 404), ("gate", 403), ("student-gpu2", 403)):
        answer = await classroom.hub.get(f"/images/tinytorch/{image}:1/json")
        assert answer.status == status  # 404: this engine has none
