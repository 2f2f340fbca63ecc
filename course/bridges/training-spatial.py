# %% [markdown] part="end"
# ## What comes next?
#
# A trainer trains what it is given, as well as that can be trained. So give it a network for digits, in
# the middle of a picture, let it stop when it gets no better, and then ask for digits that were moved a
# little:

# %% part="end"
import numpy as np
from course.datasets import DatasetError, load
from tinytorch import Tensor, manual_seed, no_grad
from tinytorch.figures import keep
from tinytorch.nn import CrossEntropyLoss, Flatten, Linear, ReLU, Sequential
from tinytorch.optim import Adam


def moved(images, pixels):
    """The images with a frame of two pixels, and in it moved down and to the right."""
    framed = np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(np.float32)
    return Tensor(np.roll(framed / images.max(), (pixels, pixels), axis=(1, 2)))


def in_batches(images, labels, size=50):
    starts = range(0, len(images), size)
    return [(moved(images[i : i + size], 0), Tensor(labels[i : i + size], dtype=np.int64)) for i in starts]


for name in ("digits", "mnist"):
    try:
        data = load(name)
    except DatasetError:
        continue  # MNIST only where it is
    images, labels = data["train_images"][:6000], data["train_labels"][:6000]
    learn, watch, ask = np.split(np.arange(len(images)), [len(images) * 6 // 10, len(images) * 8 // 10])
    manual_seed(0)
    model = Sequential(Flatten(), Linear((images.shape[1] + 4) ** 2, 64), ReLU(), Linear(64, 10))
    optimizer = Adam(model.parameters(), lr=3e-3)
    trainer = Trainer(model, optimizer, CrossEntropyLoss(), early_stopping=EarlyStopping(2))
    batches, watched = (in_batches(images[rows], labels[rows]) for rows in (learn, watch))
    trainer.fit(batches, watched, epochs=15, progress=False)
    for pixels in range(3):
        with no_grad():
            answers = model(moved(images[ask], pixels)).numpy().argmax(axis=1)
        right = keep(f"mlp_{name}_moved_{pixels}", (answers == labels[ask]).mean())
        print(f"{name}, moved by {pixels}: {right:.1%} right")

# %% [markdown] part="end"
# Nothing is wrong with the training. You would not even notice that the digits were moved; to the network
# they are other pictures. What does it do with a pixel that makes it so? What should a layer for pictures do
# instead? Write your guess down before you go on; it is kept with your work, and costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Training* ended with a network that is well trained, and lost when a digit moves. Here is why. We train one
# on digits that stand still, and look at the weights of its first layer:

# %% part="begin"
import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed
from tinytorch.figures import recall
from tinytorch.nn import CrossEntropyLoss, Flatten, Linear, ReLU, Sequential
from tinytorch.optim import Adam
from tinytorch.training import Trainer

digits = load("digits")
framed = np.pad(digits["train_images"], ((0, 0), (2, 2), (2, 2))).astype(np.float32) / 16
labels = Tensor(digits["train_labels"], dtype=np.int64)
manual_seed(0)
model = Sequential(Flatten(), Linear(144, 64), ReLU(), Linear(64, 10))
weight = model[1].weight.numpy().reshape(64, 12, 12)
before = weight.copy()
Trainer(model, Adam(model.parameters(), lr=0.01), CrossEntropyLoss()).fit(
    [(Tensor(framed), labels)], epochs=40, progress=False
)
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
