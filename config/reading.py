"""Reads a settings file as plain values that remember their lines.

A stricter YAML than PyYAML's: a key given twice is refused (YAML would take the last), `yes` and 2024-01-01 are plain
text (as in YAML 1.2), and tags, anchors and aliases have no place here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from config.problems import Problem, SettingsError

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
Key = tuple[str, ...]


@dataclass
class Document:
    """What a file says, and where it says it."""

    file: str
    values: Any = None
    lines: dict[Key, int] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 (PyYAML keeps its resolvers on the class)
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Refused(event, "anchors and aliases (& and *) are not used here. Write the value out.")
        if getattr(event, "tag", None):
            raise _Refused(event, "tags (!) are not used here. Write the plain value.")
        if self.depth > MAX_DEPTH:
            raise _Refused(event, "this is nested too deep. Settings have two levels: a group and its keys.")
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


class _Refused(Exception):
    def __init__(self, event: yaml.Event, text: str) -> None:
        self.problem = Problem(text, event.start_mark.line + 1)


def read(path: Path, file: str) -> Document:
    """Read `path`; `file` is its name in messages. Raises SettingsError when it is no readable YAML mapping."""
    text = _text(path, file)
    tabs = [
        Problem("the line is indented with a tab. Indent with spaces.", number)
        for number, line in enumerate(text.splitlines(), start=1)
        if "\t" in line[: len(line) - len(line.lstrip())] and line.strip() and not line.lstrip().startswith("#")
    ]
    if tabs:
        raise SettingsError(file, tabs)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except _Refused as refused:
        raise SettingsError(file, [refused.problem]) from None
    except yaml.MarkedYAMLError as error:
        raise SettingsError(file, [_yaml_problem(error)]) from None
    except yaml.YAMLError:
        character = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
        line = text.count("\n", 0, character.start()) + 1 if character else None
        raise SettingsError(file, [Problem("an invisible control character is here. Take it out.", line)]) from None

    document = Document(file, values={})
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return document
    if not isinstance(node, yaml.MappingNode):
        raise SettingsError(
            file,
            [Problem("this is no list of settings. Write groups with keys, like `network:` and below it `  port: 8000`.",
                     node.start_mark.line + 1)],
        )
    problems: list[Problem] = []
    document.values = _values(node, (), document.lines, problems)
    if problems:
        raise SettingsError(file, problems)
    return document


def _text(path: Path, file: str) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SettingsError(
            file,
            [Problem("there is no such file. Check the name, or make an empty one: an empty file is a classroom with "
                     "every default.")],
        ) from None
    except IsADirectoryError:
        raise SettingsError(file, [Problem("this is a folder. Name the file in it, like classroom.yml.")]) from None
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise SettingsError(file, [Problem(f"it cannot be read ({reason}). Check who may read it.")]) from None
    if len(content) > MAX_BYTES:
        raise SettingsError(file, [Problem("it is larger than 1 MB. Is this the right file?")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(file, [Problem("this is not UTF-8 text. Save the file as UTF-8.", line)]) from None


def _yaml_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else None
    reason = error.problem or "it cannot be read"
    if "another document" in reason or "single document" in (error.context or ""):
        return Problem("a second document begins here (---). Keep one.", line)
    if "mapping values are not allowed" in reason or "<block end>" in reason:
        return Problem(
            "this is not YAML here: the indentation does not fit the lines above, or a text with a colon needs quotes. "
            "Groups begin at the margin, their keys two spaces in.", line)
    if "could not find expected ':'" in reason:
        return Problem("this is not YAML here: a key without a colon. Write `key: value`.", line)
    return Problem(f"this is not YAML here: {reason}. Put a text with odd characters in quotes.", line)


def _values(node: yaml.Node, key: Key, lines: dict[Key, int], problems: list[Problem]) -> Any:
    lines.setdefault(key, node.start_mark.line + 1)
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
                problems.append(
                    Problem(f"{'.'.join(path)} is set a second time (first in line {lines[path]}). Keep one.", line))
                continue
            lines[path] = line
            values[name] = _values(value_node, path, lines, problems)
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_values(item, (*key, str(index)), lines, problems) for index, item in enumerate(node.value)]
    text = str(node.value)
    if node.tag == "tag:yaml.org,2002:null":
        return None
    if node.tag == "tag:yaml.org,2002:bool":
        return text.lower() == "true"
    if node.tag == "tag:yaml.org,2002:int":
        return int(text)
    if node.tag == "tag:yaml.org,2002:float":
        return float(text)
    return text
