"""Reading a module's source (jupytext percent format) and refusing what cannot become a notebook."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.builder import BuildError
from course.export import UNSOLVED

ROLES = ("given", "exercise", "check")
KEYS = {"role", "id", "exercise", "points", "track"}
ID = re.compile(r"[a-z][a-z0-9-]{0,63}")  # also what nbgrader's grade_id and a notebook's cell id may be
MARKER = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION[ \t]*$", re.MULTILINE)
SOLUTION = re.compile(
    r"^(?P<indent>[ \t]*)### BEGIN SOLUTION[ \t]*\n(?P<code>.*?)^[ \t]*### END SOLUTION[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class SourceCell:
    """One cell of a module's source. Role is one of ROLES, 'text' or 'demonstration'."""

    role: str
    id: str
    source: str
    track: str | None = None  # in this track only
    exercise: str | None = None  # of a check
    points: int | None = None  # of a check

    def cleared(self) -> str:
        """The source as students get it."""
        return clear(self.source, self.id)

    def solved(self) -> str:
        """The source with its solutions."""
        return solve(self.source)


def clear(source: str, name: str) -> str:
    """A source with each solution replaced by an error that names the exercise."""
    error = f'raise NotImplementedError("{name} {UNSOLVED}")'
    return SOLUTION.sub(rf"\g<indent># YOUR CODE HERE\n\g<indent>{error}", source)


def solve(source: str) -> str:
    """A source with its solutions, without the lines that mark them."""
    return re.sub(r"^[ \t]*### (BEGIN|END) SOLUTION[ \t]*\n?", "", source, flags=re.MULTILINE)


def script(path: Path) -> tuple[str, str]:
    """A milestone's script as students get it, and solved.

    Raises:
        BuildError: a mark of a solution stands alone, so that the solution would reach students.
    """
    source = path.read_text(encoding="utf-8")
    marks = [match[1] for match in MARKER.finditer(source)]
    if marks != ["BEGIN", "END"] * (len(marks) // 2):
        raise BuildError(f"{path}: '### BEGIN SOLUTION' and '### END SOLUTION' must come in pairs.")
    cleared = clear(source, path.stem)
    _parse(f"{path}, with its solutions cleared", cleared)
    return cleared, solve(source)


def read(path: Path, tracks: Collection[str]) -> list[SourceCell]:
    """Read and check a module's source.

    Args:
        path: the module's file; its name without '.py' is the slug.
        tracks: the tracks that a cell may be bound to.

    Raises:
        BuildError: a cell is not as it must be.
    """
    import jupytext

    try:
        notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise BuildError(f"{path}: cannot be read: {error}") from error
    cells = [_cell(path, number, raw, tracks) for number, raw in enumerate(notebook.cells, start=1)]
    _check_ids(path, cells)
    return cells


def _cell(path: Path, number: int, raw: Any, tracks: Collection[str]) -> SourceCell:
    keys = {key: value for key, value in raw.metadata.items() if key != "lines_to_next_cell"}
    at = f"{path}: cell {number}" + (f" ('{keys['id']}')" if "id" in keys else "")
    unknown = sorted(set(keys) - KEYS)
    if unknown:
        raise BuildError(f"{at}: unknown key '{unknown[0]}'. A cell may have: {', '.join(sorted(KEYS))}.")
    if keys.get("track") is not None and keys["track"] not in tracks:
        raise BuildError(f"{at}: there is no track '{keys['track']}'. There are: {', '.join(tracks)}.")
    role = keys.get("role")
    if role is None:
        return _plain(at, path.stem, number, raw, keys)
    if role not in ROLES:
        raise BuildError(
            f"{at}: unknown role '{role}'. Roles are: {', '.join(ROLES)}; a demonstration has none."
        )
    if raw.cell_type != "code":
        raise BuildError(f"{at}: role '{role}' is for code. Take '[markdown]' away, or the role.")
    if "track" in keys:
        raise BuildError(f"{at}: role '{role}' must be the same in every track. Take 'track' away.")
    if not isinstance(keys.get("id"), str) or not ID.fullmatch(keys["id"]):
        raise BuildError(f"{at}: role '{role}' needs an id of small letters, digits and \"-\", at most 64.")
    cell = SourceCell(role, keys["id"], raw.source, exercise=keys.get("exercise"), points=keys.get("points"))
    _check_role(at, cell)
    return cell


def _plain(at: str, slug: str, number: int, raw: Any, keys: dict[str, Any]) -> SourceCell:
    extra = sorted(set(keys) - {"track"})
    if extra:
        raise BuildError(f"{at}: has '{extra[0]}' but no role. Add role=, or take '{extra[0]}' away.")
    if MARKER.search(raw.source):
        raise BuildError(f'{at}: a solution outside an exercise would reach students. Add role="exercise".')
    role = "text" if raw.cell_type == "markdown" else "demonstration"
    # '_' is in no id of an author's: such an id can never meet one of theirs.
    return SourceCell(role, f"{slug.replace('_', '-')}_{number}", raw.source, track=keys.get("track"))


def _check_role(at: str, cell: SourceCell) -> None:
    is_check = cell.role == "check"
    if is_check and (type(cell.points) is not int or cell.points <= 0):
        raise BuildError(f"{at}: a check needs whole points above 0, e.g. points=2.")
    if is_check and not isinstance(cell.exercise, str):
        raise BuildError(f'{at}: a check names what it checks, e.g. exercise="tensor-add".')
    if not is_check and (cell.points is not None or cell.exercise is not None):
        raise BuildError(f"{at}: only a check has 'points' and 'exercise'.")
    _parse(at, cell.source)
    if cell.role == "exercise":
        _check_solution(at, cell)
    elif MARKER.search(cell.source):
        raise BuildError(f"{at}: a solution outside an exercise would reach students.")


def _check_solution(at: str, cell: SourceCell) -> None:
    marks = [match[1] for match in MARKER.finditer(cell.source)]
    if not marks or marks != ["BEGIN", "END"] * (len(marks) // 2):
        raise BuildError(f"{at}: an exercise needs '### BEGIN SOLUTION' and '### END SOLUTION', in pairs.")
    tree = _parse(f"{at}, with its solution cleared", cell.cleared())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    inside = [id(n) for f in ast.walk(tree) if isinstance(f, functions) for n in ast.walk(f)]
    if any(isinstance(node, ast.Raise) and id(node) not in inside for node in ast.walk(tree)):
        raise BuildError(
            f"{at}: the solution stands outside a function, so an unsolved notebook could not be imported. "
            "Put it into a function's body."
        )


def _check_ids(path: Path, cells: list[SourceCell]) -> None:
    seen: set[str] = set()
    for cell in cells:
        if cell.id in seen:
            raise BuildError(f"{path}: two cells have the id '{cell.id}'. Give one another id.")
        seen.add(cell.id)
    exercises = {cell.id for cell in cells if cell.role == "exercise"}
    for cell in cells:
        if cell.role == "check" and cell.exercise not in exercises:
            raise BuildError(
                f"{path}: cell '{cell.id}' checks exercise '{cell.exercise}', which does not exist. "
                f"There are: {', '.join(sorted(exercises)) or 'none'}."
            )


def _parse(at: str, source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise BuildError(f"{at}: line {error.lineno} is no valid Python: {error.msg}.") from error
