import time

import pytest

from hub.accounts import passwords


def test_the_right_password_matches_and_another_does_not() -> None:
    kept = passwords.hashed("tensors are fun")
    assert passwords.matches(kept, "tensors are fun")
    assert not passwords.matches(kept, "tensors are not")
    assert not passwords.matches("not a hash", "tensors are fun")
    assert "tensors" not in kept


def test_one_time_password_matches_its_quick_hash_and_nothing_else() -> None:
    password = passwords.one_time()
    kept = passwords.hashed_one_time(password)
    assert passwords.matches(kept, password)
    assert not passwords.matches(kept, passwords.one_time())


def test_an_accent_is_the_same_on_every_keyboard() -> None:
    assert passwords.matches(passwords.hashed("caf\u00e9 au lait"), "cafe\u0301 au lait")


def test_time_does_not_tell_whether_a_user_exists() -> None:
    kept, given = passwords.hashed("tensors are fun"), passwords.hashed_one_time(passwords.one_time())

    def seconds(hash_kept: str | None) -> float:
        began = time.process_time()
        for _ in range(5):
            passwords.matches(hash_kept, "wrong password")
        return time.process_time() - began

    seconds(None)
    assert 0.4 < seconds(None) / seconds(kept) < 2.5
    assert 0.4 < seconds(given) / seconds(kept) < 2.5, "nor whether somebody has been in yet"


def test_one_time_passwords_differ_and_can_be_read_aloud() -> None:
    made = {passwords.one_time() for _ in range(200)}
    assert len(made) == 200
    assert all(len(p) == 14 and not set(p) & set("0Oo1lIi") for p in made)


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("short", "at least"),
        ("x" * 201, "at most"),
        ("abababababab", "different"),
        ("student42!!", "username"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, word: str) -> None:
    assert word in (passwords.fault(password, "student42") or "")


def test_a_few_words_are_a_good_password() -> None:
    assert passwords.fault("correct horse battery", "mia") is None
