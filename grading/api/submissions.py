"""Submissions in, receipts out."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import threading
import uuid
from typing import Any

import sqlalchemy as sa
from tornado.web import HTTPError, stream_request_body

from grading import bodies, marks
from grading.api.handlers import Answer, ApiHandler
from grading.store import Upload

MOST_WAITING = 20  # submissions of one student that have no mark yet
DRAINED = 4  # times the size limit is read and dropped: a client hears the reason when it has sent all
UNTOLD = 1 << 40  # tornado's own limit answers without a sentence; ours come first

CHECKING = threading.Lock()  # one at a time: parsed, a hostile 10 MB take 300 MB, and many may come at once

NO_ROOM = (
    "There is no room left on the server's disk, so nothing was kept. Your work is safe where it is. "
    "Tell your instructor, and hand in again later."
)
NOT_KEPT = "The submission could not be stored, so nothing was kept. Hand in again in a minute."

log = logging.getLogger(__name__)


@stream_request_body
class SubmitHandler(ApiHandler):
    """POST submissions/KIND/SLUG: take a submission in; the receipt is a promise that it is on disk."""

    refusal: HTTPError | None = None
    upload: Upload | None = None
    received = 0

    async def prepare(self) -> None:
        """Decide whether the body is wanted. A refusal is told after the body, which is read and dropped."""
        self.request.connection.set_max_body_size(UNTOLD)  # type: ignore[union-attr]
        try:
            await self._prepare(*self.path_args)
        except HTTPError as refusal:
            self.refusal = refusal
        if self._announced() > DRAINED * self.service.settings.submission_max_bytes:
            raise self._too_large()

    async def _prepare(self, kind: str, slug: str) -> None:
        self.user = await self.identify()
        try:
            bodies.check_slug(self.service.manifest, kind, slug)
        except bodies.Unknown as error:
            raise Answer(404, str(error)) from None
        except bodies.Refused as error:
            raise Answer(400, str(error)) from None
        if self._announced() > self.service.settings.submission_max_bytes:
            raise self._too_large()
        if await in_thread(self.service.queue.waiting_of, self.user["name"]) >= MOST_WAITING:
            raise Answer(429, f"{MOST_WAITING} of your submissions still wait. Hand in when they are marked.")
        try:
            self.upload = self.service.store.upload(uuid.uuid4().hex)
        except OSError as error:
            raise not_kept(error) from None

    def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body; never more of it in memory than this piece."""
        self.received += len(chunk)
        limit = self.service.settings.submission_max_bytes
        if self.received > limit and self.refusal is None:
            self._refuse(self._too_large())
        if self.received > DRAINED * limit and not self._finished:
            self.set_status(413)
            self.write_error(413, exc_info=(None, self._too_large(), None))
        if self.upload is not None:
            try:
                self.upload.write(chunk)
            except OSError as error:
                self._refuse(not_kept(error))

    async def post(self, kind: str, slug: str) -> None:
        """The body is here: check it, keep it, give the receipt."""
        if self._finished:
            return
        if self.refusal is not None or self.upload is None:
            raise self.refusal or Answer(400, "The submission is empty.")
        upload, self.upload = self.upload, None
        receipt = await in_thread(self._keep, upload, kind, slug)
        self.service.metrics.receipts.labels(kind).inc()
        log.info("%s: %s '%s' of %s, %d bytes", upload.id, kind, slug, self.user["name"], upload.size)
        self.set_status(201)
        self.finish(receipt)

    def _keep(self, upload: Upload, kind: str, slug: str) -> dict[str, Any]:
        """Check, force to disk, queue: all of it or nothing. Runs in a thread."""
        try:
            with CHECKING:
                bodies.check(kind, slug, upload.read())
            upload.keep()
            submission = self.service.queue.add(
                upload.id, self.user["name"], kind, slug, upload.sha256, upload.size
            )
        except bodies.Refused as error:
            upload.discard()
            raise Answer(400, str(error)) from None
        except (OSError, sa.exc.SQLAlchemyError) as error:
            upload.discard()
            raise not_kept(error) from None
        return {
            "id": submission.id,
            "kind": kind,
            "slug": slug,
            "sha256": submission.sha256,
            "received_at": marks.iso(submission.received_at),
        }

    def on_finish(self) -> None:
        """Count refusals; leave nothing behind."""
        if self.get_status() >= 400:
            self.service.metrics.refused.labels(str(self.get_status())).inc()
        self._drop()

    def on_connection_close(self) -> None:
        """Somebody hung up in the middle."""
        self._drop()

    def _refuse(self, refusal: Answer) -> None:
        self.refusal = refusal
        self._drop()

    def _drop(self) -> None:
        if self.upload is not None:
            self.upload.discard()
            self.upload = None

    def _announced(self) -> int:
        length = self.request.headers.get("Content-Length", "0")
        return int(length) if length.isdecimal() else 0

    def _too_large(self) -> Answer:
        limit = self.service.settings.submission_max_bytes
        return Answer(
            413,
            f"The submission is larger than {limit:,} bytes. Clear the notebook's outputs (Edit, Clear "
            "Outputs of All Cells), save it, and hand in again.",
        )


class SubmissionHandler(ApiHandler):
    """GET submissions/ID: one of one's own."""

    async def get(self, id: str) -> None:
        """State, and the mark if there is one."""
        found = await in_thread(marks.one, self.service.engine, id, self.user["name"])
        if found is None:
            raise Answer(404, "You have no such submission.")
        self.finish(json.dumps(found))


class MarksHandler(ApiHandler):
    """GET marks: one's own, the newest of each module and milestone."""

    async def get(self) -> None:
        """All marks."""
        found = await in_thread(marks.of_student, self.service.engine, self.user["name"])
        of = {kind: [view for view in found if view["kind"] == kind] for kind in ("module", "milestone")}
        self.finish({"student": self.user["name"], "modules": of["module"], "milestones": of["milestone"]})


async def in_thread(function: Any, *arguments: Any) -> Any:
    """Run something that waits for a disk or takes long, without holding up everybody else."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def not_kept(error: Exception) -> Answer:
    """The answer when a submission could not be stored."""
    log.error("a submission could not be stored: %s", error)
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error)
    return Answer(507, NO_ROOM) if full else Answer(503, NOT_KEPT)


ROUTES = [
    ("api/submissions/(module|milestone)/([^/]+)", SubmitHandler),
    ("api/submissions/([0-9a-f]+)", SubmissionHandler),
    ("api/marks", MarksHandler),
]
