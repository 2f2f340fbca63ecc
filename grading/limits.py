"""Whether somebody may hand in at this moment, and what the receipt says of lateness."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from course.calendar import Calendar, words
from grading import terms as found_terms
from grading.store import Store
from grading.terms import Terms

UPLOAD_SECONDS = 60.0  # a body that takes no longer counts as handed in when its first byte was announced


@dataclass(frozen=True)
class Refusal:
    """Why nothing is taken: the status of the answer, and a sentence for the student."""

    status: int
    sentence: str


def handed_in_at(arrived: float, now: float) -> float:
    """The moment by which a submission is judged.

    Args:
        arrived: when the request's headers were here, by the server's clock.
        now: when its whole body is.
    """
    return arrived if now - arrived <= UPLOAD_SECONDS else now


def refusal(
    engine: sa.Engine, calendar: Calendar, student: str, kind: str, slug: str, at: float
) -> Refusal | None:
    """Why a student cannot hand in at a moment (seconds since 1970); None if they can."""
    terms = found_terms.of_student(engine, calendar, student)(kind, slug)
    moment = datetime.fromtimestamp(at, timezone.utc)
    if terms.exam and moment < terms.exam[0]:
        return Refusal(403, f"The exam '{slug}' has not begun. It begins on {words(terms.exam[0])}.")
    if terms.exam and not terms.is_taken(at):
        return Refusal(
            403,
            f"The exam '{slug}' is over: your time ended on {words(terms.exam[1])}. What you had saved is "
            "handed in for you.",
        )
    if (closed := calendar.entry(kind, slug).closed(slug, moment)) is not None:
        return Refusal(403, closed)
    if terms.due and not terms.is_taken(at):
        last = datetime.fromtimestamp(terms.last_moment() or 0, terms.due.tzinfo)
        until = "" if terms.due == last else f", and was taken late until {words(last)}"
        return Refusal(403, f"'{slug}' was due on {words(terms.due)}{until}. Talk to your instructor.")
    for most, since, within, again in _limits(calendar, terms, at):
        if found_terms.attempts_made(engine, student, kind, slug, since) >= most:
            times = "once" if most == 1 else f"{most} times"
            return Refusal(
                429, f"You have handed in '{slug}' {times}{within}, which is all there is. {again}"
            )
    return None


def attempts_left(
    engine: sa.Engine, calendar: Calendar, student: str, kind: str, slug: str, terms: Terms, at: float
) -> int | None:
    """How often a student may still hand in, by day or at all; None: as often as they like."""
    return min(
        (
            max(0, most - found_terms.attempts_made(engine, student, kind, slug, since))
            for most, since, _, _ in _limits(calendar, terms, at)
        ),
        default=None,
    )


def lateness(terms: Terms, received_at: float) -> dict[str, Any]:
    """What a receipt says of work that came after its deadline; nothing if it came in time."""
    if not terms.late(received_at):
        return {}
    counts = terms.factor(received_at)
    return {"late": True, "counts": counts, "note": f"It is late, and counts {counts * 100:g}%."}


@contextlib.contextmanager
def one_at_a_time(store: Store, student: str) -> Iterator[None]:
    """Meanwhile nothing else of this student is counted and taken, in this process or another."""
    folder = store.folder / "locks" / hashlib.sha256(student.encode()).hexdigest()[:2]
    store.make(folder.parent)
    with store.locked(folder):
        yield


def _limits(calendar: Calendar, terms: Terms, at: float) -> Iterator[tuple[int, float, str, str]]:
    """Each limit: how often, since when, and words for both."""
    if terms.attempts is not None:
        yield terms.attempts, 0.0, "", "Talk to your instructor."
    if terms.attempts_per_day is not None:
        yield terms.attempts_per_day, found_terms.day_began(calendar, at), " today", "Go on tomorrow."
