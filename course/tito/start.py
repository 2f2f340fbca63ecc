"""`tito start`: a module's notebook, or a milestone's script, for the student. Never overwrites work."""

from __future__ import annotations

from pathlib import Path

from course.calendar import Entry, now, words
from course.tito import TitoError, own_calendar, places
from course.tito.places import Places
from course.tito.status import next_module
from course.tito.terminal import say
from course.tito.update import remember_start

WELCOME = """\
# Your course

Here is your work: one notebook for each module, and `tinytorch/`, the framework that you build with them.

In a terminal (File > New > Terminal):

    tito status          where you are, what comes next, and why
    tito start tensor    get a module's notebook
    tito test tensor     run its checks on your code
    tito hint tensor     a hint, if you are stuck
    tito export tensor   put your code into your tinytorch
    tito submit tensor   hand it in and see the mark
    tito update          get the course's corrections; what you wrote stays
    tito checkpoint      what your framework can do by now

The same in a notebook: `%tito status`. A module's number does as well as its name.
Nothing of this ever overwrites what you wrote.
"""


def start(where: Places, slug: str | None, fresh: bool) -> int:
    """Get a module (default: the next one) or a milestone."""
    course = places.manifest(where)
    slug = slug or next_module(where, course)
    calendar = own_calendar.read(where).calendar
    if slug in course.milestones and slug not in course.modules:
        _refuse_closed(slug, calendar.milestone(slug))
        milestone_script(where, slug, fresh)
        _say_due(calendar.milestone(slug))
        return 0
    module = places.module(course, slug)
    _refuse_closed(slug, calendar.module(slug))
    module_notebook(where, slug, fresh)
    _say_due(calendar.module(slug))
    missing = [need for need in module.requires if not (where.package / f"{need}.py").is_file()]
    if missing:
        say(f"It uses {', '.join(missing)}, which you have not exported yet: tito export {missing[0]}")
    return 0


def module_notebook(where: Places, slug: str, fresh: bool = False) -> None:
    """Get a module's notebook."""
    places.read_official(where, slug)  # says so where it is missing
    prepare(where)
    if _copy(where.official_notebook(slug), where.notebook(slug), fresh):
        remember_start(where, slug)


def _refuse_closed(slug: str, entry: Entry) -> None:
    if reason := entry.closed(slug, now()):
        raise TitoError(f"{reason} `tito status` shows what is open.")


def _say_due(entry: Entry) -> None:
    if entry.due:
        say(f"It {'was' if entry.is_over(now()) else 'is'} due {words(entry.due)}.")


def prepare(where: Places) -> None:
    """Make the student's folder: a welcome, and the package's given files where there are none yet."""
    welcome = where.work / "README.md"
    if not welcome.exists():
        places.write(welcome, WELCOME.encode())
    glue = where.official_package()
    for path in sorted(glue.rglob("*.py")):
        target = where.package / path.relative_to(glue)
        if not target.exists():
            places.write(target, path.read_bytes())


def milestone_script(where: Places, slug: str, fresh: bool = False) -> Path:
    """Get a milestone's script."""
    official = where.official_milestone(slug)
    if not official.is_file():
        raise TitoError(f"Milestone '{slug}' is still to come. `tito milestone list` shows what is there.")
    prepare(where)
    path = where.milestones / f"{slug}.py"
    _copy(official, path, fresh)
    return path


def _copy(official: Path, path: Path, fresh: bool) -> bool:
    if path.exists() and not fresh:
        say(f"{path.name} is there already and stays as it is.")
        return False
    if kept := places.keep_former(path):
        say(f"Kept your former work as {kept.name}.")
    places.write(path, official.read_bytes())
    say(f"{path.name} is ready in {path.parent}.")
    return True
