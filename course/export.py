"""From a student's notebook to the source of a module.

The given cells come from the official notebook, the exercises from the student's, matched by our cell ids;
so what a student changed in a locked cell changes nothing. Notebooks arrive damaged (cells copied, split,
deleted, pasted from elsewhere): what can be matched is used, the rest is named in words. Standard library
only: this file is in the student's, the grader's and the sandbox's image. Nothing is run here.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Notebook = dict[str, Any]
EXPORTED = ("given", "exercise")
UNSOLVED = "is still to be done"  # what every unsolved place of an exercise raises, after the exercise's id
ANSWER = "YOUR ANSWER HERE"  # where the answer to a question goes; nbgrader's own words
NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# A cell may define, import and assign; anything else in it is an experiment, which must not stop the import.
DEFINITIONS = (*NAMED, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)


class NotANotebookError(ValueError):
    """The text is no notebook; the message says why."""


@dataclass(frozen=True)
class Problem:
    """Something in a student's notebook that is not as it should be, in words for the student."""

    cell: str  # our id
    text: str


@dataclass(frozen=True)
class Assembly:
    """The source of a module, and what was wrong with the notebook that it came from."""

    source: str
    problems: list[Problem]


@dataclass(frozen=True)
class Cell:
    """A cell as the course sees it: role and id are empty for a cell that is not the course's."""

    role: str
    id: str
    source: str


def parse(text: str | bytes) -> Notebook:
    """Read a notebook file's text.

    Raises:
        NotANotebookError: it is no JSON, or JSON of something else.
    """
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotANotebookError(f"This is no notebook: it is not readable as JSON ({error}).") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise NotANotebookError("This is no notebook: it has no list of cells.")
    return notebook


def cells(notebook: object, kind: str = "code") -> Iterator[Cell]:
    """The cells of a notebook, whatever state it is in; of kind "code" or "markdown"."""
    listed = notebook.get("cells") if isinstance(notebook, dict) else None
    for raw in listed if isinstance(listed, list) else []:
        if not isinstance(raw, dict) or raw.get("cell_type") != kind:
            continue
        source = raw.get("source")
        if isinstance(source, list):
            source = "".join(part for part in source if isinstance(part, str))
        if isinstance(source, str):
            ours = _dict(_dict(raw.get("metadata")).get("tinytorch"))
            yield Cell(_text(ours.get("role")), _text(ours.get("id")), source)


def assemble(official: Notebook, student: object) -> Assembly:
    """Put a module's source together from the official notebook and the student's.

    Args:
        official: the course's student notebook of the module; trusted.
        student: the notebook that came in, parsed; never trusted.

    Returns:
        The source, which always compiles, and the problems. An exercise that is missing or does not compile
        is replaced by the official, unsolved one, so that the rest still works.
    """
    theirs = list(cells(student))
    problems: list[Problem] = []
    parts = []
    for cell in cells(official):
        if cell.role in EXPORTED:
            same = [each.source for each in theirs if each.id == cell.id]
            chosen = _exercise(cell, same, theirs, problems) if cell.role == "exercise" else cell.source
            if cell.role == "given" and any(source.strip() != cell.source.strip() for source in same):
                problems.append(
                    Problem(cell.id, f"Given cell '{cell.id}' was changed; the original is used.")
                )
            parts.append(chosen.strip("\n"))
    return Assembly("\n\n\n".join(parts) + "\n", problems)


def answers(official: Notebook, student: object) -> dict[str, str]:
    """What a student wrote for each question: empty where it stands as it came, or is gone."""
    theirs = list(cells(student, "markdown"))
    found = {}
    for cell in cells(official, "markdown"):
        if cell.role == "question":
            as_it_came = {_letters(cell.source), _letters(cell.source.replace(ANSWER, "")), ""}
            written = [each.source.strip() for each in theirs if each.id == cell.id]
            found[cell.id] = "\n\n".join(text for text in written if _letters(text) not in as_it_came)
    return found


def _letters(text: str) -> str:
    return "".join(text.split())


def _exercise(cell: Cell, found: list[str], theirs: list[Cell], problems: list[Problem]) -> str:
    """The source to use for an exercise: the student's where it can be, otherwise the unsolved one."""

    def report(text: str) -> None:
        problems.append(Problem(cell.id, text))

    names = _defines(cell.source)
    if not found:
        found = [each.source for each in theirs if not each.id and names and names <= _defines(each.source)]
        if not found:
            report(
                f"The cell of exercise '{cell.id}' is missing. Get it back with `tito start --fresh`, which "
                "keeps a copy of your notebook, and paste your solution into it."
            )
            return cell.source
        report(f"The cell of exercise '{cell.id}' lost its id; a cell that defines the same names is used.")
        found = found[-1:]
    source = found[0]
    if len(found) > 1:
        source = _one_of(cell.source, names, found)
        report(
            f"The notebook holds {len(found)} cells of exercise '{cell.id}'. "
            + ("They were read as one, in order." if source not in found else "One of them was used.")
            + " Join them, or delete the copies."
        )
    source = _without_magics(source, report)
    broken = _broken(source)
    if broken:
        report(f"Exercise '{cell.id}' was not used, because it is no valid Python: {broken}")
        return cell.source
    lost = names - _defines(source)
    if lost:
        report(f"Exercise '{cell.id}' no longer defines {_listed(lost)}, so what needs it fails.")
    return _contained(source)


def _one_of(official: str, names: set[str], found: list[str]) -> str:
    """Of several cells of one exercise: the last whole and changed one (a copy), or all joined (a split)."""
    whole = [source for source in found if not _broken(source) and names <= _defines(source)]
    changed = [source for source in whole if source.strip() != official.strip()]
    return (changed or whole or ["\n".join(found)])[-1]


def _contained(source: str) -> str:
    """Wrap a cell's experiments (`print(add(1, 2))`): one that fails must not fail the module's import."""
    lines = source.splitlines(keepends=True)
    for node in reversed(ast.parse(source).body):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        shares_line = node.col_offset > 0  # `a = 1; print(a)`: too rare to take apart
        if isinstance(node, DEFINITIONS) or is_text or shares_line:
            continue
        body = "\n".join(f"    {line}" for line in ast.unparse(node).splitlines())
        lines[node.lineno - 1 : node.end_lineno] = [
            f"try:\n{body}\nexcept (Exception, SystemExit):\n    pass\n"
        ]
    contained = "".join(lines)
    return source if _broken(contained) else contained


def _without_magics(source: str, report: Any) -> str:
    """Comment out IPython's `%magic` and `!command` lines, which are no Python."""
    if _broken(source) and re.search(r"^\s*[%!]", source, re.MULTILINE):
        cleaned = re.sub(r"^(\s*)([%!].*)$", r"\1# \2", source, flags=re.MULTILINE)
        if not _broken(cleaned):
            report("Lines that begin with % or ! work in a notebook only; they were left out.")
            return cleaned
    return source


def _broken(source: str) -> str | None:
    """Why a source does not compile, in words; None if it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a student's doubtful escape sequence is no matter of ours
            compile(source, "<cell>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return str(error) or type(error).__name__
    return None


def _defines(source: str) -> set[str]:
    """Names of the functions and classes that a source defines on its top level."""
    if _broken(source):
        return set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        body = ast.parse(source).body
    return {node.name for node in body if isinstance(node, NAMED)}


def _listed(names: set[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
