"""Students' own code, for similarity checkers (MOSS, JPlag, dolos): a zip with one folder a student.

Only what a student wrote: of a module the exercise cells that are not as they came, of a milestone the
functions that are not as they came, of an instructor's own assignment nbgrader's solution cells. What was
given would make everybody alike. The zip is made as it is sent: one student's work is in memory at a time.
"""

from __future__ import annotations

import ast
import base64
import binascii
import hashlib
import hmac
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from course.export import NotANotebookError, cells, parse
from grading.database import standings, submissions
from grading.settings import Settings
from grading.store import Store

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files make the same zip
MOST = 4 * 1024 * 1024  # characters of one student's code; more is none


class Sink(io.RawIOBase):
    """Where the zip is written to, and taken from piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        """It only takes."""
        return True

    def write(self, data: Any) -> int:
        """Take a piece."""
        self.pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What has come since the last time."""
        data, self.pieces = b"".join(self.pieces), []
        return data


def zipped(
    engine: sa.Engine, store: Store, settings: Settings, kind: str, slug: str, named: Callable[[str], str]
) -> Iterator[bytes]:
    """The zip, piece by piece.

    Args:
        named: what a student's folder is called.
    """
    sink = Sink()
    given = _given(settings, kind, slug)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, id in _counted(engine, kind, slug):
            try:
                body = json.loads(store.read(id))
            except (OSError, ValueError):
                continue  # a file that a broken disk lost must not hide everybody's
            for name, code in own_code(kind, slug, body, given).items():
                entry = zipfile.ZipInfo(f"{named(student)}/{name}", EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, code[:MOST])
            yield sink.taken()
    yield sink.taken()


def folder(student: str) -> str:
    """A student's name as a folder's; another name is another folder."""
    name = quote(student, safe="@")
    return name if name.strip(".") else name.replace(".", "%2E")


def pseudonym(secret: str, student: str) -> str:
    """A name that says nothing of the student to whoever does not have the secret; the same every time."""
    return f"student-{hmac.new(secret.encode(), student.encode(), hashlib.sha256).hexdigest()[:12]}"


def own_code(kind: str, slug: str, body: Any, given: dict[str, str]) -> dict[str, str]:
    """A submission's files with the student's own code; none if there is none."""
    if kind == "module":
        found = {f"{slug}.py": _exercises(body.get("notebook"), given)}
    elif kind == "milestone":
        found = {f"{slug}.py": _functions(body.get("files", {}).get(f"{slug}.py", ""), given)}
    else:
        found = dict(_assignment(body.get("files", {})))
    return {name: code for name, code in found.items() if code.strip()}


def _exercises(notebook: Any, given: dict[str, str]) -> str:
    """The exercise cells that are not as they came, in the official order, cells copied and all."""
    written: dict[str, list[str]] = {id: [] for id in given}
    for cell in cells(notebook):
        if cell.id in written and cell.source.strip() != given[cell.id].strip():
            written[cell.id].append(cell.source.strip("\n"))
    return "".join(f"{source}\n\n\n" for sources in written.values() for source in sources)


def _functions(source: str, given: dict[str, str]) -> str:
    """The functions and classes of a script that are not as they came. What is no Python is all their own."""
    parts = _parts(source)
    if parts is None:
        return source
    return "".join(f"{text}\n\n\n" for name, text in parts.items() if given.get(name) != text)


def _assignment(files: Any) -> Iterator[tuple[str, str]]:
    for path, content in sorted(files.items()):
        if PurePosixPath(path).suffix != ".ipynb":
            continue
        try:
            notebook = parse(base64.b64decode(content))
        except (NotANotebookError, binascii.Error, TypeError):
            continue
        solutions = (
            cell for cell in notebook["cells"] if isinstance(cell, dict) and cell.get("cell_type") == "code"
        )
        sources = [_source(cell) for cell in solutions if _is_solution(cell)]
        yield (
            quote(path.removesuffix(".ipynb"), safe="") + ".py",
            "".join(f"{text}\n\n\n" for text in sources),
        )


def _is_solution(cell: dict[str, Any]) -> bool:
    metadata = cell.get("metadata")
    graded = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return isinstance(graded, dict) and graded.get("solution") is True


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source")
    parts = source if isinstance(source, list) else [source]
    return "".join(part for part in parts if isinstance(part, str)).strip("\n")


def _given(settings: Settings, kind: str, slug: str) -> dict[str, str]:
    """What students got: exercise cells by their id, a script's functions by their name."""
    try:
        if kind == "module":
            notebook = json.loads((settings.official / f"{slug}.ipynb").read_text(encoding="utf-8"))
            return {cell.id: cell.source for cell in cells(notebook) if cell.role == "exercise"}
        if kind == "milestone":
            script = settings.official / "milestones" / f"{slug}.py"
            return _parts(script.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError):
        pass
    return {}


def _parts(source: str) -> dict[str, str] | None:
    """The functions and classes on a script's top level; None if it is no Python."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    lines = source.splitlines()
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            text = "\n".join(lines[first - 1 : node.end_lineno])
            found[node.name] = f"{found[node.name]}\n\n\n{text}" if node.name in found else text
    return found


def _counted(engine: sa.Engine, kind: str, slug: str) -> list[tuple[str, str]]:
    """Each student's submission that counts; the newest where none counts yet."""
    counted = sa.select(standings.c.student, standings.c.counted).where(
        standings.c.kind == kind, standings.c.slug == slug, standings.c.counted.is_not(None)
    )
    handed_in = (
        sa.select(submissions.c.student, submissions.c.id)
        .where(submissions.c.kind == kind, submissions.c.slug == slug)
        .order_by(submissions.c.received_at, submissions.c.id)
    )
    with engine.connect() as connection:
        chosen = {row.student: row.id for row in connection.execute(handed_in)}
        chosen |= {row.student: row.counted for row in connection.execute(counted)}
    return sorted(chosen.items())
