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
class Attempt:
    """What an attempt at a milestone reached. Shares are 0 to 1, and None where no usable answer came.

    Attributes:
        public: of the samples that are the same for every attempt in a classroom; shown at once.
        private: of samples that no other attempt has seen; it alone decides.
        verified: whether both could be scored.
        sandbox_seconds: wall seconds in containers, those of the solved script included.
        weights: bytes of the weights that were handed in.
    """

    public: float | None = None
    private: float | None = None
    verified: bool = False
    sandbox_seconds: float = 0.0
    weights: int = 0


@dataclass(frozen=True)
class Result:
    """The mark of one submission.

    Attributes:
        checks: one entry for each check, in the notebook's order.
        notes: what else the student should know (damaged cells, ...).
        passed: for milestones only.
        attempt: for milestones only.
        seconds: wall seconds that grading took.
    """

    checks: list[CheckMark]
    notes: list[str] = field(default_factory=list)
    passed: bool | None = None
    seconds: float = 0.0
    attempt: Attempt | None = None

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
