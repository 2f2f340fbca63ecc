"""What the builder writes, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import ClearSolutions

from course.builder import BuildError
from course.builder.bridges import edges
from course.builder.build import build
from course.builder.source import read
from course.manifest import HERE, ManifestError, load
from course.tests.fixture import change, write_course


@pytest.fixture
def course(tmp_path):
    return write_course(tmp_path / "course")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def cells(notebook: Path) -> list[dict]:
    return json.loads(notebook.read_text())["cells"]


def sources(notebook: Path) -> str:
    return "\n".join("".join(cell["source"]) for cell in cells(notebook))


def test_two_builds_are_byte_identical(course, tmp_path):
    first = build(course, "discovery", tmp_path / "a").folder
    second = build(course, "discovery", tmp_path / "b").folder
    assert contents(first) == contents(second)


def test_building_again_replaces_everything_and_leaves_nothing_beside(course, tmp_path):
    folder = build(course, "discovery", tmp_path / "out").folder
    (folder / "stale").write_text("old")
    build(course, "discovery", tmp_path / "out")
    assert not (folder / "stale").exists()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["discovery"]
    assert (folder.stat().st_mode & 0o777) == 0o755


def test_failed_build_keeps_the_former_one(course, tmp_path):
    folder = build(course, "discovery", tmp_path / "out").folder
    before = contents(folder)
    change(course / "modules/counting.py", 'increase" points=2', 'increase" points=7')
    with pytest.raises(BuildError):
        build(course, "discovery", tmp_path / "out")
    assert contents(folder) == before


def test_students_notebook_holds_no_solution_and_instructors_does(course, tmp_path):
    folder = build(course, "discovery", tmp_path / "out").folder
    student, instructor = (sources(folder / who / "counting.ipynb") for who in ("student", "instructor"))
    assert "number + STEP" not in student
    assert 'raise NotImplementedError("counting-increase is still to be done")' in student
    assert "SOLUTION" not in student
    assert "number + STEP" in instructor


def test_notebooks_are_valid_for_jupyter_and_nbgrader(course, tmp_path):
    folder = build(course, "discovery", tmp_path / "out").folder
    for path in folder.glob("*/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        MetadataValidator().validate_nb(notebook)


def test_cell_of_one_track_is_in_that_track_only(course, tmp_path):
    in_short = build(course, "short", tmp_path / "out").folder / "student/counting.ipynb"
    in_discovery = build(course, "discovery", tmp_path / "out").folder / "student/counting.ipynb"
    assert "Only in the short track" in sources(in_short)
    assert "Only in the short track" not in sources(in_discovery)


def test_question_is_answered_in_words_and_its_rubric_stays_with_the_instructor(course, tmp_path):
    folder = build(course, "discovery", tmp_path / "out").folder
    asked, rubric = (
        next(cell for cell in cells(folder / who / "counting.ipynb") if cell["id"] == "counting-why-one")
        for who in ("student", "instructor")
    )
    text = "".join(asked["source"])
    assert text == "Why is one step 1?\n\nYOUR ANSWER HERE"
    assert "One point for a reason" in "".join(rubric["source"])
    graded = {"grade": True, "solution": True, "locked": False, "cell_type": "markdown", "points": 2}
    assert graded.items() <= asked["metadata"]["nbgrader"].items()
    entry = load(folder / "course.json").module("counting")
    assert (entry.points, entry.by_hand) == (3, 2)
    assert "Why" not in (folder / "reference/tinytorch/counting.py").read_text()


def test_nbgrader_itself_would_clear_the_instructors_notebook_to_the_students(course, tmp_path):
    """An instructor may make a release of it with nbgrader's own command; nothing must slip through."""
    folder = build(course, "discovery", tmp_path / "out").folder
    notebook = nbformat.read(folder / "instructor/counting.ipynb", as_version=4)
    cleared, _ = ClearSolutions().preprocess(notebook, {})
    text = "\n".join(cell.source for cell in cleared.cells)
    assert "number + STEP" not in text
    assert "One point for a reason" not in text


