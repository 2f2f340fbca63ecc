"""Make the classroom agree with a roster: first its accounts, all or none, then the hub's users and groups.

Whoever is not in the roster is left alone: people leave a list for many reasons, and their work must not go
with them. Only of a roster that is said to be whole does it mean that they have left: then work, marks and
the account stay, and their access ends at once. A whole list of students says nothing of instructors: only
those have left whose role it names.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from hub.accounts import acts, passwords, waiting
from hub.accounts.store import Account, Store, insert
from hub.roster import handing_out
from hub.roster.hub_api import Hub
from hub.roster.reading import Person, RosterError

BY = "make roster"  # as whose acts the changes are on record
OURS = ("role-", "section-")  # groups that a roster decides about; others are the instructor's own


@dataclass
class Outcome:
    """How many of a roster's people were what."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    taken_over: list[str] = field(default_factory=list)  # had signed up themselves
    left: list[str] = field(default_factory=list)
    absent: int = 0

    @property
    def sentence(self) -> str:
        text = f"{len(self.added)} added, {len(self.changed)} changed, {len(self.unchanged)} unchanged."
        if self.taken_over:
            who = ", ".join(self.taken_over[:10])
            text += f" {len(self.taken_over)} had signed up themselves ({who}): their passwords end."
        if self.left:
            text += f" {len(self.left)} left the class: their access ends, their work and marks stay."
        if self.absent:
            text += f" {self.absent} not in this roster, and left as they are."
        return text


def apply(
    people: list[Person],
    store: Store,
    hub: Hub,
    passwords_file: Path | None,
    whole: bool = False,
    with_passwords: bool = True,
) -> Outcome:
    """Apply a roster that was read; raises RosterError, HubError and OSError before anything is changed.

    Args:
        with_passwords: whether newcomers get one; where the campus signs them in, nobody does.

    Should the hub fall silent after that, accounts are there and groups are not: applying again completes
    them. Whoever has left cannot sign in by then, and applying again ends what is still open.
    """
    groups_now = hub.groups_of_users()  # also shows that the hub listens
    outcome = _accounts(people, store, passwords_file, whole, with_passwords)
    for account in store.everyone():
        if account.left_at and account.username in groups_now:
            hub.remove_user(account.username)
    regrouped = _groups(people, hub, groups_now)
    for username in [name for name in outcome.unchanged if name in regrouped]:
        outcome.unchanged.remove(username)
        outcome.changed.append(username)
    return outcome


def _accounts(
    people: list[Person], store: Store, passwords_file: Path | None, whole: bool, with_passwords: bool
) -> Outcome:
    kept = {account.username: account for account in store.everyone()}
    listed, roles = {person.username for person in people}, {person.role for person in people}
    unlisted = [
        account
        for account in kept.values()
        if account.origin != "deploy" and account.username not in listed and not account.left_at
    ]
    leaving = [account.username for account in unlisted if whole and account.role in roles]
    outcome = Outcome(left=leaving, absent=len(unlisted) - len(leaving))
    newcomers, changes = [], []
    for person in people:
        account = kept.get(person.username)
        if account is None or account.origin == "sign-up":
            newcomers.append(person)
            (outcome.added if account is None else outcome.taken_over).append(person.username)
        elif _facts(account) != _facts(person) or account.left_at:
            changes.append((person, account))
            outcome.changed.append(person.username)
        else:
            outcome.unchanged.append(person.username)
    if newcomers and with_passwords and passwords_file is None:
        raise RosterError(
            f"{len(newcomers)} new people need one-time passwords, which are only written to a file. "
            "Say which: --passwords FILE."
        )
    first = {person.username: passwords.one_time() for person in newcomers if with_passwords}
    hashes = {username: passwords.hashed_one_time(password) for username, password in first.items()}

    with store.change() as connection:
        for person, account in changes:
            connection.execute(
                "UPDATE accounts SET name = ?, email = ?, section = ?, role = ?, left_at = NULL "
                "WHERE username = ?",
                [*_facts(person), person.username],
            )
            acts.record(connection, BY, *_change(account, person))
        for username in leaving:
            connection.execute("UPDATE accounts SET left_at = ? WHERE username = ?", [time.time(), username])
            acts.record(connection, BY, "left the class", username)
        for person in newcomers:
            # Someone else may have signed up under a name that the roster gives to its owner only now.
            connection.execute("DELETE FROM accounts WHERE username = ?", [person.username])
            waiting.take(connection, person.username)
            kept_hash = hashes.get(person.username, "")  # an empty one, no password belongs to
            insert(connection, Account(person.username, *_facts(person), "roster", kept_hash))
            acts.record(connection, BY, "added", person.username, _place(person.section, person.role))
        if first and passwords_file:
            # Inside: an account whose password nobody knows is worse than none.
            handing_out.write(passwords_file, [(person, first[person.username]) for person in newcomers])
    return outcome


def _groups(people: list[Person], hub: Hub, now: dict[str, set[str]]) -> set[str]:
    """Put everyone into the groups that are theirs; returns whose groups changed."""
    wanted = {
        person.username: person.groups
        for person in people
        if person.groups != {group for group in now.get(person.username, ()) if group.startswith(OURS)}
    }
    hub.place(wanted)
    return set(wanted)


def _change(before: Account, after: Person) -> tuple[str, str, str]:
    """What happens to whom, and how: for the record."""
    old, new = _place(before.section, before.role), _place(after.section, after.role)
    if before.left_at:
        return "came back", after.username, new
    return ("moved", after.username, f"{old} -> {new}") if old != new else ("renamed", after.username, "")


def _place(section: str, role: str) -> str:
    return f"{role}, section {section}" if section else role


def _facts(of: Person | Account) -> tuple[str, str, str, str]:
    return of.name, of.email, of.section, of.role
