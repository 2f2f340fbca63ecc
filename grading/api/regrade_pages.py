"""Marking again, for instructors: asked for, compared, and only then applied or dropped."""

from __future__ import annotations

import logging
from typing import Any

from tornado.web import authenticated

from grading import regrades
from grading.api.class_pages import ClassHandler
from grading.api.handlers import Answer
from grading.api.submissions import in_thread

MOST_SHOWN = 500  # changes of one regrade on its page; applying applies all
NO_REGRADE = "There is no such regrade. It may have been dropped."

log = logging.getLogger(__name__)


class RegradesPage(ClassHandler):
    """GET class/regrades: the newest, and a form. POST: have something marked again."""

    @authenticated
    async def get(self) -> None:
        """?student=, ?item= fill the form in."""
        self.graders_only()
        given = {name: self.get_query_argument(name, "") for name in ("student", "item")}
        await self.show_list(given)

    async def post(self) -> None:
        """What the form asks for; then the page of the comparison."""
        self.instructors_only()
        given = {name: self.get_body_argument(name, "").strip() for name in ("student", "item", "why")}
        kind, _, slug = given["item"].partition("/")
        about = (kind or None, slug or None, given["student"] or None)
        by = self.current_user["name"]
        try:
            id = await in_thread(regrades.begin, self.service.engine, by, given["why"], *about)
        except regrades.Refused as error:
            self.set_status(400)
            await self.show_list(given, str(error))
            return
        log.info("regrade %s begun by %s", id, by)
        self.see_other(f"class/regrades/{id}")

    async def show_list(self, given: dict[str, str], fault: str = "") -> None:
        """Render it; with what was wrong in the form, and what was typed."""
        columns = await self.columns()
        self.show_class(
            "class_regrades.html",
            "regrades",
            regrades=await in_thread(regrades.listed, self.service.engine),
            columns=columns,
            titles={(each.kind, each.slug): each.title for each in columns},
            given=given,
            fault=fault,
            live="class",
        )


class RegradePage(ClassHandler):
    """GET class/regrades/ID: how far it is, and whose mark would change. POST: apply it, or drop it."""

    @authenticated
    async def get(self, id: str) -> None:
        """The comparison."""
        self.graders_only()
        await self.show_one(id)

    async def post(self, id: str) -> None:
        """Of all students, or of those that are ticked."""
        self.instructors_only()
        engine, by = self.service.engine, self.current_user["name"]
        do = self.get_body_argument("do", "")
        try:
            if do == "drop":
                await in_thread(regrades.drop, engine, id)
                log.info("regrade %s dropped by %s", id, by)
                self.see_other("class/regrades")
                return
            students = self.get_body_arguments("student") if do == "some" else None
            if do not in ("all", "some") or students == []:
                raise regrades.Refused("Tick the students whose new marks shall count.")
            count = await in_thread(regrades.apply, engine, id, by, students)
            log.info("regrade %s applied by %s: %d", id, by, count)
        except regrades.Refused as error:
            self.set_status(409)
            await self.show_one(id, str(error))
            return
        self.see_other(f"class/regrades/{id}")

    async def show_one(self, id: str, fault: str = "") -> None:
        """Render it; with what could not be done."""
        calendar = self.service.calendar.current()
        found: dict[str, Any] | None = await in_thread(regrades.look, self.service.engine, calendar, id)
        if found is None:
            raise Answer(404, NO_REGRADE)
        changed = [each for each in found["changes"] if each["before"] != each["after"]]
        self.show_class(
            "regrade.html",
            "regrades",
            regrade=found,
            changed=changed[:MOST_SHOWN],
            more=max(0, len(changed) - MOST_SHOWN),
            same=len(found["changes"]) - len(changed),
            titles={(each.kind, each.slug): each.title for each in await self.columns()},
            fault=fault,
            waiting=found["progress"]["waiting"] > 0,
            live="class",
        )


ROUTES: list[tuple[Any, ...]] = [
    ("class/regrades", RegradesPage),
    ("class/regrades/([0-9a-f]{32})", RegradePage),
]
