"""Marking a submission again, with the numbers that it was marked with before. Nothing is decided here."""

from __future__ import annotations

import json
import time
from typing import Any

from grading.course_files import CourseFault, CourseFiles
from grading.jobs import Job
from grading.queue import row_of
from grading.sandboxes import Limits, Sandbox, SandboxSilent
from grading.store import Store
from grading.worker.kinds import GRADED_BY


def run(job: Job, course: CourseFiles, store: Store, sandbox: Sandbox, limits: Limits) -> dict[str, Any]:
    """What the submission's mark would be now: the columns of a result.

    Raises:
        CourseFault: the job is about no submission that can be marked.
        SandboxSilent: the sandbox said nothing at all, the first time.
    """
    submission = job.submission
    if submission is None or submission.kind not in GRADED_BY:
        raise CourseFault("Only submissions of modules and milestones can be marked again here.")
    started = time.monotonic()
    body = json.loads(store.read(submission.id))
    result, ran = GRADED_BY[submission.kind](submission, body, course, sandbox, limits)
    if ran.exit == "failed" and not ran.output and job.attempt == 1:
        raise SandboxSilent(submission.id)
    return {**row_of(result), "seconds": round(time.monotonic() - started, 4)}
