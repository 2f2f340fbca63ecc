"""Where the course and the student's work lie, and how a file of the student's is written."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course import calendar as calendars
from course import manifest as manifests
from course.calendar import Calendar, CalendarError
from course.export import UNSOLVED, NotANotebookError, Notebook, parse
from course.manifest import DEFAULT_TRACK, HERE, Manifest, Module
from course.tito import TitoError


@dataclass(frozen=True)
class Places:
    """The official course (read-only) and the student's work.

    Attributes:
        course: a student container's /opt/course, or a built track (build/course/TRACK); TT_COURSE.
        work: the student's folder, ~/course; TT_WORK.
        calendar: the class's calendar in force; TT_CALENDAR.
    """

    course: Path
    work: Path
    calendar: Path = Path("/srv/course/calendar.json")

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
        return self.own("marks.json")

    def own(self, name: str) -> Path:
        """A file of tito's own, beside the student's work."""
        return self.work / ".tito" / name

    def notebook(self, slug: str) -> Path:
        """The student's notebook of a module."""
        return self.work / f"{slug}.ipynb"

    def official_notebook(self, slug: str) -> Path:
        """The course's notebook of a module."""
        return self._first("notebooks", "student") / f"{slug}.ipynb"

    def official_milestone(self, slug: str) -> Path:
        """The course's script of a milestone."""
        return self._first("milestones", "student/milestones") / f"{slug}.py"

    def official_hints(self) -> Path:
        """The hints of all exercises."""
        return self._first("notebooks", "student") / "hints.json"

    def official_checkpoint(self, slug: str) -> Path:
        """The test of a checkpoint."""
        built = self.course / "checkpoints"
        return (built if built.is_dir() else HERE / "checkpoints") / f"{slug}.py"

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
    calendar = Path(os.environ.get("TT_CALENDAR") or Places.calendar)
    return Places(course if course.is_dir() or not built.is_dir() else built, work, calendar)


def manifest(places: Places) -> Manifest:
    """The course's manifest; in a clone that built nothing yet, the source's."""
    built = places.course / "course.json"
    return manifests.load(built if built.is_file() else HERE / "course.yml")


def slug_of(course: Manifest, text: str) -> str:
    """A module's slug; a number is its place in the track."""
    if not text.isdecimal():
        return text
    track = course.track()
    for step in track.steps:
        if step.number == int(text):
            return step.module.slug
    raise TitoError(f"The track '{track.name}' has no module {text}. It has 1 to {len(track.steps)}.")


def milestone_of(course: Manifest, text: str) -> str:
    """A milestone's slug; a number is its place in `tito milestone list`."""
    if not text.isdecimal():
        return text
    stops = course.track().stops
    if not 1 <= int(text) <= len(stops):
        raise TitoError(f"There is no milestone {text} in your track. There are 1 to {len(stops)}.")
    return stops[int(text) - 1].milestone.slug


def calendar(places: Places) -> Calendar:
    """The class's calendar. A damaged one holds nobody up: `tito doctor` names it."""
    try:
        return calendars.read(places.calendar)
    except CalendarError:
        return Calendar()


def finished(places: Places, slug: str) -> bool:
    """Whether a module is in the student's package, with nothing left to be done."""
    source = exported(places, slug)
    return bool(source) and UNSOLVED not in source


def exported(places: Places, slug: str) -> str:
    """A module of the student's package; '' if it is not there."""
    try:
        return (places.package / f"{slug}.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


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


def keep_former(path: Path) -> Path | None:
    """Put a file of the student's out of the way, under another name; that name."""
    if not path.exists():
        return None
    kept = free_name(path)
    path.rename(kept)
    return kept


def free_name(path: Path) -> Path:
    """A name beside a file under which it can be kept: tensor.1.ipynb."""
    names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in range(1, 10_000))
    return next(name for name in names if not name.exists())


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


def read_own(path: Path) -> dict[str, Any]:
    """What tito keeps in a file of its own; {} where there is none, or a damaged one."""
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def write_own(path: Path, content: dict[str, Any]) -> None:
    """Keep something for the next command."""
    write(path, json.dumps(content, indent=1).encode())


def remembered(places: Places) -> dict[str, Any]:
    """The last marks that were seen, by kind and slug ('module/tensor')."""
    return read_own(places.memory)


def remember(places: Places, mark: dict[str, Any]) -> None:
    """Keep a submission's state, so that `tito status` need not ask for it."""
    write_own(places.memory, remembered(places) | {f"{mark['kind']}/{mark['slug']}": mark})
