from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hub.accounts import attempts, passwords, sign_in
from hub.accounts.attempts import SIGN_IN, Limit, TooManyAttemptsError
from hub.accounts.store import Account, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "accounts.sqlite")
    store.add(Account("mia", "Mia", password=passwords.hashed("tensors are fun"), one_time=False))
    return store


def guess(store: Store, times: int, account: str = "mia", address: str = "10.0.0.1") -> None:
    for _ in range(times):
        attempts.begin(store, "sign-in", account, address, SIGN_IN)


def test_the_ninth_guess_at_one_account_from_one_address_has_to_wait(store: Store) -> None:
    guess(store, 8)
    with pytest.raises(TooManyAttemptsError, match=r"Wait 10 minutes"):
        guess(store, 1)


def test_a_guesser_does_not_lock_out_the_owner_elsewhere(store: Store) -> None:
    guess(store, 8)
    assert sign_in.check(store, "mia", "tensors are fun", "10.0.0.2")


def test_many_machines_together_cannot_guess_on(store: Store) -> None:
    for machine in range(15):
        guess(store, 4, address=f"10.0.1.{machine}")
    for password in ("wrong", "tensors are fun"):
        with pytest.raises(TooManyAttemptsError):
            sign_in.check(store, "mia", password, "10.0.1.99")


def test_guesses_of_many_machines_do_not_lock_the_owner_out_of_a_known_browser(store: Store) -> None:
    for machine in range(15):
        guess(store, 4, address=f"10.0.1.{machine}")
    assert sign_in.check(store, "mia", "tensors are fun", "10.0.1.99", "browser 1234")


def test_guesses_of_many_machines_do_not_keep_anybody_from_a_first_sign_in(store: Store) -> None:
    store.set_password("mia", passwords.hashed("k7mq-2xvr-9pht"), one_time=True)
    for machine in range(15):
        guess(store, 4, address=f"10.0.1.{machine}")
    with pytest.raises(TooManyAttemptsError):
        sign_in.check(store, "mia", "wrong", "10.0.1.99")
    assert sign_in.check(store, "mia", "k7mq-2xvr-9pht", "10.0.1.99")


def test_known_browser_has_no_more_guesses_than_anybody(store: Store) -> None:
    for _ in range(8):
        assert sign_in.check(store, "mia", "wrong", "10.0.0.1", "browser 1234") is None
    with pytest.raises(TooManyAttemptsError):
        sign_in.check(store, "mia", "tensors are fun", "10.0.0.1", "browser 1234")
    assert sign_in.check(store, "mia", "tensors are fun", "10.0.0.1")


def test_everybody_who_has_to_wait_is_named_with_the_moment(store: Store) -> None:
    guess(store, 8)
    for machine in range(13):
        guess(store, 4, address=f"10.0.1.{machine}")
    guess(store, 7, account="bob")
    pauses = {(pause.account, pause.address): pause.until for pause in attempts.pauses(store)}
    assert set(pauses) == {("mia", "10.0.0.1"), ("mia", "")}
    assert attempts.time.time() + 590 < pauses["mia", "10.0.0.1"] < attempts.time.time() + 601
    assert attempts.time.time() + 3590 < pauses["mia", ""] < attempts.time.time() + 3601


def test_a_class_behind_one_address_may_mistype(store: Store) -> None:
    for student in range(200):
        guess(store, 2, account=f"s-{student}")


def test_signing_in_forgets_the_mistypes_before_it(store: Store) -> None:
    for _ in range(5):
        guess(store, 7)
        assert sign_in.check(store, "mia", "tensors are fun", "10.0.0.1")


def test_a_pause_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    guess(store, 8)
    later = attempts.time.time() + 601
    monkeypatch.setattr(attempts.time, "time", lambda: later)
    guess(store, 1)


def test_a_hundred_guesses_at_once_count_as_a_hundred(store: Store) -> None:
    limits = (Limit(("account",), 8, 600.0),)

    def one(_: int) -> bool:
        try:
            attempts.begin(store, "sign-in", "mia", "10.0.0.1", limits)
        except TooManyAttemptsError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(one, range(100))) == 8


def test_a_new_password_lets_its_owner_in_at_once(store: Store) -> None:
    guess(store, 8)
    store.set_password("mia", passwords.hashed("another one entirely"), one_time=True)
    assert sign_in.check(store, "mia", "another one entirely", "10.0.0.1")
