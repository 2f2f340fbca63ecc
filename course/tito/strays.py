"""Names that an exercise uses and that are defined in a cell which is not exported: they would be missing.

Only exercises and given cells go into the package. A student who adds a cell with a helper sees it work in
the notebook, and nowhere else.
"""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Iterator

from course.export import EXPORTED, NAMED, Notebook, cells


def strays(notebook: Notebook, exported: str) -> list[str]:
    """What the exercises of a notebook lose on export, in sentences for the student."""
    known = {*dir(builtins), "__name__", "__file__", *_defined(exported)}
    elsewhere = {
        name for cell in cells(notebook) if cell.role not in EXPORTED for name in _defined(cell.source)
    }
    return [
        f"Exercise '{cell.id}' uses {', '.join(lost)}, defined in a cell of its own that is not exported. "
        f"Move {'it' if len(lost) == 1 else 'them'} into the exercise's cell."
        for cell in cells(notebook)
        if cell.role == "exercise"
        if (lost := [f"'{name}'" for name in sorted(_used(cell.source) & elsewhere - known)])
    ]


def _tree(source: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _defined(source: str) -> set[str]:
    """The names that a source defines on its top level."""
    return set(_bound(_tree(source).body))


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, NAMED):
            yield node.name
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((each.asname or each.name).split(".")[0] for each in node.names)
            continue
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                yield each.id
            elif isinstance(each, NAMED):
                yield each.name


def _used(source: str) -> set[str]:
    """The names that a source reads and nowhere binds."""
    tree = _tree(source)
    read, bound = set(), set(_bound(tree.body))
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name):
                bound.add(name)
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                bound |= {(each.asname or each.name).split(".")[0] for each in names}
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
    return read - bound
