"""Taking a body in: to the disk as it comes, limited, and not at all if it is not wanted."""

from __future__ import annotations

import errno
import logging
import threading

import sqlalchemy as sa
from tornado.web import HTTPError, stream_request_body

from grading.api.handlers import Answer, ApiHandler
from grading.store import Upload

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
class ReceivingHandler(ApiHandler):
    """The base of all that take large bodies in.

    Attributes:
        too_large: what to do about a body that is larger than the classroom's limit.
    """

    refusal: HTTPError | None = None
    upload: Upload | None = None
    received = 0
    too_large = "Take out what is large, and try again."

    async def expect(self, *path: str) -> str:
        """Whether a body is wanted for this address: the id under which it is to be kept.

        Raises:
            Answer: it is not.
        """
        raise NotImplementedError

    async def prepare(self) -> None:
        """Decide whether the body is wanted. A refusal is told after the body, which is read and dropped."""
        self.request.connection.set_max_body_size(UNTOLD)  # type: ignore[union-attr]
        try:
            self.user = await self.identify()
            id = await self.expect(*self.path_args)
            if self._announced() > self.service.settings.submission_max_bytes:
                raise self._too_large()
            self.upload = self.service.store.upload(id)
        except HTTPError as refusal:
            self.refusal = refusal
        except (OSError, sa.exc.SQLAlchemyError) as error:
            self.refusal = not_kept(error)
        if self._announced() > DRAINED * self.service.settings.submission_max_bytes:
            raise self._too_large()

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

    def whole(self) -> Upload:
        """The body that came in; it is the caller's from here on, to be kept or discarded.

        Raises:
            Answer: it was not wanted.
        """
        if self.refusal is not None or self.upload is None:
            raise self.refusal or Answer(400, "The submission is empty.")
        upload, self.upload = self.upload, None
        return upload

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
        return Answer(413, f"What was sent is larger than {limit:,} bytes. {self.too_large}")


def not_kept(error: Exception) -> Answer:
    """The answer when a body could not be stored."""
    log.error("a submission could not be stored: %s", error)
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error)
    return Answer(507, NO_ROOM) if full else Answer(503, NOT_KEPT)
