"""The schema of config/classroom.yml as the rest of the package asks it: its keys, defaults and limits."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]
FILE = Path(__file__).with_name("schema.yml")


@functools.cache
def load() -> Schema:
    """The whole schema; whoever calls must not change it."""
    schema: Schema = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return schema


def is_group(schema: Schema) -> bool:
    """Whether this part of the schema holds keys, rather than being one."""
    return "properties" in schema


def entry(schema: Schema) -> Schema | None:
    """What each entry looks like of a part whose keys people name themselves; None for all others."""
    inner = schema.get("additionalProperties")
    return inner if isinstance(inner, dict) else None


def groups() -> list[str]:
    """What of the file holds keys below it."""
    return [name for name, part in load()["properties"].items() if is_group(part) or entry(part)]


def names(group: str) -> list[str]:
    """The keys of a group, without the group's name."""
    return list((find(group) or {}).get("properties", {}))


def leaves() -> Iterator[tuple[str, Schema]]:
    """Every key with a value, as (dotted key, its schema), in the order of the schema."""
    for name, part in load()["properties"].items():
        if is_group(part):
            yield from ((f"{name}.{key}", inner) for key, inner in part["properties"].items())
        else:
            yield name, part


def find(key: str) -> Schema | None:
    """The part of the schema that a dotted key or a group's name means."""
    part = load()
    for name in key.split("."):
        inner = part.get("properties", {}).get(name) or entry(part)
        if inner is None:
            return None
        part = inner
    return part


def limits(part: Schema) -> str:
    """What values a key takes, in a few words: 'a whole number from 1 to 65535'."""
    if "items" in part:
        return f"a list of {_entries(part['items'])}"
    if "enum" in part:
        return " or ".join(part["enum"])
    if entry(part):
        return "a group for each, with the keys below"
    if isinstance(part["type"], list) and part.get("format", "size") in ("page-title", "size"):
        return f"{limits({**part, 'type': part['type'][0]})}, or null"
    lowest = part.get("minimum", part.get("x-minimum"))
    highest = part.get("maximum", part.get("x-maximum"))
    bounds = f" from {lowest} to {highest}" if highest is not None else f" of at least {lowest}"
    kinds = {
        "absolute-path": "an absolute path, or null",
        "duration": "a whole number with h, d, w or y",
        "email": "an email address, or null",
        "hostname": "a host name or an IPv4 address, or null",
        "image-name": "an image's name with a tag or digest",
        "ipv4": "an IPv4 address",
        "https-address": "an https address, or null",
        "issuer": "an https address, or null",
        "services-subnet": "a private IPv4 network, /16 to /24",
        "share": f"a number{bounds}, a share like 50%, or null",
        "size": f"a size{bounds}{', or null' if 'null' in part['type'] else ''}",
        "size-or-share": f"a size{bounds}, a share like 80%, or null",
        "state-path": "an absolute path",
        "students-subnet": "a private IPv4 network, /16 to /28",
        "time-of-day": "hours and minutes in quotes, or null",
        "web-address": "an http or https address, or null",
        "word": "a text without blanks, or null",
    }
    plain = {"boolean": "true or false", "integer": f"a whole number{bounds}", "number": f"a number{bounds}"}
    kind = kinds.get(part.get("format", ""))
    if kind:
        return kind
    return "text" if part["type"] == "string" else plain[part["type"]]


def _entries(items: Schema) -> str:
    if "enum" in items:
        return f"any of {', '.join(items['enum'])}"
    kinds = {
        "campus-group": "groups",
        "domain": "domains",
        "hub-group": "groups",
        "trusted-address": "IPv4 addresses or networks",
    }
    return kinds[items["format"]]
