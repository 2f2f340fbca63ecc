# %% [markdown]
# # Losses
#
# A *loss* says how wrong a model is, as one number. Its *gradient* says, for each number in the model, which
# way is better, and how much. You will write the four losses that nearly every model is trained with, derive
# their gradients by hand, carry those back through a whole network, and take your first training step.

# %% role="given" id="losses-header"
"""Losses: how wrong a model is, as one number; and the first gradients, derived by hand."""

import numpy as np

from tinytorch.activations import Sigmoid
from tinytorch.layers import Module
from tinytorch.tensor import Op, Tensor, apply, register_vjp

# %% [markdown]
# ## Why not count the mistakes?
#
# The share of right answers, the *accuracy*, is what we care about. But training changes each weight by a
# little and asks: better or worse? Here one weight of a new network is moved from -1 to 1, with everything
# else kept. On the left the accuracy, on the right a number that looks at *how probable* the model finds the
# right digit (you will write it below):

# %%
import matplotlib.pyplot as plt
from course.datasets import load
from tinytorch import manual_seed
from tinytorch.nn import Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import log_softmax

digits = load("digits")
images = Tensor(digits["train_images"][:200] / 16)
labels = np.asarray(digits["train_labels"][:200], dtype=np.int64)
manual_seed(0)
model = Sequential(Flatten(), Linear(64, 32), ReLU(), Linear(32, 10))

values = np.linspace(-1, 1, 201)
accuracies, surprises = [], []
for value in values:
    model[3].weight.data[0, 0] = value
    logits = model(images)
    accuracies.append((logits.argmax(dim=1).numpy() == labels).mean())
    surprises.append(-log_softmax(logits, dim=1).numpy()[np.arange(200), labels].mean())

figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
for axis, curve, name in zip(axes, (accuracies, surprises), ("accuracy", "loss"), strict=True):
    axis.plot(values, curve)
    axis.set(xlabel="one weight", title=name)
    axis.grid(alpha=0.3)
plt.show()
flat, flat_loss = (np.mean(np.diff(curve) == 0) for curve in (accuracies, surprises))
print(f"steps of 0.01 that leave the accuracy exactly as it is: {flat:.0%}; the loss: {flat_loss:.0%}")

# %% [markdown]
# Stairs: nearly everywhere flat, and where it is flat, no direction is better. The loss is smooth, so every
# point has a slope. That is what a loss must be: **small where the model is right, and with a slope that
# leads there.**
#
# ## A slope for every number
#
# The *gradient* of a function at $x$ has one slope for each element of $x$: if this element grew by a very
# little, how much would the result grow, for each unit? For derivations on paper you need a judge that does
# not know your algebra. Try it out, then: go a small step to both sides of one element, all others kept,
#
# $$ \frac{\partial f}{\partial x_i} \approx
# \frac{f(\dots, x_i + h, \dots) - f(\dots, x_i - h, \dots)}{2h} . $$
#
# This is slow (two calls for *each* element), but hard to get wrong: the right tool to check a fast way with.
#
# ### Exercise: `numerical_gradient`
#
# Return a float64 array of the shape of `x`. Work on a float64 **copy** of `x` (in float32 the difference of
# two nearly equal numbers is mostly rounding), and put each element back before you go on to the next.
# `np.ndindex(x.shape)` yields the index of each element, for every number of dimensions, also for none: a
# single number has the index `()`.


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


# %% [markdown] role="hint" exercise="losses-numerical"
# One element at a time: remember its number, change it, call the function, change it the other way, call
# again, and put the number back.

# %% [markdown] role="hint" exercise="losses-numerical"
# `np.array(..., dtype=np.float64)` copies. Then `for at in np.ndindex(x.shape):` and `x[at] = ...`; the
# results go into `np.zeros_like(x)`, at the same index `at`.

# %% role="check" id="check-losses-numerical" exercise="losses-numerical" points=2
from tinytorch.checking import expect, expect_error

expect(
    "the gradient of x^2 at 3",
    numerical_gradient(lambda x: x**2, 3.0),
    np.array(6.0),
    "(f(3 + h) - f(3 - h)) / 2h, all in float64; a single number has the index ().",
)
expect(
    "the gradient of x^2 at 3, with a step of 1",
    numerical_gradient(lambda x: x**2, 3.0, step=1.0),
    np.array(6.0),
    "From step below to step above, divided by their distance: (16 - 4) / 2.",
)
x = np.array([1.0, -2, 3])
expect(
    "the gradient of x0 * x1 * x2 at [1, -2, 3], with a step of 1",
    numerical_gradient(lambda x: x[0] * x[1] * x[2], x, step=1.0),
    np.array([-6.0, 3, -2]),
    "One element at a time; put each back before you go on.",
)
expect("x, afterwards", x, np.array([1.0, -2, 3]), "Work on a copy.")
expect(
    "the gradient of sum(x^2) at a (2, 2) of float32",
    numerical_gradient(lambda x: (x**2).sum(), np.array([[1, 2], [3, 4]], dtype=np.float32)),
    np.array([[2.0, 4], [6, 8]]),
    "The shape of x, computed in float64.",
)

