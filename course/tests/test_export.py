"""Notebooks arrive damaged: what can be matched is used, the rest is named."""

from __future__ import annotations

import copy
import json

import pytest

from course.builder import notebook
from course.builder.source import read
from course.export import NotANotebookError, answers, assemble, parse
from course.tests.fixture import write_course


@pytest.fixture
def cells(tmp_path):
    return read(write_course(tmp_path) / "modules/counting.py", ["short"])


@pytest.fixture
def official(cells):
    return notebook.student("counting", "discovery", cells)


@pytest.fixture
def solved(cells):
    return notebook.solved("counting", cells)


def cell(book, cell_id):
    return next(each for each in book["cells"] if each["id"] == cell_id)


def run(assembly) -> dict:
    namespace: dict = {}
    exec(assembly.source, namespace)
    return namespace


def test_solved_notebook_becomes_a_working_module_without_demonstrations_or_checks(official, solved):
    assembly = assemble(official, solved)
    assert assembly.problems == []
    assert run(assembly)["increase"](1) == 2
    assert "demonstration" not in assembly.source
    assert "assert" not in assembly.source


def test_untouched_notebook_imports_and_does_nothing(official):
    module = run(assemble(official, official))
    with pytest.raises(NotImplementedError, match="counting-increase"):
        module["increase"](1)


def test_changed_given_cell_changes_nothing_and_is_named(official, solved):
    cell(solved, "counting-header")["source"] = ["STEP = 100\n"]
    assembly = assemble(official, solved)
    assert run(assembly)["increase"](1) == 2
    assert [problem.cell for problem in assembly.problems] == ["counting-header"]


def test_syntax_error_in_one_exercise_does_not_sink_the_other(official, solved):
    cell(solved, "counting-increase")["source"] = "def increase(number)\n    return 1"
    assembly = assemble(official, solved)
    module = run(assembly)
    assert module["decrease"](1) == 0
    with pytest.raises(NotImplementedError):
        module["increase"](1)
    assert "line 1: expected ':'" in assembly.problems[0].text


@pytest.mark.parametrize(
    "experiment",
    ["print(increase(1) / 0)", "exit()", "for i in range(3):\n    print(i / 0)", "assert increase(1) == 5"],
)
def test_failing_experiment_in_an_exercise_cell_does_not_stop_the_module(official, solved, experiment):
    cell(solved, "counting-increase")["source"] += [f"\n\n{experiment}\n"]
    assert run(assemble(official, solved))["decrease"](1) == 0


def test_deleted_exercise_is_named_and_the_rest_is_used(official, solved):
    solved["cells"].remove(cell(solved, "counting-increase"))
    assembly = assemble(official, solved)
    assert run(assembly)["decrease"](1) == 0
    assert "is missing" in assembly.problems[0].text


def test_exercise_that_lost_its_metadata_is_found_by_what_it_defines(official, solved):
    cell(solved, "counting-increase")["metadata"] = {}
    assembly = assemble(official, solved)
    assert run(assembly)["increase"](1) == 2
    assert "lost its id" in assembly.problems[0].text


def test_copied_exercise_is_used_in_its_changed_version_wherever_the_untouched_copy_stands(official, solved):
    for place in (0, len(solved["cells"])):
        book = copy.deepcopy(solved)
        book["cells"].insert(place, copy.deepcopy(cell(official, "counting-increase")))
        assembly = assemble(official, book)
        assert run(assembly)["increase"](1) == 2
        assert "2 cells" in assembly.problems[0].text


def test_split_exercise_is_read_as_one(official, solved):
    first = cell(solved, "counting-increase")
    second = copy.deepcopy(first)
    first["source"], second["source"] = first["source"][:1], first["source"][1:]
    solved["cells"].insert(solved["cells"].index(first) + 1, second)
    assembly = assemble(official, solved)
    assert run(assembly)["increase"](1) == 2
    assert "read as one" in assembly.problems[0].text


def test_notebook_magic_is_left_out(official, solved):
    cell(solved, "counting-increase")["source"] = [
        "%%time\n",
        *cell(solved, "counting-increase")["source"],
        "\n!ls\n",
    ]
    assert run(assemble(official, solved))["increase"](1) == 2


@pytest.mark.parametrize(
    "garbage",
    [
        None, [], {}, {"cells": 5}, {"cells": [None, 1, {"cell_type": "code"}]},
        {"cells": [{"cell_type": "code", "source": [1, None], "metadata": {"tinytorch": []}}]},
        {"cells": [{"cell_type": "code", "source": "x\0", "metadata": {"tinytorch": {"id": ["a"]}}}]},
    ],
)  # fmt: skip
def test_garbage_is_named_and_never_raises(official, garbage):
    assembly = assemble(official, garbage)
    assert len(assembly.problems) == 2
    run(assembly)


def test_absurdly_nested_code_is_named_and_never_raises(official, solved):
    cell(solved, "counting-increase")["source"] = "(" * 100_000
    assert "no valid Python" in assemble(official, solved).problems[0].text


@pytest.mark.parametrize("text", ["", "hello", "[1]", '{"cells": {}}', "[" * 100_000, b"\xff\xfe\x00"])
def test_what_is_no_notebook_is_told_in_one_sentence(text):
    with pytest.raises(NotANotebookError, match=r"^This is no notebook: ") as told:
        parse(text)
    assert "\n" not in str(told.value)


def test_notebook_survives_being_written_and_read(official):
    assert parse(json.dumps(official)) == official


def question(text):
    ours = {"tinytorch": {"role": "question", "id": "counting-why-one"}}
    return {"cells": [{"cell_type": "markdown", "source": text, "metadata": ours}]}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Why is one step 1?\n\nYOUR ANSWER HERE", ""),
        ("Why is one step 1?\n", ""),
        (" \n", ""),
        ("Why is one step 1?\n\nBecause.", "Why is one step 1?\n\nBecause."),
        (["Because", "."], "Because."),
        (5, ""),
    ],
)
def test_answer_to_a_question_is_what_differs_from_the_question(official, text, answer):
    assert answers(official, question(text)) == {"counting-why-one": answer}


def test_answer_that_is_gone_or_in_no_notebook_is_none(official):
    for student in ({"cells": []}, None, question("x")["cells"]):
        assert answers(official, student) == {"counting-why-one": ""}
