"""What marks a submission of which kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grading.course_files import CourseFiles
from grading.queue import Submission
from grading.results import Result
from grading.sandboxes import Limits, Sandbox, SandboxResult
from grading.worker import milestones, modules

# Each returns the result, and how the sandbox ended.
GRADED_BY: dict[
    str,
    Callable[[Submission, dict[str, Any], CourseFiles, Sandbox, Limits], tuple[Result, SandboxResult]],
] = {"module": modules.grade, "milestone": milestones.grade}
