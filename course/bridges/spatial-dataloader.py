# %% [markdown] part="end"
# ## What comes next?
#
# A convolution is costly. How many images should go through it at once?

# %% part="end"
import time

import numpy as np
from tinytorch import Tensor, rand
from tinytorch.figures import keep
from tinytorch.nn import Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy
from tinytorch.optim import SGD


def microseconds(model, shape, size):
    """The time of a training step, for each image of a batch of this size."""
    optimizer = SGD(model.parameters(), lr=0.01)
    x, y = rand(size, *shape), Tensor(np.arange(size) % 10, dtype=np.int64)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
        times.append(time.perf_counter() - began)
    return min(times) / size * 1e6


mlp = Sequential(Linear(784, 128), ReLU(), Linear(128, 10))
cnn = Sequential(Conv2d(1, 16, 3, padding=1), ReLU(), MaxPool2d(2), Flatten(), Linear(16 * 14 * 14, 10))
for name, model, shape in (("MLP", mlp, (784,)), ("CNN", cnn, (1, 28, 28))):
    one, many = microseconds(model, shape, 1), microseconds(model, shape, 64)
    print(f"{name}: alone {one:6.0f} µs an image, 64 together {many:6.0f} µs: {one / many:.1f} times as fast")
    keep(f"batch_factor_{name.lower()}", one / many)

# %% [markdown] part="end"
# Batches are worth much to the MLP and less to the CNN, which has far more to do for each image. And a single
# image gives a gradient full of chance. So one trains in batches, and in every notebook so far you have cut
# them by hand: a permutation, a loop, a slice, and the rest at the end. With images one would also like to
# vary each of them a little, anew each time. What should the thing be able to do that does it all for you?
# Write your guess down before you go on; it is kept with your work, and costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Spatial* ended with the question how many images should go through a network at once. A small convolution,
# one image at a time:

# %% part="begin"
import time

import numpy as np
from tinytorch import Tensor, rand
from tinytorch.figures import recall
from tinytorch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy
from tinytorch.optim import SGD

model = Sequential(Conv2d(1, 16, 3, padding=1), ReLU(), Flatten(), Linear(16 * 28 * 28, 10))
optimizer = SGD(model.parameters(), lr=0.01)
began = time.perf_counter()
for _ in range(50):
    optimizer.zero_grad()
    cross_entropy(model(rand(1, 1, 28, 28)), Tensor([3], dtype=np.int64)).backward()
    optimizer.step()
spent = (time.perf_counter() - began) / 50
print(f"one image: {spent * 1e3:.1f} ms; MNIST's 60,000: {60_000 * spent:.0f} s for each epoch")
for name in ("mlp", "cnn"):
    factor = recall(f"batch_factor_{name}", 0)
    if factor:
        print(f"64 images together went {factor:.1f} times as fast with the {name.upper()}")

# %% [markdown] part="begin"
# And each time the batches were cut by hand, the same images in the same form. From now on something does it
# that you build here. (Was it in your guess?)
