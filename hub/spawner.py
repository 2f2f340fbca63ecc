# mypy: disable-error-code="no-untyped-call"
"""A student's server: DockerSpawner, by way of the gate.

The gate decides what a student's container is: its user, home, mounts, capabilities and network. It is told
whose container is wanted, and fills in the rest. Here is only what JupyterHub must know: the container's
name, and words for a student whose server did not start or ended by itself.
"""

import asyncio
import itertools
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar
from urllib.parse import quote

import docker  # type: ignore[import-untyped]
import requests
from docker.errors import APIError, DockerException, NotFound  # type: ignore[import-untyped]
from dockerspawner import DockerSpawner
from jupyterhub.spawner import SpawnException
from traitlets import Int, default

from hub import starting
from hub.line import STARTING, Line, Place
from hub.profiled import ProfiledSpawner

CALLS_AT_ONCE = 4  # a stop takes seconds; with DockerSpawner's one thread nobody could start meanwhile
TRY_EVERY = 0.25  # seconds between tries whether a server answers
TRIES_A_LOOK = 8
LOOK_EVERY = 1.0  # seconds between two looks at a place in the line
GATE_TIMEOUT = 30.0

TAKEN = 429  # what the gate answers when no GPU is free
GATE = "http+docker://localhost"  # how docker-py spells $DOCKER_HOST when it is a socket

# The gate, or the engine behind it, refused or is not there.
UNREACHABLE = (DockerException, requests.RequestException)
TRY_AGAIN = "Try again in a minute; if it stays so, tell your instructor."


class StartError(SpawnException):
    """A start that failed, with words for the student on every page that JupyterHub may show for it."""

    def __init__(self, sentence: str, reason: str, log: str = "") -> None:
        super().__init__(f"{sentence} {TRY_AGAIN}", reason=reason, log_message=log, status_code=503)
        self.jupyterhub_message = self.message


