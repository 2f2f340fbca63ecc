"""Trains a network with a hidden layer: gradients by hand, the step by an optimizer."""

import numpy as np
from tinytorch import from_numpy, manual_seed
from tinytorch.layers import Linear
from tinytorch.losses import CrossEntropy, affine_vjp, tanh_vjp
from tinytorch.optim import Adam


def check():
    manual_seed(1)
    rng = np.random.default_rng(0)
    turn = rng.uniform(0, 3, size=400)
    arm = np.arange(400) % 2
    angle = turn + np.pi * arm
    x = (np.stack([np.cos(angle), np.sin(angle)], axis=1) * turn[:, None]).astype(np.float32)
    first, last, loss = Linear(2, 32), Linear(32, 2), CrossEntropy()
    optimizer = Adam([first.weight, first.bias, last.weight, last.bias], lr=0.02)
    for _ in range(400):
        hidden = np.tanh(x @ first.weight.data.T + first.bias.data)
        answer = hidden @ last.weight.data.T + last.bias.data
        loss.forward(answer, arm)
        g, _ = loss.vjp(np.float32(1))
        g, weight, bias = affine_vjp(hidden, last.weight.data, g)
        last.weight.grad, last.bias.grad = from_numpy(weight), from_numpy(bias)
        _, weight, bias = affine_vjp(x, first.weight.data, tanh_vjp(hidden, g))
        first.weight.grad, first.bias.grad = from_numpy(weight), from_numpy(bias)
        optimizer.step()
    right = (answer.argmax(axis=1) == arm).mean()
    assert right > 0.95, f"two spirals: {right:.1%} right after 400 steps; no line gets more than about 70%."
    return f"Two spirals told apart: {right:.1%} right after 400 steps."
