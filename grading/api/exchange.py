"""nbgrader's exchange over HTTP: release, list, fetch, collect, feedback. Handing in is in submissions.py.

Staff see everything; a student what is released and open, and their own submissions and feedback. What a
student may not see is answered like what is not there.
"""

from __future__ import annotations

import base64
import json
import logging
import uuid
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from course.calendar import now
from grading import bodies
from grading.api.handlers import Answer, ApiHandler
from grading.api.receiving import CHECKING, ReceivingHandler, not_kept
from grading.api.submissions import in_thread
from grading.exchange import NO_ASSIGNMENT, AlreadyReleased, Exchange, files_of
from grading.store import Upload
from grading.terms import of_student

ONLY_STAFF = "Only instructors release, collect and give feedback."
NO_SUBMISSION = "There is no such submission."

log = logging.getLogger(__name__)


class ExchangeHandler(ApiHandler):
    """What the exchange's handlers have in common."""

    formgrader_too = True

    @property
    def exchange(self) -> Exchange:
        """Releases, submissions and feedback."""
        return Exchange(self.service.engine, self.service.store)

    def require_staff(self) -> None:
        """Refuse students.

        Raises:
            Answer: the user does not teach the class.
        """
        if not self.is_staff(self.user):
            raise Answer(403, ONLY_STAFF)


class ReleaseHandler(ExchangeHandler, ReceivingHandler):
    """PUT exchange/releases/NAME?force=yes, DELETE exchange/releases/NAME: for staff."""

    async def expect(self, name: str) -> str:  # type: ignore[override]  # its own address
        """A new file's id."""
        self.require_staff()
        if self.request.method == "PUT":
            _named(bodies.check_assignment, self.service.manifest, name)
        return uuid.uuid4().hex

    async def put(self, name: str) -> None:
        """Release an assignment; ?force=yes in the place of another."""
        force = self.get_query_argument("force", "no") == "yes"
        if not self._finished:
            self.finish(await in_thread(self._release, self.whole(), name, force))

    def _release(self, upload: Upload, name: str, force: bool) -> dict[str, Any]:
        try:
            _keep(upload)
            release = self.exchange.release(name, upload, self.user["name"], force)
        except (AlreadyReleased, sa.exc.IntegrityError):
            upload.discard()
            sentence = f"'{name}' is released already, with other files. Add --force to replace it."
            raise Answer(409, sentence) from None
        except sa.exc.SQLAlchemyError as error:
            upload.discard()
            raise not_kept(error) from None
        if release.file != upload.id:
            upload.discard()
        log.info("'%s' released by %s as %s", name, self.user["name"], release.file)
        return {"name": name, "sha256": upload.sha256, "released_at": exact(release.at)}

    async def delete(self, name: str) -> None:
        """Take a release back."""
        self._drop()
        if self.refusal is not None:
            raise self.refusal
        if not await in_thread(self.exchange.withdraw, name):
            raise Answer(404, f"'{name[:64]}' is not released.")
        log.info("'%s' is no longer released, by %s", name, self.user["name"])
        self.finish({"name": name})


class AssignmentsHandler(ExchangeHandler):
    """GET exchange/assignments: what can be fetched, and what oneself handed in."""

    async def get(self) -> None:
        """Assignments and modules; own submissions, with what feedback there is."""
        self.finish(await in_thread(self._all))

    def _all(self) -> dict[str, Any]:
        exchange, student = self.exchange, self.user["name"]
        staff, calendar = self.is_staff(self.user), self.service.calendar.current()
        terms, moment = of_student(self.service.engine, calendar, student), now()
        found = []
        for release in exchange.releases():
            held = terms("assignment", release.assignment)
            if staff or held.is_open(moment):
                notebooks = exchange.notebooks(release.file)
                found.append(_entry(release.assignment, "assignment", notebooks, held, release.at))
        for slug, module in self.service.manifest.modules.items():
            held = terms("module", slug)
            if module.available and self._official(slug).is_file() and (staff or held.is_open(moment)):
                found.append(_entry(slug, "module", [slug], held, None))
        return {"assignments": found, "submissions": self._own()}

    def _own(self) -> list[dict[str, Any]]:
        feedback = self.exchange.feedback_of(self.user["name"])
        return [
            {**_view(row), "feedback": self._digests(feedback.get(row["id"]))}
            for row in self.exchange.handed_in(self.user["name"])
        ]

    def _digests(self, file: str | None) -> dict[str, str]:
        return dict(self.exchange.digests(file)) if file else {}

    def _official(self, slug: str) -> Any:
        return self.service.settings.official / f"{slug}.ipynb"


