# %% [markdown]
# # Training
#
# You can build a model, say how wrong it is, and make it a little less wrong. *Training* is doing that ten
# thousand times, and watching. You will write the loop, look at data that the model has not learned from,
# stop in time, change the learning rate on the way, hold back gradients that explode, and save everything, so
# that a training that was interrupted goes on as if nothing had happened, to the last bit. At the end stands
# a `Trainer` that does all of it.

# %% [markdown] track="core"
# ## Now, or later?
#
# On this track the module is optional. Nothing after it needs it, and the milestones bring loops of their
# own: you may go on to *data loading* now. Come back when one of these happens:
#
# - the loss on your training data is nearly 0, and on new data it grows: **early stopping**, here;
# - training takes long enough that you would hate to start again: **checkpoints**, here;
# - the loss is suddenly `nan`: **clipping**, here;
# - the last percent is missing: **schedules**, here. At the latest, come before you train the transformer.

# %% role="given" id="training-header"
"""Training: the loop, looking without learning, stopping in time, schedules, clipping, checkpoints."""

import copy
import json
import math
import os
from pathlib import Path

import numpy as np

from tinytorch.autograd import no_grad
from tinytorch.show import Live
from tinytorch.tensor import Tensor, get_rng_state, set_rng_state


def accuracy(output, target):
    """The share of rows in which the largest output stands where the target says."""
    return float((output.argmax(dim=-1) == target).numpy().mean())


# %% [markdown]
# ## Data, and data to look at
#
# We learn from 100 handwritten digits only, so that you see in seconds what otherwise takes hours. And as in
# real data sets, some labels are wrong (Northcutt et al., *Pervasive Label Errors*, 2021, arXiv:2103.14749):
# here every tenth of the 100, on purpose. 400 other images are the *validation set*: we look at them, and
# never learn from them. A *loader* is anything that gives pairs `(x, y)`, again and again; a plain list of
# batches will do.

# %%
from course.datasets import load
from tinytorch import manual_seed
from tinytorch.nn import Dropout, Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy, mse_loss

digits = load("digits")
images = np.asarray(digits["train_images"], dtype=np.float32) / 16
labels = np.array(digits["train_labels"], dtype=np.int64)
labels[:100:10] = (labels[:100:10] + 5) % 10  # these are wrong now
BATCH, RATE = 25, 0.005


def pieces(start, stop, size):
    """The images from start to stop, with their labels, in batches of a size."""
    cuts = [slice(at, min(at + size, stop)) for at in range(start, stop, size)]
    return [(Tensor(images[cut]), Tensor(labels[cut], dtype=np.int64)) for cut in cuts]


def network():
    return Sequential(Flatten(), Linear(64, 256), ReLU(), Linear(256, 10))


# %% [markdown] track="immediate"
# In this notebook we learn from **one image at a time** (with smaller steps, because there are more of them).
# It is the simplest thing that can be right, and slow on purpose: remember how long it takes.

# %% track="immediate"
BATCH, RATE = 1, 0.001

# %%
train_set, val_set = pieces(0, 100, BATCH), pieces(1000, 1400, 100)
print(f"to learn from: {len(train_set)} batches of {BATCH}; to look at: {len(val_set)} of 100")

# %% [markdown]
# ## One step
#
# Five lines that every training in the world has in common:
#
# 1. forget the gradients of the step before (`optimizer.zero_grad()`),
# 2. forward: what does the model say, and how wrong is it,
# 3. backward: which way is better, for each parameter,
# 4. (here is the place for whoever wants to look at the gradients, or change them),
# 5. the optimizer moves the parameters.
#
# ### Exercise: `train_step`
#
# `loss_fn(output, y)` gives a tensor with one number. For line 4: if `before_update` is not `None`, call it,
# without arguments. Return the loss as a Python float, `loss.item()`: that of the forward pass, before the
# parameters moved.


# %% role="exercise" id="training-step"
def train_step(model, loss_fn, optimizer, x, y, before_update=None):
    """Learn from one batch; returns the loss before the step."""
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    if before_update is not None:
        before_update()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% [markdown] role="hint" exercise="training-step"
# Each of the five points above is one line, in this order; the fourth has an `if`.

# %% [markdown] role="hint" exercise="training-step"
# `loss = loss_fn(...)` of the model's output and `y`. Then `loss.backward()`, and what is left of the list.

# %% role="check" id="check-training-step" exercise="training-step" points=3
from tinytorch.checking import expect
from tinytorch.nn import Parameter
from tinytorch.optim import SGD

line = Linear(1, 1)
line.weight, line.bias = Parameter([[2.0]]), Parameter([0.0])
optimizer = SGD(line.parameters(), lr=0.1)
one_x, one_y = Tensor([[1.0]]), Tensor([[5.0]])
loss = train_step(line, mse_loss, optimizer, one_x, one_y)
expect("y = 2x, loss at (1, 5)", loss, 9.0, "(2 - 5)^2, before the step.")
expect("type of the loss", type(loss).__name__, "float", "A number, not a tensor: loss.item().")
expect("the weight, afterwards", line.weight, np.array([[2.6]]), "2 - 0.1 * 2 * (2 - 5)")
train_step(line, mse_loss, optimizer, one_x, one_y)
expect(
    "the weight, after a second step",
    line.weight,
    np.array([[2.96]]),
    "2.6 - 0.1 * 2 * (2.6 + 0.6 - 5): the gradient of the first step must not be added.",
)
still = Linear(1, 1)
still.weight, still.bias = Parameter([[0.0]]), Parameter([0.0])
own = SGD(still.parameters(), lr=0.1)
two = train_step(still, mse_loss, own, Tensor([[1.0], [1.0]]), Tensor([[3.0], [3.0]]))
expect("loss of two samples, each wrong by 3", two, 9.0, "loss_fn gives a mean already: return it as it is.")
seen = []
weight = line.weight
train_step(line, mse_loss, optimizer, one_x, one_y, lambda: seen.append((weight.grad.item(), weight.item())))
expect(
    "gradient and weight that before_update sees",
    np.array(seen),
    np.array([[-2.16, 2.96]]),
    "It is called once, after backward, before the optimizer's step.",
)