# %% [markdown]
# ## What all losses share
#
# A loss takes the model's output, `input`, and what it should have been, `target`. It computes a single loss
# for each element and then *reduces* these to one number: their `"mean"` (the usual one: its size does not
# depend on how large the batch is), their `"sum"`, or, with `"none"`, nothing is reduced.
#
# Backwards it goes by the *chain rule*. At each operation a gradient `g` arrives: how much the final number
# grows with each element of the *output*. The operation's `vjp(g)` answers: how much, then, with each
# element of the *input*. Where it all begins, at the loss itself, `g` is 1. (vjp: vector-Jacobian product.
# The Jacobian is the table of all slopes; `vjp` multiplies it by `g` without ever writing it down.)
#
# For the reduction this is easy, and given. In a mean of $n$ losses each counts $1/n$, so each gets the
# gradient $g/n$; in a sum each gets $g$. `self.reduce(losses)` is for your `forward`, `self.spread(g)` for
# your `vjp`.


# %% role="given" id="losses-reduction"
class Loss(Op):
    """What all losses share: from the single losses to one number (reduce), and back (spread)."""

    def __init__(self, reduction="mean"):
        if reduction not in ("mean", "sum", "none"):
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


def same_shape(input, target):
    """The target, if it has the input's shape; one that would only broadcast is refused."""
    if np.shape(input) != np.shape(target):
        raise ValueError(
            f"The input has shape {np.shape(input)}, the target {np.shape(target)}; they must be the same."
        )
    return target


# %% [markdown]
# ## Squared error
#
# If the answer is a number (a price, a temperature), take its distance from the truth, squared: never
# negative, and twice as far is four times as bad.
#
# $$ \ell = (x - y)^2, \qquad \frac{\partial \ell}{\partial x} = 2\,(x - y) $$
#
# ### Exercise: `SquaredError.forward` and `SquaredError.vjp`
#
# `forward` gets two arrays of one shape. Keep on `self` what `vjp` will need. `vjp(g)` returns **one gradient
# for each input**: that of `input`, and `None` for `target` (the truth is not trained).


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


# %% [markdown] role="hint" exercise="losses-mse"
# Both methods need the difference. Compute it once, in `forward`, as `self.difference`.

# %% [markdown] role="hint" exercise="losses-mse"
# Chain rule: the slope of the single loss, twice the difference, times the gradient that this single loss
# gets, `self.spread(g)`. And a `None` after the comma.


# %% role="given" id="losses-mse-function"
def mse_loss(input, target, reduction="mean"):
    """(input - target)^2"""
    return apply(SquaredError(reduction), input, same_shape(input, target))


class MSELoss(Module):
    """The squared error of each element: their mean, their sum, or each ('none')."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, input, target):
        return mse_loss(input, target, self.reduction)


# %% role="check" id="check-losses-mse" exercise="losses-mse" points=3
input, target = np.array([1.0, 2, 5], dtype=np.float32), np.array([1.0, 4, 2], dtype=np.float32)
expect("mse_loss([3], [1])", mse_loss([3.0], [1.0]), np.float32(4), "(3 - 1)^2")
each = mse_loss(input, target, reduction="none")
expect("mse_loss([1, 2, 5], [1, 4, 2], 'none')", each, np.array([0.0, 4, 9]), "Each difference, squared.")
expect("mse_loss of these, 'mean'", mse_loss(input, target), np.float32(13 / 3), "The mean of 0, 4 and 9.")
expect("mse_loss of these, 'sum'", mse_loss(input, target, reduction="sum"), np.float32(13), "0 + 4 + 9")
op = SquaredError("sum")
op.forward(input, target)
expect("what vjp returns", type(op.vjp(1.0)).__name__, "tuple", "One for each input: `return ..., None`.")
expect("vjp(1) of the sum", op.vjp(1.0)[0], np.array([0.0, -4, 6]), "2 (input - target)")
expect("vjp(1), for the target", op.vjp(1.0)[1], None, "The target is not trained: None.")
op = SquaredError("mean")
op.forward(input, target)
expect("vjp(6) of the mean", op.vjp(6.0)[0], np.array([0.0, -8, 12]), "g / n goes to each: here 6 / 3.")

# %% [markdown]
# Is the derivation right? Do not believe it, ask your judge. `disagreement` is how far `vjp` is from the
# numerical gradient, at most:


# %%
def disagreement(op, input, target):
    """The largest difference between an operation's vjp and finite differences, in float64."""
    judged = numerical_gradient(lambda x: op.forward(x, target), input)
    op.forward(np.asarray(input, dtype=np.float64), target)
    return abs(op.vjp(1.0)[0] - judged).max()


random = np.random.default_rng(0)
input, target = random.normal(size=(4, 3)), random.normal(size=(4, 3))
print(f"right: {disagreement(SquaredError(), input, target):.1e}")


class Forgetful(SquaredError):
    """As on a tired evening: the 2 is missing."""

    def vjp(self, g):
        return self.difference * self.spread(g), None


print(f"wrong: {disagreement(Forgetful(), input, target):.1e}")

