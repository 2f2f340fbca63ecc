"""Probes of the module losses."""

import numpy as np

from course.probing import probe

REDUCTIONS = ("mean", "sum", "none")
SHAPES = {"table": (4, 3), "number": (), "stack": (2, 1, 5), "empty": (0, 3)}


def _numbers(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def _bits(rng, *shape):
    return rng.integers(0, 2, size=shape).astype(np.float32)


def _answers(name, input, target, g, prefix=""):
    """A loss with each reduction, what its vjp gives, twice, and whether the arrays are as they were.

    Args:
        name: the operation's class.
        input, target: its arrays.
        g: the gradient of each single loss; of the reduced ones, one number.
    """
    from tinytorch import losses

    seen, kept = {}, [each.copy() for each in (input, target, g)]
    one = np.float32(-1.75)
    with np.errstate(all="ignore"):  # as apply does
        for reduction in REDUCTIONS:
            op = getattr(losses, name)(reduction)
            arriving = g if reduction == "none" else one
            seen[f"{prefix}{reduction}"] = op.forward(input, target)
            seen[f"{prefix}{reduction}_back"], nothing = op.vjp(arriving)
            again = np.asarray(op.vjp(arriving)[0])
            repeats = np.array_equal(again, seen[f"{prefix}{reduction}_back"], equal_nan=True)
            seen[f"{prefix}{reduction}_rest"] = [nothing is None, repeats]
    unchanged = [np.array_equal(*pair) for pair in zip(kept, (input, target, g), strict=True)]
    return {**seen, f"{prefix}unchanged": unchanged}


def _everywhere(rng, name, inputs, targets):
    """As _answers, for several shapes; inputs(*shape) and targets(*shape) make the arrays."""
    seen = {}
    for title, shape in SHAPES.items():
        g = _numbers(rng, *shape)
        seen.update(_answers(name, inputs(*shape), targets(*shape), g, prefix=f"{title}_"))
    return seen


# The numerical gradient


@probe("check-losses-numerical", rtol=1e-5, atol=1e-6)
def numerical_gradient_of_functions(rng):
    """The numerical gradient of functions whose slopes are known, for several shapes."""
    from tinytorch.losses import numerical_gradient

    a, b = rng.normal(size=(3, 4)), rng.normal(size=(2, 3))
    return {
        "squares": numerical_gradient(lambda x: (a * x**2).sum(), rng.normal(size=(3, 4))),
        "sines": numerical_gradient(lambda x: np.sin(b @ x).sum(), rng.normal(size=(3, 4))),
        "product": numerical_gradient(lambda x: x.prod(), rng.uniform(1, 2, size=5)),
        "stack": numerical_gradient(lambda x: (x[0] * x[1]).sum(), rng.normal(size=(2, 2, 3))),
        "number": numerical_gradient(np.exp, np.array(rng.normal())),
        "empty": numerical_gradient(np.sum, np.zeros((0, 2))),
    }


@probe("check-losses-numerical", rtol=1e-5, atol=1e-6)
def numerical_gradient_goes_to_both_sides(rng):
    """A large step, where one side alone gives another slope."""
    from tinytorch.losses import numerical_gradient

    x = rng.normal(size=4)
    return {
        f"step_{step}": numerical_gradient(lambda x: (x**3 + x**2).sum() + 9 * x.prod(), x, step=step)
        for step in (0.5, 0.25, 0.001)
    }


@probe("check-losses-numerical", rtol=1e-4, atol=1e-5)
def numerical_gradient_copies(rng):
    """A list and an array of float32 as x, and an x that the function reads, too: it must not change."""
    from tinytorch.losses import numerical_gradient

    own = rng.normal(size=(2, 3))
    single = rng.uniform(1, 2, size=4).astype(np.float32)
    return {
        "reads_its_own": numerical_gradient(lambda x: (x * own).sum(), own),
        "own": own,
        "float32": numerical_gradient(lambda x: np.log(x).sum(), single),
        "list": numerical_gradient(lambda x: (x * x).sum(), [1.0, float(single[0])]),
    }


# Squared error


@probe("check-losses-mse")
def squared_error_everywhere(rng):
    """The squared error and its vjp for random numbers: each reduction, several shapes, arrays unchanged."""
    return _everywhere(rng, "SquaredError", lambda *s: 3 * _numbers(rng, *s), lambda *s: _numbers(rng, *s))


@probe("check-losses-mse")
def mse_loss_of_tensors(rng):
    """mse_loss and MSELoss on tensors, and where the input is already right."""
    from tinytorch import Tensor
    from tinytorch.nn import MSELoss
    from tinytorch.nn.functional import mse_loss

    input, target = Tensor(_numbers(rng, 5)), Tensor(_numbers(rng, 5))
    return {
        "function": mse_loss(input, target).numpy(),
        "right": mse_loss(target, target).numpy(),
        **{reduction: MSELoss(reduction)(input, target).numpy() for reduction in REDUCTIONS},
    }


# Binary cross-entropy


@probe("check-losses-bce", rtol=1e-4, atol=1e-5)
def bce_everywhere(rng):
    """BCE and its vjp for random probabilities: each reduction, several shapes, arrays unchanged."""

    def probabilities(*shape):
        return rng.uniform(0.02, 0.98, size=shape).astype(np.float32)

    return _everywhere(rng, "BinaryCrossEntropy", probabilities, lambda *s: _bits(rng, *s))


@probe("check-losses-bce", rtol=1e-4, atol=1e-5)
def bce_at_the_edges(rng):
    """Probabilities of exactly 0 and 1, and very small ones, right and wrong."""
    input = np.array([0, 0, 1, 1, 1e-20, 1e-20, 1e-5, 1e-5], dtype=np.float32)
    target = np.array([0, 1, 0, 1, 0, 1, 0, 1], dtype=np.float32)
    order = rng.permutation(len(input))
    return _answers("BinaryCrossEntropy", input[order], target[order], _numbers(rng, len(order)))


@probe("check-losses-bce", rtol=1e-4, atol=1e-5)
def bce_of_tensors(rng):
    """binary_cross_entropy and BCELoss on tensors."""
    from tinytorch import Tensor
    from tinytorch.nn import BCELoss
    from tinytorch.nn.functional import binary_cross_entropy

    input, target = Tensor(rng.uniform(0.1, 0.9, size=(3, 2))), Tensor(_bits(rng, 3, 2))
    return {
        "function": binary_cross_entropy(input, target).numpy(),
        **{reduction: BCELoss(reduction)(input, target).numpy() for reduction in REDUCTIONS},
    }


# Binary cross-entropy with logits


@probe("check-losses-logits", rtol=1e-4, atol=1e-5)
def logits_everywhere(rng):
    """BCE with logits and its vjp for random logits: each reduction, several shapes, arrays unchanged."""
    name = "BinaryCrossEntropyWithLogits"
    return _everywhere(rng, name, lambda *s: 4 * _numbers(rng, *s), lambda *s: _bits(rng, *s))


@probe("check-losses-logits", rtol=1e-4, atol=1e-6)
def logits_far_away(rng):
    """Logits from -1000 to 1000, right and wrong."""
    far = np.array([-1000, -100, -30, -17, 0, 17, 30, 100, 1000], dtype=np.float32)
    input, target = np.tile(far, 2), np.repeat(np.float32([0, 1]), len(far))
    return _answers("BinaryCrossEntropyWithLogits", input, target, _numbers(rng, len(input)))


@probe("check-losses-logits", rtol=1e-4, atol=0)
def logits_that_are_right(rng):
    """Right and certain: the loss is small, but not 0."""
    from tinytorch.losses import BinaryCrossEntropyWithLogits

    target = _bits(rng, 6)
    input = (2 * target - 1) * rng.uniform(20, 40, size=6).astype(np.float32)
    return BinaryCrossEntropyWithLogits("none").forward(input, target)


@probe("check-losses-logits", rtol=1e-4, atol=1e-5)
def logits_of_tensors(rng):
    """binary_cross_entropy_with_logits and BCEWithLogitsLoss on tensors."""
    from tinytorch import Tensor
    from tinytorch.nn import BCEWithLogitsLoss
    from tinytorch.nn.functional import binary_cross_entropy_with_logits

    input, target = Tensor(_numbers(rng, 3, 2)), Tensor(_bits(rng, 3, 2))
    return {
        "function": binary_cross_entropy_with_logits(input, target).numpy(),
        **{reduction: BCEWithLogitsLoss(reduction)(input, target).numpy() for reduction in REDUCTIONS},
    }


# Cross-entropy


@probe("check-losses-cross-entropy", rtol=1e-4, atol=1e-5)
def cross_entropy_everywhere(rng):
    """Cross-entropy and its vjp: each reduction, several sizes, arrays unchanged."""
    seen = {}
    for title, n, classes in (("tall", 7, 4), ("wide", 2, 6), ("square", 5, 5), ("single", 1, 3)):
        target = rng.integers(0, classes, size=n)
        answers = _answers("CrossEntropy", 3 * _numbers(rng, n, classes), target, _numbers(rng, n))
        seen.update({f"{title}_{name}": value for name, value in answers.items()})
    return seen


@probe("check-losses-cross-entropy", rtol=1e-4, atol=1e-5)
def cross_entropy_at_the_edges(rng):
    """Logits up to 1000, one class only, and an empty batch."""
    far = rng.choice([-1000.0, -100, 0, 100, 1000], size=(6, 3)).astype(np.float32)
    nothing = np.zeros(0, dtype=np.int64)
    return {
        **_answers("CrossEntropy", far, rng.integers(0, 3, size=6), _numbers(rng, 6), prefix="far_"),
        **_answers("CrossEntropy", _numbers(rng, 3, 1), np.zeros(3, np.int64), _numbers(rng, 3), "one_"),
        **_answers("CrossEntropy", np.zeros((0, 4), np.float32), nothing, _numbers(rng, 0), "empty_"),
    }


@probe("check-losses-cross-entropy", rtol=1e-4, atol=1e-5)
def cross_entropy_of_tensors(rng):
    """cross_entropy and CrossEntropyLoss on tensors, and on targets as a list."""
    from tinytorch import Tensor
    from tinytorch.nn import CrossEntropyLoss
    from tinytorch.nn.functional import cross_entropy

    input, target = Tensor(_numbers(rng, 5, 3)), Tensor(rng.integers(0, 3, size=5), dtype=np.int64)
    return {
        "function": cross_entropy(input, target).numpy(),
        "list": cross_entropy(input, target.tolist()).numpy(),
        **{reduction: CrossEntropyLoss(reduction)(input, target).numpy() for reduction in REDUCTIONS},
    }


# The linear layer


@probe("check-losses-affine", rtol=1e-4, atol=1e-5)
def affine_gradients(rng):
    """The gradients of a linear layer: one sample, a batch, a batch of batches, an empty one."""
    from tinytorch.losses import affine_vjp

    weight, seen = _numbers(rng, 5, 3), {}
    for title, leading in (
        ("one", ()),
        ("batch", (4,)),
        ("more", (2, 4)),
        ("deep", (2, 1, 3)),
        ("empty", (0,)),
    ):
        x, g = _numbers(rng, *leading, 3), _numbers(rng, *leading, 5)
        kept = [each.copy() for each in (x, weight, g)]
        for name, gradient in zip(("x", "weight", "bias"), affine_vjp(x, weight, g), strict=True):
            seen[f"{title}_{name}"] = gradient
        unchanged = [np.array_equal(*pair) for pair in zip(kept, (x, weight, g), strict=True)]
        seen[f"{title}_unchanged"] = unchanged
    return seen


@probe("check-losses-affine", rtol=1e-4, atol=1e-5)
def square_affine_gradients(rng):
    """As many samples as inputs and outputs, where a wrong product or axis raises no error."""
    from tinytorch.losses import affine_vjp

    n = int(rng.integers(3, 6))
    g_x, g_weight, g_bias = affine_vjp(*(_numbers(rng, n, n) for _ in range(3)))
    return {"x": g_x, "weight": g_weight, "bias": g_bias}


@probe("check-losses-affine", rtol=1e-4, atol=1e-5)
def affine_gradients_without_x(rng):
    """needs_x=False: None for x, the others as always; True is the default."""
    from tinytorch.losses import affine_vjp

    arrays = _numbers(rng, 4, 3), _numbers(rng, 2, 3), _numbers(rng, 4, 2)
    nothing, g_weight, g_bias = affine_vjp(*arrays, needs_x=False)
    return {
        "none": nothing is None,
        "weight": g_weight,
        "bias": g_bias,
        "asked": affine_vjp(*arrays, needs_x=True)[0],
    }


# The bends


@probe("check-losses-bends", rtol=1e-5, atol=1e-6)
def bends_everywhere(rng):
    """The gradients of ReLU, sigmoid and tanh for random numbers of several shapes; arrays unchanged."""
    from tinytorch.losses import relu_vjp, sigmoid_vjp, tanh_vjp

    seen = {}
    for title, shape in SHAPES.items():
        x, g = 3 * _numbers(rng, *shape), _numbers(rng, *shape)
        for function, at in ((relu_vjp, x), (sigmoid_vjp, 1 / (1 + np.exp(-x))), (tanh_vjp, np.tanh(x))):
            kept = at.copy(), g.copy()
            seen[f"{title}_{function.__name__}"] = function(at, g)
            unchanged = np.array_equal(kept[0], at) and np.array_equal(kept[1], g)
            seen[f"{title}_{function.__name__}_rest"] = unchanged
    return seen


@probe("check-losses-bends", rtol=1e-5, atol=1e-6)
def bends_at_the_edges(rng):
    """ReLU at 0 and next to it, sigmoid and tanh where they are flat."""
    from tinytorch.losses import relu_vjp, sigmoid_vjp, tanh_vjp

    g = rng.uniform(1, 2, size=5).astype(np.float32)
    return {
        "relu": relu_vjp(np.array([-1000, -1e-30, 0, 1e-30, 1000], dtype=np.float32), g),
        "sigmoid": sigmoid_vjp(np.array([0, 1e-20, 0.5, 1 - 1e-4, 1], dtype=np.float32), g),
        "tanh": tanh_vjp(np.array([-1, -0.5, 0, 1 - 1e-4, 1], dtype=np.float32), g),
    }