# %% [markdown]
# ## One epoch
#
# An *epoch* is one pass over the training data. Its loss is the mean over the **samples**. The last batch is
# often smaller than the others, so a mean over batches would give its samples too much weight.
#
# ### Exercise: `train_epoch`
#
# First tell the model that it is being trained (`model.train()`: Dropout wakes up). Then call `step(x, y)`,
# which returns the batch's mean loss, for each pair of `batches`, once and in order. Return the mean loss of
# a sample; `len(x)` is the number of samples in a batch. `batches` may have no length: only iterate over it.


# %% role="exercise" id="training-epoch"
def train_epoch(model, batches, step):
    """Pass over all batches once, with step(x, y) for each; returns the mean loss of a sample."""
    ### BEGIN SOLUTION
    model.train()
    total, samples = 0.0, 0
    for x, y in batches:
        total += step(x, y) * len(x)
        samples += len(x)
    return total / samples
    ### END SOLUTION


# %% [markdown] role="hint" exercise="training-epoch"
# Two sums grow in the loop: the losses of all samples, and how many samples there were.

# %% [markdown] role="hint" exercise="training-epoch"
# A batch of `len(x)` samples with the mean loss `step(x, y)` adds `step(x, y) * len(x)` to the first sum
# (call `step` once only). Divide after the loop.

# %% role="check" id="check-training-epoch" exercise="training-epoch" points=2
seen = []


def noted(x, y):
    seen.append((len(x), x.item() if len(x) == 1 else x[0, 0].item(), line.training))
    return float(y.numpy().mean())


uneven = [(Tensor([[1.0], [2.0], [3.0]]), Tensor([1.0, 1.0, 1.0])), (Tensor([[4.0]]), Tensor([9.0]))]
whole = Sequential(line).eval()
expect(
    "three samples of loss 1, one of loss 9",
    train_epoch(whole, iter(uneven), noted),
    3.0,
    "(3 * 1 + 1 * 9) / 4: the mean over samples, not over batches (5).",
)
expect(
    "(size, first number, training) of each step",
    seen,
    [(3, 1.0, True), (1, 4.0, True)],
    "One step for each batch, in order, while the model and its layers are in training mode: model.train().",
)

# %% [markdown]
# ## Looking without learning
#
# How good is the model on data that it has not learned from? Three things are different from a training step:
#
# - the model is **used**, not trained: `model.eval()` switches Dropout off;
# - **no gradients** are wanted: within `with no_grad():` nothing is recorded, and nothing kept in memory;
# - afterwards the model is in the **mode** in which it was before. `module.training` tells which that is;
#   `model.train(mode)` sets it.
#
# ### Exercise: `evaluate`
#
# `evaluate(model, batches, loss=cross_entropy, accuracy=accuracy)`: each named measure is a function of
# `(output, target)` that gives the mean over a batch, as a float or as a tensor with one number (`float(...)`
# takes both). Return a dict with the same names: the mean over all samples. Call the model only once for each
# batch.


# %% role="exercise" id="training-evaluate"
def evaluate(model, batches, **measures):
    """The mean of each measure over all samples, from a model that is used and not trained."""
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    sums, samples = dict.fromkeys(measures, 0.0), 0
    with no_grad():
        for x, y in batches:
            output = model(x)
            for name, measure in measures.items():
                sums[name] += float(measure(output, y)) * len(x)
            samples += len(x)
    model.train(was_training)
    return {name: total / samples for name, total in sums.items()}
    ### END SOLUTION


# %% [markdown] role="hint" exercise="training-evaluate"
# It is `train_epoch` once more, with a sum for each measure instead of one, and without a step. Note down the
# mode first, and set it again at the end.

# %% [markdown] role="hint" exercise="training-evaluate"
# `measures` is a dict: `for name, measure in measures.items()`. Begin the sums with 0 for each of its names.

# %% [markdown] role="hint" exercise="training-evaluate"
# The loop over batches stands inside `with no_grad():`. In it: the output, then for each measure
# `float(measure(output, y))` times the number of samples, onto its sum.

# %% role="check" id="check-training-evaluate" exercise="training-evaluate" points=3
modes = []


class Watched(Linear):
    def forward(self, x):
        output = super().forward(x)
        modes.append((self.training, output.requires_grad))
        return output


watched = Watched(1, 1)
watched.weight, watched.bias = Parameter([[1.0]]), Parameter([0.0])
whole = Sequential(watched)
flat = [(x, Tensor(np.zeros((len(x), 1)))) for x, _ in uneven]
found = evaluate(whole, flat, loss=mse_loss, largest=lambda output, y: float(output.numpy().max()))
expect("the names of what it returns", sorted(found), ["largest", "loss"], "One number for each measure.")
expect("loss of y = x against 0", found["loss"], 7.5, "(1 + 4 + 9 + 16) / 4, the mean over samples.")
expect("a measure that gives floats", found["largest"], 3.25, "(3 * 3 + 1 * 4) / 4")
expect(
    "(training, requires_grad) at each call of the model",
    modes,
    [(False, False), (False, False)],
    "eval() (of the layers too) and no_grad(), and one call for each batch.",
)
expect("the mode, afterwards", watched.training, True, "It was training, so it is again.")
evaluate(whole.eval(), flat, loss=mse_loss)
expect("the mode, if it was eval() before", watched.training, False, "As it was before.")

# %% [markdown]
# Now put the three together, and learn for 60 epochs. Watch both losses.

# %%
import time

import matplotlib.pyplot as plt
from tinytorch.optim import Adam

manual_seed(0)
model = network()
optimizer = Adam(model.parameters(), lr=RATE)
losses, start = [], time.perf_counter()
for _ in range(60):
    train_loss = train_epoch(model, train_set, lambda x, y: train_step(model, cross_entropy, optimizer, x, y))
    found = evaluate(model, val_set, loss=cross_entropy, accuracy=accuracy)
    losses.append((train_loss, found["loss"]))
spent = time.perf_counter() - start
train_losses, val_losses = np.array(losses).T
best_epoch = int(val_losses.argmin()) + 1

plt.figure(figsize=(6, 3.2))
plt.plot(range(1, 61), train_losses, label="the 100 images that it learns from")
plt.plot(range(1, 61), val_losses, "--", label="400 images that it has never seen")
plt.axvline(best_epoch, linestyle=":", color="gray", label=f"the best epoch: {best_epoch}")
plt.xlabel("epoch")
plt.ylabel("loss")
plt.legend()
plt.show()
print(f"training loss now {train_losses[-1]:.4f}")
print(f"validation loss at its best {val_losses.min():.3f}, now {val_losses[-1]:.3f}")
print(f"60 epochs took {spent:.1f} s: {60 * 100 / spent:,.0f} images a second")

