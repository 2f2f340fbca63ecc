"""`tito status` and `tito map`: where a student is, from what lies on disk, with their own deadlines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from course.calendar import Calendar, Entry, now, short, words
from course.manifest import Manifest, Module, Step, Track
from course.restored import is_restored
from course.tito import TitoError, own_calendar, places
from course.tito.places import Places
from course.tito.terminal import number, paint, say
from course.tito.update import outdated

Marks = dict[str, Any]


def status(where: Places) -> int:
    """Print the way, the next step, and why it comes next."""
    course, own, moment = places.manifest(where), own_calendar.read(where), now()
    calendar, track = own.calendar, course.track()
    marks = places.remembered(where)
    say(paint(f"{track.title} ({track.name})", "strong"))
    say()
    dated = any(entry.due for entry in (*calendar.modules.values(), *calendar.milestones.values()))
    print(f"      {'module':<25} {'state':<18} {'points':>8}{'  due' if dated else ''}")
    for step in track.steps:
        module, entry = step.module, calendar.module(step.module.slug)
        title = module.title + (" (optional)" if step.optional and not entry.chosen else "")
        mark = marks.get(f"module/{module.slug}")
        state = _module_state(where, step, mark, entry, moment)
        worth = module.points + module.by_hand if module.available else 0
        row = _row(f" {step.number:>3}  {title:<25}", state, mark, worth, entry, moment)
        print(_noted(row, own.notes.get(module.slug)))
        for stop in track.stops:
            if stop.after == module.slug:
                milestone, entry = stop.milestone, calendar.milestone(stop.milestone.slug)
                mark = marks.get(f"milestone/{milestone.slug}")
                state = _waiting(mark, "passed" if (mark or {}).get("passed") else "not passed yet")
                state = state or _before(milestone.available, entry, moment)
                worth = milestone.points if milestone.available else 0
                row = _row(f"      Milestone {milestone.slug:<15}", state, mark, worth, entry, moment)
                print(_noted(row, own.notes.get(milestone.slug)))
    say()
    for line in _next(where, course, calendar, marks, moment):
        say(line)
    for slug in (slug for slug in course.modules if outdated(where, slug)):
        say(f"The course has corrected {slug}.ipynb; what you wrote stays: tito update {slug}")
    return 0


def next_module(where: Places, course: Manifest) -> str:
    """The first module of the path that is not exported completely; one that is not open yet is no way on."""
    calendar = places.calendar(where)
    for module in _path(course, calendar):
        if not places.finished(where, module.slug):
            if reason := calendar.module(module.slug).closed(module.slug, now()):
                raise TitoError(f"You have exported every module that is open. {reason}")
            return module.slug
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


def _path(course: Manifest, calendar: Calendar) -> Iterator[Module]:
    """The modules that this class goes through: optional ones if they are chosen, none that is skipped."""
    for step in course.track().steps:
        entry = calendar.module(step.module.slug)
        if step.module.available and not entry.skipped and (entry.chosen or not step.optional):
            yield step.module


def _row(begin: str, state: str, mark: Marks | None, worth: int, entry: Entry, moment: datetime) -> str:
    points = str(worth) if worth else ""
    if mark and mark.get("state") == "graded":
        points = f"{number(mark['score'])} of {number(mark['max_score'])}"
    if entry.weight != 1 and worth:
        points += f" x{entry.weight:g}"
    due = "" if entry.skipped or not entry.due else short(entry.due)
    if entry.due and due and not mark and entry.is_over(moment):
        due = f"over, {entry.due:%a} {entry.due.day:>2} {entry.due:%b}"
    quiet = state in ("open", "to come", "skipped") or not entry.is_open(moment)
    state = paint(f"{state:<18}", "quiet") if quiet else f"{state:<18}"
    return f"{begin} {state} {points:>8}  {due}".rstrip()


def _noted(row: str, note: str | None) -> str:
    return f"{row}  ({note})" if note else row


def _module_state(where: Places, step: Step, mark: Marks | None, entry: Entry, moment: datetime) -> str:
    slug = step.module.slug
    source = places.exported(where, slug)
    if is_restored(source):
        return "the course's own"
    if state := _waiting(mark, "marked"):
        return state
    if source:
        return "exported" if places.finished(where, slug) else "exported in part"
    if where.notebook(slug).is_file():
        return "begun"
    return _before(step.module.available, entry, moment)


def _waiting(mark: Marks | None, marked: str) -> str:
    """The state of what was handed in; '' if nothing was."""
    if not mark:
        return ""
    return marked if mark.get("state") == "graded" else "handed in"


def _before(available: bool, entry: Entry, moment: datetime) -> str:
    """The state of what was not begun."""
    if entry.skipped:
        return "skipped"
    if not available:
        return "to come"
    if entry.is_open(moment):
        return "open"
    return (
        "not open yet" if entry.held or not entry.opens else f"opens {entry.opens.day} {entry.opens:%b %H:%M}"
    )


def _next(
    where: Places, course: Manifest, calendar: Calendar, marks: Marks, moment: datetime
) -> Iterator[str]:
    waiting = [key.split("/")[1] for key, mark in marks.items() if mark.get("state") in ("queued", "grading")]
    if waiting:
        yield f"Next: tito mark {waiting[0]}"
        return
    module = next((m for m in _path(course, calendar) if not places.finished(where, m.slug)), None)
    if module is None:
        yield "You have exported every module that is there."
        return
    slug, entry = module.slug, calendar.module(module.slug)
    if reason := entry.closed(slug, moment):
        yield f"You have exported every module that is open. {reason}"
        return
    here = f"You are at {course.track().step(slug).number}, {module.title}."
    if entry.due:
        here += f" It {'was' if entry.is_over(moment) else 'is'} due {words(entry.due)}."
    yield here
    if module.why:
        yield f"Why: {module.why}"
    if not where.notebook(slug).is_file():
        yield f"Next: tito start {slug}"
    else:
        yield f"Next: solve {slug}.ipynb, then: tito test {slug}, tito export {slug}, tito submit {slug}"
