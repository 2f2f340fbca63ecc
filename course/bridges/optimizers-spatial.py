# %% [markdown] part="end"
# ## What comes next?
#
# You can train anything now, so ask for more. Digits in the middle of a picture, an MLP, Adam; and then the
# same digits, moved a little:

# %% part="end"
import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed, no_grad
from tinytorch.figures import keep
from tinytorch.nn import Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy

digits = load("digits")


def moved(images, pixels):
    """The digits with a frame of two pixels, and in it moved down and to the right."""
    framed = np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(np.float32)
    return Tensor(np.roll(framed / 16, (pixels, pixels), axis=(1, 2)))


manual_seed(0)
model = Sequential(Flatten(), Linear(144, 64), ReLU(), Linear(64, 10))
optimizer = Adam(model.parameters(), lr=3e-3)
for _ in range(10):
    for start in range(0, 1400, 50):
        rows = slice(start, start + 50)
        answer = model(moved(digits["train_images"][rows], 0))
        optimizer.zero_grad()
        cross_entropy(answer, Tensor(digits["train_labels"][rows], dtype=np.int64)).backward()
        optimizer.step()
for pixels in range(3):
    with no_grad():
        answers = model(moved(digits["test_images"], pixels)).numpy().argmax(axis=1)
    right = keep(f"mlp_digits_moved_{pixels}", (answers == digits["test_labels"]).mean())
    print(f"moved by {pixels}: {right:.1%} right")

# %% [markdown] part="end"
# The optimizer has done its work. You would not even notice that the digits were moved; to the network they
# are other pictures. What does it do with a pixel that makes it so? What should a layer for pictures do
# instead? Write your guess down before you go on; it is kept with your work, and costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Optimizers* ended with a network that reads digits, and is lost when they move. Here is why. We train one
# on digits that stand still, and look at the weights of its first layer:

# %% part="begin"
import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed
from tinytorch.figures import recall
from tinytorch.nn import Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy
from tinytorch.optim import Adam

digits = load("digits")
framed = np.pad(digits["train_images"], ((0, 0), (2, 2), (2, 2))).astype(np.float32) / 16
labels = Tensor(digits["train_labels"], dtype=np.int64)
manual_seed(0)
model = Sequential(Flatten(), Linear(144, 64), ReLU(), Linear(64, 10))
optimizer = Adam(model.parameters(), lr=0.01)
weight = model[1].weight.numpy().reshape(64, 12, 12)
before = weight.copy()
for _ in range(40):
    optimizer.zero_grad()
    cross_entropy(model(Tensor(framed)), labels).backward()
    optimizer.step()
change = abs(weight - before).mean(axis=0)
print("how much the weights of each pixel have learned:")
print((change / change.max() * 9).round().astype(int))
for pixels in range(3):
    right = recall(f"mlp_digits_moved_{pixels}", 0)
    if right:
        print(f"your digits, moved by {pixels}: {right:.1%} right")

# %% [markdown] part="begin"
# The frame has learned nothing: no digit has ever been there. What the middle knows about strokes and curves,
# it keeps to itself. The remedy is to use the *same* few weights at every place. (Was it in your guess?)
