"""`python -m course.announcement`, behind `make announce`: show, make and take back what is announced."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from course import calendar
from course.announcement import FILE, Announcement, read
from course.announcement.wording import WordingError, moment, plain
from course.calendar import CalendarError
from course.calendar.publishing import write


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 1 if it cannot be done."""
    parser = argparse.ArgumentParser(prog="course.announcement", description=__doc__)
    parser.add_argument("--text", help="what is announced; an empty one takes back what is")
    parser.add_argument("--until", default="", help="+2h, 18:00, 2026-10-19 or 2026-10-19 18:00")
    given = parser.parse_args(arguments)
    folder = Path(os.environ.get("TT_CALENDAR_FOLDER") or calendar.FOLDER)
    public = (folder / calendar.PUBLISHED).parent
    try:
        zone = calendar.read(folder / calendar.PUBLISHED).timezone
        if given.text is not None:
            _announce(public / FILE, given.text, given.until, zone)
        elif given.until:
            raise WordingError('UNTIL is there, but no TEXT. Write make announce TEXT="..." UNTIL=...')
        print(_state(public / FILE, zone))
    except (WordingError, CalendarError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{public / FILE} cannot be written ({error.strerror}). Nothing was changed.", file=sys.stderr)
        return 1
    return 0


def _announce(path: Path, text: str, until: str, zone: str) -> None:
    now = calendar.now()
    words = plain(text)
    end = moment(until, now, zone) if until else None
    if words:
        write(path, Announcement(words, now, end).dumps())
    else:
        path.unlink(missing_ok=True)


def _state(path: Path, zone: str) -> str:
    found = read(path, calendar.now())
    if found is None:
        return "Nothing is announced."
    if found.until is None:
        return f"Announced, until you take it back (make announce TEXT=):\n{found.text}"
    until = calendar.words(found.until.astimezone(ZoneInfo(zone)))
    return f"Announced until {until} ({zone}):\n{found.text}"


if __name__ == "__main__":
    sys.exit(main())
