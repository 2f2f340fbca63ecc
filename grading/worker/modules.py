"""Grading a module: the student's notebook in a sandbox, the mark outside."""

from __future__ import annotations

import json
from typing import Any

from course.export import answers
from course.probing import MAX_BYTES
from grading.compare import frames, judging
from grading.course_files import CourseFiles, questions_of
from grading.queue import Submission
from grading.results import Result
from grading.sandboxes import Limits, Sandbox, SandboxResult

PROBE_SECONDS = 5.0  # an honest probe takes milliseconds
OUTPUT_LIMIT = 4 * MAX_BYTES  # of all probes together; one of them rarely sends more than a few kilobytes
KEPT_BACK = 64 * 1024 * 1024  # of the container's memory, for the harness itself


def grade(
    submission: Submission, body: dict[str, Any], course: CourseFiles, sandbox: Sandbox, limits: Limits
) -> tuple[Result, SandboxResult]:
    """Grade one notebook; also returns how the sandbox ended."""
    module = course.module(submission.slug)
    task = {
        "task": "module",
        "slug": submission.slug,
        "seed": submission.seed,
        "files": module.files,
        "official": module.official,
        "notebook": {"cells": [_lean(cell) for cell in body["notebook"]["cells"]]},
        "probes": module.probes_source,
        "per_probe_seconds": min(PROBE_SECONDS, limits.seconds / 2),
        **own_limits(limits),
    }
    ran = sandbox.run(json.dumps(task).encode("ascii"), limits)
    received = frames.read(ran.output)
    marks = judging.mark(module.checks, module.probes, submission.seed, received, ran.exit)
    return Result(marks, [*received.problems, *_by_hand(module.official, body["notebook"])]), ran


def _by_hand(official: dict[str, Any], notebook: object) -> list[str]:
    """What a student should know of the points that a person gives."""
    points = questions_of(official)
    return [
        f"Plus {points[question]:g} points by hand, once a person has read your answer to '{question}'."
        if text
        else f"Question '{question}' is not answered yet; it is worth {points[question]:g} points by hand."
        for question, text in answers(official, notebook).items()
    ]


def _lean(cell: dict[str, Any]) -> dict[str, Any]:
    """A cell without what the sandbox has no use for: pictures and other output."""
    return {key: cell[key] for key in ("cell_type", "metadata", "source") if key in cell}


def own_limits(limits: Limits) -> dict[str, Any]:
    """What the harness keeps to by itself, a little inside what is enforced from outside, so that it can
    still tell."""
    return {"seconds": limits.seconds * 0.9, "memory": max(limits.memory - KEPT_BACK, limits.memory // 2)}
