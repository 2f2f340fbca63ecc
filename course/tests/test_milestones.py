"""Every milestone: its quick variant runs, what learned passes, what did not learn does not."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from course import manifest as manifests
from course.builder.source import clear, solve
from course.datasets import DatasetError
from course.manifest import HERE
from course.probing import generator
from course.tests.marking import forget

MANIFEST = manifests.load(HERE / "course.yml")
MILESTONES = tuple(slug for slug, milestone in MANIFEST.milestones.items() if milestone.available)
SHAPES = {"perceptron": (8, 8), "xor": (2,), "mnist_mlp": (28, 28), "cnn_against_mlp": (28, 28),
          "batching": (65,), "cifar10_cnn": (3, 32, 32)}  # of one hidden input # fmt: skip
ORIGINALS = os.environ.get("TT_TEST_DATASETS")  # a folder of real data sets' original files


@pytest.fixture(scope="module")
def package(folder, tmp_path_factory):
    """A folder with the reference package and every milestone's solved script."""
    made = tmp_path_factory.mktemp("milestones")
    shutil.copytree(folder / "tinytorch", made / "tinytorch")
    for slug in MILESTONES:
        (made / f"{slug}.py").write_text(solve((HERE / "milestones" / f"{slug}.py").read_text()))
    return made


@pytest.fixture
def script(package, monkeypatch):
    """A function that gives a solved script's names."""
    monkeypatch.syspath_prepend(str(package))
    forget()
    yield lambda slug: runpy.run_path(str(package / f"{slug}.py"))
    forget()


def verification(slug):
    return runpy.run_path(str(HERE / "probes" / "milestones" / f"{slug}.py"))


PUBLIC, PRIVATE = 0, 1


def score(slug, predict, seed=0, half=PRIVATE):
    """What a prediction function reaches on hidden inputs; skips if their data set is not there."""
    verify = verification(slug)
    try:
        inputs, labels = verify["hidden"](generator(seed, slug), half)
    except DatasetError as missing:
        pytest.skip(str(missing))
    predictions = predict(inputs)
    assert predictions.shape == labels.shape
    return float(verify.get("score", lambda truth, said: np.mean(said == truth))(labels, predictions))


def run(package: Path, slug: str, *options: str) -> str:
    """Run a script as `tito milestone run` does; what it said."""
    path = os.pathsep.join([str(package), str(HERE.parent)])
    ran = subprocess.run(
        [sys.executable, str(package / f"{slug}.py"), *options],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("slug", [slug for slug in MILESTONES if slug != "perceptron"])
def test_quick_variant_runs_and_draws(slug, package):
    said = run(package, slug, "--quick")
    assert "%" in said
    assert list(package.glob(f"{slug}*.png"))
    assert "Traceback" not in said


@pytest.mark.parametrize("slug", MILESTONES)
def test_untouched_script_predicts_nothing(slug, script):
    script(slug)  # so that tinytorch is in force
    names: dict[str, object] = {"__name__": slug}
    exec(compile(clear((HERE / "milestones" / f"{slug}.py").read_text(), slug), f"{slug}.py", "exec"), names)
    with pytest.raises(NotImplementedError):
        names["predict"](np.zeros((2, *SHAPES[slug]), np.uint8), {})


@pytest.mark.parametrize("slug", MILESTONES)
def test_script_says_what_it_demands(slug):
    text = (HERE / "milestones" / f"{slug}.py").read_text()
    assert "What is demanded" in text
    assert f"{MANIFEST.milestones[slug].passing:.0%}" in text


def test_xor_by_hand_passes_and_a_line_does_not(package, script):
    run(package, "xor")
    with np.load(package / "xor.npz") as saved:
        weights = dict(saved)
    predict, passing = script("xor")["predict"], MANIFEST.milestones["xor"].passing
    assert min(score("xor", lambda x: predict(x, weights), seed) for seed in range(3)) >= passing
    flat = {name: np.zeros_like(array) for name, array in weights.items()}
    assert score("xor", lambda x: predict(x, flat)) < 0.6
    assert score("xor", lambda x: (x.sum(axis=1) > 0.5).astype(int)) < 0.8  # the best that a line can do


def test_hand_gradients_of_xor_are_those_of_autograd(script):
    names = script("xor")
    import tinytorch
    from tinytorch.nn.functional import binary_cross_entropy_with_logits

    model = names["network"]()
    x, y = names["points"](32, np.random.default_rng(0))
    value = names["gradients"](model, x, y)
    by_hand = [parameter.grad.numpy().copy() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = None
    loss = binary_cross_entropy_with_logits(model(tinytorch.Tensor(x)), tinytorch.Tensor(y))
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-5)
    for parameter, hand in zip(model.parameters(), by_hand, strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), hand, rtol=1e-4, atol=1e-6)


def test_batching_trains_on_what_comes_with_the_hidden_samples(script):
    predict = script("batching")["predict"]
    passing = MANIFEST.milestones["batching"].passing
    assert min(score("batching", lambda x: predict(x, {}), seed) for seed in range(3)) >= passing
    assert score("batching", lambda x: np.full((x[:, 64] == 255).sum(), 3)) < 0.2


@pytest.mark.skipif(not ORIGINALS, reason="TT_TEST_DATASETS names no folder of original files")
@pytest.mark.parametrize("slug", ["mnist_mlp", "cnn_against_mlp"])
def test_real_milestone_passes_on_mnist(slug, package, script, tmp_path, monkeypatch):
    from course.datasets.__main__ import main

    monkeypatch.setenv("TT_DATASETS", str(tmp_path))
    assert main(["fetch", "mnist", "--into", str(tmp_path), "--local", str(ORIGINALS)]) == 0
    run(package, slug)
    with np.load(package / f"{slug}.npz") as saved:
        weights = dict(saved)
    predict = script(slug)["predict"]
    assert score(slug, lambda x: predict(x, weights)) >= MANIFEST.milestones[slug].passing
    nothing = {name: np.zeros_like(array) for name, array in weights.items()}
    assert score(slug, lambda x: predict(x, nothing)) < 0.2
