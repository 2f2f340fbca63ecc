"""Marks computed again, compared, and then applied, for staff; and the history of marks."""

from __future__ import annotations

import json
import logging
from typing import Any

from grading import changes, regrades
from grading.api.assistance import staff_only
from grading.api.handlers import Answer, ApiHandler
from grading.api.submissions import in_thread

INSTRUCTOR = "your instructor"  # a student reads what was decided, not by whom

log = logging.getLogger(__name__)


class RegradesHandler(ApiHandler):
    """POST regrades, GET regrades."""

    async def post(self) -> None:
        """{"why", and if not everything: "kind", "slug", "student"}: mark again, and compare."""
        staff_only(self)
        asked = _asked(self, {"why", "kind", "slug", "student"})
        why = asked.pop("why", None) or ""
        if not all(isinstance(each, str) for each in (why, *asked.values())):
            raise Answer(400, "why, kind, slug and student are texts.")
        try:
            by = self.user["name"]
            id = await in_thread(lambda: regrades.begin(self.service.engine, by, why, **asked))
        except regrades.Refused as error:
            raise Answer(400, str(error)) from None
        log.info("regrade %s begun by %s", id, by)
        self.set_status(201)
        self.finish({"id": id})

    async def get(self) -> None:
        """The newest."""
        staff_only(self)
        self.finish({"regrades": await in_thread(regrades.listed, self.service.engine)})


class RegradeHandler(ApiHandler):
    """GET regrades/ID."""

    async def get(self, id: str) -> None:
        """How far it is, and whose mark would change."""
        staff_only(self)
        calendar = self.service.calendar.current()
        found = await in_thread(regrades.look, self.service.engine, calendar, id)
        if found is None:
            raise Answer(404, "There is no such regrade. It may have been dropped.")
        self.finish(json.dumps(found))


class ApplyHandler(ApiHandler):
    """POST regrades/ID/apply."""

    async def post(self, id: str) -> None:
        """{"students": [...]}, or nothing for all: these marks count. Asked twice, it is done once."""
        staff_only(self)
        students = _asked(self, {"students"}).get("students")
        if students is not None and not (
            isinstance(students, list) and all(isinstance(each, str) for each in students)
        ):
            raise Answer(400, "students is a list of names.")
        try:
            count = await in_thread(regrades.apply, self.service.engine, id, self.user["name"], students)
        except regrades.Refused as error:
            raise Answer(409, str(error)) from None
        log.info("regrade %s applied by %s: %d", id, self.user["name"], count)
        self.set_status(202)  # the recorder writes them in a moment
        self.finish({"id": id, "applied": count})


class DropHandler(ApiHandler):
    """POST regrades/ID/drop."""

    async def post(self, id: str) -> None:
        """Forget it."""
        staff_only(self)
        try:
            await in_thread(regrades.drop, self.service.engine, id)
        except regrades.Refused as error:
            raise Answer(409, str(error)) from None
        log.info("regrade %s dropped by %s", id, self.user["name"])
        self.set_status(204)


class ChangesHandler(ApiHandler):
    """GET changes: the history of one's own marks; for staff of anybody's."""

    async def get(self) -> None:
        """?student=NAME, ?before=ID for older ones. Without a student, one's own."""
        own = self.user["name"]
        student = self.get_query_argument("student", own)
        if student != own:
            staff_only(self)
        before = self.get_query_argument("before", None)
        if before is not None and not (before.isdecimal() and len(before) <= 15):
            raise Answer(400, "before is the id of a change: a whole number.")
        found = await in_thread(changes.of, self.service.engine, student, before and int(before))
        if not self.is_staff(self.user):
            found = [_told(each, own) for each in found]
        self.finish({"student": student, "changes": found})


def _told(change: changes.Change, own: str) -> changes.Change:
    """A change as its student reads it: what staff wrote as their reason is for staff."""
    if change["by"] in (changes.GRADER, own):
        return change
    return {**change, "by": INSTRUCTOR, "why": change["why"].partition(":")[0]}


def _asked(handler: ApiHandler, known: set[str]) -> dict[str, Any]:
    """The body, an object with no other keys; empty if there is none."""
    try:
        asked = json.loads(handler.request.body or b"{}")
    except (ValueError, RecursionError):
        raise Answer(400, "What was sent is not readable as JSON.") from None
    if not isinstance(asked, dict) or asked.keys() - known:
        raise Answer(400, f"Send an object with no other keys than {', '.join(sorted(known))}.")
    return {name: value for name, value in asked.items() if value is not None}


ROUTES = [
    ("api/regrades", RegradesHandler),
    ("api/regrades/([0-9a-f]{32})", RegradeHandler),
    ("api/regrades/([0-9a-f]{32})/apply", ApplyHandler),
    ("api/regrades/([0-9a-f]{32})/drop", DropHandler),
    ("api/changes", ChangesHandler),
]
