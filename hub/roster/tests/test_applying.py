import csv
import io
import stat
from pathlib import Path

import pytest

from hub.accounts import acts, passwords, sign_in
from hub.accounts.store import Account, Store
from hub.roster import handing_out, reading
from hub.roster.applying import OURS, Outcome, apply
from hub.roster.hub_api import HubError

CLASS = "name,id,email,section,role\nAl,s1,,A,\nMia,s2,mia@example.edu,B,\nProf,prof,,,instructor\n"


class HubInMemory:
    """A hub that remembers users and groups, and nothing else."""

    def __init__(self) -> None:
        self.users: dict[str, set[str]] = {"admin": {"staff"}}

    def groups_of_users(self) -> dict[str, set[str]]:
        return {user: set(groups) for user, groups in self.users.items()}

    def place(self, groups: dict[str, set[str]]) -> None:
        for username, theirs in groups.items():
            others = {group for group in self.users.get(username, set()) if not group.startswith(OURS)}
            self.users[username] = others | theirs

    def remove_user(self, username: str) -> None:
        del self.users[username]


class HubThatIsAway(HubInMemory):
    def groups_of_users(self) -> dict[str, set[str]]:
        raise HubError("The hub did not answer.")


class HubThatGoesAway(HubInMemory):
    def place(self, groups: dict[str, set[str]]) -> None:
        raise HubError("The hub did not answer.")


class HubThatEndsNobodysAccess(HubInMemory):
    def remove_user(self, username: str) -> None:
        raise HubError("The hub did not answer.")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "accounts.sqlite")


def run(text: str, store: Store, hub: HubInMemory, file: Path | None, whole: bool = False) -> Outcome:
    return apply(reading.read(text.encode()), store, hub, file, whole)  # type: ignore[arg-type]


def handed_out(file: Path) -> dict[str, str]:
    return {
        row["username"]: row["one-time password"]
        for row in csv.DictReader(io.StringIO(file.read_text("utf-8-sig")))
    }


