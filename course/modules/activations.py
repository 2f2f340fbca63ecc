# %% [markdown]
# # Activations
#
# Between two layers stands a small function that bends: the *activation*. Without it, depth is worth nothing,
# as you are about to prove. You will write ReLU, Sigmoid, Tanh, GELU, Softmax and LogSoftmax, and make them
# hold where the obvious formula breaks.

# %% role="given" id="activations-header"
"""Activation functions: what bends between two layers."""

import numpy as np

from tinytorch.tensor import Op, apply

# %% [markdown]
# ## Why depth needs a bend
#
# A layer computes `x @ w + b`. Two in a row:
#
# $$ (x w_1 + b_1)\, w_2 + b_2 \;=\; x\,(w_1 w_2) + (\,\cdots) $$
#
# ### Exercise: `collapse`
#
# Find the *one* layer `(w, b)` that computes the same as both, for every `x`. Multiply the left side out, and
# watch what happens to `b1`. Works with tensors: only `@` and `+`.


# %% role="exercise" id="activations-collapse"
def collapse(w1, b1, w2, b2):
    """The weight and bias of the one layer that equals layer (w1, b1) followed by layer (w2, b2)."""
    ### BEGIN SOLUTION
    return w1 @ w2, b1 @ w2 + b2
    ### END SOLUTION


# %% role="check" id="check-activations-collapse" exercise="activations-collapse" points=2
from tinytorch import Tensor, randn
from tinytorch.checking import expect

w1, b1, w2, b2 = randn(4, 6), randn(6), randn(6, 3), randn(3)
w, b = collapse(w1, b1, w2, b2)
x = randn(5, 4)
expect(
    "x @ w + b",
    x @ w + b,
    ((x @ w1 + b1) @ w2 + b2).numpy(),
    "(x w1 + b1) w2 + b2, multiplied out",
    rtol=1e-3,
    atol=1e-4,
)

# %% [markdown]
# So a stack of linear layers is one linear layer, and a line is all that it can draw. A bend between them
# changes that.
#
# ## ReLU
#
# The simplest bend, and the most used: negative becomes 0, positive stays.
#
# $$ \mathrm{ReLU}(x) = \max(x, 0) $$
#
# ### Exercise: `ReLU.forward`
#
# As in *tensor*: an `Op` whose `forward` takes an array and gives a **new** one; the input stays as it was.


# %% role="exercise" id="activations-relu"
class ReLU(Op):
    """max(x, 0), element by element."""

    def forward(self, x):
        ### BEGIN SOLUTION
        return np.maximum(x, 0)
        ### END SOLUTION


# %% role="given" id="activations-relu-function"
def relu(x):
    """max(x, 0)"""
    return apply(ReLU(), x)


# %% role="check" id="check-activations-relu" exercise="activations-relu" points=1
t = Tensor([-2.0, -0.5, 0.0, 3.0])
expect("relu([-2, -0.5, 0, 3])", relu(t), np.array([0.0, 0, 0, 3]), "Negative becomes 0, the rest stays.")
expect("the input, afterwards", t, np.array([-2, -0.5, 0, 3]), "An operation never changes its input.")
expect("relu(-7.)", relu(Tensor(-7.0)), np.float32(0), "Works for a single number too.")

# %% [markdown]
# ## Sigmoid and tanh
#
# The sigmoid squeezes any number into (0, 1), so that it can be read as a probability; tanh squeezes into
# (-1, 1).
#
# $$ \sigma(x) = \frac{1}{1 + e^{-x}} \qquad \tanh(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}} $$
#
# On paper. In float32, whose largest number is about 3.4e38, the formulas break:

# %%
x = np.array([-1000, -1, 0, 1, 1000], dtype=np.float32)
with np.errstate(all="ignore"):
    print("exp(1000) =", np.exp(x)[-1])
    print("e^x / (1 + e^x) =", np.exp(x) / (1 + np.exp(x)))
    print("tanh by its formula =", (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)))

# %% [markdown]
# `inf / inf` is `nan`, and one `nan` in a network makes everything `nan` within a step. The cure is always
# the same: **only take exp of numbers that are not positive.** There are two ways to write the sigmoid, equal
# on paper; each is safe on one side:
#
# $$ \sigma(x) = \frac{1}{1 + e^{-x}} \;\text{ for } x \ge 0, \qquad
# \sigma(x) = \frac{e^{x}}{1 + e^{x}} \;\text{ for } x < 0 $$
#
# ### Exercise: `Sigmoid.forward` and `Tanh.forward`
#
# For the sigmoid: `z = np.exp(-np.abs(x))` is safe everywhere, and both formulas can be written with it;
# `np.where` chooses. Far to the left the result must still be right *relatively*: sigmoid(-50) is 1.9e-22,
# not 0. For tanh, use `np.tanh`, which is already careful.


# %% role="exercise" id="activations-sigmoid"
class Sigmoid(Op):
    """1 / (1 + exp(-x)), without ever taking exp of a positive number."""

    def forward(self, x):
        ### BEGIN SOLUTION
        z = np.exp(-np.abs(x))
        return np.where(x >= 0, 1, z) / (1 + z)
        ### END SOLUTION