# %% [markdown]
# ## Binary cross-entropy
#
# Now the answer is yes or no, $y = 1$ or $y = 0$, and the model says with which probability $p$ it is a yes.
# How bad is it? Take the probability that it gave to *what was true*, $p$ or $1 - p$, and be surprised by its
# negative logarithm. Certain and right: $-\log 1 = 0$. Certain and wrong: $-\log 0 = \infty$. In one formula,
# because $y$ is 0 or 1:
#
# $$ \ell = -\big(y \log p + (1 - y) \log(1 - p)\big), \qquad
# \frac{\partial \ell}{\partial p} = \frac{p - y}{p\,(1 - p)} $$
#
# (Derive it: $-y/p + (1-y)/(1-p)$, on one denominator.) Infinite losses stop every training, so PyTorch's
# `BCELoss` lets no logarithm be below -100 and no denominator be below 1e-12. Do the same.
#
# ### Exercise: `BinaryCrossEntropy.forward` and `BinaryCrossEntropy.vjp`
#
# `input` holds probabilities, from 0 to 1, both included. `np.maximum(..., -100)` bounds a logarithm;
# `np.log1p(-p)` is $\log(1 - p)$, precise also for tiny $p$.


# %% role="exercise" id="losses-bce"
class BinaryCrossEntropy(Loss):
    """-log of the probability given to the truth; input is the probability of 1, target is 0 or 1."""

    def forward(self, input, target):
        ### BEGIN SOLUTION
        self.input, self.target = input, target
        log_yes, log_no = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
        return self.reduce(-(target * log_yes + (1 - target) * log_no))
        ### END SOLUTION

    def vjp(self, g):
        ### BEGIN SOLUTION
        slope = (self.input - self.target) / np.maximum(self.input * (1 - self.input), 1e-12)
        return slope * self.spread(g), None
        ### END SOLUTION


# %% [markdown] role="hint" exercise="losses-bce"
# Make the two logarithms first, each bounded, then put them into the formula. The minus stands before the
# whole bracket.

