"""A real PostgreSQL for tests: this machine's package, on a socket in a folder, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

# What depends on the database is tried on both.
BOTH = pytest.mark.parametrize("database_server", ["sqlite", "postgresql"], indirect=True)
ONLY = pytest.mark.parametrize("database_server", ["postgresql"], indirect=True)
MISSING = "PostgreSQL is not installed here (apt-get install postgresql), so nothing is tried on it"
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")  # what a test may do without


class Server:
    """A server that runs.

    Attributes:
        socket: the folder of its socket.
    """

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._made = 0

    def url(self, name: str) -> str:
        """How a database is named in settings."""
        return f"postgresql+psycopg://grading@/{name}?host={self.socket}"

    def make(self, like: str = "template1") -> str:
        """A new database, empty or like another; its name."""
        self._made += 1
        name = f"test_{os.getpid()}_{self._made}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        with psycopg.connect(
            f"host={self.socket} user=grading dbname=postgres", autocommit=True
        ) as connection:
            connection.execute(statement)


@contextmanager
def running() -> Iterator[Server]:
    """A server for as long as it is needed; skips the test where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip(MISSING)
    program = found[-1].parent
    # It refuses to run as root; Debian's package brings a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    folder = tempfile.mkdtemp(prefix="grading-postgresql-")
    if user:
        shutil.chown(folder, user)
    data = f"{folder}/data"
    options = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    made = [
        program / "initdb",
        "--no-sync",
        "--auth=trust",
        "--username=grading",
        "--encoding=UTF8",
        "--locale=C",
    ]
    subprocess.run([*made, f"--pgdata={data}"], check=True, **options)
    settings = [f"unix_socket_directories={folder}", "listen_addresses=", *NOT_DURABLE]
    arguments = [word for setting in settings for word in ("-c", setting)]
    server = Server(folder)
    with subprocess.Popen([program / "postgres", "-D", data, *arguments], **options) as process:
        try:
            for _ in range(100):
                try:
                    server.execute("SELECT 1")
                    break
                except psycopg.OperationalError:
                    time.sleep(0.1)
            yield server
        finally:
            process.kill()  # nothing of it is kept
    shutil.rmtree(folder, ignore_errors=True)
