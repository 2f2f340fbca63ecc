"""A stand-in for the gate: the real harness, in a process of its own instead of a container.

It has none of the container's walls; what is tried with it is the harness and everything around it.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from grading.sandboxes import Limits, SandboxResult

HARNESS = Path(__file__).parents[1] / "sandbox" / "__main__.py"
PACKAGES = Path(np.__file__).parents[1]


class HarnessProcess:
    """Runs a task in the harness, as the sandbox image starts it."""

    harness = HARNESS

    def run(self, task: bytes, limits: Limits) -> SandboxResult:
        command = [sys.executable, "-I", "-S", "-B", str(self.harness), str(PACKAGES)]
        try:
            ended = subprocess.run(
                command,
                input=task,
                capture_output=True,
                timeout=limits.seconds,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return SandboxResult("timeout", (late.stdout or b"")[: limits.output])
        exit = "ok" if ended.returncode == 0 else "failed"
        return SandboxResult(exit, ended.stdout[: limits.output])
