"""How fast the course's framework trains, beside PyTorch: samples a second, in one run on one machine.

    python benchmarks/course.py [--seconds 1] [--rounds 9]

The framework is the reference `tinytorch` (the modules' solutions), built here, used as a student uses it:
Tensor, nn, the tape, optim. The models, on random numbers and labels:

    mlp    Linear(784, 128), ReLU, Linear(128, 10), cross-entropy, SGD(lr=0.01); batch 64
    cnn    images 3x32x32; Conv2d(3, 32, 3, padding=1), ReLU, MaxPool2d(2), Conv2d(32, 64, 3, padding=1),
           ReLU, MaxPool2d(2), Flatten, Linear(4096, 10), cross-entropy, SGD(lr=0.01); batch 32
    cifar  images 3x32x32; Conv2d(3, 32, 3, padding=1), BatchNorm2d(32), ReLU, MaxPool2d(2), the same with
           64 and with 128 channels, Flatten, Linear(2048, 10), cross-entropy, SGD(lr=0.01, momentum=0.9,
           nesterov=True); batch 128

A sample counts once it went forward, back, and into an update. Each side is a process of its own with as
many threads as the other; both start from the same weights, and their first losses must agree. They take
turns of about a second, so that other load on the machine meets both. `mlp_1` is the MLP with one thread:
the medians of both sides' turns, their CPU time beside them, and as `ratio` the median of the turns' ratios,
ours / PyTorch.

PyTorch is none of this repository's requirements; README.md says how to get it. The last line is the figures
as one JSON object.
"""

import argparse
import importlib
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
THREADS = (1, 2)
BATCH = {"mlp": 64, "cnn": 32, "cifar": 128}
BATCHES = 8  # different ones, by turns
FIRST_LOSSES = 4


def main() -> None:
    """Let both sides train by turns, and print what each reached."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--seconds", type=float, default=1, help="how long a turn takes (default: 1)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side (default: 9)")
    parser.add_argument("--side", choices=("ours", "torch"), help=argparse.SUPPRESS)  # what the sides run
    asked = parser.parse_args()
    if asked.side:
        serve(asked.side)
        return
    if importlib.util.find_spec("torch") is None:
        sys.exit("PyTorch is not installed here; benchmarks/README.md says how to get it beside ours.")
    figures = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-course-") as folder:
        build = [sys.executable, "-m", "course.builder", "--into", folder]
        built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
        if built.returncode:
            sys.exit(f"The course could not be built: {built.stderr.strip()}")
        package = Path(folder) / "discovery" / "reference"
        for threads in THREADS:
            sides = {name: Side(name, threads, package) for name in ("ours", "torch")}
            for model in BATCH:
                key = f"{model}_{threads}"
                figures[key] = compare(model, sides, asked.seconds, asked.rounds)
                print(f"{key:8}", json.dumps(figures[key]), flush=True)
            for side in sides.values():
                side.end()
    print(json.dumps(figures))


class Side:
    """One of the two frameworks, in a process that trains when it is told to."""

    def __init__(self, name: str, threads: int, package: Path) -> None:
        number = str(threads)
        path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": number,
            "OMP_NUM_THREADS": number,
            "PYTHONPATH": path,
        }
        command = [sys.executable, __file__, "--side", name]
        self.process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def train(self, model: str, steps: int) -> dict:
        """Train a model on for some steps: what `serve` answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(model, steps, file=self.process.stdin, flush=True)
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            sys.exit(f"A side ended by itself, with code {self.process.wait()}; why is above.")

    def end(self) -> None:
        self.process.communicate()


