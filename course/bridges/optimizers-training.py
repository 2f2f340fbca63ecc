# %% [markdown] part="begin"
# ## Where we come from
#
# With *optimizers* a network trains in four lines. 100 digits to learn from, and 400 others that we only ask
# now and then:

# %% part="begin"
import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed, no_grad
from tinytorch.nn import Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy
from tinytorch.optim import Adam

digits = load("digits")
pixels = digits["train_images"].reshape(-1, 64).astype(np.float32) / 16
classes = digits["train_labels"].astype(np.int64)
own = Tensor(pixels[:100]), Tensor(classes[:100], dtype=np.int64)
others = Tensor(pixels[1000:1400]), Tensor(classes[1000:1400], dtype=np.int64)

manual_seed(0)
model = Sequential(Linear(64, 256), ReLU(), Linear(256, 10))
optimizer = Adam(model.parameters(), lr=0.01)
for step in range(401):
    optimizer.zero_grad()
    loss = cross_entropy(model(own[0]), own[1])
    loss.backward()
    optimizer.step()
    if step in (0, 5, 10, 20, 50, 100, 200, 400):
        with no_grad():
            loss_of_others = cross_entropy(model(others[0]), others[1])
        print(f"step {step:3}: loss {loss.item():8.5f}, on the others {loss_of_others.item():.3f}")

# %% [markdown] part="begin"
# The loss that we train with falls and falls. On the others it was at its best somewhere on the way, and the
# weights of that moment are gone. Those four lines should look at other data too, know when to stop, keep the
# best, and go on after a crash: that is written here, once.
