"""What becomes of notebooks in real weeks: each damage done to a solved notebook, and what is used of it.

Tried on a whole module of the course, marked by its probes: what can be matched
keeps its points, what cannot is named to the student in a sentence.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from course.builder import notebook
from course.export import Assembly, answers, assemble
from course.tests.marking import Bench, cells, forget, probes

SLUG = "activations"
Book = dict[str, Any]
OFFICIAL = notebook.student(SLUG, "discovery", cells(SLUG))
SOLVED = notebook.solved(SLUG, cells(SLUG))


def role(cell: Book) -> str:
    return str(cell["metadata"]["tinytorch"].get("role", "")) if "tinytorch" in cell["metadata"] else ""


def exercises(book: Book) -> list[Book]:
    return [cell for cell in book["cells"] if role(cell) == "exercise"]


def source(cell: Book) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def plain(text: str) -> Book:
    """A cell as JupyterLab makes a new one."""
    return {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None}


def behind(book: Book, cell: Book, new: Book) -> None:
    book["cells"].insert(book["cells"].index(cell) + 1, new)


def cut(cell: Book, line: int) -> str:
    """Take the lines from one on out of a cell; negative counts from the end."""
    lines = source(cell).rstrip("\n").split("\n")
    cell["source"] = "\n".join(lines[:line])
    return "\n".join(lines[line:])


def copied_below(book: Book) -> None:
    first = exercises(book)[0]
    behind(book, first, copy.deepcopy(first))


def untouched_copy_pasted_at_the_end(book: Book) -> None:
    book["cells"].append(copy.deepcopy(exercises(OFFICIAL)[0]))


def split_and_both_parts_keep_the_id(book: Book) -> None:
    first = exercises(book)[0]
    rest = copy.deepcopy(first)
    rest["source"] = cut(first, -1)
    behind(book, first, rest)


def split_and_the_second_part_is_a_new_cell(book: Book) -> None:
    first = exercises(book)[0]
    behind(book, first, plain(cut(first, -1)))


def split_in_three(book: Book) -> None:
    first = exercises(book)[0]
    last = cut(first, -1)
    middle = cut(first, -1)
    behind(book, first, plain(last))
    behind(book, first, plain(middle))


def two_exercises_merged(book: Book) -> None:
    first, second = exercises(book)[:2]
    first["source"] = source(first) + "\n\n" + source(second)
    book["cells"].remove(second)


def exercise_merged_into_the_one_below(book: Book) -> None:
    first, second = exercises(book)[:2]
    second["source"] = source(first) + "\n\n" + source(second)
    book["cells"].remove(first)


def merged_with_its_check(book: Book) -> None:
    first = exercises(book)[0]
    check = next(cell for cell in book["cells"] if role(cell) == "check")
    first["source"] = source(first) + "\n" + source(check)
    book["cells"].remove(check)


def all_metadata_lost(book: Book) -> None:
    for cell in book["cells"]:
        cell["metadata"] = {}


def every_cell_has_the_same_id(book: Book) -> None:
    for cell in book["cells"]:
        cell["id"] = "same"


def cells_in_reverse_order(book: Book) -> None:
    book["cells"].reverse()


def given_and_check_cells_deleted(book: Book) -> None:
    book["cells"] = [cell for cell in book["cells"] if role(cell) in ("exercise", "question")]


def given_cell_changed(book: Book) -> None:
    next(cell for cell in book["cells"] if role(cell) == "given")["source"] = "import nothing_at_all"


def exercise_turned_into_text(book: Book) -> None:
    exercises(book)[0]["cell_type"] = "markdown"


def exercise_turned_raw(book: Book) -> None:
    exercises(book)[0]["cell_type"] = "raw"


def spaces_and_quotes_from_a_web_page(book: Book) -> None:
    first = exercises(book)[0]
    first["source"] = (
        source(first).replace("    ", "\u00a0\u00a0\u00a0\u00a0", 2) + "\nnote = \u201ccopied\u201d\u200b\n"
    )


def lines_end_as_on_windows(book: Book) -> None:
    for cell in book["cells"]:
        cell["source"] = source(cell).replace("\n", "\r\n")


def cell_magic_and_shell_lines(book: Book) -> None:
    first = exercises(book)[0]
    first["source"] = "%%time\n" + source(first) + "\n!pip list\n%timeit 1 + 1\n"


def cells_of_another_notebook_pasted(book: Book) -> None:
    ours = {"tinytorch": {"role": "exercise", "id": "tensor-add"}}
    book["cells"][:0] = [{**plain("def add(self, other): return 0"), "metadata": ours}, plain("1 / 0")]


def experiments_that_fail_in_the_exercise(book: Book) -> None:
    exercises(book)[0]["source"] = source(exercises(book)[0]) + "\nassert False\nprint(1 / 0)\n"


REPAIRED: list[Callable[[Book], None]] = [
    copied_below,
    untouched_copy_pasted_at_the_end,
    split_and_both_parts_keep_the_id,
    split_and_the_second_part_is_a_new_cell,
    split_in_three,
    two_exercises_merged,
    exercise_merged_into_the_one_below,
    merged_with_its_check,
    all_metadata_lost,
    every_cell_has_the_same_id,
    cells_in_reverse_order,
    given_and_check_cells_deleted,
    given_cell_changed,
    exercise_turned_into_text,
    exercise_turned_raw,
    spaces_and_quotes_from_a_web_page,
    lines_end_as_on_windows,
    cell_magic_and_shell_lines,
    cells_of_another_notebook_pasted,
    experiments_that_fail_in_the_exercise,
]
SILENT = {  # nothing that a student would have to mend
    every_cell_has_the_same_id,
    cells_in_reverse_order,
    given_and_check_cells_deleted,
    lines_end_as_on_windows,
    cells_of_another_notebook_pasted,
    experiments_that_fail_in_the_exercise,
    merged_with_its_check,
}


def exercise_deleted(book: Book) -> None:
    book["cells"].remove(exercises(book)[0])


def exercise_that_is_no_python(book: Book) -> None:
    exercises(book)[0]["source"] = "def forward(self x):"


def conflict_of_two_versions(book: Book) -> None:
    first = exercises(book)[0]
    first["source"] = "<<<<<<< mine\n" + source(first) + "\n=======\n>>>>>>> theirs\n"


def what_it_defines_renamed(book: Book) -> None:
    first = exercises(book)[0]
    first["source"] = source(first).replace("class ", "class My").replace("def ", "def my_", 1)


LOST: list[Callable[[Book], None]] = [
    exercise_deleted,
    exercise_that_is_no_python,
    conflict_of_two_versions,
    what_it_defines_renamed,
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("damaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "dont_write_bytecode", True)
        yield Bench(folder)
    forget()


def damaged(damage: Callable[[Book], None]) -> Assembly:
    book = copy.deepcopy(SOLVED)
    damage(book)
    return assemble(OFFICIAL, book)


@pytest.mark.parametrize("damage", REPAIRED, ids=lambda damage: damage.__name__)
def test_damaged_notebook_keeps_all_its_points(bench: Bench, damage: Callable[[Book], None]) -> None:
    assembly = damaged(damage)
    assert bench.passed(SLUG, assembly.source) == {probe.name for probe in probes(SLUG)}
    assert bool(assembly.problems) == (damage not in SILENT), assembly.problems


@pytest.mark.parametrize("damage", LOST, ids=lambda damage: damage.__name__)
def test_lost_exercise_costs_only_itself_and_is_named(bench: Bench, damage: Callable[[Book], None]) -> None:
    assembly = damaged(damage)
    lost = exercises(SOLVED)[0]["metadata"]["tinytorch"]["id"]
    checks = {cell.id for cell in cells(SLUG) if cell.role == "check" and cell.exercise == lost}
    passed = bench.passed(SLUG, assembly.source)
    assert passed == {probe.name for probe in probes(SLUG) if probe.check not in checks}
    (problem,) = assembly.problems
    assert problem.cell == lost
    assert lost in problem.text


def test_answer_whose_cell_became_code_is_read_all_the_same() -> None:
    book = copy.deepcopy(SOLVED)
    question = next(cell for cell in book["cells"] if role(cell) == "question")
    question.update(cell_type="code", source="Because a line of lines is a line.", outputs=[])
    assert "Because a line of lines is a line." in answers(OFFICIAL, book).values()
