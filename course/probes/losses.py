"""Probes of the module losses."""

import numpy as np

from course.probing import probe

FAR = np.array([-1000.0, -100.0, -30.0, -1.0, 0.0, 1.0, 30.0, 100.0, 1000.0], dtype=np.float32)
REDUCTIONS = ("mean", "sum", "none")


def _numbers(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def _answers(name, input, target, g):
    """An operation's results with each reduction, what it gives back, and what became of its input."""
    from tinytorch import losses

    seen = {}
    before = input.copy(), target.copy()
    with np.errstate(all="ignore"):  # as apply does
        for reduction in REDUCTIONS:
            op = getattr(losses, name)(reduction)
            result = op.forward(input, target)
            back, nothing = op.vjp(g if reduction == "none" else g.flat[0])
            again, _ = op.vjp(g if reduction == "none" else g.flat[0])
            seen[reduction] = result
            seen[f"{reduction}_back"] = back
            seen[f"{reduction}_rest"] = [
                nothing is None,
                result.dtype == back.dtype == np.float32,
                np.array_equal(back, again, equal_nan=True),
            ]
    seen["unchanged"] = [np.array_equal(a, b) for a, b in zip(before, (input, target), strict=True)]
    return seen


# The numerical gradient


@probe("check-losses-numerical", rtol=1e-4, atol=1e-5)
def numerical_gradient_of_arrays(rng):
    """The numerical gradient of some functions at random points, of several shapes."""
    from tinytorch.losses import numerical_gradient

    a, b = rng.normal(size=(3, 4)), rng.normal(size=(2, 3))
    x = rng.normal(size=(3, 4))
    kept = x.copy()
    return {
        "square": numerical_gradient(lambda x: (a * x**2).sum(), x),
        "product": numerical_gradient(lambda x: np.sin(b @ x).sum(), x),
        "vector": numerical_gradient(lambda x: x.prod(), rng.uniform(1, 2, size=4)),
        "number": numerical_gradient(lambda x: np.exp(x), np.array(rng.normal())),
        "unchanged": np.array_equal(x, kept),
    }


# Mean squared error


@probe("check-losses-mse")
def mse_of_a_batch(rng):
    """The squared error of a batch and its gradient, with each reduction."""
    return _answers("SquaredError", _numbers(rng, 4, 3), _numbers(rng, 4, 3), _numbers(rng, 4, 3))


# Binary cross-entropy


@probe("check-losses-bce", rtol=1e-4, atol=1e-5)
def bce_of_a_batch(rng):
    """Binary cross-entropy of probabilities and its gradient, with each reduction."""
    input = rng.uniform(0.01, 0.99, size=(4, 3)).astype(np.float32)
    return _answers(
        "BinaryCrossEntropy", input, rng.integers(0, 2, (4, 3)).astype(np.float32), _numbers(rng, 4, 3)
    )


@probe("check-losses-logits", rtol=1e-4, atol=1e-5)
def logits_of_a_batch(rng):
    """Binary cross-entropy of logits and its gradient, with each reduction."""
    target = rng.integers(0, 2, (4, 3)).astype(np.float32)
    return _answers("BinaryCrossEntropyWithLogits", 3 * _numbers(rng, 4, 3), target, _numbers(rng, 4, 3))


@probe("check-losses-logits")
def logits_far_away(rng):
    """Binary cross-entropy of logits up to 1000 and its gradient."""
    target = rng.integers(0, 2, FAR.shape).astype(np.float32)
    return _answers("BinaryCrossEntropyWithLogits", FAR.copy(), target, _numbers(rng, *FAR.shape))


# Cross-entropy


@probe("check-losses-cross-entropy", rtol=1e-4, atol=1e-5)
def cross_entropy_of_a_batch(rng):
    """Cross-entropy of a batch and its gradient, with each reduction."""
    return _answers("CrossEntropy", 3 * _numbers(rng, 6, 4), rng.integers(0, 4, 6), _numbers(rng, 6))


# The linear layer


@probe("check-losses-affine", rtol=1e-4, atol=1e-5)
def affine_gradients(rng):
    """The gradients of a linear layer for a batch, one sample, a batch of batches and an empty batch."""
    from tinytorch.losses import affine_vjp

    weight = _numbers(rng, 5, 3)
    seen = {}
    for name, leading in {"batch": (4,), "one": (), "more": (2, 4), "empty": (0,)}.items():
        back = affine_vjp(_numbers(rng, *leading, 3), weight, _numbers(rng, *leading, 5))
        seen.update({f"{name}_{which}": g for which, g in zip(("x", "weight", "bias"), back, strict=True)})
    return seen


# The bends


@probe("check-losses-bends", rtol=1e-4, atol=1e-6)
def bends_of_a_batch(rng):
    """The gradients of ReLU, sigmoid and tanh."""
    from tinytorch.losses import relu_vjp, sigmoid_vjp, tanh_vjp

    x, g = _numbers(rng, 3, 4), _numbers(rng, 3, 4)
    return {
        "relu": relu_vjp(x, g),
        "sigmoid": sigmoid_vjp(rng.uniform(0, 1, size=(3, 4)), g),
        "tanh": tanh_vjp(rng.uniform(-1, 1, size=(3, 4)), g),
    }
