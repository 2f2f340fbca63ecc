"""The worker's loop: one submission at a time, its lease kept alive while it is graded.

Jobs are done when no submission waits: a regrade of thousands keeps nobody from a mark.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from grading.compare.judging import ProbeFault
from grading.course_files import CourseFault, CourseFiles
from grading.jobs import JobLease, Jobs
from grading.leases import LeaseLost
from grading.metrics import WorkerMetrics
from grading.queue import Lease, Queue
from grading.results import Result
from grading.sandboxes import Limits, Sandbox, SandboxSilent, SandboxUnavailable
from grading.store import Store
from grading.worker.jobs import DONE_BY
from grading.worker.kinds import GRADED_BY

POLL_SECONDS = 0.1  # an idle look takes no write lock; a student waits for it
BACK_OFF_SECONDS = 5.0
COURSE_AT_FAULT = (
    "This submission could not be marked, because the course itself has a fault here. It is not your "
    "doing, and your work is kept. Tell your instructor."
)
NO_ONE_DOES = "The grader does not know how to do '{purpose}'. Deploy the classroom again: its parts differ."

log = logging.getLogger(__name__)


class Worker:
    """Grades whatever the queue holds. It keeps nothing: any number of them can run, and any can be
    killed."""

    def __init__(
        self,
        queue: Queue,
        jobs: Jobs,
        store: Store,
        course: CourseFiles,
        sandbox: Sandbox,
        limits: Limits,
        metrics: WorkerMetrics,
    ) -> None:
        self.queue = queue
        self.jobs = jobs
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
        """Grade one submission, or do one job where none waits; False if there is neither."""
        if lease := self.queue.lease():
            with self._kept_alive(lease.submission.id, lambda: self.queue.extend(lease)):
                self._grade(lease)
        elif job := self.jobs.lease():
            with self._kept_alive(job.job.id, lambda: self.jobs.extend(job)):
                self._do(job)
        else:
            return False
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
        result, ran = GRADED_BY[submission.kind](submission, body, self.course, self.sandbox, self.limits)
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

    def _do(self, lease: JobLease) -> None:
        """Do one job. What can fail, and what follows, is as for submissions."""
        job = lease.job
        try:
            if job.purpose not in DONE_BY:
                raise CourseFault(NO_ONE_DOES.format(purpose=job.purpose))
            outcome = DONE_BY[job.purpose](job, self.course, self.store, self.sandbox, self.limits)
        except SandboxUnavailable as problem:
            log.warning("job %s: no sandbox, back into the queue: %s", job.id, problem)
            self.metrics.job(job.purpose, "unavailable")
            self.jobs.put_back(lease, BACK_OFF_SECONDS, forgive=True)
            return
        except SandboxSilent:
            log.warning("job %s: the sandbox ended without a word; once more", job.id)
            self.metrics.job(job.purpose, "again")
            self.jobs.put_back(lease, 0.0)
            return
        except (CourseFault, ProbeFault) as fault:
            log.error("job %s, %s: %s", job.id, job.purpose, fault)
            self._end(lease, None, str(fault))
            return
        self._end(lease, outcome, "")

    def _end(self, lease: JobLease, outcome: dict[str, Any] | None, fault: str) -> None:
        told = "failed" if outcome is None else "done"
        try:
            if outcome is None:
                self.jobs.fail(lease, fault)
            else:
                self.jobs.finish(lease, outcome)
        except LeaseLost:
            log.warning("job %s: another worker has it now; this outcome is dropped", lease.job.id)
            told = "lost"
        self.metrics.job(lease.job.purpose, told)

    @contextmanager
    def _kept_alive(self, id: str, extend: Callable[[], bool]) -> Iterator[None]:
        """Extend a lease again and again while its work is done."""

        def still_held() -> bool:
            try:
                return extend()
            except Exception:  # a database that is away for a moment does not lose it
                log.warning("%s: heartbeat failed", id, exc_info=True)
                return True

        done = threading.Event()

        def beat() -> None:
            while not done.wait(self.queue.leases.seconds / 4) and still_held():
                pass

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
