"""Which person of the campus each account belongs to.

A provider's `sub` never becomes another person's; its names may change, be given again, or be chosen by their
owners. So a name is believed once, at the first sign-in, and bound to the `sub` that came with it.
"""

import sqlite3

from hub.accounts.store import Store

TABLE = """
CREATE TABLE IF NOT EXISTS identities (
    realm TEXT NOT NULL,
    subject TEXT NOT NULL,
    username TEXT NOT NULL,
    PRIMARY KEY (realm, subject),
    UNIQUE (realm, username)
) WITHOUT ROWID
"""


class TakenError(Exception):
    """The name belongs to another person of the campus."""


class Identities:
    """The bindings, in the accounts' file, so that they are kept and copied together.

    Args:
        realm: within which a subject means one person. Another provider's bindings count for nothing: whoever
            changes the provider trusts the new one's names.
    """

    def __init__(self, store: Store, realm: str) -> None:
        self.store, self.realm = store, realm
        with store.change() as connection:
            connection.execute(TABLE)

    def find(self, subject: str) -> str | None:
        """The account of a person who has signed in before."""
        query = "SELECT username FROM identities WHERE realm = ? AND subject = ?"
        return self._one(query, subject)

    def is_bound(self, username: str) -> bool:
        """Whether somebody of the campus has the account."""
        query = "SELECT subject FROM identities WHERE realm = ? AND username = ?"
        return self._one(query, username) is not None

    def bind(self, subject: str, username: str) -> None:
        """Give an account to a person, from now on; raises TakenError."""
        try:
            with self.store.change() as connection:
                connection.execute(
                    "INSERT INTO identities (realm, subject, username) VALUES (?, ?, ?)",
                    [self.realm, subject, username],
                )
        except sqlite3.IntegrityError as error:
            raise TakenError(username) from error

    def _one(self, query: str, value: str) -> str | None:
        with self.store.change() as connection:
            row = connection.execute(query, [self.realm, value]).fetchone()
        return row[0] if row else None


def forget(store: Store, username: str) -> bool:
    """Free an account for whoever signs in under its name next; False if it belongs to nobody."""
    with store.change() as connection:
        connection.execute(TABLE)
        return connection.execute("DELETE FROM identities WHERE username = ?", [username]).rowcount > 0
