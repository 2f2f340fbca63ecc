"""`python -m course.datasets fetch NAME... --into DIR [--local FOLDER] [--mirror URL]`, and `status`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from course.datasets import DatasetError, folder
from course.datasets.fetch import fetch, is_current
from course.datasets.registry import Dataset, get, read
from course.datasets.sources import NoSourceError, Sources


def main(arguments: list[str] | None = None, registry: Mapping[str, Dataset] | None = None) -> int:
    """Run a command; 1 if something must be mended."""
    given = _parser().parse_args(arguments)
    registry = read() if registry is None else registry
    try:
        if given.command == "status":
            return _status(registry, given.into)
        wanted = [get(registry, name) for name in given.names or registry]
        sources = Sources(given.local, given.mirror)
        missing = sum(not _fetch(dataset, given.into, sources) for dataset in wanted)
        return 1 if missing and not given.optional else 0
    except DatasetError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or given.into}: {error.strerror}.", file=sys.stderr)
    return 1


def _fetch(dataset: Dataset, into: Path, sources: Sources) -> bool:
    """Fetch one set and say so; False if no source in reach has it."""
    try:
        done = fetch(dataset, into, sources)
    except NoSourceError as error:
        names = ", ".join(file.name for file in dataset.files)
        print(
            f"{dataset.name}: missing, no source in reach ({error}). To add it, put {names} into FOLDER/"
            f"{dataset.name}/ and name FOLDER (datasets.local in config/classroom.yml, or --local), "
            "or name a mirror (datasets.mirror, or --mirror).",
            file=sys.stderr,
        )
        return False
    # The first word is for programs: whether anything was changed.
    print(f"{'ready' if done else 'there'} {dataset.name}: {into / dataset.name}", flush=True)
    return True


def _status(registry: Mapping[str, Dataset], into: Path) -> int:
    for dataset in registry.values():
        state = "there" if is_current(dataset, into) else "shipped" if dataset.shipped else "missing"
        print(f"{dataset.name:16} {state:8} {dataset.title}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="course.datasets", description="Get the course's data sets.")
    commands = parser.add_subparsers(dest="command", required=True)
    getting = commands.add_parser("fetch", help="get data sets, verified and converted")
    getting.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    getting.add_argument("--local", type=Path, metavar="FOLDER", help="look here first")
    getting.add_argument("--mirror", metavar="URL", help="then here: URL/NAME/FILE")
    getting.add_argument("--optional", action="store_true", help="a set without a source is no failure")
    showing = commands.add_parser("status", help="which data sets are there")
    for command in (getting, showing):
        command.add_argument("--into", type=Path, default=folder(), metavar="DIR", help="where the sets lie")
    return parser


if __name__ == "__main__":
    sys.exit(main())
