"""Bridges: how one module ends and the next begins, one file for each edge of a track."""

from __future__ import annotations

from pathlib import Path

from course.builder import BuildError
from course.builder.source import SourceCell, guess_id, read_bridge
from course.manifest import Manifest, Track

START = "start"  # stands for what is before a track's first module
GUESS = 'my_guess = ""\nprint("My guess:", my_guess or "(none yet)")'

Edge = tuple[str, str]


def edges(track: Track, slug: str) -> tuple[Edge, Edge | None]:
    """The edges into and out of a module; the track's last module has none out.

    Optional modules are stepped over, but each has a way in and a way out of its own.
    """
    number = track.step(slug).number
    path = [step for step in track.steps if not step.optional]
    before = [step.module.slug for step in path if step.number < number]
    after = [step.module.slug for step in path if step.number > number]
    return (before[-1] if before else START, slug), (slug, after[0]) if after else None


class Bridges:
    """The bridges of a course; each is read and checked when it is needed."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Refuses a file that no track uses: nobody would ever read it."""
        self.folder = folder
        self.manifest = manifest
        used = {
            self._path(edge)
            for track in manifest.tracks.values()
            for step in track.steps
            for edge in edges(track, step.module.slug)
            if edge
        }
        for path in sorted(folder.glob("*.py")):
            if path not in used:
                raise BuildError(
                    f"{path}: no track goes from one to the other of these two. Name it BEFORE-AFTER.py "
                    "after two neighbours of a track, or delete it."
                )

    def joined(self, track: Track, slug: str, cells: list[SourceCell]) -> list[SourceCell]:
        """A module's cells with those of its bridges in this track, and the guess where one leads on.

        A module that the track does not have stands by itself.
        """
        if slug not in {step.module.slug for step in track.steps}:
            return cells
        into, out = edges(track, slug)
        end = self._part(track, out, "end") if out else []
        guess = [SourceCell("guess", guess_id(slug), GUESS)] if end else []
        return [*cells[:1], *self._part(track, into, "begin"), *cells[1:], *end, *guess]

    def _part(self, track: Track, edge: Edge, part: str) -> list[SourceCell]:
        path = self._path(edge)
        is_start = edge[0] == START
        if not path.is_file() and (is_start or not all(self.manifest.module(s).available for s in edge)):
            return []
        name = f"track '{track.name}' goes from '{edge[0]}' to '{edge[1]}'"
        if not path.is_file():
            raise BuildError(f"{path} is missing: {name}. Write this bridge (course/bridges/README.md).")
        cells = read_bridge(path, self.manifest.tracks)[part]
        if not any(cell.role == "demonstration" for cell in cells):
            raise BuildError(f'{path}: {name}, but no code has part="{part}". A bridge shows it in code.')
        return cells

    def _path(self, edge: Edge) -> Path:
        return self.folder / f"{'-'.join(edge)}.py"
