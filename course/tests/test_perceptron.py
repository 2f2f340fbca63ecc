"""The milestone perceptron: learning passes; what has not learned does not."""

from __future__ import annotations

import runpy
import sys

import numpy as np
import pytest

from course import manifest as manifests
from course.builder.source import clear, solve
from course.manifest import HERE
from course.probing import generator

PASSING = manifests.load(HERE / "course.yml").milestone("perceptron").passing
PUBLIC, PRIVATE = 0, 1  # halves of the hidden inputs
VERIFY = runpy.run_path(str(HERE / "probes" / "milestones" / "perceptron.py"))
SOURCE = (HERE / "milestones" / "perceptron.py").read_text()


@pytest.fixture(scope="module")
def script(tt, tmp_path_factory):
    """The namespace of the script, solved, on the reference; it lies in a folder of its own."""
    path = tmp_path_factory.mktemp("perceptron") / "perceptron.py"
    path.write_text(solve(SOURCE))
    return runpy.run_path(str(path))


@pytest.fixture(scope="module")
def known(script):
    """The training images and their classes."""
    return script["examples"]("train")


def scores(decide):
    """The accuracy of a function from images to classes on five hidden sets, of the private half each."""
    found = []
    for seed in range(5):
        inputs, labels = VERIFY["hidden"](generator(seed, "perceptron"), PRIVATE)
        found.append(float(np.mean(decide(inputs) == labels)))
    return found


def nearest(known, images, change=lambda flat: flat):
    """The classes of the training images that are nearest."""
    here, there = (change(array.reshape(len(array), -1)) for array in (images, known[0]))
    return known[1][((here[:, None] - there[None]) ** 2).sum(axis=-1).argmin(axis=1)]


def test_learning_by_rosenblatts_rule_passes(script, known, capsys):
    for seed in range(3):
        sys.modules["tinytorch"].manual_seed(seed)
        model = script["perceptron"]()
        weights, _ = script["train"](model, *known, np.random.default_rng(seed))
        assert min(scores(lambda inputs, w=weights: script["predict"](inputs, w))) >= PASSING


def test_the_script_as_a_whole_saves_what_is_handed_in(script, monkeypatch, capsys):
    script["main"]()
    saved = script["__file__"].removesuffix(".py")
    with np.load(saved + ".npz") as weights:
        assert {name: weights[name].shape for name in weights} == {"1.weight": (1, 64), "1.bias": (1,)}
    said = capsys.readouterr().out
    assert "XOR, 100 passes" in said


def test_what_has_not_learned_does_not_pass(script, known):
    zero = {"1.weight": np.zeros((1, 64), np.float32), "1.bias": np.zeros(1, np.float32)}
    table = {image.tobytes(): label for image, label in zip(*known, strict=True)}

    def standard(flat):
        return (flat - flat.mean(axis=1, keepdims=True)) / flat.std(axis=1, keepdims=True)

    best = {
        "all weights zero": max(scores(lambda inputs: script["predict"](inputs, zero))),
        "always the same": max(scores(lambda inputs: np.ones(len(inputs), int))),
        "lookup table": max(scores(lambda inputs: np.array([table.get(i.tobytes(), 0) for i in inputs]))),
        "nearest neighbour": max(scores(lambda inputs: nearest(known, inputs))),
        "nearest, contrast removed": max(scores(lambda inputs: nearest(known, inputs, standard))),
    }
    assert {name: score for name, score in best.items() if score >= PASSING} == {}
    assert best["nearest, contrast removed"] > 0.8, "the test itself: this one should be good"


def test_learning_without_disturbing_does_not_pass(script, known):
    """The rule on the images as they are: the text says that it must be tried on disturbed ones."""
    model, (images, labels) = script["perceptron"](), known
    for _ in range(10):
        for image, label in zip(images, labels, strict=True):
            script["learn"](model, image, label)
    assert max(scores(lambda inputs: script["decide"](model, inputs))) < PASSING


def test_an_untouched_script_predicts_nothing(script):
    names: dict[str, object] = {"__name__": "perceptron"}
    exec(compile(clear(SOURCE, "perceptron"), "perceptron.py", "exec"), names)
    inputs, _ = VERIFY["hidden"](generator(0, "perceptron"), PRIVATE)
    with pytest.raises(NotImplementedError):
        names["predict"](inputs, {})
