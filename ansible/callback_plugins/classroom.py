"""What a person sees of a deploy: a line for each promise, and for a failure one sentence."""

from __future__ import annotations

import sys
import time
from typing import Any

from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: classroom
type: stdout
short_description: a line for each task, a sentence for a failure
description:
  - Prints every task with its outcome and its seconds.
  - A failure prints its message and the end of what the command said.
"""

LAST_LINES = 15


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Prints `ok`, `changed` or `FAILED` behind each task's name."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "classroom"

    def __init__(self) -> None:
        super().__init__()
        self._role = ""
        self._begun = 0.0
        self._open = False  # a task's name stands on the line, its outcome does not yet

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        self._close("")
        self._task = task.get_name().split(" : ")[-1]
        self._here = task._role.get_name() if task._role else ""
        self._begun = time.monotonic()
        if sys.stdout.isatty():
            self._name()

    def v2_playbook_on_handler_task_start(self, task: Task) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result: Any) -> None:
        details = result.result
        if result.task.action.endswith("debug"):
            message = details.get("msg", "")
            self._close("")
            for line in message if isinstance(message, list) else [message]:
                self._display.display(f"      {line}")
        elif not result.task.action.endswith("validate_argument_spec"):
            self._close("changed" if details.get("changed") else "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        if self._open:
            self._close("not needed")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._close("FAILED")
        # Of a loop only each turn says why it failed, and the whole that some did.
        turns = [turn for turn in result.result.get("results", []) if turn.get("failed")]
        with_output = not result.task.action.endswith(("fail", "assert"))
        for details in turns or [result.result]:
            self._explain(details, with_output)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self.v2_runner_on_failed(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._close("")
        for host in sorted(stats.processed):
            figures = stats.summarize(host)
            failed = figures["failures"] + figures["unreachable"]
            self._display.display(
                f"\n{host}: ok={figures['ok']} changed={figures['changed']} failed={failed}"
            )

    def _explain(self, details: dict[str, Any], with_output: bool) -> None:
        """Why something failed, in its own words."""
        message = details.get("msg", "")
        self._display.display("", stderr=True)
        for line in message if isinstance(message, list) else [message]:
            self._display.display(str(line), color="red", stderr=True)
        if with_output:
            said = f"{details.get('stdout', '')}\n{details.get('stderr', '')}".strip().splitlines()
            for line in said[-LAST_LINES:]:
                self._display.display(f"    {line}", stderr=True)

    def _name(self) -> None:
        if self._here != self._role:
            self._role = self._here
            self._display.display(f"\n{self._role}")
        self._display.display(f"  {self._task} ... ", newline=False)
        self._open = True

    def _close(self, outcome: str) -> None:
        """End the line of the task that was begun; without an outcome only if there is such a line."""
        if outcome and not self._open:
            self._name()
        if self._open:
            seconds = time.monotonic() - self._begun
            self._display.display(f"{outcome}{f' ({seconds:.0f} s)' if seconds >= 1 else ''}")
        self._open = False
