"""`tito hint`: one hint at a time, from a nudge to nearly the solution. It is noted, and costs no points."""

from __future__ import annotations

import json
from typing import Any

from course.calendar import now
from course.export import UNSOLVED, cells
from course.manifest import Manifest
from course.tito import TitoError, api, places
from course.tito.places import Places
from course.tito.status import next_module
from course.tito.terminal import paint, say
from course.tito.text import plain

TIMEOUT = 3  # seconds: a hint does not wait for a service that is away
MOST = 100  # hints in one message


def hint(where: Places, name: str | None) -> int:
    """Show the next hint of an exercise, or of the first exercise of a module that is still to be done."""
    course = places.manifest(where)
    module, exercise = _which(where, course, name)
    entry = places.calendar(where).module(module)
    if reason := entry.closed(module, now()):
        raise TitoError(reason)
    if reason := entry.hints_refused(module):
        raise TitoError(reason)
    texts = _hints(where).get(exercise, [])
    if not texts:
        raise TitoError(f"Exercise '{exercise}' has no hints. Ask a neighbour, or your instructor.")
    kept = _kept(where)
    shown = kept["shown"].get(exercise, 0)
    if shown < len(texts):
        shown += 1
        kept["unsent"] = _noted(kept["unsent"], [module, exercise, shown])
        kept["shown"][exercise] = shown
        places.write_own(where.own("hints.json"), kept)
        _show(exercise, texts, shown)
        more = len(texts) - shown
        say(f"{more} more, if you need {'it' if more == 1 else 'them'}: tito hint {exercise}" if more else "")
        return 0
    for number in range(1, len(texts) + 1):
        _show(exercise, texts, number)
    say("These are all. If you are stuck still: ask a neighbour, or your instructor.")
    return 0


def _show(exercise: str, texts: list[str], number: int) -> None:
    say(paint(f"{exercise}, hint {number} of {len(texts)}", "strong"))
    say(plain(texts[number - 1]))
    say()


def _which(where: Places, course: Manifest, name: str | None) -> tuple[str, str]:
    """The module and exercise that is meant."""
    if name and name not in course.modules:
        for slug, module in course.modules.items():
            if module.available and name in _exercises(where, slug):
                return slug, name
        raise TitoError(
            f"There is no exercise or module '{name}'. `tito test SLUG` names the exercises of a module, and "
            "`tito status` shows the modules."
        )
    slug = places.module(course, name or next_module(where, course)).slug
    if reason := places.calendar(where).module(slug).closed(slug, now()):
        raise TitoError(reason)
    done = {
        cell.id for cell in cells(places.read_student(where, slug)) if cell.id and UNSOLVED not in cell.source
    }
    exercises = _exercises(where, slug)
    for exercise in exercises:
        if exercise not in done:
            return slug, exercise
    raise TitoError(
        f"Nothing in {slug}.ipynb is still to be done. For a hint all the same, name the exercise: "
        f"{', '.join(exercises)}."
    )


def _exercises(where: Places, slug: str) -> list[str]:
    return [cell.id for cell in cells(places.read_official(where, slug)) if cell.role == "exercise"]


def _hints(where: Places) -> dict[str, list[str]]:
    """Every exercise's hints."""
    return places.read_own(where.official_hints())


def _kept(where: Places) -> dict[str, Any]:
    """How many hints of each exercise were shown, and which the grading service has not heard of."""
    kept = places.read_own(where.own("hints.json"))
    shown, unsent = kept.get("shown"), kept.get("unsent")
    return {
        "shown": shown if isinstance(shown, dict) else {},
        "unsent": unsent if isinstance(unsent, list) else [],
    }


def _noted(unsent: list[list[Any]], asked: list[Any]) -> list[list[Any]]:
    """Tell the grading service of a hint, and of those that it could not be told of before; what is left.

    Raises:
        TitoError: the service does not give this hint.
    """
    if not api.is_there():
        return []
    waiting = [*unsent, asked][-MOST:]
    listed = [{"module": m, "exercise": e, "number": n} for m, e, n in waiting]
    try:
        answer = api.post("hints", json.dumps({"hints": listed}).encode(), TIMEOUT)
    except TitoError:
        return waiting  # a hint is given offline too
    for refused in answer.get("refused", []):
        if [refused["exercise"], refused["number"]] == asked[1:]:
            raise TitoError(refused["reason"])
    return []
