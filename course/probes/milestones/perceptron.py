"""Verifies the milestone perceptron. Runs in the grader, never beside a student's code."""

import numpy as np

ENTRY = "perceptron:predict"  # predict(inputs, weights) of the student's script
MAX_WEIGHTS = 4096  # a perceptron has 65 numbers; remembered images do not fit
DIGITS = (6, 9)  # class 0 and class 1
COUNT = 2000


def hidden(rng, half):
    """Held-out digits, freshly disturbed, and their classes.

    Every image is moved by one pixel up or down and left or right, and stands in another light: contrast,
    brightness, and a little more of it on one side. So the nearest training image is often one of the other
    digit, while a line that was learned from disturbed images holds.
    """
    from course.datasets import load

    digits = load("digits")
    all_labels = np.asarray(digits["test_labels"])
    # As many of each digit. 36 images a half are few: of the two, the private one tells learning from the
    # nearest training image further apart.
    known = np.concatenate([np.flatnonzero(all_labels == digit)[1 - half :: 2] for digit in DIGITS])
    chosen = rng.choice(known, size=COUNT)
    images = np.asarray(digits["test_images"], dtype=np.float32)[chosen] / 16
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    down, right = rng.choice([0, 2], size=(2, COUNT))
    moved = [image[i : i + 8, j : j + 8] for image, i, j in zip(padded, down, right, strict=True)]
    contrast = rng.uniform(0.2, 1, size=(COUNT, 1, 1))
    brightness = rng.uniform(0, 1, size=(COUNT, 1, 1)) * (1 - contrast)
    slope = rng.uniform(-0.04, 0.04, size=(2, COUNT, 1))
    across = np.linspace(-1, 1, 8)
    light = brightness + (slope[0] * across)[:, :, None] + (slope[1] * across)[:, None, :]
    inputs = (light + contrast * np.stack(moved)).astype(np.float32)
    return inputs, (all_labels[chosen] == DIGITS[1]).astype(np.int64)
