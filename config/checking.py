"""Checks a settings file against the schema, and settings against each other; fills in the defaults."""

from __future__ import annotations

import copy
import difflib
import ipaddress
import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema

from config import schema as schemas
from config.problems import Problem, SettingsError
from config.reading import Document, Key
from config.schema import Schema
from config.units import describe_size, format_size, parse_share, parse_size

Settings = dict[str, Any]

# Memory of the ceiling that students cannot take: hub, proxy, gate, grading service and Prometheus need about 0.7G.
SERVICES_MEMORY = parse_size("1G")
# Control groups and systemd slices of these names belong to the system or to container engines.
RESERVED_NAMES = {"app", "background", "buildkit", "docker", "init", "kubepods", "lxc", "machine", "session", "system", "user"}
PROBE_USER = "classroom-probe"
_SYSTEM_FOLDERS = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")
_SHARED_FOLDERS = {"/var/cache", "/var/lib", "/var/lib/docker", "/var/log", "/var/run", "/var/spool", "/var/tmp"}
_PATH = re.compile(r"(?:/[A-Za-z0-9._-]+)+")


def check(document: Document) -> Settings:
    """The settings in force: what the document says, and the default of every other key.

    Raises:
        SettingsError: with every problem that the file has, the schema's first; settings are compared with each
            other only when each of them is right by itself.
    """
    values = _without_empty_groups(document.values, schemas.load())
    problems = _schema_problems(values, document)
    if problems:
        raise SettingsError(document.file, problems)
    settings = _filled(values, schemas.load())
    problems = [Problem(text, _line(document, key)) for key, text in _contradictions(settings)]
    if problems:
        raise SettingsError(document.file, problems)
    return settings


def _without_empty_groups(values: Any, schema: Schema) -> Any:
    """A group whose keys are all commented out reads as null: it says nothing, as if it were not there."""
    return {
        name: value
        for name, value in values.items()
        if not (value is None and schemas.is_group(schema["properties"].get(name, {})))
    }


def _filled(values: Settings, schema: Schema) -> Settings:
    filled: Settings = {}
    for name, part in schema["properties"].items():
        if schemas.is_group(part):
            filled[name] = _filled(values.get(name, {}), part)
        else:
            filled[name] = values[name] if name in values else copy.deepcopy(part["default"])
    return filled


def _line(document: Document, key: str) -> int | None:
    """Where a key is set; of a key that is not set, where its group is."""
    path = tuple(key.split("."))
    return document.lines.get(path) or document.lines.get(path[:-1] or ("",))


# --- one key by itself ------------------------------------------------------------------------------------------


def _valid_name(value: str) -> bool:
    return (
        len(value) <= 30
        and re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", value) is not None
        and value not in RESERVED_NAMES
    )


def _valid_title(value: str) -> bool:
    # $, # and quotes mean something in the environment file that compose reads, < and > on a page.
    return re.fullmatch(r"[^\x00-\x1f\x7f\x85\u2028\u2029$#\"\\<>`]{1,80}", value) is not None and value == value.strip(" '")


def _valid_path(value: str) -> bool:
    return _PATH.fullmatch(value) is not None and not {".", ".."} & set(value.split("/"))


def _valid_state(value: str) -> bool:
    return (
        _valid_path(value)
        and value.count("/") >= 2
        and not value.startswith(tuple(f"{folder}/" for folder in _SYSTEM_FOLDERS))
        and value not in _SHARED_FOLDERS
        and re.fullmatch(r"/home/[^/]+", value) is None
    )


def _valid_ipv4(value: str) -> bool:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return True


def _valid_subnet(value: str) -> bool:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError:
        return False
    # 100.64.0.0/10 is carriers' shared space: private in practice, though not by name.
    private = network.is_private or network.subnet_of(ipaddress.IPv4Network("100.64.0.0/10"))
    usable = private and not (network.is_loopback or network.is_link_local or network.is_unspecified)
    return "/" in value and usable and 16 <= network.prefixlen <= 28


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def valid(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return valid


def _valid_image(value: str) -> bool:
    part = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    registry = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    version = r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(?:@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})"
    return len(value) <= 255 and re.fullmatch(f"{registry}{part}(?:/{part})*{version}", value) is not None


