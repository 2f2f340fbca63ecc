"""Verifying a milestone: the student's own stack predicts for hidden inputs, the labels stay here."""

from __future__ import annotations

import base64
import io
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np

from course.probing import generator
from course.restored import restored_in
from grading.compare import frames, words
from grading.course_files import Array, CourseFault, CourseFiles, MilestoneFiles
from grading.queue import Submission
from grading.results import CheckMark, Result
from grading.sandboxes import Limits, Sandbox, SandboxResult
from grading.worker.modules import own_limits

MAX_CODE = 512 * 1024  # bytes; the course's own package and script take a quarter of it


def grade(
    submission: Submission, body: dict[str, Any], course: CourseFiles, sandbox: Sandbox, limits: Limits
) -> tuple[Result, SandboxResult]:
    """Verify one attempt; also returns how the sandbox ended."""
    files = course.milestone(submission.slug)
    if too_large := _too_large(body, files.max_weights):
        return failed(files, too_large), SandboxResult("ok", b"")
    inputs, labels = files.hidden(generator(submission.seed, submission.slug))
    task = {  # without the seed: whoever knows how the inputs are made could make the labels from it
        "task": "milestone",
        "slug": submission.slug,
        "files": body["files"],
        "weights": body["weights"],
        "entry": files.entry,
        "inputs": _npy(inputs),
        **own_limits(limits),
    }
    ran, took = _timed(sandbox, task, limits)
    received = frames.read(ran.output)
    frame = received.frames.get("predictions")
    if frame is None:
        return failed(files, words.of_silence(ran.exit)), ran
    if frame.status != "ok":
        return failed(files, words.of_frame(frame)), ran
    result = verified(files, labels, frame.arrays.get("value"))
    if restored := restored_in(body["files"]):
        note = f"It runs with the course's own {', '.join(restored)} instead of the student's."
        result = replace(result, notes=[*result.notes, note])
    if result.passed and files.pace is not None:
        result = _in_time(result, files, files.pace, task, took, sandbox, limits)
    return result, ran


def _too_large(body: dict[str, Any], most: int) -> str | None:
    """Why weights and code are more than a network needs, and could be the data itself; None if they fit."""
    size = sum(map(len, body["weights"])) + sum(map(len, body["weights"].values())) * 3 // 4  # base64
    if size > most:
        return f"the weights take {size:,} bytes; at most {most:,} can be handed in."
    code = sum(len(text.encode("utf-8", "surrogatepass")) for text in body["files"].values())
    if code > MAX_CODE:
        return f"the Python files take {code:,} bytes; at most {MAX_CODE:,} can be handed in."
    return None


def _in_time(
    result: Result,
    files: MilestoneFiles,
    pace: float,
    task: dict[str, Any],
    took: float,
    sandbox: Sandbox,
    limits: Limits,
) -> Result:
    """The result, if the run kept pace with the solved script on the same machine, timed from outside.

    A machine that was busy for a moment is no student's fault: a run that was too slow is timed once more.
    """
    solved, weights = files.solved()
    reference = {**task, "files": solved, "weights": {name: _npy(each) for name, each in weights.items()}}
    ran, needed = _timed(sandbox, reference, limits)
    frame = frames.read(ran.output).frames.get("predictions")
    if frame is None or frame.status != "ok":
        raise CourseFault(f"the solved script fails: {words.of_frame(frame) if frame else ran.exit}")
    if took > pace * needed:
        took = min(took, _timed(sandbox, task, limits)[1])
        needed = max(needed, _timed(sandbox, reference, limits)[1])
    told = f"It took {took:.1f} s, the solved script {needed:.1f} s on the same machine"
    if took > pace * needed:
        return failed(files, f"{told}; at most {pace:g} times as long is allowed.")
    return replace(result, notes=[*result.notes, f"{told}."])


def _timed(sandbox: Sandbox, task: dict[str, Any], limits: Limits) -> tuple[SandboxResult, float]:
    """Run a task; also the wall seconds that it took, container included."""
    started = time.monotonic()
    ran = sandbox.run(json.dumps(task).encode("ascii"), limits)
    return ran, time.monotonic() - started


def verified(files: MilestoneFiles, labels: Array, predictions: Array | None) -> Result:
    """The result of predictions that came back; hostile ones too."""
    if predictions is None or predictions.shape != labels.shape:
        came = "nothing" if predictions is None else f"shape {predictions.shape}"
        return failed(files, f"predictions of shape {labels.shape} were expected, {came} came.")
    reached = float(files.score(labels, predictions))
    reached = reached if 0.0 <= reached <= 1.0 else 0.0  # nan, too
    milestone = files.milestone
    note = f"Verified on {len(labels)} hidden samples: {reached:.1%}. Needed: {milestone.passing:.0%}."
    if reached < milestone.passing:
        reason = f"{reached:.1%} of the hidden samples are right; {milestone.passing:.0%} are needed."
        return Result([CheckMark(milestone.slug, 0.0, milestone.points, [reason])], [note], passed=False)
    return Result([CheckMark(milestone.slug, milestone.points, milestone.points)], [note], passed=True)


def failed(files: MilestoneFiles, reason: str) -> Result:
    """The result of an attempt without predictions."""
    said = words.sentence("Predicting for hidden samples", reason)
    return Result([CheckMark(files.milestone.slug, 0.0, files.milestone.points, [said])], passed=False)


def _npy(array: Array) -> str:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode("ascii")
