"""Cells of a CSV file: quoted, and harmless in a spreadsheet.

A spreadsheet takes a cell that begins with one of SIGNS for a formula, whatever quotes are around it. In a
text that nobody matches by (a person's name, a comment) an apostrophe in front makes it a text again. What
is matched by (names to sign in with, addresses, numbers) must arrive as it is: one that begins so is left
out instead.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")


def text(value: str) -> str:
    """A text that is only read."""
    return f"'{value}" if value.lstrip(" ").startswith(SIGNS) else value


def identifier(value: str) -> str:
    """A text that somebody is matched by; empty if a spreadsheet would run it."""
    return "" if value.startswith(SIGNS) else value


def number(value: float) -> str:
    """Points with a decimal point, two places at most: 3, 2.5, 0.67."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def table(rows: Iterable[Sequence[str]], delimiter: str = ",") -> str:
    """Rows as CSV by RFC 4180: quotes where they are needed, doubled inside."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
