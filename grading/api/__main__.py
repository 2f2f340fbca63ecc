"""`python -m grading.api`: the API and the pages."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported; nothing is computed here

from jupyterhub.services.auth import HubOAuth
from tornado.httpserver import HTTPServer

from course import manifest
from grading import database, logs, settings
from grading.api.app import application, server
from grading.api.service import Service
from grading.calendar import CalendarKeeper
from grading.course_files import CourseFiles
from grading.metrics import ApiMetrics
from grading.queue import Queue
from grading.store import Store

PORT = 8300
METRICS_PORT = 9301
TOKEN_CACHE_SECONDS = 60  # how long a token that was taken back still works


def main() -> int:
    """Serve until told to stop; the exit status."""
    logs.start()
    logging.getLogger("tornado.access").setLevel(logging.WARNING)  # each health check is no news
    try:
        given = settings.load()
        course = CourseFiles(given, manifest.load())
        if not os.environ.get("JUPYTERHUB_API_TOKEN"):
            raise settings.SettingsError("JUPYTERHUB_API_TOKEN is not set. Give it the service's own token.")
    except (settings.SettingsError, manifest.ManifestError) as problem:
        print(f"grading api: {problem}", file=sys.stderr)
        return 1
    store = Store(given.submissions)
    store.prepare()
    engine = database.connect(given.database_url)
    queue = Queue(engine)
    metrics = ApiMetrics(queue)
    auth = HubOAuth.instance(cache_max_age=TOKEN_CACHE_SECONDS)
    calendar = CalendarKeeper(given.calendar, course.manifest)
    calendar.start()
    app = application(Service(given, course.manifest, engine, queue, store, metrics, calendar), auth)
    metrics.serve(METRICS_PORT)
    asyncio.run(_serve(server(app)))
    return 0


async def _serve(serving: HTTPServer) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving.listen(PORT)
    await stop.wait()
    serving.stop()
    await serving.close_all_connections()


sys.exit(main())
