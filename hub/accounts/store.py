"""The accounts' own SQLite file: who there is, what their password hashes to, who guessed how often.

Each call opens its own connection (a tenth of a millisecond), so the hub's threads and the commands that run
beside the hub can use it at the same time. SQLite's write-ahead log keeps readers from waiting.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PATH = Path("/srv/hub/accounts.sqlite")  # where the hub's container keeps it

Origin = Literal["deploy", "roster", "sign-up"]

TABLES = """
CREATE TABLE accounts (
    username TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL DEFAULT '',
    section TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL DEFAULT 'student',
    origin TEXT NOT NULL CHECK (origin IN ('deploy', 'roster', 'sign-up')),
    password TEXT NOT NULL,
    one_time INTEGER NOT NULL CHECK (one_time IN (0, 1)),
    password_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE attempts (kind TEXT NOT NULL, account TEXT NOT NULL, address TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX attempts_by_time ON attempts (at);
PRAGMA user_version = 1;
"""
READ = "SELECT username, name, email, section, role, origin, password, one_time FROM accounts"


@dataclass(frozen=True)
class Account:
    """One person who may sign in. `password` is a hash; a `one_time` one must be changed before all else."""

    username: str
    name: str
    email: str = ""
    section: str = ""
    role: str = "student"
    origin: Origin = "roster"
    password: str = ""
    one_time: bool = True


class AccountExistsError(Exception):
    """There is an account of that name already."""


class Store:
    """Everything that is kept about accounts."""

    def __init__(self, path: Path = PATH) -> None:
        self.path = path
        if not path.exists():
            path.touch(0o600)  # before SQLite makes it for all to read
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            with _transaction(connection):
                if connection.execute("PRAGMA user_version").fetchone() == (0,):
                    for statement in TABLES.split(";")[:-1]:
                        connection.execute(statement)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10, isolation_level=None)

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """All of what is done inside, or nothing."""
        with closing(self._connect()) as connection, _transaction(connection):
            yield connection

    def find(self, username: str) -> Account | None:
        with closing(self._connect()) as connection:
            row = connection.execute(f"{READ} WHERE username = ?", [username]).fetchone()
        return _account(row) if row else None

    def everyone(self) -> list[Account]:
        with closing(self._connect()) as connection:
            return [_account(row) for row in connection.execute(READ)]

    def add(self, account: Account) -> None:
        """Raises AccountExistsError."""
        try:
            with self.change() as connection:
                insert(connection, account)
        except sqlite3.IntegrityError as error:
            raise AccountExistsError(account.username) from error

    def set_password(self, username: str, password: str, one_time: bool) -> bool:
        """Keep another hash; False if there is no such account. Earlier wrong guesses are forgotten."""
        with self.change() as connection:
            changed = connection.execute(
                "UPDATE accounts SET password = ?, one_time = ?, password_at = ? WHERE username = ?",
                [password, one_time, time.time(), username],
            )
            connection.execute("DELETE FROM attempts WHERE account = ?", [username])
            return changed.rowcount == 1

    def remove(self, username: str) -> None:
        with self.change() as connection:
            connection.execute("DELETE FROM accounts WHERE username = ?", [username])


def insert(connection: sqlite3.Connection, account: Account) -> None:
    connection.execute(
        "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            account.username,
            account.name,
            account.email,
            account.section,
            account.role,
            account.origin,
            account.password,
            account.one_time,
            time.time(),
        ],
    )


def _account(row: tuple[str, str, str, str, str, Origin, str, int]) -> Account:
    return Account(*row[:-1], one_time=bool(row[-1]))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
