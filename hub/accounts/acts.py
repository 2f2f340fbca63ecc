"""What was done with whose account: by whom, when. Rows are added, never changed; the file itself refuses."""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

TABLE = (
    """
    CREATE TABLE acts (
        id INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        whom TEXT NOT NULL,
        detail TEXT NOT NULL
    )
    """,
    "CREATE INDEX acts_by_person ON acts (whom)",
    "CREATE TRIGGER acts_stay BEFORE UPDATE ON acts BEGIN SELECT RAISE(ABORT, 'acts are not changed'); END",
    "CREATE TRIGGER acts_remain BEFORE DELETE ON acts BEGIN SELECT RAISE(ABORT, 'acts are not deleted'); END",
)


@dataclass(frozen=True)
class Act:
    """`who` did `what` to `whom`."""

    at: float
    who: str
    what: str
    whom: str
    detail: str


def record(connection: sqlite3.Connection, who: str, what: str, whom: str, detail: str = "") -> None:
    """Write an act down, in the transaction that does it."""
    connection.execute(
        "INSERT INTO acts (at, who, what, whom, detail) VALUES (?, ?, ?, ?, ?)",
        [time.time(), who, what, whom, detail],
    )


def some(
    connection: sqlite3.Connection, whom: str = "", what: Sequence[str] = (), first: int = 0, most: int = 50
) -> tuple[list[Act], int]:
    """Acts, the newest first, to everybody or to one person, of all kinds or of some; and how many in all."""
    asked = ["whom = ?"] * bool(whom) + [f"what IN ({', '.join('?' * len(what))})"] * bool(what)
    of = f"WHERE {' AND '.join(asked)}" if asked else ""
    values = [whom] * bool(whom) + [*what]
    (count,) = connection.execute(f"SELECT count(*) FROM acts {of}", values).fetchone()  # noqa: S608
    rows = connection.execute(
        f"SELECT at, who, what, whom, detail FROM acts {of} ORDER BY id DESC LIMIT ? OFFSET ?",  # noqa: S608
        [*values, most, first],
    )
    return [Act(*row) for row in rows], count


def when(at: float | None) -> str:
    """A moment as people write it, in the machine's time zone."""
    return f"{datetime.fromtimestamp(at).astimezone():%-d %b %Y, %H:%M %Z}" if at else ""
