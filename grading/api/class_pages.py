"""The class's pages, for instructors and graders: marks, modules, who is stuck, the queue, work by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tornado.web import authenticated

from grading import assistance
from grading.api import class_figures, class_list, overview
from grading.api.allocation import allocation
from grading.api.assistance import known_module
from grading.api.browser import PageHandler
from grading.api.class_list import ORDERS, STATES, Filter, Person
from grading.api.submissions import in_thread

QUIET_DAYS = 7
MOST_DAYS = 3650
MOST_ROWS = 500  # of what waits for a person


class ClassHandler(PageHandler):
    """What the class's pages share: only instructors and graders, and a filter by section."""

    def show_class(self, template: str, here: str, **values: Any) -> None:
        """Render one of the class's pages."""
        common = {"view": here, "wide": True, "problem": self.service.calendar.problem}
        self.show(template, **{**common, **values})

    def see_other(self, path: str) -> None:
        """Answer a form with another page: loading that again sends nothing twice."""
        self.set_status(303)
        self.set_header("Location", f"{self.service.settings.prefix}{path}")

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number of the address; the default where it is none."""
        text = self.get_query_argument(name, "")
        return (
            min(most, max(1, int(text))) if text.isascii() and text.isdecimal() and len(text) < 7 else default
        )

    async def read(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """Ask the database, without holding up everybody else."""

        def asked() -> Any:
            with self.service.engine.connect() as connection:
                return question(connection, *arguments)

        return await in_thread(asked)

    async def students(self) -> tuple[list[Person], list[str], str]:
        """The students of the section that is asked for, all sections, and that section."""
        everybody: list[Person] = await self.read(class_list.students)
        sections = class_list.sections(everybody)
        section = self.get_query_argument("section", "")
        section = section if section in sections else ""
        return [each for each in everybody if section in ("", each.section)], sections, section

    async def columns(self) -> list[overview.Entry]:
        """What there is a mark for."""
        service = self.service
        found: list[overview.Entry] = await self.read(
            class_list.columns_of, service.manifest, service.settings.track
        )
        return found


class ClassPage(ClassHandler):
    """GET class: everybody's marks."""

    @authenticated
    async def get(self) -> None:
        """?q=, ?section=, ?item=, ?state=, ?order=, ?page="""
        self.graders_only()
        everybody: list[Person] = await self.read(class_list.students)
        sections = class_list.sections(everybody)
        columns = await self.columns()
        asked = self._asked(sections, columns)
        service = self.service
        table = await in_thread(
            class_list.table,
            service.engine,
            columns,
            service.calendar.current(),
            everybody,
            asked,
            self.number("page", 1, 100_000),
        )
        item = f"{asked.kind}/{asked.slug}" if asked.slug else ""
        self.show_class(
            "class.html",
            "marks",
            table=table,
            students=len(everybody),
            sections=sections,
            asked=asked,
            item=item,
            states=STATES,
            orders=ORDERS,
            here_again={
                "q": asked.sought,
                "section": asked.section,
                "item": item,
                "state": asked.state,
                "order": asked.order if asked.order != "name" else "",
            },
            live="class",
        )

    def _asked(self, sections: list[str], columns: list[overview.Entry]) -> Filter:
        given = {
            name: self.get_query_argument(name, "")[:255]
            for name in ("q", "section", "item", "state", "order")
        }
        kind, _, slug = given["item"].partition("/")
        known = any((each.kind, each.slug) == (kind, slug) for each in columns)
        return Filter(
            given["q"].strip(),
            given["section"] if given["section"] in sections else "",
            kind if known else "",
            slug if known else "",
            given["state"] if given["state"] in STATES else "",
            given["order"] if given["order"] in ORDERS else "name",
        )


class ModulesPage(ClassHandler):
    """GET class/modules: how the marks of each module and milestone are distributed."""

    @authenticated
    async def get(self) -> None:
        """?section="""
        self.graders_only()
        listed, sections, section = await self.students()
        figures = await self.read(class_figures.distributions, await self.columns(), listed)
        self.show_class(
            "class_modules.html", "modules", figures=figures, sections=sections, section=section, live="class"
        )


class GuessesPage(ClassHandler):
    """GET class/guesses/SLUG: what the class expects to come after a module."""

    @authenticated
    async def get(self, slug: str) -> None:
        """From the newest notebook of each student."""
        self.graders_only()
        module = known_module(self, slug)
        found = await in_thread(assistance.guesses, self.service.engine, self.service.store, module.slug)
        self.show_class("class_guesses.html", "modules", module=module, guesses=found)


class StuckPage(ClassHandler):
    """GET class/stuck: who may need help."""

    @authenticated
    async def get(self) -> None:
        """?days=, ?section="""
        self.graders_only()
        listed, sections, section = await self.students()
        days, columns = self.number("days", QUIET_DAYS, MOST_DAYS), await self.columns()
        repeating, quiet, absent = await self.read(class_figures.stuck, columns, listed, days)
        self.show_class(
            "class_stuck.html",
            "stuck",
            repeating=repeating,
            quiet=quiet,
            absent=absent,
            days=days,
            now=time.time(),
            titles={(each.kind, each.slug): each.title for each in columns},
            sections=sections,
            section=section,
            live="class",
        )


class QueuePage(ClassHandler):
    """GET class/queue: what waits to be marked, how fast it goes, and what failed."""

    @authenticated
    async def get(self) -> None:
        """The queue at this moment."""
        self.graders_only()
        now = time.time()
        figures = await self.read(class_figures.queue, now)
        self.show_class(
            "class_queue.html", "queue", queue=figures, now=now, waiting=figures.waiting > 0, live="class"
        )


class ByHandPage(ClassHandler):
    """GET class/by-hand: answers that wait for a person's points."""

    @authenticated
    async def get(self) -> None:
        """?marker=: only what is somebody's turn."""
        self.graders_only()
        found = await in_thread(allocation, self.service.engine)
        marker = self.get_query_argument("marker", "")
        rows = [each for each in found if marker in ("", each["marker"])]
        self.show_class(
            "class_by_hand.html",
            "by-hand",
            rows=rows[:MOST_ROWS],
            count=len(rows),
            markers=sorted({each["marker"] for each in found if each["marker"]}),
            marker=marker,
            me=self.current_user["name"],
            live="class",
        )


ROUTES: list[tuple[Any, ...]] = [
    ("class", ClassPage),
    ("class/modules", ModulesPage),
    ("class/guesses/([^/]+)", GuessesPage),
    ("class/stuck", StuckPage),
    ("class/queue", QueuePage),
    ("class/by-hand", ByHandPage),
]
