"""`tito doctor`: is everything there that the course needs? Each finding comes with its mend."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from course import calendar as calendars
from course import datasets
from course.calendar import CalendarError
from course.export import NotANotebookError, parse
from course.manifest import ManifestError
from course.tito import TitoError, api, places
from course.tito.places import Places
from course.tito.terminal import paint, say

PACKAGES = ("numpy", "matplotlib", "ipykernel")
SPACE = 100 * 1024 * 1024  # bytes


@dataclass(frozen=True)
class Finding:
    """One thing looked at: good, to be mended, or (None) only worth knowing."""

    good: bool | None
    text: str
    mend: str = ""


def doctor(where: Places) -> int:
    """Print every finding; 1 if something must be mended."""
    findings = [
        *_environment(where), *_packages(), *_course(where), *_calendar(where), *_work(where), *_datasets(),
        *_service(),
    ]  # fmt: skip
    for finding in findings:
        sign = {True: paint(" ok ", "good"), False: paint("  x ", "bad"), None: "  - "}[finding.good]
        print(f" {sign} {finding.text}")
        if finding.mend:
            say(finding.mend, indent=6)
    bad = sum(finding.good is False for finding in findings)
    say()
    say(f"{bad} {'thing' if bad == 1 else 'things'} to mend." if bad else "All is well.")
    return 1 if bad else 0


def _environment(where: Places) -> Iterator[Finding]:
    yield Finding(sys.version_info >= (3, 10), f"Python {sys.version.split()[0]}")
    folder = where.work if where.work.is_dir() else where.work.parent
    yield Finding(
        os.access(folder, os.W_OK), f"Your folder {where.work}",
        "" if os.access(folder, os.W_OK) else "It cannot be written. Tell your instructor.",
    )  # fmt: skip
    free = shutil.disk_usage(folder if folder.is_dir() else "/").free
    yield Finding(
        free >= SPACE, f"{free / 2**30:.1f} GiB of disk free",
        "" if free >= SPACE else "Delete what you do not need; a full disk loses what you save next.",
    )  # fmt: skip


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        there = importlib.util.find_spec(name) is not None
        yield Finding(there, f"Package {name}", "" if there else f"It is not installed: pip install {name}")


def _course(where: Places) -> Iterator[Finding]:
    try:
        course = places.manifest(where)
        track = course.track()
    except ManifestError as error:
        yield Finding(False, "The course", str(error))
        return
    slugs = [step.module.slug for step in track.steps if step.module.available]
    lost = [slug for slug in slugs if not where.official_notebook(slug).is_file()]
    mend = "Outside the classroom: make course, then set TT_COURSE=build/course/TRACK." if lost else ""
    yield Finding(not lost, f"The course: track {track.name}, {len(slugs)} modules there", mend)


def _calendar(where: Places) -> Iterator[Finding]:
    if not where.calendar.is_file():
        yield Finding(None, "Calendar: none; everything is open and nothing is due")
        return
    try:
        calendar = calendars.read(where.calendar)
    except CalendarError as error:
        yield Finding(False, "Calendar", f"{error} Tell your instructor: until then nothing is due.")
        return
    due, slug = calendar.next_deadline(calendars.now())
    yield Finding(
        True, f"Calendar: {slug} is due {calendars.words(due)}" if due else "Calendar: nothing is due"
    )


def _work(where: Places) -> Iterator[Finding]:
    """The student's own files: readable notebooks, a package that compiles, nothing that hides a library."""
    for path in sorted(where.work.glob("*.ipynb")):
        if reason := _unreadable(path):
            yield Finding(
                False, path.name, f"{reason} `tito start {path.stem} --fresh` keeps it and begins anew."
            )
    for path in sorted(where.package.rglob("*.py")):
        is_copy = not path.stem.isidentifier()  # kept under another name: nothing imports it
        if not is_copy and (reason := _uncompilable(path)):
            yield Finding(
                False, f"tinytorch/{path.name}", f"{reason}. Write it anew: tito export {path.stem}"
            )
    for path in sorted(where.work.glob("*.py")):
        if path.stem in sys.stdlib_module_names or path.stem in PACKAGES:
            yield Finding(
                False, path.name, f"It hides the library '{path.stem}' from your notebooks. Rename it."
            )


def _unreadable(notebook: Path) -> str | None:
    try:
        parse(notebook.read_bytes())
    except NotANotebookError as error:
        return str(error)
    return None


def _uncompilable(source: Path) -> str | None:
    try:
        compile(source.read_bytes(), str(source), "exec")
    except (SyntaxError, ValueError) as error:
        return str(error)
    return None


def _datasets() -> Iterator[Finding]:
    from course.datasets import registry

    for name, dataset in registry.read().items():
        there = (datasets.folder() / name).is_dir() or dataset.shipped
        mend = "" if there else "Your instructor can add it; only what uses it needs it."
        yield Finding(there or None, f"Data set {name}: {'there' if there else 'not there'}", mend)


def _service() -> Iterator[Finding]:
    if not api.is_there():
        yield Finding(None, "Grading service: none", api.OUTSIDE)
        return
    try:
        api.get("marks")
    except TitoError as error:
        yield Finding(False, "Grading service", str(error))
    else:
        yield Finding(True, "Grading service answers")
        if fault := api.get("calendar").get("problem"):  # told to instructors only
            yield Finding(False, "The class's calendar.yml", f"{fault} Until then the last good one holds.")
