"""Marks and code out of the classroom, for staff."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from tornado.web import stream_request_body

from grading import bodies, split
from grading.api.assistance import staff_only
from grading.api.handlers import Answer, ApiHandler
from grading.api.milestones import truth
from grading.api.submissions import in_thread
from grading.database import people, submissions
from grading.exports import canvas, cells, code, moodle, plain, table

LARGEST = 8 * 1024 * 1024  # bytes of a gradebook that Canvas exported: some ten thousand students
CSV = "text/csv; charset=utf-8"
ASSIGNMENT = re.compile(r"[\w .-]{1,64}")


class Export(ApiHandler):
    """What all exports share."""

    async def prepare(self) -> None:
        """For staff only."""
        await super().prepare()
        staff_only(self)

    async def marks(self) -> table.Marks:
        """Everybody's marks, or with ?section=NAME one section's."""
        service = self.service
        calendar = service.calendar.current()
        found: table.Marks = await in_thread(
            table.read, service.engine, service.manifest, service.settings.track, calendar
        )
        section = self.get_query_argument("section", "")
        try:
            return found.of(section) if section else found
        except KeyError as error:
            raise Answer(
                400, f"There is no section of that name. There are: {error.args[0] or 'none'}."
            ) from None

    def missing(self) -> str:
        """?missing=0 has 0 stand where somebody has no mark."""
        return chosen(self, "missing", ("", "0"))

    def send(self, name: str, text: str) -> None:
        """A CSV file."""
        self.set_header("Content-Type", CSV)
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(text)


class CanvasFile(Export):
    """GET exports/canvas.csv: a new file for Canvas's gradebook."""

    async def get(self) -> None:
        """?missing=0 ?login=name|email."""
        login = chosen(self, "login", ("name", "email"))
        self.send("canvas.csv", canvas.new(await self.marks(), self.missing(), login))


@stream_request_body
class CanvasFilled(Export):
    """POST exports/canvas: a file that Canvas exported, with the marks in it."""

    async def prepare(self) -> None:
        """A gradebook is larger than other requests."""
        self.request.connection.set_max_body_size(LARGEST)  # type: ignore[union-attr]
        self.received = bytearray()
        await super().prepare()

    def data_received(self, chunk: bytes) -> None:
        """Tornado ends what is larger than LARGEST."""
        self.received += chunk

    async def post(self) -> None:
        """?missing=0. Answers with the file, and names whom it could not find."""
        marks = await self.marks()
        try:
            found = await in_thread(canvas.filled, marks, bytes(self.received), self.missing())
        except canvas.NotCanvas as problem:
            raise Answer(400, str(problem)) from None
        self.finish(vars(found))


class MoodleFile(Export):
    """GET exports/moodle.csv: a file for Moodle's gradebook."""

    async def get(self) -> None:
        """?missing=0 ?by=email|number|name ?feedback=yes."""
        by = chosen(self, "by", ("email", "number", "name"))
        text, left_out = moodle.new(await self.marks(), self.missing(), by, truth(self, "feedback") is True)
        self.set_header("X-Left-Out", str(len(left_out)))
        self.send("moodle.csv", text)


class PlainFile(Export):
    """GET exports/marks.csv: everything, one line for each student and item."""

    async def get(self) -> None:
        """?missing=0."""
        self.send("marks.csv", plain.new(await self.marks(), self.missing()))


class CodeFile(Export):
    """GET exports/code.zip: students' own code, one folder a student."""

    async def get(self) -> None:
        """?kind=module|milestone|assignment ?slug=SLUG ?pseudonyms=yes."""
        kind, slug = (
            chosen(self, "kind", ("module", "milestone", "assignment")),
            self.get_query_argument("slug"),
        )
        if kind == "assignment":
            if not ASSIGNMENT.fullmatch(slug):
                raise Answer(400, "'slug' is an assignment's name.")
        else:
            try:
                bodies.check_slug(self.service.manifest, kind, slug)
            except bodies.Unknown as error:
                raise Answer(404, str(error)) from None
            except bodies.Refused as error:
                raise Answer(400, str(error)) from None
        named: Callable[[str], str] = code.folder
        if truth(self, "pseudonyms"):
            secret = await in_thread(split.public_seed, self.service.settings.folder)
            named = lambda student: code.pseudonym(secret, student)  # noqa: E731
        self.set_header("Content-Type", "application/zip")
        self.set_header(
            "Content-Disposition", f'attachment; filename="{kind}-{re.sub("[^A-Za-z0-9_-]", "_", slug)}.zip"'
        )
        service = self.service
        pieces = code.zipped(service.engine, service.store, service.settings, kind, slug, named)
        while (piece := await in_thread(_next, pieces)) is not None:
            self.write(piece)
            await self.flush()


class PseudonymsFile(Export):
    """GET exports/pseudonyms.csv: who is who in a code.zip with pseudonyms."""

    async def get(self) -> None:
        """Everybody who is on the roster or has handed something in."""
        secret = await in_thread(split.public_seed, self.service.settings.folder)
        students = await in_thread(self._students)
        rows = [[code.pseudonym(secret, student), cells.identifier(student)] for student in students]
        self.send("pseudonyms.csv", cells.table([["pseudonym", "student"], *sorted(rows)]))

    def _students(self) -> list[str]:
        query = sa.union(sa.select(people.c.name), sa.select(submissions.c.student))
        with self.service.engine.connect() as connection:
            return [str(name) for name in connection.execute(query).scalars()]


def chosen(handler: ApiHandler, name: str, among: tuple[str, ...]) -> str:
    """A parameter of the query that is one of these; the first if it is not given."""
    value = handler.get_query_argument(name, among[0])
    if value not in among:
        raise Answer(400, f"'{name}' is one of: {', '.join(filter(None, among))}.")
    return value


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)


ROUTES: list[tuple[Any, ...]] = [
    (r"api/exports/canvas\.csv", CanvasFile),
    ("api/exports/canvas", CanvasFilled),
    (r"api/exports/moodle\.csv", MoodleFile),
    (r"api/exports/marks\.csv", PlainFile),
    (r"api/exports/code\.zip", CodeFile),
    (r"api/exports/pseudonyms\.csv", PseudonymsFile),
]
