"""A notebook that is corrected after a class has begun it: corrections arrive, no one's work goes."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path

import pytest

from course.builder.build import build
from course.export import answers, assemble
from course.tests.fixture import change, write_course
from course.tito.tests.stand_ins import SOLUTIONS, solve
from course.tito.update import merged

COUNT = 300


def correct(source: Path) -> None:
    """What an author may put right: a check, a given cell, a demonstration, a text; and new cells."""
    path = source / "modules/counting.py"
    change(path, "increase(1) == 2,", "increase(2) == 3,")
    change(path, "STEP = 1\n", "STEP = 1  # one at a time\n")
    change(path, '"a demonstration"', '"a better demonstration"')
    change(path, "# One more: $n + 1$.\n", "# One more: $n + 1$. One less: $n - 1$.\n")
    change(path, '"""One less than number."""', '"""One less than number; the other way."""')
    change(path, "# %% [markdown] role=\"question\"", "# %% [markdown]\n# A new text.\n\n# %%\n2 + 2\n\n"
           "# %% [markdown] role=\"question\"")  # fmt: skip


@pytest.fixture
def corrected(work, tmp_path):
    """What corrects the course, as a new deploy would."""

    def now() -> None:
        source = tmp_path / "source"
        correct(source)
        again = build(source, "discovery", tmp_path / "again").folder
        for path in (again / "student").rglob("*.ipynb"):
            target = Path(os.environ["TT_COURSE"]) / "student" / path.name
            target.write_bytes(path.read_bytes())

    return now


def book(work: Path, name: str = "counting") -> dict:
    return json.loads((work / f"{name}.ipynb").read_text())


def source(cell: dict) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def find(notebook: dict, cell_id: str) -> dict:
    return next(cell for cell in notebook["cells"] if cell["id"] == cell_id)


def texts(notebook: dict) -> list[str]:
    return [source(cell) for cell in notebook["cells"]]


def test_correction_arrives_and_what_was_written_stays(work, tito, corrected):
    tito("start", "counting")
    solve(work, "counting")
    begun = book(work)
    find(begun, "counting-why-one")["source"] = "Because."
    find(begun, "counting-increase")["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": "mine"}
    ]
    own = {"cell_type": "code", "id": "mine", "metadata": {}, "source": "increase(41)", "outputs": []}
    begun["cells"].insert(begun["cells"].index(find(begun, "counting-increase")) + 1, own)
    (work / "counting.ipynb").write_text(json.dumps(begun))
    assert "tito update" not in tito("status")[1]
    corrected()
    assert "tito update counting" in tito("status")[1]
    code, said = tito("update")
    assert code == 0
    after = book(work)
    assert "increase(2) == 3" in source(find(after, "check-increase"))
    assert "one at a time" in source(find(after, "counting-header"))
    assert {"A new text.", "2 + 2", 'print("a better demonstration")'} <= set(texts(after))
    assert 'print("a demonstration")' not in texts(after)
    assert source(find(after, "counting-increase")) == SOLUTIONS["counting-increase"]
    assert find(after, "counting-increase")["outputs"]
    assert source(find(after, "counting-why-one")) == "Because."
    names = [cell["id"] for cell in after["cells"]]
    assert names.index("mine") == names.index("counting-increase") + 1
    assert "-assert increase(1) == 2" in said
    assert "+assert increase(2) == 3" in said
    assert "changed: counting-decrease (what you wrote stays)" in said
    assert book(work, "counting.1") == begun
    assert tito("update", "counting") == (0, "counting.ipynb is up to date.\n")
    assert "tito update" not in tito("status")[1]


def test_untouched_exercise_gets_its_corrected_start(work, tito, corrected):
    tito("start", "counting")
    corrected()
    tito("update", "counting")
    assert "the other way" in source(find(book(work), "counting-decrease"))


def test_changed_demonstration_stays_where_the_course_did_not_change_it(work, tito, corrected):
    tito("start", "adding")
    (work / "counting.ipynb").unlink(missing_ok=True)
    begun = book(work, "adding")
    shown = next(cell for cell in begun["cells"] if "increase(increase(2))" in source(cell))
    shown["source"] = "print(increase(7))"
    (work / "adding.ipynb").write_text(json.dumps(begun))
    path = Path(os.environ["TT_COURSE"]) / "student" / "adding.ipynb"
    official = json.loads(path.read_text())
    find(official, "check-add")["source"] = ["assert add(2, 4) == 6"]
    official["metadata"]["tinytorch"]["version"] = "new"
    path.write_text(json.dumps(official))
    tito("update", "adding")
    after = book(work, "adding")
    assert "print(increase(7))" in texts(after)
    assert not any("increase(increase(2))" in text for text in texts(after))
    assert len(after["cells"]) == len(begun["cells"])


def test_work_begun_before_anybody_kept_the_start_is_merged_too(work, tito, corrected):
    tito("start", "counting")
    solve(work, "counting")
    (work / ".tito/started/counting.ipynb").unlink()
    corrected()
    tito("update", "counting")
    after = book(work)
    assert source(find(after, "counting-increase")) == SOLUTIONS["counting-increase"]
    assert "increase(2) == 3" in source(find(after, "check-increase"))
    assert 'print("a demonstration")' not in texts(after)


def test_nothing_is_lost_when_the_disk_is_full(work, tito, corrected, monkeypatch):
    tito("start", "counting")
    solve(work, "counting")
    before = (work / "counting.ipynb").read_bytes()
    corrected()

    def full(*_):
        raise OSError(28, "No space left on device", "counting.ipynb")

    monkeypatch.setattr("course.tito.places.os.fsync", full)
    code, said = tito("update", "counting")
    assert (code, said) == (1, f"{work}/counting.ipynb: No space left on device.\n")
    assert (work / "counting.ipynb").read_bytes() == before


@pytest.mark.parametrize("content", ["no notebook", "{}"])
def test_damaged_notebook_is_named_and_stays(work, tito, corrected, content):
    tito("start", "counting")
    corrected()
    (work / "counting.ipynb").write_text(content)
    code, said = tito("update", "counting")
    assert code == 1
    assert "This is no notebook" in said
    assert (work / "counting.ipynb").read_text() == content


def test_nothing_begun_and_a_wrong_name_are_told(tito):
    assert tito("update")[1] == "You have begun no notebook yet. Get one with: tito start\n"
    assert tito("update", "nonsense")[0] == 1


def test_correction_reaches_three_hundred_who_have_begun(tmp_path):
    """Each at another place, with cells added, doubled, moved and deleted: no line of anybody's is lost."""
    author = write_course(tmp_path / "source")
    before = json.loads(
        (build(author, "discovery", tmp_path / "a").folder / "student/counting.ipynb").read_text()
    )
    correct(author)
    after = json.loads(
        (build(author, "discovery", tmp_path / "b").folder / "student/counting.ipynb").read_text()
    )
    for number in range(COUNT):
        rng = random.Random(number)
        student = copy.deepcopy(before)
        for name in ("counting-increase", "counting-decrease"):
            if rng.random() < 0.7:
                find(student, name)["source"] = SOLUTIONS[name] + f"  # of {number}"
        if rng.random() < 0.5:
            find(student, "counting-why-one")["source"] = f"Answer of {number}."
        for nth in range(rng.randrange(4)):
            own = {"cell_type": "code", "id": f"own{nth}", "metadata": {}, "source": f"own({nth}, {number})"}
            student["cells"].insert(rng.randrange(len(student["cells"]) + 1), {**own, "outputs": []})
        if rng.random() < 0.2:
            doubled = copy.deepcopy(rng.choice(student["cells"]))
            student["cells"].insert(rng.randrange(len(student["cells"])), doubled)
        if rng.random() < 0.2:
            rng.shuffle(student["cells"])
        if rng.random() < 0.2:
            del student["cells"][rng.randrange(len(student["cells"]))]
        known = before if rng.random() < 0.8 else None
        result = merged(known, student, after)
        written = {source(cell) for cell in student["cells"]} - set(texts(before))
        assert written <= set(texts(result)), number
        names = [cell["id"] for cell in result["cells"]]
        assert len(names) == len(set(names)), number
        for cell in after["cells"]:
            role = cell["metadata"].get("tinytorch", {}).get("role")
            if role in ("given", "check"):
                assert source(find(result, cell["id"])) == source(cell), number
        assert merged(after, result, after)["cells"] == result["cells"], number
        was, is_now = (assemble(after, each).source.split("\n") for each in (student, result))
        assert {line for line in was if f"# of {number}" in line} <= set(is_now), number
        assert answers(after, result) == answers(after, student), number
