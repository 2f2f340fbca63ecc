"""How results leave the sandbox: frames of a length, a JSON header and raw array bytes.

The worker outside reads them as hostile input (grading/compare/frames.py). The harness itself reads what a
child writes in the same form, and takes only what it understands.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from course.probing import MAX_ARRAYS, MAX_BYTES, Arrays

MAX_HEADER = 32 * 1024
MAX_FRAME = 4 + MAX_HEADER + MAX_BYTES
MAX_MESSAGE = 400

Header = dict[str, Any]


def frame(header: Header, data: bytes = b"") -> bytes:
    """One frame. Everything in a header is ASCII (json's default), so that no text can be badly encoded."""
    text = json.dumps(header).encode("ascii")
    return len(text).to_bytes(4, "big") + text + data


def of_arrays(arrays: Arrays) -> bytes:
    """A frame that says 'ok' and carries these arrays."""
    described = [
        {"name": name, "dtype": array.dtype.str, "shape": array.shape, "nbytes": array.nbytes}
        for name, array in arrays.items()
    ]
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values())
    return frame({"status": "ok", "arrays": described}, data)


def length(received: bytearray) -> int | None:
    """How long a child's frame will be, as soon as its header is there; 0 if it makes no sense."""
    split = _split(received)
    if split is None:
        too_long = len(received) >= 4 and int.from_bytes(received[:4], "big") > MAX_HEADER
        return 0 if too_long else None
    header, data = split
    return len(received) - len(data) + max(0, announced(header))


def understood(received: bytearray) -> tuple[Header, bytes] | None:
    """A child's frame, reduced to what a frame may hold; None if it is none."""
    split = _split(received)
    if split is None:
        return None
    header, data = split
    if header.get("status") in ("error", "output") and isinstance(header.get("message"), str):
        return {"status": header["status"], "message": header["message"][:MAX_MESSAGE]}, b""
    size = announced(header)
    if header.get("status") != "ok" or size < 0 or size != len(data):
        return None
    return {"status": "ok", "arrays": header.get("arrays", [])}, data


def announced(header: Header) -> int:
    """Bytes of data that a header announces; -1 if it makes no sense."""
    arrays = header.get("arrays", [])
    if not isinstance(arrays, list) or len(arrays) > MAX_ARRAYS:
        return -1
    sizes = [each.get("nbytes") if isinstance(each, dict) else None for each in arrays]
    total = 0
    for size in sizes:
        if type(size) is not int or not 0 <= size <= MAX_BYTES:
            return -1
        total += size
    return total


def write(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _split(received: bytearray) -> tuple[Header, bytes] | None:
    end = 4 + int.from_bytes(received[:4], "big")
    if len(received) < max(4, end) or end > 4 + MAX_HEADER:
        return None
    try:
        header = json.loads(received[4:end])
    except (ValueError, RecursionError):
        header = None
    return header if isinstance(header, dict) else {}, bytes(received[end:])
