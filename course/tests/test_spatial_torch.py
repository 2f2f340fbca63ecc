"""Convolution, pooling and batch normalisation against PyTorch, where it is installed: through the tape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
F = torch.nn.functional

few = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def agree(ours, theirs, arrays, seed, rtol=1e-4, atol=2e-5):
    """Compare a function of tensors with PyTorch's: its result, and the gradient of each input."""
    from tinytorch import Tensor

    own = [Tensor(array, requires_grad=True) for array in arrays]
    other = [torch.tensor(array, requires_grad=True) for array in arrays]
    y, should = ours(*own), theirs(*other)
    assert y.shape == tuple(should.shape)
    g = normal(np.random.default_rng(seed), *y.shape)
    y.backward(Tensor(g))
    should.backward(torch.tensor(g))
    np.testing.assert_allclose(y.numpy(), should.detach().numpy(), rtol=rtol, atol=atol)
    for ours_, theirs_ in zip(own, other, strict=True):
        np.testing.assert_allclose(ours_.grad.numpy(), theirs_.grad.numpy(), rtol=rtol, atol=atol)


@few
@given(seeds, pairs, pairs, st.tuples(st.integers(0, 2), st.integers(0, 2)), st.booleans())
def test_conv2d(tt, seed, kernel, stride, padding, bias):
    from tinytorch.nn.functional import conv2d

    rng = np.random.default_rng(seed)
    n, c, o = (int(size) for size in rng.integers(1, 5, size=3))
    height, width = (int(size) for size in rng.integers(3, 9, size=2))
    arrays = [
        normal(rng, n, c, height, width),
        normal(rng, o, c, *kernel),
        *([normal(rng, o)] if bias else []),
    ]
    settings_ = {"stride": stride, "padding": padding}
    agree(lambda *t: conv2d(*t, **settings_), lambda *t: F.conv2d(*t, **settings_), arrays, seed)


@few
@given(seeds, st.integers(1, 3), st.integers(0, 2))
def test_the_loops(tt, seed, stride, padding):
    from tinytorch.spatial import conv2d_loops, conv2d_loops_vjp

    rng = np.random.default_rng(seed)
    x, weight, bias = normal(rng, 2, 3, 5, 4), normal(rng, 2, 3, 3, 2), normal(rng, 2)
    y = conv2d_loops(x, weight, bias, stride, padding)
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, weight, bias)]
    should = F.conv2d(*tensors, stride=stride, padding=padding)
    np.testing.assert_allclose(y, should.detach().numpy(), rtol=1e-4, atol=1e-5)
    g = normal(rng, *y.shape)
    should.backward(torch.tensor(g))
    for ours, theirs in zip(conv2d_loops_vjp(x, weight, g, stride, padding), tensors, strict=True):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-4, atol=1e-5)


@few
@given(seeds, pairs, pairs, st.booleans(), st.sampled_from(["max", "avg"]))
def test_pooling(tt, seed, kernel, stride, is_default, kind):
    """On whole numbers, so that many are equal: the gradient goes to the same one as in PyTorch."""
    from tinytorch.nn import functional

    rng = np.random.default_rng(seed)
    height, width = (int(size) for size in rng.integers(3, 9, size=2))
    x = rng.integers(-2, 3, size=(2, 3, height, width)).astype(np.float32)
    stride = None if is_default else stride
    ours, theirs = getattr(functional, f"{kind}_pool2d"), getattr(F, f"{kind}_pool2d")
    agree(lambda t: ours(t, kernel, stride), lambda t: theirs(t, kernel, stride), [x], seed)


@few
@given(seeds, st.booleans(), st.sampled_from([1e-5, 0.1]), st.floats(0, 1))
def test_batch_norm(tt, seed, training, eps, momentum):
    from tinytorch import Tensor
    from tinytorch.nn.functional import batch_norm

    rng = np.random.default_rng(seed)
    n, c, h, w = (int(size) for size in rng.integers(2, 5, size=4))
    arrays = [3 * normal(rng, n, c, h, w) + 1, normal(rng, c), normal(rng, c)]
    mean, var = normal(rng, c), rng.random(c, dtype=np.float32) + 0.1
    ours, theirs = (Tensor(mean), Tensor(var)), (torch.tensor(mean), torch.tensor(var))
    options = {"training": training, "momentum": momentum, "eps": eps}
    agree(
        lambda x, weight, bias: batch_norm(x, *ours, weight, bias, **options),
        lambda x, weight, bias: F.batch_norm(x, *theirs, weight, bias, **options),
        arrays, seed, rtol=1e-3, atol=1e-4,
    )  # fmt: skip
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own.numpy(), other.numpy(), rtol=1e-4, atol=1e-5)


def test_a_network_trained_with_either_is_the_same(tt):
    """One state, three steps of training, then eval: outputs, running statistics, state_dict both ways."""
    import tinytorch
    from tinytorch import nn, optim

    def network(kit):
        return kit.Sequential(
            kit.Conv2d(2, 4, 3, padding=1), kit.BatchNorm2d(4), kit.ReLU(), kit.MaxPool2d(2),
            kit.Conv2d(4, 3, 2, stride=2), kit.AvgPool2d(2), kit.Flatten(), kit.Linear(3, 5),
        )  # fmt: skip

    rng = np.random.default_rng(0)
    own, other = network(nn), network(torch.nn)
    own.load_state_dict({name: tensor.numpy() for name, tensor in other.state_dict().items()})
    steps = optim.SGD(own.parameters(), lr=0.1), torch.optim.SGD(other.parameters(), lr=0.1)
    for _ in range(3):
        x, labels = normal(rng, 6, 2, 8, 8), rng.integers(5, size=6)
        for step in steps:
            step.zero_grad()
        nn.CrossEntropyLoss()(own(tinytorch.Tensor(x)), tinytorch.Tensor(labels, dtype=np.int64)).backward()
        F.cross_entropy(other(torch.tensor(x)), torch.tensor(labels)).backward()
        for step in steps:
            step.step()
    mine, theirs = own.state_dict(), other.state_dict()
    assert list(mine) == list(theirs)
    for name, tensor in mine.items():
        np.testing.assert_allclose(tensor.numpy(), theirs[name].numpy(), rtol=1e-3, atol=1e-5)
    other.load_state_dict({name: torch.tensor(tensor.numpy()) for name, tensor in mine.items()})
    with torch.no_grad(), tinytorch.no_grad():
        should = other.eval()(torch.tensor(x)).numpy()
        np.testing.assert_allclose(own.eval()(tinytorch.Tensor(x)).numpy(), should, rtol=1e-4, atol=1e-5)
