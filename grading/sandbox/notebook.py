"""The cells of an instructor's own notebook, run in order in one fork, with what each of them put out.

Here the assertions are in the cells, so the student's code and what judges it share a process: it can forge
every output. The parent only sees to it that each cell has so long and so many bytes, and that what it passes
on is well formed. A last word is the worker's (grading/worker/execution.py), with its canaries.

Lines of JSON go out: one a cell, {"cell": place, "outputs": [...]}, then {"end": why}.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import Any

from grading.sandbox import frames
from grading.sandbox.isolation import end_child, enter_child, fork

WORK = Path(tempfile.gettempdir()) / "assignment"
MOST_CELL = 2 * 1024 * 1024  # bytes of one cell's outputs, as JSON
MOST_ALL = 8 * 1024 * 1024  # of all cells' outputs
MOST_SAID = 64 * 1024  # bytes that a cell wrote past Python: of a program it started, say
GLANCE = 0.05  # seconds between two looks whether the child has ended, for when another holds its pipe open

Output = dict[str, Any]
Task = dict[str, Any]


class UnsafeName(ValueError):  # noqa: N818  # says what it is
    """A file's name leads out of the assignment's folder."""


def run_notebook(task: Task, out: int) -> None:
    """Run a notebook's code cells.

    Args:
        task: `cells` (sources, None for a cell without code), `files` (path: base64), `per_cell_seconds`,
            `seconds` in all, `memory` in bytes.
    """
    try:
        write_files(WORK, task["files"])
    except (OSError, ValueError) as problem:
        frames.write(out, line({"end": "files", "note": f"A file could not be written: {problem}"[:400]}))
        return
    deadline = time.monotonic() + task["seconds"]
    run = Run(task["cells"], task["memory"])
    room = MOST_ALL
    try:
        run.outputs(task["seconds"], MOST_CELL)  # to import IPython takes no cell's time
        for place, source in enumerate(task["cells"]):
            if source is not None:
                seconds = min(task["per_cell_seconds"], deadline - time.monotonic())
                outputs = run.outputs(seconds, min(MOST_CELL, room))
                room -= len(line(outputs))
                frames.write(out, line({"cell": place, "outputs": outputs}))
    finally:
        run.end()
    frames.write(out, line({"end": run.stopped or "ok"}))


def line(value: object) -> bytes:
    """JSON in one line of ASCII."""
    return json.dumps(value).encode("ascii") + b"\n"


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write the assignment's files, each under a plain relative path.

    Raises:
        UnsafeName: a path leads elsewhere.
        OSError: there is no room, or a file is in a folder's way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = PurePosixPath(name)
        if not name or path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
            raise UnsafeName(f"{name!r} is no plain relative path.")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(base64.b64decode(text))


def error(name: str, value: str) -> Output:
    """An error that the student's code did not raise itself."""
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": [f"{name}: {value}"]}


class Run:
    """The fork that runs the cells, and its pipes: the word to go on, outputs, what was written past Python.

    Attributes:
        stopped: why no more cells run ('timeout', 'output', 'crash'); None while they do.
    """

    def __init__(self, cells: list[str | None], memory: int) -> None:
        self.stopped: str | None = None
        self.received = bytearray()
        self.said = bytearray()
        self.answers, answers_out = os.pipe()
        self.printed, printed_out = os.pipe()
        go_in, self.go = os.pipe()
        self.child = fork()
        if self.child == 0:
            code = [source for source in cells if source is not None]
            _child(code, memory, answers_out, printed_out, go_in)
        for theirs in (answers_out, printed_out, go_in):
            os.close(theirs)
        self.poll = select.poll()
        for descriptor in (self.answers, self.printed):
            os.set_blocking(descriptor, False)
            self.poll.register(descriptor, select.POLLIN)

    def outputs(self, seconds: float, most: int) -> list[Output]:
        """What the next cell puts out, or why it puts out nothing."""
        if self.stopped:
            return [error("NotRun", "This cell was not run, because a cell before it was stopped.")]
        with contextlib.suppress(BrokenPipeError):
            os.write(self.go, b".")  # else a cell could run, and print, in the time of the one before
        why = self._receive(seconds, most)
        if why is None:
            came = self._taken()
            if came is not None:
                return came
            why = "crash"
        self.stopped = why
        self.end()
        said = self._said()
        reasons = {
            "timeout": f"The cell was still running, and was stopped after {max(0.0, seconds):.3g} seconds.",
            "output": "The cell put out more than is kept, and was stopped.",
            "crash": "The cell ended its process, or used more memory than there is.",
        }
        name = {"timeout": "Timeout", "output": "TooMuchOutput", "crash": "Crash"}[why]
        return [*said, error(name, reasons[why])]

    def end(self) -> None:
        """End the child and all that it started."""
        if self.child:
            end_child(self.child)
            self.child = 0
            with contextlib.suppress(BlockingIOError):
                self.said += os.read(self.printed, MOST_SAID)
            for ours in (self.answers, self.printed, self.go):
                os.close(ours)

    def _receive(self, seconds: float, most: int) -> str | None:
        """Wait for one answer; why there is none, or None."""
        until = time.monotonic() + seconds
        ended = False
        while (length := self._length()) is None or len(self.received) < 4 + length:
            left = until - time.monotonic()
            if left <= 0:
                return "timeout"
            if length is not None and length > most:
                return "output"
            ready = self.poll.poll(0 if ended else min(left, GLANCE) * 1000)
            if not ready and ended:
                return "crash"
            if not ready:
                ended = os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            for descriptor, _ in ready:
                chunk = os.read(descriptor, 1 << 18)
                if descriptor == self.answers:
                    self.received += chunk
                    if not chunk:
                        return "crash"
                elif chunk:
                    self.said += chunk[: MOST_SAID - len(self.said)]
                else:
                    self.poll.unregister(descriptor)
        return None if length <= most else "output"

    def _length(self) -> int | None:
        return int.from_bytes(self.received[:4], "big") if len(self.received) >= 4 else None

    def _taken(self) -> list[Output] | None:
        """The answer that has arrived; None if it is none."""
        length = self._length() or 0
        try:
            came = json.loads(self.received[4 : 4 + length])
        except (ValueError, RecursionError):
            return None
        del self.received[: 4 + length]
        if not isinstance(came, list) or not all(isinstance(each, dict) for each in came):
            return None
        return [*self._said(), *came]

    def _said(self) -> list[Output]:
        text, self.said = self.said.decode("utf-8", "replace"), bytearray()
        return [{"output_type": "stream", "name": "stdout", "text": text}] if text else []


def _child(cells: list[str], memory: int, answers_out: int, printed_out: int, go_in: int) -> None:
    """The child's whole life. Besides the usual three descriptors it keeps one to answer, one to wait."""
    try:
        enter_child(memory)
        os.dup2(printed_out, 1)
        os.dup2(printed_out, 2)
        os.dup2(answers_out, 3)
        os.dup2(go_in, 4)
        os.closerange(5, 256)
        os.chdir(WORK)
        from grading.sandbox.shell import Notebook  # only here: no other task waits for IPython

        notebook = Notebook(MOST_CELL)
        os.read(4, 1)
        _answer([])
        for source in cells:
            os.read(4, 1)
            _answer(notebook.run(source))
    finally:
        os._exit(0)


def _answer(outputs: list[Output]) -> None:
    text = json.dumps(outputs).encode("ascii")
    frames.write(3, len(text).to_bytes(4, "big") + text)
