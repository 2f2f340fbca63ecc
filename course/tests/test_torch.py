"""The course against PyTorch, where it is installed: every operation and function, manners, and state_dicts.

Values and gradients on random shapes. What a module's authors compare beyond that stands in the modules' own
tests (`test_losses_torch.py`, ...).
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course.tests.operations import (
    OPERATIONS,
    available,
    generator,
    images,
    kernels,
    logits_and_classes,
    make,
    normal,
    numbers_and_targets,
    probabilities_and_targets,
    shapes,
    sizes,
    tensors,
)

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.usefixtures("tt")
few = settings(max_examples=20, deadline=None)


def close(ours, theirs, rtol=1e-4, atol=2e-5):
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=rtol, atol=atol)


def same_gradients(ours, theirs, inputs, their_inputs, rng):
    """Compare two results, and what a random gradient of theirs becomes at what they were made of."""
    close(ours, theirs)
    g = normal(rng, *ours.shape)
    ours.backward(g)
    theirs.backward(torch.tensor(g))
    for own, other in zip(inputs, their_inputs, strict=True):
        assert (own.grad is None) == (other.grad is None)
        if own.grad is not None:
            close(own.grad, other.grad)


def as_theirs(tensor):
    return torch.tensor(tensor.numpy(), requires_grad=tensor.requires_grad)


@pytest.mark.parametrize("name", OPERATIONS)
@few
@given(data=st.data())
def test_operation(name, data):
    from tinytorch.tensor import apply

    if name not in available():
        pytest.skip("its module is still to come")
    use = OPERATIONS[name](data.draw)
    inputs = tensors(use)
    theirs = [as_theirs(tensor) for tensor in inputs]
    ours = apply(make(name, use), *inputs)
    same_gradients(ours, use.theirs(torch, *theirs), inputs, theirs, generator(data.draw))


# Functions: the same name and the same arguments on either side


def with_options(arrays, **options):
    return arrays, options


def bend(draw):
    return with_options([normal(generator(draw), *draw(shapes))])


def gelu(draw):
    return with_options(*bend(draw)[:1], approximate=draw(st.sampled_from(["none", "tanh"])))


def along_one(draw):
    shape = draw(st.lists(sizes, min_size=1, max_size=3).map(tuple))
    return with_options([normal(generator(draw), *shape)], dim=draw(st.integers(-len(shape), len(shape) - 1)))


def dropout(draw):
    """Where nothing is random: p is 0 or 1, or the model is not training."""
    p, training = draw(st.sampled_from([(0.0, True), (1.0, True), (0.5, False)]))
    return with_options(*bend(draw)[:1], p=p, training=training)


def linear(draw):
    rng, inputs, outputs = generator(draw), draw(sizes), draw(sizes)
    arrays = [normal(rng, *draw(shapes), inputs), normal(rng, outputs, inputs), normal(rng, outputs)]
    return with_options(arrays if draw(st.booleans()) else arrays[:2])


def loss(make_arrays):
    def case(draw):
        arrays = make_arrays(draw, generator(draw))
        return with_options(arrays, reduction=draw(st.sampled_from(["mean", "sum", "none"])))

    return case


def convolution(draw):
    x, rng = images(draw), generator(draw)
    outputs, kernel = draw(sizes), draw(kernels)
    arrays = [x, normal(rng, outputs, x.shape[1], *kernel), normal(rng, outputs)]
    one_or_two = st.one_of(st.integers(1, 3), kernels)
    padding = draw(st.integers(0, 2))
    return with_options(
        arrays if draw(st.booleans()) else arrays[:2], stride=draw(one_or_two), padding=padding
    )


def pooling(draw):
    kernel, stride = draw(st.one_of(st.integers(1, 3), kernels)), draw(st.one_of(st.none(), kernels))
    return with_options([images(draw)], kernel_size=kernel, stride=stride)


def batch_norm(draw):
    x, rng = images(draw), generator(draw)
    channels = x.shape[1]
    arrays = [x, normal(rng, channels), np.float32(0.5) + rng.random(channels, dtype=np.float32)]
    affine = [normal(rng, channels), normal(rng, channels)]
    return with_options([*arrays, *affine], training=draw(st.booleans()), eps=0.1)


FUNCTIONS = {
    "relu": bend,
    "sigmoid": bend,
    "tanh": bend,
    "gelu": gelu,
    "softmax": along_one,
    "log_softmax": along_one,
    "dropout": dropout,
    "linear": linear,
    "mse_loss": loss(numbers_and_targets),
    "binary_cross_entropy": loss(probabilities_and_targets),
    "binary_cross_entropy_with_logits": loss(numbers_and_targets),
    "cross_entropy": loss(logits_and_classes),
    "conv2d": convolution,
    "max_pool2d": pooling,
    "avg_pool2d": pooling,
    "batch_norm": batch_norm,
}
TRAINED_BESIDE = {
    "batch_norm": (1, 2)
}  # running statistics: numbers that the call changes, without a gradient


def test_every_function_is_compared():
    functional = importlib.import_module("tinytorch.nn.functional")
    assert functional.MODULE_OF.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("name", FUNCTIONS)
@few
@given(data=st.data())
def test_function(name, data):
    from tinytorch import Tensor

    try:
        ours = getattr(importlib.import_module("tinytorch.nn.functional"), name)
    except ImportError:
        pytest.skip("its module is still to come")
    theirs = getattr(torch.nn.functional, name)
    arrays, options = FUNCTIONS[name](data.draw)
    constant = TRAINED_BESIDE.get(name, (1,) if "reduction" in options else ())
    inputs = [
        Tensor(array, requires_grad=number not in constant, dtype=array.dtype)
        for number, array in enumerate(arrays)
    ]
    others = [as_theirs(tensor) for tensor in inputs]
    same_gradients(ours(*inputs, **options), theirs(*others, **options), inputs, others, generator(data.draw))
    for number in constant:
        close(inputs[number], others[number])


# Tensor's own methods: the same expression on either side

EXPRESSIONS = {
    "arithmetic": lambda x, y: (x + y) * 2 - x / (y * y + 1) + 3 / (x * x + 1) - (1 - y),
    "powers": lambda x, y: (x * x + 1) ** y + 2**x + x**2,
    "comparison as a mask": lambda x, y: x * (x > y) + y * (x <= y),
    "transposed": lambda x, y: x.T @ y.transpose(0, 1).T,
    "product": lambda x, y: x @ y.T,
    "chain of reductions": lambda x, y: x.sum(dim=0).exp().mean() + y.mean(dim=1, keepdim=True).sum(),
    "several dimensions": lambda x, y: (x * y).sum(dim=(0, 1)) + (x - y).mean(dim=(-1, 0)),
    "largest": lambda x, y: x.amax(dim=0) + y.max() - (x + y).max(dim=1, keepdim=True).values,
    "parts": lambda x, y: x[1:, :2] + y[0, 0] + x[[0, 0, 1]][:, [1, 1]].sum() - y[..., -1].mean(),
    "reshaped": lambda x, y: x.reshape(-1)[2:] * y.reshape(3, -1).permute(1, 0).reshape(6)[2:],
    "used often": lambda x, y: (x + x * y + x.exp()) * x + (x * y).log().exp() * (x * y),
    "broadcast": lambda x, y: x[:, :1] * y[:1] + x[0] - y.sum(dim=1, keepdim=True),
    "detached": lambda x, y: x * y.detach() + x.detach() * x,
}


@pytest.mark.parametrize("name", EXPRESSIONS)
@few
@given(data=st.data())
def test_expression(name, data):
    from tinytorch import Tensor

    rng = generator(data.draw)
    inputs = [Tensor(rng.uniform(0.5, 2, size=(2, 3)), requires_grad=True) for _ in range(2)]
    others = [as_theirs(tensor) for tensor in inputs]
    expression = EXPRESSIONS[name]
    same_gradients(expression(*inputs), expression(*others), inputs, others, rng)


def test_ties_share_evenly_as_in_amax():
    from tinytorch import Tensor

    numbers = np.random.default_rng(0).integers(0, 3, size=(4, 5, 6)).astype(np.float32)
    for dim in (0, 1, -1, (0, 2), (0, 1, 2)):
        ours, theirs = Tensor(numbers, requires_grad=True), torch.tensor(numbers, requires_grad=True)
        same_gradients(ours.amax(dim), theirs.amax(dim), [ours], [theirs], np.random.default_rng(1))
    ours, theirs = Tensor(numbers, requires_grad=True), torch.tensor(numbers, requires_grad=True)
    same_gradients(ours.max(), theirs.max(), [ours], [theirs], np.random.default_rng(1))


def test_powers_at_zero():
    from tinytorch import Tensor

    x, y = [0.0, 0.0, 0.0, 2.0, -2.0], [0.0, 1.0, 2.0, 0.0, 3.0]
    ours = [Tensor(numbers, requires_grad=True) for numbers in (x, y)]
    theirs = [torch.tensor(numbers, requires_grad=True) for numbers in (x, y)]
    (ours[0] ** ours[1]).sum().backward()
    (theirs[0] ** theirs[1]).sum().backward()
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own.grad.numpy(), other.grad.numpy(), rtol=1e-5, equal_nan=True)


# Manners: a script of few lines that must say the same on either side


def manners(kit, tensor):
    """What a framework answers, as a list of plain values."""

    def answer(function):
        try:
            return function()
        except RuntimeError:
            return "RuntimeError"

    said = []
    x = tensor([1.0, 2.0], requires_grad=True)
    middle = x * 3
    loss = middle.sum()
    said += [x.requires_grad, middle.requires_grad, (x > 1).requires_grad, x.detach().requires_grad]
    said += [x.grad_fn is None, middle.grad_fn is None, answer(middle.backward)]
    loss.backward()
    said += [x.grad.tolist(), answer(loss.backward), x.grad.tolist()]
    (x * x).sum().backward()
    said += [x.grad.tolist(), x.grad.requires_grad]
    said += [answer(tensor([1.0]).backward), answer((x.detach() * 2).sum().backward)]
    said += [answer(lambda: (x * 2).backward(tensor([1.0, 1.0, 1.0])))]
    (x * 2).backward(tensor([10.0, 100.0]))
    said += [x.grad.tolist()]
    with kit.no_grad():
        inside = x * 2
        new = tensor([1.0], requires_grad=True)
    said += [inside.requires_grad, new.requires_grad, (x * 2).requires_grad]
    recorded = (x * 5).sum()
    x.grad = None
    with kit.no_grad():
        recorded.backward()
    said += [x.grad.tolist()]
    x.grad = tensor([7.0, 7.0])
    (x[0] * 2).backward()
    said += [x.grad.tolist()]
    one = tensor([[4.0]], requires_grad=True)
    (one * one).backward()
    return [*said, one.grad.tolist()]


def test_manners(tt):
    assert manners(tt, tt.Tensor) == manners(torch, torch.tensor)


# state_dict, both ways


def networks(nn):
    """Models of a framework, under one name each, and the shape of what goes in."""
    yield (
        "mlp",
        nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4)),
        (5, 3, 4),
    )
    yield (
        "bends",
        nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 5), nn.GELU(), nn.Softmax(dim=-1)),
        (3, 6),
    )
    inside = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Sigmoid())
    yield "nested", nn.Sequential(inside, nn.Sequential(nn.Linear(4, 2), nn.LogSoftmax(dim=-1))), (2, 3, 4)
    yield "cnn", nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 2, stride=2, bias=False), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(3, 5),
    ), (6, 2, 8, 8)  # fmt: skip


@pytest.mark.parametrize("number", range(4))
def test_state_dict_moves_both_ways(tt, number):
    nn = importlib.import_module("tinytorch.nn")
    try:
        (name, ours, shape) = list(networks(nn))[number]
    except ImportError:
        pytest.skip("a module is still to come")
    (_, theirs, _) = list(networks(torch.nn))[number]
    x = normal(np.random.default_rng(0), *shape)

    def compare():
        with tt.no_grad(), torch.no_grad():
            close(ours.eval()(tt.Tensor(x)), theirs.eval()(torch.tensor(x)))

    assert list(ours.state_dict()) == list(theirs.state_dict()), name
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    compare()
    (_, theirs, _) = list(networks(torch.nn))[number]  # other random numbers
    ours.load_state_dict(theirs.state_dict())
    compare()
    for own, other in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        np.testing.assert_array_equal(own.numpy(), other.numpy())


def test_a_network_trained_on_either_side_is_the_same(tt):
    """Five steps by hand from one state: dropout off, everything else as in training."""
    nn, functional = (
        importlib.import_module("tinytorch.nn"),
        importlib.import_module("tinytorch.nn.functional"),
    )

    def network(kit):
        return kit.Sequential(kit.Linear(6, 8), kit.GELU(), kit.Linear(8, 8), kit.Tanh(), kit.Linear(8, 3))

    ours, theirs, rng = network(nn), network(torch.nn), np.random.default_rng(0)
    ours.load_state_dict(theirs.state_dict())
    for _ in range(5):
        x, labels = normal(rng, 10, 6), rng.integers(3, size=10)
        functional.cross_entropy(ours(tt.Tensor(x)), tt.Tensor(labels, dtype=np.int64)).backward()
        torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels)).backward()
        for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            close(own.grad, other.grad)
            own.data -= 0.5 * own.grad.data
            other.data -= 0.5 * other.grad
            own.grad = other.grad = None
