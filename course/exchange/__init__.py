"""nbgrader's exchange in this classroom: commands and panels talk to the grading API, not to a shared folder.

Imports nothing of nbgrader's: a student's server starts with this package, and mostly never uses it.
"""

from __future__ import annotations

from typing import Any

STEPS = (
    "list",
    "fetch_assignment",
    "fetch_feedback",
    "release_assignment",
    "release_feedback",
    "submit",
    "collect",
)


def use(c: Any) -> None:
    """Let nbgrader use this exchange; `c` is its configuration."""
    c.ExchangeFactory.exchange = "course.exchange.plugins.ClassroomExchange"
    for step in STEPS:
        words = "".join(word.title() for word in step.split("_"))
        setattr(c.ExchangeFactory, step, f"course.exchange.plugins.Exchange{words}")
