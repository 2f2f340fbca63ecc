"""From the text of a roster to its people, or to every fault in it with line, column, reason and mend."""

import csv
import io
import re
from dataclasses import dataclass

from hub.accounts import names

COLUMNS = ("name", "id", "email", "section", "role")
NEEDED = ("name", "id")
ROLES = ("student", "assistant", "grader", "instructor")
LONGEST = 200  # characters of a cell
LARGEST = 5 * 2**20  # bytes of a file: some 50,000 people
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
        if self.section:
            groups.add(f"section-{slug(self.section)}")
        return groups


def slug(section: str) -> str:
    """A section's name as part of a group's: any script, no spaces, nothing special in an address."""
    return re.sub(r"[^\w.-]+", "-", names.normalise(section)).strip("-.") or "unnamed"


def read(data: bytes) -> list[Person]:
    """The people of a roster; raises RosterError."""
    table = _table(data)
    if not table:
        raise RosterError(
            f"line 1: the roster is empty. Its first line names the columns: {','.join(COLUMNS)}."
        )
    places = _places(*table[0])
    people: list[Person] = []
    faults: list[str] = []
    lines: dict[str, int] = {}
    for line, cells in table[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(table[0][1]):
            faults.append(
                f"line {line}: {len(cells)} cells, but {len(table[0][1])} columns. "
                "Put quotes around a cell that holds a comma."
            )
            continue
        row = {column: cells[place] if place < len(cells) else "" for column, place in places.items()}
        wrong = [f"line {line}, column {column}: {why}" for column, why in _faults(row)]
        person = _person(row)
        if not wrong and person.username in lines:
            wrong = [
                f"line {line}, column id: {person.username!r} is on line {lines[person.username]} already. "
                "Remove one of the two."
            ]
        lines.setdefault(person.username, line)
        faults += wrong
        people.append(person)
    if faults:
        raise RosterError(*faults)
    if not people:
        raise RosterError("line 2: the roster has column names but no people. Add a line for each person.")
    return people


def _table(data: bytes) -> list[tuple[int, list[str]]]:
    """Each line's number and cells. A byte order mark, and ; or tab for a comma, are taken as they come."""
    if len(data) > LARGEST:
        raise RosterError(
            f"line 1: {len(data)} bytes are no roster (at most {LARGEST}). Is it the right file?"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RosterError(
            f"line {line}: a character is not UTF-8. Save the sheet again as 'CSV UTF-8 (comma delimited)'."
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RosterError(f"line {line}: this is no text. Save the sheet as 'CSV UTF-8 (comma delimited)'.")
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=delimiter, strict=True, skipinitialspace=True)
    table: list[tuple[int, list[str]]] = []
    before = 0
    try:
        for cells in reader:
            if cells or table:
                table.append((before + 1, cells))
            before = reader.line_num
    except csv.Error as error:
        raise RosterError(
            f"line {before + 1}: the quotes are not closed or doubled as they should be ({error}). "
            'Write a quote inside a quoted cell twice: "Grace ""Amazing"" Hopper".'
        ) from None
    return table


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
