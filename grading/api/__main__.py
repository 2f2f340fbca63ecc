"""`python -m grading.api`: the API and the pages."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import tempfile

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported; nothing is computed here
# Read when prometheus_client is imported: where the processes count, each in a file of its own. What a killed
# one counted stays counted.
FIGURES = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="grading-api-")

from tornado.netutil import bind_sockets

from course import manifest
from grading import database, logs, settings
from grading.api import figures
from grading.api.app import application, server
from grading.api.service import Service
from grading.api.serving import prefork, until_stopped
from grading.api.signing_in import SharedSignIn
from grading.calendar import CalendarKeeper
from grading.course_files import CourseFiles
from grading.metrics import ApiMetrics
from grading.queue import Queue
from grading.store import Store

PORT = 8300
METRICS_PORT = 9301
BACKLOG = 1024  # a class that hands in while a server is being replaced
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
    doors, counters = bind_sockets(PORT, backlog=BACKLOG), bind_sockets(METRICS_PORT)

    def serve(alive: int) -> None:
        """One of the processes. What has threads or connections is made in it."""
        engine = database.connect(given.database_url)
        queue = Queue(engine)
        metrics = ApiMetrics(queue)
        auth = SharedSignIn.instance(cache_max_age=TOKEN_CACHE_SECONDS)
        calendar = CalendarKeeper(given.calendar, course.manifest)
        calendar.start()
        app = application(Service(given, course.manifest, engine, queue, store, metrics, calendar), auth)
        servers = [(server(app), doors), (figures.server(metrics.registry), counters)]
        asyncio.run(until_stopped(servers, alive))

    prefork(given.api_processes, serve, bury=store.clear)
    return 0


try:
    status = main()
finally:
    shutil.rmtree(FIGURES, ignore_errors=True)
sys.exit(status)
