"""Several processes that serve from one socket, and the parent that starts another when one dies.

The parent holds the sockets and does nearly nothing: whatever kills a server, they stay open, and who
connects meanwhile waits in the backlog instead of being refused. A fork copies only the thread that calls it,
so the parent must have no other, and no connection to a database.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from socket import socket

from tornado.httpserver import HTTPServer

PAUSE_SECONDS = 1.0  # before a server that died young is replaced: what ails it may last
GRACE_SECONDS = 5.0  # for a server to end when told so; the engine gives the whole container ten
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}

log = logging.getLogger(__name__)


def prefork(count: int, serve: Callable[[int], None], bury: Callable[[int], None]) -> None:
    """Keep so many processes serving until told to stop (SIGTERM, SIGINT).

    Args:
        serve: what each of them does, in a process of its own; it gets a file descriptor that ends (EOF) when
            the parent is gone, and must then end too.
        bury: called in the parent with the number of a process that died, before another is started.
    """
    if threading.active_count() > 1:
        raise RuntimeError("a thread was started before the servers")
    former = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    alive, lifeline = os.pipe()
    born: dict[int, float] = {}

    def start() -> None:
        pid = os.fork()
        if pid:
            born[pid] = time.monotonic()
            return
        status = 1
        try:
            os.close(lifeline)
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
            serve(alive)
            status = 0
        except Exception:
            log.exception("a server ended")
        finally:
            os._exit(status)

    for _ in range(count):
        start()
    while signal.sigwait(SIGNALS) == signal.SIGCHLD:
        for pid, status in _ended(born):
            log.error("server %d ended (%s); another is started", pid, status)
            young = time.monotonic() - born.pop(pid) < PAUSE_SECONDS
            bury(pid)
            if young and signal.sigtimedwait(SIGNALS - {signal.SIGCHLD}, PAUSE_SECONDS):
                return _stop(born)
            start()
    return _stop(born)


def _ended(born: dict[int, float]) -> list[tuple[int, str]]:
    """Which processes have ended, and how."""
    ended = []
    for pid in born:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            code = os.waitstatus_to_exitcode(status)
            ended.append((pid, f"status {code}" if code >= 0 else signal.Signals(-code).name))
    return ended


def _stop(born: dict[int, float]) -> None:
    """End all; those that do not listen, too."""
    deadline = time.monotonic() + GRACE_SECONDS
    for pid in born:
        os.kill(pid, signal.SIGTERM)
    while born and (left := deadline - time.monotonic()) > 0:
        signal.sigtimedwait({signal.SIGCHLD}, left)
        for pid, _ in _ended(born):
            del born[pid]
    for pid in born:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


async def until_stopped(servers: Sequence[tuple[HTTPServer, list[socket]]], alive: int) -> None:
    """Serve from these sockets until told to stop, or until the parent is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(alive, stop.set)
    for server, sockets in servers:
        server.add_sockets(sockets)
    await stop.wait()
    for server, _ in servers:
        server.stop()
        await server.close_all_connections()
