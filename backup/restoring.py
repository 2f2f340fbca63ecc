"""A whole classroom comes back: first beside what is there, then in its place.

Both steps can be killed at any instant. `fetch` touches nothing but its own folder; `settle` only renames,
and a second one goes on where it was cut off.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path

from backup.places import ASIDE, LEFT_OUT, UNFINISHED, Places
from backup.problems import Problem
from backup.restic import Repository, Snapshot

SETTINGS = "settings.yml"  # what the deploy was told, as the deploy left it in the state folder


def settings(places: Places, wanted: str) -> str:
    """The settings file of a backed-up classroom."""
    repository = Repository(places)
    with repository.locked(alone=False):
        snapshot = repository.snapshot(wanted)
        found = repository.run("dump", "--no-lock", snapshot.id, str(places.state / SETTINGS))
    return found.text


def fetch(places: Places, wanted: str, replace: bool) -> str:
    """Get a backup whole into its own folder within the state folder; what to tell the admin.

    Args:
        replace: whether a classroom that is there may be set aside later.

    Raises:
        Problem: it cannot be had, or there is a classroom; nothing is changed.
    """
    part = places.state / UNFINISHED
    if (part / "moving").is_dir():
        return "An earlier restore was cut off while it moved things to their places; it goes on."
    _refuse_to_replace(places, replace)
    shutil.rmtree(part, ignore_errors=True)
    repository = Repository(places)
    with repository.locked(alone=False):
        snapshot = repository.snapshot(wanted)
        _expect_room(places, repository, snapshot)
        part.mkdir(mode=0o700)
        try:
            repository.run("restore", "--no-lock", snapshot.id, "--target", str(part))
        except Problem:
            shutil.rmtree(part, ignore_errors=True)
            raise
    copies, whole = part / places.copies.relative_to("/"), part / places.state.relative_to("/")
    for copy in sorted(path for path in copies.rglob("*") if path.is_file()):
        target = whole / copy.relative_to(copies)
        _make_like(target.parent, copy.parent)
        copy.rename(target)
    whole.rename(part / "whole")
    return f"Fetched {snapshot}."


def settle(places: Places, replace: bool) -> str:
    """Move what was fetched to its place; what to tell the admin."""
    part = places.state / UNFINISHED
    aside = ""
    if not (part / "moving").is_dir():
        _refuse_to_replace(places, replace)
        aside = _set_aside(places)
        (part / "whole").rename(part / "moving")
    for entry in sorted((part / "moving").iterdir()):
        entry.rename(places.state / entry.name)
    shutil.rmtree(part)
    return f"What was there before is in {aside}: delete it when nobody misses anything." if aside else ""


def _present(places: Places) -> list[Path]:
    """What a backup would bring. Data sets and the like stay where they are: no backup has them."""
    own = (ASIDE, UNFINISHED)
    return [
        entry
        for entry in places.state.iterdir()
        if entry.name not in LEFT_OUT and not entry.name.startswith(own)
    ]


def _refuse_to_replace(places: Places, replace: bool) -> None:
    if _present(places) and not replace:
        raise Problem(
            "The state folder holds a classroom already, so nothing was changed. `make restore REPLACE=yes` "
            "sets it aside and puts the backup in its place; `make restore USER=NAME` brings back one "
            "student's files."
        )


def _set_aside(places: Places) -> str:
    present = _present(places)
    if not present:
        return ""
    aside = places.state / (ASIDE + datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S"))
    aside.mkdir(mode=0o700, exist_ok=True)
    for entry in present:
        entry.rename(aside / entry.name)
    return f"STATE/{aside.name}"


def _expect_room(places: Places, repository: Repository, snapshot: Snapshot) -> None:
    stated = repository.run("stats", "--no-lock", "--json", "--mode", "restore-size", snapshot.id).lines
    need, free = int(stated[0]["total_size"]), shutil.disk_usage(places.state).free
    if free < need:
        raise Problem(
            f"The backup takes {need:,} bytes, but the disk of the state folder has {free:,} left. "
            "Make room there, or set state: in the settings to a folder on a larger disk."
        )


def _make_like(folder: Path, like: Path) -> None:
    """A folder that only a database was in."""
    if folder.is_dir():
        return
    _make_like(folder.parent, like.parent)
    folder.mkdir()
    shutil.copystat(like, folder)
    owner = like.stat()
    shutil.chown(folder, owner.st_uid, owner.st_gid)
