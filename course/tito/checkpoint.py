"""`tito checkpoint`: what the student's own framework can do now, tried on the spot.

Each checkpoint is a small test in a process of its own. What came out is kept until one of the modules that
it stands on changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

from course.manifest import HERE, Checkpoint, Manifest
from course.restored import is_restored
from course.tito import places
from course.tito.places import Places
from course.tito.terminal import paint, say

SECONDS = 30  # for one checkpoint
KEPT = "checkpoints.json"


def show_all(where: Places) -> int:
    """Try every checkpoint that the student has the modules for, and list them all."""
    course = places.manifest(where)
    say(paint("Your framework now:", "strong"))
    failed = 0
    for checkpoint in _of_track(where, course):
        if missing := _missing(where, course, checkpoint):
            print(f" {paint('not yet', 'quiet')}  {checkpoint.title}")
            say(f"It needs {', '.join(missing)}.", indent=10)
            continue
        good, said = _tried(where, course, checkpoint)
        failed += not good
        _show(checkpoint, good, said)
    say()
    say(_next(where, course))
    return 1 if failed else 0


def show_completed(where: Places, slug: str) -> None:
    """Try the checkpoints that a module completes, and name the next."""
    course = places.manifest(where)
    tried = [
        each
        for each in _of_track(where, course)
        if slug in each.requires and not _missing(where, course, each)
    ]
    for checkpoint in tried:
        say()
        say("Your framework now:")
        _show(checkpoint, *_tried(where, course, checkpoint))
    if tried:
        say()
        say(_next(where, course))


def _show(checkpoint: Checkpoint, good: bool, said: str) -> None:
    sign = paint("    yes", "good") if good else paint("     no", "bad")
    print(f" {sign}  {checkpoint.title}")
    if said:
        say(said if good else f"It fails because: {said}", indent=10)


def _next(where: Places, course: Manifest) -> str:
    for checkpoint in _of_track(where, course):
        if missing := _missing(where, course, checkpoint):
            return f"Next it {checkpoint.title}: that needs {', '.join(missing)}."
    return "That is all that there is to try so far."


def _of_track(where: Places, course: Manifest) -> list[Checkpoint]:
    """The checkpoints that this track leads to and whose test is there."""
    there = {step.module.slug for step in course.track().steps if step.module.available}
    return [
        each
        for each in course.checkpoints.values()
        if there.issuperset(each.requires) and where.official_checkpoint(each.slug).is_file()
    ]


def _missing(where: Places, course: Manifest, checkpoint: Checkpoint) -> list[str]:
    """The modules that a checkpoint stands on and that are not finished."""
    return [need for need in course.closure(checkpoint.requires) if not places.finished(where, need)]


def _tried(where: Places, course: Manifest, checkpoint: Checkpoint) -> tuple[bool, str]:
    """Whether the framework can do it, and what the test said; from memory where nothing has changed."""
    needs = course.closure(checkpoint.requires)
    script = where.official_checkpoint(checkpoint.slug)
    text = "\0".join([script.read_text(encoding="utf-8"), *(places.exported(where, need) for need in needs)])
    digest = hashlib.sha256(text.encode()).hexdigest()
    kept = places.read_own(where.own(KEPT))
    known = kept.get(checkpoint.slug)
    if not isinstance(known, dict) or known.get("of") != digest:
        known = {"of": digest, **_run(where, checkpoint.slug)}
        places.write_own(where.own(KEPT), {**kept, checkpoint.slug: known})
    said = str(known["said"])
    borrowed = [need for need in needs if is_restored(places.exported(where, need))]
    if borrowed and known["good"]:
        said += f" With the course's own {', '.join(borrowed)}."
    return bool(known["good"]), said.strip()


def _run(where: Places, slug: str) -> dict[str, Any]:
    """Run a checkpoint's test on the student's package."""
    search = f"{where.work}{os.pathsep}{HERE.parent}"
    environment = {**os.environ, "PYTHONPATH": search, "MPLBACKEND": "Agg"}
    try:
        ended = subprocess.run(  # noqa: S603 (the course's test of the student's own code)
            [sys.executable, "-m", "course.tito.trying", str(where.official_checkpoint(slug))],
            cwd=where.work,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
        found = json.loads(ended.stdout)
        return {"good": bool(found["good"]), "said": str(found["said"])}
    except subprocess.TimeoutExpired:
        return {"good": False, "said": f"it took more than {SECONDS} seconds. Is there a loop without end?"}
    except (ValueError, KeyError, TypeError):
        return {
            "good": False,
            "said": "the process ended. Does your code call exit, or need too much memory?",
        }
