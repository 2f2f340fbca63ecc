"""The course as the grader holds it: official notebooks, probes, and the reference package.

Nothing of this is ever in a student's image; into a sandbox goes only what the module that is graded
requires.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from course.datasets import DatasetError
from course.manifest import Manifest, Milestone
from course.probing import Probe, collect
from grading.compare.judging import Check
from grading.settings import Settings

PACKAGE = "tinytorch"
Array = np.ndarray[Any, Any]
Hidden = Callable[[np.random.Generator, int], tuple[Array, Array]]
Untrained = Callable[[dict[str, Any]], dict[str, Array]]  # of the solved script's names
MAX_WEIGHTS = 4 * 1024 * 1024  # bytes; a million parameters


class CourseFault(Exception):  # noqa: N818  # the course is at fault, not the student
    """The installed course cannot be used for grading; the message says what is missing or wrong."""


@dataclass(frozen=True)
class ModuleFiles:
    """What grading a module needs."""

    official: dict[str, Any]
    checks: list[Check]
    probes: list[Probe]
    probes_source: str
    files: dict[str, str]  # the package's given glue, and the reference of everything required


@dataclass(frozen=True)
class MilestoneFiles:
    """What verifying a milestone needs.

    Attributes:
        entry: 'module:function' of the student's, called with inputs and weights.
        hidden: makes inputs and labels of a generator and one half of the data (0 or 1).
        score: rates predictions against labels, 0 to 1.
        max_weights: bytes of weights that may come in: a network fits, remembered images do not.
        pace: the run may take so many times as long as the solved script; None: time does not count.
        solved: files and weights of the solved script on the reference, for its time.
    """

    milestone: Milestone
    entry: str
    hidden: Hidden
    score: Callable[[Array, Array], float]
    max_weights: int
    pace: float | None
    solved: Callable[[], tuple[dict[str, str], dict[str, Array]]]


class CourseFiles:
    """Reads the installed course; each module once."""

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self.settings = settings
        self.manifest = manifest
        if str(settings.reference) not in sys.path:
            sys.path.insert(0, str(settings.reference))  # probes import `tinytorch`: here, the reference
        self.module = cache(self._module)
        self.milestone = cache(self._milestone)

    def warm(self) -> None:
        """Read and import everything now, so that the first student does not wait for it."""
        for slug, module in self.manifest.modules.items():
            if module.available and (self.settings.probes / f"{slug}.py").is_file():
                self.module(slug)
                importlib.import_module(f"{PACKAGE}.{slug}")

    def official(self, slug: str) -> dict[str, Any]:
        """The notebook of a module that students get."""
        notebook: dict[str, Any] = json.loads(self._text(self.settings.official / f"{slug}.ipynb"))
        return notebook

    def instructor(self, slug: str) -> dict[str, Any]:
        """The same with solutions and rubrics."""
        notebook: dict[str, Any] = json.loads(self._text(self.settings.instructor / f"{slug}.ipynb"))
        return notebook

    def _module(self, slug: str) -> ModuleFiles:
        official = self.official(slug)
        source = self._text(self.settings.probes / f"{slug}.py")
        probes = collect(_run(source, f"probes of {slug}"))
        return ModuleFiles(official, checks_of(official), probes, source, self._files(slug))

    def _milestone(self, slug: str) -> MilestoneFiles:
        path = self.settings.probes / "milestones" / f"{slug}.py"
        names = _run(self._text(path), f"verification of {slug}")
        missing = {"ENTRY", "hidden"} - names.keys()
        if missing:
            raise CourseFault(f"{path} defines no {', '.join(sorted(missing))}.")
        return MilestoneFiles(
            self.manifest.milestone(slug),
            names["ENTRY"],
            _needing_data(names["hidden"]),
            names.get("score", accuracy),
            names.get("MAX_WEIGHTS", MAX_WEIGHTS),
            names.get("PACE"),
            cache(lambda: self._solved(slug, names.get("untrained", lambda _: {}))),
        )

    def _solved(self, slug: str, untrained: Untrained) -> tuple[dict[str, str], dict[str, Array]]:
        """The reference's package and the solved script, and weights of the right shapes for it."""
        source = self._text(self.settings.instructor / "milestones" / f"{slug}.py")
        required = self.manifest.milestone(slug).requires
        wanted = {each for need in required for each in (*self.manifest.requires_closure(need), need)}
        files = {**self._package(wanted), f"{slug}.py": source}
        return files, untrained(_run(source, f"solved {slug}"))

    def _files(self, slug: str) -> dict[str, str]:
        """The package without any module but those that this one requires."""
        return self._package(set(self.manifest.requires_closure(slug)))

    def _package(self, slugs: set[str]) -> dict[str, str]:
        package = self.settings.reference / PACKAGE
        modules = {f"{each}.py" for each in self.manifest.modules}
        wanted = {f"{each}.py" for each in slugs}
        return {
            path.relative_to(self.settings.reference).as_posix(): self._text(path)
            for path in sorted(package.rglob("*.py"))
            if path.parent != package or path.name not in modules or path.name in wanted
        }

    @staticmethod
    def _text(path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise CourseFault(f"{path} cannot be read ({error.strerror}).") from error


def _needing_data(hidden: Hidden) -> Hidden:
    """A milestone's `hidden`; a data set that the classroom does not have is the course's fault."""

    def made(rng: np.random.Generator, half: int) -> tuple[Array, Array]:
        try:
            return hidden(rng, half)
        except DatasetError as error:
            raise CourseFault(str(error)) from error

    return made


def checks_of(official: dict[str, Any]) -> list[Check]:
    """The checks of an official notebook and their points, in order."""
    found = []
    for cell in official["cells"]:
        metadata = cell["metadata"]
        if metadata.get("tinytorch", {}).get("role") == "check":
            found.append(Check(metadata["tinytorch"]["id"], float(metadata["nbgrader"]["points"])))
    return found


def questions_of(official: Mapping[str, Any]) -> dict[str, float]:
    """The questions of an official notebook and the points that a person gives for each."""
    return {
        cell["metadata"]["tinytorch"]["id"]: float(cell["metadata"]["nbgrader"]["points"])
        for cell in official["cells"]
        if cell["metadata"].get("tinytorch", {}).get("role") == "question"
    }


def accuracy(labels: Array, predictions: Array) -> float:
    """The share of right predictions."""
    return float(np.mean(predictions == labels))


def _run(source: str, what: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": what}
    exec(compile(source, what, "exec"), names)  # noqa: S102  # the course's own text, from the grader's image
    return names
