"""What grading a submission comes to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class CheckMark:
    """The points of one check, and why some are missing, in words for the student."""

    check: str
    points: float
    max_points: float
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """The mark of one submission.

    Attributes:
        checks: one entry for each check, in the notebook's order.
        notes: what else the student should know (damaged cells, ...).
        passed: for milestones only.
        seconds: wall seconds that grading took.
    """

    checks: list[CheckMark]
    notes: list[str] = field(default_factory=list)
    passed: bool | None = None
    seconds: float = 0.0

    @property
    def score(self) -> float:
        """Points in all."""
        return round(sum(check.points for check in self.checks), 4)

    @property
    def max_score(self) -> float:
        """Points that could be had."""
        return round(sum(check.max_points for check in self.checks), 4)

    def checks_as_json(self) -> list[dict[str, Any]]:
        """The checks as plain data."""
        return [asdict(check) for check in self.checks]
