"""Outputs that a student's code may have made up: read into what a notebook may hold, and no larger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

SHOWN = ("text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/jpeg")
MOST_OUTPUTS = 200
TEXT_BYTES = 100_000  # of all text that a cell put out
IMAGE_BYTES = 2_000_000  # of one picture
CUT = "\n[... the rest was cut off]"


def read(raw: object, text_bytes: int = TEXT_BYTES) -> list[NotebookNode]:
    """A cell's outputs. What is no output is dropped, what is too long is cut."""
    listed = raw if isinstance(raw, list) else []
    left = [text_bytes]
    return [node for each in listed[:MOST_OUTPUTS] for node in _output(each, left)]


def failure(name: str, sentence: str) -> NotebookNode:
    """An output that says why a cell has none of its own; it costs the cell's points."""
    return new_output("error", ename=name, evalue=sentence, traceback=[f"{name}: {sentence}"])


def _output(raw: object, left: list[int]) -> Iterator[NotebookNode]:
    if not isinstance(raw, dict):
        return
    kind = raw.get("output_type")
    if kind == "stream":
        name = "stderr" if raw.get("name") == "stderr" else "stdout"
        yield new_output("stream", name=name, text=_text(raw.get("text"), left))
    elif kind == "error":
        lines = raw.get("traceback")
        yield new_output(
            "error",
            ename=_text(raw.get("ename"), left),
            evalue=_text(raw.get("evalue"), left),
            traceback=[_text(line, left) for line in (lines if isinstance(lines, list) else [])[:200]],
        )
    elif kind in ("execute_result", "display_data"):
        given = raw.get("data")
        data = _data(given if isinstance(given, dict) else {}, left)
        more = {"execution_count": None} if kind == "execute_result" else {}
        yield new_output(kind, data=data, **more)


def _data(given: dict[str, Any], left: list[int]) -> dict[str, str]:
    """The forms that are shown; nbgrader reads the points of a result from its plain text."""
    data = {}
    for form in SHOWN:
        if form not in given:
            continue
        if form.startswith("image/"):
            picture = _joined(given[form])
            if len(picture) <= IMAGE_BYTES:
                data[form] = picture
        else:
            data[form] = _text(given[form], left)
    return data if "text/plain" in data else {"text/plain": "[not shown]", **data}


def _text(raw: object, left: list[int]) -> str:
    """Text, as long as there is room left for text of this cell."""
    encoded = _joined(raw).encode("utf-8", "replace")
    if len(encoded) > left[0]:
        encoded = encoded[: left[0]]
        left[0] = 0
        return encoded.decode("utf-8", "ignore") + CUT
    left[0] -= len(encoded)
    return encoded.decode("utf-8")


def _joined(raw: object) -> str:
    if isinstance(raw, list):
        return "".join(part for part in raw if isinstance(part, str))
    return raw if isinstance(raw, str) else ""
