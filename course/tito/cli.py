"""The command line of `tito`. A command's code is imported when it is called: `tito status` feels instant."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import overload

from course.export import NotANotebookError
from course.manifest import ManifestError
from course.tito import TitoError, places
from course.tito.places import Places
from course.tito.terminal import wrapped

WHICH = "a module's slug, or its number in your track"

Command = Callable[[Places, argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Run a command; a failure is a sentence, never a traceback."""
    given = _parser().parse_args(arguments)
    command: Command = given.command
    try:
        code = command(places.find(), given)
        sys.stdout.flush()
        return code
    except (TitoError, ManifestError, NotANotebookError) as error:
        print(wrapped(str(error)), file=sys.stderr)
    except BrokenPipeError:  # nobody reads on, as in `tito test adding | head`
        # What is left to print must not fail at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
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

    return start(where, _slug(where, given.module), given.fresh)


def _update(where: Places, given: argparse.Namespace) -> int:
    from course.tito.update import update

    return update(where, _slug(where, given.module))


def _test(where: Places, given: argparse.Namespace) -> int:
    from course.tito.testing import test

    return test(where, _slug(where, given.module))


def _export(where: Places, given: argparse.Namespace) -> int:
    from course.tito.exporting import export

    return export(where, _slug(where, given.module))


def _submit(where: Places, given: argparse.Namespace) -> int:
    from course.tito.submit import submit_module

    return submit_module(where, _slug(where, given.module), not given.no_wait)


def _mark(where: Places, given: argparse.Namespace) -> int:
    from course.tito.submit import mark

    return mark(where, _slug(where, given.module))


def _hint(where: Places, given: argparse.Namespace) -> int:
    from course.tito.hints import hint

    return hint(where, _slug(where, given.name))


def _restore(where: Places, given: argparse.Namespace) -> int:
    from course.tito.restore import restore

    return restore(where, _slug(where, given.module))


def _catch_up(where: Places, given: argparse.Namespace) -> int:
    from course.tito.restore import catch_up

    return catch_up(where, _slug(where, given.module))


def _bridge(where: Places, given: argparse.Namespace) -> int:
    from course.tito.bridge import bridge

    return bridge(where, _slug(where, given.module))


def _checkpoint(where: Places, _: argparse.Namespace) -> int:
    from course.tito.checkpoint import show_all

    return show_all(where)


def _doctor(where: Places, _: argparse.Namespace) -> int:
    from course.tito.doctor import doctor

    return doctor(where)


def _ask(_: Places, given: argparse.Namespace) -> int:
    from course.tito.ask import ask

    return ask(given.path, given.message, given.delete)


def _map(where: Places, given: argparse.Namespace) -> int:
    from course.tito.status import show_map

    return show_map(where, given.track, given.json)


def _milestone(where: Places, given: argparse.Namespace) -> int:
    from course.tito import milestone

    if given.action == "list":
        return milestone.show_list(where)
    if given.action == "history" and given.milestone is None:
        return milestone.history(where, None)
    slug = places.milestone_of(places.manifest(where), given.milestone)
    match given.action:
        case "history":
            return milestone.history(where, slug)
        case "info":
            return milestone.info(where, slug)
        case "run":
            return milestone.run(where, slug, given.quick)
        case _:
            return milestone.submit(where, slug, not given.no_wait)


@overload
def _slug(where: Places, text: str) -> str: ...
@overload
def _slug(where: Places, text: None) -> None: ...
def _slug(where: Places, text: str | None) -> str | None:
    """A number stands for the module that has it in the track."""
    return None if text is None else places.slug_of(places.manifest(where), text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tito", description="Build your own deep-learning framework.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, about: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=about, description=about)
        one.set_defaults(command=command)
        return one

    add("status", _status, "where you are, what comes next and why, points and deadlines")
    starting = add(
        "start", _start, "get a module's notebook or a milestone's script; never overwrites your work"
    )
    starting.add_argument("module", nargs="?", help=f"{WHICH}; default: the next one")
    starting.add_argument(
        "--fresh", action="store_true", help="begin anew; your work is kept under another name"
    )
    updating = add("update", _update, "get the course's corrections of what you have begun; your work stays")
    updating.add_argument("module", nargs="?", help=f"{WHICH}; default: all that you have begun")
    add("test", _test, "run a module's checks on your code").add_argument("module", help=WHICH)
    hinting = add("hint", _hint, "the next hint; it is noted, and costs no points")
    hinting.add_argument("name", nargs="?", help=f"an exercise, or a module: {WHICH}; default: where you are")
    exporting = add("export", _export, "put your code into your tinytorch, and see what it can do now")
    exporting.add_argument("module", help=WHICH)
    submitting = add("submit", _submit, "hand in a module and see the mark")
    submitting.add_argument("module", help=WHICH)
    _add_no_wait(submitting)
    marking = add("mark", _mark, "see the marks of what you handed in")
    marking.add_argument("module", nargs="?", help=f"{WHICH}, or a milestone; default: all")
    restoring = add(
        "restore", _restore, "the course's own solution of a module whose deadline is over; it is noted"
    )
    restoring.add_argument("module", help=WHICH)
    catching = add(
        "catch-up", _catch_up, "the course's own solutions of what you lack before a module; it is noted"
    )
    catching.add_argument("module", help=WHICH)
    telling = add("bridge", _bridge, "the story so far, with your own figures and guesses")
    telling.add_argument("module", nargs="?", help=f"{WHICH}; default: all that you exported")
    add("checkpoint", _checkpoint, "what your own framework can do now")
    add("doctor", _doctor, "is everything there that the course needs?")
    asking = add("ask", _ask, "a question to the grading service, for what has no command of its own")
    asking.add_argument("path", help="such as calendar: docs/reference/grading-api.md has all, after api/")
    asking.add_argument("message", nargs="?", help="JSON to be sent")
    asking.add_argument("--delete", action="store_true", help="take back what the path names")
    mapping = add("map", _map, "the modules in order")
    mapping.add_argument("--json", action="store_true", help="for programs")
    mapping.add_argument("--track", help="another order")
    actions = add("milestone", _milestone, "put your own framework to the test").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    actions.add_parser("list", help="the milestones of your track")
    for name, about in (("info", "what it asks for"), ("run", "run it"), ("submit", "hand it in")):
        action = actions.add_parser(name, help=about)
        action.add_argument("milestone", help="a slug, or its number in the list")
        if name == "run":
            action.add_argument(
                "--quick", action="store_true", help="a demonstration in seconds, on small digits"
            )
        if name == "submit":
            _add_no_wait(action)
    telling = actions.add_parser("history", help="every attempt that you handed in")
    telling.add_argument("milestone", nargs="?", help="a slug, or its number in the list; default: all")
    return parser


def _add_no_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the mark")


if __name__ == "__main__":
    sys.exit(main())
