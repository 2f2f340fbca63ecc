"""`tito milestone`: what the student's own framework can do."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from course.manifest import Manifest, Milestone
from course.restored import restored_in
from course.tito import TitoError, api, places
from course.tito.places import Places
from course.tito.start import milestone_script
from course.tito.submit import send
from course.tito.terminal import paint, say


def show_list(where: Places) -> int:
    """Print the track's milestones."""
    for number, stop in enumerate(places.manifest(where).track().stops, start=1):
        state = "" if stop.milestone.available else paint("to come", "quiet")
        print(f" {number:>2}  {stop.milestone.slug:<18} after {stop.after:<14} {state}".rstrip())
    return 0


def info(where: Places, slug: str) -> int:
    """Print what a milestone asks for, and what is there of it."""
    course = places.manifest(where)
    milestone = course.milestone(slug)
    say(f"{paint(milestone.title, 'strong')} ({slug})")
    say(f"Passed at {milestone.passing:.0%}; worth {milestone.points} points.")
    for need in course.closure(milestone.requires):
        there = (where.package / f"{need}.py").is_file()
        print(f"  {need:<16} {'exported' if there else f'missing: tito export {need}'}")
    if not milestone.available:
        say("It is still to come.")
        return 0
    if left := _left(slug):
        say(left)
    say(f"Run it with: tito milestone run {slug}; hand it in with: tito milestone submit {slug}")
    return 0


def history(where: Places, slug: str | None) -> int:
    """Print every attempt at a milestone, or at all, the oldest first."""
    found = _told(slug)
    begun = [each for each in found if each["attempts"] or slug]
    if not begun:
        say("You have not handed in any milestone yet. See what there is with: tito milestone list")
    for each in begun:
        say(
            f"{paint(each['title'], 'strong')} ({each['slug']}): passed at {each['needed']:.0%}, private part"
        )
        if not each["attempts"]:
            say(f"No attempt yet. Hand in with: tito milestone submit {each['slug']}", indent=2)
        for attempt in reversed(each["attempts"]):
            print(_line(attempt))
            if attempt["reason"] and not attempt["passed"]:
                say(attempt["reason"], indent=6)
        if left := _sentence(each):
            say(left, indent=2)
    if begun and not all(each["private_shown"] for each in begun):
        say("The private part decides. What it came to is shown once it is passed, or the deadline is over.")
    return 0


def _line(attempt: dict[str, Any]) -> str:
    """An attempt in a line: when, what it reached, how long it took."""
    when = attempt["received_at"].replace("T", " ").removesuffix("Z")
    if attempt["state"] != "graded":
        return f"  {when}  {'could not be graded' if attempt['state'] == 'failed' else 'waits to be graded'}"
    shown = [f"public {_share(attempt['public'])}", f"private {_share(attempt['private'])}"]
    said = "passed" if attempt["passed"] else "not passed" if attempt["verified"] else "not verified"
    return f"  {when}  {', '.join(shown)}  {said:<12} {attempt['seconds'] or 0:6.1f} s"


def _share(value: float | None) -> str:
    return f"{'-' if value is None else format(value, '.1%'):>6}"


def _told(slug: str | None) -> list[dict[str, Any]]:
    """What the grading service knows of one's attempts."""
    answer = api.get(f"milestones?milestone={slug}" if slug else "milestones")
    found: list[dict[str, Any]] = answer["milestones"]
    return found


def _left(slug: str) -> str:
    """How many attempts are left, in a sentence; empty without a limit, or where nobody can be asked."""
    if not api.is_there():
        return ""
    try:
        return next((_sentence(each) for each in _told(slug)), "")
    except (TitoError, KeyError, TypeError):  # what else there is to say must not wait for it
        return ""


def _sentence(told: dict[str, Any]) -> str:
    today, ever = told["attempts_left_today"], told["attempts_left"]
    parts = [f"{today} today" if today is not None else "", f"{ever} in all" if ever is not None else ""]
    return f"Attempts left: {', '.join(filter(None, parts))}." if any(parts) else ""


def run(where: Places, slug: str, quick: bool) -> int:
    """Run a milestone's script on the student's own framework; its quick variant is a demonstration."""
    course = places.manifest(where)
    _require_exports(where, course, course.milestone(slug))
    script = where.milestones / f"{slug}.py"
    if not script.is_file():
        script = milestone_script(where, slug)
    environment = {**os.environ, "PYTHONPATH": str(where.work)}
    command = [sys.executable, str(script), *["--quick"] * quick]
    ended = subprocess.run(command, env=environment, check=False)  # noqa: S603 (their own)
    return ended.returncode


def submit(where: Places, slug: str, wait: bool) -> int:
    """Hand in the framework, the script and the weights that it saved."""
    course = places.manifest(where)
    _require_exports(where, course, course.milestone(slug))
    script = where.milestones / f"{slug}.py"
    weights = script.with_suffix(".npz")
    if not script.is_file() or not weights.is_file():
        raise TitoError(f"{weights} is not there: nothing was learned yet. Run: tito milestone run {slug}")
    files = {name: _text(path) for name, path in {**_package(where), script.name: script}.items()}
    if restored := restored_in(files):
        say(f"Note: {', '.join(restored)} is the course's own solution, and the result will say so.")
    return send(where, "milestone", slug, {"files": files, "weights": _arrays(weights)}, wait)


def _package(where: Places) -> dict[str, Path]:
    """The student's package, without what cannot be imported from it (checkpoints, copies)."""
    paths = ((path, path.relative_to(where.work)) for path in sorted(where.package.rglob("*.py")))
    return {
        name.as_posix(): path
        for path, name in paths
        if all(part.isidentifier() for part in name.with_suffix("").parts)
    }


def _require_exports(where: Places, course: Manifest, milestone: Milestone) -> None:
    missing = [n for n in course.closure(milestone.requires) if not (where.package / f"{n}.py").is_file()]
    if missing:
        raise TitoError(
            f"Milestone '{milestone.slug}' runs on your own {', '.join(missing)}, which you did not export "
            f"yet. Begin with: tito export {missing[0]}"
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TitoError(f"{path} is no text in UTF-8. Save it again as a plain Python file.") from error


def _arrays(path: Path) -> dict[str, str]:
    """The arrays of an .npz file: a zip of .npy files, sent as they are."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                name.removesuffix(".npy"): base64.b64encode(archive.read(name)).decode()
                for name in archive.namelist()
            }
    except zipfile.BadZipFile as error:
        raise TitoError(
            f"{path} holds no arrays. Save them with np.savez, or run the milestone again."
        ) from error
