# %% [markdown] part="end"
# ## What comes next?
#
# You have written the loop around a network again and again: for the MLP, for the convolutions. Here it is
# once more, with a small CNN for digits. Then we ask it for 300 digits that it has not learned from: the same
# question three times, twice all together and once one by one.

# %% part="end"
import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed, no_grad
from tinytorch.nn import Dropout, Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy
from tinytorch.optim import Adam

digits = load("digits")
pixels = digits["train_images"][:, None].astype(np.float32) / 16
classes = digits["train_labels"].astype(np.int64)
others, answers = Tensor(pixels[1000:1300]), classes[1000:1300]

manual_seed(0)
model = Sequential(
    Conv2d(1, 8, 3, padding=1), BatchNorm2d(8), ReLU(), MaxPool2d(2), Flatten(), Dropout(0.3), Linear(128, 10)
)
optimizer = Adam(model.parameters(), lr=0.01)
for _ in range(20):
    for start in range(0, 200, 50):
        cut = slice(start, start + 50)
        optimizer.zero_grad()
        loss = cross_entropy(model(Tensor(pixels[cut])), Tensor(classes[cut], dtype=np.int64))
        loss.backward()
        optimizer.step()
print(f"loss of the last batch: {loss.item():.4f}")
with no_grad():
    first = model(others).numpy().argmax(axis=1)
    again = model(others).numpy().argmax(axis=1)
    alone = np.concatenate([model(others[i : i + 1]).numpy().argmax(axis=1) for i in range(300)])
for name, given in (("all together", first), ("once more", again), ("one by one", alone)):
    differ = (given != first).sum()
    print(f"{name:12}: {(given == answers).mean():.1%} right, {differ:2} answers differ from the first time")

# %% [markdown] part="end"
# The same network, the same digits, other answers each time, and no error. (A line was forgotten before
# asking: Dropout still threw its dice, and BatchNorm looked at the neighbours.) Nor do you know whether epoch
# 20 was the best, or epoch 12, whose weights are gone. What should be written once and for all, so that none
# of this can be forgotten again? Write your guess down before you go on; it is kept with your work, and costs
# nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Convolutions* ended with a network that gave other answers to the same question. As small as it gets: one
# image, asked alone and beside another one.

# %% part="begin"
from tinytorch import manual_seed, no_grad, rand
from tinytorch.nn import BatchNorm2d, Conv2d, Sequential

manual_seed(0)
model = Sequential(Conv2d(1, 2, 3), BatchNorm2d(2))
images = rand(2, 1, 5, 5)
for mode in ("train", "eval"):
    getattr(model, mode)()
    with no_grad():
        print(f"{mode:5}  alone: {model(images[:1])[0, 0, 0, 0].item():.3f}, ", end="")
        print(f"beside another: {model(images)[0, 0, 0, 0].item():.3f}")

# %% [markdown] part="begin"
# Training mode while one only wants to ask: that is one of a dozen things that a loop written in a hurry gets
# wrong without a word. So the loop is written **once**, here, with everything that one forgets. (What was on
# your list?)
