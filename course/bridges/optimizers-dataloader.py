# %% [markdown] part="end"
# ## What comes next?
#
# Now train as you will from here on: forward, `backward`, `step`. The samples one by one, as they come from
# the disk; then 32 at once, in batches cut by hand:

# %% part="end"
from tinytorch import Tensor
from tinytorch.figures import keep
from tinytorch.nn.functional import cross_entropy


def epoch_seconds(size):
    """The time for one pass over 1000 digits, in batches of this size."""
    model = Sequential(Linear(64, 64), ReLU(), Linear(64, 10))
    optimizer = Adam(model.parameters())
    began = time.perf_counter()
    for start in range(0, 1000, size):
        rows = slice(start, start + size)
        optimizer.zero_grad()
        cross_entropy(model(Tensor(images[rows])), Tensor(labels[rows], dtype=np.int64)).backward()
        optimizer.step()
    return time.perf_counter() - began


one, many = epoch_seconds(1), keep("epoch_in_batches", epoch_seconds(32))
keep("epoch_one_by_one", one)
print(f"one by one {one:.2f} s, in batches of 32 {many:.3f} s: {one / many:.0f} times as fast")
print("the first 20 labels:", labels[:20], "in the same order in every epoch")

# %% [markdown] part="end"
# The same samples, the same arithmetic. Shuffle them anew for each epoch, cut them, do not forget the rest,
# vary them a little, and have the next batch ready when this one is done: all that you would now write again
# for every training. What should the thing be able to do that does it for you? Write your guess down before
# you go on; it is kept with your work, and costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Optimizers* ended with a training, once sample by sample and once in batches. Sample by sample once more:

# %% part="begin"
import time

import numpy as np
from tinytorch import Tensor, rand
from tinytorch.figures import recall
from tinytorch.nn import Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy
from tinytorch.optim import Adam

model = Sequential(Linear(784, 128), ReLU(), Linear(128, 10))
optimizer = Adam(model.parameters())
began = time.perf_counter()
for _ in range(100):
    optimizer.zero_grad()
    cross_entropy(model(rand(1, 784)), Tensor([3], dtype=np.int64)).backward()
    optimizer.step()
spent = (time.perf_counter() - began) / 100
print(f"one image of 784 pixels: {spent * 1e3:.2f} ms; MNIST's 60,000: {60_000 * spent:.0f} s for each epoch")
ratio = recall("epoch_one_by_one", 0) / recall("epoch_in_batches", 1)
if ratio:
    print(f"your digits, in batches of 32, went {ratio:.0f} times as fast")

# %% [markdown] part="begin"
# Nearly all of that time can be saved, as you will see in a moment. (Was it in your guess?)
