"""Start the gate: `python -m hub.gate`. It serves the hub and the worker on a socket of each one's own."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sqlite3
import sys
from pathlib import Path

from aiohttp import web

from hub.gate import sandbox
from hub.gate.engine import Engine
from hub.gate.homes import Homes
from hub.gate.hub_socket import HubSocket
from hub.gate.pool import Pool
from hub.gate.settings import Settings, SettingsError
from hub.gate.strict import Refused
from hub.gate.worker_socket import WorkerSocket

HUB, WORKER = 1002, 1003  # the uids of those who may call
FAREWELL = 3.0  # seconds that running requests get when the gate is stopped; then their sandboxes are ended


def main() -> None:
    """Read the settings, serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m hub.gate", description=__doc__)
    parser.add_argument("--engine", type=Path, default="/var/run/docker.sock", help="the engine's socket")
    parser.add_argument("--run", type=Path, default="/run/gate", help="where the folders of both sockets go")
    parser.add_argument("--srv", type=Path, default="/srv", help="the folder of homes, passwd and gate")
    places = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        asyncio.run(serve(Settings.from_environment(os.environ), places.engine, places.run, places.srv))
    except (SettingsError, Refused) as error:
        sys.exit(f"gate: {error}")
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"gate: cannot start ({error}). It needs root, its folders and the engine's socket.")


async def serve(settings: Settings, engine_socket: Path, run: Path, srv: Path) -> None:
    """Serve both sockets until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        engine = await stack.enter_async_context(Engine(engine_socket))
        homes = stack.enter_context(contextlib.closing(Homes(srv)))
        await sandbox.remove_leftovers(engine, settings)
        # At the end once more: a handler that is cancelled may not live to see its sandbox removed.
        stack.push_async_callback(_end_what_is_left, engine, settings)
        pool = await stack.enter_async_context(Pool(engine, settings))
        for app, folder, uid in (
            (HubSocket(settings, engine, homes).app(), "hub", HUB),
            (WorkerSocket(settings, engine, pool).app(), "worker", WORKER),
        ):
            # Cancelled when the caller hangs up: a sandbox whose worker died is ended at once.
            runner = web.AppRunner(
                app, access_log=None, handler_cancellation=uid == WORKER, shutdown_timeout=FAREWELL
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, private_socket(run / folder / "gate.sock", uid)).start()
        logging.info("gate: serving %s", settings.name)
        await stopped.wait()


async def _end_what_is_left(engine: Engine, settings: Settings) -> None:
    with contextlib.suppress(Refused):  # without an engine they go when the gate starts again
        await sandbox.remove_leftovers(engine, settings)


def private_socket(path: Path, uid: int) -> socket.socket:
    """A listening socket that only `uid` can open."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o177)  # private from its first moment on
    try:
        listener.bind(str(path))
    finally:
        os.umask(umask)
    os.chown(path, uid, uid, follow_symlinks=False)
    return listener


if __name__ == "__main__":
    main()
