"""What keeps a student's process away from the harness, inside the container they share.

The container keeps both away from everything else. All of this concerns one user id: the harness and the
students' processes have the same, because the container has no capability to change it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal

PR_SET_DUMPABLE = 4
libc = ctypes.CDLL(None)  # once, not in each fork


def protect_harness() -> None:
    """No other process may trace the harness, read its memory, or open its file descriptors through /proc."""
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def fork() -> int:
    """os.fork(), for a child that leaves the harness' own objects alone.

    To look through them for garbage would copy most of the harness' memory.
    """
    gc.freeze()
    child = os.fork()
    if child == 0:
        gc.enable()
    return child


def enter_child(memory: int) -> None:
    """Make a freshly forked child the first to go: its own session, its own memory limit.

    Args:
        memory: bytes of address space. Below the container's limit, so that a large array is a MemoryError
            with a line to show, before it is the end of everything.
    """
    os.setsid()
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # else the next file could not be written
    # If the container's memory runs out all the same, the child goes, not the harness.
    with contextlib.suppress(OSError):
        own = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(own, b"1000")
        os.close(own)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def end_child(child: int) -> int:
    """End a child and everything that it started, and return its wait status.

    As the container's first process the harness ends all others, detached ones too. Anywhere else (tests),
    only the child's own group.
    """
    if os.getpid() != 1:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        return os.waitpid(child, 0)[1]
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    status = 0
    while True:  # orphans come to process 1: until they are reaped, they count as processes
        try:
            reaped, ended = os.wait()
        except ChildProcessError:
            return status
        if reaped == child:
            status = ended
