"""`python -m hub.signin forget USER`: frees an account for whoever signs in under its name next."""

import argparse
import sqlite3
import sys
from pathlib import Path

from hub.accounts import names
from hub.accounts.store import PATH, Store
from hub.signin.identities import forget


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hub.signin", description=__doc__)
    parser.add_argument("--store", type=Path, default=PATH, help="the accounts' file (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    forgetting = commands.add_parser("forget", help="free an account from the person who has it")
    forgetting.add_argument("username")
    asked = parser.parse_args(arguments)

    username = names.normalise(asked.username)
    try:
        if not asked.store.is_file():
            return _sorry(f"There are no accounts in {asked.store}. Start the hub once; it makes them.")
        found = forget(Store(asked.store), username)
    except (OSError, sqlite3.Error) as error:
        return _sorry(f"{asked.store} cannot be changed ({error}). Is it yours, and is there room?")
    if not found:
        return _sorry(f"Nobody of the campus has signed in as {username!r} yet. Check the spelling.")
    print(f"{username} belongs to nobody now. Whoever the campus calls so next gets its work and marks.")
    return 0


def _sorry(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
