"""Fits a line to points: the loss and its gradient written by hand, the step too."""

import numpy as np
from tinytorch import manual_seed
from tinytorch.layers import Linear
from tinytorch.losses import SquaredError, affine_vjp
from tinytorch.tensor import Tensor


def check():
    manual_seed(0)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(200, 1)).astype(np.float32)
    y = (3 * x - 1 + rng.normal(0, 0.1, size=x.shape)).astype(np.float32)
    line, loss = Linear(1, 1), SquaredError()
    for _ in range(100):
        loss.forward(line(Tensor(x)).numpy(), y)
        g, _ = loss.vjp(np.float32(1))
        _, weight, bias = affine_vjp(x, line.weight.data, g)
        line.weight.data -= 0.5 * weight
        line.bias.data -= 0.5 * bias
    slope, height = line.weight.data.item(), line.bias.data.item()
    assert abs(slope - 3) < 0.1, f"the points lie on 3 x - 1; yours is {slope:.2f} x {height:+.2f}."
    assert abs(height + 1) < 0.1, f"the points lie on 3 x - 1; yours is {slope:.2f} x {height:+.2f}."
    return f"Points on 3 x - 1 with noise: it found {slope:.2f} x {height:+.2f}."
