"""`python -m hub.roster apply FILE|-`: the class from a CSV with columns name,id,email,section,role."""

import argparse
import os
import sqlite3
import sys
from pathlib import Path

from hub.accounts.store import PATH, Store
from hub.roster import reading
from hub.roster.applying import apply
from hub.roster.grading_api import Grading, GradingError
from hub.roster.hub_api import Hub, HubError

MOST_FAULTS = 500  # all of them in every roster that was meant as one


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hub.roster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    apply_command = commands.add_parser("apply", help="make accounts, users and groups agree with a roster")
    apply_command.add_argument("roster", help="the CSV, or - for standard input")
    apply_command.add_argument(
        "--passwords", type=Path, help="file to add new people's one-time passwords to"
    )
    apply_command.add_argument(
        "--whole",
        action="store_true",
        help="this is the whole class: whoever has a role that it names, and is not in it, has left",
    )
    apply_command.add_argument("--store", type=Path, default=PATH, help="the accounts' file (%(default)s)")
    apply_command.add_argument("--hub", default=_hub_api(), help="the hub's REST API (%(default)s)")
    apply_command.add_argument("--grading", default=_grading_api(), help="the grading API (%(default)s)")
    asked = parser.parse_args(arguments)

    token = os.environ.get("TT_ROSTER_TOKEN")
    if not token:
        return _sorry("TT_ROSTER_TOKEN is not set. In the hub's container it is: make roster FILE=class.csv.")
    try:
        data = sys.stdin.buffer.read() if asked.roster == "-" else Path(asked.roster).read_bytes()
        people = reading.read(data)
        with_passwords = os.environ.get("TT_AUTH", "accounts") == "accounts"
        store, hub = Store(asked.store), Hub(asked.hub, token)
        outcome = apply(people, store, hub, asked.passwords, asked.whole, with_passwords)
    except reading.RosterError as error:
        more = len(error.faults) - MOST_FAULTS
        rest = [f"... and {more} more."] if more > 0 else []
        return _sorry(*error.faults[:MOST_FAULTS], *rest, "Nothing was changed.")
    except HubError as error:
        return _sorry(f"{error} Once the hub runs, apply the roster again: what is done stays as it is.")
    except (OSError, sqlite3.Error) as error:
        return _sorry(f"Nothing was changed: {error}. Check the path, its owner and the room on the disk.")
    print(outcome.sentence)
    if with_passwords and (outcome.added or outcome.taken_over):
        print(f"One-time passwords: {asked.passwords}")
    try:
        Grading(asked.grading, token).tell(people, asked.whole)
    except GradingError as error:
        return _sorry(f"The roster is applied, but grading was not told: {error} Apply it again later.")
    return 0


def _hub_api() -> str:
    return f"http://127.0.0.1:8081{os.environ.get('TT_BASE_PATH', '/')}hub/api"


def _grading_api() -> str:
    return f"http://api:8300{os.environ.get('TT_BASE_PATH', '/')}services/grading/api"


def _sorry(*sentences: str) -> int:
    print(*sentences, sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
