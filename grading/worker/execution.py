"""Running an instructor's own notebook, its assertions in its cells, and taking back what they put out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from grading.compare import outputs, words
from grading.course_files import CourseFault, CourseFiles
from grading.jobs import Job
from grading.sandboxes import Limits, Sandbox, SandboxSilent
from grading.store import Store
from grading.worker import canaries
from grading.worker.modules import own_limits

MOST_CELLS = 5000
MOST_FILES = 200
STOPPED = (
    "NotRun",
    "Timeout",
    "Crash",
    "TooMuchOutput",
)  # errors of the harness (grading/sandbox/notebook.py)

Cell = Mapping[str, Any]


def run(job: Job, course: CourseFiles, store: Store, sandbox: Sandbox, limits: Limits) -> dict[str, Any]:
    """Run the notebook of an 'execute' job.

    The job's task: `notebook` (nbformat 4), `files` (path: base64), `timeout` (seconds a cell), `canary`
    (whether a test that must fail is put among the tests).

    Returns:
        `cells`: outputs of each cell in order, as nbformat has them; of a cell without code, none.
        `canary`: 'failed' as it must, 'passed' (somebody tampers), or 'not run'.
        `ended`: 'ok', or why not all cells were run: 'timeout', 'output', 'crash', 'files', 'oom', 'failed'.
        `notes`: sentences for whoever grades.

    Raises:
        CourseFault: the task makes no sense; the text says why.
        SandboxUnavailable: it was not run, and may be run again.
        SandboxSilent: the sandbox said nothing at all, the first time.
    """
    cells, files, seconds = _checked(job.task)
    sources = [_source(cell) for cell in cells]
    bird = canaries.place(cells) if job.task.get("canary") else None
    if bird is not None:
        sources.insert(bird, canaries.canary())
    task = {
        "task": "notebook",
        "cells": sources,
        "files": files,
        "per_cell_seconds": min(seconds, limits.seconds * 0.9),
        **own_limits(limits),
    }
    ran = sandbox.run(json.dumps(task).encode("ascii"), limits)
    if ran.exit == "failed" and not ran.output and job.attempt == 1:
        raise SandboxSilent(job.id)
    came, ended, notes = _read(ran.output, ran.exit)
    lost = outputs.error("NotRun", f"This cell was not run: {words.NO_ANSWER.get(ran.exit, ended)}")
    results = [[] if source is None else came.get(at, [lost]) for at, source in enumerate(sources)]
    verdict = "not run"
    if bird is not None:
        verdict = _verdict(results.pop(bird), ended)
    _number(cells, results)
    return {"cells": results, "canary": verdict, "ended": ended, "notes": notes}


def _checked(task: Any) -> tuple[list[Cell], dict[str, str], float]:
    """The cells, files and seconds of a task."""
    task = task if isinstance(task, dict) else {}
    notebook, files = task.get("notebook"), task.get("files") or {}
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise CourseFault("This is no notebook: it has no list of cells.")
    if len(cells) > MOST_CELLS:
        raise CourseFault(f"The notebook has {len(cells):,} cells; at most {MOST_CELLS:,} can be run.")
    texts = isinstance(files, dict) and all(isinstance(text, str) for text in files.values())
    if not texts or len(files) > MOST_FILES:
        raise CourseFault(f"An assignment's files are names with base64, at most {MOST_FILES} of them.")
    for name in files:
        path = PurePosixPath(name)
        if not name or path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
            raise CourseFault(f"The assignment's file {name[:80]!r} has no plain relative path.")
    seconds = task.get("timeout")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        raise CourseFault("timeout must be a number of seconds for each cell.")
    return cells, files, float(seconds)


def _source(cell: Cell) -> str | None:
    """A code cell's text."""
    source = cell.get("source")
    if isinstance(source, list):
        source = "".join(map(str, source))
    return source if cell.get("cell_type") == "code" and isinstance(source, str) else None


def _read(received: bytes, exit: str) -> tuple[dict[int, list[outputs.Output]], str, list[str]]:
    """Outputs by cell, how the run ended, and notes. Of what is said twice, the first counts."""
    came: dict[int, list[outputs.Output]] = {}
    ended, notes = (exit if exit != "ok" else "failed"), []
    for said in outputs.lines(received):
        place, end = said.get("cell"), said.get("end")
        if type(place) is int:
            came.setdefault(place, outputs.understood(said.get("outputs")))
        elif end in ("ok", "timeout", "output", "crash", "files"):
            ended = end
            if isinstance(said.get("note"), str):
                notes.append(outputs.plain(said["note"][:400]))
    return came, ended, notes


def _verdict(came: Sequence[outputs.Output], ended: str) -> str:
    errors = [each["ename"] for each in came if each["output_type"] == "error"]
    if ended != "ok" and any(name in STOPPED for name in errors):  # ours only then
        return "not run"
    return "failed" if errors else "passed"


def _number(cells: Sequence[Cell], results: Sequence[list[outputs.Output]]) -> None:
    """Give results the numbers that they have without the canary."""
    number = 0
    for cell, came in zip(cells, results, strict=True):
        if _source(cell) is not None:
            number += 1
        for output in came:
            if output["output_type"] == "execute_result":
                output["execution_count"] = number
