"""Which function does which job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grading.course_files import CourseFiles
from grading.jobs import Job
from grading.sandboxes import Limits, Sandbox
from grading.store import Store
from grading.worker import execution, regrading, retraining

# A job's purpose, and what does it: returns the outcome as plain data. It raises SandboxUnavailable to be put
# back at no cost, SandboxSilent to be tried once more, and CourseFault to fail with that sentence.
DONE_BY: dict[str, Callable[[Job, CourseFiles, Store, Sandbox, Limits], dict[str, Any]]] = {
    "regrade": regrading.run,
    "execute": execution.run,
    "retrain": retraining.run,
}