class AssignmentHandler(ExchangeHandler):
    """GET exchange/assignments/NAME: the files to work on."""

    async def get(self, name: str) -> None:
        """An assignment's files, or a module's notebook."""
        self.finish(await in_thread(self._files, name))

    def _files(self, name: str) -> dict[str, Any]:
        staff, calendar = self.is_staff(self.user), self.service.calendar.current()
        kind = "module" if name in self.service.manifest.modules else "assignment"
        terms = of_student(self.service.engine, calendar, self.user["name"])(kind, name)
        if staff or terms.is_open(now()):
            if kind == "module" and (text := self._official(name)) is not None:
                return {"name": name, "files": {f"{name}.ipynb": base64.b64encode(text).decode()}}
            if kind == "assignment" and (release := self.exchange.released(name)):
                return {"name": name, "files": self.exchange.files(release.file)}
        raise Answer(404, NO_ASSIGNMENT.format(name=name[:64]))

    def _official(self, slug: str) -> bytes | None:
        if not self.service.manifest.modules[slug].available:
            return None
        try:
            return (self.service.settings.official / f"{slug}.ipynb").read_bytes()
        except OSError:
            return None


class SubmissionsHandler(ExchangeHandler):
    """GET exchange/submissions?assignment=NAME&student=STUDENT: own ones; the class's for those who mark."""

    async def get(self) -> None:
        """Submissions, oldest first; ?assignment= and ?student= choose."""
        name = self.get_query_argument("assignment", None)
        student = self.get_query_argument("student", None)
        if not self.is_grader(self.user):
            student = self.user["name"]
        rows = await in_thread(self.exchange.handed_in, student, name)
        self.finish({"submissions": [_view(row) for row in rows]})


class FilesHandler(ExchangeHandler):
    """GET exchange/submissions/ID/files: of an own submission; for staff and graders of everybody's."""

    async def get(self, id: str) -> None:
        """What was handed in, as files."""
        self.finish(await in_thread(self._files, id))

    def _files(self, id: str) -> dict[str, Any]:
        row = self.exchange.submission(id)
        if row is None or (row["student"] != self.user["name"] and not self.is_grader(self.user)):
            raise Answer(404, NO_SUBMISSION)
        return {**_view(row), "files": files_of(json.loads(self.service.store.read(id)), row["slug"])}


class GiveFeedbackHandler(ExchangeHandler, ReceivingHandler):
    """PUT exchange/feedback/NAME/STUDENT/SUBMISSION: for staff."""

    async def expect(self, name: str, student: str, id: str) -> str:  # type: ignore[override]  # its own address
        """A new file's id."""
        self.require_staff()
        return uuid.uuid4().hex

    async def put(self, name: str, student: str, id: str) -> None:
        """Let a student have feedback on a submission."""
        if not self._finished:
            self.finish(await in_thread(self._give, self.whole(), name, student, id))

    def _give(self, upload: Upload, name: str, student: str, id: str) -> dict[str, Any]:
        row = self.exchange.submission(id)
        if row is None or (row["slug"], row["student"]) != (name, student):
            upload.discard()
            raise Answer(404, f"{student[:64]} has handed in no '{name[:64]}' of this id.")
        try:
            _keep(upload)
            self.exchange.give_feedback(row, upload)
        except sa.exc.SQLAlchemyError as error:
            upload.discard()
            raise not_kept(error) from None
        return {"submission": id, "sha256": upload.sha256}


class FeedbackHandler(ExchangeHandler):
    """GET exchange/feedback/NAME/SUBMISSION: on an own submission."""

    async def get(self, name: str, id: str) -> None:
        """The feedback's files."""
        self.finish(await in_thread(self._files, name, id))

    def _files(self, name: str, id: str) -> dict[str, Any]:
        row = self.exchange.submission(id)
        file = self.exchange.feedback_of(self.user["name"]).get(id)
        if row is None or file is None or row["slug"] != name:
            raise Answer(404, "There is no feedback for you on this submission.")
        return {"submission": id, "files": self.exchange.files(file)}


def exact(seconds: float) -> str:
    """A time in ISO 8601, UTC, to the microsecond: two submissions never have the same."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")


def _entry(name: str, kind: str, notebooks: list[str], terms: Any, released: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "notebooks": notebooks,
        "released_at": None if released is None else exact(released),
        "due": None if terms.due is None else terms.due.isoformat(),
    }


def _view(row: sa.RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "student": row["student"],
        "assignment": row["slug"],
        "kind": row["kind"],
        "received_at": exact(row["received_at"]),
        "sha256": row["sha256"],
        "size": row["size"],
    }


def _named(check: Any, *arguments: Any) -> None:
    try:
        check(*arguments)
    except bodies.Refused as error:
        raise Answer(400, str(error)) from None


def _keep(upload: Upload) -> None:
    """Check files and force them to disk, or leave nothing."""
    try:
        with CHECKING:
            bodies.check("assignment", "", upload.read())
        upload.keep()
    except bodies.Refused as error:
        upload.discard()
        raise Answer(400, str(error)) from None
    except OSError as error:
        upload.discard()
        raise not_kept(error) from None


ROUTES = [
    ("api/exchange/releases/([^/]+)", ReleaseHandler),
    ("api/exchange/assignments", AssignmentsHandler),
    ("api/exchange/assignments/([^/]+)", AssignmentHandler),
    ("api/exchange/submissions", SubmissionsHandler),
    ("api/exchange/submissions/([0-9a-f]{32})/files", FilesHandler),
    ("api/exchange/feedback/([^/]+)/([^/]+)/([0-9a-f]{32})", GiveFeedbackHandler),
    ("api/exchange/feedback/([^/]+)/([0-9a-f]{32})", FeedbackHandler),
]
