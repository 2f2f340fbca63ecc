"""What the backup's container is asked to do: `python -m backup COMMAND`. The Makefile is the way in."""

from __future__ import annotations

import argparse
import os
import sys

from backup import restoring, students, timer
from backup.places import Places
from backup.problems import Problem
from backup.restic import Repository
from backup.saving import back_up


def main() -> int:
    """Run one command; 0 when it did what it was asked, 1 with a sentence when not."""
    arguments = _arguments()
    if arguments.key_from_stdin:
        os.environ["RESTIC_PASSWORD"] = sys.stdin.readline().strip()
    try:
        if arguments.command != "settle" and not os.environ.get("RESTIC_PASSWORD"):
            raise Problem("There is no key for the backups yet. Run `make deploy` once: it makes one.")
        told = _answer(arguments, Places.from_environment())
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error}. What was there is as it was.", file=sys.stderr)
        return 1
    if told:
        print(told)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m backup", description=__doc__)
    parser.add_argument(
        "--key-from-stdin", action="store_true", help="the key is the first line of what is piped in"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    now = commands.add_parser("now", help="make a backup")
    now.add_argument(
        "--elsewhere", action="store_true", help="not where the settings say: status does not ask for it"
    )
    commands.add_parser("timer", help="make one each day")
    commands.add_parser("list", help="the backups that there are")
    for name, about in (
        ("settings", "the settings file of a backed-up classroom"),
        ("fetch", "a whole classroom, beside what is there"),
        ("settle", "what was fetched to its place"),
        ("student", "one student's home, or a file of it"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("--at", default="latest", help="the beginning of a backup's id")
        if name in ("fetch", "settle"):
            command.add_argument("--replace", action="store_true", help="what is there may be set aside")
        if name == "student":
            command.add_argument("--user", required=True)
            command.add_argument("--file", default="")
    return parser.parse_args()


def _answer(arguments: argparse.Namespace, places: Places) -> str:
    if arguments.command == "now":
        return back_up(places, keep_record=not arguments.elsewhere)
    if arguments.command == "timer":
        timer.run(places, os.environ.get("TT_BACKUP_AT", ""))
    if arguments.command == "settle":
        return restoring.settle(places, arguments.replace)
    Repository(places).need()
    if arguments.command == "list":
        return "\n".join(str(each) for each in Repository(places).snapshots())
    if arguments.command == "settings":
        return restoring.settings(places, arguments.at)
    if arguments.command == "fetch":
        return restoring.fetch(places, arguments.at, arguments.replace)
    return students.restore(places, arguments.user, arguments.file, arguments.at)


if __name__ == "__main__":
    sys.exit(main())
