"""What staff may do for others' accounts. Each act is written down in the transaction that does it."""

import sqlite3
from dataclasses import dataclass

from hub.accounts import acts, names, passwords, waiting
from hub.accounts.store import Account, Store, insert

STAFF = ("instructor", "admin")  # roles whose owners only an admin may help


class NotAllowedError(Exception):
    """This one may not do that to that one; the text says who may."""


@dataclass(frozen=True)
class Helper:
    """Who acts: an instructor, or an admin."""

    name: str
    admin: bool


def check_may_help(helper: Helper, account: Account, staff: bool) -> None:
    """Raises NotAllowedError. `staff`: the hub counts the account's owner among instructors or admins."""
    if account.username == names.PROBE:
        raise NotAllowedError("This account belongs to the classroom itself: the deploy looks after it.")
    if account.username == helper.name:
        raise NotAllowedError("This is your own account. You change your password on the page Password.")
    if not helper.admin and (staff or account.role in STAFF or account.origin == "deploy"):
        raise NotAllowedError(
            "Only an admin can do that for an instructor or an admin. Whoever runs the machine can, too: "
            "make reset USER=NAME."
        )


def reset(store: Store, helper: Helper, account: Account) -> str:
    """Give somebody another one-time password, and return it: it is kept nowhere."""
    password = passwords.one_time()
    store.set_password(account.username, passwords.hashed_one_time(password), one_time=True, by=helper.name)
    return password


def unlock(store: Store, helper: Helper, username: str) -> None:
    """Forget all wrong guesses at an account."""
    with store.change() as connection:
        connection.execute("DELETE FROM attempts WHERE kind = 'sign-in' AND account = ?", [username])
        acts.record(connection, helper.name, "unlocked", username)


def unlock_address(store: Store, helper: Helper, address: str) -> None:
    """Forget all wrong guesses from an address."""
    with store.change() as connection:
        connection.execute("DELETE FROM attempts WHERE kind = 'sign-in' AND address = ?", [address])
        acts.record(connection, helper.name, "unlocked an address", "", address)


def let_in(store: Store, helper: Helper, username: str, section: str) -> bool:
    """Make an account of a wish for one; False if nobody of that name waits any more."""
    with store.change() as connection:
        asked = waiting.take(connection, username)
        if asked is None:
            return False
        account = Account(
            username, asked.name, section=section, origin="sign-up", password=asked.password, one_time=False
        )
        try:
            insert(connection, account)
        except sqlite3.IntegrityError:  # a roster made one since: it has the last word
            return False
        acts.record(connection, helper.name, "let in", username, f"section {section}" if section else "")
    return True


def refuse(store: Store, helper: Helper, username: str) -> bool:
    """End somebody's wish for an account; False if nobody of that name waits any more."""
    with store.change() as connection:
        asked = waiting.take(connection, username)
        if asked:
            acts.record(connection, helper.name, "refused", username, asked.name)
    return asked is not None
