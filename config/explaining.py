"""Tells people about the settings: what is in force, what a key means, the reference page."""

from __future__ import annotations

import difflib
import json
from typing import Any

from config import schema as schemas
from config.checking import Settings
from config.reading import Document
from config.schema import Schema


class UnknownKey(Exception):
    """There is no setting of this name; the message says what was meant, or what there is."""


def show(document: Document, settings: Settings) -> str:
    """The settings in force as YAML, each with where it comes from. Secrets are no settings, so none is here."""
    rows: list[tuple[str, str]] = []
    group = ""
    for key, _ in schemas.leaves():
        *above, name = key.split(".")
        if above and above[0] != group:
            group = above[0]
            rows.append((f"{group}:", ""))
        value = settings[above[0]][name] if above else settings[name]
        line = document.lines.get(tuple(key.split(".")))
        rows.append((f"{'  ' if above else ''}{name}: {plain(value)}", f"line {line}" if line else "default"))
    width = max(len(text) for text, comment in rows if comment and len(text) <= 60)
    lines = [f"{text:<{width}}  # {comment}" if comment else text for text, comment in rows]
    return "\n".join([f"# In force, from {document.file}", *lines]) + "\n"


def plain(value: Any) -> str:
    """A value as one writes it in the settings file, in quotes only where YAML would read something else."""
    if isinstance(value, list):
        return "[" + ", ".join(plain(item) for item in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    unquoted = value[:1].isalpha() or value[:1] == "/" or value[:1].isdigit()
    odd = any(mark in value for mark in (": ", " #")) or value.endswith(":") or value.lower() in ("true", "false", "null")
    number = value.replace(".", "", 1).isdigit()
    return value if unquoted and not odd and not number else "'" + value.replace("'", "''") + "'"


def explain(key: str | None) -> str:
    """What the schema says about a key, a group, or everything, as text for a terminal."""
    if key is None:
        return "\n\n".join(explain(name) for name in schemas.load()["properties"])
    part = schemas.find(key)
    if part is None:
        known = [leaf for leaf, _ in schemas.leaves()]
        groups = list(schemas.load()["properties"])
        candidates = difflib.get_close_matches(key, [*groups, *known], n=1) or [
            leaf for leaf in known if leaf.split(".")[-1] == key.split(".")[-1]]
        hint = f"Did you mean {' or '.join(candidates)}?" if candidates else f"There are: {', '.join(groups)}."
        raise UnknownKey(f"there is no setting {key}. {hint}")
    if schemas.is_group(part):
        inner = [_explained(leaf, leaf_part) for leaf, leaf_part in schemas.leaves(part, f"{key}.")]
        return "\n\n".join([f"{key}: {part['title']}", *inner])
    return _explained(key, part)


def _explained(key: str, part: Schema) -> str:
    rows = [key, f"  {part['title']}"]
    if "description" in part:
        rows.append(f"  {part['description']}")
    rows.append(f"  Takes {schemas.limits(part)}; default {plain(part['default'])}.")
    return "\n".join(rows)


def page() -> str:
    """docs/reference/settings.md: every group a table."""
    rows = [
        "# Settings",
        "",
        "What `config/classroom.yml` may say. Every key has a default, so an empty file is a classroom. `make config` prints",
        "what is in force. Sizes are a number with K, M, G or T (1G is 1024M).",
        "",
        "This page is made from `config/schema.yml`: `python -m config.settings schema-doc > docs/reference/settings.md`.",
    ]
    group = None
    for key, part in schemas.leaves():
        above = key.split(".")[0]
        if above != group:
            group = above
            whole: Any = schemas.find(above)
            heading = [whole["title"], ""] if schemas.is_group(whole) else []
            rows += ["", f"## {above}", "", *heading, "| key | default | takes | what it is |", "| --- | --- | --- | --- |"]
        text = " ".join(filter(None, (part["title"], part.get("description"))))
        cells = (f"`{key}`", f"`{plain(part['default'])}`", schemas.limits(part), text)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"
