from pathlib import Path

import pytest

from hub.profiles import TYPICAL, Profiles, read
from hub.tests.environment import profiles
from hub.warm import pace
from hub.warm.choosing import NobodyError, choose
from hub.warm.hub_api import User


def room(servers: int) -> Profiles:
    return read(profiles(large={"guarantee": 3 * TYPICAL}), servers * TYPICAL)


def user(name: str, *groups: str, active: bool = False) -> User:
    return User(name, frozenset(groups), active)


CLASS = [
    user("admin"),
    user("classroom-probe"),
    user("grace", "role-instructor", "section-a", active=True),
    user("zoe", "role-student", "section-übung-1"),
    user("ben", "role-student", "section-a"),
    user("ada", "role-student", "section-a", active=True),
    user("signed-up"),
]


def test_staff_are_no_students_and_a_section_is_found_as_the_roster_writes_it() -> None:
    everybody = choose(CLASS, "", "admin", room(100))
    assert everybody.cold == ["ben", "signed-up", "zoe"]
    assert everybody.running == ["ada"]
    assert choose(CLASS, "Übung  1", "admin", room(100)).cold == ["zoe"]


def test_whoever_runs_already_takes_room_too() -> None:
    chosen = choose(CLASS, "", "admin", room(4))
    assert (chosen.cold, chosen.outside) == (["ben", "signed-up"], ["zoe"])
    assert choose(CLASS, "", "admin", room(1)).cold == []


def test_what_runs_with_a_guarantee_takes_as_much() -> None:
    zoe = User("zoe", frozenset(), True, "large")
    chosen = choose([zoe, *(user(name) for name in "abc")], "", "admin", room(5))
    assert (chosen.cold, chosen.outside, chosen.room) == (["a", "b"], ["c"], 3)


def test_a_class_without_students_and_a_section_without_people_are_said() -> None:
    with pytest.raises(NobodyError, match=r"make roster FILE=class\.csv"):
        choose(CLASS[:3], "", "admin", room(1))
    with pytest.raises(NobodyError, match=r"Nobody is in section 'B'\. There are: a, übung-1\."):
        choose(CLASS, "B", "admin", room(1))
    with pytest.raises(NobodyError, match="The roster names no sections: leave SECTION out"):
        choose([user("ada")], "B", "admin", room(1))


def test_the_pace_follows_the_machine(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 100 800 0 0 0 0 0 0\n")
    look = pace.Pace(stat)
    stat.write_text("cpu  150 0 150 900 0 0 0 0 0 0\n")
    assert not look.is_busy()
    stat.write_text("cpu  200 0 200 920 0 0 0 80 0 0\n")  # 80 of it are a neighbour's
    assert look.is_busy()
    assert not look.is_busy(), "no time has passed: nothing is known"


def test_a_busy_machine_makes_it_wait_but_not_for_good(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pace, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(pace, "PATIENCE", 0.05)
    looks = []
    stat = tmp_path / "stat"
    stat.write_text("cpu  0 0 0 0 0 0 0 0 0 0\n")
    always = pace.Pace(stat)
    monkeypatch.setattr(always, "is_busy", lambda: looks.append(1) or True)
    always.wait()
    assert len(looks) > 1
