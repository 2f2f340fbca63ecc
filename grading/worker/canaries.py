"""A test that must fail, among an instructor's own.

Where the assertions are in the notebook, the student's code can make them pass: by patching what they call,
or the shell that runs them. Then it makes this one pass too, because it looks like the others; and a
submission in which it passes is flagged. It flags, and does not prevent: code that knows the assignment's own
tests well can spare them alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

_choose = secrets.SystemRandom()

SUBJECTS = ("value", "result", "total", "row", "answer", "item", "output", "size", "mean", "score", "count")
KINDS = ("expected", "actual", "given", "found", "first", "last", "left", "right", "old", "new", "final")

# Each is wrong whatever the numbers are. In a function: nothing stays behind that a cell after it reads.
FORMS = (
    "assert {a} == {b}",
    'assert {a} == {b}, "{x} is not {b}"',
    "{x} = [{a}, {b}]\nassert sorted({x}) == [{b}, {a}]",
    "{x} = {a}\n{y} = {b}\nassert {x} >= {y}",
    "{x} = list(range({a}))\nassert len({x}) == {b}",
    "assert isinstance({a}, str)",
    "import numpy as np\nnp.testing.assert_allclose(np.array([{a}.0, {b}.0]), np.array([{b}.0, {a}.0]))",
    "import numpy as np\nassert np.allclose(np.full(3, {a}), np.full(3, {b}))",
    "import numpy as np\nassert np.array_equal(np.arange({a}), np.arange({b}))",
    "try:\n    {x} = {a} + {b}\nexcept TypeError:\n    pass\nelse:\n    raise AssertionError('no error')",
)


def canary() -> str:
    """A cell's source that raises an error wherever Python is left as it is."""
    a = _choose.randrange(3, 60)
    b = a + _choose.randrange(1, 40)  # a < b: what the forms rely on
    x, y, name = (f"{_choose.choice(KINDS)}_{each}" for each in _choose.sample(SUBJECTS, 3))
    body = _choose.choice(FORMS).format(a=a, b=b, x=x, y=y)
    inner = "\n".join(f"    {line}" for line in body.split("\n"))
    return f"def test_{name}():\n{inner}\n\n\ntest_{name}()"


def place(cells: Sequence[Mapping[str, Any]]) -> int | None:
    """Before which cell it stands: a random one of the tests, or behind the last; None without code."""
    tests = [at for at, cell in enumerate(cells) if _is_test(cell)]
    tests = tests or [at for at, cell in enumerate(cells) if cell.get("cell_type") == "code"][-1:]
    return _choose.choice([*tests, tests[-1] + 1]) if tests else None


def _is_test(cell: Mapping[str, Any]) -> bool:
    """Whether nbgrader gives points for a cell by running it."""
    metadata = cell.get("metadata")
    mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    graded = isinstance(mark, dict) and mark.get("grade") and not mark.get("solution")
    return bool(graded) and cell.get("cell_type") == "code"
