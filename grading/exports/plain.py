"""Everything about the class's marks, one line for each student and item, for a spreadsheet or a program."""

from __future__ import annotations

from grading.exports import cells
from grading.exports.table import Marks
from grading.marks import iso

COLUMNS = (
    "student", "full_name", "number", "email", "section", "kind", "slug", "title", "attempts", "automatic",
    "by_hand", "factor", "score", "max_score", "passed", "excused", "counted", "at",
)  # fmt: skip


def new(marks: Marks, missing: str) -> str:
    """The file; an item that somebody has no mark in is there too, its score what `missing` says."""
    rows = [list(COLUMNS)]
    for person in marks.people:
        identity = [person.name, person.number, person.email]
        name, number, email = map(cells.identifier, identity)
        about = [name, cells.text(person.full_name), number, email, cells.text(person.section)]
        for item in marks.items:
            what = [item.kind, cells.identifier(item.slug), cells.text(item.title)]
            row = marks.mark(person, item)
            if row is None:
                rows.append(
                    [*about, *what, "0", "", "", "", missing, cells.number(item.points), "", "no", "", ""]
                )
                continue
            points = [cells.number(row[name]) for name in ("automatic", "by_hand")]
            passed = "" if row["passed"] is None else _yes(row["passed"])
            reached = [f"{row['factor']:g}", cells.number(row["score"]), cells.number(row["max_score"])]
            about_it = [passed, _yes(row["excused"]), row["counted"] or "", iso(row["at"])]
            rows.append([*about, *what, str(row["attempts"]), *points, *reached, *about_it])
    return cells.table(rows)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
