"""Submissions in, receipts out."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from typing import Any

import sqlalchemy as sa

from grading import bodies, limits, marks, terms
from grading.api.handlers import Answer, ApiHandler
from grading.api.receiving import CHECKING, ReceivingHandler, not_kept
from grading.exchange import MOST_A_DAY, NO_ASSIGNMENT, Exchange
from grading.queue import Submission
from grading.store import IDENTIFIER, Upload

MOST_WAITING = 20  # submissions of one student that have no mark yet

KEY = "Idempotency-Key"
KEY_UNUSABLE = f"{KEY} must be 32 digits or letters from a to f: a random one for each submission."
KEY_TAKEN = f"This {KEY} was used for another submission, so nothing was kept. Hand in again with a new one."

WITHOUT_MARK = ("queued", "grading")

log = logging.getLogger(__name__)


class SubmitHandler(ReceivingHandler):
    """POST submissions/KIND/SLUG: take a submission in; the receipt is a promise that it is on disk.

    Who sends a key and does not get the receipt sends the same once more: it is stored once.
    """

    too_large = "Clear the notebook's outputs (Edit, Clear Outputs of All Cells), save it, and hand in again."

    def initialize(self) -> None:
        """The request's headers are here: by this moment it is judged, if the body does not take long."""
        self.arrived = self.service.queue.clock()

    async def expect(self, kind: str, slug: str) -> str:  # type: ignore[override]  # its own address
        """The submission's id: the key, if the client sends one."""
        try:
            if kind == "assignment":
                await in_thread(self._check_assignment, slug)
            else:
                bodies.check_slug(self.service.manifest, kind, slug)
        except bodies.Unknown as error:
            raise Answer(404, str(error)) from None
        except bodies.Refused as error:
            raise Answer(400, str(error)) from None
        key = self.request.headers.get(KEY) or uuid.uuid4().hex
        if not IDENTIFIER.fullmatch(key):
            raise Answer(400, KEY_UNUSABLE)
        again = KEY in self.request.headers and await in_thread(self.service.queue.find, key)
        if again and again.student != self.user["name"]:
            raise Answer(409, KEY_TAKEN)
        if not again:
            await self._limit(kind, slug)
            await in_thread(self._check_terms, kind, slug, self.arrived)
        return key

    def _check_assignment(self, name: str) -> None:
        """An instructor's own assignment can be handed in by whoever can fetch it."""
        exchange = Exchange(self.service.engine, self.service.store)
        calendar, student = self.service.calendar.current(), self.user["name"]
        known = (
            exchange.released(name) if self.is_staff(self.user) else exchange.is_open(name, calendar, student)
        )
        if not known:
            raise bodies.Unknown(NO_ASSIGNMENT.format(name=name[:64]))

    async def _limit(self, kind: str, slug: str) -> None:
        """Refuse what is one too many. What was taken in already never is."""
        if kind == "assignment":  # it waits for nobody, so only this keeps it from filling the disk
            exchange = Exchange(self.service.engine, self.service.store)
            if await in_thread(exchange.today, self.user["name"], slug) >= MOST_A_DAY:
                raise Answer(429, f"You have handed '{slug}' in {MOST_A_DAY} times today. Go on tomorrow.")
        if await in_thread(self.service.queue.waiting_of, self.user["name"]) >= MOST_WAITING:
            raise Answer(429, f"{MOST_WAITING} of your submissions still wait. Hand in when they are marked.")

    def _check_terms(self, kind: str, slug: str, at: float) -> None:
        """Refuse what the calendar does not take from this student at a moment. Staff try everything."""
        if self.is_staff(self.user):
            return
        calendar = self.service.calendar.current()
        refused = limits.refusal(self.service.engine, calendar, self.user["name"], kind, slug, at)
        if refused:
            raise Answer(refused.status, refused.sentence)

    async def post(self, kind: str, slug: str) -> None:
        """The body is here: check it, keep it, give the receipt."""
        if self._finished:
            return
        upload = self.whole()
        submission, new = await in_thread(self._keep, upload, kind, slug)
        if new:
            self.service.metrics.receipts.labels(kind).inc()
            log.info("%s: %s '%s' of %s, %d bytes", upload.id, kind, slug, self.user["name"], upload.size)
        self.set_status(201 if new else 200)
        late = await in_thread(self._lateness, submission)
        self.finish({**receipt(submission), **late})

    def _lateness(self, submission: Submission) -> dict[str, Any]:
        of = terms.of_student(self.service.engine, self.service.calendar.current(), submission.student)
        return limits.lateness(of(submission.kind, submission.slug), submission.received_at)

    def _keep(self, upload: Upload, kind: str, slug: str) -> tuple[Submission, bool]:
        """Check, force to disk, queue: all of it or nothing; whether it is new. Runs in a thread."""
        student, queue = self.user["name"], self.service.queue
        try:
            with CHECKING:
                bodies.check(kind, slug, upload.read())
            with limits.one_at_a_time(self.service.store, student), self.service.store.alone(upload.id):
                # Without a row, a file of this name is a killed process's: nobody has a receipt for it.
                former = queue.find(upload.id)
                if former is None:
                    at = limits.handed_in_at(self.arrived, queue.clock())
                    self._check_terms(
                        kind, slug, at
                    )  # again: others of this student may have come in meanwhile
                    upload.keep()
                    return queue.add(upload.id, student, kind, slug, upload.sha256, upload.size, at), True
        except Answer:
            upload.discard()
            raise
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


class SubmissionHandler(ApiHandler):
    """GET submissions/ID?wait=SECONDS: one of one's own; with `wait`, as soon as it is marked."""

    def initialize(self) -> None:
        """A new request."""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def get(self, id: str) -> None:
        """State, and the mark if there is one."""
        wait = self._wait()
        found = await self._look(id)
        if wait and found["state"] in WITHOUT_MARK:
            await self.service.waiting.until_marked(id, wait, self.gone)
            if self.gone.done():
                return
            found = await self._look(id)
        self.finish(json.dumps(found))

    def on_connection_close(self) -> None:
        """Nobody waits any more."""
        if not self.gone.done():
            self.gone.set_result(None)

    async def _look(self, id: str) -> marks.View:
        found: marks.View | None = await in_thread(marks.one, self.service.engine, id, self.user["name"])
        if found is None:
            raise Answer(404, "You have no such submission.")
        return found

    def _wait(self) -> int:
        text = self.get_query_argument("wait", "0")
        if not re.fullmatch("[0-9]{1,4}", text):
            raise Answer(400, "wait is not a whole number of seconds.")
        return int(text)


class MarksHandler(ApiHandler):
    """GET marks: one's own, the newest of each module, milestone and assignment, and what counts."""

    async def get(self) -> None:
        """All marks."""
        found = await in_thread(self._marks, self.user["name"])
        self.finish({"student": self.user["name"], **found})

    def _marks(self, student: str) -> marks.View:
        engine = self.service.engine
        holds = terms.of_student(engine, self.service.calendar.current(), student)
        return marks.told(marks.of_student(engine, student), marks.standing_of(engine, student), holds)


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


ROUTES = [
    ("api/submissions/(module|milestone|assignment)/([^/]+)", SubmitHandler),
    ("api/submissions/([0-9a-f]+)", SubmissionHandler),
    ("api/marks", MarksHandler),
]