# %% [markdown] track="immediate"
# Remember the images a second. Your processor could do many more; that is for the module after this one.

# %% [markdown]
# The training loss goes to 0: the model knows these 100 images by heart, the wrong labels too. The validation
# loss falls, turns, and rises: from there on, what it learns is about *these* images, and harms on others.
# That is **overfitting**, and you see it only if you look at data that it does not learn from.
#
# ## Stopping in time
#
# *Early stopping* keeps the best weights seen so far, and gives up when `patience` epochs in a row brought
# nothing better (Prechelt, *Early Stopping - But When?*, 1998). Why patience? Because the curve is noisy: the
# first rise is rarely the end.
#
# ### Exercise: `EarlyStopping`
#
# - `step(value, model)` is called once an epoch with the validation loss. It is better if it is lower than
#   `self.best` by **more than** `self.min_delta`. Then it is the new `self.best`, `self.waited` is 0 again,
#   and `self.weights` becomes a **copy** of the model's numbers: a dict from each name in
#   `model.state_dict()` to an array (the trap of *layers*: a `state_dict` shows the numbers that go on being
#   trained). Otherwise `self.waited` grows by one. A loss of `nan` is never better.
# - `stopped`: whether it has waited for `patience` epochs.
# - `restore(model)` loads the best weights into the model, if there are any yet.


# %% role="exercise" id="training-early-stopping"
class EarlyStopping:
    """Keeps the best weights, and says when nothing better came for `patience` epochs in a row."""

    def __init__(self, patience=5, min_delta=0.0):
        self.patience, self.min_delta = patience, min_delta
        self.best, self.waited, self.weights = math.inf, 0, None

    def step(self, value, model):
        """Look at the figure of one more epoch; lower is better."""
        ### BEGIN SOLUTION
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
            self.weights = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
        else:
            self.waited += 1
        ### END SOLUTION

    @property
    def stopped(self):
        """Whether it is time to give up."""
        ### BEGIN SOLUTION
        return self.waited >= self.patience
        ### END SOLUTION

    def restore(self, model):
        """Give the model the best weights that were seen."""
        ### BEGIN SOLUTION
        if self.weights is not None:
            model.load_state_dict(self.weights)
        ### END SOLUTION

    def state_dict(self):
        return {"best": self.best, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state):
        self.best, self.waited, self.weights = state["best"], state["waited"], state["weights"]


# %% [markdown] role="hint" exercise="training-early-stopping"
# `self.best` begins with infinity, so the first epoch is always better. Any comparison with `nan` is false:
# ask whether the value *is* better, not whether it is worse.

# %% [markdown] role="hint" exercise="training-early-stopping"
# `tensor.numpy().copy()` is a copy of one tensor's numbers; a dict comprehension over
# `model.state_dict().items()` makes all of them.

# %% role="check" id="check-training-early-stopping" exercise="training-early-stopping" points=3
watched = Linear(1, 1, bias=False)
stopping = EarlyStopping(patience=2, min_delta=0.5)
told = []
for number, value in enumerate([3.0, 2.0, 1.5, float("nan"), 0.5]):
    watched.weight.data[...] = number
    stopping.step(value, watched)
    told.append((stopping.best, stopping.waited, stopping.stopped))
expect(
    "(best, waited, stopped) after losses 3, 2, 1.5, nan, 0.5",
    told,
    [(3.0, 0, False), (2.0, 0, False), (2.0, 1, False), (2.0, 2, True), (0.5, 0, False)],
    "patience 2, min_delta 0.5: 1.5 is not better than 2 by more than 0.5, and nan never is.",
)
stopping.step(9.0, watched)
for later in (99, 77):  # trained on after the best epoch, and after the first restore
    watched.weight.data[...] = later
    stopping.restore(watched)
expect("the weight, restored", watched.weight, np.array([[4.0]]), "As it was at the best epoch, copied then.")
EarlyStopping().restore(watched)
expect(
    "restored before any step", watched.weight, np.array([[4.0]]), "Nothing is known yet: nothing changes."
)

# %% [markdown]
# What does it cost? You pay for epochs whose result you throw away, and you give up data to look at. With the
# losses of above:

# %%
for patience in (1, 3, 10, 20):
    stopping, ran = EarlyStopping(patience=patience), 0
    for value in val_losses:
        stopping.step(value, model)
        ran += 1
        if stopping.stopped:
            break
    print(
        f"patience {patience:>2}: {ran:>2} of 60 epochs, the last {stopping.waited:>2} for nothing; "
        f"best loss {stopping.best:.4f}"
    )

# %% [markdown]
# Little patience may stop at a bump before the valley; much patience pays for more epochs that are thrown
# away. And one cost does not show: the best of 60 looks at the validation set is a *lucky* look. What you
# report in the end comes from a third set, which you look at once.
#
# ## Schedules
#
# Far from the goal, large steps are good; near it they jump over it. So the learning rate changes on the way.
# The best known way follows half a cosine, from `lr` down to `eta_min` in `T_max` steps (Loshchilov and
# Hutter, *SGDR*, 2016, arXiv:1608.03983):
#
# $$ \mathrm{lr}_t = \mathrm{end} + (\mathrm{start} - \mathrm{end}) \cdot c_t $$
#
# $$ c_t = \tfrac12\,\bigl(1 + \cos(\pi\, t / T_{max})\bigr) $$
#
# ### Exercise: `anneal_cos`
#
# `anneal_cos(start, end, share)`: `start` at share 0, `end` at share 1, in between along the cosine; `share`
# is $t / T_{max}$. Beyond 1 the formula simply goes on (it comes back to `start` at 2): do not cut it off.


# %% role="exercise" id="training-cosine"
def anneal_cos(start, end, share):
    """From start (share 0) to end (share 1) along half a cosine."""
    ### BEGIN SOLUTION
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
    ### END SOLUTION


# %% [markdown] role="hint" exercise="training-cosine"
# The cosine of 0 is 1, that of pi is -1: `1 + math.cos(...)` goes from 2 to 0.

# %% [markdown] role="hint" exercise="training-cosine"
# At share 0 the bracket is 2, which half the distance turns into the whole: `end + (start - end)`.


