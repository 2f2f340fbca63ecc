"""Requests that wait for a mark: one look at the database serves all of them.

Nobody's connection to the database and no thread is held meanwhile. Those who come when too many wait are
answered at once, as if they had not asked to wait: they ask again later.
"""

from __future__ import annotations

import asyncio
import logging
import time

import sqlalchemy as sa

from grading.database import submissions

LONGEST = 25.0  # seconds that one request may wait; below what proxies allow
MOST = 500  # requests that wait at the same time in one process
GLANCE = 0.05  # seconds between two looks
SHARE = 0.1  # of the time may be spent with looking: with many who wait, looks become rarer

log = logging.getLogger(__name__)


class Waiting:
    """Who waits for which submission."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._waiting: dict[asyncio.Future[None], str] = {}
        self._looking: asyncio.Task[None] | None = None

    async def until_marked(self, id: str, seconds: float, gone: asyncio.Future[None]) -> None:
        """Return when a submission is marked or has failed, its student is gone, or the time is over.

        Args:
            seconds: at most LONGEST of them count.
            gone: done as soon as nobody listens any more.
        """
        if seconds <= 0 or len(self._waiting) >= MOST:
            return
        marked = asyncio.get_running_loop().create_future()
        self._waiting[marked] = id
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            timeout = min(seconds, LONGEST)
            await asyncio.wait((marked, gone), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._waiting[marked]

    async def _look(self) -> None:
        """Look as long as somebody waits."""
        while self._waiting:
            begun = time.monotonic()
            try:
                marked = await asyncio.to_thread(self._marked, set(self._waiting.values()))
            except sa.exc.SQLAlchemyError:  # whoever waits is told by the look that ends the request
                log.warning("cannot look for marks", exc_info=True)
                marked = set()
            for waiting, id in self._waiting.items():
                if id in marked and not waiting.done():
                    waiting.set_result(None)
            await asyncio.sleep(max(GLANCE, (time.monotonic() - begun) / SHARE))

    def _marked(self, ids: set[str]) -> set[str]:
        ended = sa.select(submissions.c.id).where(
            submissions.c.id.in_(ids), submissions.c.state.not_in(("queued", "grading"))
        )
        with self.engine.connect() as connection:
            return set(connection.execute(ended).scalars())
