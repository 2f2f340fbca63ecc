"""From the text of a roster to its people, or to every fault in it with line, column, reason and mend."""

import csv
import io
import re
from dataclasses import dataclass

from hub.accounts import names

COLUMNS = ("name", "id", "email", "section", "role")
NEEDED = ("name", "id")
ROLES = ("student", "assistant", "grader", "instructor", "admin")
LONGEST = 200  # characters of a cell
LARGEST = 5 * 2**20  # bytes of a file: some 50,000 people
MOST_QUOTES = 200  # lines with wrong quotes that are told: each is read anew, up to the next quote
# How a spreadsheet's formula begins. No name does, and what is written here is read in spreadsheets later.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+")


class RosterError(Exception):
    """Every fault of a roster, one sentence each."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Person:
    """One line of a roster, cleaned."""

    username: str
    name: str
    email: str
    section: str
    role: str
    number: str  # the id as the campus writes it

    @property
    def groups(self) -> set[str]:
        """The hub's groups that this person belongs in."""
        groups = {f"role-{self.role}"}
        if self.role == "admin":
            groups.add("role-instructor")  # whoever runs the class may see it
        if self.section:
            groups.add(f"section-{slug(self.section)}")
        return groups


def slug(section: str) -> str:
    """A section's name as part of a group's: any script, no spaces, nothing special in an address."""
    return re.sub(r"[^\w.-]+", "-", names.normalise(section)).strip("-.") or "unnamed"


def read(data: bytes) -> list[Person]:
    """The people of a roster; raises RosterError."""
    table, faults_found = _table(data)
    if not table:
        raise RosterError(
            f"line 1: the roster is empty. Its first line names the columns: {','.join(COLUMNS)}."
        )
    places = _places(*table[0])
    people: list[Person] = []
    faults = faults_found
    lines: dict[str, int] = {}
    for line, cells in table[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        if wrong := _wrong_cells(cells, len(table[0][1])):
            faults.append((line, f"line {line}: {wrong}"))
            continue
        row = {column: cells[place] for column, place in places.items()}
        person = _person(row)
        found = _faults(row)
        if not found and person.username in lines:
            found = [
                (
                    "id",
                    f"{person.username!r} is on line {lines[person.username]} already. Remove one of them.",
                )
            ]
        lines.setdefault(person.username, line)
        faults += [(line, f"line {line}, column {column}: {why}") for column, why in found]
        people.append(person)
    if faults:
        raise RosterError(*(sentence for _, sentence in sorted(faults, key=lambda fault: fault[0])))
    if not people:
        raise RosterError("line 2: the roster has column names but no people. Add a line for each person.")
    return people


def _table(data: bytes) -> tuple[list[tuple[int, list[str]]], list[tuple[int, str]]]:
    """Each line's number and cells; and the lines whose quotes are wrong, each with a sentence.

    A byte order mark, and ; or tab for a comma, are taken as they come. After a line whose quotes are wrong
    the next one is read as if nothing had been, so that all other faults are told, too.
    """
    if len(data) > LARGEST:
        raise RosterError(
            f"line 1: {len(data)} bytes are no roster (at most {LARGEST}). Is it the right file?"
        )
    # What is not UTF-8 becomes a sign of its own, which _wrong_cells finds.
    text = data.decode("utf-8-sig", errors="surrogateescape")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RosterError(f"line {line}: this is no text. Save the sheet as 'CSV UTF-8 (comma delimited)'.")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows = io.StringIO(text, newline="").readlines()
    table: list[tuple[int, list[str]]] = []
    faults: list[tuple[int, str]] = []
    begin = 0
    while begin < len(rows) and len(faults) < MOST_QUOTES:
        reader = csv.reader(rows[begin:], delimiter=delimiter, strict=True, skipinitialspace=True)
        before = 0
        try:
            for cells in reader:
                if cells or table:
                    table.append((begin + before + 1, cells))
                before = reader.line_num
        except csv.Error as error:
            line = begin + before + 1
            faults.append(
                (
                    line,
                    f"line {line}: the quotes are not closed or doubled as they should be ({error}). "
                    'Write a quote inside a quoted cell twice: "Grace ""Amazing"" Hopper".',
                )
            )
            begin = line
        else:
            break
    return table, faults


def _wrong_cells(cells: list[str], columns: int) -> str:
    """What is wrong with a line before any of its cells is looked at; or nothing."""
    if any(0xDC80 <= ord(sign) <= 0xDCFF for cell in cells for sign in cell):
        return "a character is not UTF-8. Save the sheet again as 'CSV UTF-8 (comma delimited)'."
    if any("\n" in cell or "\r" in cell for cell in cells):
        return "a cell goes on in the next line. Close its quotes where it ends, or take the line break out."
    if len(cells) > columns:
        return f"{len(cells)} cells, but {columns} columns. Put quotes around a cell that holds a comma."
    if len(cells) < columns:
        return f"{len(cells)} cells, but {columns} columns. A cell that is empty needs its comma, too."
    return ""


def _places(line: int, header: list[str]) -> dict[str, int]:
    """Which cell of a row is which column; other columns are left alone."""
    found = [names.normalise(cell) for cell in header]
    faults = [
        f"line {line}: there is no column {column!r}. The first line names the columns: {','.join(COLUMNS)}."
        for column in NEEDED
        if column not in found
    ]
    faults += [
        f"line {line}: column {column!r} is there {found.count(column)} times. Keep one."
        for column in COLUMNS
        if found.count(column) > 1
    ]
    if faults:
        raise RosterError(*faults)
    return {column: found.index(column) for column in COLUMNS if column in found}


def _person(row: dict[str, str]) -> Person:
    return Person(
        username=names.normalise(row["id"]),
        name=names.display(row["name"]),
        email=names.display(row.get("email", "")),
        section=names.display(row.get("section", "")),
        role=names.normalise(row.get("role", "")) or "student",
        number=names.display(row["id"]),
    )


def _faults(row: dict[str, str]) -> list[tuple[str, str]]:
    """Column and reason of all that is wrong with a row."""
    person = _person(row)
    faults = [
        (column, f"the cell has {len(cell)} characters. Use at most {LONGEST}.")
        for column, cell in row.items()
        if len(cell) > LONGEST
    ]
    faults += [
        (column, f"{_shown(row[column])} begins as a formula does. Write it without {kept[0]!r}.")
        # As it is kept: an invisible sign before it is gone then.
        for column, kept in (("name", person.name), ("email", person.email), ("section", person.section))
        if kept.startswith(FORMULA)
    ]
    if not person.name:
        faults.append(("name", "it is empty. Write the person's name."))
    if not person.username:
        faults.append(("id", "it is empty. Write what the person will sign in with."))
    elif not names.is_valid(person.username):
        faults.append(("id", f"{_shown(row['id'])} cannot be a username. {names.HINT}."))
    elif person.username == names.PROBE:
        faults.append(("id", f"{names.PROBE!r} belongs to the classroom itself. Use another."))
    if person.email and not ADDRESS.fullmatch(person.email):
        shown = _shown(row["email"])
        faults.append(("email", f"{shown} is no address. Write it as name@example.edu, or leave it empty."))
    if person.role not in ROLES:
        faults.append(("role", f"{_shown(row['role'])} is no role. Write {' or '.join(ROLES)}."))
    return faults


def _shown(cell: str) -> str:
    """A cell as a terminal may show it: invisible signs spelled out, and not the length of a novel."""
    return ascii(cell[:40]) if not cell.isprintable() else repr(cell[:40])
