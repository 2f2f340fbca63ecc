"""A course of one small module and one milestone, laid out as the grader's image lays out the real one."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from course import manifest
from grading.settings import Settings

SOLVED = {
    "toy-double": "def double(x):\n    return x * 2.0\n",
    "toy-shuffle": "def shuffle(x, rng):\n    return rng.permutation(x)\n",
}
TO_DO = "\n    raise NotImplementedError('Your turn.')\n"
UNSOLVED = {name: text.split("\n")[0] + TO_DO for name, text in SOLVED.items()}
GIVEN = "import numpy as np\n\nfrom tinytorch.base import one\n"

PROBES = '''
import numpy as np
from course.probing import probe

@probe("check-toy-double")
def doubles_numbers(rng):
    """Doubling random numbers."""
    from tinytorch.toy import double
    return double(rng.normal(size=(3, 4)))

@probe("check-toy-double")
def doubles_many(rng):
    """Doubling a long row."""
    from tinytorch.toy import double
    return {"row": double(rng.normal(size=50)), "is_new": True}

def same_numbers(rng, out):
    x = rng.normal(size=20)
    if sorted(out["value"].tolist()) != sorted(x.tolist()):
        return "these are not the numbers that were there before"
    return "nothing was shuffled" if (out["value"] == x).all() else None

@probe("check-toy-shuffle", judge=same_numbers)
def shuffles(rng):
    """Shuffling twenty numbers."""
    from tinytorch.toy import shuffle
    x = rng.normal(size=20)
    return shuffle(x, np.random.default_rng())
'''

VERIFICATION = """
import numpy as np
ENTRY = "sign:predict"
PACE = 3
MAX_WEIGHTS = 100_000

def untrained(solved):
    return {"w": np.zeros(2)}

def hidden(rng, half):
    x = rng.normal(size=(200, 2))
    return x, (x[:, 0] > 0).astype(np.int64)
"""

SOLVED_SIGN = """
import time
import numpy as np

def predict(x, w):
    time.sleep(0.2)
    return (x @ w["w"] > 0).astype(int)
"""

MANIFEST = {
    "modules": [
        {"slug": "base", "title": "Base", "requires": [], "points": 0, "available": True},
        {"slug": "toy", "title": "Toy", "requires": ["base"], "points": 5, "available": True},
        {"slug": "future", "title": "Future", "requires": ["toy"], "available": False},
    ],
    "milestones": {
        "sign": {"title": "The sign", "requires": ["toy"], "pass": 0.9, "points": 10, "available": True},
        "flight": {"title": "To fly", "requires": ["future"], "available": False},
    },
    "tracks": {
        "discovery": {
            "title": "The only way",
            "modules": ["base", "toy", "future"],
            "milestones": [{"slug": "sign", "after": "toy"}, {"slug": "flight", "after": "future"}],
        }
    },
}


def notebook(exercises: dict[str, str]) -> dict:
    """The toy's notebook with these exercises; the official one has UNSOLVED."""
    cells = [_cell("given", "toy-imports", GIVEN)]
    for name, text in exercises.items():
        cells.append(_cell("exercise", name, text))
        check = f"check-{name}"
        points = 2 if name == "toy-double" else 3
        cells.append(_cell("check", check, "assert True", exercise=name, points=points))
    return {"cells": cells, "metadata": {"tinytorch": {"module": "toy"}}, "nbformat": 4, "nbformat_minor": 5}


def with_double(text: str) -> dict:
    """A notebook whose `double` is this, and whose other exercise is right."""
    return notebook({**SOLVED, "toy-double": text})


def asking(official: dict, answer: str | None = None) -> dict:
    """A notebook with a question in words, as it comes (None) or with this in its cell."""
    text = "Why twice?\n\nYOUR ANSWER HERE" if answer is None else answer
    question = {**_cell("question", "toy-why", text, points=2), "cell_type": "markdown"}
    return {**official, "cells": [*official["cells"], question]}


def _cell(role: str, id: str, source: str, exercise: str = "", points: int = 0) -> dict:
    graded = {"points": points} if points else {}
    ours = {"role": role, "id": id, **({"exercise": exercise} if exercise else {})}
    metadata = {"tinytorch": ours, "nbgrader": {"grade": role == "check", "grade_id": id, **graded}}
    run = {"outputs": [], "execution_count": None}
    return {"cell_type": "code", "metadata": metadata, "source": source, **run}


def install(folder: Path) -> tuple[Settings, manifest.Manifest]:
    """Lay the course out in a folder."""
    files = {
        "notebooks/toy.ipynb": json.dumps(notebook(UNSOLVED)),
        "probes/toy.py": PROBES,
        "probes/milestones/sign.py": VERIFICATION,
        "instructor/toy.ipynb": json.dumps(notebook(SOLVED)),
        "instructor/milestones/sign.py": SOLVED_SIGN,
        "reference/tinytorch/__init__.py": "",
        "reference/tinytorch/base.py": "one = 1\n",
        "reference/tinytorch/toy.py": GIVEN + "\n".join(SOLVED.values()),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    settings = Settings(
        folder=folder / "grading",
        database_url=f"sqlite:///{folder / 'grading' / 'grading.db'}",
        reference=folder / "reference",
        probes=folder / "probes",
        official=folder / "notebooks",
        instructor=folder / "instructor",
        submission_max_bytes=200_000,
    )
    return settings, manifest.build(MANIFEST, lambda entry, _: bool(entry["available"]))


@contextmanager
def in_force() -> Iterator[None]:
    """Its package is the only `tinytorch` that this process knows meanwhile."""
    former, path = {n: m for n, m in sys.modules.items() if n.split(".")[0] == "tinytorch"}, list(sys.path)
    for name in former:
        del sys.modules[name]
    yield
    for name in [n for n in sys.modules if n.split(".")[0] == "tinytorch"]:
        del sys.modules[name]
    sys.modules.update(former)
    sys.path[:] = path
