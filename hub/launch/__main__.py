"""`python -m hub.launch members`: who is in the LMS's courses, as the text of a roster."""

import argparse
import asyncio
import csv
import sys
from pathlib import Path

from hub.accounts.store import PATH, Store
from hub.config.settings import Settings, SettingsError
from hub.launch.courses import Courses
from hub.launch.key import NAME, Key
from hub.launch.members import Members
from hub.roster.reading import COLUMNS
from hub.signin.claims import ClaimsError
from hub.signin.issuer import IssuerError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hub.launch", description=__doc__)
    parser.add_argument("--store", type=Path, default=PATH, help="the accounts' file (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("members", help="print the members of the courses as a roster")
    asked = parser.parse_args(arguments)
    try:
        choices = Settings.from_environment().lti
        if choices is None:
            return _sorry("Nobody comes from an LMS here: hub.auth is not lti13.")
        courses = Courses(Store(asked.store), choices.realm).known()
        courses = [course for course in courses if course.id in choices.courses]
        if not courses:
            return _sorry(
                "No course of lti.courses is known yet, or the LMS does not share its members. Launch once "
                "from the course, and let the tool use names and roles."
            )
        lms = Members(choices, Key(asked.store.with_name(NAME)))
        rows = [row for course in courses for row in asyncio.run(lms.rows(course))]
    except (SettingsError, IssuerError, ClaimsError) as error:
        return _sorry(str(error))
    table = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return 0


def _sorry(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
