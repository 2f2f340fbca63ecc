"""Read what a sandbox sent, as hostile input: whatever the bytes are, the outcome is frames or a fault in
words.

A student's process shares the sandbox with the harness, so nothing here is believed: sizes are checked
before they are used, types are on a list of those allowed, and nothing is ever unpickled.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from course.probing import MAX_ARRAYS, MAX_BYTES, MAX_NAME, Arrays

MAX_HEADER = 64 * 1024
MAX_FRAMES = 500
MAX_DIMENSIONS = 16
MAX_TEXT = 700
DTYPES = frozenset(
    ["|b1", "|i1", "|u1", *(f"<{kind}{size}" for kind in "iu" for size in (2, 4, 8)), "<f2", "<f4", "<f8"]
)
STATUSES = frozenset(["ok", "error", "timeout", "crash", "output"])


class Malformed(ValueError):  # noqa: N818  # says what the bytes are
    """These bytes are no frame; the message says why, for the log."""


@dataclass(frozen=True)
class Frame:
    """What became of one probe."""

    status: str
    message: str
    arrays: Arrays


@dataclass(frozen=True)
class Received:
    """All that a sandbox sent.

    Attributes:
        frames: by the probe's name; of two frames of one name the first counts.
        problems: what was wrong with the notebook, in words.
        complete: whether the harness came to its end.
        fault: why reading stopped early; empty if it did not.
    """

    frames: dict[str, Frame] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    complete: bool = False
    fault: str = ""


def read(output: bytes) -> Received:
    """Read a sandbox's output. Never raises."""
    frames: dict[str, Frame] = {}
    at = 0
    try:
        for _ in range(MAX_FRAMES):
            if at == len(output):
                return Received(frames, fault="it ended early")
            header, at = _header(output, at)
            if header.get("end") is True:
                return Received(frames, _problems(header.get("problems")), complete=True)
            name, status = header.get("probe"), header.get("status")
            if not isinstance(name, str) or not isinstance(status, str) or status not in STATUSES:
                raise Malformed("a header that names no probe and status")
            arrays, at = _arrays(header.get("arrays", []), output, at)
            frames.setdefault(name, Frame(status, _text(header.get("message")), arrays))
    except Malformed as fault:
        return Received(frames, fault=str(fault))
    return Received(frames, fault=f"more than {MAX_FRAMES} frames")


def _header(output: bytes, at: int) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(output[at : at + 4], "big")
    start, end = at + 4, at + 4 + length
    if length > MAX_HEADER or end > len(output):
        raise Malformed(f"a header of {length} bytes")
    try:
        header = json.loads(output[start:end])
    except (ValueError, RecursionError):
        raise Malformed("a header that is no JSON") from None
    if not isinstance(header, dict):
        raise Malformed("a header that is no JSON object")
    return header, end


def _arrays(described: object, output: bytes, at: int) -> tuple[Arrays, int]:
    if not isinstance(described, list) or len(described) > MAX_ARRAYS:
        raise Malformed("a list of arrays that is none, or too long")
    arrays: Arrays = {}
    left = MAX_BYTES
    for each in described:
        name, dtype, shape, size = _description(each)
        left -= size
        if left < 0 or at + size > len(output) or name in arrays:
            raise Malformed("arrays that are too large, cut off, or of one name")
        raw = np.frombuffer(output, np.uint8, count=size, offset=at)
        # A truth value is one byte, of which only 0 and 1 are defined.
        array = raw != 0 if dtype.kind == "b" else raw.copy().view(dtype)
        arrays[name] = array.reshape(shape)
        at += size
    return arrays, at


def _description(each: object) -> tuple[str, np.dtype[Any], tuple[int, ...], int]:
    if not isinstance(each, dict):
        raise Malformed("an array that is not described")
    name, dtype, shape, size = (each.get(key) for key in ("name", "dtype", "shape", "nbytes"))
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        raise Malformed("an array without a proper name")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise Malformed("an array of a type that is not allowed")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise Malformed("an array without a proper shape")
    if not all(type(length) is int and 0 <= length <= MAX_BYTES for length in shape):
        raise Malformed("an array without a proper shape")
    kind = np.dtype(dtype)
    if type(size) is not int or size != math.prod(shape) * kind.itemsize:
        raise Malformed("an array whose shape and size do not agree")
    return name, kind, tuple(shape), size


def _problems(listed: object) -> list[str]:
    if not isinstance(listed, list):
        return []
    texts = (_text(each.get("text")) for each in listed[:100] if isinstance(each, dict))
    return [text for text in texts if text]


def _text(value: object) -> str:
    """A text of bearable length, on one line, without control characters; empty if it is none."""
    if not isinstance(value, str):
        return ""
    text = " ".join(value[: 4 * MAX_TEXT].split())
    text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
