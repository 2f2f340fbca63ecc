"""What JupyterLab asks a student's server for: where to open, what is announced, how full the home is.

And what it offers beside that to those who teach.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from course import announcement
from course.lab import disk, teaching
from course.tito import places


class OpeningHandler(JupyterHandler):
    """GET the server's own address: on to the student's next step, as it is at this moment."""

    @web.authenticated
    async def get(self) -> None:
        """Redirect; whatever is wrong with the next step, JupyterLab opens as the hub says."""
        root = Path(self.settings["server_root_dir"]).expanduser()
        try:
            page = url_path_join(self.base_url, await asyncio.to_thread(_next_step, root))
        except Exception as error:
            self.log.info("JupyterLab opens without a next step: %s", error)
            page = self.default_url
        self.redirect(page)


class AnnouncementHandler(APIHandler):
    """GET announcement?no_track_activity=1: what is announced, read anew each time.

    Asked every few seconds, it must not look like somebody at work. So the page says that it is no activity;
    and an answer that is still the same is a 304, which the proxy does not count.
    """

    @web.authenticated
    async def get(self) -> None:
        """Its text, and what tells it from another; both empty where nothing is announced."""
        path = places.find().calendar.with_name(announcement.FILE)
        found = announcement.read(path, datetime.now(timezone.utc))
        since, text = (found.since.isoformat(), found.text) if found else ("", "")
        self.finish({"since": since, "text": text[: announcement.LONGEST]})


class DiskHandler(APIHandler):
    """GET disk?no_track_activity=1: a warning while there is hardly any room left, in words."""

    def initialize(self, meter: disk.Meter) -> None:
        self._meter = meter

    @web.authenticated
    async def get(self) -> None:
        """As of some moments ago: what is asked more often than that is not counted again."""
        try:
            self.finish(await self._meter.warning())
        except OSError as error:
            raise web.HTTPError(503, f"The home cannot be counted: {error}") from error


def _next_step(root: Path) -> str:
    from course.lab import next_step  # when a page opens, not when the server starts

    return next_step.address(places.find(), root)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "course.lab.extension"}]


def _load_jupyter_server_extension(server: Any) -> None:
    base = server.web_app.settings["base_url"]
    # The first comes before Jupyter's own answer at this address, which redirects to the hub's default.
    handlers = [
        (url_path_join(base, "/?"), OpeningHandler),
        (url_path_join(base, "announcement"), AnnouncementHandler),
        (
            url_path_join(base, "disk"),
            DiskHandler,
            {"meter": disk.Meter(Path.home(), disk.Limits.here())},
        ),
    ]
    server.web_app.add_handlers(".*$", handlers)
    teaching.offer(server)