class Tanh(Op):
    """The hyperbolic tangent."""

    def forward(self, x):
        ### BEGIN SOLUTION
        return np.tanh(x)
        ### END SOLUTION


# %% role="given" id="activations-sigmoid-function"
def sigmoid(x):
    """1 / (1 + exp(-x))"""
    return apply(Sigmoid(), x)


def tanh(x):
    """The hyperbolic tangent"""
    return apply(Tanh(), x)


# %% role="check" id="check-activations-sigmoid" exercise="activations-sigmoid" points=3
t = Tensor([-1.0, 0.0, 2.0])
expect("sigmoid([-1, 0, 2])", sigmoid(t), np.array([0.26894142, 0.5, 0.880797]), "1 / (1 + exp(-x))")
expect(
    "sigmoid([-1000, 1000])",
    sigmoid(Tensor([-1000.0, 1000.0])),
    np.array([0.0, 1]),
    "Never exp of a positive number.",
)
expect(
    "sigmoid(-50)",
    sigmoid(Tensor(-50.0)),
    np.float32(1.928749e-22),
    "Small, but not 0: use the formula for x < 0.",
    atol=0,
)
expect(
    "tanh([-1, 0, 2])",
    tanh(t),
    np.array([-0.7615942, 0, 0.9640276]),
    "The hyperbolic tangent is odd: tanh(-x) = -tanh(x).",
)
expect(
    "tanh([-1000, 1000])",
    tanh(Tensor([-1000.0, 1000.0])),
    np.array([-1.0, 1]),
    "Far away it is -1 or 1, never nan.",
)

# %% [markdown]
# ## GELU
#
# ReLU has a corner, and below 0 it is deaf. Transformers prefer a smooth cousin: *multiply x by the
# probability that a normal random number is smaller than x*,
#
# $$ \mathrm{GELU}(x) = x\,\Phi(x), \qquad \Phi(x) = \tfrac12\left(1 + \mathrm{erf}(x / \sqrt2)\right) $$
#
# and, as it was first run fast, the approximation
#
# $$ \mathrm{GELU}(x) \approx
# \tfrac12\, x \left(1 + \tanh\!\left(\sqrt{2/\pi}\,(x + 0.044715\, x^3)\right)\right). $$
#
# (Hendrycks and Gimpel, 2016, arXiv:1606.08415.) numpy has no `erf`, so `normal_cdf`, which is Φ, is given.
#
# ### Exercise: `GELU.forward`
#
# `self.approximate` is `"none"` (the first formula, PyTorch's default) or `"tanh"` (the second).


# %% role="given" id="activations-normal-cdf"
def normal_cdf(x):
    """The probability that a normal random number is smaller than x, to about 1e-7.

    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), formula 7.1.26, in Horner's form.
    """
    z = np.abs(x) * np.float32(1 / np.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    tail = series * np.exp(-z * z) / 2
    return np.where(x < 0, tail, 1 - tail)


# %% role="exercise" id="activations-gelu"
class GELU(Op):
    """x times the probability that a normal random number is smaller than x."""

    def __init__(self, approximate="none"):
        if approximate not in ("none", "tanh"):
            raise ValueError(f"approximate must be 'none' or 'tanh', not {approximate!r}.")
        self.approximate = approximate

    def forward(self, x):
        ### BEGIN SOLUTION
        if self.approximate == "tanh":
            return 0.5 * x * (1 + np.tanh(np.float32(np.sqrt(2 / np.pi)) * (x + 0.044715 * x * x * x)))
        return x * normal_cdf(x)
        ### END SOLUTION


# %% role="given" id="activations-gelu-function"
def gelu(x, approximate="none"):
    """x times the probability that a normal random number is smaller than x"""
    return apply(GELU(approximate), x)


# %% role="check" id="check-activations-gelu" exercise="activations-gelu" points=2
t = Tensor([-2.0, -0.5, 0.0, 1.0, 3.0])
exact, close = (
    np.array([-0.04550026, -0.15426877, 0, 0.8413447, 2.9959502]),
    np.array([-0.0454023, -0.15428599, 0, 0.841192, 2.9963627]),
)
expect("gelu([-2, -0.5, 0, 1, 3])", gelu(t), exact, "x times normal_cdf(x)", atol=2e-6)
expect(
    "gelu(..., approximate='tanh')",
    gelu(t, approximate="tanh"),
    close,
    "The second formula, with 0.044715 x^3",
    atol=2e-6,
)
expect(
    "gelu([-1000, 1000])", gelu(Tensor([-1000.0, 1000.0])), np.array([0.0, 1000]), "Far left 0, far right x."
)

# %% [markdown]
# ## How they look
#
# The curve is what goes forward, the dashed line its slope, which is what comes back in training. Where the
# slope is 0, nothing is learned.

# %%
import matplotlib.pyplot as plt

x = np.linspace(-5, 5, 401)
figure, axes = plt.subplots(1, 4, figsize=(11, 2.4), sharex=True)
for axis, function in zip(axes, (relu, sigmoid, tanh, gelu), strict=True):
    y = function(Tensor(x)).numpy()
    axis.plot(x, y, label="value")
    axis.plot(x, np.gradient(y, x), "--", label="slope")
    axis.set_title(function.__name__)
    axis.grid(alpha=0.3)
axes[0].legend()
plt.show()

# %% [markdown]
# Sigmoid and tanh are flat on both sides (they *saturate*), and the sigmoid's slope is nowhere above 1/4.
# Through ten layers of sigmoids at most (1/4)^10, a millionth, comes back. ReLU's slope is 1 for everything
# positive: that is most of why it won.
#
# ## Softmax
#
# At the end of a classifier stand ten numbers of any size, the *logits*. Softmax makes probabilities of them,
# positive and with sum 1:
#
# $$ \mathrm{softmax}(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}} $$
#
# Adding the same number to all $x_i$ changes nothing (try it on paper). So subtract the largest: then every
# exponent is at most 0, and the sum is at least 1.
#
# The loss will need the *logarithm* of these probabilities. `log(softmax(x))` is wrong where softmax
# underflows to 0: `log(0)` is `-inf`. Multiplied out, it is
#
# $$ \log \mathrm{softmax}(x)_i = (x_i - m) - \log \sum_j e^{x_j - m}, \qquad m = \max_j x_j . $$
#
# ### Exercise: `Softmax.forward` and `LogSoftmax.forward`
#
# Along dimension `self.dim`, which may be negative. `keepdims=True` makes maximum and sum broadcast.


# %% role="exercise" id="activations-softmax"
class Softmax(Op):
    """exp(x) / sum(exp(x)) along dim, shifted so that nothing overflows."""

    def __init__(self, dim):
        self.dim = dim

    def forward(self, x):
        ### BEGIN SOLUTION
        e = np.exp(x - x.max(axis=self.dim, keepdims=True))
        return e / e.sum(axis=self.dim, keepdims=True)
        ### END SOLUTION


class LogSoftmax(Op):
    """log(softmax(x)) along dim, in one piece, so that no probability underflows before its logarithm."""

    def __init__(self, dim):
        self.dim = dim

    def forward(self, x):
        ### BEGIN SOLUTION
        shifted = x - x.max(axis=self.dim, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=self.dim, keepdims=True))
        ### END SOLUTION


