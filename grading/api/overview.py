"""What the pages show: the track's modules and milestones in order, each with the student's newest mark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from course.manifest import Manifest
from grading.marks import View

Key = tuple[str, str]


@dataclass(frozen=True)
class Entry:
    """A module or milestone on a page.

    Attributes:
        number: the module's in the track; empty for a milestone.
        points: what it is worth.
        view: the newest submission; None if there is none.
        marked: the newest submission with a mark, which may be an earlier one.
    """

    kind: str
    slug: str
    title: str
    number: str
    points: float
    available: bool
    view: View | None
    marked: View | None

    @property
    def waiting(self) -> bool:
        """Handed in, and not marked yet."""
        return self.view is not None and self.view["state"] in ("queued", "grading")

    @property
    def lost(self) -> bool:
        """Whether points are missing."""
        return self.marked is not None and self.marked["score"] < self.marked["max_score"]

    @property
    def status(self) -> tuple[str, str]:
        """A word for the style sheet and words for the reader; colour is never alone."""
        if self.waiting:
            return "waiting", "Being marked"
        if self.view is not None and self.view["state"] == "failed":
            return "failed", "Could not be marked"
        if self.marked is None:
            return "none", "Not handed in"
        if self.kind == "milestone":
            return ("full", "Reached") if self.marked["passed"] else ("part", "Not reached yet")
        return ("part", "Points missing") if self.lost else ("full", "All points")

    def checks(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Each check of the mark, with a name that reads well."""
        for check in (self.marked or {}).get("checks", []):
            short = check["check"].removeprefix("check-").removeprefix(f"{self.slug}-")
            yield short.replace("-", " ").replace("_", " "), check


def of_student(manifest: Manifest, track_name: str | None, views: Iterable[View]) -> list[Entry]:
    """All entries of a track, in order; milestones behind the module they come after."""
    newest = {(view["kind"], view["slug"]): view for view in views}
    track = manifest.track(track_name)
    entries = []
    for step in track.steps:
        entries.append(_entry("module", str(step.number), step.module, newest))
        entries += [
            _entry("milestone", "", stop.milestone, newest)
            for stop in track.stops
            if stop.after == step.module.slug
        ]
    return entries


def of_class(
    manifest: Manifest, track_name: str | None, found: Mapping[str, Mapping[Key, View]]
) -> tuple[list[Entry], list[tuple[str, list[Entry], tuple[float, float]]]]:
    """The table's columns, and for each student a row of entries and the total."""
    columns = [entry for entry in of_student(manifest, track_name, []) if entry.available]
    rows = []
    for student, views in sorted(found.items()):
        entries = [e for e in of_student(manifest, track_name, views.values()) if e.available]
        rows.append((student, entries, total(entries)))
    return columns, rows


def total(entries: Iterable[Entry]) -> tuple[float, float]:
    """Points reached, and points of everything that is available."""
    available = [entry for entry in entries if entry.available]
    reached = sum(entry.marked["score"] for entry in available if entry.marked)
    return reached, sum(entry.points for entry in available)


def points(value: float) -> str:
    """Points as people write them: 3, 2.5, 0.67."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def moment(iso: str) -> str:
    """A time as people read it."""
    when = datetime.fromisoformat(iso.replace("Z", "+00:00"))
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def _entry(kind: str, number: str, item: Any, newest: Mapping[Key, View]) -> Entry:
    view = newest.get((kind, item.slug))
    marked = view if view and view["state"] == "graded" else (view or {}).get("previous")
    return Entry(kind, item.slug, item.title, number, float(item.points), item.available, view, marked)
