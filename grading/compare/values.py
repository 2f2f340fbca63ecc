"""Where a student's numbers differ from the reference's, in words that a student understands."""

from __future__ import annotations

from typing import Any

import numpy as np

from course.probing import Arrays

Array = np.ndarray[Any, Any]
ONLY = "value"  # the name that course.probing gives to a single value


def difference(expected: Arrays, came: Arrays, rtol: float, atol: float) -> str | None:
    """Compare what came with what was expected; None if they agree.

    Args:
        expected: what the reference computed.
        came: what the student's code computed: plain arrays, but any shape, type and value.
        rtol, atol: as in numpy.isclose.
    """
    for name, wanted in expected.items():
        if name not in came:
            return "there is no result" if name == ONLY else f"there is no '{name}'"
        reason = _difference(_called(name), wanted, came[name], rtol, atol)
        if reason:
            return reason
    return None


def _difference(what: str, wanted: Array, came: Array, rtol: float, atol: float) -> str | None:
    if came.shape != wanted.shape:
        return f"{what} has shape {_shape(came)}; {_shape(wanted)} was expected"
    if not _kinds_agree(wanted, came):
        return f"{what} is of type {came.dtype}; {wanted.dtype} was expected"
    with np.errstate(all="ignore"):
        right = _close(wanted, came, rtol, atol)
    if right.all():
        return None
    at = tuple(int(i) for i in np.argwhere(~right)[0])
    wrong = int((~right).sum())
    place = f"{what} at {list(at)}" if at else what
    many = f" ({wrong} of {right.size} values differ)" if right.size > 1 else ""
    return f"{place} is {_number(came[at])}; {_number(wanted[at])} was expected{many}"


def _kinds_agree(wanted: Array, came: Array) -> bool:
    """Truth values are truth values and whole numbers whole; a whole number may stand for a float."""
    kinds = {"b": "b", "i": "iu", "u": "iu", "f": "fiu"}
    return came.dtype.kind in kinds[wanted.dtype.kind]


def _close(wanted: Array, came: Array, rtol: float, atol: float) -> Array:
    if wanted.dtype.kind != "f":
        return np.equal(came, wanted)
    wide = came.astype(np.float64), wanted.astype(np.float64)
    return np.isclose(*wide, rtol=rtol, atol=atol, equal_nan=True)


def _called(name: str) -> str:
    return "the result" if name == ONLY else f"'{name}'"


def _shape(array: Array) -> str:
    return str(array.shape) if array.shape else "() (a single number)"


def _number(value: Any) -> str:
    if np.isnan(value):
        return "nan (not a number)"
    return f"{value:.6g}" if isinstance(value, np.floating) else str(value)
