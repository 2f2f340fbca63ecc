"""`python -m course.calendar`, behind `make calendar`: check the calendar, put it in force, show it."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path

from course import manifest
from course.calendar import FOLDER, PUBLISHED, SOURCE, Calendar, CalendarError, now, read, words
from course.calendar.checking import check
from course.calendar.publishing import publish, table, written

TEMPLATE = Path(__file__).parent / "template.yml"


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 1 if the calendar has a fault."""
    parser = argparse.ArgumentParser(prog="course.calendar", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="check a file, and show what it would bring")
    checking.add_argument("file", type=Path, help="a calendar.yml; - is standard input")
    commands.add_parser("show", help="put the class's calendar in force, and show it")
    commands.add_parser("state", help="one line: is the class's calendar in force?")
    commands.add_parser("template", help="a calendar to begin with, every line explained")
    given = parser.parse_args(arguments)
    folder = Path(os.environ.get("TT_CALENDAR_FOLDER") or FOLDER)
    try:
        match given.command:
            case "check":
                _check(given.file)
            case "show":
                _show(folder)
            case "template":
                print(TEMPLATE.read_text(encoding="utf-8"), end="")
            case _:
                print(_state(folder))
    except (CalendarError, manifest.ManifestError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _check(path: Path) -> None:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CalendarError(f"{path} cannot be read ({getattr(error, 'strerror', error)}).") from error
    check(text, manifest.load(), SOURCE if str(path) == "-" else str(path))
    print("The calendar is right.")


def _show(folder: Path) -> None:
    course = manifest.load()
    try:
        calendar = publish(folder, course)
    except CalendarError as error:
        raise CalendarError(f"{error}\n{_what_holds(folder)}") from error
    moment = now()
    print(table(calendar, course.track(), moment))
    print(f"\nIn force. Times are those of {calendar.timezone}.")


def _state(folder: Path) -> str:
    try:
        calendar = check(written(folder), manifest.load())
    except CalendarError as error:
        first = str(error).splitlines()[0]
        return f"The calendar has a fault. {first} {_what_holds(folder)} `make calendar` tells more."
    if read(folder / PUBLISHED).source != calendar.source:
        return "The calendar was changed. `make calendar` puts it in force."
    return f"The calendar is in force. {_next_deadline(calendar, now())}"


def _what_holds(folder: Path) -> str:
    target = folder / PUBLISHED
    if not target.is_file():
        return "Until it is mended, everything is open and nothing is due."
    since = datetime.fromtimestamp(target.stat().st_mtime).astimezone()
    return f"Until it is mended, the one of {words(since)} ({since:%Z}) stays in force."


def _next_deadline(calendar: Calendar, moment: datetime) -> str:
    due, slug = calendar.next_deadline(moment)
    if due is None:
        return "No deadline is to come."
    return f"The next deadline: {slug}, {words(due)} ({calendar.timezone})."


if __name__ == "__main__":
    sys.exit(main())
