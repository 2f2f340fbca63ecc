"""The settings of this classroom: reads config/classroom.yml, checks it, and tells what is in force.

    python -m config.settings check                 is the file right? (`make deploy` asks first)
    python -m config.settings show                  the settings in force
    python -m config.settings explain student       what a group or key means
    python -m config.settings ansible               settings and all that follows from them, as JSON
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
from config.checking import Settings
from config.deriving import Machine
from config.problems import SettingsError
from config.units import parse_size

DEFAULT_FILE = Path(__file__).with_name("classroom.yml")


def load(path: Path | None = None) -> Settings:
    """The settings in force, every key filled. Raises SettingsError with all that is wrong."""
    return checking.check(_document(path or DEFAULT_FILE))


def ansible(document: reading.Document, machine: Machine, cgroup_driver: str) -> dict[str, object]:
    """What Ansible needs: the settings, what follows from them, and the environment of the containers.

    Raises:
        SettingsError: the file is wrong, or does not fit the machine.
    """
    settings = checking.check(document)
    memory, cpus = deriving.ceiling_memory(settings, machine), deriving.ceiling_cpus(settings, machine)
    checking.check_machine(document, settings, machine.memory, machine.cpus, memory, cpus)
    derived = deriving.derive(settings, machine, cgroup_driver)
    return {"classroom": settings, "derived": derived, "environment": deriving.environment(settings, derived)}


def _document(path: Path) -> reading.Document:
    shown = os.path.relpath(path)
    return reading.read(path, str(path) if shown.startswith("..") else shown)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size. Write a number with a unit, like 16G.") from None


def _arguments() -> argparse.Namespace:
    this = Machine.this()
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", type=Path, metavar="FILE", default=Path(os.environ.get("CONFIG") or DEFAULT_FILE),
        help="another settings file than config/classroom.yml (also: the environment variable CONFIG)")
    parser = argparse.ArgumentParser(prog="python -m config.settings", description="The settings of this classroom.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("check", parents=[common], help="is the settings file right?")
    commands.add_parser("show", parents=[common], help="the settings in force, as YAML")
    explain = commands.add_parser("explain", help="what a group or key means")
    explain.add_argument("key", nargs="?", metavar="KEY", help="like student or student.memory; without it, everything")
    flat = commands.add_parser("ansible", parents=[common], help="settings and all that follows from them, as JSON")
    flat.add_argument("--machine-memory", type=_size, metavar="SIZE", default=this.memory,
                      help="memory of the classroom's machine, when that is not this one")
    flat.add_argument("--machine-cpus", type=int, metavar="N", default=this.cpus,
                      help="CPUs of the classroom's machine, when that is not this one")
    flat.add_argument("--cgroup-driver", choices=deriving.CGROUP_DRIVERS, default="cgroupfs",
                      help="how its engine names control groups (docker info)")
    commands.add_parser("schema-doc", help="the page docs/reference/settings.md")
    return parser.parse_args()


def main() -> int:
    """Run one command; 0 when all is well, 1 when the settings are wrong."""
    arguments = _arguments()
    try:
        if arguments.command == "explain":
            print(explaining.explain(arguments.key))
        elif arguments.command == "schema-doc":
            print(explaining.page(), end="")
        else:
            document = _document(arguments.config)
            if arguments.command == "ansible":
                machine = Machine(arguments.machine_memory, arguments.machine_cpus)
                print(json.dumps(ansible(document, machine, arguments.cgroup_driver), indent=2, ensure_ascii=False))
            elif arguments.command == "show":
                print(explaining.show(document, checking.check(document)), end="")
            else:
                checking.check(document)
                print(f"{document.file} is right.")
    except (SettingsError, explaining.UnknownKey) as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # `... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
