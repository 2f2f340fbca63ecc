"""Marks for Moodle's gradebook: Grades, Import, CSV file.

The rules are those of Moodle's own importer (moodle/moodle, grade/import/csv/classes/load_data.php, read at
commit 0289d8c): people are found by one column, which must be exactly what Moodle has (email address, ID
number or username); a column is mapped to a grade item or makes a new one; '-' is no grade, in both; a
number has a decimal point or the site's own; more than 100 points are refused unless the site allows them.
One unknown person stops the whole import, so whoever has nothing to be found by is left out. Moodle's CSV
cannot excuse: an excused mark is '-'.
"""

from __future__ import annotations

from grading.exports import cells
from grading.exports.table import Item, Marks, Person

NO_GRADE = "-"
FOUND_BY = {"email": "Email address", "number": "ID number", "name": "Username"}


def new(marks: Marks, missing: str, by: str, feedback: bool) -> tuple[str, list[str]]:
    """The file, and who is left out.

    Args:
        missing: '0', or nothing for no grade.
        by: which of a person's fields Moodle finds them by; one of FOUND_BY.
        feedback: a column of comments after each mark.
    """
    heading = [FOUND_BY[by]]
    for item in marks.items:
        heading += [cells.text(item.title), *[cells.text(f"{item.title} (feedback)")] * feedback]
    rows, left_out = [heading], []
    for person in marks.people:
        identity = cells.identifier(getattr(person, by))
        if not identity:
            left_out.append(person.full_name or person.name)
            continue
        row = [identity]
        for item in marks.items:
            comment = cells.text(marks.comments.get((person.name, item.name), ""))
            row += [_mark(marks, person, item, missing), *[comment] * feedback]
        rows.append(row)
    return cells.table(rows), left_out


def _mark(marks: Marks, person: Person, item: Item, missing: str) -> str:
    found = marks.mark(person, item)
    if found is None:
        return missing or NO_GRADE
    return NO_GRADE if found["excused"] else cells.number(found["score"])
