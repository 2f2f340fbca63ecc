"""Training an attempt at a milestone again, from nothing: does the script make what was handed in?

The script runs as its student ran it, in a sandbox with the classroom's data sets mounted as students see
them (no labels of a fetched set's test part). What it saves is then verified on the hidden samples of the
attempt itself, beside the weights that were handed in. It changes no mark: staff see the outcome.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from course import datasets
from grading.compare import frames, words
from grading.course_files import CourseFault, CourseFiles
from grading.jobs import Job
from grading.results import Result
from grading.sandboxes import Limits, Sandbox, SandboxSilent
from grading.store import Store
from grading.worker import milestones
from grading.worker.modules import own_limits

TOLERANCE = 0.03  # of the share: two trainings of one script differ by less, whatever machine they ran on
READER = {"course/datasets/__init__.py": Path(datasets.__file__)}  # how a script gets at its data


def run(job: Job, course: CourseFiles, store: Store, sandbox: Sandbox, limits: Limits) -> dict[str, Any]:
    """What the weights that were handed in reach, what the retrained ones do, and whether they agree.

    Raises:
        CourseFault: the job is about no attempt at a milestone.
        SandboxSilent: the sandbox said nothing at all, the first time.
    """
    submission = job.submission
    if submission is None or submission.kind != "milestone":
        raise CourseFault("Only attempts at milestones can be trained again.")
    body = json.loads(store.read(submission.id))
    script = f"{submission.slug}.py"
    if script not in body["files"]:
        return _outcome(None, None, 0.0, f"There is no {script} in what was handed in.")
    longer = replace(limits, seconds=course.settings.retrain_seconds, training=True)
    task = {
        "task": "training",
        "slug": submission.slug,
        "files": {**body["files"], **{name: path.read_text("utf-8") for name, path in READER.items()}},
        "own": sorted(body["files"].keys() - READER.keys()),
        **own_limits(longer),
    }
    started = time.monotonic()
    ran = sandbox.run(json.dumps(task).encode("ascii"), longer)
    seconds = round(time.monotonic() - started, 3)
    if ran.exit == "failed" and not ran.output and job.attempt == 1:
        raise SandboxSilent(submission.id)
    submitted, _ = milestones.grade(submission, body, course, sandbox, limits)
    frame = frames.read(ran.output).frames.get("weights")
    if frame is None or frame.status != "ok":
        why = words.of_frame(frame) if frame else words.of_silence(ran.exit)
        return _outcome(submitted, None, seconds, words.sentence("Training again", why))
    trained = {**body, "weights": {name: milestones.npy(array) for name, array in frame.arrays.items()}}
    retrained, _ = milestones.grade(submission, trained, course, sandbox, limits)
    return _outcome(submitted, retrained, seconds, None)


def _outcome(
    submitted: Result | None, retrained: Result | None, seconds: float, reason: str | None
) -> dict[str, Any]:
    """The outcome as plain data; `agree` is null where there is nothing to compare."""
    agree = None
    if submitted and submitted.attempt and retrained and retrained.attempt:
        before, now = submitted.attempt.private, retrained.attempt.private
        agree = before is None or (now is not None and now >= before - TOLERANCE)
    return {
        "submitted": _reached(submitted),
        "retrained": _reached(retrained),
        "agree": agree,
        "seconds": seconds,
        "reason": reason,
    }


def _reached(result: Result | None) -> dict[str, Any] | None:
    if result is None or result.attempt is None:
        return None
    attempt = result.attempt
    reasons = [reason for check in result.checks for reason in check.reasons]
    return {
        "public": attempt.public,
        "private": attempt.private,
        "verified": attempt.verified,
        "passed": result.passed,
        "weights": attempt.weights,
        "reason": reasons[0] if reasons else None,
    }
