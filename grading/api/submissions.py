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
from grading.queue import Submission
from grading.store import IDENTIFIER, Upload

MOST_WAITING = 20  # submissions of one student that have no mark yet
DRAINED = 4  # times the size limit is read and dropped: a client hears the reason when it has sent all
UNTOLD = 1 << 40  # tornado's own limit answers without a sentence; ours come first

CHECKING = threading.Lock()  # one at a time: parsed, a hostile 10 MB take 300 MB, and many may come at once

KEY = "Idempotency-Key"
KEY_UNUSABLE = f"{KEY} must be 32 digits or letters from a to f: a random one for each submission."
KEY_TAKEN = f"This {KEY} was used for another submission, so nothing was kept. Hand in again with a new one."
NO_ROOM = (
    "There is no room left on the server's disk, so nothing was kept. Your work is safe where it is. "
    "Tell your instructor, and hand in again later."
)
NOT_KEPT = "The submission could not be stored, so nothing was kept. Hand in again in a minute."

log = logging.getLogger(__name__)


@stream_request_body
class SubmitHandler(ApiHandler):
    """POST submissions/KIND/SLUG: take a submission in; the receipt is a promise that it is on disk.

    Who sends a key and does not get the receipt sends the same once more: it is stored once.
    """

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
        except sa.exc.SQLAlchemyError as error:
            self.refusal = not_kept(error)
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
        key = self.request.headers.get(KEY) or uuid.uuid4().hex
        if not IDENTIFIER.fullmatch(key):
            raise Answer(400, KEY_UNUSABLE)
        again = KEY in self.request.headers and await in_thread(self.service.queue.find, key)
        if again and again.student != self.user["name"]:
            raise Answer(409, KEY_TAKEN)
        if not again:
            await self._limit()
        try:
            self.upload = self.service.store.upload(key)
        except OSError as error:
            raise not_kept(error) from None

    async def _limit(self) -> None:
        """Refuse what is one too many. What was taken in already never is."""
        if await in_thread(self.service.queue.waiting_of, self.user["name"]) >= MOST_WAITING:
            raise Answer(429, f"{MOST_WAITING} of your submissions still wait. Hand in when they are marked.")

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
        submission, new = await in_thread(self._keep, upload, kind, slug)
        if new:
            self.service.metrics.receipts.labels(kind).inc()
            log.info("%s: %s '%s' of %s, %d bytes", upload.id, kind, slug, self.user["name"], upload.size)
        self.set_status(201 if new else 200)
        self.finish(receipt(submission))

    def _keep(self, upload: Upload, kind: str, slug: str) -> tuple[Submission, bool]:
        """Check, force to disk, queue: all of it or nothing; whether it is new. Runs in a thread."""
        student, queue = self.user["name"], self.service.queue
        try:
            with CHECKING:
                bodies.check(kind, slug, upload.read())
            with self.service.store.alone(upload.id):
                # Without a row, a file of this name is a killed process's: nobody has a receipt for it.
                former = queue.find(upload.id)
                if former is None:
                    upload.keep()
                    return queue.add(upload.id, student, kind, slug, upload.sha256, upload.size), True
        except bodies.Refused as error:
            upload.discard()
            raise Answer(400, str(error)) from None
        except (OSError, sa.exc.SQLAlchemyError) as error:
            self._take_back(upload)
            raise not_kept(error) from None
        upload.discard()
        same = (student, kind, slug, upload.sha256)
        if (former.student, former.kind, former.slug, former.sha256) != same:
            raise Answer(409, KEY_TAKEN)
        return former, False

    def _take_back(self, upload: Upload) -> None:
        """Discard what could not be queued: unless it was, and only the database's answer was lost."""
        if not upload.kept:
            return upload.discard()
        try:
            with self.service.store.alone(upload.id):
                if self.service.queue.find(upload.id) is None:
                    upload.discard()
        except (OSError, sa.exc.SQLAlchemyError):
            log.exception("%s: it may be queued or not, so its file stays", upload.id)

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


def receipt(submission: Submission) -> dict[str, Any]:
    """What says that a submission is safe."""
    return {
        "id": submission.id,
        "kind": submission.kind,
        "slug": submission.slug,
        "sha256": submission.sha256,
        "received_at": marks.iso(submission.received_at),
    }


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