# %% role="given" id="training-schedulers"
class LRScheduler:
    """The base of schedules: each step() gives every group of the optimizer its next learning rate.

    A subclass writes lr(base), the rate of a group that began with `base`, for self.last_epoch steps.
    """

    def __init__(self, optimizer):
        self.optimizer, self.last_epoch = optimizer, -1
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.step()  # as in PyTorch, the schedule's first rate is set at once

    def lr(self, base):
        raise NotImplementedError(f"{type(self).__name__} has no lr.")

    def step(self):
        """Call it after the optimizer's step."""
        self.last_epoch += 1
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.lr(base)

    def get_last_lr(self):
        """The learning rates now, one for each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self):
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state):
        vars(self).update(copy.deepcopy(state))


class CosineAnnealingLR(LRScheduler):
    """From the optimizer's lr down to eta_min in T_max steps, along half a cosine; then up again."""

    def __init__(self, optimizer, T_max, eta_min=0.0):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def lr(self, base):
        return anneal_cos(base, self.eta_min, self.last_epoch / self.T_max)


# %% role="check" id="check-training-cosine" exercise="training-cosine" points=2
expect("anneal_cos(1, 0.2, 0)", anneal_cos(1, 0.2, 0), 1.0, "At share 0 the start.")
expect("anneal_cos(1, 0.2, 1)", anneal_cos(1, 0.2, 1), 0.2, "At share 1 the end.")
expect("anneal_cos(1, 0.2, 0.5)", anneal_cos(1, 0.2, 0.5), 0.6, "Half way in the middle: cos(pi / 2) = 0.")
expect("anneal_cos(0, 1, 0.25)", anneal_cos(0, 1, 0.25), 0.14644661, "Upwards: 1 - (1 + cos(pi / 4)) / 2.")
expect("anneal_cos(1, 0.2, 1.5)", anneal_cos(1, 0.2, 1.5), 0.6, "Beyond 1 the cosine goes on.")
optimizer = SGD(line.parameters(), lr=0.1)
schedule = CosineAnnealingLR(optimizer, T_max=4)
rates = schedule.get_last_lr()
for _ in range(4):
    schedule.step()
    rates += schedule.get_last_lr()
expect(
    "CosineAnnealingLR(T_max=4) from 0.1",
    np.array(rates),
    np.array([0.1, 0.08535534, 0.05, 0.01464466, 0.0]),
    "Four steps along the cosine.",
)

# %% [markdown]
# A network that has only just begun has wild gradients, and large steps can throw it far off. The *one-cycle*
# schedule begins small, **rises** to a large `max_lr` during the first part (`pct_start`, 30%), and then
# falls to nearly nothing (Smith and Topin, *Super-Convergence*, 2017, arXiv:1708.07120). Momentum goes the
# other way.
#
# The steps are numbered from 0, so of `total_steps` the last one has the number `total_steps - 1`. PyTorch
# puts the top at number `pct_start * total_steps - 1`, which need not be a whole number.
#
# ### Exercise: `one_cycle`
#
# The value at a `step`: up to the top (included) from `start` to `peak`, afterwards from `peak` to `end`,
# which is reached at the last step. `anneal(from, to, share)` goes from one to the other; you compute the
# share of the way. An edge: if the top lies at or before step 0, there is no way up; begin with the way down,
# whose start is the top all the same (if that is before step 0, some of the way is behind you at step 0).


# %% role="exercise" id="training-one-cycle"
def one_cycle(step, total_steps, pct_start, start, peak, end, anneal):
    """The value at a step, counted from 0: up from start to peak, then down to end."""
    ### BEGIN SOLUTION
    top, last = pct_start * total_steps - 1, total_steps - 1
    if top > 0 and step <= top:
        return anneal(start, peak, step / top)
    return anneal(peak, end, (step - top) / (last - top))
    ### END SOLUTION


# %% [markdown] role="hint" exercise="training-one-cycle"
# Write down the numbers of three steps: the first (0), the top, the last. The share of a way is how far you
# have come from its beginning, divided by its length.

# %% [markdown] role="hint" exercise="training-one-cycle"
# On the way up you are at `step` of `top`; on the way down at `step - top` of `last - top`.


# %% role="given" id="training-one-cycle-class"
def anneal_linear(start, end, share):
    """From start (share 0) to end (share 1) in a straight line."""
    return start + (end - start) * share


class OneCycleLR(LRScheduler):
    """Up to max_lr, then down to nearly 0; momentum (or Adam's first beta) the other way round.

    Args:
        optimizer: whose learning rates are set.
        max_lr: the rate at the top: a number, or a list with one for each group.
        total_steps: how many steps there will be; or give epochs and steps_per_epoch.
        pct_start: the share of the steps on the way up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether momentum falls to base_momentum at the top and comes back to max_momentum.
        div_factor: the first rate is max_lr / div_factor.
        final_div_factor: the last rate is the first one / final_div_factor.
    """

    def __init__(
        self,
        optimizer,
        max_lr,
        total_steps=None,
        epochs=None,
        steps_per_epoch=None,
        pct_start=0.3,
        anneal_strategy="cos",
        cycle_momentum=True,
        base_momentum=0.85,
        max_momentum=0.95,
        div_factor=25.0,
        final_div_factor=1e4,
    ):
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("Say how long it takes: total_steps, or epochs and steps_per_epoch.")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be 'cos' or 'linear', not {anneal_strategy!r}.")
        groups = optimizer.param_groups
        if cycle_momentum and not all("momentum" in group or "betas" in group for group in groups):
            raise ValueError("This optimizer has no momentum; say cycle_momentum=False.")
        self.total_steps = epochs * steps_per_epoch if total_steps is None else total_steps
        self.pct_start, self.anneal_strategy = pct_start, anneal_strategy
        self.cycle_momentum, self.base_momentum, self.max_momentum = (
            cycle_momentum,
            base_momentum,
            max_momentum,
        )
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        peaks = max_lr if isinstance(max_lr, list | tuple) else [max_lr] * len(groups)
        for group, peak in zip(groups, peaks, strict=True):
            group["initial_lr"] = peak / div_factor
        super().__init__(optimizer)

    def at(self, start, peak, end):
        """The value of a cycle now."""
        anneal = anneal_cos if self.anneal_strategy == "cos" else anneal_linear
        return one_cycle(self.last_epoch, self.total_steps, self.pct_start, start, peak, end, anneal)

    def lr(self, base):
        return self.at(base, base * self.div_factor, base / self.final_div_factor)

    def step(self):
        if self.last_epoch >= self.total_steps:
            raise ValueError(f"The schedule has {self.total_steps} steps, and they are over.")
        super().step()
        if self.cycle_momentum:
            momentum = self.at(self.max_momentum, self.base_momentum, self.max_momentum)
            for group in self.optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum


