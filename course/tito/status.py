"""`tito status` and `tito map`: where a student is, from what lies on disk; the network is not asked."""

from __future__ import annotations

import json
from typing import Any

from course.export import UNSOLVED
from course.manifest import Manifest, Step, Track
from course.tito import TitoError, places
from course.tito.places import Places
from course.tito.terminal import number, paint, say


def status(where: Places) -> int:
    """Print the way and the next step."""
    course = places.manifest(where)
    track = course.track()
    marks = places.remembered(where)
    say(paint(f"{track.title} ({track.name})", "strong"))
    for step in track.steps:
        title = step.module.title + (" (optional)" if step.optional else "")
        print(f" {step.number:>3}  {title:<28} {_module_state(where, step, marks)}")
        for stop in track.stops:
            if stop.after == step.module.slug:
                state = _mark(marks.get(f"milestone/{stop.milestone.slug}"))
                state = state or ("open" if stop.milestone.available else "to come")
                print(f"      Milestone: {stop.milestone.slug:<17} {_quiet(state)}")
    say()
    say(_next(where, course, marks))
    return 0


def next_module(where: Places, course: Manifest) -> str:
    """The first module of the track that is not exported completely."""
    for step in course.track().steps:
        if step.module.available and not step.optional and not _finished(where, step.module.slug):
            return step.module.slug
    raise TitoError(
        "You have exported every module that is there. Name the one you mean, e.g.: tito start tensor"
    )


def show_map(where: Places, name: str | None, as_json: bool) -> int:
    """Print a track's modules in order, and its milestones."""
    track = places.manifest(where).track(name)
    if as_json:
        print(json.dumps(_map(track)))
        return 0
    say(f"{track.name}: {track.title}")
    for step in track.steps:
        notes = ("optional",) * step.optional + ("to come",) * (not step.module.available)
        print(f" {step.number:>3}  {step.module.slug:<16} {', '.join(notes)}".rstrip())
    for stop in track.stops:
        print(f"Milestone {stop.milestone.slug} after {stop.after}")
    return 0


def _map(track: Track) -> dict[str, Any]:
    return {
        "track": track.name,
        "modules": [
            {
                "number": step.number,
                "slug": step.module.slug,
                "optional": step.optional,
                "available": step.module.available,
            }
            for step in track.steps
        ],
        "milestones": [{"slug": stop.milestone.slug, "after": stop.after} for stop in track.stops],
    }


def _finished(where: Places, slug: str) -> bool:
    path = where.package / f"{slug}.py"
    return path.is_file() and UNSOLVED not in path.read_text(encoding="utf-8", errors="replace")


def _module_state(where: Places, step: Step, marks: dict[str, Any]) -> str:
    slug = step.module.slug
    mark = _mark(marks.get(f"module/{slug}"))
    if mark:
        return mark
    if (where.package / f"{slug}.py").is_file():
        return "exported" if _finished(where, slug) else "exported in part"
    if where.notebook(slug).is_file():
        return "begun"
    return _quiet("open" if step.module.available else "to come")


def _mark(mark: dict[str, Any] | None) -> str:
    """A submission's state in a few words."""
    if not mark:
        return ""
    if mark.get("state") != "graded":
        return "handed in"
    text = f"{number(mark['score'])} of {number(mark['max_score'])} points"
    return text + {True: ", passed", False: ", not passed yet", None: ""}[mark.get("passed")]


def _next(where: Places, course: Manifest, marks: dict[str, Any]) -> str:
    waiting = [key.split("/")[1] for key, mark in marks.items() if mark.get("state") in ("queued", "grading")]
    if waiting:
        return f"Next: tito mark {waiting[0]}"
    try:
        slug = next_module(where, course)
    except TitoError:
        return "You have exported every module that is there."
    if not where.notebook(slug).is_file():
        return f"Next: tito start {slug}"
    return f"Next: solve {slug}.ipynb, then: tito test {slug}, tito export {slug}, tito submit {slug}"


def _quiet(text: str) -> str:
    return paint(text, "quiet")
