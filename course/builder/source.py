"""Reading a module's or a bridge's source (jupytext percent); what cannot become a notebook is refused."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.builder import BuildError
from course.export import ANSWER, UNSOLVED

CODE_ROLES = ("given", "exercise", "check")
ROLES = (*CODE_ROLES, "question", "hint")
KEYS = {"role", "id", "exercise", "points", "track"}
PARTS = ("end", "begin")  # of a bridge: in the notebook before, and in the one after
ID = re.compile(r"[a-z][a-z0-9-]{0,63}")  # also what nbgrader's grade_id and a notebook's cell id may be
MARKER = re.compile(r"^[ \t]*### (BEGIN|END) (?:SOLUTION|RUBRIC)[ \t]*$", re.MULTILINE)
SOLUTION = re.compile(
    r"^(?P<indent>[ \t]*)### BEGIN SOLUTION[ \t]*\n(?P<code>.*?)^[ \t]*### END SOLUTION[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
RUBRIC = re.compile(r"^### BEGIN RUBRIC[ \t]*\n(?P<text>.*?)^### END RUBRIC[ \t]*$", re.MULTILINE | re.DOTALL)
LEAK = "a solution outside an exercise, or a rubric outside a question, would reach students. Add its role."
QUOTED = 30  # characters: a shorter line of a solution (`return total / n`) may stand in a hint


@dataclass(frozen=True)
class SourceCell:
    """One cell of a module's source. Role is one of ROLES, 'text', 'demonstration' or 'guess'."""

    role: str
    id: str
    source: str
    tracks: tuple[str, ...] = ()  # in these only; none: in every track
    exercise: str | None = None  # of a check or a hint
    points: int | None = None  # of a check or a question

    def belongs_to(self, track: str) -> bool:
        """Whether the notebook of a track has this cell."""
        return not self.tracks or track in self.tracks

    def cleared(self) -> str:
        """The source as students get it."""
        return RUBRIC.sub(ANSWER, clear(self.source, self.id))

    def marked(self) -> str:
        """The source with what only instructors see, marked as nbgrader marks it."""
        return RUBRIC.sub(r"### BEGIN SOLUTION\n\g<text>### END SOLUTION", self.source)

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
    cells = [_cell(path, number, raw, tracks) for number, raw in _raw_cells(path)]
    _check_ids(path, cells)
    _check_exercises(path, cells)
    return cells


def read_bridge(path: Path, tracks: Collection[str]) -> dict[str, list[SourceCell]]:
    """Read a bridge's source: its cells by part.

    Args:
        path: the bridge's file; its name is the edge.
        tracks: the tracks that a cell may be bound to.

    Raises:
        BuildError: a cell is not as it must be.
    """
    parts: dict[str, list[SourceCell]] = {part: [] for part in PARTS}
    for number, raw in _raw_cells(path):
        at, keys = _keys(path, number, raw, {"part", "track"}, tracks)
        if keys.get("part") not in parts:
            raise BuildError(f'{at}: needs part="end" (the notebook before) or part="begin" (the one after).')
        part = parts[keys["part"]]
        part.append(_plain(at, f"{_name(path.stem)}_{keys['part']}_{len(part) + 1}", raw, keys))
    return parts


def _raw_cells(path: Path) -> Iterator[tuple[int, Any]]:
    """The cells of a file as jupytext reads them, numbered."""
    import jupytext

    try:
        notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise BuildError(f"{path}: cannot be read: {error}") from error
    return enumerate(notebook.cells, start=1)


def _keys(
    path: Path, number: int, raw: Any, known: set[str], tracks: Collection[str]
) -> tuple[str, dict[str, Any]]:
    """Where a cell stands, in words, and its keys."""
    keys = {key: value for key, value in raw.metadata.items() if key != "lines_to_next_cell"}
    at = f"{path}: cell {number}" + (f" ('{keys['id']}')" if "id" in keys else "")
    unknown = sorted(set(keys) - known)
    if unknown:
        raise BuildError(f"{at}: unknown key '{unknown[0]}'. A cell may have: {', '.join(sorted(known))}.")
    for track in _tracks(keys):
        if track not in tracks:
            raise BuildError(f"{at}: there is no track '{track}'. There are: {', '.join(tracks)}.")
    return at, keys


def _cell(path: Path, number: int, raw: Any, tracks: Collection[str]) -> SourceCell:
    at, keys = _keys(path, number, raw, KEYS, tracks)
    role = keys.get("role")
    builders_id = f"{_name(path.stem)}_{number}"
    if role is None:
        extra = sorted(set(keys) - {"track"})
        if extra:
            raise BuildError(f"{at}: has '{extra[0]}' but no role. Add role=, or take '{extra[0]}' away.")
        return _plain(at, builders_id, raw, keys)
    if role not in ROLES:
        raise BuildError(
            f"{at}: unknown role '{role}'. Roles are: {', '.join(ROLES)}; a demonstration has none."
        )
    if role in CODE_ROLES and raw.cell_type != "code":
        raise BuildError(f"{at}: role '{role}' is for code. Take '[markdown]' away, or the role.")
    if role not in CODE_ROLES and raw.cell_type != "markdown":
        raise BuildError(f"{at}: role '{role}' is for text. Add '[markdown]', or take the role away.")
    if "track" in keys:
        raise BuildError(f"{at}: role '{role}' must be the same in every track. Take 'track' away.")
    if role == "hint":
        if "id" in keys:
            raise BuildError(f"{at}: a hint has no id; it belongs to its exercise. Take 'id' away.")
        keys["id"] = builders_id
    elif not isinstance(keys.get("id"), str) or not ID.fullmatch(keys["id"]):
        raise BuildError(f"{at}: role '{role}' needs an id of small letters, digits and \"-\", at most 64.")
    cell = SourceCell(role, keys["id"], raw.source, exercise=keys.get("exercise"), points=keys.get("points"))
    _check_role(at, cell)
    return cell


