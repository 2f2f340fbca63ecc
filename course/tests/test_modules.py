"""The modules as students meet them: a solution gets all points, an untouched notebook none."""

from __future__ import annotations

import ast
import importlib
import sys

import numpy as np
import pytest

from course.builder.source import CODE_ROLES
from course.tests import mutation_table
from course.tests.marking import MANIFEST, SLUGS, Bench, cells, exported, forget, probes, reference
from course.tests.mutants import MUTANTS

HOMES = ("tinytorch", "tinytorch.data", "tinytorch.nn", "tinytorch.nn.functional", "tinytorch.nn.utils",
         "tinytorch.optim", "tinytorch.optim.lr_scheduler")  # fmt: skip


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A `tinytorch` in which a module is tried beside the reference of what it requires."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Bench(tmp_path)
    forget()


@pytest.mark.parametrize("slug", SLUGS)
def test_reference_gets_everything_and_an_untouched_notebook_nothing(slug, bench):
    assert bench.passed(slug) == {each.name for each in probes(slug)}
    assert bench.passed(slug, exported(slug, lambda cell: cell.cleared())) == set()


@pytest.mark.parametrize("slug", SLUGS)
def test_each_exercise_is_marked_by_itself(slug, bench):
    """One exercise left open takes the points of its own check only (or of one that names it as its use)."""
    uses = {"tensor-arithmetic": "check-tensor-standardize", "tensor-reduce": "check-tensor-standardize",
            "tensor-create": "everything"}  # fmt: skip
    for cell in (cell for cell in cells(slug) if cell.role == "exercise"):
        if uses.get(cell.id) == "everything":
            continue
        own = {c.id for c in cells(slug) if c.role == "check" and c.exercise == cell.id} | {uses.get(cell.id)}
        if cell.id == "tensor-transpose":  # checked beside reshape, which turns a tensor in one of its probes
            own.add("check-tensor-reshape")
        kept = bench.passed(
            slug, exported(slug, lambda c, o=cell: c.cleared() if c.id == o.id else c.solved())
        )
        lost = {p.check for p in probes(slug) if p.name not in kept}
        assert lost <= own, f"{cell.id} left open also costs {lost - own}"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # wrong solutions overflow and divide by 0
@pytest.mark.parametrize("exercise", sorted(MUTANTS))
def test_a_wrong_solution_loses_points(exercise, bench):
    assert bench.survivors(exercise) == []


def test_every_exercise_has_three_mutants():
    exercises = {cell.id for slug in SLUGS for cell in cells(slug) if cell.role == "exercise"}
    assert exercises == {exercise for exercise, mutants in MUTANTS.items() if len(mutants) >= 3}


@pytest.mark.parametrize("slug", SLUGS)
def test_text_and_code_are_in_balance(slug):
    since_check = 0
    for cell in cells(slug):
        since_check = 0 if cell.role == "check" else since_check + (cell.role == "exercise")
        assert since_check <= 5, f"{cell.id}: more than five exercises between two checks"
    read, written = ("text", "question"), (*CODE_ROLES, "demonstration")
    text = sum(len(cell.source) for cell in cells(slug) if cell.role in read and not cell.tracks)
    code = sum(len(cell.source) for cell in cells(slug) if cell.role in written and not cell.tracks)
    assert text <= 3 * code


def test_the_page_of_wrong_solutions_is_up_to_date():
    """`python -m course.tests.mutation_table` writes it; that all are caught is tried above."""
    listed = mutation_table.PAGE.read_text().splitlines()
    assert [mutation_table.row(exercise, []) for exercise in mutation_table.exercises()] == listed[
        -1 - len(MUTANTS) : -1
    ]


def test_public_names_are_those_of_the_manifest(bench):
    for slug in SLUGS:
        (bench.package / f"{slug}.py").write_text(reference(slug))
    forget()
    for module in (module for module in MANIFEST.modules.values() if module.available):
        for name, path in module.exports.items():
            home, public = path.rsplit(".", 1)
            assert name == public
            assert getattr(importlib.import_module(home), public).__module__ == f"tinytorch.{module.slug}"
    given = {f"{home}.{name}" for home in HOMES for name in importlib.import_module(home).MODULE_OF}
    exported = {path for module in MANIFEST.modules.values() for path in module.exports.values()}
    own = {f"tinytorch.{slug}" for slug in MANIFEST.modules}
    assert given == {path for path in exported if path.rsplit(".", 1)[0] not in own}


def test_one_import_is_enough(bench):
    bench.put("spatial")
    import tinytorch

    assert tinytorch.nn.functional.relu is tinytorch.nn.functional.__dict__["relu"]
    for part in (tinytorch.data, tinytorch.fast, tinytorch.nn.utils, tinytorch.optim.lr_scheduler):
        assert part.__name__.startswith("tinytorch.")


def test_a_name_that_is_not_made_yet_says_which_module_makes_it(bench):
    bench.put("layers")
    (bench.package / "layers.py").unlink()
    with pytest.raises(ImportError, match="tito export layers"):
        exec("from tinytorch.nn import Linear", {})
    with pytest.raises(AttributeError):
        _ = importlib.import_module("tinytorch").no_such_name


def test_a_tape_can_differentiate_what_was_written_before_it(bench):
    """Plays autograd: derivatives registered by name, one tape plugged in, nothing patched."""
    bench.put("layers")
    import tinytorch
    from tinytorch import nn, tensor

    nodes = []

    class Tape:
        def record(self, op, inputs, output):
            nodes.append((op, inputs, output))

        def backward(self, result, gradient):
            grads = {id(result): np.ones(result.shape, np.float32)}
            for op, inputs, output in reversed(nodes):
                g = grads.get(id(output))
                for each, grad in zip(inputs, op.vjp(g) if g is not None else (), strict=False):
                    grads[id(each)] = grads.get(id(each), 0) + grad
                    each.grad = grads[id(each)]

    tensor.register_vjp("Tanh")(lambda op, g: (g * (1 - op.output**2),))
    tensor.register_vjp("Sum")(lambda op, g: (np.broadcast_to(g, op.inputs[0].shape),))
    tensor.register_vjp("Affine")(
        lambda op, g: (g @ op.inputs[1], g.T @ op.inputs[0], g.sum(axis=0)),
    )
    tinytorch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = tinytorch.randn(5, 3)
    tensor.plug_in(Tape())
    model(x).sum().backward()
    tensor.plug_in(None)
    for parameter in model.parameters():
        at = tuple(0 for _ in parameter.shape)
        kept = parameter.data[at].copy()
        sums = []
        for step in (1e-2, -1e-2):
            parameter.data[at] = kept + step
            sums.append(model(x).sum().item())
        parameter.data[at] = kept
        assert parameter.grad[at] == pytest.approx((sums[0] - sums[1]) / 2e-2, rel=1e-2, abs=1e-3)


def test_solutions_are_marked_in_exercises_only():
    for slug in SLUGS:
        for cell in cells(slug):
            if cell.role == "exercise":
                assert "raise NotImplementedError" in cell.cleared()
                ast.parse(cell.cleared())


@pytest.mark.parametrize("slug", SLUGS)
def test_each_exercise_has_hints_and_each_module_a_question_or_two(slug):
    hinted = [cell.exercise for cell in cells(slug) if cell.role == "hint"]
    for cell in cells(slug):
        if cell.role == "exercise":
            assert hinted.count(cell.id) in (2, 3), f"{cell.id} has {hinted.count(cell.id)} hints"
    assert sum(cell.role == "question" for cell in cells(slug)) in (1, 2)
