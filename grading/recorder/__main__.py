"""`python -m grading.recorder`: writes marks into the gradebook; exactly one of it runs."""

from __future__ import annotations

import os
import signal
import sys
import threading

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported; nothing is computed here

from course import manifest
from grading import database, logs, settings
from grading.calendar import CalendarKeeper
from grading.course_files import CourseFiles
from grading.exams import ExamKeeper
from grading.metrics import RecorderMetrics
from grading.recorder.writing import Recorder
from grading.store import Store

METRICS_PORT = 9303


def main() -> int:
    """Record until told to stop; the exit status."""
    logs.start()
    try:
        given = settings.load()
        course = CourseFiles(given, manifest.load())
    except (settings.SettingsError, manifest.ManifestError) as problem:
        print(f"grading recorder: {problem}", file=sys.stderr)
        return 1
    metrics = RecorderMetrics()
    engine = database.connect(given.database_url)
    keeper = CalendarKeeper(given.calendar, course.manifest)  # it reads what the API has published
    recorder = Recorder(
        engine, course, Store(given.submissions), given.gradebook_url, metrics, keeper, given.nbgrader
    )
    metrics.serve(METRICS_PORT)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    ExamKeeper(engine, Store(given.submissions), keeper.current).start(stop)
    recorder.run(stop)
    return 0


sys.exit(main())
