"""Computes with tensors: products, broadcasting, sums, all at once."""

import numpy as np
from tinytorch import Tensor


def check():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(300, 40)), rng.normal(size=(40, 20)), rng.normal(size=20)
    got = ((Tensor(a) @ Tensor(b) + Tensor(c)) * 2).mean(dim=0).numpy()
    off = np.abs(got - ((a @ b + c) * 2).mean(axis=0)).max()
    assert off < 1e-4, f"(a @ b + c) * 2, averaged over its rows, is off by {off:.3g}."
    return f"{300 * 40 * 20 * 2:,} operations in one line, right to {off:.0e}."
