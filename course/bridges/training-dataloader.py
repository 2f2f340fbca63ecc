# %% [markdown] part="end"
# ## What comes next?
#
# Your trainer takes any list of batches. What should stand in it? Here the same thousand digits twice: each
# alone, and 32 together:

# %% part="end"
import time

import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed
from tinytorch.figures import keep
from tinytorch.nn import CrossEntropyLoss, Linear, ReLU, Sequential
from tinytorch.optim import SGD

digits = load("digits")
images = (digits["train_images"][:1000].reshape(-1, 64) / 16).astype(np.float32)
labels = digits["train_labels"][:1000].astype(np.int64)


def epoch_seconds(size):
    """The time for one epoch in batches of this size."""
    starts = range(0, len(images), size)
    loader = [(Tensor(images[i : i + size]), Tensor(labels[i : i + size], dtype=np.int64)) for i in starts]
    manual_seed(0)
    model = Sequential(Linear(64, 64), ReLU(), Linear(64, 10))
    trainer = Trainer(model, SGD(model.parameters(), lr=0.01), CrossEntropyLoss())
    began = time.perf_counter()
    trainer.fit(loader, epochs=1)
    return time.perf_counter() - began


one, many = keep("epoch_one_by_one", epoch_seconds(1)), keep("epoch_in_batches", epoch_seconds(32))
print(f"one by one {one:.2f} s, in batches of 32 {many:.3f} s: {one / many:.0f} times as fast")

# %% [markdown] part="end"
# And these batches are the same in each epoch, in the same order, made once and for all, all of them in
# memory. What should the thing be able to do that makes batches for you? Write your guess down before you go
# on; it is kept with your work, and costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Training* ended with a list of batches, made by hand. Your trainer once more, with one sample at a time:

# %% part="begin"
import time

import numpy as np
from tinytorch import Tensor, rand
from tinytorch.figures import recall
from tinytorch.nn import CrossEntropyLoss, Linear, ReLU, Sequential
from tinytorch.optim import SGD
from tinytorch.training import Trainer

model = Sequential(Linear(784, 128), ReLU(), Linear(128, 10))
trainer = Trainer(model, SGD(model.parameters(), lr=0.01), CrossEntropyLoss())
samples = [(rand(1, 784), Tensor([3], dtype=np.int64)) for _ in range(200)]
began = time.perf_counter()
trainer.fit(samples, epochs=1)
spent = (time.perf_counter() - began) / len(samples)
print(f"one image of 784 pixels: {spent * 1e3:.2f} ms; MNIST's 60,000: {60_000 * spent:.0f} s for each epoch")
ratio = recall("epoch_one_by_one", 0) / recall("epoch_in_batches", 1)
if ratio:
    print(f"your digits, in batches of 32, went {ratio:.0f} times as fast")

# %% [markdown] part="begin"
# Slow on purpose. The same model and the same optimizer will be many times as fast at the end of this module;
# what it takes is a few lines long. (Was it in your guess?)
