"""The course as the grader holds it: official notebooks, probes, and the reference package.

Nothing of this is ever in a student's image; into a sandbox goes only what the module that is graded
requires.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from course.manifest import Manifest, Milestone
from course.probing import Probe, collect
from grading.compare.judging import Check
from grading.settings import Settings

PACKAGE = "tinytorch"
Array = np.ndarray[Any, Any]


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
        hidden: makes inputs and labels of a generator: fresh for each attempt.
        score: rates predictions against labels, 0 to 1.
    """

    milestone: Milestone
    entry: str
    hidden: Callable[[np.random.Generator], tuple[Array, Array]]
    score: Callable[[Array, Array], float]


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
        score = names.get("score", accuracy)
        return MilestoneFiles(self.manifest.milestone(slug), names["ENTRY"], names["hidden"], score)

    def _files(self, slug: str) -> dict[str, str]:
        """The package without any module but those that this one requires."""
        package = self.settings.reference / PACKAGE
        modules = {f"{each}.py" for each in self.manifest.modules}
        wanted = {f"{each}.py" for each in self.manifest.requires_closure(slug)}
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


def checks_of(official: dict[str, Any]) -> list[Check]:
    """The checks of an official notebook and their points, in order."""
    found = []
    for cell in official["cells"]:
        metadata = cell["metadata"]
        if metadata.get("tinytorch", {}).get("role") == "check":
            found.append(Check(metadata["tinytorch"]["id"], float(metadata["nbgrader"]["points"])))
    return found


def accuracy(labels: Array, predictions: Array) -> float:
    """The share of right predictions."""
    return float(np.mean(predictions == labels))


def _run(source: str, what: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": what}
    exec(compile(source, what, "exec"), names)  # noqa: S102  # the course's own text, from the grader's image
    return names
