"""A brake on guessing passwords and on signing up by the thousand.

Three limits, for three kinds of guesser. One person at one machine: eight guesses, then a pause of at most
ten minutes. Many machines against one account: sixty an hour. One machine against many accounts: six hundred
an hour, and not fewer, since a whole campus may come from one address and a class of 200 mistypes.

An attempt is written down before it is judged, so that a hundred at once do not all count as the first.
"""

import time
from dataclasses import dataclass

from hub.accounts.store import Store

HOUR = 3600.0


@dataclass(frozen=True)
class Limit:
    """At most `times` in `seconds`, counted over the attempts that agree in `columns`."""

    columns: tuple[str, ...]
    times: int
    seconds: float


SIGN_IN = (
    Limit(("account", "address"), 8, 600.0),
    Limit(("account",), 60, HOUR),
    Limit(("address",), 600, HOUR),
)
SIGN_UP = (Limit(("address",), 300, HOUR),)
LONGEST_KEPT = HOUR


class TooManyAttemptsError(Exception):
    """Come back in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        minutes = max(1, round(seconds / 60))
        super().__init__(f"Too many attempts. Wait {minutes} minute{'s' * (minutes > 1)}, then try again.")


def begin(store: Store, kind: str, account: str, address: str, limits: tuple[Limit, ...]) -> None:
    """Write an attempt down; raises TooManyAttemptsError where there were enough."""
    now = time.time()
    values = {"account": account, "address": address}
    with store.change() as connection:
        connection.execute("DELETE FROM attempts WHERE at < ?", [now - LONGEST_KEPT])
        for limit in limits:
            same = " AND ".join(f"{column} = ?" for column in limit.columns)
            # The attempt that has to leave the window before there is room for another.
            row = connection.execute(
                f"SELECT at FROM attempts WHERE kind = ? AND at > ? AND {same} "  # noqa: S608
                "ORDER BY at DESC LIMIT 1 OFFSET ?",
                [kind, now - limit.seconds, *(values[column] for column in limit.columns), limit.times - 1],
            ).fetchone()
            if row:
                raise TooManyAttemptsError(row[0] + limit.seconds - now)
        connection.execute("INSERT INTO attempts VALUES (?, ?, ?, ?)", [kind, account, address, now])


def succeeded(store: Store, kind: str, account: str, address: str) -> None:
    """Forget what this person got wrong at this machine."""
    with store.change() as connection:
        connection.execute(
            "DELETE FROM attempts WHERE kind = ? AND account = ? AND address = ?", [kind, account, address]
        )
