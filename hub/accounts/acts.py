"""What was done with whose account: by whom, when. Rows are added, never changed; the file itself refuses."""

import sqlite3
import time
from dataclasses import dataclass

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
    connection: sqlite3.Connection, whom: str = "", first: int = 0, most: int = 50
) -> tuple[list[Act], int]:
    """Acts, the newest first, of everybody or to one person; and how many there are in all."""
    of, person = ("WHERE whom = ?", [whom]) if whom else ("", [])
    (count,) = connection.execute(f"SELECT count(*) FROM acts {of}", person).fetchone()  # noqa: S608
    rows = connection.execute(
        f"SELECT at, who, what, whom, detail FROM acts {of} ORDER BY id DESC LIMIT ? OFFSET ?",  # noqa: S608
        [*person, most, first],
    )
    return [Act(*row) for row in rows], count
