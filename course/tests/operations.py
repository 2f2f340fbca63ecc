"""Every operation of the course on random shapes and numbers: what it is tried on, and what PyTorch calls it.

One table for the gradient check and for the comparison with PyTorch. An operation that is missing in it fails
`test_every_operation_is_tried`; one that is new adds an entry here: its module and class, and a function that
draws a `Use`.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from course.tests.marking import SLUGS

WITHOUT_DERIVATIVE = {"tensor.Compare", "tensor.ArgMax"}
Array = np.ndarray[Any, Any]


def modules() -> list[str]:
    """The modules that may define operations: those of the manifest, and the given `fast`."""
    return [*SLUGS, "fast"]


def operations() -> dict[str, Any]:
    """Every class of operations in the package as it is now, by module and name; abstract ones left out."""
    base = importlib.import_module("tinytorch.tensor").Op
    return {
        f"{slug}.{name}": value
        for slug in modules()
        for name, value in vars(importlib.import_module(f"tinytorch.{slug}")).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == f"tinytorch.{slug}"
        and value.forward is not base.forward
    }


@dataclass(frozen=True)
class Use:
    """One use of an operation.

    Attributes:
        arrays: what goes in. A gradient is wanted of those of floats, but for the first `wanted` only.
        arguments: what the operation is constructed with.
        theirs: the same in PyTorch, from torch and its tensors.
        wanted: how many of the arrays want a gradient (None: all).
    """

    arrays: list[Array]
    theirs: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    wanted: int | None = None

    def needs(self, number: int) -> bool:
        return self.wanted is None or number < self.wanted


# What is drawn: sizes by hypothesis, so that they shrink; numbers from a seed.

sizes = st.integers(1, 4)
shapes = st.lists(sizes, max_size=3).map(tuple)


def generator(draw: Any) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return np.asarray(rng.normal(size=shape), dtype=np.float32)


def uniform(rng: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.uniform(low, high, size=shape), dtype=np.float32)


def apart(rng: np.random.Generator, *shape: int) -> Array:
    """Numbers that lie further apart, and from 0, than a finite difference reaches."""
    count = math.prod(shape)
    return np.asarray((rng.permutation(count).reshape(shape) - count // 2 + 0.5) / 10, dtype=np.float32)


def pairs(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast: parts of one, with ones in it."""
    whole = draw(shapes)

    def part() -> tuple[int, ...]:
        kept = whole[draw(st.integers(0, len(whole))) :]
        return tuple(1 if draw(st.booleans()) else size for size in kept)

    return (part(), whole) if draw(st.booleans()) else (whole, part())


def dims(draw: Any, ndim: int) -> Any:
    """What `dim` may be: nothing, one dimension counted from either end, or several."""
    one = st.integers(-ndim, ndim - 1) if ndim else st.none()
    several = st.lists(st.integers(0, max(ndim - 1, 0)), min_size=1, max_size=max(ndim, 1), unique=True)
    return draw(st.one_of(st.none(), one, several.map(tuple) if ndim else st.none()))


# Operations of two numbers, of one, reductions


def binary(theirs: Callable[[Any, Any], Any], low: float = -2, high: float = 2) -> Callable[[Any], Use]:
    def case(draw: Any) -> Use:
        rng = generator(draw)
        arrays = [uniform(rng, low, high, shape) for shape in pairs(draw)]
        return Use(arrays, lambda torch, x, y: theirs(x, y))

    return case


def unary(name: str, low: float = -2, high: float = 2) -> Callable[[Any], Use]:
    def case(draw: Any) -> Use:
        x = uniform(generator(draw), low, high, draw(shapes))
        return Use([x], lambda torch, x: getattr(torch, name)(x))

    return case


def division(draw: Any) -> Use:
    rng = generator(draw)
    top, bottom = pairs(draw)
    signs = rng.choice(np.array([-1, 1], dtype=np.float32), size=bottom)
    return Use([normal(rng, *top), signs * uniform(rng, 0.5, 2, bottom)], lambda torch, x, y: x / y)


def matrix_product(draw: Any) -> Use:
    rng = generator(draw)
    n, k, m = draw(sizes), draw(sizes), draw(sizes)
    stack = draw(st.lists(sizes, max_size=2).map(tuple))
    kept = draw(st.integers(0, len(stack)))
    left, right = (*stack, n, k), (*stack[kept:], k, m)
    kind = draw(st.sampled_from(["stacks", "turned", "row", "column", "both"]))
    if kind == "turned":
        left, right = (*stack[kept:], n, k), (*stack, k, m)
    left, right = (k,) if kind in ("row", "both") else left, (k,) if kind in ("column", "both") else right
    return Use([normal(rng, *left), normal(rng, *right)], lambda torch, x, y: x @ y)


