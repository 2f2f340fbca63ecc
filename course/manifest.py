"""The course's manifest: modules, tracks and milestones, read from `course.yml` (or the built `course.json`).

A module's identity is its slug; its number comes from the track. This is the only place that knows an order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
DEFAULT_TRACK = "discovery"
Entry = TypeVar("Entry")


class ManifestError(ValueError):
    """The manifest cannot be used; the message says what, where, and how to mend it."""


@dataclass(frozen=True)
class Module:
    """One module: what it needs, what it gives, what it is worth, why it comes. Not available: planned only.

    `points` are the checks'; `by_hand` are those that a person gives for answers in words. The build counts
    the latter, so they are known from a built course only.
    """

    slug: str
    title: str
    requires: tuple[str, ...]
    exports: Mapping[str, str]  # name in the module -> public path, e.g. Linear -> tinytorch.nn.Linear
    points: int
    by_hand: int
    why: str
    available: bool


@dataclass(frozen=True)
class Milestone:
    """A milestone: what a student must have built, and the score (0 to 1) at which it is passed."""

    slug: str
    title: str
    requires: tuple[str, ...]
    passing: float
    points: int
    available: bool


@dataclass(frozen=True)
class Checkpoint:
    """Something that a student's own framework can do, once the modules that it requires are there."""

    slug: str
    title: str
    requires: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """A module's place in a track."""

    number: int
    module: Module
    optional: bool


@dataclass(frozen=True)
class Stop:
    """A milestone's place in a track: after which module it comes."""

    milestone: Milestone
    after: str


@dataclass(frozen=True)
class Track:
    """One order through the course."""

    name: str
    title: str
    steps: tuple[Step, ...]
    stops: tuple[Stop, ...]

    def step(self, slug: str) -> Step:
        """The place of a module in this track."""
        for step in self.steps:
            if step.module.slug == slug:
                return step
        raise ManifestError(f"Track '{self.name}' has no module '{slug}'. It has: {_names(self._slugs())}.")

    def _slugs(self) -> list[str]:
        return [step.module.slug for step in self.steps]


@dataclass(frozen=True)
class Manifest:
    """The whole course. `data` is what it was read from, for whoever writes it again."""

    modules: Mapping[str, Module]
    milestones: Mapping[str, Milestone]
    checkpoints: Mapping[str, Checkpoint]
    tracks: Mapping[str, Track]
    data: Mapping[str, Any]

    def module(self, slug: str) -> Module:
        """The module of this slug."""
        return _get(self.modules, slug, "module")

    def milestone(self, slug: str) -> Milestone:
        """The milestone of this slug."""
        return _get(self.milestones, slug, "milestone")

    def track(self, name: str | None = None) -> Track:
        """The track of this name; without one, the class's (TT_TRACK), the built one or the default."""
        name = name or os.environ.get("TT_TRACK") or self.data.get("track") or DEFAULT_TRACK
        return _get(self.tracks, name, "track")

    def requires_closure(self, slug: str) -> list[str]:
        """Everything that a module needs, directly or not, in dependency order, without itself."""
        order: list[str] = []

        def visit(one: str) -> None:
            for needed in self.module(one).requires:
                if needed not in order:
                    visit(needed)
                    order.append(needed)

        visit(slug)
        return order

    def closure(self, slugs: Iterable[str]) -> list[str]:
        """These modules and everything that they need, in dependency order."""
        order: list[str] = []
        for slug in slugs:
            order += [need for need in (*self.requires_closure(slug), slug) if need not in order]
        return order


def load(path: Path | None = None) -> Manifest:
    """Read the manifest.

    Args:
        path: a course.yml or a built course.json. Default: $TT_COURSE/course.json (default /opt/course) if it
            is there, which is fast; else the course.yml beside this file.

    Raises:
        ManifestError: the file is missing, malformed, or contradicts itself.
    """
    if path is None:
        built = Path(os.environ.get("TT_COURSE") or "/opt/course") / "course.json"
        path = built if built.is_file() else HERE / "course.yml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error.strerror}).") from error
    if path.suffix == ".json":
        return build(json.loads(text), lambda entry, _: bool(entry["available"]))
    data = _checked_yaml(text, path)
    folders = {"module": path.parent / "modules", "milestone": path.parent / "milestones"}
    manifest = build(data, lambda entry, kind: (folders[kind] / f"{entry['slug']}.py").is_file(), str(path))
    check_tracks(manifest, str(path))
    return manifest


