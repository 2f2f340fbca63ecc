"""A whole classroom comes to its place by renames only, at whatever instant they are cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup import restoring
from backup.places import Places
from backup.problems import Problem

NAMES = ("course", "grading", "homes", "hub", "secrets")


def classroom(folder: Path, whose: str) -> None:
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        (folder / name / "whose").write_text(whose)


def whose(places: Places) -> list[str]:
    return [(places.state / name / "whose").read_text() for name in NAMES]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A state folder with what `fetch` made."""
    classroom(tmp_path / ".restoring" / "whole", "restored")
    return Places(tmp_path, tmp_path / "own", tmp_path / "repository")


def test_an_empty_place_is_filled(places: Places) -> None:
    (places.state / "lost+found").mkdir()
    assert restoring.settle(places, replace=False) == ""
    assert whose(places) == ["restored"] * len(NAMES)
    assert not (places.state / ".restoring").exists()


def test_a_classroom_is_never_replaced_unasked(places: Places) -> None:
    classroom(places.state, "present")
    for step in (restoring.settle, lambda places, replace: restoring.fetch(places, "latest", replace)):
        with pytest.raises(Problem, match="holds a classroom already, so nothing was changed"):
            step(places, replace=False)
    assert whose(places) == ["present"] * len(NAMES)


def test_a_classroom_that_is_replaced_is_set_aside_whole(places: Places) -> None:
    classroom(places.state, "present")
    told = restoring.settle(places, replace=True)
    (aside,) = places.state.glob("before-restore-*")
    assert aside.name in told
    assert [(aside / name / "whose").read_text() for name in NAMES] == ["present"] * len(NAMES)
    assert whose(places) == ["restored"] * len(NAMES)


@pytest.mark.parametrize("renames", range(2 * len(NAMES) + 1))
def test_cut_off_at_any_rename_it_goes_on_and_loses_nothing(
    places: Places, renames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    classroom(places.state, "present")
    rename, left = Path.rename, [renames]

    def cut_off(self: Path, target: Path) -> Path:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", cut_off)
        with pytest.raises(KeyboardInterrupt):
            restoring.settle(places, replace=True)
    restoring.settle(places, replace=True)
    assert whose(places) == ["restored"] * len(NAMES)
    aside = [(path.parent.name, path.read_text()) for path in places.state.glob("before-restore-*/*/whose")]
    assert sorted(aside) == [(name, "present") for name in NAMES]
