"""Reads a settings file as plain values that remember their lines.

A stricter YAML than PyYAML's: a key given twice is refused (PyYAML takes the last), `yes` and 2024-01-01 are
text (as in YAML 1.2), and tags, anchors and aliases have no place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from config.problems import Problem, SettingsError

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
Key = tuple[str, ...]
_TAB_INDENT = re.compile(r" *\t\s*[^\s#]")


@dataclass
class Document:
    """What a file says, where it says it, and which keys of it cannot be taken (given twice, say)."""

    file: str
    values: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _RefusedError(Exception):
    """YAML that is right, but has no place in settings."""

    def __init__(self, event: Any, text: str) -> None:
        self.problem = Problem(text, event.start_mark.line + 1)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 (PyYAML keeps its resolvers on the class)
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _RefusedError(
                event, "& and * (anchors and aliases) are not used here. Write the value out."
            )
        if getattr(event, "tag", None):
            raise _RefusedError(event, "! (a tag) is not used here. Write the plain value.")
        if self.depth > MAX_DEPTH:
            raise _RefusedError(event, "this is nested too deep. There are groups and their keys, no more.")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in (
    ("null", r"|~|null|Null|NULL", ["", "~", "n", "N"]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]{0,17})", list("-+0123456789")),
    ("float", r"[-+]?[0-9]{1,17}\.[0-9]{0,17}", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


def read(path: Path, file: str) -> Document:
    """Read `path`, called `file` in messages. Raises SettingsError when it is no readable YAML mapping."""
    document = Document(file, values={})
    try:
        text = _text(path)
        tabs = [number for number, line in enumerate(text.split("\n"), start=1) if _TAB_INDENT.match(line)]
        if tabs:
            problems = [
                Problem("the line is indented with a tab. Indent with spaces.", number) for number in tabs
            ]
            raise SettingsError(file, problems)
        node = _compose(text)
    except _UnreadableError as error:
        raise SettingsError(file, [error.problem]) from None
    if node is not None and node.tag != "tag:yaml.org,2002:null":
        document.values = _values(node, (), document.lines, document.problems)
    return document


class _UnreadableError(Exception):
    def __init__(self, text: str, line: int | None = None) -> None:
        self.problem = Problem(text, line)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _UnreadableError(
            "there is no such file. Check the name, or make an empty one: an empty file takes every default."
        ) from None
    except IsADirectoryError:
        raise _UnreadableError("this is a folder. Name the file in it, like classroom.yml.") from None
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise _UnreadableError(f"it cannot be read ({reason}). Check who may read it.") from None
    if len(content) > MAX_BYTES:
        raise _UnreadableError("it is larger than 1 MB. Check that it is the right file.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _UnreadableError("this is not UTF-8 text. Save the file as UTF-8.", line) from None
    control = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise _UnreadableError("an invisible control character is here. Take it out.", line)
    return text


def _compose(text: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except _RefusedError as refused:
        raise _UnreadableError(refused.problem.text, refused.problem.line) from None
    except yaml.MarkedYAMLError as error:
        # A key without a colon is noticed a line later; the context is where it stands.
        simple_key = error.context == "while scanning a simple key"
        mark = error.context_mark if simple_key else error.problem_mark or error.context_mark
        raise _UnreadableError(_not_yaml(error), mark.line + 1 if mark else None) from None
    if isinstance(node, (yaml.SequenceNode, yaml.ScalarNode)) and node.tag != "tag:yaml.org,2002:null":
        raise _UnreadableError(
            "these are no settings. Write groups, and their keys below, like `network:`, `  port: 8000`.",
            node.start_mark.line + 1 if node.start_mark else None,
        )
    return node


def _not_yaml(error: yaml.MarkedYAMLError) -> str:
    reason = error.problem or "it cannot be read"
    if "single document" in (error.context or ""):
        return "a second document begins here (---). Keep one."
    if "mapping values are not allowed" in reason or "<block end>" in reason:
        return (
            "this is not YAML: the indentation does not fit the lines above, or a text with a colon lacks "
            "quotes. Groups begin at the margin, their keys two spaces in."
        )
    if "could not find expected ':'" in reason:
        return "this is not YAML: a key has no colon. Write `key: value`."
    return f"this is not YAML: {reason}. Put a text with odd characters in quotes."


def _values(node: Any, key: Key, lines: dict[Key, int], problems: list[Problem]) -> Any:
    """The plain value of a node; notes each key's line, and each key that is there twice."""
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                problems.append(Problem("a key must be a plain word. Write `key: value`.", line))
                continue
            name = str(name_node.value)
            path = (*key, name)
            if name in values:
                text = f"{'.'.join(path)} is set a second time (first in line {lines[path]}). Keep one."
                problems.append(Problem(text, line))
                continue
            lines[path] = line
            values[name] = _values(value_node, path, lines, problems)
        return values
    if isinstance(node, yaml.SequenceNode):
        entries = [((*key, str(index)), entry) for index, entry in enumerate(node.value)]
        lines.update((path, entry.start_mark.line + 1) for path, entry in entries)
        return [_values(entry, path, lines, problems) for path, entry in entries]
    text = str(node.value)
    plain: dict[str, Callable[[str], Any]] = {
        "null": lambda _: None,
        "bool": lambda text: text.lower() == "true",
        "int": int,
        "float": float,
    }
    return plain.get(node.tag.rpartition(":")[2], str)(text)
