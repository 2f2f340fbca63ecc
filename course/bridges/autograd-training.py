# %% [markdown] part="end"
# ## What comes next?
#
# Gradients come by themselves, and your optimizer uses them: a network now trains in a few lines. 100 digits
# to learn from, and, because nobody wants to be told what is known already, 400 others to ask now and then:

# %% part="end"
import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed
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

# %% [markdown] part="end"
# The loss that you train with falls and falls. Look at the other column: somewhere on the way it was at its
# best, and the weights of that moment are gone. How would you have known when to stop, and what would you
# have had to keep? Write your guess down before you go on; it is kept with your work, and costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Autograd* ended with a loop of a few lines, written by hand. Such a loop is easily wrong, and nothing tells
# you. Here it asks for the gradient of the same batch three times. One line is missing: which?

# %% part="begin"
from tinytorch import Tensor, manual_seed, no_grad, ones
from tinytorch.nn import Dropout, Linear, Sequential
from tinytorch.nn.functional import mse_loss

manual_seed(0)
model = Sequential(Linear(2, 8), Dropout(0.5), Linear(8, 1))
model.eval()
for _ in range(3):
    mse_loss(model(ones(4, 2)), Tensor([[1.0]] * 4)).backward()
    print("slope of the last bias:", model[2].bias.grad)
model.train()
with no_grad():
    print("the same question, asked twice:", model(ones(1, 2)).item(), model(ones(1, 2)).item())

# %% [markdown] part="begin"
# The gradients add up (`zero_grad` is missing), and a model in training mode answers as Dropout's dice fall.
# And when it works, it learns its data by heart, as you have seen. So the loop is written **once**, with
# everything that one forgets. (What did you want to keep?)
