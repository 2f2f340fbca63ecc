"""The accounts' own SQLite file: who there is, what their password hashes to, who guessed how often.

Each call opens its own connection (a tenth of a millisecond), so the hub's threads and the commands that run
beside the hub can use it at the same time. SQLite's write-ahead log keeps readers from waiting.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hub.accounts import acts

PATH = Path("/srv/hub/accounts.sqlite")  # where the hub's container keeps it

Origin = Literal["deploy", "roster", "sign-up"]

# What each version of the file adds to the one before: an older file is brought up to date when it is opened.
VERSIONS: tuple[tuple[str, ...], ...] = (
    (
        """
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
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE attempts (
            kind TEXT NOT NULL, account TEXT NOT NULL, address TEXT NOT NULL, at REAL NOT NULL
        )
        """,
        "CREATE INDEX attempts_by_time ON attempts (at)",
    ),
    (
        "ALTER TABLE accounts ADD COLUMN signed_in_at REAL",
        "ALTER TABLE accounts ADD COLUMN left_at REAL",
        # Whoever has a password of their own has signed in to choose it.
        "UPDATE accounts SET signed_in_at = password_at WHERE one_time = 0",
        # Who asked for an account, and may not sign in yet.
        """
        CREATE TABLE waiting (
            username TEXT PRIMARY KEY, name TEXT NOT NULL, password TEXT NOT NULL, at REAL NOT NULL
        ) WITHOUT ROWID
        """,
        *acts.TABLE,
    ),
)
COLUMNS = "username, name, email, section, role, origin, password, one_time, signed_in_at, left_at"


@dataclass(frozen=True)
class Account:
    """One person who may sign in. `password` is a hash; a `one_time` one must be changed before all else.

    `signed_in_at` is when they last did, if ever; `left_at` when they left the class, which ends access.
    """

    username: str
    name: str
    email: str = ""
    section: str = ""
    role: str = "student"
    origin: Origin = "roster"
    password: str = ""
    one_time: bool = True
    signed_in_at: float | None = None
    left_at: float | None = None

    @property
    def fingerprint(self) -> str:
        """Ties a cookie to one password: once that is replaced, the cookie opens nothing."""
        return hashlib.sha256(self.password.encode()).hexdigest()[:32]


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
                (there,) = connection.execute("PRAGMA user_version").fetchone()
                for version in VERSIONS[there:]:
                    for statement in version:
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {max(there, len(VERSIONS))}")

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10, isolation_level=None)

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """All of what is done inside, or nothing."""
        with closing(self._connect()) as connection, _transaction(connection):
            yield connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Look, and change nothing."""
        with closing(self._connect()) as connection:
            yield connection

    def find(self, username: str) -> Account | None:
        with self.read() as connection:
            row = connection.execute(
                f"SELECT {COLUMNS} FROM accounts WHERE username = ?",  # noqa: S608 - a constant
                [username],
            ).fetchone()
        return Account(*row) if row else None

    def everyone(self) -> list[Account]:
        with self.read() as connection:
            return [
                Account(*row)
                for row in connection.execute(f"SELECT {COLUMNS} FROM accounts")  # noqa: S608 - a constant
            ]

    def add(self, account: Account) -> None:
        """Raises AccountExistsError."""
        try:
            with self.change() as connection:
                insert(connection, account)
        except sqlite3.IntegrityError as error:
            raise AccountExistsError(account.username) from error

    def set_password(self, username: str, password: str, one_time: bool, by: str = "") -> bool:
        """Keep another hash; False if there is no such account. Earlier wrong guesses are forgotten.

        `by` is who gave somebody a one-time password, which is written down. Whoever chose theirs is there.
        """
        now = time.time()
        with self.change() as connection:
            changed = connection.execute(
                "UPDATE accounts SET password = ?, one_time = ?, password_at = ?, "
                "signed_in_at = CASE WHEN ? THEN signed_in_at ELSE ? END WHERE username = ?",
                [password, one_time, now, one_time, now, username],
            )
            connection.execute("DELETE FROM attempts WHERE account = ?", [username])
            if by and changed.rowcount:
                acts.record(connection, by, "new one-time password", username)
            return changed.rowcount == 1

    def remove(self, username: str) -> None:
        with self.change() as connection:
            connection.execute("DELETE FROM accounts WHERE username = ?", [username])


def insert(connection: sqlite3.Connection, account: Account) -> None:
    connection.execute(
        f"INSERT INTO accounts ({COLUMNS}, password_at) "  # noqa: S608 - a constant
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            account.username,
            account.name,
            account.email,
            account.section,
            account.role,
            account.origin,
            account.password,
            account.one_time,
            account.signed_in_at,
            account.left_at,
            time.time(),
        ],
    )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
