# %% [markdown] part="end"
# ## What comes next?
#
# The update is one line now, for any network. The gradient is not. Networks are not always chains: here is
# one of three layers with a short cut. What comes out of the first layer goes into the second, and is also
# *added* to what comes out of it. Modern networks are full of such short cuts.

# %% part="end"
import numpy as np
from course.datasets import load
from tinytorch import from_numpy, manual_seed
from tinytorch.layers import Affine
from tinytorch.losses import CrossEntropy, affine_vjp, relu_vjp
from tinytorch.nn import Linear, Sequential

digits = load("digits")
pixels = (digits["train_images"][:500].reshape(500, 64) / 16).astype(np.float32)
classes = digits["train_labels"][:500].astype(np.int64)


def train_with_short_cut(both_ways, steps=100):
    """The loss after some steps; the gradient of h comes by both ways that h took, or by one."""
    manual_seed(1)
    first, second, third, op = Linear(64, 32), Linear(32, 32), Linear(32, 10), CrossEntropy()
    optimizer = SGD(Sequential(first, second, third).parameters(), lr=0.05, momentum=0.8)
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
            layer.weight.grad, layer.bias.grad = from_numpy(g_weight), from_numpy(g_bias)
        optimizer.step()
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
# Your optimizers take any `.grad`, and do not ask where it came from. You know two sources. *By hand*: fast,
# but to be written anew for each network. *By trial*, with your `numerical_gradient`: good for any network,
# but the network runs twice for each number in it. Twenty steps with each, for one small layer:

# %% part="begin"
import time

import numpy as np
from tinytorch import from_numpy, manual_seed, randn
from tinytorch.losses import SquaredError, affine_vjp, numerical_gradient
from tinytorch.nn import Parameter
from tinytorch.optim import SGD

manual_seed(0)
x, y, start_at = randn(64, 30).numpy(), randn(64, 10).numpy(), randn(10, 30)


def by_hand(weight):
    op = SquaredError()
    op.forward(x @ weight.T, y)
    return affine_vjp(x, weight, op.vjp(1.0)[0])[1]


def by_trial(weight):
    return numerical_gradient(lambda w: SquaredError().forward(x @ w.T, y), weight)


times = []
for name, gradient in (("by hand", by_hand), ("by trial", by_trial)):
    weight = Parameter(start_at)
    optimizer = SGD([weight], lr=1.0, momentum=0.9)
    start = time.perf_counter()
    for _ in range(20):
        weight.grad = from_numpy(gradient(weight.data))
        optimizer.step()
    times.append(time.perf_counter() - start)
    loss = SquaredError().forward(x @ weight.data.T, y)
    print(f"{name:8}: {times[-1] * 1e3:7.1f} ms, loss {loss:.4f}")
print(f"{times[1] / times[0]:,.0f} times as long, for {start_at.numel():,} numbers")

# %% [markdown] part="begin"
# What you build now is as general as the second and as fast as the first, and your optimizers will not notice
# the change. (What was in your guess: which operation it was, what went into it, in which order? That is
# nearly all.)
