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


# %% [markdown] role="hint" exercise="activations-collapse"
# Multiply $(x w_1 + b_1)\, w_2 + b_2$ out. There are three terms, and only one of them has an `x`.

# %% [markdown] role="hint" exercise="activations-collapse"
# The term with `x` gives the one weight: what stands to the right of `x`, in this order (`@` cannot be turned
# round). The two without `x` together are the bias; `b1` comes through the second layer, too. Return both:
# `return w, b`.

# %% role="check" id="check-activations-collapse" exercise="activations-collapse" points=2
from tinytorch import Tensor, randn
from tinytorch.checking import expect

w, b = collapse(Tensor([[2.0]]), Tensor([3.0]), Tensor([[5.0]]), Tensor([7.0]))
expect("w for w1 = [[2]], w2 = [[5]]", w, np.array([[10.0]]), "(2x + 3) * 5 + 7 = 10x + 22")
expect("b for b1 = [3], w2 = [[5]], b2 = [7]", b, np.array([22.0]), "(2x + 3) * 5 + 7 = 10x + 22")
swap, scale = Tensor([[0.0, 1], [1, 0]]), Tensor([[2.0, 0], [0, 3]])
w, b = collapse(swap, Tensor([1.0, 1]), scale, Tensor([0.0, 0]))
tried = "'swap the two inputs, add 1', then 'the first times 2, the second times 3': "
expect(tried + "w", w, np.array([[0.0, 3], [2, 0]]), "First w1, then w2: the order counts.")
expect(tried + "b", b, np.array([2.0, 3]), "b1 goes through the second layer.")
w1, b1, w2, b2 = randn(4, 6), randn(6), randn(6, 3), randn(3)
w, b = collapse(w1, b1, w2, b2)
x = randn(5, 4)
both = ((x @ w1 + b1) @ w2 + b2).numpy()
expect("x @ w + b, random", x @ w + b, both, "(x w1 + b1) w2 + b2, multiplied out", rtol=1e-3, atol=1e-4)

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


# %% [markdown] role="hint" exercise="activations-relu"
# For each element the larger one of two numbers: which two? numpy has a function for that.

# %% [markdown] role="hint" exercise="activations-relu"
# `np.maximum` compares element by element and gives a new array (`np.max` is something else: the largest of
# all). `np.where(x > 0, ..., ...)` does it, too.


# %% role="given" id="activations-relu-function"
def relu(x):
    """max(x, 0)"""
    return apply(ReLU(), x)


# %% role="check" id="check-activations-relu" exercise="activations-relu" points=1
expect("relu(-7.)", relu(Tensor(-7.0)), np.float32(0), "Negative becomes 0.")
expect("relu(3.)", relu(Tensor(3.0)), np.float32(3), "Positive stays.")
t = Tensor([-2.0, -0.5, 0.0, 3.0])
expect("relu([-2, -0.5, 0, 3])", relu(t), np.array([0.0, 0, 0, 3]), "Negative becomes 0, the rest stays.")
expect("the input, afterwards", t, np.array([-2, -0.5, 0, 3]), "An operation never changes its input.")
t = Tensor([1.0, 2.0])
relu(t).numpy()[0] = 9
expect("the input [1, 2], after its relu was changed", t, np.array([1.0, 2]), "A new array, always.")

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


# %% [markdown] role="hint" exercise="activations-sigmoid"
# With `z = np.exp(-np.abs(x))`, what is $e^{-x}$ for an `x` that is not negative? And what is $e^{x}$ for one
# that is?

# %% [markdown] role="hint" exercise="activations-sigmoid"
# So $\sigma(x)$ is $1 / (1 + z)$ on the right and $z / (1 + z)$ on the left. The denominator is the same;
# `np.where(condition, a, b)` chooses the numerator for each element. For tanh numpy has the function.


# %% role="given" id="activations-sigmoid-function"
def sigmoid(x):
    """1 / (1 + exp(-x))"""
    return apply(Sigmoid(), x)


def tanh(x):
    """The hyperbolic tangent"""
    return apply(Tanh(), x)


