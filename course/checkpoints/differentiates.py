"""Differentiates a graph in which everything is used again and again, and compares with small steps."""

import numpy as np
from tinytorch import Tensor
from tinytorch.nn.functional import relu, softmax, tanh

STEP = 1e-2


def graph(a, b):
    h = a @ b
    for _ in range(6):
        h = tanh(h + h * 0.5) - relu(h) * 0.1
    return (softmax(h, dim=1) * h).mean() + (a * a).sum() * 0.01


def check():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 4), (4, 5))]
    a, b = (Tensor(array, requires_grad=True) for array in arrays)
    graph(a, b).backward()
    worst = 0.0
    for which, tensor in enumerate((a, b)):
        assert tensor.grad is not None, "a tensor that was used has no gradient."
        for place in np.ndindex(tensor.shape):
            values = []
            for sign in (1, -1):
                moved = [array.copy() for array in arrays]
                moved[which][place] += sign * STEP
                values.append(graph(*map(Tensor, moved)).item())
            slope = (values[0] - values[1]) / (2 * STEP)
            worst = max(worst, abs(slope - float(tensor.grad.data[place])))
    assert worst < 5e-3, f"a gradient is off by {worst:.3g} from what a small step says."
    return f"{a.numel() + b.numel()} gradients through a graph 30 operations deep, right to {worst:.0e}."
