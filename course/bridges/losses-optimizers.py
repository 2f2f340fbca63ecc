# %% [markdown] part="end"
# ## What comes next?
#
# One step made the loss lower. So make many. The only thing to choose is how long a step is:

# %% part="end"
from course.datasets import load
from tinytorch.layers import Affine

digits = load("digits")
pixels = (digits["train_images"][:500].reshape(500, 64) / 16).astype(np.float32)
classes = digits["train_labels"][:500].astype(np.int64)


def train_by_hand(rate, steps=100):
    """The loss of a network of two layers after some steps of this length."""
    manual_seed(1)
    first, second, op = Linear(64, 32), Linear(32, 10), CrossEntropy()
    for _ in range(steps):
        before = Affine().forward(pixels, first.weight.data, first.bias.data)
        hidden = np.maximum(before, 0)
        loss = op.forward(Affine().forward(hidden, second.weight.data, second.bias.data), classes)
        g_hidden, g_weight, g_bias = affine_vjp(hidden, second.weight.data, op.vjp(1.0)[0])
        _, g_weight_1, g_bias_1 = affine_vjp(pixels, first.weight.data, relu_vjp(before, g_hidden))
        first.weight.data -= rate * g_weight_1
        first.bias.data -= rate * g_bias_1
        second.weight.data -= rate * g_weight
        second.bias.data -= rate * g_bias
    return loss


with np.errstate(all="ignore"):  # some numbers will not stay finite
    for rate in (0.01, 0.1, 1.0, 10.0):
        print(f"steps of {rate:5}: loss {train_by_hand(rate):.3f} after 100 steps")

# %% [markdown] part="end"
# Too short, and it creeps. Too long, and it is thrown about. And four lines of update for two layers, which
# you would write again for each network. All numbers share one length of step, whether their slope is gentle
# or steep, and each step forgets all that the steps before have seen. What would you remember from step to
# step, and what would you do with it? Write your guess down before you go on; it is kept with your work, and
# costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Losses* ended with steps that were too short or too long. Here is the trouble once more, as small as it
# gets: two weights to find, 3 and 0.2. The second one's input is measured in smaller units, so its numbers
# are ten times as large:

# %% part="begin"
import numpy as np
from tinytorch import manual_seed, randn
from tinytorch.losses import SquaredError, affine_vjp

manual_seed(0)
x = randn(200, 2).numpy() * np.float32([1, 10])
y = x @ np.float32([[3], [0.2]])
for rate in (0.001, 0.005, 0.01, 0.012):
    weight = np.zeros((1, 2), dtype=np.float32)
    for _ in range(100):
        op = SquaredError()
        op.forward(x @ weight.T, y)
        _, g, _ = affine_vjp(x, weight, op.vjp(1.0)[0])
        weight -= rate * g
    print(f"steps of {rate}: after 100 steps the weights are {weight[0, 0]:.3g} and {weight[0, 1]:.3g}")

# %% [markdown] part="begin"
# The steep weight sets the limit, the gentle one has to wait. (What was in your guess: inertia? A step of its
# own for each number? You will build both.)
