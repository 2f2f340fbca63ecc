"""What a data set costs twenty students at once: mapped from a shared folder, or each with arrays of its own.

    python benchmarks/datasets.py --datasets /srv/tinytorch/datasets [--set mnist] [--students 20]

Containers of the student image run at once, with a student's limits, the folder mounted read-only. Each opens
the set, reads every number of it once, and stays. First as the course does it (`course.datasets.load`, which
maps the files), then as most courses do (`numpy.load` into memory). Figures, for each of the two:

    open_ms     median milliseconds until the arrays can be used
    read_ms     median milliseconds to read all numbers once afterwards (the sum of the images)
    own_mb      memory that belongs to a student alone because of the set (private pages), median
    all_mb      the same for all students together
    cpu_s       CPU seconds of all students together, Python's start included

The last line is these figures as one JSON object.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

LABEL = "tinytorch.benchmark=datasets"

STUDENT = """
import json, os, sys, time
import numpy as np
from course.datasets import load

def private():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024

name, own = sys.argv[1], sys.argv[2] == "own"
np.zeros(1000).sum()
before, began = private(), time.perf_counter()
arrays = load(name)
if own:
    arrays = {key: np.array(array) for key, array in arrays.items()}
opened = time.perf_counter()
total = int(arrays["train_images"].sum(dtype=np.uint64))
read = time.perf_counter()
times = {"open_ms": (opened - began) * 1000, "read_ms": (read - opened) * 1000, "cpu_s": time.process_time()}
print(json.dumps({**times, "own_mb": private() - before, "total": total}), flush=True)
sys.stdin.read()  # all stay until all have been measured
"""


def student(given: argparse.Namespace, way: str) -> "subprocess.Popen[str]":
    """Start one student's container."""
    limits = ["--network", "none", "--memory", "1g", "--cpus", "1", "--cap-drop", "ALL", "--user", "20001"]
    sets = ["--volume", f"{given.datasets.resolve()}:/srv/datasets:ro"]
    python = ["--entrypoint", "python", given.image, "-c", STUDENT, given.set, way]
    return subprocess.Popen(
        ["docker", "run", "--rm", "--interactive", "--label", LABEL, *limits, *sets, *python],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def measured(given: argparse.Namespace, way: str) -> dict[str, float]:
    """Run all students at once; what they measured."""
    running = [student(given, way) for _ in range(given.students)]
    assert all(process.stdout for process in running)
    lines = [process.stdout.readline() for process in running if process.stdout]
    for process in running:
        process.communicate()
    if not all(lines):
        sys.exit(f"A container of {given.image} ended early. Is '{given.set}' in {given.datasets}?")
    found = [json.loads(line) for line in lines]
    assert len({each["total"] for each in found}) == 1, "the students read different numbers"
    figures = {
        name: statistics.median(each[name] for each in found) for name in ("open_ms", "read_ms", "own_mb")
    }
    figures |= {
        "all_mb": sum(each["own_mb"] for each in found),
        "cpu_s": sum(each["cpu_s"] for each in found),
    }
    rounded = {name: round(value, 2) for name, value in figures.items()}
    print(f"{way:>7}: {rounded}", flush=True)
    return rounded


def main() -> None:
    """Measure both ways, shared first, in one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=Path, required=True, help="a classroom's folder of data sets")
    parser.add_argument("--set", default="mnist")
    parser.add_argument("--students", type=int, default=20)
    parser.add_argument("--image", default="tinytorch/student:0.1.0")
    given = parser.parse_args()
    if not (given.datasets / given.set).is_dir():
        sys.exit(f"{given.datasets / given.set} is not there. `make deploy` fills STATE/datasets.")
    shared, own = measured(given, "shared"), measured(given, "own")
    print(
        json.dumps(
            {
                "benchmark": "datasets",
                "set": given.set,
                "students": given.students,
                "shared": shared,
                "own": own,
            }
        )
    )


if __name__ == "__main__":
    main()
