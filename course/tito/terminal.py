"""Plain text for a terminal: wrapped to its width, coloured only where somebody watches."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

COLOURS = {"good": "32", "bad": "31", "quiet": "2", "strong": "1"}
MAX_WIDTH = 100  # longer lines are hard to read


def paint(text: str, style: str) -> str:
    """A text in a colour, which is never the only sign of what it says."""
    watched = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return f"\x1b[{COLOURS[style]}m{text}\x1b[0m" if watched else text


def say(text: str = "", indent: int = 0) -> None:
    """Print a text; each of its lines is wrapped and indented."""
    print(wrapped(text, indent), flush=True)


def wrapped(text: str, indent: int = 0) -> str:
    """A text as `say` prints it. Lines that are indented themselves (code, arrays) stay as they are."""
    width = min(shutil.get_terminal_size((80, 24)).columns, MAX_WIDTH)
    margin = " " * indent
    return "\n".join(
        margin + line
        if line.startswith(" ") or not line
        else textwrap.fill(
            line, width, initial_indent=margin, subsequent_indent=margin, break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )  # fmt: skip


def result(good: bool, text: str, points: str) -> None:
    """One line of a list of results: the sign, what it is, its points on the right."""
    sign = paint(" ok ", "good") if good else paint("  x ", "bad")
    print(f" {sign} {text:<50} {points:>12}", flush=True)


def number(value: float) -> str:
    """A number of points, without needless decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
