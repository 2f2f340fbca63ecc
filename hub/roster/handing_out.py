"""The file of one-time passwords that an instructor hands out: only the hub's own user can read it."""

import csv
import io
import os
from pathlib import Path

from hub.roster.reading import FORMULA, Person

HEADER = ("name", "username", "section", "one-time password")


def write(path: Path, given: list[tuple[Person, str]]) -> None:
    """Add people and their passwords to the file, which is made if it is missing; raises OSError."""
    # Nobody is led by a link to another file, and what an earlier roster wrote may not have been handed out
    # yet.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        os.fchmod(file.fileno(), 0o600)
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if file.tell() == 0:
            writer.writerow(HEADER)
            file.write(b"\xef\xbb\xbf")  # without it, a spreadsheet garbles every name that is not ASCII
        for person, password in given:
            row = person.name, person.username, person.section, password
            writer.writerow([harmless(cell) for cell in row])
        file.write(text.getvalue().encode())
        file.flush()
        os.fsync(file.fileno())


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: a name must not run in an instructor's Excel."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