def reduction(name: str) -> Callable[[Any], Use]:
    def case(draw: Any) -> Use:
        shape = draw(shapes)
        x = apart(generator(draw), *shape)
        dim, keepdim = dims(draw, len(shape)), draw(st.booleans())
        named = tuple(range(len(shape))) if dim is None else dim

        def theirs(torch: Any, x: Any) -> Any:
            return getattr(torch, name)(x, dim=named, keepdim=keepdim)

        return Use([x], theirs, (dim, keepdim))

    return case


# Moving and taking elements


def index(draw: Any) -> Use:
    rng = generator(draw)
    x = normal(rng, 4, 3, 2)
    repeated = [int(n) for n in rng.integers(-4, 4, size=draw(st.integers(0, 6)))]
    keys = [
        int(rng.integers(-4, 4)), slice(1, 3), (slice(None, None, 2), 1), (..., -1), (None, 2, slice(1)),
        (3, 2, 1), repeated, (repeated, [int(n) for n in rng.integers(0, 3, size=len(repeated))]),
        (slice(None), [0, 0, 2]), x[:, 0, 0] > 0,
    ]  # fmt: skip
    key = draw(st.sampled_from(keys))

    def theirs(torch: Any, x: Any) -> Any:
        return x[torch.tensor(key) if isinstance(key, np.ndarray) else key]

    return Use([x], theirs, (key,))


def reshaping(draw: Any) -> Use:
    shape = draw(shapes)
    to = draw(st.permutations(shape).map(tuple))
    if to and draw(st.booleans()):
        to = (*to[:-1], -1)
    elif draw(st.booleans()):
        to = (1, *to)
    return Use([normal(generator(draw), *shape)], lambda torch, x: x.reshape(to), (to,))


def permutation(draw: Any) -> Use:
    shape = draw(shapes)
    order = draw(st.permutations(range(len(shape))))
    order = tuple(dim - len(shape) if draw(st.booleans()) else dim for dim in order)
    return Use([normal(generator(draw), *shape)], lambda torch, x: x.permute(order), (order,))


# Bends, layers and losses


def along_one(name: str) -> Callable[[Any], Use]:
    def case(draw: Any) -> Use:
        shape = draw(st.lists(sizes, min_size=1, max_size=3).map(tuple))
        dim = draw(st.integers(-len(shape), len(shape) - 1))
        x = normal(generator(draw), *shape)
        return Use([x], lambda torch, x: getattr(torch, name)(x, dim=dim), (dim,))

    return case


def relu(draw: Any) -> Use:
    return Use([apart(generator(draw), *draw(shapes))], lambda torch, x: torch.relu(x))


def gelu(draw: Any) -> Use:
    kind = draw(st.sampled_from(["none", "tanh"]))

    def theirs(torch: Any, x: Any) -> Any:
        return torch.nn.functional.gelu(x, approximate=kind)

    return Use([normal(generator(draw), *draw(shapes))], theirs, (kind,))


def affine(draw: Any) -> Use:
    rng, inputs, outputs = generator(draw), draw(sizes), draw(sizes)
    arrays = [normal(rng, *draw(shapes), inputs), normal(rng, outputs, inputs), normal(rng, outputs)]
    given = arrays if draw(st.booleans()) else arrays[:2]
    return Use(given, lambda torch, *tensors: torch.nn.functional.linear(*tensors))


def loss(name: str, make: Callable[[Any, np.random.Generator], list[Array]]) -> Callable[[Any], Use]:
    def case(draw: Any) -> Use:
        reduced = draw(st.sampled_from(["mean", "sum", "none"]))

        def theirs(torch: Any, x: Any, target: Any) -> Any:
            return getattr(torch.nn.functional, name)(x, target, reduction=reduced)

        return Use(make(draw, generator(draw)), theirs, (reduced,), wanted=1)

    return case


def numbers_and_targets(draw: Any, rng: np.random.Generator) -> list[Array]:
    shape = draw(shapes)
    return [normal(rng, *shape), uniform(rng, 0, 1, shape)]


def probabilities_and_targets(draw: Any, rng: np.random.Generator) -> list[Array]:
    shape = draw(shapes)
    return [uniform(rng, 0.2, 0.8, shape), uniform(rng, 0, 1, shape)]


def logits_and_classes(draw: Any, rng: np.random.Generator) -> list[Array]:
    n, classes = draw(sizes), draw(sizes)
    return [normal(rng, n, classes), rng.integers(0, classes, size=n)]


