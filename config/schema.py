"""The schema of config/classroom.yml as the rest of the package asks it: its keys, their defaults and limits."""

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


def leaves(schema: Schema | None = None, prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Every key with a value, as (dotted key, its schema), in the order of the schema."""
    for name, part in (schema or load())["properties"].items():
        if is_group(part):
            yield from leaves(part, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", part


def find(key: str) -> Schema | None:
    """The part of the schema that a dotted key or a group's name means."""
    part = load()
    for name in key.split("."):
        part = part.get("properties", {}).get(name)
        if part is None:
            return None
    return part


def limits(part: Schema) -> str:
    """What values a key takes, in a few words: 'a whole number from 1 to 65535'."""
    if "items" in part:
        return "a list of " + ", ".join(part["items"]["enum"])
    if "enum" in part:
        return " or ".join(part["enum"])
    if part["type"] == "boolean":
        return "true or false"
    lowest, highest = part.get("minimum", part.get("x-minimum")), part.get("maximum", part.get("x-maximum"))
    bounds = f" from {lowest} to {highest}" if highest is not None else f" of at least {lowest}" if lowest else ""
    kinds = {
        "size": "a size" + bounds,
        "size-or-share": f"a size{bounds}, a share like 80%, or null",
        "share": f"a number{bounds}, a share like 50%, or null",
        "absolute-path": "an absolute path, or null",
        "web-address": "an http or https address, or null",
        "state-path": "an absolute path",
        "ipv4": "an IPv4 address",
        "subnet": "an IPv4 network",
    }
    if part.get("format") in kinds:
        return kinds[part["format"]]
    return {"integer": "a whole number" + bounds, "number": "a number" + bounds}.get(part["type"], "text")
