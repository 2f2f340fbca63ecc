"""Extensions, extra time and excuses, for staff: granted and withdrawn, with who, when and why."""

from __future__ import annotations

import json
import logging

from grading import exceptions
from grading.api.assistance import staff_only
from grading.api.handlers import Answer, ApiHandler
from grading.api.submissions import in_thread

log = logging.getLogger(__name__)


class ExceptionsHandler(ApiHandler):
    """POST exceptions, GET exceptions?student=NAME."""

    async def post(self) -> None:
        """{"student" or "section", "kind", "slug", "due", "extra_time", "excused", "why"}: grant it."""
        staff_only(self)
        try:
            asked = json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise Answer(400, "What was sent is not readable as JSON.") from None
        calendar, engine = self.service.calendar.current(), self.service.engine
        try:
            row = await in_thread(exceptions.checked, engine, self.service.manifest, calendar, asked)
        except exceptions.Refused as error:
            raise Answer(400, str(error)) from None
        granted = await in_thread(exceptions.grant, engine, row, self.user["name"])
        log.info("exception %d granted by %s", granted["id"], self.user["name"])
        self.set_status(201)
        self.finish(granted)

    async def get(self) -> None:
        """Everything that was granted, newest first, withdrawn or not; ?student= with their section's."""
        staff_only(self)
        student = self.get_query_argument("student", None)
        self.finish({"exceptions": await in_thread(exceptions.listed, self.service.engine, student)})


class ExceptionHandler(ApiHandler):
    """DELETE exceptions/ID: withdraw one."""

    async def delete(self, id: str) -> None:
        """The row stays."""
        staff_only(self)
        gone = await in_thread(exceptions.withdraw, self.service.engine, int(id), self.user["name"])
        if gone is None:
            raise Answer(404, f"There is no exception {id} in force.")
        log.info("exception %s withdrawn by %s", id, self.user["name"])
        self.finish(gone)


ROUTES = [
    ("api/exceptions", ExceptionsHandler),
    ("api/exceptions/([0-9]{1,9})", ExceptionHandler),
]
