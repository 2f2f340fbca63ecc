"""Checking what the instructor wrote: every fault is named, with its line, in a sentence."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import yaml

from course.calendar import KINDS, SOURCE, TIMES, Calendar, CalendarError, Entry, words
from course.manifest import Manifest

SCHEMA = Path(__file__).parent / "calendar.schema.yml"
LAST_MINUTE = time(23, 59, 59)  # of a day that is a deadline
LONGEST = 100_000  # characters; what is longer is no calendar
MOST_VALUES = 10_000  # with those that aliases repeat
NO_DATE = "is no date. Write a day such as 2026-10-19, or a time such as 2026-10-19 18:00"
TYPES = {
    "boolean": "true or false",
    "number": "a number",
    "integer": "a whole number",
    "string": "a text",
}
WHOLE = {"late_days", "attempts", "attempts_per_day", "exam_minutes"}
LATE = ("late_grace", "late_per_day", "late_days")
ASSIGNMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,62}[A-Za-z0-9_]|[A-Za-z0-9_]")

Place = tuple[str, ...]  # the keys that lead to a value: ("modules", "tensor", "due")


def check(text: str, course: Manifest, name: str = SOURCE) -> Calendar:
    """Read and check a calendar.yml.

    Raises:
        CalendarError: there are faults; all of them are named, with their lines.
    """
    if len(text) > LONGEST:
        raise CalendarError(f"{name}: it is longer than {LONGEST:,} characters, so it is no calendar.")
    data, lines = _parsed(text, name)
    faults: list[tuple[int, str]] = []

    def fault(place: Place, sentence: str) -> None:
        line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), 1)
        key = f"{'.'.join(place)}: " if place else ""
        faults.append((line, f"{name}, line {line}: {key}{sentence}."))

    for place, sentence in _against_schema(data):
        fault(place, sentence)
    calendar = Calendar() if faults else _calendar(data, course, _digest(text), fault)
    if faults:
        raise CalendarError("\n".join(sentence for _, sentence in sorted(faults)))
    return calendar


def _calendar(
    data: dict[str, Any], course: Manifest, digest: str, fault: Callable[[Place, str], None]
) -> Calendar:
    """The calendar of data that keeps to the schema; what a schema cannot say is told to `fault`."""
    name = data.get("timezone", "UTC")
    zone = _zone(name)
    if zone is None:
        fault(("timezone",), f"there is no time zone '{name}'. Name one such as Europe/Berlin")
    defaults = _whole(data.get("defaults", {}))
    entries: dict[str, dict[str, Entry]] = {kinds: {} for kinds in KINDS.values()}
    for kind, kinds in KINDS.items():
        for slug, given in data.get(kinds, {}).items():
            place = (kinds, slug)
            unknown = _unknown(kind, slug, course)
            if unknown:
                fault(place, unknown)
                continue
            values = {**defaults, **_whole(given)}
            for each in TIMES & given.keys():
                values[each] = _moment(given[each], each, zone or timezone.utc)
                if values[each] is None:
                    fault((*place, each), f"'{given[each]}' {NO_DATE}")
            entry = Entry(**values)
            for sentence in _contradictions(entry, given.keys()):
                fault(place, sentence)
            entries[kinds][slug] = _with_end(entry)
    default = Entry(**defaults)
    for sentence in _contradictions(default, ()):
        fault(("defaults",), sentence)
    return Calendar(name, default, **entries, source=digest)


def _unknown(kind: str, slug: str, course: Manifest) -> str | None:
    """Why there can be nothing of this name, without a full stop; None if there can."""
    known = {"module": course.modules, "milestone": course.milestones}
    if kind in known:
        return (
            None
            if slug in known[kind]
            else f"there is no {kind} of this name. There are: {', '.join(known[kind])}"
        )
    if slug in course.modules:
        return "this is a module. Write it under 'modules'"
    if slug.removeprefix("milestone-") in course.milestones and slug.startswith("milestone-"):
        return "this is a milestone. Write it under 'milestones', without 'milestone-'"
    if not ASSIGNMENT.fullmatch(slug):
        return "this is no name for an assignment. Use at most 64 letters, digits, spaces, '.', '_' and '-'"
    return None


def _whole(given: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers as such: for YAML and the schema, 3.0 is one too."""
    return {key: int(value) if key in WHOLE else value for key, value in given.items()}


def _with_end(entry: Entry) -> Entry:
    """An exam's deadline is its end."""
    if entry.exam_minutes is None or entry.opens is None or entry.due is not None:
        return entry
    try:
        return replace(entry, due=entry.opens + timedelta(minutes=entry.exam_minutes))
    except OverflowError:  # on the last day that there is
        return replace(entry, due=entry.opens)


