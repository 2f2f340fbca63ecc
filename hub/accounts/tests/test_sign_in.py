import stat
from pathlib import Path

import pytest

from hub.accounts import __main__ as command
from hub.accounts import ensure, names, passwords, sign_in
from hub.accounts.store import Account, Store

HERE = "10.0.0.1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "accounts.sqlite")


def test_nobody_else_can_read_the_accounts(store: Store) -> None:
    store.add(Account("mia", "Mia", password="x"))
    for file in store.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_unknown_name_and_wrong_password_are_refused_alike(store: Store) -> None:
    ensure.admin(store, "admin", "first-password")
    assert sign_in.check(store, "admin", "wrong-password", HERE) is None
    assert sign_in.check(store, "nobody", "first-password", HERE) is None
    assert sign_in.check(store, "", "", HERE) is None


def test_the_admins_first_password_is_for_once_and_is_not_set_again(store: Store) -> None:
    ensure.admin(store, "admin", "first-password")
    account = sign_in.check(store, "Admin", "first-password", HERE)
    assert account
    assert account.one_time
    sign_in.choose(store, account, "correct horse battery", "correct horse battery")
    ensure.admin(store, "admin", "first-password")
    assert sign_in.check(store, "admin", "first-password", HERE) is None
    chosen = sign_in.check(store, "admin", "correct horse battery", HERE)
    assert chosen
    assert not chosen.one_time


def test_the_probe_follows_the_deploys_password_and_is_never_asked_for_another(store: Store) -> None:
    ensure.probe(store, "first-of-the-probe")
    ensure.probe(store, "second-of-the-probe")
    assert sign_in.check(store, names.PROBE, "first-of-the-probe", HERE) is None
    account = sign_in.check(store, names.PROBE, "second-of-the-probe", HERE)
    assert account
    assert not account.one_time


def test_the_password_of_now_cannot_be_chosen_again(store: Store) -> None:
    ensure.admin(store, "admin", "first-password")
    account = store.find("admin")
    assert account
    with pytest.raises(sign_in.EntryError, match="Choose another"):
        sign_in.choose(store, account, "first-password", "first-password")
    with pytest.raises(sign_in.EntryError, match="differ"):
        sign_in.choose(store, account, "correct horse battery", "correct horse baterry")


def test_signing_up_does_not_take_someones_name(store: Store) -> None:
    ensure.admin(store, "admin", "first-password")
    for name in ("admin", " ADMIN", "adm\u200bin"):
        with pytest.raises(sign_in.EntryError, match="taken"):
            sign_in.sign_up(store, name, "Me", "correct horse battery", "correct horse battery", HERE)


def test_who_signed_up_can_sign_in(store: Store) -> None:
    sign_in.sign_up(store, "Mia ", " Mia  M.", "correct horse battery", "correct horse battery", HERE)
    account = sign_in.check(store, "mia", "correct horse battery", HERE)
    assert account
    assert (account.name, account.origin, account.one_time) == ("Mia M.", "sign-up", False)


def test_a_forgotten_password_is_replaced_by_a_one_time_one(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.add(Account("mia", "Mia", password=passwords.hashed("forgotten for good"), one_time=False))
    assert command.main(["--store", str(store.path), "reset", "MIA"]) == 0
    shown = capsys.readouterr().out.splitlines()[0].rpartition(" ")[2]
    account = sign_in.check(store, "mia", shown, HERE)
    assert account
    assert account.one_time


def test_resetting_nobody_says_so(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--store", str(store.path), "reset", "noone"]) == 1
    assert "no account 'noone'" in capsys.readouterr().err
    assert command.main(["--store", str(store.path.parent / "missing"), "reset", "mia"]) == 1
    assert "Start the hub once" in capsys.readouterr().err
