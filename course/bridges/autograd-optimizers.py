# %% [markdown] part="end"
# ## What comes next?
#
# Gradients now come by themselves, for any network. What is left by hand is the update. A network on real
# digits, and the length of a step as the only thing to choose:

# %% part="end"
import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed
from tinytorch.nn import Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy

digits = load("digits")
pixels = Tensor(digits["train_images"][:500].reshape(500, 64) / 16)
classes = Tensor(digits["train_labels"][:500], dtype=np.int64)


def train_by_hand(rate, steps=100):
    """The loss of a network after some steps of this length."""
    manual_seed(1)
    model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    for _ in range(steps):
        loss = cross_entropy(model(pixels), classes)
        loss.backward()
        for parameter in model.parameters():
            parameter.data -= rate * parameter.grad.data
            parameter.grad = None
    return loss.item()


for rate in (0.01, 0.1, 1.0, 10.0):
    print(f"steps of {rate:5}: loss {train_by_hand(rate):.3f} after 100 steps")

# %% [markdown] part="end"
# Too short, and it creeps. Too long, and it is thrown about. All numbers share one length of step, whether
# their slope is gentle or steep, and each step forgets all that the steps before have seen. What would you
# remember from step to step, and what would you do with it? Write your guess down before you go on; it is
# kept with your work, and costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Autograd* took the gradients off your hands, and ended with steps that were too short or too long. Here is
# the trouble once more, as small as it gets: two weights to find, 3 and 0.2. The second one's input is
# measured in smaller units, so its numbers are ten times as large:

# %% part="begin"
from tinytorch import Tensor, manual_seed, no_grad, randn, zeros

manual_seed(0)
x = randn(200, 2) * Tensor([1, 10])
y = x @ Tensor([[3], [0.2]])
for rate in (0.001, 0.005, 0.01, 0.012):
    weight = zeros(2, 1)
    weight.requires_grad = True
    for _ in range(100):
        ((x @ weight - y) ** 2).mean().backward()
        weight.data -= rate * weight.grad.data
        weight.grad = None
    with no_grad():
        error = ((x @ weight - y) ** 2).mean().item()
    print(f"steps of {rate}: weights {weight.tolist()}, error {error:.2g}")

# %% [markdown] part="begin"
# The steep weight sets the limit, the gentle one has to wait. (What was in your guess: inertia? A step of its
# own for each number? You will build both.) At the end of this module your network trains in four lines:
# forget the gradients, `loss`, `loss.backward()`, `optimizer.step()`.
