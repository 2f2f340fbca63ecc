"""Whether the service can do its work, for health checks: no sign-in, nothing told but yes or no."""

from __future__ import annotations

import asyncio

from grading.api.handlers import Answer, Handler


class HealthHandler(Handler):
    """GET health."""

    async def get(self) -> None:
        """200 if database and store answer."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.service.queue.waiting)
            ready = self.service.store.incoming.is_dir()
        except Exception as error:
            raise Answer(503, "The grading database does not answer.") from error
        if not ready:
            raise Answer(503, "The folder of submissions is not there.")
        self.finish({"status": "ok"})

    def write_error(self, status_code: int, **kwargs: object) -> None:
        """An error as JSON."""
        self.finish({"error": self.sentence(status_code, **kwargs)})


ROUTES = [("(?:api/)?health", HealthHandler)]
