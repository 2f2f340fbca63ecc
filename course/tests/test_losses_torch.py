"""The losses against PyTorch, where it is installed: values and gradients, on random shapes and numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
F = torch.nn.functional

few = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
reductions = st.sampled_from(["mean", "sum", "none"])
shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)


def both(name, reduction, input, target, theirs):
    """A loss and its gradient: ours and PyTorch's. The gradient that arrives is of random numbers."""
    from tinytorch import losses

    op = getattr(losses, name)(reduction)
    with np.errstate(all="ignore"):
        value = op.forward(input, target)
        g = np.random.default_rng(0).normal(size=value.shape).astype(np.float32)
        gradient, _ = op.vjp(g)
    x = torch.tensor(input, requires_grad=True)
    should = theirs(x, torch.tensor(target), reduction=reduction)
    should.backward(torch.tensor(g))
    return (value, should.detach().numpy()), (gradient, x.grad.numpy())


def agree(pairs, rtol=1e-4, atol=1e-5):
    for ours, theirs in pairs:
        assert np.shape(ours) == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


@few
@given(seeds, shapes, reductions)
def test_squared_error(tt, seed, shape, reduction):
    rng = np.random.default_rng(seed)
    input, target = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    agree(both("SquaredError", reduction, input, target, F.mse_loss))


@few
@given(seeds, shapes, reductions)
def test_binary_cross_entropy(tt, seed, shape, reduction):
    rng = np.random.default_rng(seed)
    p = rng.choice([0, 1, 1e-20, *rng.uniform(size=5)], size=shape).astype(np.float32)
    target = rng.integers(0, 2, size=shape).astype(np.float32)
    agree(both("BinaryCrossEntropy", reduction, p, target, F.binary_cross_entropy))


@few
@given(seeds, shapes, reductions, st.sampled_from([1.0, 10.0, 1000.0]))
def test_binary_cross_entropy_with_logits(tt, seed, shape, reduction, scale):
    rng = np.random.default_rng(seed)
    input = (rng.normal(size=shape) * scale).astype(np.float32)
    target = rng.uniform(size=shape).astype(np.float32)
    name = "BinaryCrossEntropyWithLogits"
    agree(both(name, reduction, input, target, F.binary_cross_entropy_with_logits))


@few
@given(seeds, st.integers(0, 6), st.integers(1, 6), reductions, st.sampled_from([1.0, 10.0, 1000.0]))
def test_cross_entropy(tt, seed, n, classes, reduction, scale):
    rng = np.random.default_rng(seed)
    input = (rng.normal(size=(n, classes)) * scale).astype(np.float32)
    agree(both("CrossEntropy", reduction, input, rng.integers(0, classes, size=n), F.cross_entropy))


@few
@given(seeds, shapes, st.integers(1, 5), st.integers(1, 5), st.sampled_from(["relu", "sigmoid", "tanh"]))
def test_linear_layer_and_bend(tt, seed, leading, inputs, outputs, bend):
    from tinytorch import losses

    rng = np.random.default_rng(seed)
    sizes = ((*leading, inputs), (outputs, inputs), (outputs,))
    arrays = [rng.normal(size=size).astype(np.float32) for size in sizes]
    x, weight, bias = (torch.tensor(array, requires_grad=True) for array in arrays)
    before = F.linear(x, weight, bias)
    after = getattr(torch, bend)(before)
    g = rng.normal(size=after.shape).astype(np.float32)
    after.backward(torch.tensor(g))
    at = before if bend == "relu" else after
    back = getattr(losses, f"{bend}_vjp")(at.detach().numpy(), g)
    ours = losses.affine_vjp(*arrays[:2], back)
    agree(zip(ours, (x.grad.numpy(), weight.grad.numpy(), bias.grad.numpy()), strict=True), atol=1e-4)