def _contradictions(entry: Entry, given: Collection[str]) -> Iterable[str]:
    """What cannot be true together, in sentences without a full stop.

    Args:
        given: the keys that were written for this one, not in the defaults.
    """
    if entry.opens and entry.due and entry.due <= entry.opens:
        yield f"it is due ({words(entry.due)}) before it opens ({words(entry.opens)}). Change one of the two"
    if entry.skipped and entry.chosen:
        yield "it is skipped and chosen. Take one away"
    if not math.isfinite(entry.weight):  # YAML has '.nan' and '.inf'
        yield "its weight is no number. Write one such as 1 or 0.5"
    for key in ("late_grace", "late_per_day"):
        if not math.isfinite(getattr(entry, key)):
            yield f"its {key} is no number. Write one such as 0.5"
    if entry.attempts and entry.attempts_per_day and entry.attempts_per_day > entry.attempts:
        yield (
            f"it allows {entry.attempts_per_day} attempts on a day, but only {entry.attempts} at all. "
            "Change one of the two"
        )
    late = [key for key in LATE if key in given]
    if entry.exam_minutes is None:
        if late and entry.due is None:
            yield f"it has {late[0]}, but no deadline. Add `due`, or take {late[0]} away"
        return
    if entry.opens is None:
        yield "it is an exam, and does not say when it begins. Add `opens`"
    if entry.due:
        yield "it is an exam, which ends exam_minutes after it opens. Take `due` away"
    if late:
        yield f"it is an exam, in which nothing is late: it ends for everybody. Take {late[0]} away"
    if entry.held:
        yield "it is an exam, which begins by the clock, so it cannot be held. Take `held` away"
    if entry.skipped:
        yield "it is skipped and an exam. Take one away"


def _moment(text: str, which: str, zone: tzinfo) -> datetime | None:
    day, _, clock = text.partition(" ")
    try:
        moment = datetime.fromisoformat(f"{day} {clock or '00:00'}")
    except ValueError:
        return None
    if not clock and which == "due":
        moment = datetime.combine(moment, LAST_MINUTE)
    # As a distance from UTC, so that no reader needs to know any time zone.
    return datetime.fromisoformat(moment.replace(tzinfo=zone).isoformat())


def _zone(name: str) -> tzinfo | None:
    try:
        return timezone.utc if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone; no name that a file can have; a folder's name
        return None


def _against_schema(data: Any) -> Iterable[tuple[Place, str]]:
    """Each difference from the schema: where, and what is wrong, without a full stop."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    for error in jsonschema.Draft202012Validator(schema).iter_errors(data):
        place = tuple(str(part) for part in error.absolute_path)
        value = error.instance
        match error.validator:
            case "additionalProperties":
                known = error.schema["properties"]
                for key in set(value) - set(known):
                    yield (*place, key), f"there is no such key. There are: {', '.join(known)}"
            case "pattern":
                yield place, f"'{value}' {NO_DATE}"
            case "type" if place[-1] in TIMES:
                yield place, f"{json.dumps(value)} {NO_DATE}"
            case "type":
                kind = TYPES.get(
                    error.validator_value, "keys and values, each on a line of its own, indented"
                )
                yield place, f"{json.dumps(value)} does not belong here. Write {kind}"
            case "enum":
                choices = " or ".join(error.validator_value)
                yield place, f"{json.dumps(value)} does not belong here. Write {choices}"
            case "maximum":
                yield place, f"{value} is more than {error.validator_value}"
            case _:
                yield place, f"{value} is less than {error.validator_value}"


def _parsed(text: str, name: str) -> tuple[dict[str, Any], dict[Place, int]]:
    """A YAML text as plain data, and the line of each key.

    Dates stay texts; a key without a value is as good as none; a key given twice is refused.
    """
    lines: dict[Place, int] = {}
    loader = yaml.SafeLoader("")
    values = itertools.count(1)

    def plain(node: yaml.Node, place: Place) -> Any:
        if next(values) > MOST_VALUES:
            raise CalendarError(f"{name}: it holds more than {MOST_VALUES:,} values, so it is no calendar.")
        if isinstance(node, yaml.MappingNode):
            found = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise CalendarError(f"{name}, line {line}: a key must be one word, such as 'modules'.")
                at = (*place, str(key.value))
                if at in lines:
                    raise CalendarError(
                        f"{name}, line {line}: '{key.value}' is there twice, first in line {lines[at]}. "
                        "Join the two."
                    )
                lines[at] = line
                found[str(key.value)] = plain(value, at)
            return {key: value for key, value in found.items() if value is not None}
        if isinstance(node, yaml.SequenceNode):
            return [plain(each, place) for each in node.value]
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        value = loader.construct_object(node)
        return value if isinstance(value, str | bool | int | float | None) else node.value

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = None if root is None else plain(root, ())
    except CalendarError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "it cannot be read")
        raise CalendarError(f"{name}{line}: this is no valid YAML: {problem}.") from error
    except (ValueError, LookupError, RecursionError) as error:
        raise CalendarError(f"{name}: this cannot be read: {error}.") from error
    if not isinstance(data, dict | None):
        raise CalendarError(f"{name}: it must hold keys such as 'modules:', not {json.dumps(data)}.")
    return data or {}, lines


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
