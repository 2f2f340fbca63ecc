"""The harness: one task comes on standard input, frames go out on standard output.

numpy is imported and the sources are compiled once; each probe then runs in a fork of its own, so that what
one breaks is whole again for the next. The harness itself runs nothing of the student's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from functools import partial
from itertools import groupby
from typing import Any

from course.export import assemble
from course.probing import Probe, collect, generator
from grading.sandbox import forks, frames
from grading.sandbox.isolation import protect_harness
from grading.sandbox.milestone import predict
from grading.sandbox.sources import Sources

Task = dict[str, Any]


def main() -> None:
    """Read the task, run it, send the frames."""
    protect_harness()
    task: Task = json.load(sys.stdin)
    out = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    tasks = {
        "module": run_module,
        "milestone": run_milestone,
        "notebook": run_cells,
        "training": run_training,
    }
    tasks[task["task"]](task, out)


def run_module(task: Task, out: int) -> None:
    """Run a module's probes on the student's notebook."""
    assembly = assemble(task["official"], task["notebook"])
    own = f"tinytorch/{task['slug']}.py"
    sources = Sources({**task["files"], own: assembly.source}, own={own})
    sources.install()
    budget = forks.Budget(task["per_probe_seconds"], time.monotonic() + task["seconds"], task["memory"])
    generator(0, "")  # numpy.random loads some of itself on first use; here, not in each fork
    # Probes of one check stand together and ask for one exercise: they share a fork.
    for _, probes in groupby(load_probes(task["probes"]), key=lambda probe: probe.check):
        group = list(probes)
        questions = [partial(ask, probe, task["seed"]) for probe in group]
        for probe, outcome in zip(group, forks.run(questions, budget, sources), strict=True):
            send(out, probe.name, outcome)
    problems = [asdict(problem) for problem in assembly.problems[:100]]
    frames.write(out, frames.frame({"end": True, "problems": problems}))


def run_milestone(task: Task, out: int) -> None:
    """Have the student's own stack predict for unlabelled inputs."""
    sources = Sources(task["files"], own=task["files"])
    sources.install()
    budget = forks.Budget(task["seconds"], time.monotonic() + task["seconds"], task["memory"])
    questions = [partial(predict, task, part) for part in task["inputs"]]
    for part, outcome in zip(task["inputs"], forks.run(questions, budget, sources), strict=True):
        send(out, part, outcome)
    frames.write(out, frames.frame({"end": True, "problems": []}))


def run_cells(task: Task, out: int) -> None:
    """Run the cells of an instructor's own notebook."""
    from grading.sandbox.notebook import run_notebook  # most tasks are not this one

    run_notebook(task, out)


def run_training(task: Task, out: int) -> None:
    """Have the student's own script learn from nothing."""
    from grading.sandbox.training import train  # most tasks are not this one

    sources = Sources(task["files"], own=task["own"])
    sources.install()
    budget = forks.Budget(task["seconds"], time.monotonic() + task["seconds"], task["memory"])
    for outcome in forks.run([partial(train, task)], budget, sources):
        send(out, "weights", outcome)
    frames.write(out, frames.frame({"end": True, "problems": []}))


def ask(probe: Probe, seed: int) -> object:
    """Put one probe's question to the student's code."""
    return probe.function(generator(seed, probe.name))


def load_probes(source: str) -> list[Probe]:
    """The probes of a module, from their source."""
    namespace: dict[str, object] = {"__name__": "probes"}
    exec(compile(source, "probes", "exec"), namespace)  # noqa: S102  # the course's own text
    return collect(namespace)


def send(out: int, name: str, outcome: forks.Outcome) -> None:
    """Send the frame of one probe."""
    frames.write(out, frames.frame({"probe": name, **outcome.header}, outcome.data))
