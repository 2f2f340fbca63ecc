"""Sizes as people write them (1G, 512M) and as programs need them (bytes). 1G is 1024M."""

from __future__ import annotations

import re
from fractions import Fraction

UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([KMGT])")
_SHARE = re.compile(r"(100|[1-9][0-9]?)%")


def parse_size(text: str) -> int:
    """Bytes in `text`, rounded down to whole K so that every size can be written. ValueError for no size."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    whole_k = int(Fraction(match[1]) * UNITS[match[2]] // UNITS["K"])
    if whole_k == 0:
        raise ValueError(text)
    return whole_k * UNITS["K"]


def format_size(size: int) -> str:
    """The shortest exact form of a size in bytes (rounded down to whole K): 1610612736 is 1536M."""
    size -= size % UNITS["K"]
    unit = max(
        (unit for unit in UNITS if size % UNITS[unit] == 0 and size >= UNITS[unit]),
        key=UNITS.__getitem__,
        default="K",
    )
    return f"{size // UNITS[unit]}{unit}"


def describe_size(size: int) -> str:
    """A size in bytes for a sentence: one decimal, in the largest unit that fits."""
    unit = max((unit for unit in UNITS if size >= UNITS[unit]), key=UNITS.__getitem__, default="K")
    return f"{size / UNITS[unit]:.1f}".removesuffix(".0") + unit


def parse_share(text: str) -> Fraction:
    """The part of one whole that a percentage is: '80%' is 4/5. ValueError when it is none."""
    match = _SHARE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return Fraction(int(match[1]), 100)
