# %% [markdown]
# # Losses
#
# A *loss* says how wrong a model is, as one number. Its *gradient* says, for each number in the model, which
# way is better. In this module you write the four losses that nearly every model is trained with, and their
# gradients by hand.

# %% role="given" id="losses-header"
"""Losses: how wrong a model is, as one number; and the first gradients, by hand."""

import numpy as np

from tinytorch.activations import Sigmoid
from tinytorch.layers import Module
from tinytorch.tensor import Op, Tensor, apply, register_vjp

# %% [markdown]
# ### Exercise: `numerical_gradient`


# %% role="exercise" id="losses-numerical"
def numerical_gradient(function, x, step=1e-6):
    """How a function from an array to one number changes with each element of x: a float64 array like x."""
    ### BEGIN SOLUTION
    x = np.array(x, dtype=np.float64)
    gradient = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        here = x[at]
        x[at] = here + step
        above = function(x)
        x[at] = here - step
        below = function(x)
        x[at] = here
        gradient[at] = (above - below) / (2 * step)
    return gradient
    ### END SOLUTION


# %% role="check" id="check-losses-numerical" exercise="losses-numerical" points=2
from tinytorch.checking import expect

expect(
    "the gradient of sum(x^2) at [1, -2, 3]",
    numerical_gradient(lambda x: (x**2).sum(), [1.0, -2.0, 3.0]),
    np.array([2.0, -4, 6]),
    "The slope of x^2 is 2x.",
)

# %% role="given" id="losses-reduction"
REDUCTIONS = ("mean", "sum", "none")


class Loss(Op):
    """What all losses share: from the single losses to one number (reduce), and back (spread)."""

    def __init__(self, reduction="mean"):
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}.")
        self.reduction = reduction

    def reduce(self, losses):
        """The mean of the single losses, their sum, or, with 'none', the losses themselves."""
        self.count = losses.size
        if self.reduction == "none":
            return losses
        total = losses.sum()
        return total / self.count if self.reduction == "mean" else total

    def spread(self, g):
        """The gradient of each single loss, from the gradient g of what reduce made of them."""
        return g / self.count if self.reduction == "mean" else g


# %% [markdown]
# ### Exercise: `SquaredError`


# %% role="exercise" id="losses-mse"
class SquaredError(Loss):
    """(input - target)^2"""

    def forward(self, input, target):
        ### BEGIN SOLUTION
        self.difference = input - target
        return self.reduce(self.difference * self.difference)
        ### END SOLUTION

    def vjp(self, g):
        ### BEGIN SOLUTION
        return 2 * self.difference * self.spread(g), None
        ### END SOLUTION


# %% role="given" id="losses-mse-function"
def same_shape(input, target):
    """The target, if it has the input's shape; a target that would only broadcast is refused."""
    if np.shape(input) != np.shape(target):
        raise ValueError(
            f"The input has shape {np.shape(input)}, the target {np.shape(target)}; they must be the same."
        )
    return target


def mse_loss(input, target, reduction="mean"):
    """(input - target)^2"""
    return apply(SquaredError(reduction), input, same_shape(input, target))


class MSELoss(Module):
    """The squared error of each element: their mean, their sum, or each."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, input, target):
        return mse_loss(input, target, self.reduction)


# %% role="check" id="check-losses-mse" exercise="losses-mse" points=3
expect("mse", mse_loss([1.0, 2.0], [0.0, 4.0]), np.float32(2.5), "The mean of 1 and 4.")

# %% [markdown]
# ### Exercise: `BinaryCrossEntropy`


# %% role="exercise" id="losses-bce"
class BinaryCrossEntropy(Loss):
    """-log of the probability that the input, a probability of class 1, gives to the target, 0 or 1."""

    def forward(self, input, target):
        ### BEGIN SOLUTION
        self.input, self.target = input, target
        log_one, log_zero = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
        return self.reduce(-(target * log_one + (1 - target) * log_zero))
        ### END SOLUTION

    def vjp(self, g):
        ### BEGIN SOLUTION
        slope = (self.input - self.target) / np.maximum(self.input * (1 - self.input), 1e-12)
        return slope * self.spread(g), None
        ### END SOLUTION


# %% role="given" id="losses-bce-function"
def binary_cross_entropy(input, target, reduction="mean"):
    """-(target log(input) + (1 - target) log(1 - input)), for probabilities"""
    return apply(BinaryCrossEntropy(reduction), input, same_shape(input, target))


class BCELoss(Module):
    """Binary cross-entropy of probabilities."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, input, target):
        return binary_cross_entropy(input, target, self.reduction)


# %% role="check" id="check-losses-bce" exercise="losses-bce" points=3
expect("bce", binary_cross_entropy([0.5], [1.0]), np.float32(0.6931472), "-log(1/2)")

# %% [markdown]
# ### Exercise: `BinaryCrossEntropyWithLogits`


# %% role="exercise" id="losses-logits"
class BinaryCrossEntropyWithLogits(Loss):
    """Binary cross-entropy of sigmoid(input), in one piece, so that no probability rounds to 0 or 1 first."""

    def forward(self, input, target):
        ### BEGIN SOLUTION
        self.input, self.target = input, target
        return self.reduce(np.maximum(input, 0) - input * target + np.log1p(np.exp(-np.abs(input))))
        ### END SOLUTION

    def vjp(self, g):
        ### BEGIN SOLUTION
        return (Sigmoid().forward(self.input) - self.target) * self.spread(g), None
        ### END SOLUTION


