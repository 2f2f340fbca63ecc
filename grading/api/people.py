"""Who is in the class: told by the hub's roster, and by nobody else."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

import sqlalchemy as sa

from grading.api.handlers import Answer, ApiHandler
from grading.api.submissions import in_thread
from grading.database import people

TELLER = "roster"  # the hub's service; only its own token has its name
FIELDS = ("name", "full_name", "number", "email", "section", "role")
LONGEST = 255  # characters of a field
MOST_PEOPLE = 200  # in one message
UNUSABLE = (
    f"Send 1 to {MOST_PEOPLE} people, each with {', '.join(FIELDS)}, texts of at most {LONGEST} characters; "
    "the moment 'at'; and whether they are 'complete'."
)

log = logging.getLogger(__name__)


class PeopleHandler(ApiHandler):
    """POST people: who is on the roster, in portions of the same `at`, the last of them `complete`."""

    kind = "service"
    only = "Only the roster says who is in the class: make roster FILE=class.csv."

    async def prepare(self) -> None:
        """The roster's own token, and no other service's."""
        await super().prepare()
        if self.user["name"] != TELLER:
            raise Answer(403, self.only)

    async def post(self) -> None:
        """{"people": [{"name": ..., "full_name": ..., ...}], "at": seconds, "complete": true}."""
        rows, complete = self._told()
        try:
            await in_thread(note, self.service.engine, rows, complete)
        except sa.exc.SQLAlchemyError as error:
            log.error("people: %s", error)
            raise Answer(503, "The database does not take it just now.") from None
        self.set_status(204)

    def _told(self) -> tuple[list[dict[str, Any]], bool]:
        try:
            message = json.loads(self.request.body)
            told, at, complete = message["people"], message["at"], message["complete"]
            rows = [{field: person[field] for field in FIELDS} for person in told]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Answer(400, UNUSABLE) from None
        texts = [text for row in rows for text in row.values()]
        good = 0 < len(rows) <= MOST_PEOPLE and isinstance(complete, bool) and type(at) in (int, float)
        if not good or not math.isfinite(at) or not all(map(_usable, texts)):
            raise Answer(400, UNUSABLE)
        return [{**row, "role": row["role"][:32], "active": True, "at": float(at)} for row in rows], complete


def note(engine: sa.Engine, rows: list[dict[str, Any]], complete: bool) -> None:
    """Put people in as the roster has them. If that were all, whoever else is known is no longer active."""
    latest = {row["name"]: row for row in rows}
    with engine.begin() as connection:
        connection.execute(people.delete().where(people.c.name.in_(latest)))
        connection.execute(people.insert(), list(latest.values()))
        if complete:
            at = next(iter(latest.values()))["at"]
            connection.execute(people.update().where(people.c.at != at).values(active=False))


def _usable(text: object) -> bool:
    return isinstance(text, str) and len(text) <= LONGEST and "\0" not in text


ROUTES = [("api/people", PeopleHandler)]
