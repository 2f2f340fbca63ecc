"""Run one function in a fork, for so long and no longer, and take back what it computed."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from course.probing import OutputError, normalise
from grading.sandbox import frames
from grading.sandbox.isolation import end_child, enter_child
from grading.sandbox.sources import Sources

KEPT_OUTPUT = 300  # bytes of what a student's code printed, for the reason when it ends without an answer
GLANCE = 0.05  # seconds between two looks whether the child has ended, for when another holds its pipe open


@dataclass(frozen=True)
class Outcome:
    """What became of one fork: the header and data of the frame to send."""

    header: frames.Header
    data: bytes = b""


class Capture:
    """Reads a descriptor and keeps what comes up to a limit; the rest is dropped, and `full` tells so."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self.descriptor = descriptor
        self.limit = limit
        self.kept = bytearray()
        self.full = False
        self.open = True

    def read(self) -> None:
        """Take what is there."""
        chunk = b""
        with contextlib.suppress(BlockingIOError, InterruptedError):
            chunk = os.read(self.descriptor, 1 << 16)
            self.open = bool(chunk)
        self.kept += chunk[: self.limit - len(self.kept)]
        self.full = self.full or len(chunk) > self.limit - len(self.kept)


def run(function: Callable[[], object], seconds: float, memory: int, sources: Sources) -> Outcome:
    """Fork, run, and return what became of it.

    Args:
        function: what to run in the child; returns what `course.probing.normalise` understands.
        seconds: wall time after which the child and everything it started is ended.
        memory: bytes of address space for the child.
        sources: where the student's code is, for the line to name when it raises.
    """
    result_in, result_out = os.pipe()
    printed_in, printed_out = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(function, memory, sources, result_out, printed_out)
    os.close(result_out)
    os.close(printed_out)
    result = Capture(result_in, frames.MAX_FRAME)
    printed = Capture(printed_in, KEPT_OUTPUT)
    try:
        late = _follow(child, result, printed, started + seconds)
    finally:
        status = end_child(child)
        os.close(result_in)
        os.close(printed_in)
    return _outcome(result, printed, status, late, time.monotonic() - started, seconds)


def _follow(child: int, result: Capture, printed: Capture, deadline: float) -> bool:
    """Read until the answer is whole, the child has ended, or the time is up (then True)."""
    poll = select.poll()
    captures = {each.descriptor: each for each in (result, printed)}
    for descriptor in captures:
        os.set_blocking(descriptor, False)
        poll.register(descriptor, select.POLLIN)
    ended = False
    needed = None
    while not result.full:
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        events = poll.poll(0 if ended else min(left, GLANCE) * 1000)
        for descriptor, _ in events:
            captures[descriptor].read()
            if not captures[descriptor].open:
                poll.unregister(descriptor)
        needed = needed if needed is not None else frames.length(result.kept)
        if not result.open or (needed is not None and len(result.kept) >= needed):
            return False
        if ended and not events:  # nothing more to read from it; whoever else holds the pipe does not count
            return False
        if not events and not ended:
            ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return False


def _outcome(
    result: Capture, printed: Capture, status: int, late: bool, took: float, seconds: float
) -> Outcome:
    base: frames.Header = {"seconds": round(took, 4)}
    answer = None if late or result.full else frames.understood(result.kept)
    if answer is not None:
        return Outcome({**base, **answer[0]}, answer[1])
    said = printed.kept.decode("utf-8", "replace").strip()
    said = f" It had printed: {said}" if said else ""
    if late:
        return Outcome({**base, "status": "timeout", "message": f"after {seconds:.3g} seconds.{said}"})
    if result.full or result.kept:
        return Outcome({**base, "status": "output", "message": "sent back something that is no answer."})
    signalled = os.WIFSIGNALED(status)
    number = os.WTERMSIG(status) if signalled else os.waitstatus_to_exitcode(status)
    how = f"was ended by signal {number}" if signalled else f"ended its process (exit code {number})"
    return Outcome({**base, "status": "crash", "message": f"{how} before it had answered.{said}"})


def _child(
    function: Callable[[], object], memory: int, sources: Sources, result_out: int, printed_out: int
) -> None:
    """The child's whole life. It keeps two descriptors: where it prints, and where it answers."""
    try:
        enter_child(memory)
        os.dup2(printed_out, 1)
        os.dup2(printed_out, 2)
        os.dup2(result_out, 3)
        os.closerange(4, 256)
        try:
            answer = frames.of_arrays(normalise(function()))
        except BaseException as error:
            answer = frames.frame({"status": "error", "message": describe(error, sources)})
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
        frames.write(3, answer)
    finally:
        os._exit(0)


def describe(error: BaseException, sources: Sources) -> str:
    """An exception in one line, with the line of the student's code that raised it."""
    text = " ".join(str(error)[:1000].split())[:200]
    if isinstance(error, OutputError):
        return text
    place = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        line = sources.line(code.co_filename, trace.tb_lineno)
        if line:
            place = f" (in {code.co_name}: `{line[:100]}`)"
        trace = trace.tb_next
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
