"""The settings of this classroom: reads config/classroom.yml, checks it, and tells what is in force.

    python -m config.settings check                 is the file right? (`make deploy` asks first)
    python -m config.settings show                  the settings in force
    python -m config.settings get classroom.name    one value, for scripts
    python -m config.settings explain student       what a group or key means
    python -m config.settings ansible               settings and all that follows from them, as JSON
    python -m config.settings address               where a browser finds the classroom
    python -m config.settings welcome               where the classroom is, and how the admin gets in
    python -m config.settings schema-doc            the page docs/reference/settings.md

Needs Python 3.10, PyYAML and jsonschema, nothing else: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from config import checking, deriving, explaining, reading
from config.agreeing import Settings
from config.deriving import Machine
from config.problems import SettingsError
from config.units import parse_size

DEFAULT_FILE = Path(__file__).with_name("classroom.yml")


def load(path: Path = DEFAULT_FILE) -> Settings:
    """The settings in force, every key filled. Raises SettingsError with all that is wrong."""
    return checking.check(_document(path))


def for_ansible(document: reading.Document, machine: Machine) -> dict[str, object]:
    """What Ansible needs: settings, the containers' environment, control groups for each kind of engine.

    Raises:
        SettingsError: the file is wrong, or does not fit the machine.
    """
    settings = checking.check(document)
    checking.check_ceiling(
        document,
        settings,
        machine=(machine.memory, machine.cpus),
        ceiling=(deriving.ceiling_memory(settings, machine), deriving.ceiling_cpus(settings, machine)),
    )
    return {
        "classroom": settings,
        "environment": deriving.environment(settings, machine),
        "cgroups": deriving.cgroups(settings),
    }


def _document(path: Path) -> reading.Document:
    shown = os.path.relpath(path)
    return reading.read(path, str(path) if shown.startswith("..") else shown)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size. Write a number with a unit, like 16G."
        ) from None


def _arguments() -> argparse.Namespace:
    this = Machine.this()
    file = argparse.ArgumentParser(add_help=False)
    file.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=Path(os.environ.get("CONFIG") or DEFAULT_FILE),
        help="another settings file than config/classroom.yml (also: the environment variable CONFIG)",
    )
    parser = argparse.ArgumentParser(
        prog="python -m config.settings", description="The settings of this classroom."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("check", parents=[file], help="is the settings file right?")
    commands.add_parser("show", parents=[file], help="the settings in force, as YAML")
    get = commands.add_parser("get", parents=[file], help="one value, for scripts")
    get.add_argument("key", metavar="KEY", help="like classroom.name")
    explain = commands.add_parser("explain", help="what a group or key means")
    explain.add_argument(
        "key", nargs="?", metavar="KEY", help="like student or student.memory; all without it"
    )
    ansible = commands.add_parser(
        "ansible", parents=[file], help="all that follows from the settings, as JSON"
    )
    ansible.add_argument(
        "--machine-memory",
        type=_size,
        metavar="SIZE",
        default=this.memory,
        help="memory of the classroom's machine, when that is not this one",
    )
    ansible.add_argument(
        "--machine-cpus",
        type=int,
        metavar="N",
        default=this.cpus,
        help="CPUs of the classroom's machine, when that is not this one",
    )
    commands.add_parser("address", parents=[file], help="where a browser finds the classroom")
    commands.add_parser("welcome", parents=[file], help="where the classroom is, and how the admin gets in")
    commands.add_parser("schema-doc", help="the page docs/reference/settings.md")
    return parser.parse_args()


def _answer(arguments: argparse.Namespace) -> str:
    if arguments.command == "explain":
        return explaining.explain(arguments.key)
    if arguments.command == "schema-doc":
        return explaining.page()
    document = _document(arguments.config)
    if arguments.command == "ansible":
        machine = Machine(arguments.machine_memory, arguments.machine_cpus)
        return json.dumps(for_ansible(document, machine), indent=2, ensure_ascii=False)
    settings = checking.check(document)
    if arguments.command == "show":
        return explaining.show(document, settings)
    if arguments.command == "get":
        return explaining.get(settings, arguments.key)
    if arguments.command == "address":
        return explaining.address(settings)
    if arguments.command == "welcome":
        other = "" if arguments.config.resolve() == DEFAULT_FILE else f" CONFIG={document.file}"
        return explaining.welcome(settings, other)
    return f"{document.file} is right."


def main() -> int:
    """Run one command; 0 when all is well, 1 when the settings or the question are wrong."""
    try:
        print(_answer(_arguments()).rstrip("\n"), flush=True)
    except (SettingsError, explaining.UnknownKeyError) as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # `... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