# %% role="check" id="check-training-one-cycle" exercise="training-one-cycle" points=3
rule = "10 steps, pct_start 0.4: the top is step 3, the last step is 9."
cycle = [one_cycle(step, 10, 0.4, 1.0, 7.0, 1.0, anneal_linear) for step in range(10)]
expect(
    "one_cycle(0 to 9) from 1 to 7 to 1", np.array(cycle), np.array([1.0, 3, 5, 7, 6, 5, 4, 3, 2, 1]), rule
)
odd = [one_cycle(step, 5, 0.5, 0.0, 3.0, 1.0, anneal_linear) for step in range(5)]
expect(
    "5 steps, pct_start 0.5",
    np.array(odd),
    np.array([0.0, 2, 2.6, 1.8, 1]),
    "The top lies at 1.5, between two steps: step 1 is 1 / 1.5 of the way up, step 2 0.5 / 2.5 down.",
)
expect(
    "4 steps, pct_start 0.25",
    np.array([one_cycle(step, 4, 0.25, 0.0, 3.0, 0.0, anneal_linear) for step in range(4)]),
    np.array([3.0, 2, 1, 0]),
    "The top is step 0: no way up, and no division by zero.",
)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8))
for name, axis, group_key in (("learning rate", left, "lr"), ("momentum", right, "momentum")):
    for make, style in (
        (lambda optimizer: CosineAnnealingLR(optimizer, T_max=100), "-"),
        (lambda optimizer: OneCycleLR(optimizer, max_lr=0.3, total_steps=101), "--"),
    ):
        optimizer = SGD(line.parameters(), lr=0.1, momentum=0.9)
        schedule, values = make(optimizer), []
        for _ in range(101):
            values.append(optimizer.param_groups[0][group_key])
            schedule.step()
        axis.plot(values, style, label=type(schedule).__name__)
    axis.set(xlabel="step", title=name)
    axis.grid(alpha=0.3)
left.legend(loc="upper right")
plt.show()

# %% [markdown]
# ## When gradients explode
#
# One bad batch is enough: a wrong unit, a broken file. Its gradient is a thousand times as large as the
# others, and a single step with it destroys what hours have built. So gradients are held back: all of them
# together are one long vector; if its length (*norm*) is above `max_norm`, it is shortened, and keeps its
# direction (Pascanu et al., 2013, arXiv:1211.5063):
#
# $$ g \leftarrow g \cdot \min\!\left(1,\; \frac{\mathrm{max\_norm}}{\lVert g \rVert + 10^{-6}}\right) $$
#
# $$ \lVert g \rVert = \sqrt{\textstyle\sum_p \sum_i g_{p,i}^2} $$
#
# ### Exercise: `clip_grad_norm_`
#
# The norm goes over **all** parameters, not over each for itself: clipped one by one they would change the
# direction. Change the gradients **in place** (`parameter.grad.data`), pass over those that are `None`, and
# return the norm before clipping, as a tensor with one number. `parameters` may be an iterator, such as
# `model.parameters()`: you can pass over it only once.


# %% role="exercise" id="training-clip"
def clip_grad_norm_(parameters, max_norm):
    """Shorten all gradients together, in place, to at most max_norm; returns their norm before."""
    ### BEGIN SOLUTION
    gradients = [parameter.grad.data for parameter in parameters if parameter.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(gradient, gradient)) for gradient in gradients))
    scale = max_norm / (norm + 1e-6)
    if scale < 1:
        for gradient in gradients:
            gradient *= scale
    return Tensor(norm)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="training-clip"
# First make a list of the arrays of all gradients that exist; then everything is two loops over that list.

# %% [markdown] role="hint" exercise="training-clip"
# `np.vdot(a, a)` (or `(a**2).sum()`) is the sum of an array's squares. Add these up, and take the root once,
# of all. To change an array in place: `gradient *= ...`.

# %% role="check" id="check-training-clip" exercise="training-clip" points=3


def with_gradients(*arrays):
    """Parameters that have these gradients (None: none)."""
    parameters = [Parameter(np.zeros(2)) for _ in arrays]
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.grad = None if array is None else Tensor(array)
    return parameters


first, none, second = with_gradients([3.0, 0.0], None, [0.0, 4.0])
held = first.grad
norm = clip_grad_norm_(iter([first, none, second]), max_norm=2.5)
expect("type of what it returns", type(norm).__name__, "Tensor", "A tensor with one number.")
expect("the norm of (3, 0) and (0, 4)", norm, np.float32(5), "sqrt(9 + 16), of all parameters together.")
expect("the first gradient, clipped to 2.5", held, np.array([1.5, 0.0]), "3 * 2.5 / 5, in place.")
expect("the second", second.grad, np.array([0.0, 2.0]), "All are shortened by the same factor.")
expect("the one that is None", none.grad, None, "No gradient, nothing to do.")
(small,) = with_gradients([1.2, 1.6])
expect("norm of (1.2, 1.6)", clip_grad_norm_([small], 2.5), np.float32(2), "The norm before clipping.")
expect("that gradient, afterwards", small.grad, np.array([1.2, 1.6]), "Short enough: never made longer.")
still = clip_grad_norm_(with_gradients([0.0, 0.0]), max_norm=1.0)
expect("norm of (0, 0)", still, np.float32(0), "The 1e-6 in the formula: no division by zero.")

# %% [markdown]
# One batch of this training is broken: someone forgot to divide by 16, and multiplied instead. The accuracy
# on the validation set, just before and after it, without clipping and with:

# %%
for max_norm in (None, 1.0):
    manual_seed(0)
    model = network()
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)

    def hold_back(model=model, max_norm=max_norm):
        clip_grad_norm_(model.parameters(), max_norm)

    clip = None if max_norm is None else hold_back
    for _ in range(20):
        for x, y in pieces(400, 800, 50):
            train_step(model, cross_entropy, optimizer, x, y, clip)
    before = evaluate(model, val_set, accuracy=accuracy)["accuracy"]
    x, y = pieces(800, 810, 10)[0]
    train_step(model, cross_entropy, optimizer, x * 256, y, clip)
    after = evaluate(model, val_set, accuracy=accuracy)["accuracy"]
    print(f"max_norm {max_norm!s:>4}: before {before:.1%}, after {after:.1%}")

