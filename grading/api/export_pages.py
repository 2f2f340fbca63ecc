"""The exports as links for a browser: the API's own answers, for whoever the hub has signed in."""

from __future__ import annotations

from typing import Any

from tornado.web import authenticated

from grading.api import exports
from grading.api.browser import PageHandler
from grading.api.class_pages import ClassHandler
from grading.api.handlers import Answer


class ExportsPage(ClassHandler):
    """GET class/exports: what can be had."""

    @authenticated
    async def get(self) -> None:
        """Links; ?section= to that section's marks."""
        self.instructors_only()
        _, sections, section = await self.students()
        self.show_class(
            "class_exports.html",
            "exports",
            columns=await self.columns(),
            sections=sections,
            section=section,
        )


class Download(PageHandler):
    """Recognised by the page's cookie, where the API asks for a token."""

    async def prepare(self) -> None:
        """Only instructors and the admin."""
        await super().prepare()
        if self.current_user is None:
            raise Answer(403, "Open your marks first, so that the hub knows you; then come back.")
        self.instructors_only()
        self.user = self.current_user


class CanvasDownload(Download, exports.CanvasFile):
    """GET class/exports/canvas.csv"""


class MoodleDownload(Download, exports.MoodleFile):
    """GET class/exports/moodle.csv"""


class PlainDownload(Download, exports.PlainFile):
    """GET class/exports/marks.csv"""


class CodeDownload(Download, exports.CodeFile):
    """GET class/exports/code.zip"""


class PseudonymsDownload(Download, exports.PseudonymsFile):
    """GET class/exports/pseudonyms.csv"""


ROUTES: list[tuple[Any, ...]] = [
    ("class/exports", ExportsPage),
    (r"class/exports/canvas\.csv", CanvasDownload),
    (r"class/exports/moodle\.csv", MoodleDownload),
    (r"class/exports/marks\.csv", PlainDownload),
    (r"class/exports/code\.zip", CodeDownload),
    (r"class/exports/pseudonyms\.csv", PseudonymsDownload),
]
