"""Verifies the milestone batching: training itself, against the clock. Runs in the grader only."""

import numpy as np

ENTRY = "batching:predict"  # predict(inputs, weights) of the student's script
MAX_WEIGHTS = 1024  # nothing is handed in but code
PACE = 3  # times as long as the solved script, measured from outside
KNOWN = 20_000
COUNT = 1000
UNKNOWN = 255  # instead of a label


def hidden(rng, half):
    """Digits in another light: many of the training part with their labels, some of the test part without."""
    from course.datasets import load

    digits = load("digits")
    parts = [
        (
            np.asarray(digits[f"{part}_images"])[of].reshape(-1, 64),
            np.asarray(digits[f"{part}_labels"])[of],
            count,
        )
        for part, of, count in (("train", slice(None), KNOWN), ("test", slice(half, None, 2), COUNT))
    ]
    rows, labels = [], []
    for images, truth, count in parts:
        chosen = rng.integers(0, len(images), size=count)
        contrast = rng.uniform(0.5, 1, size=(count, 1))
        noise = rng.normal(0, 10, size=(count, 64))
        rows.append(np.clip(images[chosen] * 15 * contrast + noise, 0, 240))
        labels.append(truth[chosen].astype(np.int64))
    shown = np.concatenate([labels[0], np.full(COUNT, UNKNOWN)])
    order = rng.permutation(len(shown))
    table = np.concatenate([np.concatenate(rows), shown[:, None]], axis=1)[order].astype(np.uint8)
    truth = np.concatenate(labels)[order]
    return table, truth[table[:, 64] == UNKNOWN]
