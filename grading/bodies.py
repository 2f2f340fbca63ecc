"""What a student may send: the wire format of a submission, checked before anything is kept.

What is wrong is told in one sentence. A damaged notebook is welcome (the grader uses what can be matched);
only what is no notebook at all is refused.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from course.calendar.checking import ASSIGNMENT
from course.manifest import Manifest

CELL_TYPES = ("code", "markdown", "raw")
MAX_FILES = 200
MAX_WEIGHTS = 200
MAX_NESTED = 100  # what nests deeper than Python recurses would be readable here and not where it is marked
FILE = re.compile(r"(?:[A-Za-z0-9_]+/){0,4}[A-Za-z0-9_]+\.py")
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
MAX_DEPTH = 8  # folders in folders
MAX_PATH = 200  # characters
MAX_NAME = 255  # bytes of one part of a path: what a file system takes


class Refused(ValueError):  # noqa: N818  # says what happens
    """A submission that is not taken; the message is for the student."""


class Unknown(LookupError):  # noqa: N818  # says what it is
    """There is no such module or milestone; the message is for the student."""


def check_slug(manifest: Manifest, kind: str, slug: str) -> None:
    """Refuse what does not exist, or not yet.

    Raises:
        Unknown: no such module or milestone.
        Refused: it is planned, and cannot be handed in yet.
    """
    known = manifest.modules if kind == "module" else manifest.milestones
    if slug not in known:
        raise Unknown(f"There is no {kind} '{slug[:64]}'. There are: {', '.join(known)}.")
    if not known[slug].available:
        raise Refused(f"The {kind} '{slug}' is not available yet, so it cannot be handed in.")


def check_assignment(manifest: Manifest, name: str) -> None:
    """Refuse what an instructor's own assignment cannot be called.

    Raises:
        Refused: it is no name, or the course's own.
    """
    if name in manifest.modules:
        raise Refused(f"'{name}' is a module of the course: students get it when the calendar opens it.")
    if name.startswith("milestone-") and name.removeprefix("milestone-") in manifest.milestones:
        raise Refused(f"'{name}' is what a milestone of the course is called. Choose another name.")
    if not ASSIGNMENT.fullmatch(name):
        raise Refused(
            "An assignment's name must be at most 64 letters, digits, spaces, '.', '_' and '-', and neither "
            "begin nor end with a space or '.'."
        )


def check(kind: str, slug: str, body: bytes) -> None:
    """Check a submission's bytes. Slow for large ones: call it outside the event loop.

    Args:
        kind: 'module', 'milestone', or 'assignment': files for nbgrader's exchange, in either direction.

    Raises:
        Refused: it is not in the wire format.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("The submission is not readable as JSON. Hand in with `tito submit`.") from None
    if not isinstance(content, dict):
        raise Refused("The submission is no JSON object. Hand in with `tito submit`.")
    _nesting(content)
    if kind == "module":
        _notebook(content.get("notebook"), slug)
    elif kind == "assignment":
        _contents(content.get("files"))
    else:
        _files(content.get("files"))
        _weights(content.get("weights"))


def _nesting(content: Any) -> None:
    level = [content]
    for _ in range(MAX_NESTED):
        inside = (each.values() if type(each) is dict else each for each in level)
        level = [each for values in inside for each in values if type(each) is dict or type(each) is list]
        if not level:
            return
    raise Refused(f"The submission is nested more than {MAX_NESTED} deep. Clear the notebook's outputs.")


def _notebook(notebook: Any, slug: str) -> None:
    if not isinstance(notebook, dict):
        raise Refused("The submission holds no notebook. Hand in with `tito submit`.")
    if notebook.get("nbformat") != 4 or not isinstance(notebook.get("cells"), list):
        raise Refused(
            "What was handed in is no notebook (nbformat 4, with a list of cells). Save it in JupyterLab."
        )
    if not all(_is_cell(cell) for cell in notebook["cells"]):
        raise Refused("A cell of the notebook has no type or no text. Save it in JupyterLab first.")
    metadata = notebook.get("metadata")
    ours = metadata.get("tinytorch") if isinstance(metadata, dict) else None
    module = ours.get("module", slug) if isinstance(ours, dict) else slug
    if module != slug:
        raise Refused(f"This is the notebook of '{str(module)[:64]}', not of '{slug}'.")


def _is_cell(cell: Any) -> bool:
    if not isinstance(cell, dict) or cell.get("cell_type") not in CELL_TYPES:
        return False
    source = cell.get("source")
    return isinstance(source, str) or (isinstance(source, list) and all(isinstance(s, str) for s in source))


def _files(files: Any) -> None:
    if not isinstance(files, dict) or not files or len(files) > MAX_FILES:
        raise Refused(f"'files' must hold 1 to {MAX_FILES} Python files. Hand in with `tito submit`.")
    for path, text in files.items():
        if not FILE.fullmatch(path):
            raise Refused(f"'{path[:64]}' is no name for a Python file. Use letters, digits and _.")
        if not isinstance(text, str):
            raise Refused(f"The file '{path}' is no text.")


def _weights(weights: Any) -> None:
    if not isinstance(weights, dict) or len(weights) > MAX_WEIGHTS:
        raise Refused(f"'weights' must be an object of at most {MAX_WEIGHTS} arrays (it may be empty).")
    for name, text in weights.items():
        if not NAME.fullmatch(name):
            raise Refused("A weight's name must be 1 to 64 letters, digits, '_', '.' or '-'.")
        if not isinstance(text, str) or len(text) % 4 or not BASE64.fullmatch(text):
            raise Refused(f"The weight '{name}' is no array in base64. Hand in with `tito submit`.")


def _contents(files: Any) -> None:
    """Files of any kind, which others will write to their disks: nothing may come to lie anywhere else."""
    if not isinstance(files, dict) or not files or len(files) > MAX_FILES:
        raise Refused(f"'files' must hold 1 to {MAX_FILES} files, each with its content in base64.")
    taken: dict[str, str] = {}
    for path, text in files.items():
        if fault := _fault(path):
            shown = "".join(each if each.isprintable() else "?" for each in path[:64])
            raise Refused(f"The file '{shown}' cannot be taken: {fault}. Rename it, or leave it out.")
        if not isinstance(text, str) or len(text) % 4 or not BASE64.fullmatch(text):
            raise Refused(f"The content of the file '{path}' is not in base64.")
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            # One letter's case, or one way to write an umlaut, is no difference on many disks.
            here = "/".join(parts[:end])
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", here).casefold())
            what = here if end < len(parts) else f"{here}\0"  # a folder may hold many files, a file is one
            if taken.setdefault(folded, what) != what:
                raise Refused(f"The file '{path}' and another one have the same name, but for its spelling.")


def _fault(path: str) -> str | None:
    """Why a path is not taken, for a sentence; None if it is."""
    parts = path.split("/")
    if len(path) > MAX_PATH or len(parts) > MAX_DEPTH:
        return f"its path is longer than {MAX_PATH} characters, or deeper than {MAX_DEPTH} folders"
    if "\\" in path or not path.isprintable():
        return "its name holds a backslash or what cannot be printed"
    if any(not part or part.startswith(".") or part != part.strip() for part in parts):
        return "a part of its path is empty, begins with a dot, or begins or ends with a space"
    if any(len(part.encode()) > MAX_NAME for part in parts):
        return f"a part of its path is longer than {MAX_NAME} bytes"
    return None
