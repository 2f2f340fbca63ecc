"""What staff grant one student or section instead of the calendar: added and withdrawn, never changed."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from course.calendar import KINDS, Calendar
from course.manifest import Manifest
from grading.database import exceptions, people
from grading.marks import iso

KEYS = ("student", "section", "kind", "slug", "due", "extra_time", "excused", "why")
LONGEST = 255  # characters of a name
LONGEST_WHY = 1000
MOST_EXTRA = 10.0  # times an exam's length
ZONED = "Write it with its time zone, such as 2026-10-19T18:00:00+02:00"

View = dict[str, Any]


class Refused(ValueError):  # noqa: N818  # says what happens
    """It cannot be granted; the message says why, in a sentence."""


def checked(engine: sa.Engine, manifest: Manifest, calendar: Calendar, asked: object) -> dict[str, Any]:
    """What was asked for, as a row.

    Raises:
        Refused: it makes no sense.
    """
    if not isinstance(asked, dict) or (unknown := set(asked) - set(KEYS)):
        more = f" There is no '{min(map(str, unknown))[:64]}'." if isinstance(asked, dict) else ""
        raise Refused(f"Send an object with some of: {', '.join(KEYS)}.{more}")
    given = {key: value for key, value in asked.items() if value is not None}
    for key in ("student", "section", "kind", "slug", "why"):
        longest = LONGEST_WHY if key == "why" else LONGEST
        value = given.get(key, "")
        if (
            not isinstance(value, str)
            or len(value) > longest
            or not all(c.isprintable() or c in "\n\t" for c in value)
        ):
            raise Refused(f"'{key}' is no text of at most {longest} characters.")
    if ("student" in given) == ("section" in given):
        raise Refused("Name either a student or a section.")
    if not given.get("student", given.get("section", "")).strip():
        raise Refused("The name is empty. Name a student or a section.")
    if not given.get("why", "").strip():
        raise Refused("Say why, in 'why': whoever asks later will want to know.")
    _known(engine, manifest, calendar, given)
    row = {
        "student": given.get("student"),
        "section": given.get("section"),
        "kind": given.get("kind"),
        "slug": given.get("slug"),
        "due": _due(calendar, given),
        "extra_time": _extra_time(calendar, given),
        "excused": given.get("excused", False),
        "why": given["why"].strip(),
    }
    if not isinstance(row["excused"], bool):
        raise Refused("'excused' must be true or false.")
    if row["due"] is None and row["extra_time"] is None and not row["excused"]:
        raise Refused("Grant something: 'due' (a later deadline), 'extra_time' (in an exam) or 'excused'.")
    return row


def grant(engine: sa.Engine, row: Mapping[str, Any], by: str) -> View:
    """Put a checked row in force."""
    values = {**row, "by": by, "at": time.time()}
    with engine.begin() as connection:
        id = connection.execute(exceptions.insert().values(values)).inserted_primary_key
        assert id is not None
        found = connection.execute(sa.select(exceptions).where(exceptions.c.id == id[0])).mappings().one()
    return view(found)


def withdraw(engine: sa.Engine, id: int, by: str) -> View | None:
    """Take it back; the row stays, with who did so. None if there is none in force with this id."""
    taken = exceptions.update().where(exceptions.c.id == id, exceptions.c.withdrawn_at.is_(None))
    with engine.begin() as connection:
        if connection.execute(taken.values(withdrawn_by=by, withdrawn_at=time.time())).rowcount == 0:
            return None
        found = connection.execute(sa.select(exceptions).where(exceptions.c.id == id)).mappings().one()
    return view(found)


def listed(engine: sa.Engine, student: str | None = None) -> list[View]:
    """Everything that was ever granted, newest first; of one student with what holds for the section."""
    query = sa.select(exceptions).order_by(exceptions.c.at.desc(), exceptions.c.id.desc())
    if student is not None:
        section = sa.select(people.c.section).where(people.c.name == student).scalar_subquery()
        query = query.where(sa.or_(exceptions.c.student == student, exceptions.c.section == section))
    with engine.connect() as connection:
        return [view(row) for row in connection.execute(query).mappings()]


def view(row: sa.RowMapping) -> View:
    """A row as staff see it, with times in ISO 8601."""
    times = {key: None if row[key] is None else iso(row[key]) for key in ("due", "at", "withdrawn_at")}
    return {**row, **times}


def _known(engine: sa.Engine, manifest: Manifest, calendar: Calendar, given: Mapping[str, Any]) -> None:
    """Refuse a kind, a slug or a section that there is not; a student may be on no roster."""
    kind, slug, section = given.get("kind"), given.get("slug"), given.get("section")
    if kind is not None and kind not in KINDS:
        raise Refused(f"'{kind[:64]}' is no kind. There are: {', '.join(KINDS)}.")
    if slug is not None and kind is None:
        raise Refused(f"Say which kind '{slug[:64]}' is, in 'kind': {', '.join(KINDS)}.")
    known = {"module": manifest.modules, "milestone": manifest.milestones}.get(kind or "")
    if slug is not None and known is not None and slug not in known:
        raise Refused(f"There is no {kind} '{slug[:64]}'. There are: {', '.join(known)}.")
    if slug is not None and len(slug) > 64:
        raise Refused("The assignment's name has more than 64 characters.")
    if section is not None:
        with engine.connect() as connection:
            there = sorted(set(connection.execute(sa.select(people.c.section)).scalars()) - {""})
        if section not in there:
            raise Refused(
                f"Nobody is in a section '{section[:64]}'. There are: {', '.join(there) or 'none'}."
            )


def _due(calendar: Calendar, given: Mapping[str, Any]) -> float | None:
    if "due" not in given:
        return None
    try:
        moment = datetime.fromisoformat(given["due"])
        if moment.tzinfo is None:
            raise ValueError
        seconds = moment.timestamp()
    except (ValueError, TypeError, OverflowError):
        raise Refused(f"'due' is no time. {ZONED}.") from None
    if "slug" not in given:
        raise Refused("A deadline is for one thing: name it, in 'kind' and 'slug'.")
    if calendar.entry(given["kind"], given["slug"]).exam_minutes is not None:
        raise Refused(f"'{given['slug']}' is an exam, which ends when its time is over. Grant 'extra_time'.")
    return seconds


def _extra_time(calendar: Calendar, given: Mapping[str, Any]) -> float | None:
    if "extra_time" not in given:
        return None
    value = given["extra_time"]
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= MOST_EXTRA:
        raise Refused(f"'extra_time' must be 0 to {MOST_EXTRA:g}: 0.5 is half as long again.")
    if "slug" in given and calendar.entry(given["kind"], given["slug"]).exam_minutes is None:
        raise Refused(f"'{given['slug']}' is no exam in the calendar. For a later deadline, grant 'due'.")
    return float(value)
