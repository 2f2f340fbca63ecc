"""Verifies the milestone mnist_mlp. Runs in the grader, never beside a student's code."""

import numpy as np

ENTRY = "mnist_mlp:predict"  # predict(inputs, weights) of the student's script
MAX_WEIGHTS = 1024 * 1024  # a quarter of a million parameters; as many images would be 1,337
COUNT = 2000
REACH = 2  # pixels


def hidden(rng):
    """Digits of MNIST's test part, freshly moved and dimmed, and what they are."""
    from course.datasets import load

    mnist = load("mnist")
    chosen = rng.choice(len(mnist["test_labels"]), size=COUNT, replace=False)
    images = np.asarray(mnist["test_images"])[chosen]
    padded = np.pad(images, ((0, 0), (REACH, REACH), (REACH, REACH)))
    corners = rng.integers(0, 2 * REACH + 1, size=(COUNT, 2))
    moved = [image[i : i + 28, j : j + 28] for image, (i, j) in zip(padded, corners, strict=True)]
    contrast = rng.uniform(0.5, 1, size=(COUNT, 1, 1))
    return (np.stack(moved) * contrast).astype(np.uint8), np.asarray(mnist["test_labels"])[chosen].astype(int)
