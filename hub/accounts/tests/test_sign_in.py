import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from hub.accounts import __main__ as command
from hub.accounts import ensure, names, passwords, sign_in, waiting
from hub.accounts.store import VERSIONS, Account, Store

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


def ask(store: Store, name: str) -> None:
    sign_in.ask_in(store, name, name.title(), "correct horse battery", "correct horse battery", HERE)


def test_who_waits_cannot_sign_in_and_only_who_knows_the_password_is_told(store: Store) -> None:
    ask(store, "mia")
    assert sign_in.check(store, "mia", "wrong password", HERE) is None
    with pytest.raises(sign_in.NoEntryError, match="waits for an instructor"):
        sign_in.check(store, "mia", "correct horse battery", HERE)
    with pytest.raises(sign_in.EntryError, match="taken"):
        ask(store, "MIA")


def test_those_who_wait_are_bounded_in_number_and_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST", 2)
    ask(store, "mia")
    ask(store, "bob")
    with pytest.raises(sign_in.EntryError, match="Tell your instructor"):
        ask(store, "zoe")
    later = waiting.time.time() + waiting.LONGEST + 1
    monkeypatch.setattr(waiting.time, "time", lambda: later)
    ask(store, "zoe")
    assert [asked.username for asked in waiting.everyone(store)] == ["zoe"]


def test_file_of_an_earlier_release_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    with closing(sqlite3.connect(path)) as old:
        for statement in VERSIONS[0]:
            old.execute(statement)
        row = ["mia", "Mia", "", "A", "student", "roster", passwords.hashed("tensors are fun"), 0, 5.0]
        old.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        old.execute("PRAGMA user_version = 1")
        old.commit()
    for _ in range(2):
        account = Store(path).find("mia")
        assert account
        assert (account.section, account.signed_in_at, account.left_at) == ("A", 5.0, None)
    assert sign_in.check(Store(path), "mia", "tensors are fun", HERE)
