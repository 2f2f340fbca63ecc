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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Notebook = dict[str, Any]
Report = Callable[[str], None]
EXPORTED = ("given", "exercise")
UNSOLVED = "is still to be done"  # what every unsolved place of an exercise raises, after the exercise's id
ANSWER = "YOUR ANSWER HERE"  # where the answer to a question goes; nbgrader's own words
KINDS = ("code", "markdown", "raw")
# What copied code holds in the place of plain characters: spaces of other kinds, curly quotes; or of none.
PASTED = {
    **dict.fromkeys(map(ord, "\u00a0\u2007\u202f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u2018\u2019"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
    **dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff")),
}
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
    kind: str = "code"


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


def cells(notebook: object, *kinds: str) -> Iterator[Cell]:
    """The cells of a notebook, whatever state it is in: of some KINDS, or those of code."""
    listed = notebook.get("cells") if isinstance(notebook, dict) else None
    for raw in listed if isinstance(listed, list) else []:
        if not isinstance(raw, dict) or raw.get("cell_type") not in (kinds or ("code",)):
            continue
        source = raw.get("source")
        if isinstance(source, list):
            source = "".join(part for part in source if isinstance(part, str))
        if isinstance(source, str):
            ours = _dict(_dict(raw.get("metadata")).get("tinytorch"))
            source = source.replace("\r\n", "\n")
            yield Cell(_text(ours.get("role")), _text(ours.get("id")), source, raw["cell_type"])


def assemble(official: Notebook, student: object) -> Assembly:
    """Put a module's source together from the official notebook and the student's.

    Args:
        official: the course's student notebook of the module; trusted.
        student: the notebook that came in, parsed; never trusted.

    Returns:
        The source, which always compiles, and the problems. An exercise that is missing or does not compile
        is replaced by the official, unsolved one, so that the rest still works.
    """
    theirs = list(cells(student, *KINDS))
    problems: list[Problem] = []
    parts = []
    for cell in cells(official):
        if cell.role in EXPORTED:
            same = [each.source for each in theirs if each.id == cell.id]
            chosen = _exercise(cell, theirs, problems) if cell.role == "exercise" else cell.source
            if cell.role == "given" and any(source.strip() != cell.source.strip() for source in same):
                problems.append(
                    Problem(cell.id, f"Given cell '{cell.id}' was changed; the original is used.")
                )
            parts.append(chosen.strip("\n"))
    return Assembly("\n\n\n".join(parts) + "\n", problems)


def answers(official: Notebook, student: object) -> dict[str, str]:
    """What a student wrote for each question: empty where it stands as it came, or is gone."""
    theirs = list(cells(student, *KINDS))
    found = {}
    for cell in cells(official, "markdown"):
        if cell.role == "question":
            as_it_came = {_letters(cell.source), _letters(cell.source.replace(ANSWER, "")), ""}
            written = dict.fromkeys(each.source.strip() for each in theirs if each.id == cell.id)
            found[cell.id] = "\n\n".join(text for text in written if _letters(text) not in as_it_came)
    return found


def _letters(text: str) -> str:
    return "".join(text.split())


def _exercise(cell: Cell, theirs: list[Cell], problems: list[Problem]) -> str:
    """The source to use for an exercise: the student's where it can be, otherwise the unsolved one."""

    def report(text: str) -> None:
        problems.append(Problem(cell.id, text))

    names = _defines(cell.source)
    places = [place for place, each in enumerate(theirs) if each.id == cell.id]
    if not places and names:
        places = [n for n, each in enumerate(theirs) if not each.id and names <= _defines(each.source)][-1:]
        if places:
            report(
                f"The cell of exercise '{cell.id}' lost its id; a cell that defines the same names is used."
            )
    if not places:
        return _elsewhere(cell, names, theirs, report)
    if any(theirs[place].kind != "code" for place in places):
        report(f"The cell of exercise '{cell.id}' is no code cell. It is read as one; make it one again.")
    found = [theirs[place].source for place in places]
    source = found[0]
    if len(found) > 1:
        source = _one_of(cell.source, names, found)
        report(
            f"The notebook holds {len(found)} cells of exercise '{cell.id}'. "
            + ("They were read as one, in order." if source not in found else "One of them was used.")
            + " Join them, or delete the copies."
        )
    else:
        source = _with_the_rest(source, names, theirs[places[0] + 1 :], report)
    source = _without_magics(_typed(source, report), report)
    broken = _broken(source)
    if broken:
        report(f"Exercise '{cell.id}' was not used, because it is no valid Python: {broken}")
        return cell.source
    lost = names - _defines(source)
    if lost:
        report(f"Exercise '{cell.id}' no longer defines {_listed(lost)}, so what needs it fails.")
    return _contained(source)


def _elsewhere(cell: Cell, names: set[str], theirs: list[Cell], report: Report) -> str:
    """What stands for an exercise without a cell: nothing, where it was merged into another exercise's."""
    hosts = [
        each.id for each in theirs if each.role == "exercise" and names and names <= _defines(each.source)
    ]
    if hosts:
        report(f"Exercise '{cell.id}' stands in the cell of exercise '{hosts[-1]}', and is used from there.")
        return f"# {cell.id}: see {hosts[-1]}"
    report(
        f"The cell of exercise '{cell.id}' is missing. Get it back with `tito update`, which keeps a copy of "
        "your notebook, and write your solution into it."
    )
    return cell.source


def _with_the_rest(source: str, names: set[str], behind: list[Cell], report: Report) -> str:
    """A cell together with what was split off behind it: cells without an id that it is not whole without."""
    joined = source
    for each in behind:
        missing = names - _defines(joined)
        if each.id or each.kind != "code" or not (_broken(each.source) or missing & _defines(each.source)):
            break
        joined += "\n" + each.source
    if joined == source or _broken(joined):
        return source
    report("A cell that was split was read as one. Join its parts.")
    return joined


def _typed(source: str, report: Report) -> str:
    """A source without what copying from a web page or a chat leaves in it: other spaces, curly quotes."""
    if not _broken(source):
        return source
    cleaned = source.translate(PASTED)
    if cleaned == source or _broken(cleaned):
        return source
    report("Spaces or quotation marks that Python does not know, from copying, were replaced by plain ones.")
    return cleaned


def _one_of(official: str, names: set[str], found: list[str]) -> str:
    """Of several cells of one exercise: all joined (a split), or the last whole and changed one (a copy)."""
    joined = "\n".join(found)
    whole = [source for source in found if not _broken(source) and names <= _defines(source)]
    if not whole or (len(whole) < len(found) and names <= _defines(joined)):
        return joined
    changed = [source for source in whole if source.strip() != official.strip()]
    return (changed or whole)[-1]


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


def _without_magics(source: str, report: Report) -> str:
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
