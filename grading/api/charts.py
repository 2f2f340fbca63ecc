"""Small charts as plain numbers, which templates draw as SVG. Each has its figures in a table beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from course.manifest import Manifest

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 24
BINS = 10


@dataclass(frozen=True)
class Dot:
    """One attempt in a curve; x and y in the drawing's units, value from 0 to 1."""

    x: float
    y: float
    value: float
    passed: bool


@dataclass(frozen=True)
class Curve:
    """Attempts in order; `line` joins the dots, `goal` is the height that is asked for."""

    dots: tuple[Dot, ...]
    line: str
    goal: float | None
    ticks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


@dataclass(frozen=True)
class Bar:
    """One bar of a distribution: how many have such a share of the points."""

    x: float
    y: float
    width: float
    height: float
    count: int
    label: str


def curve(values: Sequence[tuple[float, bool]], goal: float | None = None) -> Curve:
    """Attempts as dots from left to right.

    Args:
        values: of each attempt what it reached (0 to 1), and whether that was enough.
        goal: the share that is asked for, drawn as a line.
    """
    lowest = min([value for value, _ in values] + [goal if goal is not None else 1.0], default=0.0)
    floor = max(0.0, (int(lowest * 10) - 1) / 10)  # a curve between 90 and 99% must not be flat
    step = (WIDTH - LEFT - RIGHT) / max(1, len(values) - 1)
    dots = tuple(
        Dot(round(LEFT + step * place, 1) if len(values) > 1 else WIDTH / 2, _y(value, floor), value, passed)
        for place, (value, passed) in enumerate(values)
    )
    ticks = tuple((_y(share, floor), f"{share:.0%}") for share in (floor, (floor + 1) / 2, 1.0))
    return Curve(
        dots,
        " ".join(f"{dot.x},{dot.y}" for dot in dots),
        None if goal is None else _y(goal, floor),
        ticks,
    )


def distribution(shares: Mapping[float, int]) -> list[Bar]:
    """Ten bars and one for all points, of how many students have which share (0 to 1) of the points."""
    counts = [0] * (BINS + 1)
    for share, count in shares.items():
        counts[min(BINS, max(0, int(share * BINS + 1e-9)))] += count
    most = max(counts) or 1
    width, gap, height = 24, 4, 72
    bars = []
    for place, count in enumerate(counts):
        tall = round(height * count / most, 1)
        label = "all points" if place == BINS else f"{place * BINS} to under {(place + 1) * BINS}%"
        bars.append(Bar(place * (width + gap), height - tall + 14, width, tall, count, label))
    return bars


def of_attempts(
    manifest: Manifest, kind: str, slug: str, attempts: Sequence[Mapping[Any, Any]]
) -> dict[str, Any]:
    """For a page of attempts: a milestone's `curve` of public scores, and the `goal` that passes, or None."""
    milestone = manifest.milestones.get(slug)
    if kind != "milestone" or milestone is None:
        return {"curve": None, "goal": None}
    values = [(row["public"], bool(row["passed"])) for row in attempts if row["public"] is not None]
    return {"curve": curve(values, milestone.passing) if values else None, "goal": milestone.passing}


def _y(value: float, floor: float) -> float:
    share = (value - floor) / (1 - floor) if floor < 1 else 1.0
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - share), 1)
