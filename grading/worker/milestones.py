"""Verifying a milestone: the student's own stack predicts for hidden inputs, the labels stay here.

The hidden samples have a public and a private part (grading/split.py). The private one decides; what it came
to is told to the student only when it is passed, or by the API once the deadline is over.
"""

from __future__ import annotations

import base64
import io
import json
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from course.restored import restored_in
from grading import split
from grading.compare import frames, words
from grading.course_files import Array, CourseFault, CourseFiles, MilestoneFiles
from grading.queue import Submission
from grading.results import Attempt, CheckMark, Result
from grading.sandboxes import Limits, Sandbox, SandboxResult
from grading.worker.modules import own_limits

MAX_CODE = 512 * 1024  # bytes; the course's own package and script take a quarter of it


@dataclass
class Stopwatch:
    """Runs tasks, and adds up the wall seconds that they took, containers included."""

    sandbox: Sandbox
    limits: Limits
    seconds: float = 0.0

    def run(self, task: dict[str, Any]) -> tuple[SandboxResult, float]:
        """Run a task; also its own seconds."""
        started = time.monotonic()
        ran = self.sandbox.run(json.dumps(task).encode("ascii"), self.limits)
        took = time.monotonic() - started
        self.seconds += took
        return ran, took


def grade(
    submission: Submission, body: dict[str, Any], course: CourseFiles, sandbox: Sandbox, limits: Limits
) -> tuple[Result, SandboxResult]:
    """Verify one attempt; also returns how the sandbox ended."""
    files = course.milestone(submission.slug)
    weights = weight_of(body["weights"])
    if too_large := _too_large(body, weights, files.max_weights):
        return failed(files, too_large, Attempt(weights=weights)), SandboxResult("ok", b"")
    hidden = split.samples(course, files, submission.seed)
    task = {  # without the seeds: whoever knows how the inputs are made could make the labels from them
        "task": "milestone",
        "slug": submission.slug,
        "files": body["files"],
        "weights": body["weights"],
        "entry": files.entry,
        "inputs": {part: npy(inputs) for part, (inputs, _) in hidden.items()},
        **own_limits(limits),
    }
    watch = Stopwatch(sandbox, limits)
    ran, took = watch.run(task)
    result = verified(files, {part: labels for part, (_, labels) in hidden.items()}, ran)
    if restored := restored_in(body["files"]):
        note = f"It runs with the course's own {', '.join(restored)} instead of the student's."
        result = replace(result, notes=[*result.notes, note])
    if result.passed and files.pace is not None:
        result = _in_time(result, files, files.pace, task, took, watch)
    attempt = replace(result.attempt or Attempt(), sandbox_seconds=round(watch.seconds, 3), weights=weights)
    return replace(result, attempt=attempt), ran


def weight_of(weights: dict[str, str]) -> int:
    """Bytes of weights, names included."""
    return sum(map(len, weights)) + sum(map(len, weights.values())) * 3 // 4  # base64


def _too_large(body: dict[str, Any], weights: int, most: int) -> str | None:
    """Why weights and code are more than a network needs, and could be the data itself; None if they fit."""
    if weights > most:
        return f"the weights take {weights:,} bytes; at most {most:,} can be handed in."
    code = sum(len(text.encode("utf-8", "surrogatepass")) for text in body["files"].values())
    if code > MAX_CODE:
        return f"the Python files take {code:,} bytes; at most {MAX_CODE:,} can be handed in."
    return None


def _in_time(
    result: Result, files: MilestoneFiles, pace: float, task: dict[str, Any], took: float, watch: Stopwatch
) -> Result:
    """The result, if the run kept pace with the solved script on the same machine, timed from outside.

    A machine that was busy for a moment is no student's fault: a run that was too slow is timed once more.
    """
    solved, weights = files.solved()
    reference = {**task, "files": solved, "weights": {name: npy(each) for name, each in weights.items()}}
    ran, needed = watch.run(reference)
    for frame in (frames.read(ran.output).frames.get(part) for part in split.PARTS):
        if frame is None or frame.status != "ok":
            raise CourseFault(f"the solved script fails: {words.of_frame(frame) if frame else ran.exit}")
    if took > pace * needed:
        took = min(took, watch.run(task)[1])
        needed = max(needed, watch.run(reference)[1])
    told = f"It took {took:.1f} s, the solved script {needed:.1f} s on the same machine"
    if took > pace * needed:
        late = f"{told}; at most {pace:g} times as long is allowed."
        return failed(files, late, result.attempt or Attempt())
    return replace(result, notes=[*result.notes, f"{told}."])


def verified(files: MilestoneFiles, labels: dict[str, Array], ran: SandboxResult) -> Result:
    """The result of whatever came back."""
    received = frames.read(ran.output)
    reached: dict[str, float] = {}
    for part in split.PARTS:
        frame = received.frames.get(part)
        if frame is None:
            found: float | str = words.of_silence(ran.exit)
        elif frame.status != "ok":
            found = words.of_frame(frame)
        else:
            found = rated(files, labels[part], frame.arrays.get("value"))
        if isinstance(found, str):
            return failed(files, found, Attempt(public=reached.get(split.PUBLIC)))
        reached[part] = found
    public, private = reached[split.PUBLIC], reached[split.PRIVATE]
    attempt, milestone = Attempt(public, private, verified=True), files.milestone
    needed = f"{milestone.passing:.0%}"
    if private >= milestone.passing:
        note = f"Verified on hidden samples: {private:.1%} of the private ones are right, {needed} are needed"
        notes = [f"{note}; {public:.1%} of the public ones are."]
        right = [CheckMark(milestone.slug, milestone.points, milestone.points)]
        return Result(right, notes, passed=True, attempt=attempt)
    reason = f"Too few of the private hidden samples are right; {needed} are needed. "
    reason += f"Of the public ones {public:.1%} are."
    if public >= milestone.passing:
        reason += " Only the private ones count: no attempt has seen them before."
    return Result([CheckMark(milestone.slug, 0.0, milestone.points, [reason])], passed=False, attempt=attempt)


def rated(files: MilestoneFiles, labels: Array, predictions: Array | None) -> float | str:
    """What predictions that came back reach, hostile ones too; or why they cannot be rated."""
    if predictions is None or predictions.shape != labels.shape:
        came = "nothing" if predictions is None else f"shape {predictions.shape}"
        return f"predictions of shape {labels.shape} were expected, {came} came."
    reached = float(files.score(labels, predictions))
    return reached if 0.0 <= reached <= 1.0 else 0.0  # nan, too


def failed(files: MilestoneFiles, reason: str, attempt: Attempt) -> Result:
    """The result of an attempt that cannot be rated, or not passed."""
    said = words.sentence("Predicting for hidden samples", reason)
    mark = CheckMark(files.milestone.slug, 0.0, files.milestone.points, [said])
    return Result([mark], passed=False, attempt=attempt)


def npy(array: Array) -> str:
    """An array as base64 of a .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode("ascii")
