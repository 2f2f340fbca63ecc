"""Putting a calendar in force, and showing it."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path

from course.calendar import PUBLISHED, SOURCE, Calendar, CalendarError, Entry, dumps, short
from course.calendar.checking import LONGEST, check
from course.manifest import Manifest, Track


def written(folder: Path) -> str:
    """What the instructor wrote.

    Raises:
        CalendarError: it is not there, or cannot be read.
    """
    source = folder / SOURCE
    try:
        if source.exists() and not source.is_file():  # reading a pipe or a device might never end
            raise CalendarError(f"{SOURCE} is no file. Put one there.")
        with source.open(encoding="utf-8") as stream:
            return stream.read(LONGEST + 1)
    except FileNotFoundError:
        raise CalendarError(
            f"{SOURCE} is missing. For a class without dates, put an empty file there."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CalendarError(f"{SOURCE} cannot be read ({getattr(error, 'strerror', error)}).") from error


def publish(folder: Path, course: Manifest) -> Calendar:
    """Check the folder's calendar.yml and put it in force. May be called again and again.

    Raises:
        CalendarError: it has faults, or cannot be read or written; what was in force stays so.
    """
    calendar = check(written(folder), course)
    target, text = folder / PUBLISHED, dumps(calendar)
    try:
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            write(target, text)
    except OSError as error:
        raise CalendarError(f"{target} cannot be written ({error.strerror}).") from error
    return calendar


def write(path: Path, text: str) -> None:
    """Whole or not at all: students read it at any moment."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), 0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def table(calendar: Calendar, track: Track, moment: datetime) -> str:
    """The calendar of a track as people read it."""
    heads = ("", "", "opens", "due", "weight", "help", "")
    rows = [heads]
    for step in track.steps:
        entry = calendar.module(step.module.slug)
        rows.append((str(step.number), step.module.slug, *_columns(entry, moment, step.optional)))
        for stop in track.stops:
            if stop.after == step.module.slug:
                entry = calendar.milestone(stop.milestone.slug)
                opens, due, weight, _, notes = _columns(entry, moment, False)
                rows.append(("", f"  {stop.milestone.slug}", opens, due, weight, "", notes))
    for name, entry in calendar.assignments.items():
        opens, due, weight, _, notes = _columns(entry, moment, False)
        rows.append(("", name, opens, due, weight, "", notes))
    widths = [max(len(row[n]) for row in rows) for n in range(len(heads))]
    lines = (
        "  ".join(text.rjust(width) if n == 0 else text.ljust(width) for n, (text, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    )
    return "\n".join(line.rstrip() for line in lines)


def _columns(entry: Entry, moment: datetime, optional: bool) -> tuple[str, str, str, str, str]:
    notes = []
    if entry.skipped:
        notes.append("skipped")
    elif optional:
        notes.append("chosen" if entry.chosen else "optional")
    if not entry.is_open(moment):
        notes.append("held" if entry.held else "not open yet")
    elif entry.is_over(moment):
        notes.append("over")
    notes += _rules(entry)
    given = (entry.allow_hints, entry.allow_restore_after_due, entry.allow_catch_up)
    names = ("hints", "restore", "catch-up")
    return (
        short(entry.opens) if entry.opens else "-",
        short(entry.due) if entry.due else "-",
        f"{entry.weight:g}",
        " ".join(name for name, allowed in zip(names, given, strict=True) if allowed),
        ", ".join(notes),
    )


def _rules(entry: Entry) -> list[str]:
    """What holds for handing in, in few words."""
    if entry.exam_minutes is not None:
        rules = [f"exam of {entry.exam_minutes} min"]
    elif entry.due is None:
        rules = []
    else:
        rules = [f"{entry.late_grace:g} min of grace"] if entry.late_grace else []
        if entry.late_per_day and entry.late_days != 0:
            rules.append(f"late: -{entry.late_per_day * 100:g}% a day")
        if entry.late_days is not None:
            days = f"{entry.late_days} day{'' if entry.late_days == 1 else 's'}"
            rules.append(f"taken for {days} after" if entry.late_days else "not taken late")
    rules += ["best counts"] if entry.counts == "best" else []
    rules += [f"{entry.attempts} attempts"] if entry.attempts else []
    rules += [f"{entry.attempts_per_day} a day"] if entry.attempts_per_day else []
    return rules
