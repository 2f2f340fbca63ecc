"""The command line of `tito`. A command's code is imported when it is called: `tito status` feels instant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from course.export import NotANotebookError
from course.manifest import ManifestError
from course.tito import TitoError, places
from course.tito.places import Places
from course.tito.terminal import wrapped

Command = Callable[[Places, argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Run a command; a failure is a sentence, never a traceback."""
    given = _parser().parse_args(arguments)
    command: Command = given.command
    try:
        return command(places.find(), given)
    except (TitoError, ManifestError, NotANotebookError) as error:
        print(wrapped(str(error)), file=sys.stderr)
    except OSError as error:
        print(wrapped(f"{error.filename or 'A file'}: {error.strerror or error}."), file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1


def _status(where: Places, _: argparse.Namespace) -> int:
    from course.tito.status import status

    return status(where)


def _start(where: Places, given: argparse.Namespace) -> int:
    from course.tito.start import start

    return start(where, given.slug, given.fresh)


def _test(where: Places, given: argparse.Namespace) -> int:
    from course.tito.testing import test

    return test(where, given.slug)


def _export(where: Places, given: argparse.Namespace) -> int:
    from course.tito.exporting import export

    return export(where, given.slug)


def _submit(where: Places, given: argparse.Namespace) -> int:
    from course.tito.submit import submit_module

    return submit_module(where, given.slug, not given.no_wait)


def _mark(where: Places, given: argparse.Namespace) -> int:
    from course.tito.submit import mark

    return mark(where, given.slug)


def _doctor(where: Places, _: argparse.Namespace) -> int:
    from course.tito.doctor import doctor

    return doctor(where)


def _map(where: Places, given: argparse.Namespace) -> int:
    from course.tito.status import show_map

    return show_map(where, given.track, given.json)


def _milestone(where: Places, given: argparse.Namespace) -> int:
    from course.tito import milestone

    match given.action:
        case "list":
            return milestone.show_list(where)
        case "info":
            return milestone.info(where, given.slug)
        case "run":
            return milestone.run(where, given.slug)
        case _:
            return milestone.submit(where, given.slug, not given.no_wait)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tito", description="Build your own deep-learning framework.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, about: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=about, description=about)
        one.set_defaults(command=command)
        return one

    add("status", _status, "where you are, and what comes next")
    starting = add("start", _start, "get a module's notebook; never overwrites your work")
    starting.add_argument("slug", nargs="?", help="which (default: the next one)")
    starting.add_argument(
        "--fresh", action="store_true", help="begin anew; your work is kept under another name"
    )
    add("test", _test, "run a module's checks on your code").add_argument("slug")
    add("export", _export, "put your code into your tinytorch").add_argument("slug")
    submitting = add("submit", _submit, "hand in a module and see the mark")
    submitting.add_argument("slug")
    _add_no_wait(submitting)
    add("mark", _mark, "see the marks of what you handed in").add_argument("slug", nargs="?")
    add("doctor", _doctor, "is everything there that the course needs?")
    mapping = add("map", _map, "the modules in order")
    mapping.add_argument("--json", action="store_true", help="for programs")
    mapping.add_argument("--track", help="another order")
    actions = add("milestone", _milestone, "what your own framework can do").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    actions.add_parser("list", help="the milestones of your track")
    for name, about in (("info", "what it asks for"), ("run", "run it"), ("submit", "hand it in")):
        action = actions.add_parser(name, help=about)
        action.add_argument("slug")
        if name == "submit":
            _add_no_wait(action)
    return parser


def _add_no_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the mark")


if __name__ == "__main__":
    sys.exit(main())
