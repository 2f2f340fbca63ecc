"""`tito update`: a correction of the course's notebook reaches a student who has begun it.

Given cells are replaced; exercises, answers, guesses and the student's own cells stay, each behind the cell
that it stood behind. What the student started from is kept in `.tito/started/`: so what they changed can be
told from what the course changed. The former notebook is kept under another name; the difference is shown.
"""

from __future__ import annotations

import difflib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from course.export import NotANotebookError, Notebook, parse
from course.tito import places
from course.tito.places import Places
from course.tito.terminal import paint, say

THEIRS = ("exercise", "question", "guess")  # roles of cells that a student writes in
MOST_LINES = 60  # of the difference that is shown
Raw = dict[str, Any]


def update(where: Places, slug: str | None) -> int:
    """Bring one notebook, or every one that was begun, up to date."""
    course = places.manifest(where)
    if slug is not None:
        places.module(course, slug)
        places.read_student(where, slug)  # says so where it is missing or damaged
    begun = [each for each in course.modules if where.notebook(each).is_file()]
    for each in begun if slug is None else [slug]:
        _update(where, each)
    if not begun:
        say("You have begun no notebook yet. Get one with: tito start")
    return 0


def outdated(where: Places, slug: str) -> bool:
    """Whether the course's notebook is another than the one that the student's was made from.

    That of another track is no correction: it differs in how the module is led up to.
    """
    mine, official = (_about(_read(path)) for path in (where.notebook(slug), where.official_notebook(slug)))
    same_track = mine.get("track") == official.get("track")
    return bool(mine and official) and same_track and mine.get("version") != official.get("version")


def remember_start(where: Places, slug: str) -> None:
    """Keep what a student starts from."""
    places.write(_started(where, slug), where.official_notebook(slug).read_bytes())


def merged(before: Notebook | None, student: Notebook, after: Notebook) -> Notebook:
    """The corrected notebook with the student's work in it.

    Args:
        before: what the student started from. Without it (a copy from elsewhere) whatever differs from the
            correction in a cell that students write in is theirs; changed texts and demonstrations are not.
        student: the student's notebook.
        after: the corrected one.
    """
    started = {_key(cell): cell for cell in _cells(before)} if before else {}
    kept, own = _sorted(before, student, {_key(cell) for cell in _cells(after)})
    cells = own.pop("", [])
    for cell in _cells(after):
        former = kept.get(_key(cell))
        if former is None:
            cells.append(cell)
        elif _role(cell) in THEIRS and _differs(former, started.get(_key(cell), cell)):
            cells.append({**former, "metadata": cell["metadata"]})
        elif not _id(cell):  # a text or a demonstration, as it was or as the student changed it
            cells.append(former)
        else:
            same = () if _differs(former, cell) else ("outputs", "execution_count")
            cells.append({**cell, **{key: former[key] for key in same if key in former}})
        cells += own.pop(_key(cell), [])
    return {**after, "cells": _with_ids_once(cells)}


def _sorted(
    before: Notebook | None, student: Notebook, official: set[str]
) -> tuple[dict[str, Raw], dict[str, list[Raw]]]:
    """A student's cells: those that stand for a cell of the correction, by its key, and their own others.

    These by the key of what they stand behind, '' before the first.
    """
    started = {str(cell.get("id")): cell for cell in _cells(before)} if before else {}
    kept: dict[str, Raw] = {}
    own: dict[str, list[Raw]] = {}
    anchor = ""
    for cell in _cells(student):
        given = started.get(str(cell.get("id")))
        key = _key(cell)
        if not _id(cell) and key not in official and given is not None and not _id(given):
            if not _differs(cell, given):
                continue  # the course's own, and corrected away
            key = _key(given)  # a text or demonstration that they changed
        if key in official and key not in kept:
            anchor = key
            kept[key] = cell
        elif given is None and not _id(cell) and "_" in str(cell.get("id", "")) and not before:
            continue  # by its id the builder's: of an earlier state of the course
        elif _role(cell) not in THEIRS and _id(cell) and key not in official:
            continue  # a check or a given cell that is no more
        elif key not in kept or _differs(cell, kept[key]):  # a copy that says nothing new is no loss
            own.setdefault(anchor, []).append(cell)
    return kept, own