# %% role="given" id="losses-logits-function"
def binary_cross_entropy_with_logits(input, target, reduction="mean"):
    """binary_cross_entropy(sigmoid(input), target), stable for every input"""
    return apply(BinaryCrossEntropyWithLogits(reduction), input, same_shape(input, target))


class BCEWithLogitsLoss(Module):
    """Binary cross-entropy of logits: the sigmoid is inside."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, input, target):
        return binary_cross_entropy_with_logits(input, target, self.reduction)


# %% role="check" id="check-losses-logits" exercise="losses-logits" points=3
expect("logits", binary_cross_entropy_with_logits([0.0], [1.0]), np.float32(0.6931472), "-log(1/2)")

# %% [markdown]
# ### Exercise: `CrossEntropy`


# %% role="exercise" id="losses-cross-entropy"
class CrossEntropy(Loss):
    """-log softmax(input)[target], one class index for each row of the input."""

    def forward(self, input, target):
        ### BEGIN SOLUTION
        shifted = input - input.max(axis=1, keepdims=True)
        losses = -shifted[np.arange(len(target)), target]
        exps = np.exp(shifted, out=shifted)
        sums = exps.sum(axis=1, keepdims=True)
        losses += np.log(sums[:, 0])
        exps /= sums
        self.probabilities, self.target = exps, target
        return self.reduce(losses)
        ### END SOLUTION

    def vjp(self, g):
        ### BEGIN SOLUTION
        gradient = self.probabilities.copy()
        gradient[np.arange(len(self.target)), self.target] -= 1
        gradient *= np.reshape(self.spread(g), (-1, 1))
        return gradient, None
        ### END SOLUTION


# %% role="given" id="losses-cross-entropy-function"
def class_indices(input, target):
    """The targets as int64, if they are one class index for each row of the input; others are refused."""
    indices = target.data if isinstance(target, Tensor) else np.asarray(target)
    shape = np.shape(input)
    if indices.dtype.kind not in "iu":
        raise TypeError(
            f"Targets are class indices, whole numbers; these are {indices.dtype}. "
            "Make them with Tensor(labels, dtype=np.int64)."
        )
    if len(shape) != 2 or indices.shape != shape[:1]:
        raise ValueError(
            f"The input must have shape (n, classes), the targets (n,); they have {shape} and {indices.shape}."
        )
    if indices.size and not 0 <= indices.min() <= indices.max() < shape[1]:
        raise IndexError(
            f"With {shape[1]} classes targets go from 0 to {shape[1] - 1}; "
            f"these go from {indices.min()} to {indices.max()}."
        )
    return target if isinstance(target, Tensor) else Tensor(indices, dtype=np.int64)


def cross_entropy(input, target, reduction="mean"):
    """-log softmax(input)[target], for logits of shape (n, classes) and n class indices"""
    return apply(CrossEntropy(reduction), input, class_indices(input, target))


class CrossEntropyLoss(Module):
    """Cross-entropy of logits: the softmax is inside."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, input, target):
        return cross_entropy(input, target, self.reduction)


# %% role="check" id="check-losses-cross-entropy" exercise="losses-cross-entropy" points=4
expect("ce", cross_entropy([[0.0, 0.0]], [1]), np.float32(0.6931472), "-log(1/2)")

# %% [markdown]
# ### Exercise: `affine_vjp`


# %% role="exercise" id="losses-affine"
def affine_vjp(x, weight, g):
    """The gradients of x, weight and bias, from the gradient g of x @ weight.T + bias."""
    ### BEGIN SOLUTION
    rows, g_rows = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    return g @ weight, g_rows.T @ rows, g_rows.sum(axis=0)
    ### END SOLUTION


# %% role="check" id="check-losses-affine" exercise="losses-affine" points=4
expect(
    "bias",
    affine_vjp(np.ones((2, 3)), np.ones((1, 3)), np.ones((2, 1)))[2],
    np.array([2.0]),
    "One for each row.",
)

# %% [markdown]
# ### Exercise: `relu_vjp`, `sigmoid_vjp`, `tanh_vjp`


# %% role="exercise" id="losses-bends"
def relu_vjp(x, g):
    """The gradient of x, from the gradient g of relu(x)."""
    ### BEGIN SOLUTION
    return g * (x > 0)
    ### END SOLUTION


def sigmoid_vjp(y, g):
    """The gradient of x, from y = sigmoid(x) and the gradient g of y."""
    ### BEGIN SOLUTION
    return g * y * (1 - y)
    ### END SOLUTION


def tanh_vjp(y, g):
    """The gradient of x, from y = tanh(x) and the gradient g of y."""
    ### BEGIN SOLUTION
    return g * (1 - y * y)
    ### END SOLUTION


# %% role="given" id="losses-registrations"
@register_vjp("Affine")
def _affine(op, g):
    x, weight = op.inputs[:2]
    return affine_vjp(x, weight, g)[: len(op.inputs)]  # without a bias there are only two


@register_vjp("ReLU")
def _relu(op, g):
    return (relu_vjp(op.inputs[0], g),)


@register_vjp("Sigmoid")
def _sigmoid(op, g):
    return (sigmoid_vjp(op.output, g),)


@register_vjp("Tanh")
def _tanh(op, g):
    return (tanh_vjp(op.output, g),)


# %% role="check" id="check-losses-bends" exercise="losses-bends" points=3
expect(
    "relu_vjp",
    relu_vjp(np.array([-1.0, 2.0]), np.array([3.0, 4.0])),
    np.array([0.0, 4]),
    "Where x is positive, g passes.",
)
