"""Exams: what students save while their time runs is kept, and handed in for them when it is over.

A draft's file is the submission's file to be: its id is the submission's id. So collecting is one transaction
that touches no file, can be killed at any instant, and done twice is done once.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

import sqlalchemy as sa

from course.calendar import Calendar
from grading import terms
from grading.database import drafts, submissions
from grading.store import Store, Upload

LOOK_EVERY = 2.0  # seconds
SAVING_SECONDS = 15.0  # after the end in which drafts still come in: the service may just be starting again
COLLECTING_SECONDS = SAVING_SECONDS + 5  # after the end, when nothing is on its way any more

log = logging.getLogger(__name__)


class TooLate(Exception):  # noqa: N818  # says what is the matter
    """The exam is over, and what was saved has been handed in."""


@dataclass
class Drafts:
    """The drafts of running exams."""

    engine: sa.Engine
    store: Store

    def keep(self, student: str, kind: str, slug: str, upload: Upload, saved_at: float, since: float) -> bool:
        """Put a whole upload in the place of the draft before; False if a newer one is there already.

        Args:
            saved_at, since: when it was sent and when this student's time began, in seconds since 1970.

        Raises:
            TooLate: what was saved in this exam has been handed in.
        """
        upload.keep()
        this = sa.and_(drafts.c.student == student, drafts.c.kind == kind, drafts.c.slug == slug)
        row = {
            "student": student,
            "kind": kind,
            "slug": slug,
            "file": upload.id,
            "sha256": upload.sha256,
            "size": upload.size,
            "saved_at": saved_at,
        }
        replaceable = sa.or_(
            sa.and_(drafts.c.submission.is_(None), drafts.c.saved_at <= saved_at), drafts.c.saved_at < since
        )
        try:
            with self.engine.begin() as connection:
                connection.execute(drafts.update().where(this).values(slug=slug))  # a write comes first
                former = connection.execute(sa.select(drafts).where(this)).mappings().first()
                connection.execute(drafts.delete().where(this, replaceable))
                connection.execute(drafts.insert().values(row))
        except sa.exc.IntegrityError:
            upload.discard()
            with self.engine.connect() as connection:
                there = connection.execute(sa.select(drafts).where(this)).mappings().first()
            if there and there["submission"] is not None:
                raise TooLate from None
            return False
        except BaseException:
            upload.discard()
            raise
        if former and former["submission"] is None:
            self.store.path(former["file"]).unlink(missing_ok=True)
        return True

    def waiting(self) -> list[sa.RowMapping]:
        """Drafts that nothing has become of."""
        query = sa.select(drafts).where(drafts.c.submission.is_(None)).order_by(drafts.c.saved_at)
        with self.engine.connect() as connection:
            return list(connection.execute(query).mappings())

    def hand_in(self, draft: sa.RowMapping, received_at: float) -> bool:
        """Make a draft a submission, unless its student has handed in something newer; whether it did."""
        this = sa.and_(
            drafts.c.student == draft["student"],
            drafts.c.kind == draft["kind"],
            drafts.c.slug == draft["slug"],
            drafts.c.file == draft["file"],
            drafts.c.submission.is_(None),
        )
        newer = (
            sa.select(submissions.c.id)
            .where(
                submissions.c.student == draft["student"],
                submissions.c.kind == draft["kind"],
                submissions.c.slug == draft["slug"],
                submissions.c.received_at >= draft["saved_at"],
                submissions.c.received_at <= received_at,
            )
            .limit(1)
        )
        row = {name: draft[name] for name in ("student", "kind", "slug", "sha256", "size")}
        row |= {"id": draft["file"], "received_at": received_at, "seed": secrets.randbits(62)}
        row |= {"state": "queued", "attempts": 0, "not_before": 0.0}
        with self.engine.begin() as connection:
            if connection.execute(drafts.update().where(this).values(submission=draft["file"])).rowcount == 0:
                return False  # another draft has taken its place
            own = connection.execute(newer).scalar()
            if own is not None:
                taken = drafts.c.submission == draft["file"]
                connection.execute(drafts.update().where(taken).values(submission=own))
                return False
            connection.execute(submissions.insert().values(row))
        return True


@dataclass
class ExamKeeper:
    """Hands in what was saved, for each student when their own time is over."""

    engine: sa.Engine
    store: Store
    calendar: Callable[[], Calendar]
    clock: Callable[[], float] = time.time

    def start(self, stop: threading.Event) -> None:
        """Look again and again, in a thread of its own, until told to stop."""
        threading.Thread(target=self._run, args=(stop,), name="exams", daemon=True).start()

    def collect(self) -> int:
        """Hand in every draft whose student's time is over; how many those were."""
        kept = Drafts(self.engine, self.store)
        waiting = kept.waiting()
        if not waiting:
            return 0
        calendar, granted = self.calendar(), terms.load(self.engine)
        sections = terms.sections(self.engine)
        collected = 0
        for draft in waiting:
            student, kind, slug = draft["student"], draft["kind"], draft["slug"]
            exam = terms.terms_of(calendar, granted, student, sections.get(student, ""), kind, slug).exam
            # A calendar that knows of no exam may be one that could not be read: the draft waits.
            if exam is None or self.clock() < exam[1].timestamp() + COLLECTING_SECONDS:
                continue
            if kept.hand_in(draft, exam[1].timestamp()):
                log.info("%s: '%s' of %s, collected at the end of the exam", draft["file"], slug, student)
                collected += 1
        return collected

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        try:
            self.collect()
        except Exception:
            log.exception("exams: a look failed")


def ends_for_all(engine: sa.Engine, calendar: Calendar, slug: str, now: datetime) -> datetime | None:
    """When the last student's time in the exam of a module ends; None if it is none, or over for all."""
    entry = calendar.module(slug)
    if entry.exam_minutes is None or entry.opens is None:
        return None
    most = terms.most_extra_time(terms.load(engine), "module", slug)
    ends = entry.opens.timestamp() + 60 * entry.exam_minutes * (1 + most)
    return (
        datetime.fromtimestamp(ends, entry.opens.tzinfo or timezone.utc) if now.timestamp() < ends else None
    )
