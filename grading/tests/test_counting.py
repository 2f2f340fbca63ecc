"""Which submission counts, and what a person's points add."""

from dataclasses import replace
from datetime import datetime, timezone

from grading.standings import Hand, Marked, counted, points_by_hand
from grading.terms import DAY, Terms

DUE = datetime(2026, 10, 19, 18, tzinfo=timezone.utc)


def test_best_is_what_is_best_after_lateness():
    policy = Terms(due=DUE, late_per_day=0.5, counts="best")
    on_time = Marked("a", DUE.timestamp(), 3.0, 5.0, None)
    late = Marked("b", DUE.timestamp() + DAY, 5.0, 5.0, None)
    assert counted([on_time, late], policy).id == "a"
    assert counted([on_time, late], replace(policy, late_per_day=0.1)).id == "b"
    assert counted([on_time, replace(on_time, id="c")], policy).id == "c", "of equal ones the later"


def test_points_by_hand_replace_the_automatic_ones_of_the_same_check():
    checks = [{"check": "a", "points": 2.0}, {"check": "b", "points": 1.0}]
    hands = [
        Hand("a", 0.5, 2.0, None, False),
        Hand("q", 3.0, 4.0, None, False),
        Hand("r", None, 1.0, "?", True),
    ]
    assert points_by_hand(checks, hands) == 1.5