_FORMATS: dict[str, Callable[[str], bool]] = {
    "classroom-name": _valid_name,
    "page-title": _valid_title,
    "state-path": _valid_state,
    "absolute-path": _valid_path,
    "ipv4": _valid_ipv4,
    "subnet": _valid_subnet,
    "base-path": lambda value: re.fullmatch(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*", value) is not None,
    "size": _parses(parse_size),
    "share": _parses(parse_share),
    "size-or-share": lambda value: _parses(parse_share)(value) or _parses(parse_size)(value),
    "username": lambda value: re.fullmatch(r"[a-z0-9][a-z0-9._@-]{0,63}", value) is not None and value != PROBE_USER,
    "web-address": lambda value: re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?", value)
    is not None,
    "image-name": _valid_image,
    "duration-unit": lambda value: re.fullmatch(r"[1-9][0-9]{0,4}[hdwy]", value) is not None,
}


def _format_checker() -> jsonschema.FormatChecker:
    checker = jsonschema.FormatChecker(formats=())
    for name, valid in _FORMATS.items():
        checker.checks(name)(lambda value, valid=valid: not isinstance(value, str) or valid(value))
    return checker


def _size_bound(too_far: Callable[[int, int], bool]) -> Callable[..., Any]:
    def check_bound(validator: Any, bound: str, value: Any, schema: Schema) -> Any:
        if isinstance(value, str) and _parses(parse_size)(value) and too_far(parse_size(value), parse_size(bound)):
            yield jsonschema.ValidationError(f"{value} is out of bounds")

    return check_bound


_Validator: Any = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    {"x-minimum": _size_bound(lambda size, bound: size < bound), "x-maximum": _size_bound(lambda size, bound: size > bound)},
)


def _schema_problems(values: Any, document: Document) -> list[Problem]:
    validator = _Validator(schemas.load(), format_checker=_format_checker())
    problems: dict[tuple[Key, str], Problem] = {}
    for error in validator.iter_errors(values):
        path = tuple(str(step) for step in error.absolute_path)
        if error.validator == "additionalProperties":
            for name in error.instance:
                if name not in error.schema["properties"]:
                    key = (*path, name)
                    problems[key, "unknown"] = Problem(_unknown_key(key), document.lines.get(key))
        else:
            problems[path, ""] = Problem(_wrong_value(path, error), document.lines.get(path))
    return list(problems.values())


def _unknown_key(path: Key) -> str:
    key, name = ".".join(path), path[-1]
    known = [leaf for leaf, _ in schemas.leaves()]
    groups = [group for group, part in schemas.load()["properties"].items() if schemas.is_group(part)]
    elsewhere = [leaf for leaf in known if leaf.split(".")[-1] == name]
    text = f"there is no setting {key}."
    if len(path) == 1 and elsewhere:
        return f"{text} Write it inside its group: {' or '.join(elsewhere)}."
    siblings = [leaf.split(".")[-1] for leaf in known if leaf.startswith(f"{path[0]}.")] if len(path) > 1 else [*groups, "state"]
    close = difflib.get_close_matches(name, siblings, n=1)
    if close:
        return f"{text} Did you mean {'.'.join((*path[:-1], close[0]))}?"
    if elsewhere:
        return f"{text} Did you mean {' or '.join(elsewhere)}?"
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"{text} Did you mean {close[0]}?"
    return f"{text} {'.'.join(path[:-1]) or 'The file'} has: {', '.join(siblings)}."


def _wrong_value(path: Key, error: jsonschema.ValidationError) -> str:
    item = bool(path) and path[-1].isdigit()
    key = ".".join(path[:-1] if item else path)
    value: Any = error.instance
    part: Any = schemas.find(key)
    if error.validator == "uniqueItems":
        twice = next(entry for index, entry in enumerate(value) if entry in value[:index])
        return f"{key} names {_shown(twice)} twice. Name it once."
    if schemas.is_group(part):
        first = next(iter(part["properties"]))
        return f"{key} is {_shown(value)}, but it is a group. Write its keys on lines of their own below it, like `  {first}: ...`."
    says = f"{key} holds {_shown(value)}." if item else f"{key} is {_shown(value)}."
    if value is None:
        says = f"{key} has no value." if not item else f"{key} holds an empty entry."
    choices = part["items"]["enum"] if item else part.get("enum")
    if choices:
        close = difflib.get_close_matches(str(value), choices, n=1)
        if close:
            return f"{says} Did you mean {close[0]}?"
        return f"{says} Write {'one of: ' if len(choices) > 1 else ''}{', '.join(choices)}."
    if part["type"] == "string" and part.get("format") in ("page-title", "username") and isinstance(value, (int, float)):
        return f"{says} Put it in quotes to make it a text: '{json.dumps(value)}'."
    if "x-mend" in part:
        return f"{says} {part['x-mend']}"
    if part["type"] == "array":
        return f"{says} Write a list, like [{', '.join(part['default'][:2])}]."
    return f"{says} Write {schemas.limits(part)}."


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a group of keys"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    return json.dumps(value)


