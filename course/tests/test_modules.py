"""The modules as students meet them: a solution gets all points, an untouched notebook none."""

from __future__ import annotations

import ast
import functools
import importlib
import runpy
import shutil
import sys

import numpy as np
import pytest

from course import manifest as manifests
from course.builder import notebook
from course.builder.source import read
from course.export import assemble
from course.manifest import HERE
from course.probing import OutputError, Probe, collect, generator, normalise
from course.tests.mutants import MUTANTS

MANIFEST = manifests.load(HERE / "course.yml")
SLUGS = tuple(slug for slug, module in MANIFEST.modules.items() if module.available)
HOMES = ("tinytorch", "tinytorch.data", "tinytorch.nn", "tinytorch.nn.functional", "tinytorch.nn.utils",
         "tinytorch.optim", "tinytorch.optim.lr_scheduler")  # fmt: skip
SEED = 20


@functools.cache
def cells(slug):
    return read(HERE / "modules" / f"{slug}.py", MANIFEST.tracks)


def exported(slug, solve):
    """The module's source, exported from a notebook in which `solve(cell)` is the text of each cell."""
    official = notebook.student(slug, "discovery", cells(slug))
    written = notebook._notebook(slug, "discovery", cells(slug), solve)
    return assemble(official, written).source


@functools.cache
def reference(slug):
    return exported(slug, lambda cell: cell.solved())


@functools.cache
def probes(slug) -> list[Probe]:
    return collect(runpy.run_path(str(HERE / "probes" / f"{slug}.py")))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that makes a `tinytorch` of a module and the reference of what it requires."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two mutants in one second look alike to the cache
    shutil.copytree(HERE / "skeleton" / "tinytorch", tmp_path / "tinytorch")

    def put(slug, source=None):
        for former in SLUGS:
            (tmp_path / "tinytorch" / f"{former}.py").unlink(missing_ok=True)
        for needed in MANIFEST.requires_closure(slug):
            (tmp_path / "tinytorch" / f"{needed}.py").write_text(reference(needed))
        (tmp_path / "tinytorch" / f"{slug}.py").write_text(reference(slug) if source is None else source)
        forget()

    yield put
    forget()


def forget():
    for name in [name for name in sys.modules if name.split(".")[0] == "tinytorch"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def outputs(slug, checks=None):
    """What the probes give on the package as it is now: arrays, or None where they failed."""
    found = {}
    for each in probes(slug):
        if checks is None or each.check in checks:
            try:
                found[each.name] = normalise(each.function(generator(SEED, each.name)))
            except OutputError:
                found[each.name] = None
            except Exception:
                found[each.name] = None
    return found


@functools.cache
def expected(slug):
    """What the probes give on the reference. Call it only while the reference is in force."""
    return outputs(slug)


def passes(each: Probe, got, wanted):
    if got is None:
        return False
    if each.judge is not None:
        return each.judge(generator(SEED, each.name), got) is None
    return got.keys() == wanted.keys() and all(
        got[name].shape == wanted[name].shape
        and np.allclose(got[name], wanted[name], rtol=each.rtol, atol=each.atol, equal_nan=True)
        for name in wanted
    )


def passed(slug, checks=None):
    """The names of the probes that pass on the package as it is now."""
    got = outputs(slug, checks)
    return {p.name for p in probes(slug) if p.name in got and passes(p, got[p.name], expected(slug)[p.name])}


@pytest.fixture
def compared(package):
    """As `package`, with the reference's outputs known."""

    def put(slug, source=None):
        package(slug)
        expected(slug)
        if source is not None:
            package(slug, source)

    return put


@pytest.mark.parametrize("slug", SLUGS)
def test_reference_gets_everything_and_an_untouched_notebook_nothing(slug, compared):
    compared(slug)
    assert passed(slug) == {each.name for each in probes(slug)}
    compared(slug, exported(slug, lambda cell: cell.cleared()))
    assert passed(slug) == set()


@pytest.mark.parametrize("slug", SLUGS)
def test_each_exercise_is_marked_by_itself(slug, compared):
    """One exercise left open takes the points of its own check only (or of one that names it as its use)."""
    uses = {"tensor-arithmetic": "check-tensor-standardize", "tensor-reduce": "check-tensor-standardize",
            "tensor-create": "everything"}  # fmt: skip
    for cell in (cell for cell in cells(slug) if cell.role == "exercise"):
        if uses.get(cell.id) == "everything":
            continue
        own = {c.id for c in cells(slug) if c.exercise == cell.id} | {uses.get(cell.id)}
        if cell.id == "tensor-transpose":  # checked beside reshape, which turns a tensor in one of its probes
            own.add("check-tensor-reshape")
        compared(slug, exported(slug, lambda c, o=cell: c.cleared() if c.id == o.id else c.solved()))
        kept = passed(slug)
        lost = {p.check for p in probes(slug) if p.name not in kept}
        assert lost <= own, f"{cell.id} left open also costs {lost - own}"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # wrong solutions overflow and divide by 0
@pytest.mark.parametrize("exercise", sorted(MUTANTS))
def test_a_wrong_solution_loses_points(exercise, compared):
    slug = exercise.split("-", maxsplit=1)[0]
    (cell,) = (cell for cell in cells(slug) if cell.id == exercise)
    checks = {c.id for c in cells(slug) if c.exercise == exercise}
    all_of_them = {p.name for p in probes(slug) if p.check in checks}
    survivors = []
    for old, new in MUTANTS[exercise]:
        assert old in cell.solved(), f"{exercise}: the solution no longer holds {old!r}"
        compared(
            slug,
            exported(
                slug, lambda c, o=old, n=new: c.solved().replace(o, n) if c.id == exercise else c.solved()
            ),
        )
        if passed(slug, checks) == all_of_them:
            survivors.append((old, new))
    assert not survivors


def test_every_exercise_has_three_mutants():
    exercises = {cell.id for slug in SLUGS for cell in cells(slug) if cell.role == "exercise"}
    assert exercises == {exercise for exercise, mutants in MUTANTS.items() if len(mutants) >= 3}


@pytest.mark.parametrize("slug", SLUGS)
def test_text_and_code_are_in_balance(slug):
    since_check = 0
    for cell in cells(slug):
        since_check = 0 if cell.role == "check" else since_check + (cell.role == "exercise")
        assert since_check <= 5, f"{cell.id}: more than five exercises between two checks"
    text = sum(len(cell.source) for cell in cells(slug) if cell.role == "text" and cell.track is None)
    code = sum(len(cell.source) for cell in cells(slug) if cell.role != "text" and cell.track is None)
    assert text <= 3 * code


def test_public_names_are_those_of_the_manifest(package, tmp_path):
    for slug in SLUGS:
        (tmp_path / "tinytorch" / f"{slug}.py").write_text(reference(slug))
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


def test_a_name_that_is_not_made_yet_says_which_module_makes_it(package, tmp_path):
    package("layers")
    (tmp_path / "tinytorch" / "layers.py").unlink()
    with pytest.raises(ImportError, match="tito export layers"):
        exec("from tinytorch.nn import Linear", {})
    with pytest.raises(AttributeError):
        _ = importlib.import_module("tinytorch").no_such_name


def test_a_tape_can_differentiate_what_was_written_before_it(package):
    """Plays autograd: derivatives registered by name, one tape plugged in, nothing patched."""
    package("layers")
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
