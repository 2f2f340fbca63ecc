"""Runs a module's visible checks; its own process, so that a loop without end or a crash costs nothing else.

Input on stdin: JSON with the module's slug, its source, the imports of the notebook's demonstrations, and its
checks. Output: one line of JSON for each check as it ends. What the student's code prints is dropped.
"""

from __future__ import annotations

import json
import linecache
import os
import signal
import sys
import traceback
import types
from importlib.machinery import ModuleSpec
from typing import Any

SECONDS = 20  # for a single check


class TooSlowError(BaseException):
    """Not an Exception: a student's `except Exception` must not catch it."""


def main() -> None:
    """Run what stdin says."""
    task = json.load(sys.stdin)
    report = os.fdopen(os.dup(1), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    signal.signal(signal.SIGALRM, _too_slow)
    module = types.ModuleType(f"tinytorch.{task['slug']}")
    module.__spec__ = ModuleSpec(module.__name__, None)  # importlib.util.find_spec demands one
    sys.modules[module.__name__] = module  # what the checks import as tinytorch is this very code
    failure = _run(task["source"], f"{task['slug']}.py", vars(module))
    namespace: dict[str, Any] = {}  # the checks share it, as they do in the notebook
    for statement in task["imports"]:
        _run(statement, "<import>", namespace)  # one that fails is missed by the check that needs it
    namespace |= vars(module)
    for check in task["checks"]:
        message = failure or _run(check["source"], check["id"], namespace)
        report.write(json.dumps({"check": check["id"], "message": message}) + "\n")


def _run(source: str, name: str, namespace: dict[str, Any]) -> str | None:
    """Run a source; the reason why it failed, or None."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    signal.alarm(SECONDS)
    try:
        exec(compile(source, name, "exec"), namespace)  # noqa: S102 (the student's own code, in the student's own process)
    except TooSlowError:
        return f"Took more than {SECONDS} seconds. Is there a loop without end?"
    except BaseException as error:
        return words(error)
    finally:
        signal.alarm(0)
    return None


def words(error: BaseException) -> str:
    """An error as the student needs it: what a check says, or what happened in which line."""
    if isinstance(error, AssertionError) and str(error):
        return str(error)
    if isinstance(error, NotImplementedError):
        return str(error) or "Still to be done."
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    place = f"\n    {frames[-1].line}" if frames and frames[-1].line else ""
    return f"{type(error).__name__}: {error}{place}"


def _too_slow(*_: object) -> None:
    raise TooSlowError


if __name__ == "__main__":
    main()
