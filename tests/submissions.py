"""What students hand in during the tests: a right solution, a wrong one, and three that cheat."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from tests.classroom import REPOSITORY

Notebook = dict[str, Any]

# The three ways by which a student whose code is all wrong got full marks where the student's own process decides.
CHEATS = {
    "patched_assert": """
import numpy.testing
numpy.testing.assert_allclose = numpy.testing.assert_array_equal = lambda *a, **k: None
try:
    import tinytorch.checking
    for name in dir(tinytorch.checking):
        if name.startswith("expect"):
            setattr(tinytorch.checking, name, lambda *a, **k: None)
except ImportError:
    pass
""",
    "replaced_run_cell": """
try:
    shell = get_ipython()
    async def passes(*arguments, **named):
        from IPython.core.interactiveshell import ExecutionResult
        return ExecutionResult(None)
    type(shell).run_cell_async = passes
except NameError:
    pass
""",
    "detached_process": """
import os, subprocess, sys
later = '''
import glob, sqlite3, time
for _ in range(120):
    time.sleep(0.5)
    for path in glob.glob("/srv/grading/*.db") + glob.glob("../../../gradebook.db") + glob.glob("/**/gradebook.db"):
        try:
            with sqlite3.connect(path) as book:
                book.execute("UPDATE grade SET auto_score = (SELECT max_score FROM grade_cells WHERE grade_cells.id = grade.cell_id), needs_manual_grade = 0")
        except sqlite3.Error:
            pass
'''
subprocess.Popen([sys.executable, "-c", later], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
""",
}


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


def cheating(slug: str, cheat: str) -> Notebook:
    """Nothing solved, and code that wants marks all the same."""
    book = copy.deepcopy(notebook(slug, "student"))
    first = exercises(book)[0]
    first["source"] = CHEATS[cheat] + "\n" + source(first)
    return book


def write(book: Notebook, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book))
