"""The two accounts of every classroom from its first start: the admin's and the probe's. May run twice."""

from dataclasses import replace

from hub.accounts import names, passwords
from hub.accounts.store import Account, AccountExistsError, Store


def admin(store: Store, username: str, password: str) -> None:
    """An admin with a one-time password, if there is none yet; a password chosen since then stays."""
    account = Account(
        username=username,
        name="Administrator",
        role="instructor",
        origin="deploy",
        password=passwords.hashed(password),
    )
    if not store.find(username):
        _add(store, account)


def probe(store: Store, password: str) -> None:
    """The user that shows after each deploy that everything works; its password is the deploy's."""
    account = store.find(names.PROBE)
    if not account:
        made = Account(names.PROBE, "Classroom probe", origin="deploy", password=passwords.hashed(password))
        _add(store, replace(made, one_time=False))
    elif not passwords.matches(account.password, password):
        store.set_password(names.PROBE, passwords.hashed(password), one_time=False)


def _add(store: Store, account: Account) -> None:
    try:
        store.add(account)
    except AccountExistsError:  # another process was faster
        return
