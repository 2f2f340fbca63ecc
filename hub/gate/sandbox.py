"""One submission in one throw-away container: bytes in, bytes out, and nothing of it left.

The container's program is the image's own; it reads stdin and writes stdout. Everything that limits it is
enforced from outside, and each limit is there for an attack that its comment names.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hub.gate import policy
from hub.gate.engine import PATIENCE, STREAM, Answer, Engine, EngineDown
from hub.gate.settings import Settings

NOBODY = "65534:65534"
KILLED = 128 + 9


class Exit(Enum):
    """How a sandbox ended."""

    OK = "ok"  # by itself, with status 0
    TIMEOUT = "timeout"  # killed when its seconds were over
    OOM = "oom"  # killed by the kernel for its memory
    OUTPUT = "output"  # killed because it wrote more than it may
    FAILED = "failed"  # by itself, with another status


@dataclass(frozen=True)
class Limits:
    """What a submission may use: wall seconds, bytes of memory, bytes of output."""

    seconds: float
    memory: int
    output: int


def sandbox_container(settings: Settings, memory: int, training: bool = False) -> dict[str, Any]:
    """The body of `POST /containers/create` for a submission; training has the data sets as students do."""
    return {
        "Image": settings.sandbox_image,
        "Labels": policy.labels(settings, "sandbox"),  # a gate that died finds its leftovers by these
        "User": NOBODY,  # reading or signalling what belongs to a student or to root
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "NetworkDisabled": True,
        "HostConfig": {
            "NetworkMode": "none",  # sending the probes out; fetching a solution
            "ReadonlyRootfs": True,  # replacing the harness; filling the host's disk
            "CapDrop": ["ALL"],  # every privilege that root in a container would still have
            "SecurityOpt": ["no-new-privileges"],  # regaining privileges by a setuid program
            "PidsLimit": 64,  # the fork bomb
            "Memory": memory,  # allocating until the host swaps
            "MemorySwap": memory,  # the same, by way of the swap
            "OomScoreAdj": 1000,  # when the host itself runs short, taking a student's server down first
            "CpuPeriod": policy.PERIOD,
            "CpuQuota": policy.PERIOD,  # one CPU: slowing down the submissions beside it
            "CpuShares": 256,  # a full queue slowing down students' servers, which have 1024
            "CgroupParent": settings.cgroup_parent,  # many submissions at once against the whole machine
            "IpcMode": "none",  # leaving something in /dev/shm outside the count of files
            "Tmpfs": {"/tmp": "size=64m,nr_inodes=4096,mode=1777,noexec,nosuid,nodev"},  # noqa: S108 - filling the disk
            "Ulimits": [
                {"Name": "fsize", "Soft": 2**26, "Hard": 2**26},  # one endless file
                {"Name": "nofile", "Soft": 256, "Hard": 256},  # using up the host's open files
                {"Name": "core", "Soft": 0, "Hard": 0},  # dumping memory where the host's core_pattern says
            ],
            "LogConfig": {"Type": "none", "Config": {}},  # printing 100 MB into the engine's logs
            # Changing what the class learns from: read-only.
            "Mounts": [policy.mount(f"{settings.state}/datasets", "/srv/datasets")] if training else [],
        },
    }


@dataclass(frozen=True)
class Started:
    """A container that runs, and waits for the one submission that it is there for."""

    engine: Engine
    path: str  # in the engine's API
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def lost(self) -> bool:
        """Whether the container, or the way to it, has ended before it was given anything."""
        return self.reader.at_eof() or self.reader.exception() is not None

    async def run(self, stdin: bytes, limits: Limits) -> tuple[Exit, bytearray]:
        """Run a submission; returns how it ended and what it wrote. Its time begins now.

        Args:
            stdin: what the container reads.
            limits: `output` bytes of what it writes are returned. When it writes more, or its seconds are
                over, its end is the caller's who leaves `started`.

        Raises:
            EngineDown: nothing is known about the submission; it may be run again.
        """
        output = bytearray()
        feeding = asyncio.create_task(_feed(self.writer, stdin))
        try:
            async with asyncio.timeout(limits.seconds):
                await _collect(self.reader, output, limits.output)
                if len(output) > limits.output:
                    del output[limits.output :]
                    return Exit.OUTPUT, output
                patience = PATIENCE + limits.seconds
                ended = _done(await self.engine.call("POST", f"{self.path}/wait", patience=patience))
        except TimeoutError:
            return Exit.TIMEOUT, output
        finally:
            feeding.cancel()
        status = ended.json()["StatusCode"]
        if status == KILLED:  # not by us; and from inside nobody can kill a container's first process
            return Exit.OOM, output
        return (Exit.FAILED if status else Exit.OK), output


@asynccontextmanager
async def started(
    engine: Engine, settings: Settings, memory: int, training: bool = False
) -> AsyncIterator[Started]:
    """A new container with so many bytes of memory, running; it is gone afterwards, whatever happened.

    Raises:
        EngineDown: there is none.
    """
    async with (
        _container(engine, sandbox_container(settings, memory, training)) as path,
        _attached(engine, path) as (reader, writer),  # before it starts, so that no byte is missed
    ):
        _done(await engine.call("POST", f"{path}/start"))
        yield Started(engine, path, reader, writer)


async def image(engine: Engine, settings: Settings) -> str:
    """The id of the image that submissions run in at this moment."""
    return str(_done(await engine.call("GET", f"/images/{settings.sandbox_image}/json")).json()["Id"])


async def remove_leftovers(engine: Engine, settings: Settings) -> None:
    """End the sandboxes of a gate that died."""
    worn = [f"{label}={value}" for label, value in policy.labels(settings, "sandbox").items()]
    filters = json.dumps({"label": worn})
    found = await engine.call("GET", "/containers/json", {"all": "true", "filters": filters})
    for container in _done(found).json():
        await _remove(engine, container["Id"])


@asynccontextmanager
async def _container(engine: Engine, body: dict[str, Any]) -> AsyncIterator[str]:
    """A new container's path in the engine's API; it is gone afterwards, whatever happened meanwhile."""
    # Shielded: a caller who hangs up meanwhile would leave a container whose id nobody knows.
    creating = asyncio.create_task(engine.call("POST", "/containers/create", body=body))
    try:
        yield f"/containers/{_done(await asyncio.shield(creating)).json()['Id']}"
    finally:
        await asyncio.shield(_remove_created(engine, creating))


async def _remove_created(engine: Engine, creating: asyncio.Task[Answer]) -> None:
    with suppress(EngineDown):  # what stays behind for want of an engine goes when the gate starts again
        await _remove(engine, _done(await creating).json()["Id"])


async def _remove(engine: Engine, container: str) -> None:
    await engine.call("DELETE", f"/containers/{container}", {"force": "true", "v": "true"})


@asynccontextmanager
async def _attached(
    engine: Engine, path: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A container's stdin and stdout: the engine turns the connection into a stream, which aiohttp cannot."""
    try:
        reader, writer = await asyncio.open_unix_connection(engine.socket, limit=STREAM)
    except OSError as error:
        raise EngineDown(error) from error
    try:
        writer.write(
            f"POST {path}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\n"
            "Host: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
        )
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise EngineDown(f"attaching: {error}") from error
        if not head.startswith(b"HTTP/1.1 101 "):
            raise EngineDown(f"attaching: {head.splitlines()[0].decode(errors='replace')}")
        yield reader, writer
    finally:
        writer.close()


async def _feed(writer: asyncio.StreamWriter, stdin: bytes) -> None:
    with suppress(OSError):  # the container may end without having read it all
        writer.write(stdin)
        await writer.drain()
        writer.write_eof()


async def _collect(reader: asyncio.StreamReader, output: bytearray, most: int) -> None:
    """Gather stdout until it ends, or is more than `most` bytes.

    The engine sends frames: a byte for the stream, three of nothing, four for the length, then the data.
    """
    with suppress(asyncio.IncompleteReadError, OSError):
        while len(output) <= most:
            left = int.from_bytes((await reader.readexactly(8))[4:])
            while left:
                data = await reader.read(min(left, STREAM))
                if not data:
                    return
                output += data
                left -= len(data)


def _done(answer: Answer) -> Answer:
    if not answer.ok:
        raise EngineDown(answer.sentence())
    return answer
