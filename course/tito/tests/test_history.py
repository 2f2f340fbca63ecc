"""`tito milestone history`: every attempt, and how many are left."""

import pytest

TOLD = {
    "slug": "sums", "title": "Sums", "points": 2, "needed": 0.9, "due": None, "private_shown": False,
    "passed": True, "attempts_left": None, "attempts_left_today": 2,
}  # fmt: skip
ATTEMPT = {
    "id": "a", "received_at": "2026-10-20T08:00:00Z", "state": "graded", "public": 0.951, "private": None,
    "verified": True, "passed": False, "reason": "Too few of the private hidden samples are right.",
    "notes": [], "seconds": 3.21, "cost": {"sandbox_seconds": 3.0, "weights": 12},
}  # fmt: skip


def test_history_shows_each_attempt_with_its_reason_and_what_is_left(tito, service):
    passed = {
        **ATTEMPT,
        "received_at": "2026-10-21T08:00:00Z",
        "private": 0.93,
        "passed": True,
        "reason": None,
    }
    broken = {
        **ATTEMPT,
        "public": None,
        "verified": False,
        "reason": "Predicting: your code raised KeyError.",
    }
    waits = {**ATTEMPT, "state": "queued", "public": None, "passed": None, "reason": None, "seconds": None}
    service.answers["milestones?milestone=sums"] = {
        "milestones": [{**TOLD, "attempts": [waits, passed, ATTEMPT, broken]}]
    }
    code, said = tito("milestone", "history", "sums")
    assert code == 0
    lines = [line for line in said.splitlines() if line.startswith("  2026")]
    assert "not verified" in lines[0]
    assert "public  95.1%, private      -  not passed" in lines[1]
    assert "private  93.0%  passed" in lines[2]
    assert "waits to be graded" in lines[3]
    assert "Too few of the private hidden samples" in said
    assert "Attempts left: 2 today." in said
    assert "shown once it is passed, or the deadline is over" in " ".join(said.split())


@pytest.mark.parametrize(
    ("attempts", "said"), [([], "not handed in any milestone"), ([ATTEMPT], "Sums (sums)")]
)
def test_history_of_all_names_only_what_was_begun(tito, service, attempts, said):
    service.answers["milestones"] = {"milestones": [{**TOLD, "attempts": attempts}]}
    code, told = tito("milestone", "history")
    assert code == 0
    assert said in told


def test_info_says_how_many_attempts_are_left_and_nothing_without_a_service(tito, service):
    service.answers["milestones?milestone=sums"] = {
        "milestones": [{**TOLD, "attempts_left": 5, "attempts": []}]
    }
    assert "Attempts left: 2 today, 5 in all." in tito("milestone", "info", "sums")[1]
    service.error = (503, b'{"error": "away"}')
    code, said = tito("milestone", "info", "sums")
    assert code == 0
    assert "Attempts left" not in said
