"""`tito bridge`: the story so far, with the student's own figures and guesses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from course.export import NotANotebookError, Notebook, parse
from course.guess import guess_of
from course.manifest import Manifest
from course.tito import TitoError, places
from course.tito.places import Places
from course.tito.terminal import paint, say
from course.tito.text import plain

# How the build names the cells of a bridge: `layers-losses_end_1`. No other cell's id has these words.
BRIDGE = re.compile(r"_(begin|end)_\d+$")


def bridge(where: Places, slug: str | None) -> int:
    """Print the bridges of a module, or of all modules that were exported."""
    course = places.manifest(where)
    slugs = [slug] if slug else _done(where, course)
    if not slugs:
        raise TitoError("The story begins with your first export. `tito status` says what comes next.")
    for each in slugs:
        _chapter(where, course, each)
    if not slug:
        _figures(where)
    return 0


def _done(where: Places, course: Manifest) -> list[str]:
    steps = [step.module for step in course.track().steps]
    return [m.slug for m in steps if m.available and places.finished(where, m.slug)]


def _chapter(where: Places, course: Manifest, slug: str) -> None:
    module = places.module(course, slug)
    official = places.read_official(where, slug)
    say(paint(module.title, "strong"))
    parts = {part: "\n\n".join(_texts(official, part)) for part in ("begin", "end")}
    for text in filter(None, (parts["begin"], parts["end"])):
        say(plain(text))
        say()
    if not any(parts.values()):
        say(module.why)
        say()
    if guess := _guess(where, slug):
        say(f"Your guess: {guess}")
        say()


def _texts(official: Notebook, part: str) -> Iterator[str]:
    """The texts of one part of the bridges in a notebook."""
    for cell in official["cells"]:
        found = BRIDGE.search(cell.get("id", ""))
        if found and found[1] == part and cell["cell_type"] == "markdown":
            yield "".join(cell["source"])


def _guess(where: Places, slug: str) -> str:
    try:
        return guess_of(parse(where.notebook(slug).read_bytes()))
    except (OSError, NotANotebookError):
        return ""


def _figures(where: Places) -> None:
    """What the student measured on the way (tinytorch.figures)."""
    figures: dict[str, Any] = places.read_own(where.own("figures.json"))
    shown = {n: v for n, v in figures.items() if isinstance(v, int | float)}
    if not shown:
        return
    say(paint("Your own figures", "strong"))
    for name, value in shown.items():
        print(f"  {name:<40} {value:>12.4g}")
