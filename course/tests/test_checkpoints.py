"""Checkpoints: the reference can do each, a framework with one fault cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course.builder import notebook
from course.builder.source import read
from course.export import assemble
from course.manifest import HERE, load

COURSE = load(HERE / "course.yml")
FAULTS = {
    "computes": ("tensor", "MatMul.forward = lambda self, x, y: x @ y + 1"),
    "answers": ("layers", "Linear.forward = lambda self, x: x"),
    "fits_a_line": (
        "losses",
        "right = affine_vjp\ndef affine_vjp(*a):\n    x, w, b = right(*a)\n    return x, -w, b",
    ),
    "learns_by_hand": ("optimizers", "Adam.update = lambda *arguments: None"),
    "differentiates": ("autograd", "register_vjp('Tanh')(lambda op, g: (g,))"),
    "recognises_digits": ("optimizers", "Adam.update = lambda *arguments: None"),
    "keeps_in_hand": ("training", "def resume(trainer, state):\n    trainer.epoch = state['epoch']"),
    "classifies_images": ("spatial", "Conv2d.forward = lambda self, x: x"),
    "feeds_itself": ("dataloader", "epoch_order = lambda n, shuffle, seed, epoch: np.arange(n)"),
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The folder of the reference package."""
    folder = tmp_path_factory.mktemp("reference")
    shutil.copytree(HERE / "skeleton" / "tinytorch", folder / "tinytorch")
    for path in (HERE / "modules").glob("*.py"):
        cells = read(path, COURSE.tracks)
        official = notebook.student(path.stem, "discovery", cells)
        assembly = assemble(official, notebook.solved(path.stem, cells))
        (folder / "tinytorch" / path.name).write_text(assembly.source)
    return folder


def tried(slug: str, package: Path) -> dict:
    environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{HERE.parent}"}
    command = [sys.executable, "-m", "course.tito.trying", str(HERE / "checkpoints" / f"{slug}.py")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=package)
    return json.loads(ended.stdout)


def test_every_checkpoint_has_a_test_and_every_test_is_listed():
    assert (
        {path.stem for path in (HERE / "checkpoints").glob("*.py")} == set(COURSE.checkpoints) == set(FAULTS)
    )


@pytest.mark.parametrize("slug", COURSE.checkpoints)
def test_reference_can_do_it_and_says_figures(reference, slug):
    found = tried(slug, reference)
    assert found["good"], found["said"]
    assert any(letter.isdigit() for letter in found["said"])
    assert found["said"].endswith(".")


@pytest.mark.parametrize("slug", COURSE.checkpoints)
def test_framework_with_a_fault_fails_and_says_why(reference, tmp_path, slug):
    module, fault = FAULTS[slug]
    assert module in COURSE.closure(COURSE.checkpoints[slug].requires)
    shutil.copytree(reference / "tinytorch", tmp_path / "tinytorch")
    path = tmp_path / "tinytorch" / f"{module}.py"
    path.write_text(f"{path.read_text()}\n\n{fault}\n")
    found = tried(slug, tmp_path)
    assert not found["good"]
    assert found["said"]


@pytest.mark.parametrize("slug", COURSE.checkpoints)
def test_it_needs_no_more_than_it_says(reference, tmp_path, slug):
    shutil.copytree(reference / "tinytorch", tmp_path / "tinytorch")
    for other in set(COURSE.modules) - set(COURSE.closure(COURSE.checkpoints[slug].requires)):
        (tmp_path / "tinytorch" / f"{other}.py").unlink(missing_ok=True)
    found = tried(slug, tmp_path)
    assert found["good"], found["said"]
