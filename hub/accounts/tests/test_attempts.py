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
    with pytest.raises(TooManyAttemptsError):
        guess(store, 1, address="10.0.1.99")


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
