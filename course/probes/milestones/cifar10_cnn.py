"""Verifies the milestone cifar10_cnn. Runs in the grader, never beside a student's code."""

import numpy as np

ENTRY = "cifar10_cnn:predict"  # predict(inputs, weights) of the student's script
MAX_WEIGHTS = 4 * 1024 * 1024  # a million parameters
PACE = 3  # times as long as the solved script, measured from outside
COUNT = 2000
REACH = 2  # pixels


def hidden(rng, half):
    """Images of the test part, freshly mirrored, moved and dimmed, and their classes."""
    from course.datasets import DatasetError, load

    try:
        data = load("cifar10")
    except DatasetError:
        data = load("cifar10-jpeg")
    classes = np.asarray(data["test_labels"])[half::2]
    chosen = rng.choice(len(classes), size=COUNT, replace=False)
    images = data["test_images"][half::2][chosen]
    padded = np.pad(images, ((0, 0), (0, 0), (REACH, REACH), (REACH, REACH)), mode="reflect")
    corners = rng.integers(0, 2 * REACH + 1, size=(COUNT, 2))
    moved = np.stack([p[:, i : i + 32, j : j + 32] for p, (i, j) in zip(padded, corners, strict=True)])
    mirrored = rng.random(COUNT) < 0.5
    moved[mirrored] = moved[mirrored, ..., ::-1]
    contrast = rng.uniform(0.8, 1, size=(COUNT, 1, 1, 1))
    return (moved * contrast).astype(np.uint8), classes[chosen].astype(int)


def untrained(solved):
    """Weights of the right shapes for the solved script: its time does not depend on what they are."""
    return {name: tensor.numpy() for name, tensor in solved["network"]().state_dict().items()}
