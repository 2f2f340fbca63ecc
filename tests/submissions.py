"""What students hand in during the tests: a right solution, a wrong one."""

from __future__ import annotations

import json
from typing import Any

from tests.classroom import REPOSITORY

Notebook = dict[str, Any]


def notebook(slug: str, edition: str, track: str = "discovery") -> Notebook:
    """A built notebook: edition 'student' is untouched, 'instructor' is solved."""
    path = REPOSITORY / "build" / "course" / track / edition / f"{slug}.ipynb"
    loaded: Notebook = json.loads(path.read_text())
    return loaded


def exercises(book: Notebook) -> list[dict[str, Any]]:
    """The exercise cells, in order."""
    return [cell for cell in book["cells"] if cell["metadata"].get("tinytorch", {}).get("role") == "exercise"]


def source(cell: dict[str, Any]) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def right(slug: str) -> Notebook:
    """The student's notebook with every exercise solved."""
    book = notebook(slug, "student")
    solved = {
        cell["metadata"]["tinytorch"]["id"]: source(cell) for cell in exercises(notebook(slug, "instructor"))
    }
    for cell in exercises(book):
        cell["source"] = solved[cell["metadata"]["tinytorch"]["id"]]
    return book


def wrong(slug: str, exercise: str, old: str, new: str) -> Notebook:
    """Right but for one change in one exercise."""
    book = right(slug)
    (cell,) = (cell for cell in exercises(book) if cell["metadata"]["tinytorch"]["id"] == exercise)
    assert old in source(cell), source(cell)
    cell["source"] = source(cell).replace(old, new)
    return book
