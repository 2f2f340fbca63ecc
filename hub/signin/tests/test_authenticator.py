"""Who of the campus comes in as whom, decided on real accounts, without any page."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from hub.accounts.names import PROBE
from hub.accounts.store import Account
from hub.signin.authenticator import CampusSignIn, nonce
from hub.signin.claims import Person
from hub.signin.entering import SignInError
from hub.signin.tests.test_claims import chosen


def somebody(subject: str, username: str, *groups: str) -> Person:
    return Person(subject, username, username.title(), domain="", campus_groups=frozenset(groups))


@pytest.fixture
def campus(tmp_path: Path) -> CampusSignIn:
    made = CampusSignIn(
        path=str(tmp_path / "accounts.sqlite"),
        first_passwords={"admin": "first-of-the-admin", PROBE: "secret-of-the-probe"},
        choices=chosen(),
    )
    made.store.add(Account("ada", "Ada L.", role="instructor", origin="roster"))
    return made


def test_a_name_is_believed_once_and_never_with_an_admins_rights(campus: CampusSignIn) -> None:
    first = campus._let_in(somebody("1", "ada"))
    assert (first["name"], first["admin"]) == ("ada", False)  # JupyterHub keeps what is not said
    assert "admin" not in campus._let_in(somebody("1", "ada"))
    with pytest.raises(SignInError, match="belongs to somebody else"):
        campus._let_in(somebody("2", "ada", "staff"))


def test_a_person_whose_name_changed_stays_who_they_are(campus: CampusSignIn) -> None:
    campus._let_in(somebody("1", "ada"))
    for name in ("ada.l", "admin", "grace"):
        assert campus._let_in(somebody("1", name))["name"] == "ada"


def test_the_rosters_word_stands_before_the_claims(campus: CampusSignIn) -> None:
    listed = campus._let_in(somebody("1", "ada", "cs101-b"))
    assert listed["user_info"] == {"display_name": "Ada L."}
    assert "campus_groups" not in listed
    other = campus._let_in(somebody("3", "eve", "staff", "cs101-b"))
    assert other["user_info"] == {"display_name": "Eve"}
    assert other["campus_groups"] == {"role-instructor", "section-b"}


def test_who_signed_up_before_is_not_on_the_list_by_that(campus: CampusSignIn) -> None:
    campus.store.add(Account("zoe", "Zoe", origin="sign-up"))
    with pytest.raises(SignInError, match="not on this class's list"):
        campus._let_in(somebody("4", "zoe"))
    campus.self_registration = "open"
    assert campus._let_in(somebody("4", "zoe"))["name"] == "zoe"


@pytest.mark.parametrize("name", ["admin", PROBE, "former-admin"])
def test_the_classrooms_own_names_are_nobodys_of_the_campus(campus: CampusSignIn, name: str) -> None:
    campus.store.add(Account("former-admin", "Administrator", origin="deploy"))
    with pytest.raises(SignInError, match="classroom's own account"):
        campus._let_in(somebody("5", name, "staff"))


def test_an_admin_named_after_somebody_who_came_before_is_not_them(campus: CampusSignIn) -> None:
    campus._let_in(somebody("1", "ada"))
    campus.first_passwords = {"ada": "first", **campus.first_passwords}
    with pytest.raises(SignInError, match="classroom's own account"):
        campus._let_in(somebody("1", "ada"))


def test_only_the_classrooms_own_accounts_have_a_password(campus: CampusSignIn) -> None:
    handler = SimpleNamespace(
        request=SimpleNamespace(
            remote_ip="10.0.0.1", connection=SimpleNamespace(context=SimpleNamespace(address=("10.0.0.1", 1)))
        ),
        get_secure_cookie=lambda name, max_age_days: None,
    )

    def form(username: str, password: str) -> object:
        return asyncio.run(campus.authenticate(handler, {"username": username, "password": password}))  # type: ignore[arg-type]

    found = form(f" {PROBE.upper()}", "secret-of-the-probe")
    assert isinstance(found, dict)
    assert found["name"] == PROBE
    assert form(PROBE, "another") is None
    assert form("ada", "") is None
    assert form("", "") is None


def test_who_has_left_the_class_does_not_come_in(campus: CampusSignIn) -> None:
    campus._let_in(somebody("1", "ada"))
    assert asyncio.run(campus.refresh_user(SimpleNamespace(name="ada")))
    with campus.store.change() as connection:
        connection.execute("UPDATE accounts SET left_at = 1 WHERE username = 'ada'")
    assert not asyncio.run(campus.refresh_user(SimpleNamespace(name="ada")))
    with pytest.raises(SignInError, match="has left this class"):
        campus._let_in(somebody("1", "ada", "staff"))


def test_who_was_deleted_is_asked_to_sign_in_again(campus: CampusSignIn) -> None:
    campus._let_in(somebody("1", "ada"))
    ada, probe = SimpleNamespace(name="ada"), SimpleNamespace(name=PROBE)
    assert asyncio.run(campus.refresh_user(ada))
    assert asyncio.run(campus.refresh_user(probe))
    campus.delete_user(ada)
    assert not asyncio.run(campus.refresh_user(ada))
    with pytest.raises(SignInError, match="not on this class's list"):
        campus._let_in(somebody("1", "ada"))


@pytest.mark.parametrize("state", ["", "e30=", "W10=", "é", "x", "bnVsbA=="])
def test_what_is_no_state_of_ours_is_none(state: str) -> None:
    assert nonce(state) == nonce("")