def test_a_class_is_there_before_anyone_signs_in(store: Store, tmp_path: Path) -> None:
    hub, file = HubInMemory(), tmp_path / "passwords.csv"
    assert run(CLASS, store, hub, file).sentence == "3 added, 0 changed, 0 unchanged."
    assert hub.users == {
        "admin": {"staff"},
        "s1": {"role-student", "section-a"},
        "s2": {"role-student", "section-b"},
        "prof": {"role-instructor"},
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for username, password in handed_out(file).items():
        account = sign_in.check(store, username, password, "10.0.0.1")
        assert account
        assert account.one_time


def test_applying_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    hub, file = HubInMemory(), tmp_path / "passwords.csv"
    run(CLASS, store, hub, file)
    before, written = store.everyone(), file.read_bytes()
    assert run(CLASS, store, hub, None).sentence == "0 added, 0 changed, 3 unchanged."
    assert (store.everyone(), file.read_bytes()) == (before, written)


def test_a_change_of_section_moves_a_student_and_keeps_the_password(store: Store, tmp_path: Path) -> None:
    hub = HubInMemory()
    run(CLASS, store, hub, tmp_path / "passwords.csv")
    hub.users["s2"].add("chess")
    before = store.find("s2")
    assert run(CLASS.replace(",B,", ",A,"), store, hub, None).sentence == "0 added, 1 changed, 2 unchanged."
    assert hub.users["s2"] == {"role-student", "section-a", "chess"}
    after = store.find("s2")
    assert before
    assert after
    assert (before.password, after.section) == (after.password, "A")


def test_who_left_the_roster_stays(store: Store, tmp_path: Path) -> None:
    hub = HubInMemory()
    run(CLASS, store, hub, tmp_path / "passwords.csv")
    outcome = run("name,id,section\nAl,s1,A\n", store, hub, None)
    assert outcome.sentence == "0 added, 0 changed, 1 unchanged. 2 not in this roster, and left as they are."
    assert store.find("s2")


def test_who_left_a_whole_class_loses_access_and_comes_back_with_the_same_password(
    store: Store, tmp_path: Path
) -> None:
    hub, file = HubInMemory(), tmp_path / "passwords.csv"
    run(CLASS, store, hub, file)
    outcome = run("name,id,section\nAl,s1,A\n", store, hub, None, whole=True)
    assert outcome.sentence == (
        "0 added, 0 changed, 1 unchanged. 1 left the class: their access ends, their work and marks stay. "
        "1 not in this roster, and left as they are."
    )
    assert hub.users == {
        "admin": {"staff"},
        "s1": {"role-student", "section-a"},
        "prof": {"role-instructor"},  # a list of students says nothing of instructors
    }
    with pytest.raises(sign_in.NoEntryError, match="not in this class any more"):
        sign_in.check(store, "s2", handed_out(file)["s2"], "10.0.0.1")
    assert run(CLASS, store, hub, None).sentence == "0 added, 1 changed, 2 unchanged."
    assert hub.users["s2"] == {"role-student", "section-b"}
    assert sign_in.check(store, "s2", handed_out(file)["s2"], "10.0.0.1")


def test_access_that_could_not_be_ended_is_ended_by_the_next_roster(store: Store, tmp_path: Path) -> None:
    hub = HubThatEndsNobodysAccess()
    run(CLASS, store, hub, tmp_path / "passwords.csv")
    with pytest.raises(HubError):
        run("name,id,section\nAl,s1,A\n", store, hub, None, whole=True)
    mended = HubInMemory()
    mended.users = hub.users
    run("name,id,section\nAl,s1,A\n", store, mended, None)
    assert "s2" not in mended.users


def test_what_a_roster_did_is_on_record(store: Store, tmp_path: Path) -> None:
    hub = HubInMemory()
    run(CLASS, store, hub, tmp_path / "passwords.csv")
    run("name,id,section,role\nAl,s1,C,grader\nProf,prof,,student\n", store, hub, None, whole=True)
    with store.read() as connection:
        found, count = acts.some(connection, most=3)
    assert count == 6
    assert {(act.who, act.what, act.whom, act.detail) for act in found} == {
        ("make roster", "moved", "s1", "student, section A -> grader, section C"),
        ("make roster", "moved", "prof", "instructor -> student"),
        ("make roster", "left the class", "s2", ""),
    }
    assert hub.users["prof"] == {"role-student"}


def test_admin_of_a_roster_is_an_instructor_too(store: Store, tmp_path: Path) -> None:
    hub = HubInMemory()
    run("name,id,role\nEve,eve,admin\n", store, hub, tmp_path / "p.csv")
    assert hub.users["eve"] == {"role-admin", "role-instructor"}


def test_a_squatter_loses_the_account_to_its_owner(store: Store, tmp_path: Path) -> None:
    sign_in.sign_up(store, "s1", "Squatter", "correct horse battery", "correct horse battery", "10.0.0.1")
    file = tmp_path / "passwords.csv"
    outcome = run(CLASS, store, HubInMemory(), file)
    assert "1 had signed up themselves (s1)" in outcome.sentence
    assert sign_in.check(store, "s1", "correct horse battery", "10.0.0.1") is None
    assert sign_in.check(store, "s1", handed_out(file)["s1"], "10.0.0.1")


def test_the_admin_may_be_in_the_roster_and_keeps_the_password(store: Store) -> None:
    store.add(
        Account("prof", "Administrator", origin="deploy", password=passwords.hashed("x"), one_time=False)
    )
    outcome = run("name,id,role\nProf,prof,instructor\n", store, HubInMemory(), None)
    assert outcome.sentence == "0 added, 1 changed, 0 unchanged."
    account = store.find("prof")
    assert account
    assert passwords.matches(account.password, "x")


@pytest.mark.parametrize("what", ["hub away", "no file named", "file in no folder", "file is a link"])
def test_what_goes_wrong_at_first_changes_nothing(store: Store, tmp_path: Path, what: str) -> None:
    file = {"no file named": None, "file in no folder": tmp_path / "no" / "p.csv"}.get(
        what, tmp_path / "p.csv"
    )
    if what == "file is a link":
        (tmp_path / "p.csv").symlink_to("target.csv")
    hub = HubThatIsAway() if what == "hub away" else HubInMemory()
    with pytest.raises((HubError, reading.RosterError, OSError)):
        run(CLASS, store, hub, file)
    assert store.everyone() == []
    assert hub.users == {"admin": {"staff"}}
    assert not (tmp_path / "target.csv").exists()


def test_a_hub_that_falls_silent_midway_is_made_up_for(store: Store, tmp_path: Path) -> None:
    file, hub = tmp_path / "p.csv", HubInMemory()
    with pytest.raises(HubError):
        run(CLASS, store, HubThatGoesAway(), file)
    assert run(CLASS, store, hub, None).sentence == "0 added, 3 changed, 0 unchanged."
    assert hub.users["s1"] == {"role-student", "section-a"}
    assert len(handed_out(file)) == 3


def test_a_second_class_does_not_overwrite_passwords_not_yet_handed_out(store: Store, tmp_path: Path) -> None:
    file, hub = tmp_path / "p.csv", HubInMemory()
    run(CLASS, store, hub, file)
    run("name,id\nZoe,s9\n", store, hub, file)
    assert set(handed_out(file)) == {"s1", "s2", "prof", "s9"}


@pytest.mark.parametrize("name", ['=HYPERLINK("x")', "+1", "-1", "@SUM(A1)"])
def test_a_name_does_not_become_a_formula_in_the_instructors_spreadsheet(name: str) -> None:
    assert handing_out.harmless(name) == f"'{name}"
    assert handing_out.harmless("Mia = Al") == "Mia = Al"
