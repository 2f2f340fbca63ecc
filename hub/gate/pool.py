"""Containers made ahead, so that a mark does not wait for one: each started, its program's imports done, its
stdin open. Each is used for one submission and removed, and another takes its place.

They have the classroom's full memory limit; who asks for less gets a container made on the spot. So does
everybody while none is ready: the pool saves time, and nothing depends on it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType

from hub.gate import sandbox
from hub.gate.engine import Engine
from hub.gate.sandbox import Started
from hub.gate.settings import Settings
from hub.gate.strict import Refused

GLANCE = 2.0  # seconds between two looks whether a waiting container still lives; the looks cost no call
PAUSE = 5.0  # seconds before another is tried when one could not be made

log = logging.getLogger("gate")


@dataclass(frozen=True)
class Waiting:
    """A container that waits. Whoever has it closes `stack`, which removes it."""

    container: Started
    image: str
    stack: AsyncExitStack
    taken: asyncio.Event = field(default_factory=asyncio.Event)


class Pool:
    """As many waiting containers as the settings say. Use as an asynchronous context manager."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self._waiting: deque[Waiting] = deque()

    async def __aenter__(self) -> "Pool":
        self._places = [asyncio.create_task(self._keep_one()) for _ in range(self.settings.sandbox_pool)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for place in self._places:
            place.cancel()
        await asyncio.gather(*self._places, return_exceptions=True)

    @asynccontextmanager
    async def sandbox(self, memory: int, training: bool = False) -> AsyncIterator[Started]:
        """A container for one submission; it is gone afterwards. To train it is never one that waited.

        Raises:
            EngineDown: there is none.
        """
        async with AsyncExitStack() as stack:
            container = None if training else await self._taken(memory, stack)
            if container is None:
                made = sandbox.started(self.engine, self.settings, memory, training)
                container = await stack.enter_async_context(made)
            yield container

    async def _taken(self, memory: int, stack: AsyncExitStack) -> Started | None:
        """A waiting container, now owned by `stack`; None if there is none that would do."""
        if memory != self.settings.sandbox_memory or not self._waiting:
            return None
        image = await sandbox.image(self.engine, self.settings)
        while self._waiting:
            found = self._waiting.popleft()
            found.taken.set()
            stack.push_async_exit(found.stack)
            # One of an image that was built anew since then would not understand today's worker.
            if found.image == image and not found.container.lost:
                return found.container
        return None

    async def _keep_one(self) -> None:
        """Have a container wait; when it is taken or lost, the next."""
        while True:
            offered = await self._made()
            if offered is None:
                await asyncio.sleep(PAUSE)
                continue
            self._waiting.append(offered)
            try:
                while not (offered.taken.is_set() or offered.container.lost):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(offered.taken.wait(), GLANCE)
            finally:
                if not offered.taken.is_set():
                    self._waiting.remove(offered)
                    await offered.stack.aclose()

    async def _made(self) -> Waiting | None:
        """A new container; None while there can be none."""
        try:
            image = await sandbox.image(self.engine, self.settings)
            async with AsyncExitStack() as stack:
                made = sandbox.started(self.engine, self.settings, self.settings.sandbox_memory)
                return Waiting(await stack.enter_async_context(made), image, stack.pop_all())
        except Refused as problem:  # the engine is away, or has no such image yet
            log.warning("no sandbox can be made ahead: %s", problem)
            return None
