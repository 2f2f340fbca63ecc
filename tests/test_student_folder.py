"""What a build puts into the students' image: no line of a solution, no rubric, no probe. For every track.

Read where the image's recipe reads it, so that a folder that is copied in one day is looked through too. Needs no
engine. tests/test_isolation.py looks for the same inside a student's container.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from course import manifest as manifests
from course.builder.build import build
from course.builder.source import QUOTED, RUBRIC, SOLUTION, read
from course.manifest import HERE

COURSE = manifests.load(HERE / "course.yml")
RECIPE = HERE.parent / "images" / "student" / "Dockerfile"
# Long lines of solutions that the course shows elsewhere on purpose: in a later module, or in a milestone's own text.
SHOWN = {
    'raise ValueError(f"p is a probability, between 0 and 1; it is {p}.")',  # for another p, in dataloader's given code
    "times.append(time.perf_counter() - start)",  # later modules time with it in their demonstrations
    "second.weight.grad, second.bias.grad = from_numpy(g_weight), from_numpy(g_bias)",  # losses shows how to train by
    "first.weight.grad, first.bias.grad = from_numpy(g_weight), from_numpy(g_bias)",  # hand; xor is its milestone
    "Conv2d(1, 16, 3, padding=1), ReLU(), MaxPool2d(2),",  # recommended by cnn_against_mlp itself
    "for parameter in model.parameters():",
}


def squeezed(text: str) -> str:
    """A text without what only lays it out."""
    return "".join(text.split())


def copied(built: Path) -> Iterator[Path]:
    """Every file of ours that goes into the students' image."""
    recipe = re.sub(r"\\\n", " ", RECIPE.read_text())
    for line in re.findall(r"^COPY (?!--from)(.+)$", recipe, re.MULTILINE):
        for source in line.split()[:-1]:
            inside = source.removeprefix("build/course/${TRACK}/")
            paths = [*(built.glob(inside) if inside != source else HERE.parent.glob(source))]
            assert paths, source
            for path in paths:
                found = path.rglob("*") if path.is_dir() else [path]
                yield from (
                    each for each in found if each.is_file() and not {"tests", "__pycache__"} & {*each.parts}
                )


@pytest.fixture(scope="module", params=sorted(COURSE.tracks))
def seen(request, tmp_path_factory) -> dict[str, str]:
    """What students of a track can read: each cell and each file, squeezed."""
    texts = {}
    for path in copied(build(HERE, request.param, tmp_path_factory.mktemp("built")).folder):
        content = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".ipynb":
            for cell in json.loads(content)["cells"]:
                texts[f"{path.name}, {cell['id']}"] = squeezed("".join(cell["source"]))
                assert not cell.get("outputs")
        elif path.suffix == ".json":
            texts[path.name] = squeezed("\n".join(strings(json.loads(content))))
        else:
            texts[str(path.relative_to(path.parents[1]))] = squeezed(content)
    for slug in ("tensor.ipynb", "hints.json", "course.json", "milestones/xor.py", "checkpoints/computes.py"):
        assert any(name.startswith(slug) for name in texts), slug
    return texts


def strings(value: object) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


def places(seen: dict[str, str], text: str) -> list[str]:
    """Where a text can be read."""
    return [name for name, content in seen.items() if squeezed(text) in content]


def sources() -> Iterator[tuple[str, str, str]]:
    """Each place with a solution: its name, its source, and what of it students are given."""
    for path in sorted((HERE / "modules").glob("*.py")):
        for cell in read(path, COURSE.tracks):
            yield cell.id, cell.source, cell.cleared()
    for path in sorted((HERE / "milestones").glob("*.py")):
        source = path.read_text()
        yield path.stem, source, SOLUTION.sub("", source)


def test_no_line_of_a_solution_reaches_students(seen: dict[str, str]) -> None:
    looked_for, told = 0, []
    for name, source, given in sources():
        for solution in SOLUTION.finditer(source):
            for line in map(str.strip, solution["code"].splitlines()):
                if len(line) > QUOTED and line not in SHOWN and squeezed(line) not in squeezed(given):
                    looked_for += 1
                    told += [f"{name}: {line!r} is in {place}" for place in places(seen, line)]
    assert looked_for > 200
    assert told == []


def test_no_rubric_reaches_students(seen: dict[str, str]) -> None:
    rubrics = [text for _, source, _ in sources() for text in RUBRIC.findall(source)]
    assert len(rubrics) >= len([each for each in COURSE.modules.values() if each.available])
    told = [
        f"{line!r} is in {place}"
        for rubric in rubrics
        for line in map(str.strip, rubric.splitlines())
        if len(line) > QUOTED
        for place in places(seen, line)
    ]
    assert told == []
    assert places(seen, "BEGIN RUBRIC") == places(seen, "BEGIN SOLUTION") == []


def test_no_probe_and_no_verification_reaches_students(seen: dict[str, str]) -> None:
    looked_for, told = 0, []
    for path in sorted((HERE / "probes").rglob("*.py")):
        source = path.read_text()
        is_verification = path.parent.name == "milestones"
        for node in ast.parse(source).body:
            if not isinstance(node, ast.FunctionDef) or not (node.decorator_list or is_verification):
                continue
            looked_for += 1
            body = "\n".join(ast.get_source_segment(source, each) or "" for each in node.body[1:])
            if len(body) > QUOTED:
                told += [f"{path.stem}.{node.name} is in {place}" for place in places(seen, body)]
            if not is_verification:
                told += [
                    f"{path.stem}.{node.name} is named in {p}" for p in places(seen, f"def {node.name}(rng")
                ]
    assert looked_for > 100
    assert told == []
    assert places(seen, "course.probing") == places(seen, "MAX_WEIGHTS") == []
