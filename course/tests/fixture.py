"""A tiny course of its own, so that these tests need no real module."""

from __future__ import annotations

from pathlib import Path

COURSE = """\
modules:
  - {slug: counting, title: Counting, requires: [], exports: {increase: tinytorch.increase}, points: 3}
  - {slug: adding, title: Adding, requires: [counting], exports: {add: tinytorch.add}, points: 1}
  - {slug: later, title: Later, requires: [adding]}
tracks:
  discovery:
    title: In order
    modules: [counting, adding, later]
    milestones: [{slug: sums, after: adding}]
  short:
    title: Without the rest
    modules: [counting]
    milestones: []
milestones:
  sums: {title: Sums, requires: [adding], pass: 0.9, points: 2}
checkpoints:
  - {slug: counts, title: counts to three, requires: [counting]}
  - {slug: adds, title: adds, requires: [adding]}
"""

COUNTING = '''\
# %% [markdown]
# # Counting
#
# One more: $n + 1$.

# %% [markdown] track="short"
# Only in the short track.

# %% role="given" id="counting-header"
STEP = 1

# %%
print("a demonstration")

# %% role="exercise" id="counting-increase"
def increase(number):
    """One more than number."""
    ### BEGIN SOLUTION
    return number + STEP
    ### END SOLUTION

# %% [markdown] role="hint" exercise="counting-increase"
# What is one step?

# %% [markdown] role="hint" exercise="counting-increase"
# Add it to the number.

# %% role="check" id="check-increase" exercise="counting-increase" points=2
assert increase(1) == 2, f"increase(1) is one more than 1, so 2; yours gives {increase(1)}."

# %% [markdown] role="question" id="counting-why-one" points=2
# Why is one step 1?
#
# ### BEGIN RUBRIC
# One point for a reason, two for a good one.
# ### END RUBRIC

# %% role="exercise" id="counting-decrease"
def decrease(number):
    """One less than number."""
    ### BEGIN SOLUTION
    return number - STEP
    ### END SOLUTION

# %% role="check" id="check-decrease" exercise="counting-decrease" points=1
assert decrease(1) == 0, "decrease(1) is 0."
'''

COUNTING_PROBES = '''\
from course.probing import probe


@probe("check-increase")
def increases(rng):
    """A random number, increased."""
    from tinytorch.counting import increase

    return increase(int(rng.integers(100)))


@probe("check-decrease")
def decreases(rng):
    """A random number, decreased."""
    from tinytorch.counting import decrease

    return decrease(int(rng.integers(100)))
'''

ADDING = """\
# %% [markdown]
# # Adding

# %% role="given" id="adding-header"
from tinytorch.counting import increase

# %% role="exercise" id="adding-add"
def add(a, b):
    ### BEGIN SOLUTION
    for _ in range(b):
        a = increase(a)
    return a
    ### END SOLUTION

# %% role="check" id="check-add" exercise="adding-add" points=1
assert add(2, 3) == 5, "2 + 3 is 5."
"""

ADDING_PROBES = '''\
from course.probing import probe


@probe("check-add")
def adds(rng):
    """Two small numbers."""
    from tinytorch.adding import add

    return add(2, int(rng.integers(9)))
'''

COUNTING_ADDING = """\
# %% [markdown] part="end"
# ## What comes next?

# %% part="end"
print("to count to 100:", [increase(n) for n in range(100)][-1])

# %% [markdown] part="begin"
# ## Where we come from

# %% part="begin"
from tinytorch.counting import increase

print(increase(increase(2)))
"""

SUMS = '''\
"""Sums: learns nothing, saves its weights; not if it is only shown."""
import sys
import zipfile
from pathlib import Path

from tinytorch.adding import add

if "--quick" not in sys.argv:
    with zipfile.ZipFile(Path(__file__).with_suffix(".npz"), "w") as weights:
        weights.writestr("w.npy", str(add(2, 3)))
    print("saved")
'''

COUNTS = """\
from tinytorch.counting import increase


def check():
    number = increase(increase(increase(0)))
    assert number == 3, f"three times one more than nothing is 3; yours is {number}."
    return "It counts to 3."
"""

ADDS = """\
from tinytorch.adding import add


def check():
    return f"2 + 2 is {add(2, 2)}."
"""


def write_course(folder: Path) -> Path:
    """Write the tiny course into a folder and return the folder."""
    files = {
        "course.yml": COURSE,
        "modules/counting.py": COUNTING,
        "modules/adding.py": ADDING,
        "bridges/counting-adding.py": COUNTING_ADDING,
        "probes/counting.py": COUNTING_PROBES,
        "probes/adding.py": ADDING_PROBES,
        "milestones/sums.py": SUMS,
        "checkpoints/counts.py": COUNTS,
        "checkpoints/adds.py": ADDS,
        "skeleton/tinytorch/__init__.py": '"""The package."""\n',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def change(path: Path, old: str, new: str) -> None:
    """Replace a text in a file; it must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
