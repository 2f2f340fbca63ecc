"""A classroom in one process, for tests of what is handed in and marked, without engine and containers.

`python -m tests.small_classroom BUILT FOLDER` serves the grading API on a free port and prints its address. API,
worker, recorder and sandbox harness are the real ones; a stand-in knows the users, and the harness runs in a
process instead of a container. All state is in FOLDER, so that another classroom can go on with it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from jupyterhub.services.auth import HubOAuth
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from course import manifest
from course.manifest import HERE
from grading import database
from grading.api.app import application
from grading.api.service import Service
from grading.calendar import CalendarKeeper
from grading.course_files import CourseFiles
from grading.jobs import Jobs
from grading.metrics import ApiMetrics, RecorderMetrics, WorkerMetrics
from grading.queue import Queue
from grading.recorder.writing import Recorder
from grading.sandboxes import Limits
from grading.settings import Settings
from grading.store import Store
from grading.tests.harness_process import HarnessProcess
from grading.tests.hub_stand_in import SCOPE, HubStandIn
from grading.worker.loop import Worker
from grading.worker.modules import OUTPUT_LIMIT


async def serve(built: Path, folder: Path) -> None:
    """Serve until killed."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        folder=folder,
        database_url=f"sqlite:///{folder / 'grading.db'}",
        reference=built / "reference",
        probes=HERE / "probes",
        official=built / "student",
        instructor=built / "instructor",
        calendar=folder / "calendar",
    )
    settings.nbgrader.mkdir(exist_ok=True)
    course = CourseFiles(settings, manifest.load(built / "course.json"))
    store = Store(settings.submissions)
    store.prepare()
    engine = database.connect(settings.database_url)
    queue = Queue(engine)
    metrics = ApiMetrics(queue)
    auth = HubOAuth(
        api_url=HubStandIn().url,
        api_token="secret",
        base_url=settings.prefix,
        oauth_client_id="service-grading",
        access_scopes={SCOPE},
    )
    calendar = CalendarKeeper(settings.calendar, course.manifest)
    calendar.start()
    service = Service(settings, course.manifest, engine, queue, store, metrics, calendar)
    socket, port = bind_unused_port()
    HTTPServer(application(service, auth)).add_socket(socket)
    recorder = Recorder(
        engine, course, store, settings.gradebook_url, RecorderMetrics(), calendar, settings.nbgrader
    )
    threading.Thread(target=recorder.run, args=(threading.Event(),), daemon=True).start()
    limits = Limits(settings.sandbox_seconds, settings.sandbox_memory, OUTPUT_LIMIT)
    worker = Worker(queue, Jobs(engine), store, course, HarnessProcess(), limits, WorkerMetrics())
    threading.Thread(target=worker.run, args=(threading.Event(),), daemon=True).start()
    print(f"http://127.0.0.1:{port}{settings.prefix}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
