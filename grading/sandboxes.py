"""What the worker asks for: bytes into a throw-away container, bytes out. Who runs it is the gate's
business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class SandboxUnavailable(Exception):  # noqa: N818  # nothing is wrong but the moment
    """No sandbox could be had just now; the submission is as good as new, and stays queued."""


class SandboxSilent(Exception):  # noqa: N818  # an accident, perhaps
    """A sandbox ended without a word; it is worth one more try."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use: wall seconds, bytes of memory, bytes of output.

    Attributes:
        training: with the classroom's data sets, and for as long as a training may take.
    """

    seconds: float
    memory: int
    output: int
    training: bool = False


@dataclass(frozen=True)
class SandboxResult:
    """What came back: how it ended (ok, timeout, oom, output, failed), and what it wrote. Never to be
    trusted."""

    exit: str
    output: bytes


class Sandbox(Protocol):
    """Runs one task in a throw-away container."""

    def run(self, task: bytes, limits: Limits) -> SandboxResult:
        """Run it.

        Raises:
            SandboxUnavailable: it was not run, or nothing is known about it; it may be run again.
        """
