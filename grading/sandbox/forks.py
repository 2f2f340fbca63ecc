"""Run functions in a fork, each for so long and no longer, and take back what they computed.

The functions of one call share a fork, one after the other, as long as each answers: a fork costs 4 to 5 ms,
a function mostly less than one. What ends the fork (too late, crashed, no answer) ends it for one function
only; the ones after it get another.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from course.probing import OutputError, normalise
from grading.sandbox import frames
from grading.sandbox.isolation import end_child, enter_child, fork
from grading.sandbox.sources import Sources

KEPT_OUTPUT = 300  # bytes of what a student's code printed, for the reason when it ends without an answer
GLANCE = 0.05  # seconds between two looks whether the child has ended, for when another holds its pipe open

Function = Callable[[], object]


@dataclass(frozen=True)
class Outcome:
    """What became of one function: the header and data of the frame to send."""

    header: frames.Header
    data: bytes = b""


@dataclass(frozen=True)
class Budget:
    """What functions may use: wall seconds each, until a deadline (monotonic) for all, bytes of address
    space."""

    seconds: float
    deadline: float
    memory: int

    def left(self) -> float:
        """Seconds for the function that begins now."""
        return min(self.seconds, self.deadline - time.monotonic())


def run(functions: Sequence[Function], budget: Budget, sources: Sources) -> Iterator[Outcome]:
    """Run functions and yield what became of each, in order.

    Args:
        functions: each returns what `course.probing.normalise` understands.
        sources: where the student's code is, for the line to name when it raises.
    """
    at = 0
    while at < len(functions):
        if budget.left() <= 0:
            at += 1
            yield _fault("timeout", "was not run: the time for all questions together was over.")
            continue
        fork = Fork(functions[at:], budget, sources)
        try:
            for _ in range(at, len(functions)):
                seconds = budget.left()
                outcome = fork.next(seconds)
                if outcome is None:
                    break
                at += 1
                yield outcome
        finally:
            fork.end()
        if outcome is None:
            at += 1
            yield fork.fault(seconds)


class Fork:
    """One child and the two pipes from it: what it answers, and what it prints."""

    def __init__(self, functions: Sequence[Function], budget: Budget, sources: Sources) -> None:
        self.answers, answers_out = os.pipe()
        self.printed, printed_out = os.pipe()
        self.child = fork()
        if self.child == 0:
            _child(functions, budget.memory, sources, answers_out, printed_out)
        os.close(answers_out)
        os.close(printed_out)
        self.received = bytearray()
        self.said = bytearray()
        self.late = False
        self.status = 0
        self.poll = select.poll()
        for descriptor in (self.answers, self.printed):
            os.set_blocking(descriptor, False)
            self.poll.register(descriptor, select.POLLIN)

    def next(self, seconds: float) -> Outcome | None:
        """Wait for the next answer; None if there will be none."""
        started = time.monotonic()
        length = None
        ended = False
        while True:
            length = length if length is not None else frames.length(self.received)
            if length is not None and len(self.received) >= length:
                return self._taken(length, time.monotonic() - started)
            left = started + seconds - time.monotonic()
            self.late = left <= 0
            if self.late or len(self.received) > frames.MAX_FRAME:
                return None
            ready = self.poll.poll(0 if ended else min(left, GLANCE) * 1000)
            if not ready and ended:  # nothing is left to read; whoever else holds the pipe does not count
                return None
            if not ready:
                ended = os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            for descriptor, _ in ready:
                if not self._read(descriptor):
                    return None

    def end(self) -> None:
        """End the child and all that it started."""
        self.status = end_child(self.child)
        with contextlib.suppress(BlockingIOError):  # what it said last
            self.said += os.read(self.printed, KEPT_OUTPUT)[: KEPT_OUTPUT - len(self.said)]
        os.close(self.answers)
        os.close(self.printed)

    def fault(self, seconds: float) -> Outcome:
        """Why the last answer did not come."""
        said = self.said.decode("utf-8", "replace").strip()
        said = f" It had printed: {said}" if said else ""
        if self.late:
            stopped = f"was still running, and was stopped after {max(0.0, seconds):.3g} seconds."
            return _fault("timeout", f"{stopped} Is there an endless loop?{said}")
        if self.received:
            return _fault("output", "What came back is no answer.")
        number = os.waitstatus_to_exitcode(self.status)
        how = f"was ended by signal {-number}" if number < 0 else f"ended its process (exit code {number})"
        return _fault("crash", f"{how} before it had answered.{said}")

    def _read(self, descriptor: int) -> bool:
        """Take what is there; False when no more answers can come."""
        chunk = os.read(descriptor, 1 << 18)
        if descriptor == self.answers:
            self.received += chunk
            return bool(chunk)
        self.said += chunk[: KEPT_OUTPUT - len(self.said)]
        if not chunk:
            self.poll.unregister(descriptor)
        return True

    def _taken(self, length: int, took: float) -> Outcome | None:
        """The answer that has arrived; None if it is none."""
        understood = frames.understood(self.received[:length])
        if understood is None:
            return None
        del self.received[:length]
        return Outcome({"seconds": round(took, 4), **understood[0]}, understood[1])


def _fault(status: str, message: str) -> Outcome:
    return Outcome({"status": status, "message": message})


def _child(
    functions: Sequence[Function], memory: int, sources: Sources, answers_out: int, printed_out: int
) -> None:
    """The child's whole life. It keeps two descriptors: where it prints, and where it answers."""
    try:
        enter_child(memory)
        os.dup2(printed_out, 1)
        os.dup2(printed_out, 2)
        os.dup2(answers_out, 3)
        os.closerange(4, 256)
        for function in functions:
            answer = _answer(function, sources)
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
            frames.write(3, answer)
    finally:
        os._exit(0)


def _answer(function: Function, sources: Sources) -> bytes:
    try:
        return frames.of_arrays(normalise(function()))
    except OutputError as error:
        return frames.frame({"status": "output", "message": str(error)})
    except BaseException as error:
        return frames.frame({"status": "error", "message": _described(error, sources)})


def _described(error: BaseException, sources: Sources) -> str:
    """An exception in one line, with the line of the student's code that raised it."""
    text = " ".join(str(error)[:1000].split())[:200]
    place = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        line = sources.line(code.co_filename, trace.tb_lineno)
        if line:
            place = f" (in {code.co_name}: `{line[:100]}`)"
        trace = trace.tb_next
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
