"""What signing in, choosing a password and signing up mean, without any web page."""

import time

from hub.accounts import attempts, names, passwords, waiting
from hub.accounts.store import Account, AccountExistsError, Store

TAKEN = "That username is taken. Choose another, or sign in if it is yours."
WAITS = (
    "Your account waits for an instructor, who has to let you in. Try again later; "
    "if it takes long, tell them your username."
)
LEFT = (
    "You are not in this class any more, so you cannot sign in. Your work and your marks are kept. "
    "If that is a mistake, tell your instructor."
)
FULL = "So many wait for an account just now that nobody more can ask for one. Tell your instructor."


class EntryError(Exception):
    """What was entered will not do; the text is for the person who entered it."""


class NoEntryError(Exception):
    """The password is right, but its owner may not come in; the text is for them."""


def check(store: Store, typed: str, password: str, address: str, browser: str = "") -> Account | None:
    """The account whose name and password these are.

    Args:
        typed: the username as somebody wrote it.
        password: what they believe to be its password.
        address: where they are.
        browser: the mark of a browser that the account's owner has signed in with before.

    Raises:
        attempts.TooManyAttemptsError: they, or others, have guessed too often.
        NoEntryError: they are right, but wait to be let in, or have left the class.
    """
    username = names.normalise(typed)[:100]
    place, limits = (browser, attempts.KNOWN_BROWSER) if browser else (address, attempts.SIGN_IN)
    attempts.begin(store, "sign-in", username, place, limits)
    account = store.find(username)
    asked = None if account else waiting.find(store, username)
    owner = account or asked
    right = passwords.matches(owner.password if owner else None, password)
    # Judged by now, whatever it was: the time taken must not tell a one-time password from another.
    if not browser and not (right and account and account.one_time):
        attempts.check_everybody(store, "sign-in", username)
    if not right:
        return None
    if account is None:
        raise NoEntryError(WAITS)
    if account.left_at:
        raise NoEntryError(LEFT)
    with store.change() as connection:
        attempts.succeeded(connection, "sign-in", username, place)
        if not account.one_time:
            connection.execute(
                "UPDATE accounts SET signed_in_at = ? WHERE username = ?", [time.time(), username]
            )
    return account


def choose(store: Store, account: Account, password: str, again: str) -> None:
    """Replace an account's password by one that its owner chose; raises EntryError."""
    _check_chosen(account.username, password, again)
    if passwords.matches(account.password, password):
        raise EntryError("That is the password you have now. Choose another.")
    store.set_password(account.username, passwords.hashed(password), one_time=False)


def sign_up(store: Store, typed: str, name: str, password: str, again: str, address: str) -> Account:
    """Make an account for whoever asks; raises EntryError and attempts.TooManyAttemptsError."""
    account = _wanted(store, typed, name, password, again, address)
    try:
        store.add(account)
    except AccountExistsError:
        raise EntryError(TAKEN) from None
    return account


def ask_in(store: Store, typed: str, name: str, password: str, again: str, address: str) -> Account:
    """Keep the wish for an account until an instructor decides; raises like sign_up."""
    account = _wanted(store, typed, name, password, again, address)
    if store.find(account.username):
        raise EntryError(TAKEN)
    try:
        waiting.add(store, account.username, account.name, account.password)
    except waiting.AlreadyAskedError:
        raise EntryError(TAKEN) from None
    except waiting.FullError:
        raise EntryError(FULL) from None
    return account


def _wanted(store: Store, typed: str, name: str, password: str, again: str, address: str) -> Account:
    username = names.normalise(typed)
    if not names.is_valid(username):
        raise EntryError(f"That cannot be a username. {names.HINT}.")
    _check_chosen(username, password, again)
    attempts.begin(store, "sign-up", username, address, attempts.SIGN_UP)
    return Account(
        username=username,
        name=names.display(name)[:100] or username,
        origin="sign-up",
        password=passwords.hashed(password),
        one_time=False,
        signed_in_at=time.time(),
    )


def _check_chosen(username: str, password: str, again: str) -> None:
    if fault := passwords.fault(password, username):
        raise EntryError(fault)
    if password != again:
        raise EntryError("The two passwords differ. Type the same one twice.")
