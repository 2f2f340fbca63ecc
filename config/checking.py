"""Checks what a settings file says, fills in the defaults, puts each fault in a sentence with its mend."""

from __future__ import annotations

import copy
import difflib
import functools
import json
from collections.abc import Callable
from typing import Any

import jsonschema

from config import schema as schemas
from config.agreeing import Found, Settings, beyond_the_machine, contradictions
from config.formats import FORMATS
from config.problems import Problem, SettingsError
from config.reading import Document, Key
from config.schema import Schema
from config.units import parse_size


def check(document: Document) -> Settings:
    """The settings in force: what the document says, and the default of every other key.

    Raises:
        SettingsError: with every problem that the file has. Settings are compared with each other only when
            each of them is right by itself.
    """
    values = _without_empty_groups(document.values)
    problems = document.problems + _schema_problems(values, document)
    if problems:
        raise SettingsError(document.file, problems)
    settings = _filled(values, schemas.load())
    _refuse(document, contradictions(settings))
    return settings


def check_ceiling(
    document: Document, settings: Settings, machine: tuple[int, int], ceiling: tuple[int, float]
) -> None:
    """Raise SettingsError when the machine cannot hold what the settings ask for (see beyond_the_machine)."""
    _refuse(document, beyond_the_machine(settings, machine, ceiling))


def _refuse(document: Document, found: Found) -> None:
    problems = []
    for keys, text in found:
        lines = (document.lines.get(tuple(key.split("."))) for key in keys)
        problems.append(Problem(text, next((line for line in lines if line), None)))
    if problems:
        raise SettingsError(document.file, problems)


def _without_empty_groups(values: Settings) -> Settings:
    """A group whose keys are all commented out reads as null: it says nothing, as if it were not there."""
    groups = schemas.groups()
    return {name: value for name, value in values.items() if value is not None or name not in groups}


def _filled(values: Settings, schema: Schema) -> Settings:
    filled: Settings = {}
    for name, part in schema["properties"].items():
        inner = schemas.entry(part)
        if schemas.is_group(part):
            filled[name] = _filled(values.get(name, {}), part)
        elif inner:
            filled[name] = {own: _filled(value, inner) for own, value in values.get(name, {}).items()}
        else:
            filled[name] = values[name] if name in values else copy.deepcopy(part["default"])
    return filled


# --- what the schema finds ---


def _size_bound(too_far: Callable[[int, int], bool]) -> Callable[..., Any]:
    """A keyword that bounds a size, which is text to JSON Schema."""

    def keyword(validator: Any, bound: str, value: Any, schema: Schema) -> Any:
        if (
            isinstance(value, str)
            and FORMATS["size"](value)
            and too_far(parse_size(value), parse_size(bound))
        ):
            yield jsonschema.ValidationError(f"{value} is beyond {bound}")

    return keyword


@functools.cache
def _validator() -> Any:
    checker = jsonschema.FormatChecker(formats=())
    for name, test in FORMATS.items():
        checker.checks(name)(lambda value, test=test: not isinstance(value, str) or test(value))
    extend: Any = jsonschema.validators.extend
    keywords = {
        "x-minimum": _size_bound(lambda size, bound: size < bound),
        "x-maximum": _size_bound(lambda size, bound: size > bound),
    }
    return extend(jsonschema.Draft202012Validator, keywords)(schemas.load(), format_checker=checker)


def _schema_problems(values: Settings, document: Document) -> list[Problem]:
    problems: dict[Key, Problem] = {}
    for error in _validator().iter_errors(values):
        path = tuple(str(step) for step in error.absolute_path)
        if "propertyNames" in error.absolute_schema_path:
            key = (*path, error.instance)
            text = f"{path[-1]} has {_shown(error.instance)}, which is no name. {error.schema['x-mend']}"
            problems[key] = Problem(text, document.lines.get(key))
        elif error.validator == "additionalProperties":
            for name in error.instance:
                if name not in error.schema["properties"]:
                    key = (*path, name)
                    problems[key] = Problem(_unknown_key(key), document.lines.get(key))
        else:
            problems[path] = Problem(_wrong_value(path, error), document.lines.get(path))
    return list(problems.values())


def _unknown_key(path: Key) -> str:
    key, name = ".".join(path), path[-1]
    leaves = [leaf for leaf, _ in schemas.leaves()]
    above = ".".join(path[:-1])
    siblings = schemas.names(above) if above else list(schemas.load()["properties"])
    text = f"there is no setting {key}."
    elsewhere = [leaf for leaf in leaves if leaf.split(".")[-1] == name]
    if elsewhere:
        verb = "Write it inside its group:" if len(path) == 1 else "Did you mean"
        return f"{text} {verb} {' or '.join(elsewhere)}{'.' if len(path) == 1 else '?'}"
    close = difflib.get_close_matches(name, siblings, n=1)
    if close:
        return f"{text} Did you mean {'.'.join((*path[:-1], close[0]))}?"
    close = [leaf for leaf in leaves if difflib.get_close_matches(name, [leaf.split(".")[-1]], cutoff=0.8)]
    if close:
        return f"{text} Did you mean {close[0]}?"
    return f"{text} {above or 'The file'} has: {', '.join(siblings)}."


def _wrong_value(path: Key, error: jsonschema.ValidationError) -> str:
    item = bool(path) and isinstance(error.absolute_path[-1], int)
    key = ".".join(path[:-1] if item else path)
    value: Any = error.instance
    part = schemas.find(key) or {}
    if error.validator == "required":
        missing = next(name for name in part["required"] if name not in value)
        return f"{key}.{missing} is not set. {part['properties'][missing]['x-mend']}"
    if schemas.is_group(part):
        first = schemas.names(key)[0]
        example = f"  {first}: {part['properties'][first].get('default', '...')}"
        return f"{key} is {_shown(value)}, but it is a group. Write its keys below it, like `{example}`."
    if error.validator == "uniqueItems":
        twice = next(entry for index, entry in enumerate(value) if entry in value[:index])
        return f"{key} names {_shown(twice)} twice. Name it once."
    if value is None:
        says = f"{key} holds an empty entry." if item else f"{key} has no value."
    else:
        says = f"{key} {'holds' if item else 'is'} {_shown(value)}."
    choices = (part["items"] if item else part).get("enum")
    if choices:
        close = difflib.get_close_matches(str(value), choices, n=1)
        mend = part.get("x-mend") or f"Write {' or '.join(choices)}."
        return f"{says} Did you mean {close[0]}?" if close else f"{says} {mend}"
    if part.get("format") in ("page-title", "username") and isinstance(value, (int, float)):
        return f"{says} Put it in quotes to make it a text: '{json.dumps(value)}'."
    return f"{says} {part.get('x-mend') or f'Write {schemas.limits(part)}.'}"


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "a group of keys" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    return json.dumps(value)