# --- keys against each other ------------------------------------------------------------------------------------


def _contradictions(settings: Settings) -> list[tuple[str, str]]:
    """What does not fit together, as (key to complain at, sentences)."""
    network, student, grading, monitoring = (settings[name] for name in ("network", "student", "grading", "monitoring"))
    found: list[tuple[str, str]] = []

    services, students = (ipaddress.IPv4Network(network[name]) for name in ("services_subnet", "students_subnet"))
    if services.overlaps(students):
        found.append(("network.students_subnet",
                      f"network.students_subnet, {students}, overlaps network.services_subnet, {services}. "
                      "Choose two networks that share no address."))
    for key in ("network.address", "monitoring.address"):
        address = ipaddress.IPv4Address(settings[key.split(".")[0]]["address"])
        for name, subnet in (("services_subnet", services), ("students_subnet", students)):
            if address in subnet:
                found.append((key, f"{key}, {address}, lies in network.{name}, {subnet}, which the classroom uses "
                                   "inside. Write an address of the machine itself, or choose another subnet."))
    same_address = network["address"] == monitoring["address"] or "0.0.0.0" in (network["address"], monitoring["address"])
    if monitoring["enabled"] and monitoring["port"] == network["port"] and same_address:
        found.append(("monitoring.port",
                      f"monitoring.port is {monitoring['port']}, which network.port has taken. Choose another for one of the two."))

    memory = settings["ceiling"]["memory"]
    if memory is not None and not memory.endswith("%"):
        found += _too_little_memory(parse_size(memory), f"ceiling.memory is {memory!r}", student, grading)
    cpus = settings["ceiling"]["cpus"]
    if isinstance(cpus, (int, float)) and cpus < student["cpus"]:
        found.append(("ceiling.cpus", f"ceiling.cpus is {cpus:g}, less than one student's {student['cpus']:g} "
                                      "(student.cpus). Raise the one or lower the other."))
    return found


def _too_little_memory(ceiling: int, says: str, student: Settings, grading: Settings) -> list[tuple[str, str]]:
    """`says` how large the ceiling is; the sentence goes on with what does not fit under it."""
    left = ceiling - SERVICES_MEMORY
    left_text = f"which leaves {describe_size(left)}" if left > 0 else "which leaves nothing"
    found = []
    for key, who, need in (
        ("student.memory", "one student's server", parse_size(student["memory"])),
        ("grading.sandbox_memory", "one submission", parse_size(grading["sandbox_memory"])),
    ):
        if left < need:
            found.append((
                "ceiling.memory",
                f"{says}, {left_text} beside the {format_size(SERVICES_MEMORY)} for the classroom's own services, but "
                f"{who} may use {format_size(need)} ({key}). Lower {key}, or set ceiling.memory to at least "
                f"{format_size(need + SERVICES_MEMORY)}.",
            ))
    return found


def check_machine(document: Document, settings: Settings, memory: int, cpus: int, ceiling_memory: int, ceiling_cpus: float) -> None:
    """Check the settings against the machine that will be the classroom. Raises SettingsError.

    Args:
        memory, cpus: what the machine has, memory in bytes.
        ceiling_memory, ceiling_cpus: what the ceiling comes to on this machine.
    """
    asked = settings["ceiling"]
    found: list[tuple[str, str]] = []
    has = f"the machine has {describe_size(memory)}"
    if ceiling_memory > memory:
        found.append(("ceiling.memory", f"ceiling.memory is {asked['memory']!r}, but {has}. Lower it, or write a share like 80%."))
    elif asked["memory"] is None or asked["memory"].endswith("%"):
        share = asked["memory"] or "80%"
        says = f"ceiling.memory is {share} of the machine's {describe_size(memory)}, {describe_size(ceiling_memory)}"
        found += _too_little_memory(ceiling_memory, says, settings["student"], settings["grading"])
    if ceiling_cpus > cpus:
        found.append(("ceiling.cpus", f"ceiling.cpus is {ceiling_cpus:g}, but the machine has {cpus}. Lower it, or write a share like 50%."))
    elif ceiling_cpus < settings["student"]["cpus"]:
        found.append(("student.cpus", f"student.cpus is {settings['student']['cpus']:g}, but the classroom has {ceiling_cpus:g} "
                                      f"of the machine's {cpus} CPUs (ceiling.cpus). Lower student.cpus."))
    if found:
        raise SettingsError(document.file, [Problem(text, _line(document, key)) for key, text in found])
