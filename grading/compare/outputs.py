"""Cells' outputs that came out of a sandbox: read as hostile, kept as what nbformat knows and no page runs.

Of what a cell displays, text and PNG pictures are kept. HTML, SVG and scripts are dropped: they would run in
the browser of whoever grades, or reads feedback.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST_OUTPUTS = 1000  # of one cell
MOST_TEXT = 512 * 1024  # characters of one text
MOST_LINES = 100  # of a traceback
MOST_NAME = 200
PNG = b"\x89PNG\r\n\x1a\n"
# Escape sequences first, then what else a terminal or an XML parser would stumble over.
UNSEEN = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]"
)

Output = dict[str, Any]


def lines(received: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects of a notebook's run, one a line; what is none is left out."""
    for text in received.split(b"\n"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def understood(outputs: object) -> list[Output]:
    """A cell's outputs, reduced to what may be kept."""
    if not isinstance(outputs, list):
        return []
    read = (_one(each) for each in outputs[:MOST_OUTPUTS] if isinstance(each, dict))
    return [each for each in read if each is not None]


def error(name: str, value: str) -> Output:
    """An error of ours."""
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": [f"{name}: {value}"]}


def _one(given: Mapping[str, Any]) -> Output | None:
    match given.get("output_type"):
        case "stream":
            name = "stderr" if given.get("name") == "stderr" else "stdout"
            return {"output_type": "stream", "name": name, "text": plain(given.get("text"))}
        case "error":
            trace = given.get("traceback")
            return {
                "output_type": "error",
                "ename": plain(given.get("ename"))[:MOST_NAME] or "Error",
                "evalue": plain(given.get("evalue")),
                "traceback": [plain(each) for each in trace[:MOST_LINES]] if isinstance(trace, list) else [],
            }
        case "display_data" | "execute_result" as kind:
            data = _data(given.get("data"))
            if not data:
                return None
            number: Output = {"execution_count": None} if kind == "execute_result" else {}
            return {"output_type": kind, "data": data, "metadata": {}, **number}
    return None


def _data(given: object) -> dict[str, str]:
    if not isinstance(given, dict):
        return {}
    kept = {}
    if isinstance(given.get("text/plain"), str):
        kept["text/plain"] = plain(given["text/plain"])
    if picture := _picture(given.get("image/png")):
        kept["image/png"] = picture
    return kept


def _picture(given: object) -> str:
    """Base64 of what begins as a PNG does; else nothing."""
    if not isinstance(given, str):
        return ""
    try:
        data = base64.b64decode("".join(given.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return base64.b64encode(data).decode("ascii") if data.startswith(PNG) else ""


def plain(given: object) -> str:
    """A text of bounded length without control characters; empty for anything else."""
    return UNSEEN.sub("", given[:MOST_TEXT]) if isinstance(given, str) else ""