def build(
    data: Mapping[str, Any], available: Callable[[Mapping[str, Any], str], bool], where: str = "course.json"
) -> Manifest:
    """Make a manifest of data that keeps to the schema; `available(entry, kind)` says what exists."""
    modules: dict[str, Module] = {}
    for entry in data["modules"]:
        slug = entry["slug"]
        if slug in modules:
            raise ManifestError(f"{where}: module '{slug}' is listed twice. Remove one of the two.")
        modules[slug] = Module(
            slug, entry["title"], tuple(entry["requires"]), dict(entry.get("exports", {})),
            entry.get("points", 0), entry.get("by_hand", 0), entry.get("why", ""), available(entry, "module"),
        )  # fmt: skip
    milestones = {
        slug: Milestone(
            slug, entry["title"], tuple(entry["requires"]), float(entry.get("pass", 1.0)),
            entry.get("points", 0), available({**entry, "slug": slug}, "milestone"),
        )
        for slug, entry in data["milestones"].items()
    }  # fmt: skip
    checkpoints = {
        entry["slug"]: Checkpoint(entry["slug"], entry["title"], tuple(entry["requires"]))
        for entry in data.get("checkpoints", [])
    }
    _check_requires(modules, [*modules.values(), *milestones.values(), *checkpoints.values()], where)
    tracks = {name: _track(name, entry, modules, milestones, where) for name, entry in data["tracks"].items()}
    return Manifest(modules, milestones, checkpoints, tracks, data)


def check_tracks(manifest: Manifest, where: str) -> None:
    """Refuse a track in which something comes before what it requires, naming the edge."""
    for track in manifest.tracks.values():
        place = {step.module.slug: step.number for step in track.steps}
        at = f"{where}: tracks.{track.name}"
        if len(place) != len(track.steps):
            raise ManifestError(f"{at}: a module is in this track twice. Keep one of the two.")
        for step in track.steps:
            _check_edges(at, step.module.slug, step.module.requires, step.number, place)
        for stop in track.stops:
            if stop.after not in place:
                raise ManifestError(
                    f"{at}: milestone '{stop.milestone.slug}' comes after '{stop.after}', which is not in "
                    "this track. Name a module that is."
                )
            # Half a step later: the module that the milestone comes after is there already.
            _check_edges(at, stop.milestone.slug, stop.milestone.requires, place[stop.after] + 0.5, place)


def _check_edges(at: str, slug: str, needs: tuple[str, ...], number: float, place: Mapping[str, int]) -> None:
    for needed in needs:
        edge = f"{at}: '{slug}' requires '{needed}'"
        if needed not in place:
            raise ManifestError(f"{edge}, which is not in this track. Add it before.")
        if place[needed] >= number:
            raise ManifestError(f"{edge}, but comes before it. Move '{needed}' in front of '{slug}'.")


def _checked_yaml(text: str, path: Path) -> dict[str, Any]:
    """Parse and check against the schema. Imports stand here: a student's command needs neither."""
    import jsonschema
    import yaml

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ManifestError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from error
    schema = yaml.safe_load((HERE / "course.schema.yml").read_text(encoding="utf-8"))
    worst = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(data))
    if worst is not None:
        key = ".".join(str(part) for part in worst.absolute_path) or "the file"
        raise ManifestError(f"{path}: {key}: {worst.message}. course/course.schema.yml explains each key.")
    return dict(data)


def _check_requires(
    modules: Mapping[str, Module], entries: Iterable[Module | Milestone | Checkpoint], where: str
) -> None:
    for one in entries:
        for needed in one.requires:
            if needed not in modules:
                raise ManifestError(
                    f"{where}: '{one.slug}' requires '{needed}', which is no module. "
                    f"There are: {_names(modules)}."
                )
    done: set[str] = set()

    def visit(slug: str, path: tuple[str, ...]) -> None:
        if slug in path:
            circle = " -> ".join((*path[path.index(slug) :], slug))
            raise ManifestError(f"{where}: modules require each other in a circle: {circle}. Take one away.")
        if slug not in done:
            for needed in modules[slug].requires:
                visit(needed, (*path, slug))
            done.add(slug)

    for slug in modules:
        visit(slug, ())


def _track(
    name: str,
    entry: Mapping[str, Any],
    modules: Mapping[str, Module],
    milestones: Mapping[str, Milestone],
    where: str,
) -> Track:
    at = f"{where}: tracks.{name}"
    steps = []
    for number, item in enumerate(entry["modules"], start=1):
        item = {"slug": item} if isinstance(item, str) else item
        module = _get(modules, item["slug"], "module", at)
        steps.append(Step(number, module, item.get("optional", False)))
    stops = (Stop(_get(milestones, i["slug"], "milestone", at), i["after"]) for i in entry["milestones"])
    return Track(name, entry["title"], tuple(steps), tuple(stops))


def _get(known: Mapping[str, Entry], name: str, kind: str, where: str | None = None) -> Entry:
    if name in known:
        return known[name]
    prefix = f"{where}: there" if where else "There"
    raise ManifestError(f"{prefix} is no {kind} '{name}'. There are: {_names(known)}.")


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)
