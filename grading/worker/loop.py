"""The worker's loop: one submission at a time, its lease kept alive while it is graded."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from grading.compare.judging import ProbeFault
from grading.course_files import CourseFault, CourseFiles
from grading.metrics import WorkerMetrics
from grading.queue import Lease, LeaseLost, Queue
from grading.results import Result
from grading.sandboxes import Limits, Sandbox, SandboxUnavailable
from grading.store import Store
from grading.worker import milestones, modules

POLL_SECONDS = 0.3
BACK_OFF_SECONDS = 5.0
COURSE_AT_FAULT = (
    "This submission could not be marked, because the course itself has a fault here. It is not your "
    "doing, and your work is kept. Tell your instructor."
)

log = logging.getLogger(__name__)


class Worker:
    """Grades whatever the queue holds. It keeps nothing: any number of them can run, and any can be
    killed."""

    def __init__(
        self,
        queue: Queue,
        store: Store,
        course: CourseFiles,
        sandbox: Sandbox,
        limits: Limits,
        metrics: WorkerMetrics,
    ) -> None:
        self.queue = queue
        self.store = store
        self.course = course
        self.sandbox = sandbox
        self.limits = limits
        self.metrics = metrics

    def run(self, stop: threading.Event) -> None:
        """Grade until told to stop."""
        while not stop.is_set():
            try:
                busy = self.work_once()
            except Exception:
                # The database is away, or the like. The lease runs out, and the submission comes back.
                log.exception("grading was interrupted; going on in %s s", BACK_OFF_SECONDS)
                self.metrics.outcome("interrupted")
                stop.wait(BACK_OFF_SECONDS)
                continue
            if not busy:
                stop.wait(POLL_SECONDS)

    def work_once(self) -> bool:
        """Grade one submission; False if there is none."""
        lease = self.queue.lease()
        if lease is None:
            return False
        with self._kept_alive(lease):
            self._grade(lease)
        return True

    def _grade(self, lease: Lease) -> None:
        submission = lease.submission
        started = time.monotonic()
        try:
            result, again = self._result(lease)
        except SandboxUnavailable as problem:
            log.warning("%s: no sandbox, back into the queue: %s", submission.id, problem)
            self.metrics.outcome("unavailable")
            self.queue.put_back(lease, BACK_OFF_SECONDS, forgive=True)
            return
        except (CourseFault, ProbeFault) as fault:
            log.error("%s: %s '%s': %s", submission.id, submission.kind, submission.slug, fault)
            self._finish(lease, None, "failed")
            return
        if again:
            log.warning("%s: the sandbox ended without a word; once more", submission.id)
            self.metrics.outcome("again")
            self.queue.put_back(lease, 0.0)
            return
        seconds = time.monotonic() - started
        self.metrics.seconds.observe(seconds)
        self._finish(lease, replace(result, seconds=round(seconds, 4)), "graded")

    def _result(self, lease: Lease) -> tuple[Result, bool]:
        """The result, and whether to try again: a sandbox that said nothing at all may have met with an
        accident."""
        submission = lease.submission
        body = json.loads(self.store.read(submission.id))
        grade = {"module": modules.grade, "milestone": milestones.grade}[submission.kind]
        result, ran = grade(submission, body, self.course, self.sandbox, self.limits)
        return result, ran.exit == "failed" and not ran.output and lease.attempt == 1

    def _finish(self, lease: Lease, result: Result | None, outcome: str) -> None:
        try:
            if result is None:
                self.queue.fail(lease, COURSE_AT_FAULT)
            else:
                self.queue.finish(lease, result)
                log.info("%s: %s of %s", lease.submission.id, result.score, result.max_score)
        except LeaseLost:
            log.warning("%s: another worker has it now; this result is dropped", lease.submission.id)
            outcome = "lost"
        self.metrics.outcome(outcome)

    def _still_held(self, lease: Lease) -> bool:
        """Extend a lease; False if it is lost. A database that is away for a moment does not lose it."""
        try:
            return self.queue.extend(lease)
        except Exception:
            log.warning("%s: heartbeat failed", lease.submission.id, exc_info=True)
            return True

    @contextmanager
    def _kept_alive(self, lease: Lease) -> Iterator[None]:
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self.queue.lease_seconds / 4) and self._still_held(lease):
                pass

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
