"""`tito test`: the visible checks of a module on the student's code."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from typing import Any

from course.export import Notebook, cells
from course.manifest import HERE
from course.tito import places
from course.tito.exporting import assembled, show_problems
from course.tito.places import Places
from course.tito.start import prepare
from course.tito.terminal import result, say

TIMEOUT = 120  # seconds for all checks of a module


def test(where: Places, slug: str) -> int:
    """Run the checks and print which pass; 0 if all do."""
    assembly = assembled(where, slug)
    official = places.read_official(where, slug)
    prepare(where)
    checks = visible_checks(official)
    messages = run_checks(where, slug, assembly.source, official)
    passed = [check for check in checks if messages[check["id"]] is None]
    for check in checks:
        message = messages[check["id"]]
        result(message is None, check["id"], f"{check['points']} points")
        if message:
            say(message, indent=6)
    say()
    show_problems(where, slug, assembly)
    say(f"{slug}: {len(passed)} of {len(checks)} checks pass.")
    if len(passed) == len(checks):
        say(f"Next: tito export {slug}, then: tito submit {slug}")
        return 0
    return 1


def visible_checks(official: Notebook) -> list[dict[str, Any]]:
    """The checks of a notebook: id, source, points."""
    points = {
        cell["metadata"]["nbgrader"]["grade_id"]: cell["metadata"]["nbgrader"]["points"]
        for cell in official["cells"]
        if cell["metadata"].get("nbgrader", {}).get("grade")
    }
    return [
        {"id": cell.id, "source": cell.source, "points": points[cell.id]}
        for cell in cells(official)
        if cell.role == "check"
    ]


def _imports(official: Notebook) -> list[str]:
    """What the demonstrations import: checks may use it. The demonstrations themselves are not run."""
    trees = (ast.parse(cell.source) for cell in cells(official) if not cell.role)
    return [
        ast.unparse(node)
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def run_checks(where: Places, slug: str, source: str, official: Notebook) -> dict[str, str | None]:
    """Run a notebook's checks on a source, beside the student's package; what each said (None: it passed)."""
    checks = visible_checks(official)
    task = json.dumps({"slug": slug, "source": source, "imports": _imports(official), "checks": checks})
    environment = {**os.environ, "PYTHONPATH": f"{where.work}{os.pathsep}{HERE.parent}", "MPLBACKEND": "Agg"}
    process = subprocess.Popen(
        [sys.executable, "-m", "course.tito.checks"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=where.work,
        env=environment,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(task, timeout=TIMEOUT)
        ended = "The process that runs the checks ended here. Did your code call exit, or run out of memory?"
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        ended = f"Not reached: the checks took more than {TIMEOUT} seconds."
    said = (json.loads(line) for line in output.splitlines())
    messages = {each["check"]: each["message"] for each in said}
    return {check["id"]: messages.get(check["id"], ended) for check in checks}
