"""Playing a student: filling a notebook in, and running it from top to bottom as a kernel would.

`python -m course.tests.playing NOTEBOOK` runs one: IPython's own shell in a process of its own, which is a
kernel without its messages, and several times cheaper to start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from course.builder.source import solve
from course.manifest import HERE

SECONDS = 240  # long after a notebook's minute: it ends a loop without end


def fill_in(notebook: Path, instructor: Path) -> None:
    """Write the solutions into a student's notebook: each exercise's, by its cell's id."""
    solutions = {
        cell["id"]: solve("".join(cell["source"]))
        for cell in json.loads(instructor.read_text())["cells"]
        if cell["metadata"].get("tinytorch", {}).get("role") == "exercise"
    }
    content = json.loads(notebook.read_text())
    for cell in content["cells"]:
        if cell["id"] in solutions:
            cell["source"] = solutions.pop(cell["id"]).splitlines(keepends=True)
    assert not solutions, f"{notebook} has no cell for {sorted(solutions)}"
    notebook.write_text(json.dumps(content))


def run(notebook: Path) -> None:
    """Run a notebook in its folder, beside the `tinytorch` that lies there.

    Raises:
        AssertionError: a cell failed; the message holds what it said.
    """
    with tempfile.TemporaryDirectory() as settings:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(notebook.parent), str(HERE.parent)]),
            "TT_WORK": str(notebook.parent),
            "MPLBACKEND": "agg",
            "OPENBLAS_NUM_THREADS": "1",  # as in a student's server
            "IPYTHONDIR": settings,  # not in somebody's home
        }
        ended = subprocess.run(
            [sys.executable, "-m", "course.tests.playing", notebook.name],
            cwd=notebook.parent, env=environment, capture_output=True, text=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
    assert ended.returncode == 0, f"{notebook.name}\n{ended.stdout[-4000:]}\n{ended.stderr[-2000:]}"


def _run_cells(notebook: Path) -> int:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code" and not shell.run_cell("".join(cell["source"])).success:
            print(f"This was cell {cell['id']}.")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(_run_cells(Path(sys.argv[1])))
