"""The calendar as it holds for one student: the grading service knows extensions, excuses and attempts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from course.calendar import Calendar, Entry
from course.tito import TitoError, places
from course.tito.places import Places

TIMEOUT = 3  # seconds: without the service, the class's calendar does


@dataclass(frozen=True)
class Own:
    """A calendar with the student's own deadlines, and what else is to be said of some slugs, in short."""

    calendar: Calendar
    notes: Mapping[str, str] = field(default_factory=dict)


def read(where: Places) -> Own:
    """What holds for this student; where the service does not answer, what holds for the class."""
    calendar = places.calendar(where)
    if not os.environ.get("TT_GRADING_URL"):
        return Own(calendar)
    from course.tito import api  # it takes a while to import, and is of use in a classroom only

    try:
        told = api.get("calendar", TIMEOUT)
        return _merged(calendar, told["modules"], told["milestones"])
    except (TitoError, KeyError, TypeError, ValueError):
        return Own(calendar)


def _merged(calendar: Calendar, modules: list[Any], milestones: list[Any]) -> Own:
    notes = {each["slug"]: note for each in (*modules, *milestones) if (note := _note(each))}
    return Own(
        replace(
            calendar,
            modules={each["slug"]: _own(calendar.module(each["slug"]), each) for each in modules},
            milestones={each["slug"]: _own(calendar.milestone(each["slug"]), each) for each in milestones},
        ),
        notes,
    )


def _own(entry: Entry, told: Mapping[str, Any]) -> Entry:
    return replace(entry, due=datetime.fromisoformat(told["due"]) if told["due"] else None)


def _note(told: Mapping[str, Any]) -> str:
    left = told.get("attempts_left")
    notes = ["excused"] if told.get("excused") else []
    notes += ["exam"] if told.get("exam") else []
    notes += ["your own deadline"] if told.get("extended") else []
    notes += [f"{left} {'attempt' if left == 1 else 'attempts'} left"] if left is not None else []
    return ", ".join(notes)
