"""Verifies the milestone cnn_against_mlp. Runs in the grader, never beside a student's code."""

import numpy as np

ENTRY = "cnn_against_mlp:predict"  # predict(inputs, weights) of the student's script
MAX_WEIGHTS = 2 * 1024 * 1024
COUNT = 2000
FAIR = 0.75  # what the rival must reach: a CNN that beats a broken MLP shows nothing
AHEAD = 0.02


def hidden(rng):
    """Digits of MNIST's test part, freshly moved; their labels twice, for both networks."""
    from course.datasets import load

    mnist = load("mnist")
    chosen = rng.choice(len(mnist["test_labels"]), size=COUNT, replace=False)
    padded = np.pad(np.asarray(mnist["test_images"])[chosen], ((0, 0), (1, 1), (1, 1)))
    corners = rng.integers(0, 3, size=(COUNT, 2))
    images = [image[i : i + 28, j : j + 28] for image, (i, j) in zip(padded, corners, strict=True)]
    return np.stack(images), np.stack([np.asarray(mnist["test_labels"])[chosen].astype(int)] * 2)


def score(labels, predictions):
    """The CNN's accuracy, if it is clearly ahead of a fair MLP; otherwise 0."""
    mlp, cnn = (predictions == labels).mean(axis=1)
    return cnn if mlp >= FAIR and cnn >= mlp + AHEAD else 0.0