def test_hints_are_in_no_notebook_but_beside_them(course, tmp_path):
    folder = build(course, "discovery", tmp_path / "out").folder
    hints = json.loads((folder / "student/hints.json").read_text())
    assert hints == {"counting-increase": ["What is one step?", "Add it to the number."]}
    for who in ("student", "instructor"):
        assert "Add it to the number" not in sources(folder / who / "counting.ipynb")


def test_bridge_ends_the_notebook_before_and_begins_the_one_after(course, tmp_path):
    folder = build(course, "discovery", tmp_path / "out").folder / "student"
    before, after = (cells(folder / f"{slug}.ipynb") for slug in ("counting", "adding"))
    assert [cell["id"] for cell in before[-3:]] == [
        "counting-adding_end_1", "counting-adding_end_2", "counting-guess",
    ]  # fmt: skip
    assert "".join(before[-1]["source"]).startswith('my_guess = ""')
    assert before[-1]["metadata"]["tinytorch"] == {"role": "guess", "id": "counting-guess"}
    assert "nbgrader" not in before[-1]["metadata"]
    assert [cell["id"] for cell in after[:3]] == [
        "adding_1", "counting-adding_begin_1", "counting-adding_begin_2",
    ]  # fmt: skip
    assert "my_guess" not in sources(folder / "adding.ipynb"), "nothing comes after it yet"


def test_optional_module_is_stepped_over_and_has_a_way_in_and_out(course):
    change(
        course / "course.yml",
        "[counting, adding, later]",
        "[counting, {slug: adding, optional: true}, later]",
    )
    track = load(course / "course.yml").track("discovery")
    assert edges(track, "counting") == (("start", "counting"), ("counting", "later"))
    assert edges(track, "adding") == (("counting", "adding"), ("adding", "later"))
    assert edges(track, "later") == (("counting", "later"), None)


def test_module_beside_the_track_is_built_without_bridges(course, tmp_path):
    built = build(course, "short", tmp_path / "out")
    assert built.modules == ["counting"]
    assert [cell["id"] for cell in cells(built.folder / "student/adding.ipynb")][:2] == [
        "adding_1",
        "adding-header",
    ]


def test_refuses_a_missing_bridge_naming_edge_and_file(course, tmp_path):
    (course / "bridges/counting-adding.py").unlink()
    with pytest.raises(BuildError, match=r"counting-adding\.py is missing: .* from 'counting' to 'adding'"):
        build(course, "discovery", tmp_path / "out")


def test_refuses_a_bridge_that_no_track_uses(course, tmp_path):
    (course / "bridges/adding-counting.py").write_text("# %% part='end'\n1\n")
    with pytest.raises(BuildError, match=r"adding-counting\.py: no track goes"):
        build(course, "discovery", tmp_path / "out")


WRONG_BRIDGES = {
    "part": ('# %% part="end"', "# %%", 'needs part="end"'),
    "unknown part": ('# %% part="end"', '# %% part="middle"', 'needs part="end"'),
    "role": ('# %% part="end"', '# %% part="end" role="given"', "unknown key 'role'"),
    "no code": ('# %% part="begin"\n', '# %% [markdown] part="begin"\n', 'no code has part="begin"'),
    "leak": ("print(increase", "### BEGIN SOLUTION\nprint(increase", "would reach students"),
}


@pytest.mark.parametrize(("old", "new", "reason"), WRONG_BRIDGES.values(), ids=WRONG_BRIDGES)
def test_refuses_a_wrong_bridge_in_one_sentence_that_names_the_file(course, tmp_path, old, new, reason):
    change(course / "bridges/counting-adding.py", old, new)
    with pytest.raises(BuildError, match=r"counting-adding\.py: ") as refusal:
        build(course, "discovery", tmp_path / "out")
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_refuses_a_hint_that_is_the_solution(course, tmp_path):
    change(course / "modules/counting.py", "# Add it to the number.", "# Write `return  number + STEP`.")
    with pytest.raises(BuildError, match="a hint for 'counting-increase' tells its solution"):
        build(course, "discovery", tmp_path / "out")