# %% role="check" id="check-activations-sigmoid" exercise="activations-sigmoid" points=3
expect("sigmoid(0)", sigmoid(Tensor(0.0)), np.float32(0.5), "1 / (1 + 1)")
t = Tensor([-1.0, 0.0, 2.0])
expect("sigmoid([-1, 0, 2])", sigmoid(t), np.array([0.26894142, 0.5, 0.880797]), "1 / (1 + exp(-x))")
far = Tensor([-1000.0, 1000.0])
expect("sigmoid([-1000, 1000])", sigmoid(far), np.array([0.0, 1]), "Never exp of a positive number.")
tiny = np.float32(1.928749e-22)
expect("sigmoid(-50)", sigmoid(Tensor(-50.0)), tiny, "Small, but not 0: use the formula for x < 0.", atol=0)
expect("tanh(0)", tanh(Tensor(0.0)), np.float32(0), "As far above as below.")
rule = "The hyperbolic tangent is odd: tanh(-x) = -tanh(x)."
expect("tanh([-1, 0, 2])", tanh(t), np.array([-0.7615942, 0, 0.9640276]), rule)
expect("tanh([-1000, 1000])", tanh(far), np.array([-1.0, 1]), "Far away it is -1 or 1, never nan.")
small = np.float32(1e-5)
expect(
    "tanh(0.00001)", tanh(Tensor(small)), small, "Near 0 it is x itself, to all digits.", rtol=1e-4, atol=0
)
expect("the input, afterwards", t, np.array([-1.0, 0, 2]), "An operation never changes its input.")

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


# %% [markdown] role="hint" exercise="activations-gelu"
# Two cases, by `self.approximate`. The first formula is one short line, because Φ is given as `normal_cdf`.

# %% [markdown] role="hint" exercise="activations-gelu"
# The second, from the inside: the polynomial `x + 0.044715 * x * x * x`, times `np.sqrt(2 / np.pi)`, in
# `np.tanh(...)`, plus 1, times `0.5 * x`. Look at the brackets: the root multiplies the whole polynomial.


# %% role="given" id="activations-gelu-function"
def gelu(x, approximate="none"):
    """x times the probability that a normal random number is smaller than x"""
    return apply(GELU(approximate), x)


# %% role="check" id="check-activations-gelu" exercise="activations-gelu" points=2
t, far = Tensor([-2.0, -0.5, 0.0, 1.0, 3.0]), Tensor([-1000.0, 1000.0])
exact = np.array([-0.04550026, -0.15426877, 0, 0.8413447, 2.9959502])
close = np.array([-0.0454023, -0.15428599, 0, 0.841192, 2.9963627])
for approximate, wanted, rule in [
    ("none", exact, "x times normal_cdf(x)"),
    ("tanh", close, "The second formula, with 0.044715 x^3"),
]:
    tried = f"approximate={approximate!r}"
    one = gelu(Tensor(1.0), approximate)
    expect(f"gelu(1, {tried})", one, wanted[3], rule, atol=2e-6)
    expect(f"gelu([-2, -0.5, 0, 1, 3], {tried})", gelu(t, approximate), wanted, rule, atol=2e-6)
    ends = gelu(far, approximate)
    expect(f"gelu([-1000, 1000], {tried})", ends, np.array([0.0, 1000]), "Far left 0, far right x.")
expect("gelu(1)", gelu(Tensor(1.0)), exact[3], "Without a word, the exact one.", atol=2e-6)
expect("the input, afterwards", t, np.array([-2, -0.5, 0, 1, 3]), "An operation never changes its input.")

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


# %% [markdown] role="hint" exercise="activations-softmax"
# Both begin alike: subtract from `x` its largest number along `self.dim`. From then on `exp` is harmless.

# %% [markdown] role="hint" exercise="activations-softmax"
# `x.max(axis=self.dim, keepdims=True)`, and the sum with the same two arguments: so both broadcast against
# `x`, whichever dimension it is. Softmax is the `exp` divided by its sum.

# %% [markdown] role="hint" exercise="activations-softmax"
# `LogSoftmax`: keep the shifted numbers in a variable. From them subtract `np.log` of the sum of their
# `np.exp`. There is no division, and no logarithm of a probability.


