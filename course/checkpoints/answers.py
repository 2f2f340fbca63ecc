"""Builds a model out of layers, and asks it about pictures."""

import numpy as np
from tinytorch import Tensor, manual_seed
from tinytorch.nn import Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import softmax

from course.datasets import load


def check():
    manual_seed(0)
    images = load("digits")["test_images"] / 16
    model = Sequential(Flatten(), Linear(64, 32), ReLU(), Linear(32, 10))
    p = softmax(model(Tensor(images)), dim=1).numpy()
    assert p.shape == (len(images), 10), f"{len(images)} pictures get answers of shape {p.shape}."
    assert np.allclose(p.sum(axis=1), 1, atol=1e-4), "the probabilities of a picture do not add up to 1."
    numbers = sum(parameter.numel() for parameter in model.parameters())
    return f"{numbers:,} weights answer {len(images)} pictures, by chance so far."
