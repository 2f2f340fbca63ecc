# %% [markdown] part="end"
# ## What comes next?
#
# Your loader can vary images: it can move digits, anew in each epoch. Does an MLP need that? Train it on
# digits that stand still, then on digits that are moved at random, and ask both for digits moved by one and
# by two pixels:

# %% part="end"
import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed, no_grad
from tinytorch.figures import keep
from tinytorch.nn import Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy
from tinytorch.optim import Adam

digits = load("digits")


def moved(images, pixels):
    """The digits with a frame of two pixels, and in it moved down and to the right: (n, 1, 12, 12)."""
    framed = np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(np.float32)[:, None]
    return Tensor(np.roll(framed / 16, (pixels, pixels), axis=(2, 3)))


still = TensorDataset(moved(digits["train_images"], 0), Tensor(digits["train_labels"], dtype=np.int64))
for name, transform in (("still", None), ("moved", RandomCrop(12, padding=2))):
    manual_seed(0)
    model = Sequential(Flatten(), Linear(144, 64), ReLU(), Linear(64, 10))
    optimizer = Adam(model.parameters(), lr=3e-3)
    loader = DataLoader(still, batch_size=50, shuffle=True, seed=0, transform=transform)
    for _ in range(10):
        for images, labels in loader:
            optimizer.zero_grad()
            cross_entropy(model(images), labels).backward()
            optimizer.step()
    for pixels in range(3):
        with no_grad():
            answers = model(moved(digits["test_images"], pixels)).numpy().argmax(axis=1)
        right = keep(f"mlp_{name}_moved_{pixels}", (answers == digits["test_labels"]).mean())
        print(f"trained on {name} digits, moved by {pixels}: {right:.1%} right")

# %% [markdown] part="end"
# Moving the samples helps, and it costs: compare what the two know about digits that stand still. The network
# learns the same digit anew for each place. What does it do with a pixel that makes it so? What should a
# layer for pictures do instead? Write your guess down before you go on; it is kept with your work, and costs
# nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Data loading* ended with a network that must learn each digit anew for each place. Here is why. We train
# one on digits that stand still, and look at the weights of its first layer:

# %% part="begin"
import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.figures import recall
from tinytorch.nn import Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy
from tinytorch.optim import Adam

digits = load("digits")
framed = np.pad(digits["train_images"], ((0, 0), (2, 2), (2, 2))).astype(np.float32) / 16
still = TensorDataset(Tensor(framed), Tensor(digits["train_labels"], dtype=np.int64))
manual_seed(0)
model = Sequential(Flatten(), Linear(144, 64), ReLU(), Linear(64, 10))
optimizer = Adam(model.parameters(), lr=0.01)
weight = model[1].weight.numpy().reshape(64, 12, 12)
before = weight.copy()
for _ in range(3):
    for images, labels in DataLoader(still, batch_size=100, shuffle=True, seed=0):
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()
change = abs(weight - before).mean(axis=0)
print("how much the weights of each pixel have learned:")
print((change / change.max() * 9).round().astype(int))
for name in ("still", "moved"):
    right = [recall(f"mlp_{name}_moved_{pixels}", 0) for pixels in range(3)]
    if all(right):
        shown = ", ".join(f"{share:.1%}" for share in right)
        print(f"your MLP, trained on {name} digits, asked for digits moved by 0, 1, 2: {shown}")

# %% [markdown] part="begin"
# The frame has learned nothing: no digit has ever been there. What the middle knows about strokes and curves,
# it keeps to itself. The remedy is to use the *same* few weights at every place. (Was it in your guess?)
