"""What nbgrader's autograde asks for: a notebook run in the sandbox, and marks that are recorded already."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from typing import Any

import sqlalchemy as sa

from course.manifest import Manifest
from grading.api.handlers import Answer, ApiHandler
from grading.api.receiving import CHECKING, ReceivingHandler, not_kept
from grading.api.submissions import in_thread
from grading.database import jobs, standings
from grading.jobs import Jobs
from grading.store import Upload

PURPOSE = "execute"
WAIT_SECONDS = 25.0
LOOK_SECONDS = 0.3
KEPT_SECONDS = 3600  # of what was run; nbgrader asks for it at once, and notebooks are large
MILESTONE = "milestone-"  # before its slug it is nbgrader's name of it
ONLY_STAFF = "Only instructors have notebooks run and see everybody's marks."
UNUSABLE = (
    "Send a notebook, files (path: base64), timeout (seconds for a cell) and canary (true or false), as JSON."
)

log = logging.getLogger(__name__)


class RunHandler(ReceivingHandler):
    """POST executions: have a notebook run; the id of the work."""

    formgrader_too = True
    too_large = "Take large outputs or files out of the assignment."

    async def expect(self, *path: str) -> str:
        """The body is only passing through: a new id."""
        if not self.is_staff(self.user):
            raise Answer(403, ONLY_STAFF)
        return uuid.uuid4().hex

    async def post(self) -> None:
        """Queue it."""
        if self._finished:
            return
        id = await in_thread(self._queued, self.whole())
        self.set_status(201)
        self.finish({"id": id})

    def _queued(self, upload: Upload) -> str:
        try:
            with CHECKING:
                task = _task(upload.read())
                forget(self.service.engine)
                id = Jobs(self.service.engine).add(PURPOSE, asked_by=self.user["name"], task=task)
        except (OSError, sa.exc.SQLAlchemyError) as error:
            raise not_kept(error) from None
        finally:
            upload.discard()
        log.info("%s: a notebook of %d cells for %s", id, len(task["notebook"]["cells"]), self.user["name"])
        return id


class ExecutionHandler(ApiHandler):
    """GET executions/ID: how far it is. Holds the answer back for a while if it is not done."""

    formgrader_too = True

    async def get(self, id: str) -> None:
        """State and outcome."""
        if not self.is_staff(self.user):
            raise Answer(403, ONLY_STAFF)
        deadline = time.monotonic() + WAIT_SECONDS
        while (state := await in_thread(self._state, id)) in ("queued", "running"):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(LOOK_SECONDS)
        outcome = await in_thread(self._outcome, id) if state in ("done", "failed") else None
        self.finish({"id": id, "state": state, "outcome": outcome})

    def _state(self, id: str) -> str:
        state = self._read(jobs.c.state, id)
        if state is None:
            raise Answer(404, "There is no such work, or its outcome is no longer kept.")
        return str(state)

    def _outcome(self, id: str) -> Any:
        return self._read(jobs.c.outcome, id)

    def _read(self, column: sa.Column[Any], id: str) -> Any:
        query = sa.select(column).where(jobs.c.id == id, jobs.c.purpose == PURPOSE)
        with self.service.engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none()


class RecordedHandler(ApiHandler):
    """GET recorded/NAME: everybody's mark of a module or milestone, by nbgrader's name of it; for staff."""

    formgrader_too = True

    async def get(self, name: str) -> None:
        """What counts."""
        if not self.is_staff(self.user):
            raise Answer(403, ONLY_STAFF)
        kind, slug = course_part(self.service.manifest, name)
        self.finish({"kind": kind, "slug": slug, "marks": await in_thread(self._marks, kind, slug)})

    def _marks(self, kind: str, slug: str) -> list[dict[str, Any]]:
        shown = [standings.c[each] for each in ("student", "counted", "score", "max_score", "by_hand")]
        query = sa.select(*shown).where(standings.c.kind == kind, standings.c.slug == slug)
        with self.service.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query.order_by(standings.c.student)).mappings()]


def course_part(manifest: Manifest, name: str) -> tuple[str, str]:
    """Which module or milestone of the course nbgrader's assignment is.

    Raises:
        Answer: it is none; so it is an instructor's own.
    """
    if name in manifest.modules:
        return "module", name
    if name.startswith(MILESTONE) and name.removeprefix(MILESTONE) in manifest.milestones:
        return "milestone", name.removeprefix(MILESTONE)
    raise Answer(404, f"The course has no module or milestone '{name}'.")


def forget(engine: sa.Engine) -> None:
    """Drop what was run a while ago: the notebooks are in nbgrader's folder."""
    old = (jobs.c.purpose == PURPOSE, jobs.c.done_at < time.time() - KEPT_SECONDS)
    with engine.begin() as connection:
        connection.execute(jobs.delete().where(*old))


def _task(body: bytes) -> dict[str, Any]:
    """What is to be run; the worker looks at it more closely."""
    try:
        asked = json.loads(body)
        task = {name: asked[name] for name in ("notebook", "files", "timeout", "canary")}
        usable = isinstance(task["notebook"]["cells"], list) and isinstance(task["files"], dict)
    except (ValueError, KeyError, TypeError, RecursionError):
        usable = False
    if not usable:
        raise Answer(400, UNUSABLE)
    return task


ROUTES = [
    ("api/executions", RunHandler),
    ("api/executions/([0-9a-f]+)", ExecutionHandler),
    ("api/recorded/([^/]+)", RecordedHandler),
]