# %% [markdown]
# ## The Trainer
#
# Everything that you wrote, in one class. It is given, because it holds nothing new: read `fit`, it is the
# story of this module in thirty lines. `Live` (from `tinytorch.show`) draws the bar in a terminal and the
# curves in a notebook. `save` and `snapshot` come next.


# %% role="given" id="training-trainer"
class Trainer:
    """Trains a model: epochs, validation, schedule, clipping, early stopping, checkpoints.

    Args:
        model, optimizer: the optimizer holds the model's parameters.
        loss_fn: of (output, target); gives a tensor with one number, the mean over the batch.
        scheduler: its step() is called after each batch, or after each epoch.
        scheduler_interval: "step" (a batch) or "epoch".
        max_grad_norm: gradients are clipped to this norm.
        early_stopping: an EarlyStopping; watches the validation loss.
        metrics: more measures for the validation, by name: {"accuracy": accuracy}.
    """

    def __init__(
        self,
        model,
        optimizer,
        loss_fn,
        scheduler=None,
        scheduler_interval="step",
        max_grad_norm=None,
        early_stopping=None,
        metrics=None,
    ):
        if scheduler_interval not in ("step", "epoch"):
            raise ValueError(f"scheduler_interval must be 'step' or 'epoch', not {scheduler_interval!r}.")
        self.model, self.optimizer, self.loss_fn = model, optimizer, loss_fn
        self.scheduler, self.scheduler_interval = scheduler, scheduler_interval
        self.max_grad_norm, self.early_stopping, self.metrics = max_grad_norm, early_stopping, metrics or {}
        self.epoch = 0  # how many are done
        self.history = {}  # the name of a figure -> its value after each epoch

    def step(self, x, y):
        """Learn from one batch; returns its loss."""
        clip = None if self.max_grad_norm is None else self._clip
        loss = train_step(self.model, self.loss_fn, self.optimizer, x, y, clip)
        if self.scheduler is not None and self.scheduler_interval == "step":
            self.scheduler.step()
        return loss

    def _clip(self):
        clip_grad_norm_(self.model.parameters(), self.max_grad_norm)

    def evaluate(self, loader):
        """Loss and metrics on data that are not learned from."""
        return evaluate(self.model, loader, loss=self.loss_fn, **self.metrics)

    def fit(self, train_loader, val_loader=None, epochs=1, checkpoint=None, progress=True):
        """Train until `epochs` are done in all, counting those before; returns the history.

        With early stopping, the model has its best weights in the end. With `checkpoint`, a path, everything
        is saved after each epoch; `resume(trainer, load(path))`, and fit goes on from there. (A loader that
        shuffles on its own needs the same seed again.)
        """
        if iter(train_loader) is train_loader:
            raise TypeError("The training data can be passed over only once; give a list, or a loader.")
        if self.early_stopping is not None and val_loader is None:
            raise ValueError("Early stopping looks at the validation loss: give a val_loader.")
        live = Live(epochs, "epoch", history=self.history) if progress else None
        while self.epoch < epochs and not (self.early_stopping is not None and self.early_stopping.stopped):
            if hasattr(train_loader, "epoch"):  # it shuffles by seed and epoch: after resuming too
                train_loader.epoch = self.epoch
            batches = train_loader if live is None else live.follow(train_loader)
            figures = {"loss": train_epoch(self.model, batches, self.step)}
            if val_loader is not None:
                figures |= {f"val_{name}": value for name, value in self.evaluate(val_loader).items()}
            self._end_epoch(figures)
            if checkpoint is not None:
                save(snapshot(self), checkpoint)
            if live is not None:
                live.step(**figures)
        if live is not None:
            live.stop()
        if self.early_stopping is not None:
            self.early_stopping.restore(self.model)
        return self.history

    def _end_epoch(self, figures):
        self.epoch += 1
        for name, value in figures.items():
            self.history.setdefault(name, []).append(value)
        if self.scheduler is not None and self.scheduler_interval == "epoch":
            self.scheduler.step()
        if self.early_stopping is not None:
            self.early_stopping.step(figures["val_loss"], self.model)


# %% [markdown]
# The training from above once more, with Dropout, a one-cycle schedule, clipping and early stopping:

# %%
manual_seed(1)
model = Sequential(Flatten(), Linear(64, 256), ReLU(), Dropout(0.3), Linear(256, 10))
optimizer = Adam(model.parameters(), lr=RATE)
trainer = Trainer(
    model,
    optimizer,
    cross_entropy,
    scheduler=OneCycleLR(optimizer, max_lr=2 * RATE, epochs=60, steps_per_epoch=len(train_set)),
    max_grad_norm=5.0,
    early_stopping=EarlyStopping(patience=10),
    metrics={"accuracy": accuracy},
)
history = trainer.fit(train_set, val_set, epochs=60)
print(f"{trainer.epoch} epochs, validation loss {trainer.early_stopping.best:.3f}")
print(f"the best of the loop above: {val_losses.min():.3f}")

# %% [markdown]
# ## Checkpoints
#
# The power goes off in epoch 40. A *checkpoint* is what you need to go on, and the test of it is strict:
# **the training must go on as if it had never stopped, to the last bit.** Anything that is missing in it
# shows, sooner or later.
#
# ### Exercise: `snapshot` and `resume`
#
# `snapshot(trainer)` returns a dict with everything on which the rest of a training depends;
# `resume(trainer, state)` puts it back into a trainer that was built in the same way. What belongs in it? Ask
# of each thing: *if this began anew, would the next epoch be another one?*
#
# - A trainer has `model`, `optimizer`, `scheduler` and `early_stopping` (the last two may be `None`). Each
#   has `state_dict()` and `load_state_dict(state)`.
# - It counts `epoch`, and keeps `history`. `loss_fn`, `metrics` and the other settings are code: whoever
#   builds the trainer again gives them again.
# - Dropout and shuffling draw **random numbers**. `get_rng_state()` tells where the generator is,
#   `set_rng_state(state)` takes it there.
#
# The snapshot must stay as it is while the training goes on, and resuming twice from the same one must give
# the same twice: `copy.deepcopy` copies a whole nest of dicts, lists and tensors. Name the parts as you like.