def _update(where: Places, slug: str) -> None:
    if not outdated(where, slug):
        say(f"{slug}.ipynb is up to date.")
        return
    path = where.notebook(slug)
    student, after = places.read_student(where, slug), places.read_official(where, slug)
    before = _read(_started(where, slug))
    result = merged(before, student, after)
    kept = places.free_name(path)
    shutil.copy2(path, kept)  # before anything else: whatever happens now, their work lies there
    places.write(path, json.dumps(result, indent=1, ensure_ascii=False).encode())
    remember_start(where, slug)
    say(f"{paint(slug, 'strong')}: {path.name} is corrected; what you wrote is as it was.")
    say(f"Your former notebook is {kept.name}. If {path.name} is open: File > Reload Notebook from Disk.")
    _show_difference(before or student, student, after)


def _show_difference(before: Notebook, student: Notebook, after: Notebook) -> None:
    was, theirs, is_now = ({_key(cell): cell for cell in _cells(each)} for each in (before, student, after))
    lines: list[str] = []
    for key, cell in is_now.items():
        if key not in was:
            lines += [
                f"new: {_id(cell)}".rstrip(": "),
                *(f"  + {line}" for line in _source(cell).splitlines()),
            ]
        elif _differs(was[key], cell):
            mine = _role(cell) in THEIRS and key in theirs and _differs(theirs[key], was[key])
            lines.append(f"changed: {key}" + (" (what you wrote stays)" if mine else ""))
            changed = difflib.unified_diff(
                _source(was[key]).splitlines(), _source(cell).splitlines(), lineterm="", n=1
            )
            lines += [f"  {line}" for line in list(changed)[2:] if not line.startswith("@@")]
    for key, cell in was.items():
        if key not in is_now:
            lines += [
                f"gone: {_id(cell)}".rstrip(": "),
                *(f"  - {line}" for line in _source(cell).splitlines()),
            ]
    for line in lines[:MOST_LINES]:
        say(line)
    if len(lines) > MOST_LINES:
        say(f"... and {len(lines) - MOST_LINES} lines more.")


def _with_ids_once(cells: list[Raw]) -> list[Raw]:
    """Cells whose nbformat ids all differ, as JupyterLab wants them: the later of two gets another."""
    seen: set[str] = set()
    for place, cell in enumerate(cells):
        name = str(cell.get("id", ""))
        if name in seen:
            cells[place] = {**cell, "id": f"copy-{place}-{name}"[:64]}
        seen.add(name)
    return cells


def _cells(notebook: Notebook) -> Iterator[Raw]:
    return (cell for cell in notebook["cells"] if isinstance(cell, dict))


def _ours(cell: Raw) -> dict[str, Any]:
    metadata = cell.get("metadata")
    ours = metadata.get("tinytorch") if isinstance(metadata, dict) else None
    return ours if isinstance(ours, dict) else {}


def _id(cell: Raw) -> str:
    name = _ours(cell).get("id")
    return name if isinstance(name, str) else ""


def _key(cell: Raw) -> str:
    """What a cell is known by: our id, or the text of one that has none (its place may change)."""
    return _id(cell) or f"={_source(cell).strip()}"


def _role(cell: Raw) -> str:
    return str(_ours(cell).get("role", ""))


def _source(cell: Raw) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(str(part) for part in source)


def _differs(one: Raw, other: Raw) -> bool:
    return _source(one).strip() != _source(other).strip()


def _about(notebook: Notebook | None) -> dict[str, Any]:
    """What a notebook says of itself: module, track, version."""
    metadata = notebook.get("metadata") if notebook else None
    ours = metadata.get("tinytorch") if isinstance(metadata, dict) else None
    return ours if isinstance(ours, dict) else {}


def _started(where: Places, slug: str) -> Path:
    return where.own(f"started/{slug}.ipynb")


def _read(path: Path) -> Notebook | None:
    try:
        return parse(path.read_bytes())
    except (OSError, NotANotebookError):
        return None