def test_refuses_a_hint_with_one_long_line_of_the_solution(course, tmp_path):
    line = "number = int(number) + len([STEP])"
    change(course / "modules/counting.py", "    return number + STEP", f"    {line}\n    return number")
    build(course, "discovery", tmp_path / "out")
    change(course / "modules/counting.py", "# Add it to the number.", f"# First `{line}`.")
    with pytest.raises(BuildError, match="tells its solution: 'number = int"):
        build(course, "discovery", tmp_path / "out")


def test_reference_is_the_solved_package_and_runs(course, tmp_path):
    package = build(course, "discovery", tmp_path / "out").folder / "reference"
    assert "SOLUTION" not in (package / "tinytorch/counting.py").read_text()
    said = subprocess.run(
        [sys.executable, "-c", "from tinytorch.adding import add; print(add(2, 3))"],
        env={"PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "5\n"


def test_course_json_says_what_is_there_already(course, tmp_path):
    built = build(course, "discovery", tmp_path / "out")
    manifest = load(built.folder / "course.json")
    assert built.planned == ["later"]
    assert [step.module.available for step in manifest.track().steps] == [True, True, False]
    assert manifest.milestone("sums").available
    assert (built.folder / "student/milestones/sums.py").is_file()


def test_solution_of_a_milestone_stays_with_the_instructor(course, tmp_path):
    (course / "milestones/sums.py").write_text(
        "def predict(inputs):\n    ### BEGIN SOLUTION\n    return inputs + 41\n    ### END SOLUTION\n"
    )
    folder = build(course, "discovery", tmp_path / "build").folder
    assert "41" not in (folder / "student/milestones/sums.py").read_text()
    assert "sums is still to be done" in (folder / "student/milestones/sums.py").read_text()
    assert "41" in (folder / "instructor/milestones/sums.py").read_text()
    change(course / "milestones/sums.py", "    ### END SOLUTION\n", "")
    with pytest.raises(BuildError, match="in pairs"):
        build(course, "discovery", tmp_path / "build")


REFUSED = {
    "role": ('role="given"', 'role="gift"', "unknown role 'gift'"),
    "key": ('increase" points=2', 'increase" point=2', "unknown key 'point'"),
    "duplicate id": ('id="counting-decrease"', 'id="counting-increase"', "two cells have the id"),
    "bad id": ('id="counting-header"', 'id="Header 1"', "needs an id"),
    "no id": ('role="given" id="counting-header"', 'role="given"', "needs an id"),
    "exercise": ('exercise="counting-decrease"', 'exercise="subtract"', "which does not exist"),
    "points": ('increase" points=2', 'increase" points=3', "add up to 4, but course.yml gives 'counting' 3"),
    "no points": ('increase" points=2', 'increase"', "needs whole points"),
    "unknown track": ('track="short"', 'track="long"', "no track 'long'"),
    "track of a check": ('increase" points=2', 'increase" points=2 track="short"', "the same in every track"),
    "no solution": ("    ### BEGIN SOLUTION\n", "", "in pairs"),
    "syntax": ("def decrease(number):", "def decrease(number:", "no valid Python"),
    "export": ("def increase(number):", "def more(number):", "exports 'increase'"),
    "leak": ('print("a demonstration")', "### BEGIN SOLUTION\n1\n### END SOLUTION", "would reach students"),
    "rubric": ("# ### END RUBRIC\n", "", "needs one rubric"),
    "empty rubric": ("# One point for a reason, two for a good one.\n", "", "needs one rubric"),
    "no question": ("# Why is one step 1?\n", "#\n", "asks nothing"),
    "worthless question": ('one" points=2', 'one"', "a question needs whole points"),
    "rubric outside": (' role="question" id="counting-why-one" points=2', "", "would reach students"),
    "question in code": ('[markdown] role="question"', 'role="question"', "is for text"),
    "hint for nothing": ('"hint" exercise="counting-increase"', '"hint"', "a hint names its exercise"),
    "hint for another": ('"hint" exercise="counting-increase"', '"hint" exercise="x"', "does not exist"),
    "guess": ('id="counting-header"', 'id="counting-guess"', "two cells have the id"),
    "unprobed": ("check-decrease", "check-less", "no check of the module"),
}


@pytest.mark.parametrize(("old", "new", "reason"), REFUSED.values(), ids=REFUSED)
def test_refuses_a_wrong_cell_in_one_sentence_that_names_the_file(course, tmp_path, old, new, reason):
    change(course / "modules/counting.py", old, new)
    with pytest.raises(BuildError, match=r"counting\.py: ") as refusal:
        build(course, "discovery", tmp_path / "out")
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_refuses_a_solution_that_would_break_the_import_of_an_unsolved_notebook(course, tmp_path):
    change(
        course / "modules/counting.py",
        "STEP = 1\n",
        'STEP = 1\n\n# %% role="exercise" id="outside"\n### BEGIN SOLUTION\nA = 1\n### END SOLUTION\n',
    )
    with pytest.raises(BuildError, match=r"'outside'.*stands outside a function"):
        build(course, "discovery", tmp_path / "out")


def test_refuses_a_check_without_probe(course, tmp_path):
    change(course / "probes/counting.py", '@probe("check-decrease")\n', "")
    with pytest.raises(BuildError, match="check 'check-decrease' has no probe"):
        build(course, "discovery", tmp_path / "out")
    (course / "probes/counting.py").unlink()
    with pytest.raises(BuildError, match="is missing"):
        build(course, "discovery", tmp_path / "out")


def test_refuses_two_probes_of_one_name_which_python_would_silently_make_one(course, tmp_path):
    change(course / "probes/counting.py", "def decreases", "def increases")
    with pytest.raises(BuildError, match="two probes are named 'increases'"):
        build(course, "discovery", tmp_path / "out")


def test_refuses_a_track_that_puts_a_module_before_what_it_requires(course, tmp_path):
    change(course / "course.yml", "[counting, adding, later]", "[adding, counting, later]")
    with pytest.raises(ManifestError, match=r"tracks\.discovery: 'adding' requires 'counting'"):
        build(course, "discovery", tmp_path / "out")


def test_command_prints_a_sentence_and_no_traceback():
    command = [sys.executable, "-m", "course.builder", "--track", "nowhere"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("There is no track 'nowhere'. There are: discovery, ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("track", sorted(load(HERE / "course.yml").tracks))
def test_real_track_builds_and_its_public_names_resolve(track, tmp_path):
    built = build(HERE, track, tmp_path)
    manifest = load(built.folder / "course.json")
    paths = [path for slug in built.modules for path in manifest.module(slug).exports.values()]
    script = "import importlib, sys\nfor path in sys.argv[1:]:\n    module, _, name = path.rpartition('.')\n"
    script += "    getattr(importlib.import_module(module), name)\n"
    environment = {**os.environ, "PYTHONPATH": str(built.folder / "reference")}
    ended = subprocess.run(
        [sys.executable, "-c", script, *paths], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("path", sorted((HERE / "modules").glob("*.py")), ids=lambda path: path.stem)
def test_real_module_keeps_its_solutions_from_students(path):
    for cell in read(path, load(HERE / "course.yml").tracks):
        assert "SOLUTION" not in cell.cleared()


def test_cell_of_two_tracks_is_in_both_and_in_no_third(tmp_path):
    path = tmp_path / "m.py"
    path.write_text('# %% track="core, immediate"\n1 + 1\n\n# %%\n2 + 2\n')
    first, second = read(path, ("core", "discovery", "immediate"))
    assert [first.belongs_to(track) for track in ("core", "immediate", "discovery")] == [True, True, False]
    assert second.belongs_to("discovery")
    path.write_text('# %% track="core, inmediate"\n1 + 1\n')
    with pytest.raises(BuildError, match="no track 'inmediate'"):
        read(path, ("core", "immediate"))