# Convolution, pooling, normalisation

kernels = st.tuples(st.integers(1, 3), st.integers(1, 3))


def images(draw: Any, make: Callable[..., Array] = normal) -> Array:
    rng = generator(draw)
    return make(rng, *(draw(st.integers(low, high)) for low, high in ((1, 2), (1, 3), (3, 5), (3, 5))))


def convolution(draw: Any) -> Use:
    x, kernel, rng = images(draw), draw(kernels), generator(draw)
    stride, padding = draw(kernels), draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    outputs = draw(st.integers(1, 3))
    arrays = [x, normal(rng, outputs, x.shape[1], *kernel), normal(rng, outputs)]

    def theirs(torch: Any, *tensors: Any) -> Any:
        return torch.nn.functional.conv2d(*tensors, stride=stride, padding=padding)

    return Use(arrays if draw(st.booleans()) else arrays[:2], theirs, (stride, padding))


def pooling(name: str) -> Callable[[Any], Use]:
    def case(draw: Any) -> Use:
        kernel, stride = draw(kernels), draw(kernels)

        def theirs(torch: Any, x: Any) -> Any:
            return getattr(torch.nn.functional, name)(x, kernel, stride)

        return Use([images(draw, apart)], theirs, (kernel, stride))

    return case


def batch_norm(draw: Any) -> Use:
    x, rng, eps = images(draw), generator(draw), draw(st.sampled_from([0.1, 1.0]))
    channels = x.shape[1]
    arrays = [x, normal(rng, channels), normal(rng, channels)]
    mean, var = normal(rng, channels), uniform(rng, 0.5, 2, (channels,))
    of_batch = draw(st.booleans())

    def theirs(torch: Any, x: Any, weight: Any, bias: Any) -> Any:
        running = (None, None) if of_batch else (torch.tensor(mean), torch.tensor(var))
        return torch.nn.functional.batch_norm(x, *running, weight, bias, training=of_batch, eps=eps)

    return Use(arrays, theirs, (eps,) if of_batch else (eps, mean, var))


OPERATIONS: dict[str, Callable[[Any], Use]] = {
    "tensor.Add": binary(lambda x, y: x + y),
    "tensor.Sub": binary(lambda x, y: x - y),
    "tensor.Mul": binary(lambda x, y: x * y),
    "tensor.Div": division,
    "tensor.Pow": binary(lambda x, y: x**y, 0.5, 2),
    "tensor.Neg": unary("neg"),
    "tensor.Exp": unary("exp"),
    "tensor.Log": unary("log", 0.5, 3),
    "tensor.MatMul": matrix_product,
    "tensor.Index": index,
    "tensor.Reshape": reshaping,
    "tensor.Permute": permutation,
    "tensor.Sum": reduction("sum"),
    "tensor.Mean": reduction("mean"),
    "tensor.Max": reduction("amax"),
    "activations.ReLU": relu,
    "activations.Sigmoid": unary("sigmoid"),
    "activations.Tanh": unary("tanh"),
    "activations.GELU": gelu,
    "activations.Softmax": along_one("softmax"),
    "activations.LogSoftmax": along_one("log_softmax"),
    "layers.Affine": affine,
    "losses.SquaredError": loss("mse_loss", numbers_and_targets),
    "losses.BinaryCrossEntropy": loss("binary_cross_entropy", probabilities_and_targets),
    "losses.BinaryCrossEntropyWithLogits": loss("binary_cross_entropy_with_logits", numbers_and_targets),
    "losses.CrossEntropy": loss("cross_entropy", logits_and_classes),
    "spatial.MaxPool": pooling("max_pool2d"),
    "spatial.AvgPool": pooling("avg_pool2d"),
    "spatial.BatchNorm": batch_norm,
    "fast.Conv2d": convolution,
}


def make(name: str, use: Use) -> Any:
    """A new operation for a use: each application needs its own."""
    slug, kind = name.split(".")
    return getattr(importlib.import_module(f"tinytorch.{slug}"), kind)(*use.arguments)


def tensors(use: Use) -> list[Any]:
    """The arrays of a use as tensors of the course."""
    tensor = importlib.import_module("tinytorch").Tensor
    return [
        tensor(array, requires_grad=use.needs(number) and array.dtype.kind == "f", dtype=array.dtype)
        for number, array in enumerate(use.arrays)
    ]


def available() -> list[str]:
    """The operations of the table whose module is there."""
    return [name for name in OPERATIONS if name.split(".")[0] in modules()]
