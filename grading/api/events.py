"""Live updates: server-sent events that say 'changed' to the pages concerned.

However many pages are open, a process looks at the database once a second, and not at all when none is. What
it reads is what waits, what the recorder wrote since, and the newest ids: all by an index.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from tornado.iostream import StreamClosedError

from grading.api.browser import PageHandler
from grading.api.handlers import Answer
from grading.api.submissions import in_thread
from grading.database import changes, exceptions, results, submissions

LOOK_SECONDS = 1.0
CLASS_SECONDS = 2.0  # a class's page is told at most so often
HEARTBEAT_SECONDS = 15.0  # so that no proxy on the way takes the silence for the end
OVERLAP_SECONDS = 5.0  # of two looks: what another process committed late is not missed
MOST_PAGES = 4  # of one person, in each process
TOO_MANY = f"{MOST_PAGES} of your pages are live already. This one is as it was when you opened it."

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Listener:
    """One open page.

    Attributes:
        student: whose marks it shows; None for a class's page, which everything concerns.
    """

    user: str
    student: str | None
    news: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Seen:
    """What one look found: of each open or fresh submission and change whose it is; and what concerns all."""

    rows: dict[tuple[Any, ...], str]
    to_all: tuple[Any, ...]


class Watch:
    """The process's one look at the database, and who is told."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None

    def open(self, listener: Listener) -> bool:
        """Let a page listen; False if its owner has enough of them."""
        if sum(each.user == listener.user for each in self.listeners) >= MOST_PAGES:
            return False
        self.listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return True

    def close(self, listener: Listener) -> None:
        """A page is gone. The look ends by itself when it was the last."""
        self.listeners.discard(listener)

    async def _run(self) -> None:
        """Look and tell, as long as somebody listens."""
        before: Seen | None = None
        class_at, class_waits = 0.0, False
        while self.listeners:
            try:
                seen: Seen = await in_thread(look, self.engine, time.time() - OVERLAP_SECONDS)
            except sa.exc.SQLAlchemyError as error:
                log.warning("live pages: the database cannot be read: %s", error)
                await asyncio.sleep(LOOK_SECONDS)
                continue
            concerned, everybody = differences(before, seen)
            before = seen
            class_waits = class_waits or everybody or bool(concerned)
            to_class = class_waits and time.monotonic() - class_at >= CLASS_SECONDS
            for listener in self.listeners:
                if to_class if listener.student is None else everybody or listener.student in concerned:
                    listener.news.set()
            if to_class:
                class_at, class_waits = time.monotonic(), False
            await asyncio.sleep(LOOK_SECONDS)


def look(engine: sa.Engine, since: float) -> Seen:
    """What may be news.

    Args:
        since: the recorder's writings after this moment are read, seconds since 1970.
    """
    open_work = sa.select(submissions.c.id, submissions.c.student, submissions.c.state).where(
        submissions.c.state.in_(("queued", "grading"))
    )
    recorded = (
        sa.select(submissions.c.id, submissions.c.student, results.c.recorded_at)
        .join(results, results.c.submission == submissions.c.id)
        .where(sa.or_(results.c.recorded_at > since, results.c.recorded_at.is_(None)))
    )
    last = sa.select(changes.c.id, changes.c.student).order_by(changes.c.id.desc()).limit(100)
    granted = sa.select(sa.func.count(), sa.func.count(exceptions.c.withdrawn_at)).select_from(exceptions)
    with engine.connect() as connection:
        rows = {(id, what): student for id, student, what in connection.execute(open_work)}
        rows |= {(id, what): student for id, student, what in connection.execute(recorded)}
        rows |= {("change", id): student for id, student in connection.execute(last)}
        return Seen(rows, tuple(connection.execute(granted).one()))


def differences(before: Seen | None, seen: Seen) -> tuple[set[str], bool]:
    """Whose marks may be others than before, and whether that may be anybody's."""
    if before is None:
        return set(), False
    concerned = {seen.rows[key] for key in seen.rows.keys() - before.rows.keys()}
    # What is no longer open was marked, and is among the fresh rows; what only grew old is no news.
    concerned |= {
        before.rows[key] for key in before.rows.keys() - seen.rows.keys() if key[1] in ("queued", "grading")
    }
    return concerned, before.to_all != seen.to_all


class EventsHandler(PageHandler):
    """GET events?about=own|class: a stream that says 'changed'."""

    listener: Listener | None = None

    async def get(self) -> None:
        """Stays open until the page is closed."""
        if self.current_user is None:
            raise Answer(403, "Sign in again.")
        user = self.current_user["name"]
        about = self.get_query_argument("about", "own")
        if about == "class":
            self.graders_only()
        watch = watch_of(self)
        listener = Listener(user, None if about == "class" else user)
        if not watch.open(listener):
            raise Answer(429, TOO_MANY)
        self.listener = listener
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("X-Accel-Buffering", "no")
        try:
            # Where the service was replaced, not all of a class comes back in the same instant.
            await self._send(f"retry: {random.randint(2000, 6000)}\n\n")  # noqa: S311  # no secret
            while True:
                told = await _within(listener.news, HEARTBEAT_SECONDS)
                listener.news.clear()
                await self._send("event: changed\ndata:\n\n" if told else ": still here\n\n")
        except StreamClosedError:
            pass
        finally:
            watch.close(listener)

    def on_connection_close(self) -> None:
        """The page is gone."""
        if self.listener is not None:
            watch_of(self).close(self.listener)

    async def _send(self, text: str) -> None:
        self.write(text)
        await self.flush()


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether something happens within so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True


def watch_of(handler: PageHandler) -> Watch:
    """This process's watch."""
    settings = handler.application.settings
    watch: Watch = settings.setdefault("watch", Watch(handler.service.engine))
    return watch


ROUTES: list[tuple[Any, ...]] = [("events", EventsHandler)]