# %% role="exercise" id="training-checkpoint"
def snapshot(trainer):
    """Everything on which the rest of a training depends, copied."""
    ### BEGIN SOLUTION
    state = {"epoch": trainer.epoch, "history": trainer.history, "random": get_rng_state()}
    for name in ("model", "optimizer", "scheduler", "early_stopping"):
        part = getattr(trainer, name)
        state[name] = None if part is None else part.state_dict()
    return copy.deepcopy(state)
    ### END SOLUTION


def resume(trainer, state):
    """Let a trainer go on from a snapshot."""
    ### BEGIN SOLUTION
    state = copy.deepcopy(state)
    for name in ("model", "optimizer", "scheduler", "early_stopping"):
        if getattr(trainer, name) is not None:
            getattr(trainer, name).load_state_dict(state[name])
    trainer.epoch, trainer.history = state["epoch"], state["history"]
    set_rng_state(state["random"])
    ### END SOLUTION


# %% [markdown] role="hint" exercise="training-checkpoint"
# Seven things: four that have a `state_dict`, two that the trainer counts and keeps itself, and one that
# belongs to nobody: the random numbers.

# %% [markdown] role="hint" exercise="training-checkpoint"
# `copy.deepcopy` of the finished dict, once, on the way in; and once more on the way out, because the trainer
# will go on writing into the history that you hand it.

# %% [markdown]
# How such a nest becomes a file is given. numpy's `.npz` is a zip archive of arrays. What is not an array
# (names, numbers, the order of things) is written down as JSON and put in with them. Two decisions are worth
# a look:
#
# - **No pickle.** Python's own format for objects can hold *code*, which runs when the file is opened. A
#   checkpoint from the internet should be numbers and nothing else.
# - **Complete, or not at all.** It is written beside its place under another name, then renamed: whoever
#   pulls the plug in the middle finds the last checkpoint as it was.


# %% role="given" id="training-files"
def save(state, path):
    """Write a nest of dicts, lists, tensors and numbers into an .npz file: complete, or not at all."""
    arrays = {}
    structure = json.dumps(pack(state, "state", arrays)).encode()
    unfinished = Path(f"{path}.part")
    with unfinished.open("wb") as file:
        np.savez(file, structure=np.frombuffer(structure, dtype=np.uint8), **arrays)
        file.flush()
        os.fsync(file.fileno())  # on the disk before it is renamed: a loss of power must not leave it empty
    unfinished.replace(path)


