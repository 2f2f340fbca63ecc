"""The hub's side of the gate: the engine calls of a spawn, for students' containers only, and their homes.

Paths and bodies for the engine are made here; of the hub's own only checked values are used. A container
that is not a student's is answered like one that does not exist: the hub learns nothing of what else runs on
the machine.
"""

import asyncio
import json
import re
import sqlite3
from typing import Any

from aiohttp import web

from hub.gate import policy, strict
from hub.gate.engine import Answer, Engine
from hub.gate.homes import Homes
from hub.gate.settings import Settings
from hub.gate.strict import Refused

LARGEST_BODY = 2**20  # bytes; a spawn's is about 5 kB
LONGEST_STOP = 60  # seconds


class HubSocket:
    """Answers what comes over the hub's socket."""

    def __init__(self, settings: Settings, engine: Engine, homes: Homes) -> None:
        self.settings = settings
        self.engine = engine
        self.homes = homes
        # Held from choosing GPUs until their container is there: nobody else is given the same.
        self.choosing = asyncio.Lock()
        self.container = re.compile(rf"[0-9a-f]{{64}}|{re.escape(settings.name)}-student-[0-9]{{1,10}}")

    def app(self) -> web.Application:
        app = web.Application(middlewares=[strict.sentences("message")], client_max_size=LARGEST_BODY)
        app.router.add_get("/health", self.health)
        app.router.add_post("/homes/{username}", self.make_home)
        for version in ("", r"/{version:v1\.\d\d}"):  # docker-py puts the API's version before its paths
            app.router.add_get(version + "/version", self.version)
            app.router.add_get(version + "/images/{image:.+}/json", self.inspect_image)
            app.router.add_post(version + "/containers/create", self.create)
            app.router.add_get(version + "/containers/{container}/json", self.inspect)
            app.router.add_post(version + "/containers/{container}/start", self.start)
            app.router.add_post(version + "/containers/{container}/stop", self.stop)
            app.router.add_delete(version + "/containers/{container}", self.remove)
        return app

    async def health(self, request: web.Request) -> web.Response:
        strict.query(request.query, set())
        return _relay(await self.engine.call("GET", "/version"))

    version = health

    async def make_home(self, request: web.Request) -> web.Response:
        strict.query(request.query, set())
        username = request.match_info["username"]
        try:
            student = self.homes.ensure(username)
        except (OSError, sqlite3.Error) as error:  # a full disk, say
            raise Refused(500, f"{username!r} gets no home ({error}).") from error
        home = f"{self.settings.state}/homes/{student.key}"
        return web.json_response({"uid": student.uid, "home": home, "key": student.key})

    async def inspect_image(self, request: web.Request) -> web.Response:
        strict.query(request.query, set())
        image = request.match_info["image"]
        if image not in (self.settings.student_image, self.settings.student_gpu_image):
            raise Refused(403, f"{image!r} is not the students' image.")
        return _relay(await self.engine.call("GET", f"/images/{image}/json"))

    async def create(self, request: web.Request) -> web.Response:
        name = strict.query(request.query, {"name"}).get("name", "")
        asked = strict.json_object(await request.read())
        user = policy.user_of(asked)
        student = self.homes.find(user)
        if not student:
            raise Refused(403, f"{user!r} has no home yet. Ask for POST /homes/USERNAME first.")
        policy.check_name(name, student, self.settings)
        _, profile = policy.profile_of(asked, self.settings)
        if not profile.gpus:
            return await self._create(name, policy.student_container(asked, student, self.settings))
        async with self.choosing:
            gpus = policy.free_gpus(profile.gpus, await self._holders(), self.settings)
            return await self._create(name, policy.student_container(asked, student, self.settings, gpus))

    async def _create(self, name: str, body: dict[str, Any]) -> web.Response:
        return _relay(await self.engine.call("POST", "/containers/create", {"name": name}, body))

    async def _holders(self) -> list[dict[str, Any]]:
        """All students' containers with GPUs, whether they run or not."""
        worn = [f"{label}={value}" for label, value in policy.labels(self.settings, "student").items()]
        filters = json.dumps({"label": [*worn, policy.GPUS]})
        answer = await self.engine.call("GET", "/containers/json", {"all": "true", "filters": filters})
        if not answer.ok:
            raise Refused(answer.status, answer.sentence())
        found: list[dict[str, Any]] = answer.json()
        return found

    async def inspect(self, request: web.Request) -> web.Response:
        strict.query(request.query, set())
        return web.json_response(await self._students(request))

    async def start(self, request: web.Request) -> web.Response:
        strict.query(request.query, set())
        return await self._act(request, "POST", "/start", {})

    async def stop(self, request: web.Request) -> web.Response:
        seconds = strict.query(request.query, {"t"}).get("t", "10")
        if not re.fullmatch(r"\d{1,2}", seconds, re.ASCII) or int(seconds) > LONGEST_STOP:
            raise Refused(403, f"t is {seconds!r}; stopping takes 0 to {LONGEST_STOP} seconds.")
        return await self._act(request, "POST", "/stop", {"t": seconds})

    async def remove(self, request: web.Request) -> web.Response:
        given = strict.query(request.query, {"v", "link", "force"})
        if strict.flag(given.get("link", "")):
            raise Refused(403, "link is not the hub's to set. Leave it out.")
        force = strict.flag(given.get("force", ""))
        return await self._act(request, "DELETE", "", {"v": "true", "force": str(force).lower()})

    async def _act(
        self, request: web.Request, method: str, action: str, query: dict[str, str]
    ) -> web.Response:
        # By the full id that was looked at: a name might mean another container a moment later.
        container = await self._students(request)
        return _relay(await self.engine.call(method, f"/containers/{container['Id']}{action}", query))

    async def _students(self, request: web.Request) -> dict[str, Any]:
        """The container in the request's path, inspected, if it is a student's."""
        name = request.match_info["container"]
        if not self.container.fullmatch(name):
            raise Refused(403, f"{name!r} is neither a full id nor the name of a student's container.")
        answer = await self.engine.call("GET", f"/containers/{name}/json")
        if answer.ok:
            container: dict[str, Any] = answer.json()
            if policy.is_students(container, self.settings):
                return container
        elif answer.status != 404:
            raise Refused(answer.status, answer.sentence())
        raise Refused(404, f"No such container: {name}")


def _relay(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type="application/json")
