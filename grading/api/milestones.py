"""Milestones: every attempt of a student, and of the class; and training an attempt again, for staff."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from course import calendar as calendars
from course.manifest import ManifestError
from grading import attempts
from grading.api.assistance import staff_only
from grading.api.handlers import Answer, ApiHandler
from grading.api.submissions import in_thread
from grading.database import jobs
from grading.jobs import Jobs
from grading.marks import iso

MOST_PAGES = 100_000


class MilestonesHandler(ApiHandler):
    """GET milestones: one's own attempts, and how many are left."""

    async def get(self) -> None:
        """?milestone=SLUG for one milestone."""
        service, now = self.service, calendars.now()
        found = await in_thread(
            attempts.of_student,
            service.engine,
            service.manifest,
            service.calendar.current(),
            self.user["name"],
            now,
            milestone_asked(self),
        )
        self.finish({"student": self.user["name"], "milestones": found})


class ClassHandler(ApiHandler):
    """GET milestones/class, for staff: students and milestones, each with the best of the attempts."""

    async def get(self) -> None:
        """?student= ?milestone= ?section= ?passed=yes|no ?page=; ?attempts=yes for each attempt by itself."""
        if not self.is_grader(self.user):
            raise Answer(403, "Only instructors and graders see this.")
        each = truth(self, "attempts")
        wanted = attempts.Wanted(
            student=self.get_query_argument("student", None),
            milestone=milestone_asked(self),
            section=self.get_query_argument("section", None),
            passed=truth(self, "passed"),
            page=page_asked(self),
        )
        read = attempts.of_class if each else attempts.table
        rows, total = await in_thread(read, self.service.engine, wanted)
        pages = max(1, -(-total // attempts.PAGE))
        self.finish({"rows": rows, "total": total, "page": wanted.page, "pages": pages})


class RetrainHandler(ApiHandler):
    """milestones/retrain/SUBMISSION, for staff. POST: train an attempt again. GET: what came of it."""

    async def post(self, id: str) -> None:
        """It costs nobody points by itself."""
        staff_only(self)
        submission = await in_thread(self.service.queue.find, id)
        if submission is None or submission.kind != "milestone":
            raise Answer(404, "There is no attempt at a milestone of this id.")
        waiting = [job for job in await in_thread(self._jobs, id) if job["state"] in ("queued", "running")]
        if waiting:
            raise Answer(409, "This attempt is being trained again already. Ask with GET what came of it.")
        job = await in_thread(
            lambda: Jobs(self.service.engine).add("retrain", asked_by=self.user["name"], submission=id)
        )
        self.set_status(202)
        self.finish({"id": job, "submission": id, "state": "queued"})

    async def get(self, id: str) -> None:
        """Every time that it was asked for, newest first."""
        staff_only(self)
        self.finish({"submission": id, "retrainings": await in_thread(self._jobs, id)})

    def _jobs(self, id: str) -> list[dict[str, Any]]:
        query = sa.select(jobs).where(jobs.c.submission == id, jobs.c.purpose == "retrain")
        with self.service.engine.connect() as connection:
            rows = connection.execute(query.order_by(jobs.c.asked_at.desc())).mappings().all()
        return [
            {
                "id": row["id"],
                "asked_by": row["asked_by"],
                "asked_at": iso(row["asked_at"]),
                "state": row["state"],
                "outcome": row["outcome"],
            }
            for row in rows
        ]


def milestone_asked(handler: ApiHandler) -> str | None:
    """The milestone that ?milestone= names; None for all."""
    slug = handler.get_query_argument("milestone", None)
    if slug is None:
        return None
    try:
        return handler.service.manifest.milestone(slug[:64]).slug
    except ManifestError as error:
        raise Answer(404, str(error)) from None


def truth(handler: ApiHandler, name: str) -> bool | None:
    """A parameter that is yes or no; None if it is not given."""
    text = handler.get_query_argument(name, None)
    if text not in (None, "yes", "no"):
        raise Answer(400, f"'{name}' is yes or no.")
    return None if text is None else text == "yes"


def page_asked(handler: ApiHandler) -> int:
    """The page that ?page= names, the first without it."""
    text = handler.get_query_argument("page", "1")
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text[:9]) <= MOST_PAGES:
        raise Answer(400, "'page' is a number from 1.")
    return int(text)


ROUTES = [
    ("api/milestones", MilestonesHandler),
    ("api/milestones/class", ClassHandler),
    ("api/milestones/retrain/([0-9a-f]{32})", RetrainHandler),
]
