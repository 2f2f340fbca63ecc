"""Marks for Canvas's gradebook, as a new CSV file or filled into one that Canvas exported.

The rules are those of Canvas's own importer (instructure/canvas-lms, lib/gradebook_importer.rb, read at
commit 00b222d): the first columns are Student, ID, SIS User ID, SIS Login ID, Section, in this order; then
an assignment each, 'Title (id)' for one that is there and a plain title for a new one; a row whose first
cell has 'Points Possible' says the points; people are found by ID, then SIS User ID, then SIS Login ID,
then name; 'EX' excuses; an empty cell takes away a grade that is there. It reads UTF-8, with and without a
byte order mark; ours has none.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

from grading.exports import cells
from grading.exports.table import Item, Marks, Person

PEOPLE = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
POINTS = "    Points Possible"
EXCUSED = "EX"
WITH_ID = re.compile(r"(.*) \((\d+)\)", re.DOTALL)
COMPUTED = re.compile(
    r"Current (?:Score|Points|Grade)|Final (?:Score|Points|Grade)|Override (?:Score|Grade|Status)"
)


class NotCanvas(ValueError):  # noqa: N818  # says what it is not
    """The file is no export of Canvas's gradebook; the message says why."""


@dataclass(frozen=True)
class Filled:
    """A file of Canvas's with our marks in it.

    Attributes:
        unmatched: people of the file whom the class does not have.
        absent: people of the class whom the file does not have.
        columns: the file's columns that were filled.
    """

    csv: str
    unmatched: list[str]
    absent: list[str]
    columns: list[str]


def new(marks: Marks, missing: str, login: str) -> str:
    """A file with every mark.

    Args:
        missing: what stands where somebody has no mark: nothing, or '0'.
        login: which of a person's fields Canvas knows as the login: 'name' or 'email'.
    """
    # Digits in brackets at the end would be the id of an assignment.
    titles = [f"{item.title}." if WITH_ID.fullmatch(item.title) else item.title for item in marks.items]
    rows = [
        [*PEOPLE, *map(cells.text, titles)],
        [POINTS, "", "", "", "", *(cells.number(item.points) for item in marks.items)],
    ]
    for person in marks.people:
        identity = [cells.identifier(person.number), cells.identifier(getattr(person, login))]
        about = [cells.text(person.full_name or person.name), "", *identity, cells.text(person.section)]
        rows.append(about + [_mark(marks, person, item, missing) for item in marks.items])
    return cells.table(rows)


def filled(marks: Marks, exported: bytes, missing: str) -> Filled:
    """Marks put into a file that Canvas exported; every other cell, all columns and their order stay.

    Only cells with a mark are filled, and others if `missing` says so: an empty one would take a grade away.

    Raises:
        NotCanvas: it is none.
    """
    begins = "\ufeff" if exported.startswith(b"\xef\xbb\xbf") else ""
    delimiter, rows = _read(exported)
    header = rows[0]
    places = _columns(header, marks.items)
    keys = [header.index(name) for name in ("SIS User ID", "SIS Login ID") if name in header]
    known = _known(marks)
    unmatched, seen = [], set()
    for row in rows[1:]:
        if not any(cell.strip() for cell in row[:5]) or "Points Possible" in row[0]:
            continue
        found = {person.name: person for key in keys if (person := known.get(_folded(row[key])))}
        if len(found) != 1:
            unmatched.append(row[0])
            continue
        (person,) = found.values()
        seen.add(person.name)
        for place, item in places.items():
            if mark := _mark(marks, person, item, missing):
                row[place] = mark
    absent = [person.full_name or person.name for person in marks.people if person.name not in seen]
    return Filled(
        begins + cells.table(rows, delimiter), unmatched, absent, [header[place] for place in places]
    )


def _mark(marks: Marks, person: Person, item: Item, missing: str) -> str:
    found = marks.mark(person, item)
    if found is None:
        return missing
    return EXCUSED if found["excused"] else cells.number(found["score"])


def _read(exported: bytes) -> tuple[str, list[list[str]]]:
    try:
        text = exported.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotCanvas("The file is not UTF-8. Send it as Canvas exported it.") from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise NotCanvas(
            f"The file is not readable as CSV ({error}). Send it as Canvas exported it."
        ) from None
    header = rows[0] if rows else []
    if "Student" not in header or "ID" not in header or not {"SIS User ID", "SIS Login ID"} & set(header):
        raise NotCanvas(
            "The first line names no columns Student, ID and SIS User ID or SIS Login ID. "
            "Export the gradebook in Canvas, and send that file."
        )
    if any(len(row) != len(header) for row in rows if row):
        raise NotCanvas("Not all lines have as many cells as the first. Send the file as Canvas exported it.")
    return delimiter, [row for row in rows if row]


def _columns(header: list[str], items: list[Item]) -> dict[int, Item]:
    """Which of a file's columns are ours: by title, or by the name in the gradebook; each item once."""
    named: dict[str, Item] = {}
    for item in items:
        for name in (item.title, item.name):
            named.setdefault(_folded(name), item)
    found: dict[int, Item] = {}
    for place, cell in enumerate(header):
        match = WITH_ID.fullmatch(cell)
        ours = named.get(_folded(match[1] if match else cell))
        if ours and ours not in found.values() and not COMPUTED.search(cell):
            found[place] = ours
    return found


def _known(marks: Marks) -> Mapping[str, Person]:
    """People by all that Canvas may know them by. What two people share says nothing."""
    known: dict[str, Person] = {}
    shared = set()
    for person in marks.people:
        for key in {_folded(key) for key in (person.name, person.number, person.email)} - {""}:
            if known.setdefault(key, person) is not person:
                shared.add(key)
    return {key: person for key, person in known.items() if key not in shared}


def _folded(text: str) -> str:
    return text.strip().casefold()
