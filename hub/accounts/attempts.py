"""A brake on guessing passwords and on signing up by the thousand.

Three limits, for three kinds of guesser. One person at one machine: eight guesses, then a pause of at most
ten minutes. Many machines against one account: sixty an hour. One machine against many accounts: six hundred
an hour, and not fewer, since a whole campus may come from one address and a class of 200 mistypes.

None of them may keep an owner out for whom strangers guess. So a browser that somebody has signed in with
counts by itself, apart from its address and from everybody else (browsers.py), and what all machines together
guess does not hold up who has a one-time password, since those cannot be guessed (sign_in.py).

An attempt is written down before it is judged, so that a hundred at once do not all count as the first.
"""

import sqlite3
import time
from collections import defaultdict
from dataclasses import dataclass

from hub.accounts.store import Store

HOUR = 3600.0


@dataclass(frozen=True)
class Limit:
    """At most `times` in `seconds`, counted over the attempts that agree in `columns`."""

    columns: tuple[str, ...]
    times: int
    seconds: float


ONE_PERSON = Limit(("account", "address"), 8, 600.0)
SIGN_IN = (ONE_PERSON, Limit(("address",), 600, HOUR))
KNOWN_BROWSER = (ONE_PERSON,)  # its own mark stands in place of an address
EVERYBODY = Limit(("account",), 60, HOUR)
SIGN_UP = (Limit(("address",), 300, HOUR),)
LONGEST_KEPT = HOUR


class TooManyAttemptsError(Exception):
    """Come back in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        minutes = max(1, round(seconds / 60))
        super().__init__(f"Too many attempts. Wait {minutes} minute{'s' * (minutes > 1)}, then try again.")


@dataclass(frozen=True)
class Pause:
    """Nobody signs in as `account` from `address` until then; an empty one means all of them."""

    account: str
    address: str
    until: float


def begin(store: Store, kind: str, account: str, address: str, limits: tuple[Limit, ...]) -> None:
    """Write an attempt down; raises TooManyAttemptsError where there were enough."""
    now = time.time()
    with store.change() as connection:
        connection.execute("DELETE FROM attempts WHERE at < ?", [now - LONGEST_KEPT])
        for limit in limits:
            _check(connection, kind, account, address, limit, limit.times)
        connection.execute("INSERT INTO attempts VALUES (?, ?, ?, ?)", [kind, account, address, now])


def check_everybody(store: Store, kind: str, account: str) -> None:
    """Raises TooManyAttemptsError where all machines together, this one included, have guessed enough."""
    with store.read() as connection:
        _check(connection, kind, account, "", EVERYBODY, EVERYBODY.times + 1)


def _check(
    connection: sqlite3.Connection, kind: str, account: str, address: str, limit: Limit, times: int
) -> None:
    values = {"account": account, "address": address}
    same = " AND ".join(f"{column} = ?" for column in limit.columns)
    now = time.time()
    # The attempt that has to leave the window before there is room for another.
    row = connection.execute(
        f"SELECT at FROM attempts WHERE kind = ? AND at > ? AND {same} "  # noqa: S608
        "ORDER BY at DESC LIMIT 1 OFFSET ?",
        [kind, now - limit.seconds, *(values[column] for column in limit.columns), times - 1],
    ).fetchone()
    if row:
        raise TooManyAttemptsError(row[0] + limit.seconds - now)


def succeeded(connection: sqlite3.Connection, kind: str, account: str, address: str) -> None:
    """Forget what this person got wrong at this machine."""
    connection.execute(
        "DELETE FROM attempts WHERE kind = ? AND account = ? AND address = ?", [kind, account, address]
    )


def pauses(store: Store) -> list[Pause]:
    """Who cannot sign in at this moment, and until when."""
    now = time.time()
    with store.read() as connection:
        rows = connection.execute(
            "SELECT account, address, at FROM attempts WHERE kind = 'sign-in' AND at > ? ORDER BY at DESC",
            [now - LONGEST_KEPT],
        ).fetchall()
    found = []
    for limit in (*SIGN_IN, EVERYBODY):
        times: dict[tuple[str, str], list[float]] = defaultdict(list)
        for account, address, at in rows:
            if at > now - limit.seconds:
                key = (
                    account if "account" in limit.columns else "",
                    address if "address" in limit.columns else "",
                )
                times[key].append(at)
        found += [
            Pause(*key, until=newest_first[limit.times - 1] + limit.seconds)
            for key, newest_first in times.items()
            if len(newest_first) >= limit.times
        ]
    return found
