"""Tells people about the settings: what is in force, what a key means, where the classroom is."""

from __future__ import annotations

import difflib
import json
import socket
from ipaddress import IPv4Address
from typing import Any

from config import deriving
from config import schema as schemas
from config.agreeing import ALL_ADDRESSES, Settings
from config.reading import Document
from config.schema import Schema


class UnknownKeyError(Exception):
    """There is no setting of this name; the message says what was meant, or what there is."""


def show(document: Document, settings: Settings) -> str:
    """The settings in force as YAML, each with where it comes from. Secrets are no settings: none is here."""
    rows: list[tuple[str, str]] = []
    group = ""
    for key, _ in schemas.leaves():
        *above, name = key.split(".")
        if above and above[0] != group:
            group = above[0]
            rows.append((f"{group}:", ""))
        value = settings[group][name] if above else settings[name]
        line = document.lines.get(tuple(key.split(".")))
        rows.append((f"{'  ' if above else ''}{name}: {plain(value)}", f"line {line}" if line else "default"))
    width = max(len(text) for text, comment in rows if comment and len(text) <= 60)
    lines = [f"{text:<{width}}  # {comment}" if comment else text for text, comment in rows]
    return "\n".join([f"# In force, from {document.file}", *lines]) + "\n"


def get(settings: Settings, key: str) -> str:
    """One value as a script wants it: nothing for null, a list's entries with spaces between."""
    part = schemas.find(key)
    if part is None:
        raise UnknownKeyError(_unknown(key))
    if schemas.is_group(part):
        raise UnknownKeyError(
            f"{key} is a group. Ask for one of: {', '.join(f'{key}.{name}' for name in schemas.names(key))}."
        )
    value: Any = settings
    for name in key.split("."):
        if name not in value:
            raise UnknownKeyError(f"There is no setting {key}. There are: {', '.join(value) or 'none'}.")
        value = value[name]
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def plain(value: Any) -> str:
    """A value as one writes it in the settings file, in quotes only where YAML would read something else."""
    if isinstance(value, list):
        return "[" + ", ".join(plain(item) for item in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    odd = (
        not (value[:1].isalnum() or value[:1] == "/")
        or ": " in value
        or " #" in value
        or value.endswith(":")
        or value.lower() in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
        or value.replace(".", "", 1).isdigit()
    )
    return "'" + value.replace("'", "''") + "'" if odd else value


def explain(key: str | None) -> str:
    """What the schema says about a key, a group, or everything, as text for a terminal."""
    if key is None:
        return "\n\n".join(explain(name) for name in schemas.load()["properties"])
    part = schemas.find(key)
    if part is None:
        raise UnknownKeyError(_unknown(key))
    if schemas.is_group(part):
        inner = [_explained(f"{key}.{name}", leaf) for name, leaf in part["properties"].items()]
        return "\n\n".join([f"{key}: {part['title']}", *inner])
    return _explained(key, part)


def _unknown(key: str) -> str:
    known = [leaf for leaf, _ in schemas.leaves()]
    groups = list(schemas.load()["properties"])
    same_name = [leaf for leaf in known if leaf.split(".")[-1] == key.split(".")[-1]]
    meant = same_name or difflib.get_close_matches(key, [*groups, *known], n=1)
    hint = f"Did you mean {' or '.join(meant)}?" if meant else f"There are: {', '.join(groups)}."
    return f"There is no setting {key}. {hint}"


def _explained(key: str, part: Schema) -> str:
    rows = [key, f"  {part['title']}"]
    if "description" in part:
        rows.append(f"  {part['description']}")
    default = f"default {plain(part['default'])}" if "default" in part else "always set"
    rows.append(f"  Takes {schemas.limits(part)}; {default}.")
    inner = [_explained(name, leaf) for name, leaf in _entries(key, part)]
    return "\n\n".join(["\n".join(rows), *inner])


def _entries(key: str, part: Schema) -> list[tuple[str, Schema]]:
    """The keys of each entry below a key whose entries people name themselves."""
    entry = schemas.entry(part)
    return [(f"{key}.NAME.{name}", leaf) for name, leaf in entry["properties"].items()] if entry else []


def welcome(settings: Settings, make_arguments: str = "") -> str:
    """What a deploy ends with: where the classroom is, and how the admin gets in the first time."""
    return (
        f"{settings['classroom']['title']} is open at {address(settings)}\n"
        f"The admin signs in as {settings['hub']['admin']}. The first password is shown once, by: "
        f"make password{make_arguments}\n"
        "Keep the key of its backups away from this machine; it is shown by: "
        f"make backup-key{make_arguments}\n"
    )


def address(settings: Settings) -> str:
    """Where a browser finds the classroom."""
    listens = settings["network"]["address"]
    return deriving.address(settings, _own_address() if IPv4Address(listens) == ALL_ADDRESSES else listens)


def _own_address() -> str:
    """The address under which others reach this machine, as far as it knows; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address of no one; this only picks a route
            return str(probe.getsockname()[0])
        except OSError:
            return "localhost"


def page() -> str:
    """docs/reference/settings.md: every group a table."""
    rows = [
        "# Settings",
        "",
        "What `config/classroom.yml` may say. Every key has a default, so an empty file is a classroom. "
        "`make config` prints what is in force. Sizes are a number with K, M, G or T (1G is 1024M).",
        "",
        "This page is made from `config/schema.yml`: "
        "`.venv/bin/python -m config.settings schema-doc > docs/reference/settings.md`.",
    ]
    group = None
    for key, part in schemas.leaves():
        above = key.split(".")[0]
        if above != group:
            group = above
            whole: Any = schemas.find(above)
            heading = [whole["title"], ""] if schemas.is_group(whole) else []
            rows += ["", f"## {above}", "", *heading, "| key | default | takes | what it is |"]
            rows += ["| --- | --- | --- | --- |"]
        rows += [_row(name, leaf) for name, leaf in [(key, part), *_entries(key, part)]]
    return "\n".join(rows) + "\n"


def _row(key: str, part: Schema) -> str:
    text = " ".join(filter(None, (part["title"], part.get("description"))))
    default = f"`{plain(part['default'])}`" if "default" in part else ""
    cells = (f"`{key}`", default, schemas.limits(part), text.replace("<", "&lt;"))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
