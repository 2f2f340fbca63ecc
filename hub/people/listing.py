"""Who there is, and how it stands with each: whether they have been in, can come in, or wait."""

from collections.abc import Iterable
from dataclasses import dataclass

from hub.accounts import attempts, names
from hub.accounts.attempts import Pause
from hub.accounts.store import Account, Store

# In this order one of them says most about somebody.
STATES = {
    "left": "Has left the class",
    "locked": "Locked out for now",
    "new": "Never signed in",
    "due": "One-time password not used yet",
    "active": "Active",
}


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    account: Account
    state: str
    pauses: tuple[Pause, ...]


def everyone(store: Store) -> list[Person]:
    """Everybody with an account but the deploy's own probe, in the order of their names."""
    pauses = attempts.pauses(store)
    people = [_person(account, pauses) for account in store.everyone() if account.username != names.PROBE]
    return sorted(people, key=lambda person: (person.account.name.casefold(), person.account.username))


def one(store: Store, account: Account) -> Person:
    """One of them."""
    return _person(account, attempts.pauses(store))


def matching(people: Iterable[Person], words: str, state: str, section: str) -> list[Person]:
    """Those whose name, username or address has all the words, in that state and section if given."""
    wanted = words.casefold().split()
    return [
        person
        for person in people
        if state in ("", person.state)
        and section in ("", person.account.section)
        and all(word in _text(person.account) for word in wanted)
    ]


def _person(account: Account, pauses: list[Pause]) -> Person:
    own = tuple(pause for pause in pauses if pause.account == account.username)
    if account.left_at:
        state = "left"
    elif own:
        state = "locked"
    elif account.signed_in_at is None:
        state = "new"
    elif account.one_time:
        state = "due"
    else:
        state = "active"
    return Person(account, state, own)


def _text(account: Account) -> str:
    return f"{account.name} {account.username} {account.email}".casefold()