def _name(stem: str) -> str:
    """A file's name as part of an id of the builder's own.

    Such an id goes on with '_', which is in no id of an author's, so the two never meet.
    """
    return stem.replace("_", "-")


def _tracks(keys: dict[str, Any]) -> tuple[str, ...]:
    """The tracks that `track="core, immediate"` names; none without the key."""
    return tuple(name.strip() for name in str(keys["track"]).split(",")) if "track" in keys else ()


def _plain(at: str, name: str, raw: Any, keys: dict[str, Any]) -> SourceCell:
    if MARKER.search(raw.source):
        raise BuildError(f"{at}: {LEAK}")
    role = "text" if raw.cell_type == "markdown" else "demonstration"
    return SourceCell(role, name, raw.source, tracks=_tracks(keys))


def _check_role(at: str, cell: SourceCell) -> None:
    worth, about = cell.role in ("check", "question"), cell.role in ("check", "hint")
    if worth and (type(cell.points) is not int or cell.points <= 0):
        raise BuildError(f"{at}: a {cell.role} needs whole points above 0, e.g. points=2.")
    if about and not isinstance(cell.exercise, str):
        raise BuildError(f'{at}: a {cell.role} names its exercise, e.g. exercise="tensor-add".')
    if not worth and cell.points is not None:
        raise BuildError(f"{at}: only a check or a question has 'points'.")
    if not about and cell.exercise is not None:
        raise BuildError(f"{at}: only a check or a hint has 'exercise'.")
    if cell.role in CODE_ROLES:
        _parse(at, cell.source)
    if cell.role == "exercise":
        _check_solution(at, cell)
    elif cell.role == "question":
        _check_rubric(at, cell)
    elif MARKER.search(cell.source):
        raise BuildError(f"{at}: {LEAK}")


def _check_rubric(at: str, cell: SourceCell) -> None:
    rubrics = RUBRIC.findall(cell.source)
    asked = RUBRIC.sub("", cell.source)
    if len(rubrics) != 1 or not rubrics[0].strip() or MARKER.search(asked):
        raise BuildError(f"{at}: a question needs one rubric, from '### BEGIN RUBRIC' to '### END RUBRIC'.")
    if not asked.strip():
        raise BuildError(f"{at}: asks nothing. Write the question before its rubric.")


def _check_solution(at: str, cell: SourceCell) -> None:
    marks = [match[1] for match in MARKER.finditer(cell.source)]
    if not SOLUTION.search(cell.source) or marks != ["BEGIN", "END"] * (len(marks) // 2):
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
    seen = {guess_id(path.stem)}
    for cell in cells:
        if cell.id in seen:
            raise BuildError(f"{path}: two cells have the id '{cell.id}'. Give one another id.")
        seen.add(cell.id)


def guess_id(slug: str) -> str:
    """The id of the cell that ends a module's notebook, where a student's guess is kept."""
    return f"{_name(slug)}-guess"


def _check_exercises(path: Path, cells: list[SourceCell]) -> None:
    exercises = {cell.id: cell for cell in cells if cell.role == "exercise"}
    for cell in cells:
        if cell.exercise is None:
            continue
        if cell.exercise not in exercises:
            raise BuildError(
                f"{path}: {cell.role} '{cell.id}' is for exercise '{cell.exercise}', which does not exist. "
                f"There are: {', '.join(sorted(exercises)) or 'none'}."
            )
        if cell.role == "hint":
            _check_hint(path, cell, exercises[cell.exercise])


def _check_hint(path: Path, hint: SourceCell, exercise: SourceCell) -> None:
    """A hint may come near; a whole solution, or a long line of one, is no hint."""
    said, shown = _squeezed(hint.source), _squeezed(exercise.cleared())
    for solution in SOLUTION.finditer(exercise.source):
        lines = [line.strip() for line in solution["code"].splitlines() if not line.strip().startswith("#")]
        long = [line for line in lines if len(line) > QUOTED and _squeezed(line) not in shown]
        for told in ("\n".join(lines), *long):
            if _squeezed(told) in said:
                raise BuildError(
                    f"{path}: a hint for '{exercise.id}' tells its solution: '{told.splitlines()[0]}'. "
                    "Say it in other words."
                )


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _parse(at: str, source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise BuildError(f"{at}: line {error.lineno} is no valid Python: {error.msg}.") from error
