"""A module's cells as a notebook: nbgrader's metadata, ours, and nothing that differs between two builds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from course.builder.source import SourceCell

Notebook = dict[str, Any]


def student(slug: str, track: str, cells: list[SourceCell]) -> Notebook:
    """The notebook that students get: solutions cleared, locked cells locked."""
    return _notebook(slug, track, cells, lambda cell: cell.cleared())


def instructor(slug: str, track: str, cells: list[SourceCell]) -> Notebook:
    """The same notebook with its solutions, marked as nbgrader marks them."""
    return _notebook(slug, track, cells, lambda cell: cell.marked())


def solved(slug: str, cells: list[SourceCell]) -> Notebook:
    """A perfect student's notebook: solved, without marks. It belongs to no track."""
    return _notebook(slug, "", cells, lambda cell: cell.solved())


def dumps(content: dict[str, Any]) -> str:
    """JSON as notebooks are written everywhere: the same bytes for the same content."""
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _notebook(slug: str, track: str, cells: list[SourceCell], text: Callable[[SourceCell], str]) -> Notebook:
    here = (cell for cell in cells if cell.role != "hint" and cell.belongs_to(track))
    listed = [_cell(cell, text(cell)) for cell in here]
    return {
        "cells": listed,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "tinytorch": {
                "module": slug,
                "track": track,
                "version": hashlib.sha256(dumps({"cells": listed}).encode()).hexdigest()[:12],
            },
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(cell: SourceCell, text: str) -> dict[str, Any]:
    is_text = cell.role in ("text", "question")
    written: dict[str, Any] = {
        "cell_type": "markdown" if is_text else "code",
        "id": cell.id,
        "metadata": {} if cell.role in ("text", "demonstration") else _metadata(cell),
        "source": text.splitlines(keepends=True),
    }
    if not is_text:
        written |= {"execution_count": None, "outputs": []}
    return written


def _metadata(cell: SourceCell) -> dict[str, Any]:
    ours = {"role": cell.role, "id": cell.id}
    if cell.role == "guess":
        return {"deletable": False, "tinytorch": ours}
    locked = cell.role not in ("exercise", "question")
    if cell.role == "check":
        ours["exercise"] = cell.exercise or ""
    return {
        "deletable": False,
        "editable": not locked,
        "nbgrader": {
            "cell_type": "markdown" if cell.role == "question" else "code",
            "grade": cell.points is not None,
            "grade_id": cell.id,
            "locked": locked,
            "schema_version": 3,
            "solution": not locked,
            "task": False,
            **({} if cell.points is None else {"points": cell.points}),
        },
        "tinytorch": ours,
    }
