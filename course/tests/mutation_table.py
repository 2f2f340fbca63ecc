"""`python -m course.tests.mutation_table` tries every wrong solution and writes docs/reference/mutants.md."""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

from course.manifest import HERE
from course.tests.marking import SLUGS, Bench, cells
from course.tests.mutants import MUTANTS

PAGE = HERE.parent / "docs" / "reference" / "mutants.md"
ENOUGH = 0.95
HEAD = """\
# Wrong solutions and the probes

For each exercise, wrong solutions as students write them (`course/tests/mutants/`): wrong sign, missing
transpose, wrong axis, off by one, zeros, a changed input, a forgotten edge. One is *caught* if the probes of
the exercise's own checks take points for it. `make check` tries all of them. This page is written by
`.venv/bin/python -m course.tests.mutation_table`.

| exercise | wrong solutions | caught | not caught |
| --- | ---: | ---: | --- |
"""


def exercises() -> list[str]:
    """Every exercise of every module, in the course's order."""
    return [cell.id for slug in SLUGS for cell in cells(slug) if cell.role == "exercise"]


def row(exercise: str, survivors: list[tuple[str, str]]) -> str:
    """One exercise's line of the table, its survivors named."""
    tried = len(MUTANTS[exercise])
    named = "; ".join(f"`{old}` -> `{new}`" for old, new in survivors).replace("\n", " ")
    return f"| {exercise} | {tried} | {tried - len(survivors)} | {named} |"


def main() -> int:
    """Print and write the table; 1 if too few are caught."""
    warnings.simplefilter("ignore")  # wrong solutions overflow and divide by 0
    sys.dont_write_bytecode = True
    lines, lost = [], 0
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        bench = Bench(Path(folder))
        for exercise in exercises():
            survivors = bench.survivors(exercise)
            lost += len(survivors)
            lines.append(row(exercise, survivors))
            print(lines[-1], flush=True)
    total = sum(len(MUTANTS[exercise]) for exercise in exercises())
    share = (total - lost) / total
    lines.append(f"| **all {len(lines)}** | **{total}** | **{total - lost}** | {share:.1%} caught |")
    PAGE.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{lines[-1]}\n{PAGE} is written.")
    return 0 if share >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
