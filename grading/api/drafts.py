"""What a student's server saves while an exam runs: handed in for them when their time is over."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone

import sqlalchemy as sa

from course.calendar import words
from grading import bodies, terms
from grading.api.handlers import Answer
from grading.api.receiving import CHECKING, ReceivingHandler, not_kept
from grading.api.submissions import in_thread
from grading.exams import SAVING_SECONDS, Drafts, TooLate
from grading.marks import iso
from grading.store import Upload

OVER = "Your time for '{slug}' is over. What was saved until then has been handed in for you."


class DraftHandler(ReceivingHandler):
    """PUT drafts/module/SLUG: the notebook as it is on the student's disk, in the place of the one before."""

    too_large = "Clear the notebook's outputs (Edit, Clear Outputs of All Cells), and save it again."

    def initialize(self) -> None:
        """The request's headers are here."""
        self.arrived = self.service.queue.clock()
        self.exam = (0.0, 0.0)

    async def expect(self, slug: str) -> str:  # type: ignore[override]  # its own address
        """A new file's id; wanted only while this student's time runs."""
        try:
            bodies.check_slug(self.service.manifest, "module", slug)
        except (bodies.Unknown, bodies.Refused) as error:
            raise Answer(404, str(error)) from None
        engine, calendar = self.service.engine, self.service.calendar.current()
        of = await in_thread(terms.of_student, engine, calendar, self.user["name"])
        exam = of("module", slug).exam
        if exam is None:
            raise Answer(403, f"'{slug}' is no exam, so nothing is kept. Hand in with: tito submit {slug}")
        moment = datetime.fromtimestamp(self.arrived, timezone.utc)
        if moment < exam[0]:
            raise Answer(403, f"The exam '{slug}' has not begun. It begins on {words(exam[0])}.")
        self.exam = exam[0].timestamp(), exam[1].timestamp()
        self._refuse_after(self.arrived, slug)
        return uuid.uuid4().hex

    async def put(self, slug: str) -> None:
        """Keep it; the answer says until when what is on the disk is safe."""
        if self._finished:
            return
        kept = await in_thread(self._keep, self.whole(), slug)
        self.finish({"slug": slug, "kept": kept, "saved_at": iso(self.arrived)})

    def _refuse_after(self, moment: float, slug: str) -> None:
        if moment > self.exam[1] + SAVING_SECONDS:
            raise Answer(403, OVER.format(slug=slug))

    def _keep(self, upload: Upload, slug: str) -> bool:
        drafts = Drafts(self.service.engine, self.service.store)
        try:
            self._refuse_after(self.service.queue.clock(), slug)  # a body that trickles in buys no time
            with CHECKING:
                bodies.check("module", slug, upload.read())
            return drafts.keep(self.user["name"], "module", slug, upload, self.arrived, self.exam[0])
        except Answer:
            upload.discard()
            raise
        except bodies.Refused as error:
            upload.discard()
            raise Answer(400, str(error)) from None
        except TooLate:
            raise Answer(403, OVER.format(slug=slug)) from None
        except (OSError, sa.exc.SQLAlchemyError) as error:
            upload.discard()
            raise not_kept(error) from None


ROUTES = [("api/drafts/module/([^/]+)", DraftHandler)]
