"""What a probe is, and what it may return.

A probe uses a student's code and returns numbers; it never judges. The sandbox runs it on the student's code,
the grading worker runs it again, with the same seed, on the reference, and compares. Only numpy and the
standard library are needed here, because this file is in the sandbox's image.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Arrays = dict[str, np.ndarray[Any, Any]]
Judge = Callable[[np.random.Generator, Arrays], "str | None"]
Function = TypeVar("Function", bound=Callable[..., Any])

MAX_BYTES = 8 * 1024 * 1024
MAX_ARRAYS = 64
MAX_NAME = 64
KINDS = "biuf"  # bool, signed, unsigned, float: what can be sent as raw bytes and compared


class ProbeError(ValueError):
    """A probe is written wrongly; the message says which and how to mend it."""


class OutputError(ValueError):
    """What a probe returned cannot be marked; the message is for the student."""


@dataclass(frozen=True)
class Probe:
    """One question to a student's code.

    Attributes:
        name: the function's name; with the seed it decides the random numbers.
        check: the id of the visible check whose points it makes.
        title: one line, shown to the student when points are lost.
        function: takes a generator, returns what `normalise` understands.
        rtol, atol: how far the student's numbers may be from the reference's.
        judge: where right answers differ, says what is wrong with an answer (None: nothing); run outside the
            sandbox with a generator of the same seed.
    """

    name: str
    check: str
    title: str
    function: Callable[[np.random.Generator], object]
    rtol: float
    atol: float
    judge: Judge | None


def probe(
    check: str, *, rtol: float = 1e-5, atol: float = 1e-6, judge: Judge | None = None
) -> Callable[[Function], Function]:
    """Mark a function as a probe of a check. Several probes of one check share its points equally."""

    def mark(function: Function) -> Function:
        lines = (function.__doc__ or "").strip().splitlines()
        if not lines:
            raise ProbeError(
                f"Probe '{function.__name__}' of '{check}' has no docstring. "
                "Add one line that tells the student what was tried."
            )
        function.__probe__ = Probe(  # type: ignore[attr-defined]
            function.__name__, check, lines[0], function, rtol, atol, judge
        )
        return function

    return mark


def collect(namespace: Mapping[str, object]) -> list[Probe]:
    """The probes of a module's namespace (`vars(module)`), in the order in which they are written."""
    found = (getattr(value, "__probe__", None) for value in namespace.values())
    return [each for each in found if isinstance(each, Probe)]


def generator(seed: int | str, probe_name: str) -> np.random.Generator:
    """The generator of one probe: the same inside and outside the sandbox, another for each probe."""
    digest = hashlib.sha256(f"{seed}:{probe_name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def normalise(output: object) -> Arrays:
    """Turn what a probe returned into named plain arrays.

    Args:
        output: an array, a number, a bool, or a dict of names to those. One that is no dict is named 'value'.

    Raises:
        OutputError: it is something else, has no numbers, or is larger than MAX_BYTES.
    """
    named = output if isinstance(output, dict) else {"value": output}
    if len(named) > MAX_ARRAYS:
        raise OutputError(f"Returned {len(named)} values; at most {MAX_ARRAYS} can be marked.")
    for name in named:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
            raise OutputError(f"Returned a value whose name is not a text of 1 to {MAX_NAME} characters.")
    arrays = {name: _plain(name, value) for name, value in named.items()}
    _limit(arrays.values())
    return arrays


# ---- what several probes say in the same words ----


def raises(error: type[BaseException], function: Callable[[], object]) -> bool:
    """Whether calling a function raises this error. Any other error is the probe's answer."""
    try:
        function()
    except error:
        return True
    return False


def seen(**tensors: Any) -> dict[str, Any]:
    """The tensors' numbers, and whether each is a tensor of float32."""
    # The student's in the sandbox, the reference outside; there is none where types are checked.
    from tinytorch import Tensor  # type: ignore[import-not-found]

    numbers = {name: tensor.numpy() for name, tensor in tensors.items()}
    right = [isinstance(each, Tensor) and each.dtype == np.float32 for each in tensors.values()]
    return {**numbers, "are_float32": all(right)}


def not_kaiming(out: Arrays, fan_ins: Mapping[str, int], fan_in: str = "fan_in") -> str | None:
    """What speaks against new parameters drawn evenly within 1 / sqrt(fan_in) of 0; None if nothing does.

    Args:
        out: arrays of many layers' numbers, beside `are_parameters` and `differ` (another layer has others).
        fan_ins: name of an array -> how many inputs each output has.
        fan_in: what the module calls that number.
    """
    for name, inputs in fan_ins.items():
        bound = 1 / math.sqrt(inputs)
        numbers = out.get(name)
        if numbers is None or numbers.size < 1000:
            return f"'{name}' is missing or has too few numbers."
        largest = np.abs(numbers).max()
        if not largest <= bound * 1.0001:
            return f"{name}: the largest is {largest:.4f}, beyond the bound 1 / sqrt({fan_in}) = {bound:.4f}."
        if not abs(numbers.mean()) < 6 * bound / math.sqrt(3 * numbers.size):  # six standard deviations of it
            return f"{name}: the mean is {numbers.mean():.4f}; expected is about 0."
        counts, _ = np.histogram(numbers, bins=10, range=(-bound, bound))
        share = numbers.size / 10
        if not np.abs(counts - share).max() < 6 * math.sqrt(share):
            return f"{name}: the numbers are not spread evenly from -{bound:.4f} to {bound:.4f}."
        if np.unique(numbers).size < numbers.size / 2:
            return f"{name}: many numbers are the same; each must be random."
    if not bool(out.get("are_parameters", np.array(False)).all()):
        return "weight and bias must be Parameters of float32."
    if not bool(out.get("differ", np.array(False)).all()):
        return "Two layers start with the same numbers; each must be random."
    return None


def _plain(name: str, value: object) -> np.ndarray[Any, Any]:
    if value is None:
        raise OutputError(f"'{name}' is None. Is a `return` missing?")
    try:
        array = np.asarray(value)
    except Exception as error:
        raise OutputError(f"'{name}' cannot be read as an array of numbers: {error}") from error
    if array.dtype.kind not in KINDS or array.dtype.itemsize > 8:
        raise OutputError(
            f"'{name}' is {type(value).__name__} ({array.dtype}); expected are numbers, booleans or arrays."
        )
    # Native byte order and C order, so that dtype, shape and raw bytes say everything.
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", subok=False)


def _limit(arrays: Iterable[np.ndarray[Any, Any]]) -> None:
    total = sum(array.nbytes for array in arrays)
    if total > MAX_BYTES:
        raise OutputError(f"Returned {total:,} bytes; at most {MAX_BYTES:,} can be marked.")
