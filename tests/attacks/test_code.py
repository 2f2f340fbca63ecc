"""A student's code against the grader: what it forges, reads and breaks; the same against nbgrader's autograder.

Every solution is wrong, so every point is a stolen one. Ours is handed in by the attacker's own server, in the
real classroom; nbgrader's runs in a container of its own, in the same run. `TT_TEST_TABLES=yes` writes what came
of it into docs/reference/attacks.md.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.attacks.autograder import Autograder, Outcome
from tests.attacks.code import BREAKING
from tests.attacks.forging import FORGING
from tests.attacks.reading import MARKER, READING
from tests.classroom import REPOSITORY, Classroom, Student
from tests.submissions import Notebook, exercises, notebook, right, source

SLUG = "setup"
FOUND = re.compile(r"FOUND(\[.*?\])")
TABLE = REPOSITORY / "docs" / "reference" / "attacks.md"
WITHOUT_CELLS = "graded cells taken out of the notebook"


def attacking(code: str) -> Notebook:
    """Everything solved wrongly, and an attack on top of the first exercise; what it found is told in an error."""
    answer = 'raise RuntimeError(f"FOUND{FOUND}")' if "FOUND" in code else "return WRONG"
    book = copy.deepcopy(notebook(SLUG, "student"))
    for cell in exercises(book):
        names = re.findall(r"^def (\w+)", source(cell), re.MULTILINE)
        wrong = "\n".join(f"def {name}(*given, **named):\n    {answer}\n" for name in names)
        cell["source"] = f"{code}\nWRONG = globals().get('WRONG', -1.5)\n\n{wrong}"
        code = ""
    return book


def without_graded_cells() -> Notebook:
    book = notebook(SLUG, "student")
    book["cells"] = [cell for cell in book["cells"] if not cell["metadata"].get("nbgrader", {}).get("grade")]
    return book


ATTACKS = [*FORGING, *READING]
# What wants to break the grader; tests/test_sandbox.py tries these here, with all that lies beside them.
RUINOUS = [name for name, code in BREAKING.items() if "FOUND" not in code]
NOTHING = "found nothing"
UNHARMED = "no point, with a reason; the next submission is unharmed"


def books() -> dict[str, Notebook]:
    """The notebooks of all attacks; the deploy has built the course."""
    made = {name: attacking(code) for name, code in {**FORGING, **READING}.items()}
    return made | {WITHOUT_CELLS: without_graded_cells()}


def victims_notebook() -> Notebook:
    book = right(SLUG)
    first = exercises(book)[0]
    first["source"] = source(first) + f"\n# {MARKER}\n"
    return book


@pytest.fixture(scope="module")
def theirs(classroom: Classroom, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What came of each attack on nbgrader's autograder; several at a time, since most of them wait."""
    nbgrader = Autograder(classroom, tmp_path_factory.mktemp("nbgrader"), victims_notebook())
    notebooks = books() | {name: attacking(BREAKING[name]) for name in RUINOUS}
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(notebooks, pool.map(nbgrader.grade, notebooks.values()), strict=True))


@pytest.fixture(scope="module")
def ours(people: dict[str, Student]) -> Iterator[dict[str, dict[str, Any]]]:
    """What came of each attack here, as the attacker sees it."""
    for student in ("grace", "mallory"):
        people[student].start_server()
    hand_in(people["grace"], victims_notebook())
    mallory = people["mallory"]
    receipts = {name: hand_in(mallory, book) for name, book in books().items()}
    yield {name: mallory.classroom.submission(mallory, receipt) for name, receipt in receipts.items()}
    assert hand_in(people["grace"], victims_notebook()), "the next submission is taken as before"


def hand_in(student: Student, book: Notebook) -> str:
    status, text = student.grading("POST", f"submissions/module/{SLUG}", json.dumps({"notebook": book}))
    assert status == 201, text
    return str(json.loads(text)["id"])


@pytest.mark.parametrize("attack", ATTACKS)
def test_forged_marks_are_worth_nothing(ours: dict[str, dict[str, Any]], attack: str) -> None:
    graded = ours[attack]
    assert graded["state"] == "graded"
    assert graded["score"] == 0, graded
    assert all(check["reasons"] for check in graded["checks"])


@pytest.mark.parametrize("attack", READING)
def test_students_code_finds_nothing_of_others(ours: dict[str, dict[str, Any]], attack: str) -> None:
    told = json.dumps(ours[attack])
    assert MARKER not in told
    found = FOUND.findall(told)
    assert found, f"the attack was not run: {told}"
    assert set(found) == {"[]"}, found


def test_attacks_are_real_ones_because_nbgraders_autograder_falls_to_them(theirs: dict[str, Outcome]) -> None:
    stolen = [name for name in FORGING if theirs[name].score > 0]
    read = [name for name in READING if found_in(theirs[name].text)]
    assert len(stolen) >= 4, {name: each.words for name, each in theirs.items()}
    assert len(read) >= 4, {name: found_in(theirs[name].text) for name in READING}


def test_table_of_attacks_is_what_came_of_them(
    ours: dict[str, dict[str, Any]], theirs: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for name, mark in ours.items():
        if name in READING:
            found = re.findall(r"'[^']*'", found_in(theirs[name].text))
            rows.append((f"reads {name}", f"found {len(found)}" if found else NOTHING, NOTHING))
        else:
            mine = f"{mark['score']:g} of {mark['max_score']:g} points, with reasons"
            rows.append((name, theirs[name].words, mine))
    rows += [(name, theirs[name].words, UNHARMED) for name in RUINOUS]
    written = [f"| {attack} | {there} | {here} |" for attack, there, here in rows]
    with capsys.disabled():
        print("\n" + "\n".join(written))
    text = TABLE.read_text(encoding="utf-8")
    if os.environ.get("TT_TEST_TABLES") == "yes":
        begin, end = text.index("| --- |", text.index("<!-- code -->")), text.index("<!-- end of code -->")
        text = text[: text.index("\n", begin) + 1] + "\n".join(written) + "\n" + text[end:]
        TABLE.write_text(text, encoding="utf-8")
    missing = [
        attack
        for attack, _, here in rows
        if not re.search(rf"^\| {re.escape(attack)} \|.*\| {re.escape(here)} \|$", text, re.M)
    ]
    assert not missing, f"{TABLE} is stale: TT_TEST_TABLES=yes writes it anew"


def found_in(text: str) -> str:
    """What an attack says that it found; '' for nothing."""
    found = FOUND.search(text)
    return found[1] if found and found[1] != "[]" else ""
