"""What signing in, choosing a password and signing up mean, without any web page."""

from hub.accounts import attempts, names, passwords
from hub.accounts.store import Account, AccountExistsError, Store

TAKEN = "That username is taken. Choose another, or sign in if it is yours."


class EntryError(Exception):
    """What was entered will not do; the text is for the person who entered it."""


def check(store: Store, typed: str, password: str, address: str) -> Account | None:
    """The account whose name and password these are; raises attempts.TooManyAttemptsError."""
    username = names.normalise(typed)[:100]
    attempts.begin(store, "sign-in", username, address, attempts.SIGN_IN)
    account = store.find(username)
    if not passwords.matches(account.password if account else None, password):
        return None
    attempts.succeeded(store, "sign-in", username, address)
    return account


def choose(store: Store, account: Account, password: str, again: str) -> None:
    """Replace an account's password by one that its owner chose; raises EntryError."""
    _check_chosen(account.username, password, again)
    if passwords.matches(account.password, password):
        raise EntryError("That is the password you have now. Choose another.")
    store.set_password(account.username, passwords.hashed(password), one_time=False)


def sign_up(store: Store, typed: str, name: str, password: str, again: str, address: str) -> Account:
    """Make an account for whoever asks; raises EntryError and attempts.TooManyAttemptsError."""
    username = names.normalise(typed)
    if not names.is_valid(username):
        raise EntryError(f"That cannot be a username. {names.HINT}.")
    _check_chosen(username, password, again)
    attempts.begin(store, "sign-up", username, address, attempts.SIGN_UP)
    account = Account(
        username=username,
        name=names.display(name)[:100] or username,
        origin="sign-up",
        password=passwords.hashed(password),
        one_time=False,
    )
    try:
        store.add(account)
    except AccountExistsError:
        raise EntryError(TAKEN) from None
    return account


def _check_chosen(username: str, password: str, again: str) -> None:
    if fault := passwords.fault(password, username):
        raise EntryError(fault)
    if password != again:
        raise EntryError("The two passwords differ. Type the same one twice.")
