"""`tito restore` and `tito catch-up`: the course's own solutions, where the calendar gives them; it is noted.

They come from the grading service: a student's server holds none. The student's notebook stays as it is; the
former file of the package is kept under another name.
"""

from __future__ import annotations

from datetime import datetime

from course.calendar import now, words
from course.manifest import Manifest
from course.restored import is_restored, marked
from course.tito import TitoError, api, places
from course.tito.places import Places
from course.tito.start import prepare
from course.tito.terminal import say


def restore(where: Places, slug: str) -> int:
    """Put the course's own solution of a module into the student's package."""
    course = places.manifest(where)
    places.module(course, slug)
    _refuse(where, places.calendar(where).module(slug).restore_refused(slug, now()))
    _put(where, slug, f"reference/{slug}", f"`tito restore {slug}`")
    say(f"Your notebook {slug}.ipynb is as it was. Your own code comes back with: tito export {slug}")
    return 0


def catch_up(where: Places, target: str) -> int:
    """Put the course's own solutions of what the student lacks before a module into the package."""
    course = places.manifest(where)
    places.module(course, target)
    _refuse(where, places.calendar(where).module(target).catch_up_refused(target, now()))
    missing = [slug for slug in _before(course, target) if not places.finished(where, slug)]
    for slug in missing:
        _put(where, slug, f"reference/{slug}?catch_up={target}", f"`tito catch-up {target}`")
    if not missing:
        say(f"Everything that comes before '{target}' is in your tinytorch already.")
    say(f"Next: tito start {target}")
    return 0


def _before(course: Manifest, target: str) -> list[str]:
    """The modules before one in the track that are there."""
    track = course.track()
    number = track.step(target).number
    return [s.module.slug for s in track.steps if s.number < number and s.module.available]


def _refuse(where: Places, reason: str | None) -> None:
    """Say no at once where the calendar here says no; the grading service has the last word."""
    if reason and where.calendar.is_file():
        raise TitoError(reason)


def _put(where: Places, slug: str, path: str, how: str) -> None:
    answer = api.get(path)
    source = answer.get("source") if isinstance(answer, dict) else None
    if not isinstance(source, str):
        raise TitoError("What the grading service sent is no solution. Tell your instructor.")
    prepare(where)
    target = where.package / f"{slug}.py"
    own = places.exported(where, slug)
    if own and not is_restored(own) and (kept := places.keep_former(target)):
        say(f"Kept your former tinytorch/{slug}.py as {kept.name}.")
    given = datetime.fromisoformat(str(answer["given_at"]).replace("Z", "+00:00"))
    places.write(target, marked(slug, source, f"{how} on {words(given)} UTC").encode())
    say(
        f"tinytorch/{slug}.py is now the course's own solution. This was noted; it costs no points by itself."
    )