class ClassroomSpawner(ProfiledSpawner):
    """One container for one student, made by the gate."""

    starts_at_once = Int(4, help="Servers that start at one moment; the others wait in line.").tag(
        config=True
    )

    _line: ClassVar[Line | None] = None
    _place: Place | None = None

    # Why a student's server ended by itself, by username; shown until it is started again.
    farewells: ClassVar[dict[str, str]] = {}

    _calls: ClassVar[ThreadPoolExecutor] = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="gate")
    _own: ClassVar[threading.local] = threading.local()

    @property
    def executor(self) -> ThreadPoolExecutor:
        return self._calls

    def _docker(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Runs in one of the threads; each has a client of its own, as requests' sessions want it."""
        if not hasattr(self._own, "client"):
            self._own.client = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
            # What DockerSpawner uses on the hub's loop, where nothing may wait: only to write bodies, never
            # to send.
            type(self)._client = self._own.client
        return getattr(self._own.client, method)(*arguments, **named)

    @property
    def line(self) -> Line:
        """The one that all servers wait in."""
        if ClassroomSpawner._line is None:
            ClassroomSpawner._line = Line(self.starts_at_once)
        return ClassroomSpawner._line

    @property
    def place(self) -> str:
        """Which place this server has in the line, in words."""
        return self._place.sentence if self._place else STARTING

    @property
    def farewell(self) -> str:
        return self.farewells.get(self.user.name, "")

    @default("object_name")
    def _object_name_default(self) -> str:
        # Not DockerSpawner's guess, made of the username: a container is called after its student's uid, and
        # the gate says that when a start asks. Before that there is none.
        return ""

    @default("extra_create_kwargs")
    def _whose(self) -> Callable[[DockerSpawner], dict[str, Any]]:
        """For whom and of which kind a container is: the gate makes it accordingly."""
        return lambda _: {
            "labels": {
                "tinytorch.user": self.user.name,
                "tinytorch.profile": self.kind,
                **({"tinytorch.teaches": "yes"} if self.teaches else {}),
            }
        }

    @default("extra_host_config")
    def _keep_the_dead(self) -> dict[str, Any]:
        return {"auto_remove": False}  # until poll() has seen why it died

    async def get_object(self) -> Any:
        """The container as the engine sees it, or None. DockerSpawner's takes an ailing engine for 'gone'."""
        if not self.object_name:
            return None
        try:
            container = await self.docker("inspect_container", self.object_name)
        except NotFound:
            self.object_id = ""
            return None
        self.object_id = container["Id"]
        if not self.api_token:
            # After a restart the hub does not know it, and would let it live on after its server.
            variables = container["Config"]["Env"]
            own = (line for line in variables if line.startswith("JUPYTERHUB_API_TOKEN="))
            self.api_token = next(own, "").partition("=")[2]
        return container

    async def run_pre_spawn_hook(self) -> None:
        """Wait for this server's turn: here, where JupyterHub's clock for a start does not run yet."""
        asked_by = getattr(self.handler, "current_user", None)
        # A service asks ahead of a class (`make warm`): whoever clicks goes first.
        self._place = self.line.join(somebody_waits=getattr(asked_by, "kind", "user") != "service")
        try:
            await self._place.turn()
        except asyncio.CancelledError:
            self._leave_line()
            raise

    def run_post_stop_hook(self) -> None:
        """However a start ended, and where it ended, its place is free."""
        self._leave_line()
        super().run_post_stop_hook()

    def _leave_line(self) -> None:
        if self._place:
            self._place.leave()

    async def progress(self) -> AsyncGenerator[dict[str, object], None]:
        """What the page of who waits says. JupyterHub listens to it for as long as the page is open."""
        if self._place:
            self._place.hurry()  # it may have been asked for ahead of the class
        said = ""
        while self._place and self._place.number:
            if said != self.place:
                said = self.place
                yield {"message": said}
            await asyncio.sleep(LOOK_EVERY)
        async for event in starting.progress(lambda: bool(self.object_id)):
            yield event

    async def start(self) -> tuple[str, int]:
        try:
            return await self._start()
        finally:
            self._leave_line()

    async def _start(self) -> tuple[str, int]:
        self.farewells.pop(self.user.name, None)
        # Nobody chooses an image. DockerSpawner would fail this start, and each later one, since the hub
        # remembers what was asked: whoever follows a link to /hub/spawn?image=x could start nothing any more.
        self.user_options.pop("image", None)
        try:
            address = f"{GATE}/homes/{quote(self.user.name, safe='')}"
            home = await self.docker("post", address, timeout=GATE_TIMEOUT)
            home.raise_for_status()
            self.object_name = f"{self.prefix}-student-{home.json()['uid']}"
            await self._end_what_is_left()
            ip, port = await super().start()
        except UNREACHABLE as error:
            log = f"No container for {self.user.name}: {_sentence(error)}"
            if isinstance(error, APIError) and error.status_code == TAKEN:
                raise StartError(_sentence(error), "full", log) from error
            raise StartError("The classroom could not start your server.", "engine", log) from error
        await self._wait_until_it_listens(ip, port)
        return ip, port

    async def _end_what_is_left(self) -> None:
        """A hub that was killed in the middle of a start has forgotten a server that runs."""
        left = await self.get_object()
        if left and left["State"]["Running"]:
            await self.stop_object()  # DockerSpawner removes it then, but cannot remove what runs

    async def _wait_until_it_listens(self, ip: str, port: int) -> None:
        """Return once the server answers; raise with the reason as soon as it has died instead."""
        for tries in itertools.count(1):
            if await _listens(ip, port):
                return
            # Trying costs nothing, but looking at the container asks the engine, which has a class to start.
            if tries % TRIES_A_LOOK == 0 and await self.poll() is not None:
                raise StartError(self.farewell or "Your server ended before it was ready.", "exited")
            await asyncio.sleep(TRY_EVERY)

    async def poll(self) -> int | str | None:
        """None while the container runs; else why it does not, and what is left of it is removed."""
        try:
            container = await self.get_object()
        except UNREACHABLE as error:
            # Not knowing is not dead: a gate that restarts must not end a class.
            self.log.warning("Nobody can say whether %s runs: %s", self.object_name, _sentence(error))
            return None
        if container is None:
            return 0
        state = container["State"]
        if state["Running"]:
            return None
        self.farewells[self.user.name] = _farewell(state, self.mem_limit)
        self.log.warning("%s ended: %s", self.object_name, state)
        await self.remove_object()
        self.object_id = ""
        return f"exit {state['ExitCode']}"


async def _listens(ip: str, port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(ip, port), 2)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _farewell(state: dict[str, Any], memory: int) -> str:
    if state["OOMKilled"]:
        return f"Your server needed more memory than its {memory / 2**30:.1f} GB, and was ended."
    if state["Error"]:
        return "The machine could not run your server."
    return f"Your server ended by itself (exit code {state['ExitCode']})."


def _sentence(error: Exception) -> str:
    """What the gate or the engine said."""
    if isinstance(error, APIError):
        return str(error.explanation or error)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.text.strip()[:300]
    return str(error)
