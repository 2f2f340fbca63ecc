"""Verifies the milestone xor. Runs in the grader, never beside a student's code."""

import numpy as np

ENTRY = "xor:predict"  # predict(inputs, weights) of the student's script
MAX_WEIGHTS = 64 * 1024
COUNT = 2000
REACH = 0.3  # on each axis, from the corner


def hidden(rng, half):
    """Points around the corners of the unit square, and the XOR of their corners; the same in both halves."""
    corners = rng.integers(0, 2, size=(COUNT, 2))
    points = corners + rng.uniform(-REACH, REACH, size=corners.shape)
    return points.astype(np.float32), (corners[:, 0] != corners[:, 1]).astype(np.int64)