# %% role="given" id="activations-softmax-function"
def softmax(x, dim):
    """exp(x) / sum(exp(x)) along dim"""
    return apply(Softmax(dim), x)


def log_softmax(x, dim):
    """log(softmax(x, dim))"""
    return apply(LogSoftmax(dim), x)


# %% role="check" id="check-activations-softmax" exercise="activations-softmax" points=4
t = Tensor([[0.0, np.log(3.0)], [5.0, 5.0]])
expect(
    "softmax([[0, ln 3], [5, 5]], dim=1)",
    softmax(t, dim=1),
    np.array([[0.25, 0.75], [0.5, 0.5]]),
    "e^0 = 1 against e^(ln 3) = 3.",
)
expect(
    "its columns' sums with dim=0",
    softmax(t, dim=0).sum(dim=0),
    np.array([1.0, 1]),
    "Along dim the probabilities add up to 1.",
)
expect(
    "softmax([0, 1000])",
    softmax(Tensor([0.0, 1000.0]), dim=0),
    np.array([0.0, 1]),
    "Subtract the largest before exp.",
)
expect(
    "log_softmax([[0, ln 3], ...])",
    log_softmax(t, dim=-1),
    np.log([[0.25, 0.75], [0.5, 0.5]]),
    "The logarithm of softmax.",
)
expect(
    "log_softmax([0, 1000])",
    log_softmax(Tensor([0.0, 1000.0]), dim=0),
    np.array([-1000.0, 0]),
    "Multiplied out, nothing underflows.",
)

# %% [markdown]
# ## What it costs
#
# A matrix product reuses each number many times; an activation touches each once. So what counts is not the
# arithmetic but the way to memory and back, and how dear `exp` is. Nanoseconds for each element, on this
# machine:

# %%
import time

x = randn(1000, 1000)
for function in (relu, sigmoid, tanh, gelu, lambda t: softmax(t, dim=-1)):
    name = getattr(function, "__name__", "").replace("<lambda>", "softmax")
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function(x)
        times.append(time.perf_counter() - start)
    print(f"{name:8} {min(times) / x.numel() * 1e9:5.1f} ns")
print(
    f"memory: each keeps a result of {x.data.nbytes / 1e6:.0f} MB, "
    "and numpy makes one such array for each step of the formula"
)

# %% [markdown]
# ## How PyTorch does it
#
# `torch.nn.functional` has these functions under the same names, with the same `dim` and `approximate`. A GPU
# kernel does all steps of GELU or softmax in one pass (*fused*), without the arrays in between: one read, one
# write. `torch.compile` looks for such chains by itself. And `log_softmax` is a function of its own in
# PyTorch for the reason you have just seen.
