"""Verifies the milestone cnn_against_mlp. Runs in the grader, never beside a student's code."""

import numpy as np

ENTRY = "cnn_against_mlp:predict"  # predict(inputs, weights) of the student's script
MAX_WEIGHTS = 2 * 1024 * 1024
COUNT = 2000
FAIR = 0.75  # what the rival must reach: a CNN that beats a broken MLP shows nothing
AHEAD = 0.02


def hidden(rng, half):
    """Digits of MNIST's test part, freshly moved; their labels twice, for both networks."""
    from course.datasets import load

    mnist = load("mnist")
    digits = np.asarray(mnist["test_labels"])[half::2]
    chosen = rng.choice(len(digits), size=COUNT, replace=False)
    padded = np.pad(mnist["test_images"][half::2][chosen], ((0, 0), (1, 1), (1, 1)))
    corners = rng.integers(0, 3, size=(COUNT, 2))
    images = [image[i : i + 28, j : j + 28] for image, (i, j) in zip(padded, corners, strict=True)]
    return np.stack(images), np.stack([digits[chosen].astype(int)] * 2)


def score(labels, predictions):
    """The CNN's accuracy, if it is clearly ahead of a fair MLP; otherwise 0."""
    mlp, cnn = (predictions == labels).mean(axis=1)
    return cnn if mlp >= FAIR and cnn >= mlp + AHEAD else 0.0
