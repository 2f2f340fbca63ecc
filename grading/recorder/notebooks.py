"""What formgrader shows of a module: each student's counted notebook, in nbgrader's course folder.

The official cells, with the student's own text in exercises and questions, the rubric beside each question,
and nothing that could run: what a student's cells had printed is left out. The folder is shared with
formgrader, which this process does not trust: no link in it is followed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from course.export import KINDS, Cell, cells

LONGEST = 100_000  # characters of one cell that are shown
MOST_OWN = 100  # cells of a student's own that are shown
CUT = "\n[... the rest is not shown; it is in the submission]"
ROLES = ("exercise", "question")
RUBRIC = re.compile(r"^### BEGIN (?:SOLUTION|RUBRIC)[ \t]*\n(.*?)^### END", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"[^/\x00\s.][^/\x00]{0,199}")  # of a folder; nbgrader takes names as they are
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Notebook = dict[str, Any]


class UnusableNameError(ValueError):
    """A student's or module's name cannot be a folder's; the message says which."""


def write(
    course_folder: Path,
    official: Notebook,
    instructor: Notebook,
    student: str,
    slug: str,
    notebook: object,
    received_at: float | None = None,
) -> None:
    """Put a student's notebook of a module where formgrader looks for it; each file whole or not at all.

    Args:
        course_folder: nbgrader's course folder.
        official: the notebook of the module that students get.
        instructor: the same with solutions and rubrics.
        student: whose it is.
        notebook: what was handed in, parsed; never trusted.
        received_at: when; with it formgrader also counts the submission as one.

    Raises:
        UnusableNameError: the student's name cannot be a folder's.
        OSError: a folder is a link or a file, or cannot be written.
    """
    for step, whole in (("source", instructor), ("release", official)):
        _put(course_folder, (step, slug), f"{slug}.ipynb", _dumps(whole), once=True)
    if received_at is not None:
        moment = datetime.fromtimestamp(received_at, timezone.utc)
        text = moment.strftime("%Y-%m-%d %H:%M:%S.%f UTC\n").encode()
        _put(course_folder, ("submitted", student, slug), "timestamp.txt", text)
    shown = _dumps(marked(official, instructor, notebook))
    _put(course_folder, ("autograded", student, slug), f"{slug}.ipynb", shown)


def marked(official: Notebook, instructor: Notebook, notebook: object) -> Notebook:
    """A student's notebook as a person who marks it reads it."""
    theirs = list(cells(notebook, *KINDS))
    rubrics = dict(_rubrics(instructor))
    listed: list[dict[str, Any]] = []
    for cell in official["cells"]:
        ours = cell["metadata"].get("tinytorch", {})
        written = [each.source for each in theirs if each.id == ours.get("id")]
        if ours.get("role") in ROLES:
            text = "\n\n".join(written) if written else _joined(cell["source"])
            cell = {**cell, "source": _shortened(text)}
        listed.append(cell)
        if ours.get("role") == "question" and ours["id"] in rubrics:
            listed.append(_rubric(ours["id"], rubrics[ours["id"]]))
    listed += _own(official, notebook)
    return {**official, "cells": listed}


def _rubrics(instructor: Notebook) -> Iterator[tuple[str, str]]:
    for cell in cells(instructor, "markdown"):
        found = RUBRIC.search(cell.source)
        if cell.role == "question" and found:
            yield cell.id, found[1].strip()


def _rubric(question: str, text: str) -> dict[str, Any]:
    return {
        "cell_type": "markdown",
        "id": f"{question[:50]}-rubric",
        "metadata": {"deletable": False, "editable": False, "tinytorch": {"role": "rubric", "id": question}},
        "source": f"**Rubric**, for whoever marks this\n\n{text}",
    }


def _own(official: Notebook, notebook: object) -> list[dict[str, Any]]:
    """The cells that are no cell of the course's: experiments, and exercises that have lost their ids."""
    given = {each.source.strip() for each in cells(official, *KINDS)} | {""}
    own = [each for each in cells(notebook, *KINDS) if not each.id and each.source.strip() not in given]
    if not own:
        return []
    title = "## The student's own cells\n\nExperiments, or cells that have lost their ids."
    listed = [Cell("", "", title, "markdown"), *own[:MOST_OWN]]
    if len(own) > MOST_OWN:
        listed.append(Cell("", "", f"[{len(own) - MOST_OWN} more cells are not shown]", "markdown"))
    return [_cell(f"own_{number}", each) for number, each in enumerate(listed)]


def _cell(id: str, cell: Cell) -> dict[str, Any]:
    kind = "code" if cell.kind == "code" else "markdown"
    more: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": id, "metadata": {}, "source": _shortened(cell.source), **more}


def _joined(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + CUT


def _dumps(notebook: Mapping[str, Any]) -> bytes:
    # Half a character, which JSON allows and UTF-8 does not, is shown as one that stands for it.
    # In one line: there is one for each mark, and with indentation it takes ten times as long.
    return json.dumps(notebook, ensure_ascii=False).encode("utf-8", "replace")


def _put(root: Path, folders: tuple[str, ...], name: str, content: bytes, *, once: bool = False) -> None:
    """Write a file below a folder, making the folders between; `once`: unless it is there as it should be."""
    with _folder(root, folders) as folder:
        if once and _holds(folder, name, content):
            return
        part = f".{name}.{secrets.token_hex(8)}"
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder)
        try:
            with os.fdopen(file, "wb") as out:
                out.write(content)
            os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(part, dir_fd=folder)
            raise


@contextmanager
def _folder(root: Path, folders: tuple[str, ...]) -> Iterator[int]:
    """A folder opened one step after another, so that a link on the way is an error."""
    with ExitStack() as opened:
        at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, at)
        for name in folders:
            if not NAME.fullmatch(name) or len(name.encode("utf-8", "replace")) > 255:
                raise UnusableNameError(f"{name!r} cannot be the name of a folder.")
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=at)
            at = os.open(name, FOLDER_FLAGS, dir_fd=at)
            opened.callback(os.close, at)
        yield at


def _holds(folder: int, name: str, content: bytes) -> bool:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return False
    with os.fdopen(file, "rb") as existing:
        status = os.fstat(existing.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size != len(content):
            return False
        return existing.read() == content
