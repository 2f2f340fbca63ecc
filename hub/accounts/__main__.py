"""`python -m hub.accounts reset USER`: a new one-time password for someone who forgot theirs."""

import argparse
import sqlite3
import sys
from pathlib import Path

from hub.accounts import names, passwords
from hub.accounts.store import PATH, Store


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hub.accounts", description=__doc__)
    parser.add_argument("--store", type=Path, default=PATH, help="the accounts' file (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    reset = commands.add_parser("reset", help="give an account a new one-time password, and show it")
    reset.add_argument("username")
    asked = parser.parse_args(arguments)

    username = names.normalise(asked.username)
    password = passwords.one_time()
    try:
        if not asked.store.is_file():
            return _sorry(f"There are no accounts in {asked.store}. Start the hub once; it makes them.")
        found = Store(asked.store).set_password(
            username, passwords.hashed_one_time(password), one_time=True, by="make reset"
        )
    except (OSError, sqlite3.Error) as error:
        return _sorry(f"{asked.store} cannot be changed ({error}). Is it yours, and is there room?")
    if not found:
        return _sorry(f"There is no account {username!r}. Check the spelling; a roster adds new ones.")
    print(f"One-time password of {username}: {password}")
    print("It is changed at the next sign-in. Browsers still signed in as them are asked within minutes.")
    return 0


def _sorry(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
