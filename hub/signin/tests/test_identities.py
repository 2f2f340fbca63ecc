from pathlib import Path

import pytest

from hub.accounts.store import Store
from hub.signin import __main__ as command
from hub.signin.identities import Identities, TakenError, forget

HERE = "https://sso.example.edu classroom"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "accounts.sqlite")


def test_a_name_belongs_to_the_first_who_came_with_it(store: Store) -> None:
    identities = Identities(store, HERE)
    identities.bind("sub-of-ada", "ada")
    with pytest.raises(TakenError):
        identities.bind("sub-of-mallory", "ada")
    with pytest.raises(TakenError):
        identities.bind("sub-of-ada", "grace")
    assert identities.find("sub-of-ada") == "ada"
    assert identities.find("sub-of-mallory") is None
    assert Identities(store, HERE).is_bound("ada")


def test_another_providers_bindings_count_for_nothing(store: Store) -> None:
    Identities(store, HERE).bind("1", "ada")
    other = Identities(store, "https://login.example.org classroom")
    assert other.find("1") is None
    other.bind("1", "grace")
    assert Identities(store, HERE).find("1") == "ada"


def test_a_name_that_was_freed_may_be_anothers(store: Store) -> None:
    identities = Identities(store, HERE)
    identities.bind("old", "ada")
    assert forget(store, "ada")
    assert not forget(store, "ada")
    identities.bind("new", "ada")
    assert identities.find("old") is None


def test_freeing_says_what_follows(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    Identities(store, HERE).bind("1", "ada")
    assert command.main(["--store", str(store.path), "forget", "ADA"]) == 0
    assert "ada belongs to nobody now." in capsys.readouterr().out
    assert command.main(["--store", str(store.path), "forget", "ada"]) == 1
    assert "Nobody of the campus has signed in as 'ada' yet" in capsys.readouterr().err
    assert command.main(["--store", str(store.path.parent / "missing"), "forget", "ada"]) == 1
    assert "Start the hub once" in capsys.readouterr().err
