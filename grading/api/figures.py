"""What Prometheus asks the API for: answered by any of its processes, for all of them."""

from __future__ import annotations

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler


class FiguresHandler(RequestHandler):
    """GET /metrics, on a port of its own that only the monitoring network reaches."""

    def initialize(self, registry: CollectorRegistry) -> None:
        """Take what is shown."""
        self.registry = registry

    async def get(self) -> None:
        """All figures; the database is asked, so not in the event loop."""
        figures = await asyncio.get_running_loop().run_in_executor(None, generate_latest, self.registry)
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(figures)


def server(registry: CollectorRegistry) -> HTTPServer:
    """What listens."""
    return HTTPServer(Application([("/metrics", FiguresHandler, {"registry": registry})]))