# %% role="given" id="activations-softmax-function"
def softmax(x, dim):
    """exp(x) / sum(exp(x)) along dim"""
    return apply(Softmax(dim), x)


def log_softmax(x, dim):
    """log(softmax(x, dim))"""
    return apply(LogSoftmax(dim), x)


# %% role="check" id="check-activations-softmax" exercise="activations-softmax" points=4
expect("softmax([5])", softmax(Tensor([5.0]), dim=0), np.array([1.0]), "Alone, it is certain.")
three = np.log(3.0)
one = Tensor([0.0, three])
expect("softmax([0, ln 3])", softmax(one, dim=0), np.array([0.25, 0.75]), "e^0 = 1 against e^(ln 3) = 3.")
rows, columns = Tensor([[0.0, three], [5.0, 5.0]]), Tensor([[0.0, 5.0], [three, 5.0]])
p = np.array([[0.25, 0.75], [0.5, 0.5]])
expect("softmax([[0, ln 3], [5, 5]], dim=1)", softmax(rows, dim=1), p, "Each row for itself.")
expect("softmax([[0, 5], [ln 3, 5]], dim=0)", softmax(columns, dim=0), p.T, "Each column for itself.")
expect("softmax([[0, ln 3], [5, 5]], dim=-1)", softmax(rows, dim=-1), p, "-1 is the last dimension.")
far = Tensor([0.0, 1000.0])
expect("softmax([0, 1000])", softmax(far, dim=0), np.array([0.0, 1]), "Subtract the largest before exp.")
apart = Tensor([[1000.0, 1000.0], [-1000.0, -1000.0]])
tried = "softmax([[1000, 1000], [-1000, -1000]], dim=1)"
expect(tried, softmax(apart, dim=1), np.full((2, 2), 0.5), "From each row subtract its own largest.")
expect("log_softmax([5])", log_softmax(Tensor([5.0]), dim=0), np.array([0.0]), "log 1")
expect("log_softmax([0, ln 3])", log_softmax(one, dim=0), np.log([0.25, 0.75]), "The logarithm of softmax.")
tried = "log_softmax([[0, ln 3], [5, 5]], dim=-1)"
expect(tried, log_softmax(rows, dim=-1), np.log(p), "Each row for itself.")
tried = "log_softmax([[0, 5], [ln 3, 5]], dim=0)"
expect(tried, log_softmax(columns, dim=0), np.log(p.T), "Each column for itself.")
tried = "log_softmax([0, 1000])"
expect(tried, log_softmax(far, dim=0), np.array([-1000.0, 0]), "Multiplied out, nothing underflows.")
expect("the input, afterwards", far, np.array([0.0, 1000]), "An operation never changes its input.")

# %% [markdown] role="question" id="activations-why-maximum" points=2
# ### Question: why the largest? (In your own words, 2 points, marked by a person.)
#
# `Softmax.forward` subtracts the largest number along `dim` before it takes `exp`. Show that this changes no
# probability, and say what would come out without it, for which logits. Then: why the *largest*? A classmate
# subtracts the mean of each row; another one the largest number of the whole batch. What can go wrong for
# each? (Try it: `np.exp` of a float32 array.)
#
# ### BEGIN RUBRIC
# - 1 point: $e^{x_i - m} = e^{x_i} e^{-m}$; the factor $e^{-m}$ stands above and below the line and cancels.
#   Without it a logit above about 88 gives `exp` = inf, and inf / inf = nan; if all are below about -104,
#   every `exp` is 0, and 0 / 0 = nan. Half a point for the cancelling, half for what breaks (one of the two
#   sides is enough).
# - 1 point: with the row's own largest every exponent is at most 0, so nothing overflows, and one of them is
#   exactly 0, so the sum is at least 1, never 0. The mean: a number far above it still overflows (0, 0, 0,
#   400: 300 above the mean). The batch's largest: a row far below it underflows as a whole, and is 0 / 0.
#   Half a point for each.
# ### END RUBRIC

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
