"""No milestone needs an optional module: who skips it can still do them all."""

from __future__ import annotations

import ast

import pytest

from course import manifest as manifests
from course.manifest import HERE

MANIFEST = manifests.load(HERE / "course.yml")
OPTIONAL = {step.module.slug for track in MANIFEST.tracks.values() for step in track.steps if step.optional}
MILESTONES = sorted([*(HERE / "milestones").glob("*.py"), *(HERE / "probes" / "milestones").glob("*.py")])


def of(slugs):
    """The public paths that modules make, and the packages that hold nothing else."""
    paths = {path for slug in slugs for path in MANIFEST.module(slug).exports.values()}
    others = {p for m in MANIFEST.modules.values() if m.slug not in slugs for p in m.exports.values()}
    packages = {path.rpartition(".")[0] for path in paths} - {path.rpartition(".")[0] for path in others}
    return paths | packages | {f"tinytorch.{slug}" for slug in slugs}


def used(source):
    """The dotted names of a source, with what its imports stand for written out, and its texts."""
    tree, stands_for, found = ast.parse(source), {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
            stands_for |= {each.asname: each.name for each in node.names if each.asname}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
            named = {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
            found |= set(named.values())
            stands_for |= named
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)  # import_module("tinytorch.training")
    for node in ast.walk(tree):
        parts, inner = [], node
        while isinstance(inner, ast.Attribute):
            parts, inner = [inner.attr, *parts], inner.value
        if parts and isinstance(inner, ast.Name):
            found.add(".".join([stands_for.get(inner.id, inner.id), *parts]))
    return found


def forbidden(source):
    return {name for name in used(source) for path in of(OPTIONAL) if f"{name}.".startswith(f"{path}.")}


@pytest.mark.parametrize("path", MILESTONES, ids=lambda path: path.relative_to(HERE).as_posix())
def test_no_milestone_imports_an_optional_module(path):
    assert forbidden(path.read_text()) == set()


def test_training_is_optional_and_nothing_requires_it():
    assert "training" in OPTIONAL
    needs = [*MANIFEST.modules.values(), *MANIFEST.milestones.values()]
    assert not [each.slug for each in needs if "training" in each.requires]


@pytest.mark.parametrize(
    "source",
    [
        "import tinytorch.training",
        "from tinytorch import training",
        "from tinytorch.training import Trainer as T",
        "from tinytorch.optim.lr_scheduler import OneCycleLR",
        "from tinytorch.optim import lr_scheduler as s",
        "import tinytorch\n\ndef f():\n    return tinytorch.optim.lr_scheduler.CosineAnnealingLR",
        "import tinytorch.nn as nn\nnn.utils.clip_grad_norm_([], 1)",
        "from tinytorch.nn.utils import *",
        "from importlib import import_module\nimport_module('tinytorch.training')",
    ],
)
def test_every_way_to_import_it_is_seen(source):
    assert forbidden(source)


def test_other_imports_are_none_of_it():
    assert not forbidden(
        "from tinytorch.optim import SGD\nfrom tinytorch import nn\nx = nn.Linear\ntraining = 1"
    )
