# %% [markdown] part="end"
# ## What comes next?
#
# Networks are not always chains. Here is one of three layers with a short cut: what comes out of the first
# layer goes into the second, and is also *added* to what comes out of it. Modern networks are full of such
# short cuts. By hand, it looks like this; the forward pass is five lines:

# %% part="end"
from course.datasets import load
from tinytorch.layers import Affine

digits = load("digits")
pixels = (digits["train_images"][:500].reshape(500, 64) / 16).astype(np.float32)
classes = digits["train_labels"][:500].astype(np.int64)


def train_with_short_cut(both_ways, steps=100):
    """The loss after some steps; the gradient of h comes by both ways that h took, or by one."""
    manual_seed(1)
    first, second, third, op = Linear(64, 32), Linear(32, 32), Linear(32, 10), CrossEntropy()
    for _ in range(steps):
        a = Affine().forward(pixels, first.weight.data, first.bias.data)
        h = np.maximum(a, 0)
        b = Affine().forward(h, second.weight.data, second.bias.data)
        s = np.maximum(b, 0) + h  # the short cut: h is used twice
        loss = op.forward(Affine().forward(s, third.weight.data, third.bias.data), classes)

        g_s, *g_third = affine_vjp(s, third.weight.data, op.vjp(1.0)[0])
        g_h, *g_second = affine_vjp(h, second.weight.data, relu_vjp(b, g_s))
        if both_ways:
            g_h = g_h + g_s  # who forgets this line gets no error
        _, *g_first = affine_vjp(pixels, first.weight.data, relu_vjp(a, g_h), needs_x=False)
        for layer, (g_weight, g_bias) in ((first, g_first), (second, g_second), (third, g_third)):
            layer.weight.data -= 0.2 * g_weight
            layer.bias.data -= 0.2 * g_bias
    return loss


print(f"with both ways of h : loss {train_with_short_cut(True):.4f}")
print(f"one way forgotten   : loss {train_with_short_cut(False):.4f}")

# %% [markdown] part="end"
# The second one is wrong, and it learns nevertheless: the loss falls, only not as it should. Nobody would
# notice. Every new network wants such lines, in the right order, with every sum in its place, and the longer
# it is the surer one is forgotten.
#
# And yet there was nothing to invent. Each line followed from a line of the forward pass. What would somebody
# have to note down during the forward pass, so that a program could write the way back by itself? Write your
# guess down before you go on; it is kept with your work, and costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# You know two ways to a gradient. *By hand*: fast, but to be written anew for each network. *By trial*, with
# your `numerical_gradient`: good for any network, but the network runs twice for each number in it. For one
# small layer, on this machine:

# %% part="begin"
import time

import numpy as np
from tinytorch import manual_seed, randn
from tinytorch.losses import SquaredError, affine_vjp, numerical_gradient

manual_seed(0)
x, y, weight = randn(64, 50).numpy(), randn(64, 20).numpy(), randn(20, 50).numpy()


def by_hand():
    op = SquaredError()
    op.forward(x @ weight.T, y)
    return affine_vjp(x, weight, op.vjp(1.0)[0])[1]


def by_trial():
    return numerical_gradient(lambda weight: SquaredError().forward(x @ weight.T, y), weight)


times = []
for name, function in (("by hand", by_hand), ("by trial", by_trial)):
    start = time.perf_counter()
    gradient = function()
    times.append(time.perf_counter() - start)
    print(f"{name:8}: {times[-1] * 1e3:7.2f} ms, first elements {np.round(gradient[0, :3], 4)}")
print(f"{times[1] / times[0]:,.0f} times as long, for {weight.size:,} numbers")

# %% [markdown] part="begin"
# What you build now is as general as the second and as fast as the first. (What was in your guess: which
# operation it was, what went into it, in which order? That is nearly all.)
