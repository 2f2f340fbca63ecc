"""Checking what the instructor wrote: every fault is named, with its line, in a sentence."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterable
from datetime import datetime, time, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import yaml

from course.calendar import SOURCE, TIMES, Calendar, CalendarError, Entry, words
from course.manifest import Manifest

SCHEMA = Path(__file__).parent / "calendar.schema.yml"
LAST_MINUTE = time(23, 59, 59)  # of a day that is a deadline
LONGEST = 100_000  # characters; what is longer is no calendar
MOST_VALUES = 10_000  # with those that aliases repeat
NO_DATE = "is no date. Write a day such as 2026-10-19, or a time such as 2026-10-19 18:00"
KINDS = {"boolean": "true or false", "number": "a number", "string": "a text"}


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
    permissions = data.get("defaults", {})
    entries: dict[str, dict[str, Entry]] = {"modules": {}, "milestones": {}}
    for kind, known in (("modules", course.modules), ("milestones", course.milestones)):
        for slug, given in data.get(kind, {}).items():
            place = (kind, slug)
            if slug not in known:
                fault(place, f"there is no {kind[:-1]} of this name. There are: {', '.join(known)}")
                continue
            values = {**permissions, **given} if kind == "modules" else dict(given)
            for each in TIMES & given.keys():
                values[each] = _moment(given[each], each, zone or timezone.utc)
                if values[each] is None:
                    fault((*place, each), f"'{given[each]}' {NO_DATE}")
            entry = Entry(**values)
            for sentence in _contradictions(entry):
                fault(place, sentence)
            entries[kind][slug] = entry
    return Calendar(name, Entry(**permissions), **entries, source=digest)


def _contradictions(entry: Entry) -> Iterable[str]:
    if entry.opens and entry.due and entry.due <= entry.opens:
        yield f"it is due ({words(entry.due)}) before it opens ({words(entry.opens)}). Change one of the two"
    if entry.skipped and entry.chosen:
        yield "it is skipped and chosen. Take one away"
    if not math.isfinite(entry.weight):  # YAML has '.nan' and '.inf'
        yield "its weight is no number. Write one such as 1 or 0.5"


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
                kind = KINDS.get(
                    error.validator_value, "keys and values, each on a line of its own, indented"
                )
                yield place, f"{json.dumps(value)} does not belong here. Write {kind}"
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