def load(path):
    """Read what save() has written. Nothing in such a file is run."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    return unpack(json.loads(arrays["structure"].tobytes()), arrays)


def pack(value, path, arrays):
    """A nest of things as JSON has them; its arrays go into `arrays`, under their path in the nest."""
    if isinstance(value, dict):
        return {"dict": [[key, pack(part, f"{path}/{key}", arrays)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        parts = [pack(part, f"{path}/{number}", arrays) for number, part in enumerate(value)]
        return {type(value).__name__: parts}
    if isinstance(value, Tensor | np.ndarray | np.generic):
        while path in arrays:  # keys 0 and "0" look alike in a path
            path += "'"
        arrays[path] = np.asarray(value)
        kinds = [
            name for kind, name in ((Tensor, "tensor"), (np.ndarray, "array")) if isinstance(value, kind)
        ]
        return {(kinds or ["number"])[0]: path}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{path} is a {type(value).__name__}; a file holds dicts, lists, tensors and numbers.")


def unpack(packed, arrays):
    """What pack() was given."""
    if not isinstance(packed, dict):
        return packed
    ((kind, inside),) = packed.items()
    if kind == "dict":
        return {key: unpack(part, arrays) for key, part in inside}
    if kind in ("list", "tuple"):
        parts = [unpack(part, arrays) for part in inside]
        return parts if kind == "list" else tuple(parts)
    array = arrays[inside]
    return Tensor(array, dtype=array.dtype) if kind == "tensor" else array if kind == "array" else array[()]


# %% role="check" id="check-training-checkpoint" exercise="training-checkpoint" points=3
from tinytorch import rand


def small_trainer(seed):
    """A trainer with momentum and a schedule; its model draws random numbers."""
    manual_seed(seed)
    model = Sequential(Linear(2, 3), Dropout(0.5), Linear(3, 1))
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=50, anneal_strategy="linear")
    return Trainer(model, optimizer, mse_loss, schedule, early_stopping=EarlyStopping())


def few_steps(trainer):
    """Six steps by hand, as an epoch; returns all numbers of the model, and the learning rate."""
    for _ in range(6):
        trainer.optimizer.zero_grad()
        mse_loss(trainer.model(rand(4, 2)), rand(4, 1)).backward()
        trainer.optimizer.step()
        trainer.scheduler.step()
    trainer.epoch += 1
    trainer.history.setdefault("loss", []).append(float(trainer.epoch))
    numbers = [parameter.numpy().ravel() for parameter in trainer.model.parameters()]
    return np.concatenate([*numbers, trainer.scheduler.get_last_lr()])


straight = small_trainer(seed=3)
few_steps(straight)
straight.early_stopping.best, straight.early_stopping.waited = 0.25, 3
kept = snapshot(straight)
wanted = few_steps(straight)
other = small_trainer(seed=4)
for _ in range(2):
    few_steps(other)
resume(other, kept)
rule = "After resuming, everything goes on as it did before: parameters, momentum, schedule, random numbers."
expect(
    "(epoch, history) after resume", (other.epoch, other.history), (1, {"loss": [1.0]}), "As in the snapshot."
)
waited = (other.early_stopping.best, other.early_stopping.waited)
expect("(best, waited) of early stopping", waited, (0.25, 3), "Patience counts on from where it was.")
expect("numbers after six more steps, straight and resumed", few_steps(other), wanted, rule, rtol=0, atol=0)
resume(other, kept)
expect(
    "(epoch, history) once more", (other.epoch, other.history), (1, {"loss": [1.0]}), "The snapshot stays."
)
expect("the same, resumed from the same snapshot again", few_steps(other), wanted, rule, rtol=0, atol=0)
bare = Trainer(other.model, other.optimizer, mse_loss)
resume(bare, snapshot(bare))
expect(
    "a trainer without schedule and early stopping",
    bare.epoch,
    0,
    "scheduler and early_stopping may be None.",
)

# %% [markdown]
# Now with files, as it happens in life: six epochs in one go, against three, a crash, and three more in
# another trainer. Every single number must be the same:

# %%
from tempfile import TemporaryDirectory


def whole_trainer(seed):
    manual_seed(seed)
    model = Sequential(Flatten(), Linear(64, 64), ReLU(), Dropout(0.2), Linear(64, 10))
    optimizer = Adam(model.parameters(), lr=0.01)
    schedule = CosineAnnealingLR(optimizer, T_max=6 * len(train_set))
    return Trainer(model, optimizer, cross_entropy, schedule, early_stopping=EarlyStopping(patience=3))


class Crash(Exception):
    pass


def until_it_crashes(loader, batches):
    """A loader that gives so many batches, over all epochs, and then crashes."""

    class Breaking:
        left = batches

        def __iter__(self):
            for batch in loader:
                self.left -= 1
                if self.left < 0:
                    raise Crash
                yield batch

    return Breaking()


with TemporaryDirectory() as folder:
    straight = whole_trainer(seed=0)
    straight.fit(train_set, val_set, epochs=6, progress=False)
    crashed = whole_trainer(seed=0)
    try:
        broken = until_it_crashes(train_set, 3 * len(train_set) + 1)
        crashed.fit(broken, val_set, epochs=6, checkpoint=f"{folder}/last.npz", progress=False)
    except Crash:
        print("crashed in epoch", crashed.epoch + 1)
    resumed = whole_trainer(seed=99)
    resume(resumed, load(f"{folder}/last.npz"))
    resumed.fit(train_set, val_set, epochs=6, progress=False)
    size = Path(folder, "last.npz").stat().st_size
pairs = zip(straight.model.parameters(), resumed.model.parameters(), strict=True)
print("all numbers equal:", all((one.numpy() == other.numpy()).all() for one, other in pairs))
numbers = sum(parameter.numel() for parameter in resumed.model.parameters())
print(f"{numbers:,} parameters, {4 * numbers:,} bytes; the checkpoint has {size:,}")

# %% [markdown]
# ## What it costs
#
# The file is four times as large as the parameters: there are Adam's two averages, and the best weights of
# early stopping. In memory the same happens while training. For the classic 784-128-10 network:

# %%
from tinytorch.optim import AdamW

x, y = Tensor(np.random.default_rng(0).random((256, 784))), Tensor(np.arange(256) % 10, dtype=np.int64)
for name, make in {
    "SGD": lambda parameters: SGD(parameters, lr=0.1),
    "SGD with momentum": lambda parameters: SGD(parameters, lr=0.1, momentum=0.9),
    "AdamW": lambda parameters: AdamW(parameters, lr=0.001),
}.items():
    model = Sequential(Linear(784, 128), ReLU(), Linear(128, 10))
    optimizer = make(model.parameters())
    train_step(model, cross_entropy, optimizer, x, y)
    own = sum(parameter.data.nbytes for parameter in model.parameters()) / 1e6
    gradients = sum(parameter.grad.data.nbytes for parameter in model.parameters()) / 1e6
    kept = [
        part for parts in optimizer.state.values() for part in parts.values() if isinstance(part, np.ndarray)
    ]
    state = sum(array.nbytes for array in kept) / 1e6
    print(
        f"{name:17} parameters {own:.2f} MB, gradients {gradients:.2f} MB, optimizer's state {state:.2f} MB"
    )

deep = Sequential(*[Linear(512, 512) for _ in range(6)])
x = Tensor(np.random.default_rng(0).random((256, 512)))
forward, backward = [], []
for _ in range(5):
    start = time.perf_counter()
    loss = cross_entropy(deep(x), y)
    middle = time.perf_counter()
    loss.backward()
    forward.append(middle - start)
    backward.append(time.perf_counter() - middle)
there, back = min(forward), min(backward)
print(
    f"six layers of 512: forward {there * 1e3:.1f} ms, backward {back * 1e3:.1f} ms: 1 to {back / there:.1f}"
)

# %% [markdown]
# Operations: where the forward pass has one matrix product for each layer, the backward pass has two, one for
# the gradient of the weights and one for that of the layer's input. Hence the rule of thumb: *backward costs
# twice the forward pass* (a little less, because the images themselves need no gradient). A validation pass
# therefore costs a third of a training pass, and, thanks to `no_grad`, keeps nothing: the memory for what
# lies between the layers is free again at once.
#
# ## How PyTorch does it
#
# It has no trainer. The loop is written by hand, in exactly your five lines; so everybody knows what happens,
# and everybody forgets `zero_grad` once. What you wrote exists by the same names and formulas:
# `torch.optim.lr_scheduler.CosineAnnealingLR` and `OneCycleLR` (which lets momentum run the other way unless
# you say `cycle_momentum=False`), `torch.nn.utils.clip_grad_norm_`, `torch.no_grad`, `torch.get_rng_state`.
# `torch.save` writes a zip archive too, but with a pickle in it; that is why `torch.load` has
# `weights_only=True` as its default by now, and why the *safetensors* format exists. Those who want a trainer
# take PyTorch Lightning (`Trainer(max_epochs=..., gradient_clip_val=..., callbacks=[EarlyStopping(...)])`) or
# Hugging Face's `Trainer`. Inside, you would find what you have built.

# %% [markdown] role="question" id="training-why-validation" points=3
# ### Question: which result is honest?
#
# *In your own words; 3 points, marked by a person.*
#
# A classmate shows you a training of 100 epochs. The training loss falls all the time; the validation loss
# falls until epoch 30 and then rises slowly. They want to publish the validation accuracy of epoch 30 as
# their result.
#
# Explain in your own words: (a) what happens after epoch 30, and how one sees it; (b) with early stopping and
# a patience of 10, which epochs would have been computed, which weights would the model have, and what has it
# cost; (c) why that accuracy is not an honest result, and what would be.
#
# ### BEGIN RUBRIC
# One point for each part.
#
# (a) Overfitting: from there on the model learns what is particular to the training samples (it learns them
# by heart), which does not hold for others. One sees it by the two curves going apart; by the training loss
# alone one could not see it. Half a point for the word alone.
#
# (b) 40 epochs are computed; the weights are those of epoch 30; epochs 31 to 40 are paid for and thrown away,
# and so is the data of the validation set, from which nothing was learned (one of the two costs suffices).
#
# (c) Epoch 30 was chosen *because* it is the best on this set: the best of 100 looks is a lucky one, so it is
# too good. Honest is a test set that had no part in any choice, looked at once.
# ### END RUBRIC
