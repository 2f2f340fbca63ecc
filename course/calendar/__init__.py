"""The class's calendar: what opens when, what is due when, what counts how often, and what help is given.

The instructor writes `calendar.yml`. It is checked whole, and what is right is published as `calendar.json`
beside it, with every time spelled out: that is what is in force, for the grading API and for each
student's `tito` alike. A faulty file changes nothing, so a slip of the pen never breaks a class. Without any
calendar everything is open and nothing is due. What is here imports neither yaml nor jsonschema: `tito`
reads the calendar with each command.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

FOLDER = Path("/srv/course")  # where the class's calendar is, for the grading service
SOURCE, PUBLISHED = "calendar.yml", "public/calendar.json"  # in that folder
TIMES = {"opens", "due"}
KINDS = {"module": "modules", "milestone": "milestones", "assignment": "assignments"}


class CalendarError(ValueError):
    """The calendar cannot be used; the message has one sentence for each fault, each on its own line."""


@dataclass(frozen=True)
class Entry:
    """What holds for one module, milestone or assignment. calendar.schema.yml explains each field.

    An exam (`exam_minutes`) is due when its time is over; students with extra time have longer.
    """

    opens: datetime | None = None
    due: datetime | None = None
    held: bool = False
    weight: float = 1
    skipped: bool = False
    chosen: bool = False
    allow_restore_after_due: bool = True
    allow_catch_up: bool = False
    allow_hints: bool = True
    late_grace: float = 0
    late_per_day: float = 0
    late_days: int | None = None
    counts: str = "last"
    attempts: int | None = None
    attempts_per_day: int | None = None
    exam_minutes: int | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether students may begin."""
        return not self.held and (self.opens is None or self.opens <= now)

    def is_over(self, now: datetime) -> bool:
        """Whether there was a deadline, and it has passed."""
        return self.due is not None and self.due < now

    def closed(self, name: str, now: datetime) -> str | None:
        """Why it is not open, in a sentence; None if it is."""
        if self.is_open(now):
            return None
        if self.held or self.opens is None:
            return f"'{name}' is not open yet. Your instructor opens it."
        return f"'{name}' is not open yet. It opens on {words(self.opens)}."

    def hints_refused(self, name: str) -> str | None:
        """Why there are no hints, in a sentence; None if there are."""
        if self.exam_minutes is not None:
            return f"'{name}' is an exam, so there are no hints."
        return None if self.allow_hints else f"The calendar gives no hints for '{name}'. Ask your instructor."

    def restore_refused(self, name: str, now: datetime) -> str | None:
        """Why the reference of this module is not given, in a sentence; None if it is."""
        if self.skipped or (self.is_over(now) and self.allow_restore_after_due):
            return None
        if not self.allow_restore_after_due:
            return f"The calendar does not give the solution of '{name}' to students. Ask your instructor."
        if self.due is None:
            return f"The solution of '{name}' is given after its deadline, and the calendar has none for it."
        return f"The solution of '{name}' is given after its deadline: {words(self.due)}."

    def catch_up_refused(self, name: str, now: datetime) -> str | None:
        """Why nobody may catch up to this module, in a sentence; None if one may."""
        if not self.allow_catch_up:
            return f"The calendar does not allow to catch up to '{name}'. Ask your instructor."
        return self.closed(name, now)


@dataclass(frozen=True)
class Calendar:
    """What is in force. Every module, milestone and assignment has an entry, named in the file or not."""

    timezone: str = "UTC"
    default: Entry = Entry()
    modules: Mapping[str, Entry] = field(default_factory=dict)
    milestones: Mapping[str, Entry] = field(default_factory=dict)
    assignments: Mapping[str, Entry] = field(default_factory=dict)  # an instructor's own, by nbgrader's name
    source: str = ""  # the digest of the file that this was read from

    def module(self, slug: str) -> Entry:
        """What holds for a module."""
        return self.modules.get(slug, self.default)

    def milestone(self, slug: str) -> Entry:
        """What holds for a milestone."""
        return self.milestones.get(slug, self.default)

    def entry(self, kind: str, slug: str) -> Entry:
        """What holds for a 'module', a 'milestone' or an 'assignment'."""
        entries: Mapping[str, Entry] = getattr(self, KINDS[kind])
        return entries.get(slug, self.default)

    def next_deadline(self, now: datetime) -> tuple[datetime | None, str]:
        """The next thing that is due: when, and its slug."""
        coming = [
            (entry.due, slug)
            for entries in (self.modules, self.milestones, self.assignments)
            for slug, entry in entries.items()
            if entry.due and entry.due > now and not entry.skipped
        ]
        return min(coming, default=(None, ""))


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(timezone.utc)


def words(moment: datetime) -> str:
    """A moment as people read it, by the class's own clock."""
    return f"{moment:%A} {moment.day} {moment:%B %Y, %H:%M}"


def short(moment: datetime) -> str:
    """A moment in a table."""
    return f"{moment:%a} {moment.day:>2} {moment:%b %H:%M}"


# ---- what is published ----


def dumps(calendar: Calendar) -> str:
    """A calendar as JSON, every time with its distance from UTC."""
    return json.dumps(asdict(calendar), indent=1, default=datetime.isoformat) + "\n"


def loads(text: str | bytes) -> Calendar:
    """What `dumps` wrote.

    Raises:
        CalendarError: it is something else.
    """
    try:
        data = json.loads(text)
        entries = {
            kind: {slug: _entry(values) for slug, values in data.get(kind, {}).items()}
            for kind in KINDS.values()
        }
        return Calendar(data["timezone"], _entry(data["default"]), **entries, source=data["source"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalendarError(f"This is no published calendar ({type(error).__name__}: {error}).") from error


def read(path: Path) -> Calendar:
    """The calendar in force; where nothing was published, everything is open.

    Raises:
        CalendarError: the file cannot be read.
    """
    try:
        return loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return Calendar()
    except OSError as error:
        raise CalendarError(f"{path} cannot be read ({error.strerror}).") from error


def _entry(values: Mapping[str, Any]) -> Entry:
    known = {each.name for each in fields(Entry)}
    given = {name: value for name, value in values.items() if name in known}
    for name in TIMES:
        if given.get(name) is not None:
            given[name] = datetime.fromisoformat(given[name])
    return Entry(**given)
