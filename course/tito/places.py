"""Where the course and the student's work lie, and how a file of the student's is written."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course import manifest as manifests
from course.export import NotANotebookError, Notebook, parse
from course.manifest import DEFAULT_TRACK, HERE, Manifest, Module
from course.tito import TitoError


@dataclass(frozen=True)
class Places:
    """The official course (read-only) and the student's work.

    Attributes:
        course: a student container's /opt/course, or a built track (build/course/TRACK); TT_COURSE.
        work: the student's folder, ~/course; TT_WORK.
    """

    course: Path
    work: Path

    @property
    def package(self) -> Path:
        """The student's own framework."""
        return self.work / "tinytorch"

    @property
    def milestones(self) -> Path:
        """The student's milestones."""
        return self.work / "milestones"

    @property
    def memory(self) -> Path:
        """What tito remembers: the last marks."""
        return self.work / ".tito" / "marks.json"

    def notebook(self, slug: str) -> Path:
        """The student's notebook of a module."""
        return self.work / f"{slug}.ipynb"

    def official_notebook(self, slug: str) -> Path:
        """The course's notebook of a module."""
        return self._first("notebooks", "student") / f"{slug}.ipynb"

    def official_milestone(self, slug: str) -> Path:
        """The course's script of a milestone."""
        return self._first("milestones", "student/milestones") / f"{slug}.py"

    def official_package(self) -> Path:
        """The package's given glue."""
        skeleton = self.course / "skeleton" / "tinytorch"
        return skeleton if skeleton.is_dir() else HERE / "skeleton" / "tinytorch"

    def _first(self, *names: str) -> Path:
        """An image and a built track name the same folders differently."""
        return next((self.course / name for name in names if (self.course / name).is_dir()), self.course)


def find() -> Places:
    """The places that the environment names."""
    course = Path(os.environ.get("TT_COURSE") or "/opt/course")
    built = HERE.parent / "build" / "course" / DEFAULT_TRACK  # in a clone
    work = Path(os.environ.get("TT_WORK") or "~/course").expanduser()
    return Places(course if course.is_dir() or not built.is_dir() else built, work)


def manifest(places: Places) -> Manifest:
    """The course's manifest; in a clone that built nothing yet, the source's."""
    built = places.course / "course.json"
    return manifests.load(built if built.is_file() else HERE / "course.yml")


def module(course: Manifest, slug: str) -> Module:
    """A module that students can work on."""
    found = course.module(slug)
    if not found.available:
        raise TitoError(f"Module '{slug}' is still to come. `tito status` shows what is there.")
    return found


def read_official(places: Places, slug: str) -> Notebook:
    """The course's notebook of a module."""
    path = places.official_notebook(slug)
    if not path.is_file():
        raise TitoError(
            f"The course has no notebook {path}. Outside the classroom, run `make course` first, and let "
            "TT_COURSE name what it wrote (build/course/TRACK)."
        )
    return parse(path.read_bytes())


def read_student(places: Places, slug: str) -> Notebook:
    """The student's notebook of a module."""
    path = places.notebook(slug)
    if not path.is_file():
        raise TitoError(f"{path} is not there yet. Begin with: tito start {slug}")
    try:
        return parse(path.read_bytes())
    except NotANotebookError as error:
        raise TitoError(
            f"{path}: {error} `tito start {slug} --fresh` keeps a copy and begins anew."
        ) from error


def write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all: a full disk must not cost what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remembered(places: Places) -> dict[str, Any]:
    """The last marks that were seen, by kind and slug ('module/tensor')."""
    try:
        marks = json.loads(places.memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return marks if isinstance(marks, dict) else {}


def remember(places: Places, mark: dict[str, Any]) -> None:
    """Keep a submission's state, so that `tito status` need not ask for it."""
    marks = remembered(places) | {f"{mark['kind']}/{mark['slug']}": mark}
    write(places.memory, json.dumps(marks, indent=1).encode())
