"""Verifies the milestone mnist_mlp. Runs in the grader, never beside a student's code."""

import numpy as np

ENTRY = "mnist_mlp:predict"  # predict(inputs, weights) of the student's script
MAX_WEIGHTS = 1024 * 1024  # a quarter of a million parameters; as many images would be 1,337
COUNT = 2000
REACH = 2  # pixels


def hidden(rng, half):
    """Digits of MNIST's test part, freshly moved and dimmed, and what they are."""
    from course.datasets import load

    mnist = load("mnist")
    digits = np.asarray(mnist["test_labels"])[half::2]
    chosen = rng.choice(len(digits), size=COUNT, replace=False)
    images = mnist["test_images"][half::2][chosen]
    padded = np.pad(images, ((0, 0), (REACH, REACH), (REACH, REACH)))
    corners = rng.integers(0, 2 * REACH + 1, size=(COUNT, 2))
    moved = [image[i : i + 28, j : j + 28] for image, (i, j) in zip(padded, corners, strict=True)]
    contrast = rng.uniform(0.5, 1, size=(COUNT, 1, 1))
    return (np.stack(moved) * contrast).astype(np.uint8), digits[chosen].astype(int)