def compare(model: str, sides: dict[str, Side], seconds: float, rounds: int) -> dict:
    """Both sides' samples a second."""
    first = {name: side.train(model, FIRST_LOSSES)["losses"] for name, side in sides.items()}
    if any(abs(ours - theirs) > 1e-3 * abs(theirs) for ours, theirs in zip(*first.values(), strict=True)):
        sys.exit(f"The sides do not compute the same: the first losses of '{model}' are {first}.")
    steps = {}
    for name, side in sides.items():
        side.train(model, 2 * FIRST_LOSSES)  # not counted: the first steps find their memory
        trial = side.train(model, 2 * FIRST_LOSSES)
        steps[name] = max(1, round(seconds * 2 * FIRST_LOSSES / trial["wall_s"]))
    wall: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in sorted(sides, reverse=bool(turn % 2)):
            trained = sides[name].train(model, steps[name])
            samples = BATCH[model] * steps[name]
            wall[name].append(trained["wall_s"] / samples)
            cpu[name].append(trained["cpu_s"] / samples)
    ratios = [theirs / ours for ours, theirs in zip(wall["ours"], wall["torch"], strict=True)]
    return {
        **{name: round(1 / statistics.median(wall[name])) for name in sides},
        "ratio": round(statistics.median(ratios), 3),
        "cpu_us_per_sample": {name: round(1e6 * statistics.median(cpu[name]), 1) for name in sides},
    }


# What a side's process runs. `framework` is tinytorch or torch: the names are the same.


def serve(name: str) -> None:
    """Read 'MODEL STEPS' line by line; train, and answer with seconds, CPU seconds and the first losses."""
    framework = importlib.import_module({"ours": "tinytorch", "torch": "torch"}[name])
    threads = int(os.environ["OMP_NUM_THREADS"])
    (importlib.import_module("tinytorch.fast") if name == "ours" else framework).set_num_threads(threads)
    sessions = {}
    for line in sys.stdin:
        model, steps = line.split()
        if model not in sessions:
            sessions[model] = session(framework, model)
        wall, cpu = time.perf_counter(), time.process_time()
        losses = [next(sessions[model]) for _ in range(int(steps))]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        first = [loss.item() for loss in losses[:FIRST_LOSSES]]
        print(json.dumps({"wall_s": wall, "cpu_s": cpu, "losses": first}), flush=True)


def session(framework: ModuleType, name: str) -> Iterator:
    """Train a model step by step, without end; yields each step's loss."""
    nn, optim = (importlib.import_module(f"{framework.__name__}.{part}") for part in ("nn", "optim"))
    rng = np.random.default_rng(0)
    model = build(nn, name)
    state = {}
    for key, parameter in model.named_parameters():
        if len(parameter.shape) > 1:
            bound = np.prod(parameter.shape[1:]) ** -0.5
            state[key] = framework.from_numpy(rng.uniform(-bound, bound, parameter.shape).astype(np.float32))
        elif key.endswith("bias"):
            state[key] = framework.from_numpy(np.zeros(parameter.shape, dtype=np.float32))
    model.load_state_dict(state, strict=False)
    shape = (BATCH[name], 784) if name == "mlp" else (BATCH[name], 3, 32, 32)
    batches = [
        (
            framework.from_numpy(rng.standard_normal(shape, dtype=np.float32)),
            framework.from_numpy(rng.integers(0, 10, BATCH[name])),
        )
        for _ in range(BATCHES)
    ]
    loss_of = nn.CrossEntropyLoss()
    momentum = {"momentum": 0.9, "nesterov": True} if name == "cifar" else {}
    optimizer = optim.SGD(list(model.parameters()), lr=0.01, **momentum)
    for images, labels in itertools.cycle(batches):
        optimizer.zero_grad()
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        yield loss


def build(nn: ModuleType, name: str) -> object:
    """A model of the docstring above."""
    if name == "mlp":
        return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    layers, size, c_in = [], 32, 3
    for c_out in (32, 64) if name == "cnn" else (32, 64, 128):
        layers.append(nn.Conv2d(c_in, c_out, 3, padding=1))
        if name == "cifar":
            layers.append(nn.BatchNorm2d(c_out))
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
        size, c_in = size // 2, c_out
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(c_in * size * size, 10))


if __name__ == "__main__":
    main()
