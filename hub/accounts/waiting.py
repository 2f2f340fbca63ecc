"""Who asked for an account and waits for an instructor: a name and a hash, no user of the hub, no home.

There is room for a class and its jokers, and whoever was not let in after a month is forgotten, so that
strangers cannot fill the disk.
"""

import sqlite3
import time
from dataclasses import dataclass

from hub.accounts.store import Store

MOST = 1000
LONGEST = 30 * 24 * 3600.0


@dataclass(frozen=True)
class Asked:
    """Somebody who waits. `password` is a hash."""

    username: str
    name: str
    password: str
    at: float


class FullError(Exception):
    """So many wait that nobody more is taken."""


class AlreadyAskedError(Exception):
    """Somebody of that name waits already."""


def add(store: Store, username: str, name: str, password: str) -> None:
    """Keep somebody's wish; raises FullError and AlreadyAskedError."""
    with store.change() as connection:
        connection.execute("DELETE FROM waiting WHERE at < ?", [time.time() - LONGEST])
        (count,) = connection.execute("SELECT count(*) FROM waiting").fetchone()
        if count >= MOST:
            raise FullError
        try:
            connection.execute(
                "INSERT INTO waiting VALUES (?, ?, ?, ?)", [username, name, password, time.time()]
            )
        except sqlite3.IntegrityError:
            raise AlreadyAskedError from None


def everyone(store: Store) -> list[Asked]:
    """Who waits, the longest first."""
    with store.read() as connection:
        rows = connection.execute("SELECT username, name, password, at FROM waiting ORDER BY at, username")
        return [Asked(*row) for row in rows]


def find(store: Store, username: str) -> Asked | None:
    with store.read() as connection:
        row = connection.execute(
            "SELECT username, name, password, at FROM waiting WHERE username = ?", [username]
        ).fetchone()
    return Asked(*row) if row else None


def take(connection: sqlite3.Connection, username: str) -> Asked | None:
    """Somebody who waited, and now does no more; None if they did not."""
    row = connection.execute(
        "DELETE FROM waiting WHERE username = ? RETURNING username, name, password, at", [username]
    ).fetchone()
    return Asked(*row) if row else None
