"""`python -m grading.worker`: grade submissions until told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported; small arrays, many workers

from course import manifest
from grading import database, logs, settings
from grading.course_files import CourseFault, CourseFiles
from grading.gate import GateSandbox
from grading.jobs import Jobs
from grading.metrics import WorkerMetrics
from grading.queue import Queue
from grading.sandboxes import Limits
from grading.store import Store
from grading.worker.loop import Worker
from grading.worker.modules import OUTPUT_LIMIT

METRICS_PORT = 9302


def main() -> int:
    """Run the worker; the exit status."""
    logs.start()
    try:
        given = settings.load()
        course = CourseFiles(given, manifest.load())
        course.warm()
    except (settings.SettingsError, manifest.ManifestError, CourseFault) as problem:
        print(f"grading worker: {problem}", file=sys.stderr)
        return 1
    metrics = WorkerMetrics()
    engine = database.connect(given.database_url)
    worker = Worker(
        Queue(engine),
        Jobs(engine),
        Store(given.submissions),
        course,
        GateSandbox(given.gate_socket),
        Limits(given.sandbox_seconds, given.sandbox_memory, OUTPUT_LIMIT),
        metrics,
    )
    metrics.serve(METRICS_PORT)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker.run(stop)
    return 0


sys.exit(main())
