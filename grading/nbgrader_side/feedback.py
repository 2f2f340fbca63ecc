"""What a student reads as feedback: points, comments, their own work; no hidden test, no rubric."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from grading.nbgrader_side import outputs
from grading.nbgrader_side.rendering import POLICY, SafeHTMLExporter

BEGIN = re.compile(r"BEGIN (HIDDEN TESTS|MARK SCHEME|SOLUTION|RUBRIC)")
END = re.compile(r"END (HIDDEN TESTS|MARK SCHEME|SOLUTION|RUBRIC)")
LINE = {"HIDDEN TESTS": "# hidden test", "MARK SCHEME": "", "SOLUTION": "", "RUBRIC": ""}
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SHORTEST = 8  # letters of a hidden line that tell something; `x = 1` may stand anywhere
FAILED = "A test of this cell failed. What it tests is hidden."


class HideHiddenTests(Preprocessor):
    """Leaves out what students are not to read."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Hide it in every cell, and in what any cell put out: a test may be printed by another cell."""
        nb.cells = [cell for cell in nb.cells if not _is_rubric(cell)]
        hidden = {line for cell in nb.cells for line in _hidden(cell.source)}
        for cell in nb.cells:
            tested = any(_hidden(cell.source))
            cell.source = "\n".join(_shown(cell.source))
            if cell.cell_type == "code":
                cell.outputs = [kept for each in cell.outputs if (kept := _output(each, tested, hidden))]
        return nb, resources


class FeedbackExporter(SafeHTMLExporter):
    """A page that a student opens somewhere else: it says itself that it runs nothing."""

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **more: Any) -> tuple[str, Any]:
        """Convert, and put the policy on top."""
        text, resources = super().from_notebook_node(nb, resources, **more)
        policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>'
        return text.replace("<head>", f"<head>{policy}", 1), resources


def _is_rubric(cell: NotebookNode) -> bool:
    ours = cell.metadata.get("tinytorch")
    return isinstance(ours, dict) and ours.get("role") == "rubric"


def _regions(source: str) -> Iterator[tuple[str, str | None, bool]]:
    """Each line of a source, the hidden region that it is in, and whether the region begins with it."""
    region: str | None = None
    for line in source.split("\n"):
        begins = BEGIN.search(line) if region is None else None
        if begins:
            region = begins[1]
        yield line, region, bool(begins)
        if region and END.search(line):
            region = None


def _shown(source: str) -> Iterator[str]:
    for line, region, begins in _regions(source):
        if region is None:
            yield line
        elif begins and LINE[region]:
            indent = line[: len(line) - len(line.lstrip())]
            yield indent + LINE[region]


def _hidden(source: str) -> Iterator[str]:
    """The hidden lines of a source, without spaces."""
    for line, region, begins in _regions(source):
        if region == "HIDDEN TESTS" and not begins and not END.search(line):
            letters = "".join(line.split())
            if len(letters) >= SHORTEST:
                yield letters


def _output(output: NotebookNode, tested: bool, hidden: set[str]) -> NotebookNode | None:
    """An output, or what stands for it. Of a cell with a hidden test only whether it failed is told."""
    if tested:
        return outputs.failure("Failed", FAILED) if output.output_type == "error" else None
    said = "".join(COLOURS.sub("", "".join(_texts(output))).split())
    if any(line in said for line in hidden):
        return outputs.failure("Hidden", "What was put out here is left out: it tells a hidden test.")
    return output


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