# %% [markdown] role="hint" exercise="losses-bce"
# `vjp` needs both arrays: keep them as `self.input` and `self.target`. Its denominator is `np.maximum` of
# `input * (1 - input)` and `1e-12`; the slope is then multiplied by `self.spread(g)`.


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
expect("BCE of p = 0.5, target 1", binary_cross_entropy([0.5], [1.0]), np.float32(0.693147), "-log 0.5")
p, y = Tensor([0.25, 0.25, 0.9]), Tensor([1.0, 0.0, 1.0])
each = binary_cross_entropy(p, y, reduction="none")
expect("BCE of [0.25, 0.25, 0.9], targets [1, 0, 1]", each, -np.log([0.25, 0.75, 0.9]), "-log of p or 1 - p")
expect("BCE of these, 'mean'", binary_cross_entropy(p, y), np.float32(0.593112), "The mean of the three.")
edge = binary_cross_entropy([0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0], reduction="none")
expect("BCE of [0, 1, 0, 1], targets [0, 1, 1, 0]", edge, np.array([0.0, 0, 100, 100]), "No log below -100.")
op = BinaryCrossEntropy("sum")
op.forward(p.data, y.data)
expect("what vjp returns", type(op.vjp(1.0)).__name__, "tuple", "One for each input: `return ..., None`.")
slope = np.array([-4, 4 / 3, -10 / 9])
expect("vjp(1) of the sum", op.vjp(1.0)[0], slope, "(p - y) / (p (1 - p))", rtol=1e-4)
expect("vjp(2) of the sum", op.vjp(2.0)[0], 2 * slope, "Everything is multiplied by g.", rtol=1e-4)
op = BinaryCrossEntropy("mean")
op.forward(p.data, y.data)
expect("vjp(6) of the mean", op.vjp(6.0)[0], 2 * slope, "g / n goes to each: here 6 / 3.", rtol=1e-4)
op = BinaryCrossEntropy("sum")
op.forward(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
expect("vjp(1) for p = [0, 1]", op.vjp(1.0)[0], np.array([-1e12, 0]), "No denominator below 1e-12.")

# %% [markdown]
# Now a model that is certain, and wrong. Its last number, the *logit* $x$, becomes $p = \sigma(x)$; the truth
# is 0. Back from the loss to the logit the chain rule multiplies BCE's slope by the sigmoid's, which is
# $p\,(1 - p)$:

# %%
wrong = np.array([2, 5, 10, 20, 50], dtype=np.float32)
p = Sigmoid().forward(wrong)
op, truth = BinaryCrossEntropy("none"), np.zeros(5, dtype=np.float32)
with np.errstate(divide="ignore"):
    loss = op.forward(p, truth)
back, _ = op.vjp(np.ones(5, dtype=np.float32))
print("logit   p            loss       gradient of p   gradient of the logit")
for row in zip(wrong, p, loss, back, back * p * (1 - p), strict=True):
    print("{:5.0f}   {:.8f}   {:8.4f}   {:13.4g}   {:10.4f}".format(*row))

# %% [markdown]
# Follow the last column: near 1, as it should be for a bad mistake, and then **0**. In float32, $\sigma(20)$
# is exactly 1: what was left, 2e-9, is rounded away. The worst mistake of all teaches nothing. No care in BCE
# can mend it: the information is lost before it comes here.
#
# ## With logits: two steps in one
#
# So take the logit itself, and do sigmoid and logarithm on paper:
#
# $$ \ell = -y \log \sigma(x) - (1 - y) \log(1 - \sigma(x)) = \log(1 + e^{x}) - x\,y . $$
#
# $e^{x}$ overflows, so by the rule of *activations* (exp only of what is not positive):
# $\log(1 + e^{x}) = \max(x, 0) + \log(1 + e^{-|x|})$. And the two slopes from above, multiplied:
#
# $$ \frac{\partial \ell}{\partial x} = \frac{p - y}{p\,(1 - p)} \cdot p\,(1 - p) = p - y . $$
#
# What saturates cancels. **Prediction minus truth** is left: nothing to overflow, never 0 while it is wrong.
#
# ### Exercise: `BinaryCrossEntropyWithLogits.forward` and its `vjp`
#
# Right from -1000 to 1000. `np.log1p(z)` is $\log(1 + z)$; your own `Sigmoid().forward(array)` is imported.


# %% role="exercise" id="losses-logits"
class BinaryCrossEntropyWithLogits(Loss):
    """Binary cross-entropy of sigmoid(input), in one piece: no probability is rounded on the way."""

    def forward(self, input, target):
        ### BEGIN SOLUTION
        self.input, self.target = input, target
        return self.reduce(np.maximum(input, 0) - input * target + np.log1p(np.exp(-np.abs(input))))
        ### END SOLUTION

    def vjp(self, g):
        ### BEGIN SOLUTION
        return (Sigmoid().forward(self.input) - self.target) * self.spread(g), None
        ### END SOLUTION


# %% [markdown] role="hint" exercise="losses-logits"
# `forward` is the sum of three terms, with no sigmoid: the maximum, minus $x y$, plus the `log1p` of a number
# between 0 and 1.

# %% [markdown] role="hint" exercise="losses-logits"
# That number is `np.exp(-np.abs(input))`. In `vjp` the sigmoid is right: $p - y$, times `self.spread(g)`.


# %% role="given" id="losses-logits-function"
def binary_cross_entropy_with_logits(input, target, reduction="mean"):
    """binary_cross_entropy(sigmoid(input), target), right for every input"""
    return apply(BinaryCrossEntropyWithLogits(reduction), input, same_shape(input, target))


class BCEWithLogitsLoss(Module):
    """Binary cross-entropy of logits: the sigmoid is inside."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, input, target):
        return binary_cross_entropy_with_logits(input, target, self.reduction)


# %% role="check" id="check-losses-logits" exercise="losses-logits" points=3
zero = binary_cross_entropy_with_logits([0.0], [1.0])
expect("with logit 0, target 1", zero, np.float32(0.693147), "Half and half: -log 0.5")
x, y = Tensor([1.0, -2.0, 1.0]), Tensor([1.0, 1.0, 0.0])
each = binary_cross_entropy_with_logits(x, y, reduction="none")
wanted = np.array([0.3132617, 2.126928, 1.3132617])
expect("with logits [1, -2, 1], targets [1, 1, 0]", each, wanted, "-log of the probability of the truth")
mean = binary_cross_entropy_with_logits(x, y)
expect("with logits, 'mean' of these", mean, np.float32(1.2511505), "The mean of the three.")
op = BinaryCrossEntropyWithLogits("sum")
op.forward(x.data, y.data)
slope = np.array([-0.2689414, -0.8807971, 0.7310586])
expect("what vjp returns", type(op.vjp(1.0)).__name__, "tuple", "One for each input: `return ..., None`.")
expect("vjp(1) of the sum", op.vjp(1.0)[0], slope, "sigmoid(x) - y")
op = BinaryCrossEntropyWithLogits("mean")
op.forward(x.data, y.data)
expect("vjp(6) of the mean", op.vjp(6.0)[0], 2 * slope, "g / n goes to each: here 6 / 3.")
op = BinaryCrossEntropyWithLogits("sum")
far, y = np.array([-1000, -1000, 20, 1000], dtype=np.float32), np.array([0, 1, 0, 1], dtype=np.float32)
each = binary_cross_entropy_with_logits(far, y, reduction="none")
expect("with logits [-1000, -1000, 20, 1000]", each, np.array([0.0, 1000, 20, 0]), "exp of -|x| only")
op.forward(far, y)
expect("vjp(1) of it", op.vjp(1.0)[0], np.array([0.0, -1, 1, 0]), "Wrong and certain: the slope is 1 or -1.")

# %% [markdown]
# Both losses and their gradients against the logit, for a truth of 1. On the left side of each the model is
# certain, and wrong:

# %%
x = np.linspace(-8, 8, 161)
p, ones = Sigmoid().forward(x), np.ones(161)
squared, entropy = SquaredError("none"), BinaryCrossEntropyWithLogits("none")
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
axes[0].plot(x, squared.forward(p, ones), "--", label="squared error of the sigmoid")
axes[0].plot(x, entropy.forward(x, ones), label="binary cross-entropy")
axes[1].plot(x, squared.vjp(ones)[0] * p * (1 - p), "--")
axes[1].plot(x, entropy.vjp(ones)[0])
for axis, name in zip(axes, ("loss", "its gradient"), strict=True):
    axis.set(xlabel="logit", title=name)
    axis.grid(alpha=0.3)
axes[0].legend()
plt.show()

# %% [markdown]
# The squared error is flat where the mistake is worst: the sigmoid's slope is still in it. Cross-entropy
# pulls with full force until the answer is right, and lets go gently.

# %% [markdown] role="question" id="losses-why-cancels" points=2
# ### Question: what cancels?
#
# *In your own words; 2 points, marked by a person.*
#
# A network for yes or no ends with a sigmoid. For one sample its logit is 20, but the truth is 0. Student A
# trains with the squared error of the sigmoid's output, student B with binary cross-entropy with logits. With
# the gradient of the logit in both cases, explain why B's network learns from this sample and A's does not.
# Then say in your own words what is cancelled in $p - y$, and why `BCELoss` after a sigmoid, in float32,
# would not have helped.
#
# ### BEGIN RUBRIC
# - 1 point: the two gradients. A: $2(p - y)\,p(1 - p)$, about $2 \cdot 2\cdot 10^{-9}$ (0 in float32),
#   because the sigmoid is flat (saturated) at 20. B: $p - y$, about 1: the full pull. ('A's is tiny because
#   of the sigmoid's slope, B's is about 1' is enough; half a point if only one of the two is explained.)
# - 1 point: what cancels, and why in one piece. The slope of the logarithm, $1/(p(1-p))$, grows exactly as
#   the slope of the sigmoid, $p(1 - p)$, vanishes; their product is 1, so only 'prediction minus truth' is
#   left. In two steps the cancelling needs an exact $1 - p$; in float32 $p$ is rounded to 1, so $1 - p$ is
#   0 and 'something large times 0' is 0. Half a point without the rounding.
# ### END RUBRIC

# %% [markdown]
# ## Cross-entropy
#
# More than two classes: for each sample one logit per class. Softmax makes probabilities of them, and the
# loss is again the surprise at the truth, $-\log p_{\text{target}}$. Again in one piece, again shifted by
# the row's maximum $m$:
#
# $$ \ell = -\log \frac{e^{x_t}}{\sum_j e^{x_j}} = \log \sum_j e^{x_j - m} - (x_t - m),
# \qquad t = \text{target} $$
#
# The gradient: $x_t$ stands alone with slope -1, and each $x_i$ stands in the sum with slope
# $e^{x_i} / \sum_j e^{x_j} = p_i$. So with $y$ = 1 for the true class and 0 for the others,
#
# $$ \frac{\partial \ell}{\partial x_i} = p_i - y_i . $$
#
# The same again: prediction minus truth. The probabilities that `forward` makes anyway are nearly the
# gradient: keep them, and `vjp` has hardly anything to do.
#
# ### Exercise: `CrossEntropy.forward` and `CrossEntropy.vjp`
#
# `input` has shape (n, classes), `target` holds n class indices. `x[np.arange(n), target]` picks from each
# row its target's element (and `[...] -= 1` works on it, too). Do not change `input`, and let a second `vjp`
# give the same as the first. In `vjp`, `self.spread(g)` is one number, or with `"none"` one for each
# **row**: `np.reshape(..., (-1, 1))` makes it fit.


# %% role="exercise" id="losses-cross-entropy"
class CrossEntropy(Loss):
    """-log softmax(input)[target], for one class index in each row of the input."""

    def forward(self, input, target):
        ### BEGIN SOLUTION
        shifted = input - input.max(axis=1, keepdims=True)
        losses = -shifted[np.arange(len(target)), target]
        exps = np.exp(shifted, out=shifted)  # into the same memory: it is our own, and no longer needed
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


# %% [markdown] role="hint" exercise="losses-cross-entropy"
# Begin as in `LogSoftmax`: subtract the row's maximum (`keepdims=True`), take `exp`, and sum each row. The
# loss of a row is the logarithm of its sum minus the shifted logit of its target.

# %% [markdown] role="hint" exercise="losses-cross-entropy"
# The sums have shape (n, 1), the picked logits (n,). Added as they are, they broadcast to (n, n), without an
# error: take `sums[:, 0]`.

# %% [markdown] role="hint" exercise="losses-cross-entropy"
# `vjp`: a **copy** of the kept probabilities; subtract 1 at `[np.arange(n), target]`; multiply by
# `self.spread(g)`, reshaped to (-1, 1). Without the copy, a second `vjp` subtracts 1 again.


# %% role="given" id="losses-cross-entropy-function"
def class_indices(input, target):
    """The target as a tensor of integers, if it is one class index for each row of the input."""
    indices = target.data if isinstance(target, Tensor) else np.asarray(target)
    shape = np.shape(input)
    if indices.dtype.kind not in "iu":
        raise TypeError(
            f"Targets are class indices, whole numbers; these are {indices.dtype}. "
            "Make them with Tensor(labels, dtype=np.int64)."
        )
    if len(shape) != 2 or indices.shape != shape[:1]:
        raise ValueError(
            f"The input must have shape (n, classes), the target (n,); they have {shape} and {indices.shape}."
        )
    if indices.size and indices.astype(np.uint64).max() >= shape[1]:  # -1 is a huge number there
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
expect("logits [[0, 0]], target [1]", cross_entropy([[0.0, 0]], [1]), np.float32(0.693147), "-log 0.5")
logits, target = np.log(np.array([[1.0, 3, 4], [2, 2, 4]], dtype=np.float32)), np.array([1, 0])
each = cross_entropy(logits, target, reduction="none")
tried = "logits log [[1, 3, 4], [2, 2, 4]], targets [1, 0]"
expect(tried, each, -np.log([3 / 8, 2 / 8]), "-log of 3/8 and 2/8")
expect("the 'mean' of these", cross_entropy(logits, target), np.float32(1.183562), "The mean over the rows.")
expect("their 'sum'", cross_entropy(logits, target, reduction="sum"), np.float32(2.3671236), "Over the rows.")
op, p = CrossEntropy("sum"), np.array([[1.0, 3, 4], [2, 2, 4]]) / 8
op.forward(logits, target)
slope = p - np.array([[0, 1, 0], [1, 0, 0]])
expect("what vjp returns", type(op.vjp(1.0)).__name__, "tuple", "One for each input: `return ..., None`.")
expect("vjp(1) of the sum", op.vjp(1.0)[0], slope, "p - y")
expect("vjp(1), once more", op.vjp(1.0)[0], slope, "Keep the p unchanged.")
op = CrossEntropy("mean")
op.forward(logits, target)
expect("vjp(6) of the mean", op.vjp(6.0)[0], 3 * slope, "g / n goes to each: n is 2 here, the rows.")
op = CrossEntropy("none")
op.forward(logits, target)
rows = op.vjp(np.array([8.0, 0]))[0]
expect("vjp([8, 0]) of 'none'", rows, np.array([[1.0, -5, 4], [0, 0, 0]]), "Each row has its own g.")
far = np.array([[1000.0, -1000], [-1000, 1000], [-1000, -1000]], dtype=np.float32)
each = cross_entropy(far, [0, 0, 0], reduction="none")
tried = "logits [[1000, -1000], [-1000, 1000], [-1000, -1000]], targets 0"
expect(tried, each, np.array([0.0, 2000, 0.693147]), "From each row subtract its own maximum.")

# %% [markdown]
# All four before your judge, and the gradient of one sample of three classes to look at:

# %%
yes, logits, target = random.integers(0, 2, size=(4, 3)), random.normal(size=(4, 3)), np.array([2, 0, 1, 1])
for op, input, truth in [
    (SquaredError(), logits, yes),
    (BinaryCrossEntropy(), random.uniform(0.1, 0.9, size=(4, 3)), yes),
    (BinaryCrossEntropyWithLogits(), logits, yes),
    (CrossEntropy(), logits, target),
]:
    print(f"{type(op).__name__:29} {disagreement(op, input, truth):.1e}")

op.forward(logits[:1], target[:1])
print("\nclass 2 is true\np    ", op.probabilities[0].round(3), "\np - y", op.vjp(1.0)[0][0].round(3))

# %% [markdown]
# ## Back through a linear layer
#
# The gradient has arrived at the logits. The weights are further back. A linear layer computes, for sample
# $b$ and output $o$, $y_{bo} = \sum_i x_{bi} W_{oi} + c_o$, and to it comes $g_{bo}$. Ask of each number
# *where it is used, and by how much it is multiplied there*:
#
# - $x_{bi}$ goes to every output $o$ of its sample, times $W_{oi}$: its gradient is $\sum_o g_{bo} W_{oi}$.
# - $W_{oi}$ is used by every sample $b$, times $x_{bi}$: $\sum_b g_{bo}\, x_{bi}$.
# - $c_o$ is used by every sample, times 1: $\sum_b g_{bo}$.
#
# Two of these are matrix products. Shapes help: a gradient always has the shape of its number, and $W$ has
# (out, in). Which product of `g` (batch, out) and `x` (batch, in) has that?
#
# ### Exercise: `affine_vjp`
#
# On arrays. `x` may have any leading dimensions, also none: (in,), (batch, in), (batch, time, in); `g` has
# the same. For `weight` and `bias` all of them are one long batch: `reshape(-1, ...)`. With `needs_x=False`
# nobody wants the gradient of `x`: give `None` for it, and save a matrix product.


# %% role="exercise" id="losses-affine"
def affine_vjp(x, weight, g, needs_x=True):
    """The gradients of x, weight and bias, from the gradient g of x @ weight.T + bias."""
    ### BEGIN SOLUTION
    rows, g_rows = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    return g @ weight if needs_x else None, g_rows.T @ rows, g_rows.sum(axis=0)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="losses-affine"
# The sum over $o$ is already a matrix product as it stands, `g @ weight`. In the sum over $b$ the first index
# of both is summed, so one of them has to be transposed.

# %% [markdown] role="hint" exercise="losses-affine"
# Shape (out, in) from (batch, out) and (batch, in): `g.T @ x`, both made two-dimensional before. The bias
# sums the same two-dimensional `g` over `axis=0`.

# %% role="check" id="check-losses-affine" exercise="losses-affine" points=4
x, weight = np.array([[1.0, 2, 3]]), np.array([[1.0, 0, 1], [0, 1, 2]])
g_x, g_weight, g_bias = affine_vjp(x, weight, np.array([[1.0, 10]]))
tried = "the gradient of x, for one sample and g = [1, 10]"
expect(tried, g_x, np.array([[1.0, 10, 21]]), "1 * row 0 + 10 * row 1 of the weight")
tried = "the gradient of the weight, for x = [1, 2, 3] and g = [1, 10]"
expect(tried, g_weight, np.array([[1.0, 2, 3], [10, 20, 30]]), "Row o is g_o times x.")
tried = "the gradient of the bias, for g = [1, 10]"
expect(tried, g_bias, np.array([1.0, 10]), "Each bias is used once, times 1.")
two = np.array([[1.0, 2, 3], [1, 0, 0]])
_, g_weight, g_bias = affine_vjp(two, weight, np.array([[1.0, 10], [5, 0]]))
tried = "with a second sample, x = [1, 0, 0] and g = [5, 0]: "
expect(tried + "weight", g_weight, np.array([[6.0, 2, 3], [10, 20, 30]]), "Summed over the samples.")
expect(tried + "bias", g_bias, np.array([6.0, 10]), "Summed over the samples.")
shapes = [a.shape for a in affine_vjp(np.ones((4, 5, 3)), weight, np.ones((4, 5, 2)))]
expect("shapes for x of (4, 5, 3)", shapes, [(4, 5, 3), (2, 3), (2,)], "A gradient has its number's shape.")
shapes = [a.shape for a in affine_vjp(np.ones(3), weight, np.ones(2))]
expect("shapes for x of (3,)", shapes, [(3,), (2, 3), (2,)], "No leading dimension: a batch of one.")
expect("needs_x=False", affine_vjp(x, weight, np.ones((1, 2)), needs_x=False)[0], None, "Not computed.")

# %% [markdown]
# The judge wants a function to *one* number. Multiply the output by some random `g` and sum: the gradient of
# that is what comes back for this very `g`.

# %%
x, weight, bias, g = (random.normal(size=s) for s in ((2, 4, 3), (5, 3), (5,), (2, 4, 5)))
parts = {
    "x": numerical_gradient(lambda x: (g * (x @ weight.T + bias)).sum(), x),
    "weight": numerical_gradient(lambda weight: (g * (x @ weight.T + bias)).sum(), weight),
    "bias": numerical_gradient(lambda bias: (g * (x @ weight.T + bias)).sum(), bias),
}
for (name, judged), derived in zip(parts.items(), affine_vjp(x, weight, g), strict=True):
    print(f"{name:6} {derived.shape!s:10} disagreement {abs(derived - judged).max():.1e}")

# %% [markdown]
# ## Back through the bend
#
# An activation works on each element alone, so backwards each element is multiplied by its own slope:
#
# $$ \mathrm{ReLU}'(x) = [x > 0] \qquad \sigma'(x) = y\,(1 - y) \qquad \tanh'(x) = 1 - y^2 $$
#
# with $y$ the output: for sigmoid and tanh the slope needs no `exp` again, the result of the forward pass is
# enough. At exactly 0 ReLU has a corner and no slope; everyone takes 0.
#
# ### Exercise: `relu_vjp`, `sigmoid_vjp` and `tanh_vjp`
#
# On arrays: the input `x` for ReLU, the **output** `y` for the other two.


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


# %% [markdown] role="hint" exercise="losses-bends"
# `x > 0` is an array of booleans; multiplied by numbers, True counts 1 and False 0.

# %% [markdown] role="hint" exercise="losses-bends"
# For the other two, put `y` into the formulas as it is. It *is* the sigmoid or the tanh already: if you apply
# it again, the judge will object.

# %% [markdown]
# The course's later modules find these by the name of the operation. The next cell registers them; remember
# `VJPS` from *tensor*. (`op.needs` is where a tape will say whether anybody wants the gradient of `x`. The
# first layer's `x` is the data, which nobody trains.)


# %% role="given" id="losses-registrations"
@register_vjp("Affine")
def _affine(op, g):
    x, weight = op.inputs[:2]
    needs_x = not op.needs or op.needs[0]
    return affine_vjp(x, weight, g, needs_x)[: len(op.inputs)]  # without a bias there are only two


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
g = np.array([1.0, 2, 3])
expect("relu_vjp at [-1, 0, 5]", relu_vjp(np.array([-1.0, 0, 5]), g), np.array([0.0, 0, 3]), "g where x > 0")
back = sigmoid_vjp(np.array([0.5, 0.9, 1.0]), g)
expect("sigmoid_vjp for y = [0.5, 0.9, 1]", back, np.array([0.25, 0.18, 0]), "g y (1 - y)")
back = tanh_vjp(np.array([0.0, -0.5, 1.0]), g)
expect("tanh_vjp for y = [0, -0.5, 1]", back, np.array([1.0, 1.5, 0]), "g (1 - y^2)")

# %% [markdown]
# ## A training step, by hand
#
# Now you have every piece: forward through a network of two layers, back through it in the opposite order,
# and a small step of each parameter against its gradient. All by hand, once:

# %%
from tinytorch import from_numpy
from tinytorch.nn.functional import linear, relu

manual_seed(1)
first, second = Linear(64, 32), Linear(32, 10)
pixels = images.reshape(200, 64)

# forward, and every result on the way must be kept
before = linear(pixels, first.weight, first.bias)
hidden = relu(before)
logits = linear(hidden, second.weight, second.bias)
op = CrossEntropy()
loss = op.forward(logits.data, labels)

# backward, in the opposite order
g_logits, _ = op.vjp(1.0)
g_hidden, g_weight, g_bias = affine_vjp(hidden.data, second.weight.data, g_logits)
second.weight.grad, second.bias.grad = from_numpy(g_weight), from_numpy(g_bias)
g_before = relu_vjp(before.data, g_hidden)
_, g_weight, g_bias = affine_vjp(pixels.data, first.weight.data, g_before, needs_x=False)
first.weight.grad, first.bias.grad = from_numpy(g_weight), from_numpy(g_bias)


def with_bias(bias):
    """The loss as it would be with another bias in the first layer."""
    hidden = np.maximum(pixels.data @ first.weight.data.T + bias, 0)
    return op.forward(hidden @ second.weight.data.T + second.bias.data, labels)


# the judge: 64 times through the whole network, for 32 numbers
judged = numerical_gradient(with_bias, first.bias.data)
print(f"disagreement, two layers deep: {abs(judged - first.bias.grad.data).max():.1e}")

# a step downhill
for parameter in (first.weight, first.bias, second.weight, second.bias):
    parameter.data -= 0.5 * parameter.grad.data

again = linear(relu(linear(pixels, first.weight, first.bias)), second.weight, second.bias)
print(f"loss before the step {loss:.4f}, after it {cross_entropy(again, labels).item():.4f}")
right = [(each.argmax(dim=1).numpy() == labels).mean() for each in (logits, again)]
print(f"right before {right[0]:.1%}, after {right[1]:.1%}")

# %% [markdown]
# It works: one step, and the loss is lower. That is all of training, and every word about it later is about
# doing this faster, further or with less pain. And pain it is. Count what you had to get right here: which
# results to keep, which vjp belongs where, in which order, which gradient goes into which `.grad`, and that
# for two layers. A third layer is five more such lines, and most mistakes in them raise no error.
#
# ## What it costs
#
# `Linear` forwards is one matrix product. Backwards it is **two** of the same size, one for `weight` and one
# for `x`. So a backward pass costs about twice a forward pass, and the first layer, where `x` is the data,
# only once. And fused cross-entropy, against the same made of your tensor's operations:

# %%
import time
import tracemalloc
from tinytorch import rand, randn


def milliseconds(function):
    times = []
    for _ in range(20):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def peak(function):
    """The bytes that a call holds at most."""
    tracemalloc.start()
    function()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


layer, x, g = Linear(784, 128), rand(256, 784), randn(256, 128).data
print(f"Linear(784, 128), 256 samples: forward {milliseconds(lambda: layer(x)):.2f} ms")
for needs_x in (True, False):
    spent = milliseconds(lambda n=needs_x: affine_vjp(x.data, layer.weight.data, g, n))
    print(f"    backward, {'with' if needs_x else 'without'} the gradient of x: {spent:.2f} ms")

logits, target = randn(4096, 100), Tensor(np.arange(4096) % 100, dtype=np.int64)
rows = Tensor(np.arange(4096), dtype=np.int64)


def in_steps():
    e = (logits - logits.amax(dim=1, keepdim=True)).exp()
    p = e / e.sum(dim=1, keepdim=True)
    return -(p.log()[rows, target].mean())


for name, function in (("in steps", in_steps), ("fused", lambda: cross_entropy(logits, target))):
    times = peak(function) / logits.data.nbytes
    print(f"cross-entropy {name:8}: {milliseconds(function):.2f} ms, holds {times:.1f} times its input")

# %% [markdown]
# The fused one makes one array of the input's size, the probabilities, and that is nearly the gradient. In
# a language model this counts: 8,192 rows of 50,000 logits are 1.6 GB, and so is each array in between.
#
# ## How PyTorch does it
#
# `F.cross_entropy` (`aten/src/ATen/native/LossNLL.cpp`) is `nll_loss(log_softmax(x))`: two fused kernels, so
# that 'log of softmax' never exists as two steps. `BCEWithLogitsLoss` exists for the reason you have seen,
# and its documentation says so; `BCELoss` bounds its logarithms at -100, as yours. The table from names to
# derivatives, your `register_vjp`, is `tools/autograd/derivatives.yaml`; what you call `needs` is
# `ctx.needs_input_grad` there. And your judge is `torch.autograd.gradcheck`, also in float64 with a step of
# 1e-6.
#
# Names, arguments and reductions here are PyTorch's. What it has in addition: weights for classes, targets to
# be ignored, label smoothing, probabilities as targets. One thing it only warns of: `mse_loss` of shapes
# (n, 1) and (n,) broadcasts to (n, n) and trains towards nonsense. Yours refuses:

# %%
expect_error("mse_loss of (3, 1) and (3,)", ValueError, lambda: mse_loss(rand(3, 1), rand(3)), "One shape.")
expect_error("labels as floats", TypeError, lambda: cross_entropy(rand(2, 3), Tensor([0, 1])), "Indices.")
expect_error("class 3 of 0, 1, 2", IndexError, lambda: cross_entropy(rand(2, 3), [0, 3]), "Below 3.")
expect_error("class -1", IndexError, lambda: cross_entropy(rand(2, 3), [0, -1]), "numpy would take the last.")
print("All four are refused.")
