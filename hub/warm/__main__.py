"""`python -m hub.warm [--section A]`: starts students' servers ahead of a class, one after the other."""

import argparse
import os
import shutil
import sys
import time
from dataclasses import dataclass, field

from hub import profiles
from hub.roster.hub_api import HubError
from hub.warm.choosing import Choice, NobodyError, choose
from hub.warm.hub_api import Servers
from hub.warm.pace import Pace

IN_A_ROW = 3  # failures after which the others are spared theirs
STOPPED = 130  # what a shell says of a command that was interrupted
BAR = 24  # characters


@dataclass
class Warming:
    """One run: what was done so far."""

    hub: Servers
    pace: Pace
    choice: Choice
    started: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # who, and why
    begun: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Start one after the other; raises HubError and KeyboardInterrupt."""
        in_a_row = 0
        for username in self.choice.cold:
            self._show("waits: the machine is busy")
            self.pace.wait()
            self._show(username)
            reason = self.hub.start(username)
            if reason:
                self.failed[username] = reason
                in_a_row += 1
            else:
                self.started.append(username)
                in_a_row = 0
            if in_a_row == IN_A_ROW:
                raise HubError(f"{IN_A_ROW} starts in a row have failed: the others are not tried.")

    def _show(self, doing: str) -> None:
        """The progress bar, where somebody looks at a terminal."""
        if not sys.stdout.isatty():
            return
        done, whole = len(self.started) + len(self.failed), len(self.choice.cold)
        filled = BAR * done // whole
        line = f"[{'#' * filled}{'.' * (BAR - filled)}] {done} of {whole}"
        if self.started:
            each = (time.monotonic() - self.begun) / done
            line += f", {each * (whole - done):.0f} s left"
        room = shutil.get_terminal_size().columns - 1
        print("\r" + f"{line}  {doing}"[:room], end="\033[K", flush=True)

    def summary(self, stopped: bool) -> str:
        """What was done and what was not, for the one who asked."""
        seconds = time.monotonic() - self.begun
        choice = self.choice
        lines = [
            f"{len(self.started)} started in {seconds:.0f} s, {len(choice.running)} ran already, "
            f"{len(self.failed)} failed."
        ]
        lines += [f"  {username}: {reason}" for username, reason in self.failed.items()]
        left = len(choice.cold) - len(self.started) - len(self.failed)
        if stopped and left:
            lines.append(f"{left} are left: the same command goes on with them.")
        if choice.outside:
            lines.append(
                f"{len(choice.outside)} are not started: the ceiling of memory holds {choice.room} servers "
                "with a notebook open. Raise ceiling.memory, or warm by sections: make warm SECTION=A."
            )
        return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hub.warm", description=__doc__)
    parser.add_argument("--section", default="", help="only the students of this section of the roster")
    parser.add_argument("--hub", default=_hub_api(), help="the hub's REST API (%(default)s)")
    asked = parser.parse_args(arguments)
    needed = ("TT_WARM_TOKEN", "TT_CEILING_STUDENTS_MEMORY_BYTES", "TT_PROFILES")
    missing = [name for name in needed if not os.environ.get(name)]
    if missing:
        return _sorry(f"{missing[0]} is not set. In the hub's container it is: make warm.")
    hub = Servers(asked.hub, os.environ["TT_WARM_TOKEN"])
    memory, admin = int(os.environ["TT_CEILING_STUDENTS_MEMORY_BYTES"]), os.environ.get("TT_ADMIN", "")
    kinds = profiles.read(os.environ["TT_PROFILES"], memory)
    try:
        choice = choose(hub.users(), asked.section, admin, kinds)
    except (NobodyError, HubError) as error:
        return _sorry(str(error))
    except KeyboardInterrupt:
        return STOPPED
    print(
        f"{len(choice.cold)} to start, {len(choice.running)} run already. The ceiling of memory holds "
        f"{choice.room} servers with a notebook open.",
        flush=True,
    )
    warming = Warming(hub, Pace(), choice)
    code = 0
    try:
        warming.run()
    except KeyboardInterrupt:
        code = STOPPED
    except HubError as error:
        _clear()
        code = _sorry(str(error))
    _clear()
    print(warming.summary(stopped=code != 0), flush=True)
    return code or (1 if warming.failed or choice.outside else 0)


def _clear() -> None:
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)


def _hub_api() -> str:
    return f"http://127.0.0.1:8081{os.environ.get('TT_BASE_PATH', '/')}hub/api"


def _sorry(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
