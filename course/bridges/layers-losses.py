# %% [markdown] part="end"
# ## What comes next?
#
# Your model answers. Let us ask it for real digits:

# %% part="end"
from course.datasets import load

digits = load("digits")
images, labels = Tensor(digits["test_images"]), np.asarray(digits["test_labels"])
model = Sequential(Flatten(), Linear(64, 32), ReLU(), Linear(32, 10))
answers = model(images).argmax(dim=1).numpy()
print("it says :", answers[:15])
print("it is   :", labels[:15])
print(f"right   : {(answers == labels).mean():.1%}")

# %% [markdown] part="end"
# As good as guessing: every weight is random. Before anything can improve, something has to say *how wrong*
# an answer is, as one number. What would you compute? Write your guess down before you go on; it is kept with
# your work, and costs nothing. (First, the milestone *perceptron* waits: `tito milestone info perceptron`.)

# %% [markdown] part="begin"
# ## Where we come from
#
# *Layers* ended with a model that guesses. To improve it you would change a weight a little, ask it again,
# and keep the change if it is better. Better by what? Count its right answers, and try:

# %% part="begin"
import numpy as np
from course.datasets import load
from tinytorch import Tensor, manual_seed
from tinytorch.nn import Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import softmax

digits = load("digits")
images, labels = Tensor(digits["train_images"] / 16), np.asarray(digits["train_labels"])
manual_seed(0)
model = Sequential(Flatten(), Linear(64, 32), ReLU(), Linear(32, 10))
weight = model[3].weight.data
for change in (0, 1e-4, -2e-4):
    weight[0, 0] += change
    p = softmax(model(images), dim=1).numpy()
    right, sure = (p.argmax(axis=1) == labels).sum(), p[np.arange(len(labels)), labels].mean()
    print(f"weight {weight[0, 0]:+.4f}: {right} of {len(labels)} right, right digit's probability {sure:.7f}")

# %% [markdown] part="begin"
# The count does not move: no answer is tipped over by so small a change, so it cannot say which way is
# better. But the probabilities move, and they know. Something made of *them* is what we need: one number,
# which feels every small change of every weight. (Was that in your guess?)
