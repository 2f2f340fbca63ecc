"""What counts: of all submissions the last or the best, less what lateness takes, with what a person gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from grading.terms import Terms

SMALLEST = 1e-6  # points; less is no difference


class Key(NamedTuple):
    """Whose mark of what: kind is 'module', 'milestone' or 'assignment'."""

    student: str
    kind: str
    slug: str


@dataclass(frozen=True)
class Marked:
    """A submission that has a mark."""

    id: str
    received_at: float
    score: float
    max_score: float
    passed: bool | None


@dataclass(frozen=True)
class Hand:
    """What a person gave for a check or a question, or was asked to give.

    Attributes:
        points: all of the item's points, extra credit too; None: not given yet.
        waiting: for a person to look.
    """

    item: str
    points: float | None
    max_points: float
    comment: str | None
    waiting: bool


@dataclass(frozen=True)
class Standing:
    """How somebody stands; the columns of the table `standings` explain each."""

    newest: str | None
    counted: str | None
    attempts: int
    automatic: float
    by_hand: float
    factor: float
    max_score: float
    passed: bool | None
    excused: bool

    @property
    def score(self) -> float:
        """The points that count."""
        return score(self.automatic, self.by_hand, self.factor)


def score(automatic: float, by_hand: float, factor: float) -> float:
    """The points that count."""
    return round(max(0.0, automatic + by_hand) * factor, 4)


def counted(marked: Sequence[Marked], terms: Terms) -> Marked | None:
    """Of submissions in order of time, the one that counts: the last, or the best with its lateness.

    Of two that are equally good it is the later one.
    """
    if terms.counts == "last" or not marked:
        return marked[-1] if marked else None
    return max(enumerate(marked), key=lambda each: (each[1].score * factor(each[1], terms), each[0]))[1]


def factor(marked: Marked | None, terms: Terms) -> float:
    """What lateness leaves of a submission's points. Of excused work it takes nothing."""
    return terms.factor(marked.received_at) if marked and not terms.excused else 1.0


def points_by_hand(checks: Iterable[Mapping[str, Any]], hands: Iterable[Hand]) -> float:
    """What people's points add to the automatic ones. It is negative where somebody took some away.

    Args:
        checks: the automatic marks of the submission that counts.
    """
    automatic = {check["check"]: check["points"] for check in checks}
    given = (each.points - automatic.get(each.item, 0.0) for each in hands if each.points is not None)
    return float(round(sum(given), 4))


def differ(one: float | None, other: float | None) -> bool:
    """Whether two marks are different; None is no mark."""
    if one is None or other is None:
        return one is not other
    return abs(one - other) > SMALLEST
