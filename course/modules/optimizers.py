# %% [markdown]
# # Optimizers
#
# A gradient says in which direction the loss grows. An *optimizer* decides what to do about it: how far to
# step, and what to remember of the steps before. You will write the update rules of SGD (with momentum,
# Nesterov's variant and weight decay), Adam and AdamW, by PyTorch's formulas, and watch them find their way
# down a valley and through the training of a network.

# %% [markdown]
# ## What an optimizer is
#
# It holds *parameters*, in groups with settings of their own (`lr` is the learning rate), and a *state*: what
# it remembers of each parameter. `step()` reads each parameter's `.grad` and changes its numbers **in
# place**. Who computed the gradient does not matter. A parameter whose gradient is `None` is left alone.
#
# The class is given. Two things are worth a look: the messages for gradients that cannot be right, and
# `blocks`. A large parameter is updated in pieces of 32,768 numbers, so that whatever a formula makes on its
# way is still in the processor's fast cache when the next operation wants it. So you can write formulas as
# they stand in the book; at the end you will measure what that buys.

# %% role="given" id="optimizers-header"
"""Optimizers: from gradients to better parameters. They read .grad, and do not care who computed it."""

import numpy as np

from tinytorch.tensor import Tensor

BLOCK = 1 << 15  # numbers updated at a time: few enough for the cache, enough for numpy to be worth its call


def blocks(*arrays):
    """Arrays of one shape, cut alike into flat views of at most BLOCK numbers; what changes them is seen."""
    if arrays[0].size <= BLOCK or not all(array.flags.c_contiguous for array in arrays):
        return [arrays]
    rows = [array.reshape(-1) for array in arrays]
    return [[row[start : start + BLOCK] for row in rows] for start in range(0, rows[0].size, BLOCK)]


class Optimizer:
    """The base of all optimizers. A subclass writes update(parameter, gradient, state, group), on arrays.

    Args:
        params: parameters, or a list of dicts, each with "params" and settings that differ from the defaults.
        defaults: the settings of the groups, as far as they do not say otherwise.
    """

    def __init__(self, params, defaults):
        if isinstance(params, Tensor):
            raise TypeError("params must be a list of parameters: [p], or model.parameters().")
        groups = list(params)
        if not groups:
            raise ValueError("There are no parameters to optimize.")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        self.state = {}  # number of a parameter -> what is remembered of it
        self.param_groups = []
        for group in groups:
            self.add_param_group({**defaults, **group})

    def add_param_group(self, group):
        """Add parameters with settings of their own."""
        members = group["params"]
        members = [members] if isinstance(members, Tensor) else list(members)
        known = {id(parameter) for parameter in self.parameters()}
        for parameter in members:
            if not isinstance(parameter, Tensor):
                raise TypeError(f"An optimizer changes tensors, not {type(parameter).__name__}.")
            if id(parameter) in known:
                raise ValueError("A parameter is there twice; it would move twice in each step.")
            known.add(id(parameter))
        check_settings(group)
        self.param_groups.append({**group, "params": members})

    def parameters(self):
        """All parameters; a parameter's place in this order is its number in the state."""
        return (parameter for group in self.param_groups for parameter in group["params"])

    def zero_grad(self):
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def step(self):
        """Move each parameter that has a gradient."""
        number = 0
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    gradient = gradient_of(parameter, number)
                    self.update(parameter.data, gradient, self.state.setdefault(number, {}), group)
                number += 1

    def update(self, parameter, gradient, state, group):
        raise NotImplementedError(f"{type(self).__name__} has no update.")

    def state_dict(self):
        """What is needed to go on later, with PyTorch's names: shown, not copied."""
        numbers = iter(range(sum(len(group["params"]) for group in self.param_groups)))
        groups = [
            {**group, "params": [next(numbers) for _ in group["params"]]} for group in self.param_groups
        ]
        return {
            "state": {number: dict(state) for number, state in self.state.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict):
        """Take over settings and state (copied) of an optimizer of the same parameters."""
        saved = state_dict["param_groups"]
        if [len(group["params"]) for group in saved] != [len(group["params"]) for group in self.param_groups]:
            raise ValueError("The saved groups have other numbers of parameters than these.")
        parameters = dict(enumerate(self.parameters()))
        state = {}
        for number, values in state_dict["state"].items():
            state[number] = {}
            for name, value in values.items():
                if name == "step":
                    state[number][name] = int(value)
                elif value is not None:
                    state[number][name] = np.array(value, dtype=np.float32)
                    if state[number][name].shape != parameters[number].shape:
                        raise ValueError(
                            f"The saved '{name}' of parameter {number} has another shape than it."
                        )
        for group, new in zip(self.param_groups, saved, strict=True):
            group.update({name: value for name, value in new.items() if name != "params"})
        self.state = state


def gradient_of(parameter, number):
    """The gradient of a parameter as an array; an error if it cannot be its gradient."""
    if not isinstance(parameter.grad, Tensor):
        raise TypeError(
            f"The gradient of parameter {number} is of type {type(parameter.grad).__name__}; "
            "make a tensor of it with from_numpy(array)."
        )
    if parameter.grad.shape != parameter.shape:
        raise ValueError(
            f"Parameter {number} has shape {parameter.shape}, but its gradient {parameter.grad.shape}."
        )
    return parameter.grad.data


# %% [markdown]
# ## Downhill
#
# The oldest rule, *gradient descent*: a step against the gradient $g$ of the loss.
#
# $$ p \leftarrow p - \mathrm{lr} \cdot g $$
#
# It is called *stochastic* (SGD) when the gradient comes from a batch of samples drawn at random and not from
# all.
#
# ### Exercise: `descend`
#
# `p` and `g` are numpy arrays. Change `p` **in place** and return nothing: whoever holds this array must see
# the new numbers. `p = p - lr * g` would make a new array, and forget it. `g` stays as it is.


# %% role="exercise" id="optimizers-descend"
def descend(p, g, lr):
    """p - lr * g, in place."""
    ### BEGIN SOLUTION
    p -= lr * g
    ### END SOLUTION


# %% [markdown] role="hint" exercise="optimizers-descend"
# Which operators of Python change an array instead of making a new one?

# %% [markdown] role="hint" exercise="optimizers-descend"
# `p -= something` changes the array that `p` names. What has to be subtracted stands in the formula.

# %% role="check" id="check-optimizers-descend" exercise="optimizers-descend" points=2
from tinytorch.checking import expect, expect_error

p, g = np.array([1.0, 2.0], dtype=np.float32), np.array([10.0, -20.0], dtype=np.float32)
held = p
descend(p, g, lr=0.1)
expect("p = [1, 2], after descend(p, [10, -20], 0.1)", held, np.array([0.0, 4.0]), "p - lr * g, in place.")
expect("the gradient, afterwards", g, np.array([10.0, -20.0]), "The gradient is only read.")

# %% [markdown]
# How large a step? A valley that is long in one direction and 50 times as steep across shows the trouble. Its
# height is $(x^2 + 50\,y^2)/2$, its gradient $(x, 50\,y)$, and its lowest point $(0, 0)$. The start is 4 away
# in the long direction, 1 in the steep one:


# %%
def slope(p):
    return p * np.array([1, 50], dtype=np.float32)


print("after 100 steps:")
print("   lr   along    across")
for lr in (0.001, 0.01, 0.039, 0.041):
    p = np.array([-4, 1], dtype=np.float32)
    for _ in range(100):
        descend(p, slope(p), lr)
    print(f"{lr:5} {p[0]:7.3f} {p[1]:9.3g}")

# %% [markdown]
# With steps of more than 2/50 the steep direction explodes: each step leads further beyond the bottom than it
# began. With a safe 0.01 it is done at once, while the long one is not yet two thirds of its way. One
# learning rate for all directions: that is the pain which all the rest of this module is about.
#
# ## Momentum
#
# Let the step have inertia, like a ball: a *buffer* $b$ sums up the gradients, and old ones fade by a factor
# $\mu$, the momentum. Where the gradient keeps its sign, the sum grows up to $1/(1-\mu)$ times as large (10
# times with 0.9); where it goes to and fro, it cancels. (Polyak, 1964; Sutskever et al., 2013.)
#
# $$ b \leftarrow \mu\, b + (1 - d)\, g \qquad p \leftarrow p - \mathrm{lr} \cdot b $$
#
# The *dampening* $d$ is 0 most of the time. *Nesterov's* variant steps along $g + \mu b$ with the new $b$, as
# if it looked one step ahead.
#
# ### Exercise: `momentum_update` and `momentum_direction`
#
# - `momentum_update(buffer, g, momentum, dampening)` changes the buffer, in place.
# - `momentum_direction(g, buffer, momentum, nesterov)`: what is to be subtracted (times `lr`) from `p`: the
#   buffer, or with Nesterov $g + \mu b$. It changes neither `g` nor the buffer.


# %% role="exercise" id="optimizers-momentum"
def momentum_update(buffer, g, momentum, dampening=0):
    """momentum * buffer + (1 - dampening) * g, in place."""
    ### BEGIN SOLUTION
    buffer *= momentum
    buffer += g if dampening == 0 else (1 - dampening) * g
    ### END SOLUTION


def momentum_direction(g, buffer, momentum, nesterov=False):
    """The direction to step against: the buffer; with Nesterov, g + momentum * buffer."""
    ### BEGIN SOLUTION
    return g + momentum * buffer if nesterov else buffer
    ### END SOLUTION


# %% [markdown] role="hint" exercise="optimizers-momentum"
# Two steps in place are easier than one: first let the buffer fade, then add the new gradient.

# %% [markdown] role="hint" exercise="optimizers-momentum"
# `buffer *= momentum`, then `buffer += ...`. In the direction there is nothing in place: return the buffer
# itself, or a new array `g + ...`.

# %% role="check" id="check-optimizers-momentum" exercise="optimizers-momentum" points=4
buffer, g = np.array([1.0, -2.0], dtype=np.float32), np.array([10.0, 10.0], dtype=np.float32)
held = buffer
momentum_update(buffer, g, momentum=0.75)
tried = "buffer [1, -2], g [10, 10], momentum 0.75"
expect(tried, held, np.array([10.75, 8.5]), "0.75 * buffer + g, in place.")
momentum_update(buffer, g, momentum=0.75, dampening=0.9)
expect("once more, dampening 0.9", held, np.array([9.0625, 7.375]), "0.75 * buffer + (1 - 0.9) * g")
straight = momentum_direction(g, buffer, 0.75)
expect("direction", straight, np.array([9.0625, 7.375]), "Without Nesterov: the buffer.")
ahead = momentum_direction(g, buffer, 0.75, nesterov=True)
expect("direction, Nesterov", ahead, np.array([16.796875, 15.53125]), "g + momentum * buffer")
expect("the buffer, afterwards", held, np.array([9.0625, 7.375]), "To ask for the direction changes nothing.")
expect("the gradient, afterwards", g, np.array([10.0, 10.0]), "The gradient is only read.")

# %% [markdown]
# ## Weight decay
#
# Large weights fit noise. So one adds a price for them to the loss, $\tfrac{\lambda}{2} p^2$, whose gradient
# is $\lambda p$: each step also pulls every weight a little towards 0. For that, the loss itself need not be
# touched:
#
# $$ g \leftarrow g + \lambda\, p $$
#
# ### Exercise: `decayed_gradient`
#
# Return the gradient with the pull added, as a **new** array. (The model's gradient itself must stay: if the
# optimizer changed it, two steps with one gradient would decay twice.) With `weight_decay` 0, return `g`
# itself: no work for nothing.


# %% role="exercise" id="optimizers-decay"
def decayed_gradient(g, p, weight_decay):
    """g + weight_decay * p as a new array; g itself if there is no decay."""
    ### BEGIN SOLUTION
    return g + weight_decay * p if weight_decay != 0 else g
    ### END SOLUTION


# %% [markdown] role="hint" exercise="optimizers-decay"
# Here nothing is in place: `+` makes a new array by itself.

# %% [markdown] role="hint" exercise="optimizers-decay"
# One `if` for `weight_decay == 0`, which returns `g`; otherwise the formula, `g + weight_decay * p`.

# %% role="check" id="check-optimizers-decay" exercise="optimizers-decay" points=2
g, p = np.array([1.0, 1.0], dtype=np.float32), np.array([4.0, -8.0], dtype=np.float32)
pulled = decayed_gradient(g, p, weight_decay=0.5)
expect("g [1, 1], p [4, -8], decay 0.5", pulled, np.array([3.0, -3.0]), "g + weight_decay * p")
expect("g and p, afterwards", np.array([g, p]), np.array([[1.0, 1], [4, -8]]), "Both are only read.")
expect("without decay: the same array?", decayed_gradient(g, p, 0) is g, True, "With 0, return g itself.")

# %% [markdown]
# ## Refuse what cannot be right
#
# `lr=-0.1` climbs up; a beta of 1 divides by 0. A library says so at once, before an hour is lost.
#
# ### Exercise: `check_settings`
#
# `settings` is a dict; not every optimizer has every entry (`settings.get("eps", 0)`). Raise a `ValueError`
# that names the setting and its value, if
#
# - `lr`, `momentum`, `weight_decay` or `eps` is not 0 or more;
# - one of `betas` (a pair) is not at least 0 and below 1;
# - `nesterov` is asked for without a momentum above 0, or with a dampening other than 0.
#
# `nan` must be refused too. Every comparison with `nan` is False, so write `if not lr >= 0`, not `if lr < 0`.


# %% role="exercise" id="optimizers-arguments"
def check_settings(settings):
    """Raise ValueError if a setting of an optimizer cannot be right."""
    ### BEGIN SOLUTION
    for name in ("lr", "momentum", "weight_decay", "eps"):
        if not settings.get(name, 0) >= 0:
            raise ValueError(f"{name} must be 0 or more, not {settings[name]}.")
    for beta in settings.get("betas", ()):
        if not 0 <= beta < 1:
            raise ValueError(f"betas must be at least 0 and below 1, not {settings['betas']}.")
    if settings.get("nesterov") and not (settings["momentum"] > 0 and settings["dampening"] == 0):
        raise ValueError(
            "nesterov needs a momentum above 0 and no dampening, "
            f"not {settings['momentum']} and {settings['dampening']}."
        )
    ### END SOLUTION


# %% [markdown] role="hint" exercise="optimizers-arguments"
# A loop over the four names is shorter than four `if`s; `settings.get(name, 0)` is 0 where there is none.

# %% [markdown] role="hint" exercise="optimizers-arguments"
# Betas: loop over `settings.get("betas", ())` and test `not 0 <= beta < 1`.

# %% [markdown] role="hint" exercise="optimizers-arguments"
# Nesterov: `if settings.get("nesterov") and not (settings["momentum"] > 0 and settings["dampening"] == 0)`.

# %% role="check" id="check-optimizers-arguments" exercise="optimizers-arguments" points=3
good = {"lr": 0.1, "momentum": 0.9, "dampening": 0, "weight_decay": 0, "nesterov": True}
check_settings(good)
check_settings({"lr": 0.1, "betas": (0, 0.999), "eps": 0})
for name in ("lr", "momentum", "weight_decay"):
    wrong = {**good, "nesterov": False, name: -0.1}
    expect_error(f"{name} = -0.1", ValueError, lambda w=wrong: check_settings(w), f"{name} is 0 or more.")
expect_error("lr = nan", ValueError, lambda: check_settings({"lr": float("nan")}), "nan is not 0 or more.")
expect_error("eps = -1", ValueError, lambda: check_settings({"lr": 0.1, "eps": -1}), "eps is 0 or more.")
expect_error("a beta of -0.1", ValueError, lambda: check_settings({"betas": (-0.1, 0.9)}), "0 or more.")
expect_error("a beta of 1", ValueError, lambda: check_settings({"betas": (0.9, 1.0)}), "Below 1, not 1.")
nan = float("nan")
expect_error("a beta of nan", ValueError, lambda: check_settings({"betas": (0.9, nan)}), "Not below 1.")
for change in ({"momentum": 0}, {"dampening": 0.1}, {"dampening": -0.1}):
    rule = "Nesterov needs momentum and no dampening."
    expect_error(f"Nesterov, {change}", ValueError, lambda c=change: check_settings({**good, **c}), rule)

# %% [markdown]
# With these four, `SGD` is a few lines. In the first step there is no buffer yet; as in PyTorch the first
# gradient becomes the buffer, undampened.


# %% role="given" id="optimizers-sgd"
class SGD(Optimizer):
    """Gradient descent with momentum, Nesterov's momentum and weight decay, as torch.optim.SGD."""

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False):
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
        )

    def update(self, parameter, gradient, state, group):
        lr, momentum = float(group["lr"]), float(group["momentum"])  # a numpy float64 would slow us down
        if momentum == 0:
            for p, g in blocks(parameter, gradient):
                descend(p, decayed_gradient(g, p, group["weight_decay"]), lr)
            return
        is_first = "momentum_buffer" not in state
        if is_first:
            state["momentum_buffer"] = np.empty_like(parameter)
        for p, g, buffer in blocks(parameter, gradient, state["momentum_buffer"]):
            g = decayed_gradient(g, p, group["weight_decay"])
            if is_first:
                buffer[...] = g
            else:
                momentum_update(buffer, g, momentum, group["dampening"])
            descend(p, momentum_direction(g, buffer, momentum, group["nesterov"]), lr)


# %% [markdown]
# ## Adam
#
# Can each number have a step size of its own? Keep two running means for each: of the gradient (the *first
# moment* $m$) and of its square (the *second moment* $v$):
#
# $$ m \leftarrow \beta_1 m + (1 - \beta_1)\, g $$
#
# $$ v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 $$
#
# and step by $m / \sqrt{v}$. The scale of the gradient cancels: whether the slope is 1 or 50, the step is
# about `lr`. (Kingma and Ba, *Adam*, 2014, arXiv:1412.6980.)
#
# ### Exercise: `adam_moments`
#
# Change `m` and `v` in place. `betas` is the pair $(\beta_1, \beta_2)$.


# %% role="exercise" id="optimizers-moments"
def adam_moments(m, v, g, betas):
    """The running means of the gradient and of its square, in place."""
    ### BEGIN SOLUTION
    beta1, beta2 = betas
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g
    ### END SOLUTION


# %% [markdown] role="hint" exercise="optimizers-moments"
# Each of the two is like the momentum's buffer: fade, then add.

# %% [markdown] role="hint" exercise="optimizers-moments"
# `m *= beta1`, then `m += (1 - beta1) * g`. For `v` the same with `beta2` and `g * g`.

# %% role="check" id="check-optimizers-moments" exercise="optimizers-moments" points=3
m, v = np.array([0.0, 2.0], dtype=np.float32), np.array([0.0, 8.0], dtype=np.float32)
g = np.array([4.0, -4.0], dtype=np.float32)
held = (m, v)
adam_moments(m, v, g, betas=(0.75, 0.25))
expect("m = [0, 2], g = [4, -4], beta1 0.75", held[0], np.array([1.0, 0.5]), "beta1 * m + (1 - beta1) * g")
expect(
    "v = [0, 8], g = [4, -4], beta2 0.25", held[1], np.array([12.0, 14.0]), "beta2 * v + (1 - beta2) * g * g"
)
expect("the gradient, afterwards", g, np.array([4.0, -4.0]), "The gradient is only read.")

# %% [markdown]
# Both means start at 0, and so are too small at first. How much, with a gradient that is always 1?

# %%
m, v = np.zeros(1, dtype=np.float32), np.zeros(1, dtype=np.float32)
print("step      m        v     m / sqrt(v)")
for step in range(1, 1001):
    adam_moments(m, v, np.ones(1, dtype=np.float32), (0.9, 0.999))
    if step in (1, 2, 3, 10, 100, 1000):
        print(f"{step:4} {m[0]:8.4f} {v[0]:8.4f} {m[0] / np.sqrt(v[0]):10.3f}")

# %% [markdown]
# Both should be 1. Because $v$ lags further behind than $m$, the steps at the beginning would be too *large*,
# when the network knows least. After $t$ steps the weights in a running mean add up to $1 - \beta^t$ only;
# divide by that, and the means are right from the first step on:
#
# $$ \hat m = \frac{m}{1 - \beta_1^t} \qquad \hat v = \frac{v}{1 - \beta_2^t} $$
#
# $$ p \leftarrow p - \mathrm{lr} \cdot \frac{\hat m}{\sqrt{\hat v} + \epsilon} $$
#
# ### Exercise: `bias_correction` and `adam_update`
#
# - `bias_correction(beta, step)` is $1 - \beta^t$, a Python float.
# - `adam_update(p, m, v, step, lr, betas, eps)` changes `p` in place; `m` and `v` only read. Each operation
#   on an array costs a walk through memory, and one on a number costs nothing: so write $\sqrt{\hat v} =
#   \sqrt{v} / \sqrt{1 - \beta_2^t}$, and gather what are mere numbers before they meet an array. (The root of
#   a number is `x ** 0.5`; `np.sqrt` would make it float64, and the array with it.)


# %% role="exercise" id="optimizers-adam"
def bias_correction(beta, step):
    """What the weights of a running mean that began at 0 add up to after `step` steps."""
    ### BEGIN SOLUTION
    return 1 - beta**step
    ### END SOLUTION


def adam_update(p, m, v, step, lr, betas, eps):
    """Adam's step with the moments m and v after `step` steps: p changes in place."""
    ### BEGIN SOLUTION
    denominator = np.sqrt(v)
    denominator /= bias_correction(betas[1], step) ** 0.5
    denominator += eps
    p -= lr / bias_correction(betas[0], step) * m / denominator
    ### END SOLUTION


# %% [markdown] role="hint" exercise="optimizers-adam"
# Begin with the formula as it stands: `m / bias_correction(beta1, step)`, and so on. Then bring the numbers
# together: `lr` and the correction of `m` are one factor.

# %% [markdown] role="hint" exercise="optimizers-adam"
# The denominator: the root of `v`, divided by the root of v's correction, plus `eps`. eps is outside of the
# root, and it is added *after* the correction.

# %% [markdown] role="hint" exercise="optimizers-adam"
# With `b1 = bias_correction(betas[0], step)`: subtract `lr / b1 * m / denominator` from `p`, in place. The
# denominator itself may be built in place (`/=`, `+=`), because it is yours.

# %% role="check" id="check-optimizers-adam" exercise="optimizers-adam" points=4
expect("bias_correction(0.9, 1)", bias_correction(0.9, 1), np.float64(0.1), "1 - 0.9")
expect("bias_correction(0.5, 3)", bias_correction(0.5, 3), np.float64(0.875), "1 - 0.5 * 0.5 * 0.5")
p = np.zeros(2, dtype=np.float32)
m, v = np.array([0.1, -5.0], dtype=np.float32), np.array([0.001, 2.5], dtype=np.float32)  # g was [1, -50]
held = p
adam_update(p, m, v, step=1, lr=0.01, betas=(0.9, 0.999), eps=1e-8)
expect("the first step, g = [1, -50], lr 0.01", held, np.array([-0.01, 0.01]), "lr, whatever the size of g.")
expect("m, afterwards", m, np.array([0.1, -5.0]), "m and v are only read.")
expect("v, afterwards", v, np.array([0.001, 2.5]), "m and v are only read.")
p[...] = 0
adam_update(p, np.float32([3, 3]), np.float32([4, 4]), step=2, lr=1.0, betas=(0.5, 0.75**0.5), eps=4.0)
rule = "(3 / 0.75) / (sqrt(4 / 0.25) + 4)"
expect("m 3, v 4, step 2, betas 0.5 and root of 0.75, eps 4", p, np.array([-0.5, -0.5]), rule)

# %% [markdown]
# ## AdamW
#
# With Adam, adding $\lambda p$ to the gradient goes wrong: the pull, too, is divided by $\sqrt{v}$. A weight
# with large gradients is then hardly pulled at all. Loshchilov and Hutter (*Decoupled Weight Decay
# Regularization*, 2017, arXiv:1711.05101) take the decay out of the gradient and let it act by itself, before
# the step:
#
# $$ p \leftarrow p - \mathrm{lr} \cdot \lambda\, p $$
#
# ### Exercise: `decoupled_decay`
#
# In place. Written with one factor it needs one walk through memory and no array in between.


# %% role="exercise" id="optimizers-adamw"
def decoupled_decay(p, lr, weight_decay):
    """Each number of p pulled towards 0 by the share lr * weight_decay of itself, in place."""
    ### BEGIN SOLUTION
    p *= 1 - lr * weight_decay
    ### END SOLUTION


# %% [markdown] role="hint" exercise="optimizers-adamw"
# Bracket $p$ out of $p - \mathrm{lr}\,\lambda\, p$.

# %% [markdown] role="hint" exercise="optimizers-adamw"
# `p *= ...` with the number that stands in the bracket, $1 - \mathrm{lr}\,\lambda$.

# %% role="check" id="check-optimizers-adamw" exercise="optimizers-adamw" points=2
p = np.array([10.0, -20.0], dtype=np.float32)
held = p
decoupled_decay(p, lr=0.1, weight_decay=0.5)
expect("[10, -20], lr 0.1, decay 0.5", held, np.array([9.5, -19.0]), "p - 0.1 * 0.5 * p, in place.")
decoupled_decay(p, lr=0.1, weight_decay=0)
expect("without decay", held, np.array([9.5, -19.0]), "Nothing changes.")


# %% role="given" id="optimizers-adam-classes"
class Adam(Optimizer):
    """Adam; weight decay is added to the gradient. As torch.optim.Adam."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def update(self, parameter, gradient, state, group):
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(parameter), exp_avg_sq=np.zeros_like(parameter))
        state["step"] += 1
        lr, betas, eps = float(group["lr"]), group["betas"], group["eps"]
        for p, g, m, v in blocks(parameter, gradient, state["exp_avg"], state["exp_avg_sq"]):
            adam_moments(m, v, self.decay(p, g, lr, group["weight_decay"]), betas)
            adam_update(p, m, v, state["step"], lr, betas, eps)

    def decay(self, p, g, lr, weight_decay):
        """Let the weights decay; returns the gradient to go on with."""
        return decayed_gradient(g, p, weight_decay)


class AdamW(Adam):
    """Adam with decoupled weight decay, as torch.optim.AdamW."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, lr, betas, eps, weight_decay)

    def decay(self, p, g, lr, weight_decay):
        decoupled_decay(p, lr, weight_decay)
        return g


# %% [markdown]
# ## Down the valley
#
# The same valley as above, with one learning rate for each optimizer. Lines join places of equal height; each
# dot is a step. A fourth path turns the valley by 45 degrees: now both numbers are steep and long at once,
# and a step size for each number helps less.

# %%
import matplotlib.pyplot as plt
from tinytorch import from_numpy
from tinytorch.nn import Parameter


def path(optimizer, steps, turned=False):
    """The places where an optimizer, given as a function of the parameters, comes along in the valley."""
    turn = np.array([[1, -1], [1, 1]], dtype=np.float32) / np.sqrt(np.float32(2)) if turned else np.eye(2)
    position = Parameter(turn @ np.float32([-4, 1]))
    optimizer = optimizer([position])
    places = [position.numpy().copy()]
    for _ in range(steps):
        position.grad = from_numpy(turn @ slope(turn.T @ position.numpy()))
        optimizer.step()
        places.append(position.numpy().copy())
    return np.array(places), turn


def steps_needed(places):
    """After how many steps it stays within 0.1 of the lowest point."""
    far = np.flatnonzero(np.hypot(*places.T) > 0.1)
    return int(far[-1]) + 1 if len(far) else 0


runs = [
    ("SGD", lambda p: SGD(p, lr=0.03), False),
    ("SGD, momentum 0.9", lambda p: SGD(p, lr=0.01, momentum=0.9), False),
    ("Adam", lambda p: Adam(p, lr=0.3), False),
    ("Adam, valley turned", lambda p: Adam(p, lr=0.3), True),
]
figure, axes = plt.subplots(2, 2, figsize=(7, 5), sharex=True, sharey=True, layout="constrained")
grid = np.stack(np.meshgrid(np.linspace(-5, 3, 161), np.linspace(-4, 4, 161)), axis=-1)
for axis, (name, optimizer, turned) in zip(axes.flat, runs, strict=True):
    places, turn = path(optimizer, 300, turned)
    height = ((grid @ turn) ** 2 @ np.array([0.5, 25.0])) ** 0.5
    axis.contour(grid[..., 0], grid[..., 1], height, (0.5, 1.5, 3, 5, 8, 12), colors="gray", linewidths=0.6)
    axis.plot(*places.T, "o-", color="C0", markersize=2.5, linewidth=0.8)
    axis.plot(0, 0, "r*", markersize=9)
    axis.set_title(f"{name}: {steps_needed(places)} steps", fontsize=10)
    axis.set(aspect="equal", ylim=(-3.5, 1.5))
plt.show()

# %% [markdown]
# ## Training a network
#
# Now in earnest: handwritten digits, a network with one hidden layer, and gradients by hand, as in *losses*.
# One pass over the data is an *epoch*; a step takes a batch of 32.

# %%
import time

from course.datasets import load
from tinytorch import manual_seed
from tinytorch.layers import Affine, Linear, ReLU, Sequential
from tinytorch.losses import CrossEntropy, affine_vjp, relu_vjp

digits = load("digits")
images = digits["train_images"].reshape(-1, 64).astype(np.float32) / 16
labels = digits["train_labels"].astype(np.int64)
test_images = digits["test_images"].reshape(-1, 64).astype(np.float32) / 16


def logits(model, x):
    """The hidden layer's numbers before and after the bend, and the answer."""
    first, _, last = model
    before = Affine().forward(x, first.weight.data, first.bias.data)
    hidden = np.maximum(before, 0)
    return before, hidden, Affine().forward(hidden, last.weight.data, last.bias.data)


def gradients_by_hand(model, x, y):
    """Fill .grad of a model (Linear, ReLU, Linear), from the last layer back to the first; gives the loss."""
    first, _, last = model
    before, hidden, answer = logits(model, x)
    loss = CrossEntropy()
    value = loss.forward(answer, y)
    g, _ = loss.vjp(np.float32(1))
    g, weight, bias = affine_vjp(hidden, last.weight.data, g)
    last.weight.grad, last.bias.grad = from_numpy(weight), from_numpy(bias)
    _, weight, bias = affine_vjp(x, first.weight.data, relu_vjp(before, g), needs_x=False)
    first.weight.grad, first.bias.grad = from_numpy(weight), from_numpy(bias)
    return float(value)


def train(optimizer, epochs=20):
    """Train on the digits with an optimizer, given as a function; the loss of each step, and the model."""
    manual_seed(0)
    model = Sequential(Linear(64, 64), ReLU(), Linear(64, 10))
    optimizer, order = optimizer(model.parameters()), np.random.default_rng(0)
    losses = []
    for _ in range(epochs):
        for rows in np.array_split(order.permutation(len(images)), len(images) // 32):
            losses.append(gradients_by_hand(model, images[rows], labels[rows]))
            optimizer.step()
    return losses, model


plt.figure(figsize=(7, 3.5))
for name, optimizer in {
    "SGD, lr 0.1": lambda p: SGD(p, lr=0.1),
    "the same, momentum 0.9": lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam, lr 0.003": lambda p: Adam(p, lr=0.003),
    "AdamW, lr 0.003, decay 0.1": lambda p: AdamW(p, lr=0.003, weight_decay=0.1),
}.items():
    start = time.perf_counter()
    losses, model = train(optimizer)
    right = (logits(model, test_images)[-1].argmax(axis=1) == digits["test_labels"]).mean()
    print(f"{name:26} {right:.1%} of new digits right, {time.perf_counter() - start:.2f} s")
    plt.semilogy(np.convolve(losses, np.ones(15) / 15, "valid"), label=name)
plt.xlabel("step")
plt.ylabel("loss, mean of 15 steps")
plt.legend()
plt.show()

# %% [markdown] track="core, immediate"
# And with your autograd the same needs no gradients by hand. These four lines in the middle are how you will
# train everything from here on, and all that the milestone *mnist_mlp* asks for (`tito milestone info
# mnist_mlp`):

# %% track="core, immediate"
from tinytorch import Tensor
from tinytorch.nn.functional import cross_entropy

manual_seed(0)
model = Sequential(Linear(64, 64), ReLU(), Linear(64, 10))
optimizer, order = Adam(model.parameters(), lr=0.003), np.random.default_rng(0)
for epoch in range(5):
    for rows in np.array_split(order.permutation(len(images)), len(images) // 32):
        optimizer.zero_grad()
        loss = cross_entropy(model(Tensor(images[rows])), Tensor(labels[rows], dtype=np.int64))
        loss.backward()
        optimizer.step()
    right = (model(Tensor(test_images)).argmax(dim=1).numpy() == digits["test_labels"]).mean()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}, {right:.1%} of new digits right")

# %% [markdown]
# How much does the learning rate matter? The loss at the end of two epochs, for rates a factor of ten apart:

# %%
rates = (1e-4, 1e-3, 1e-2, 1e-1, 1)
print("lr      " + "".join(f"{rate:>9}" for rate in rates))
for name, optimizer in {
    "SGD": SGD,
    "momentum": lambda p, lr: SGD(p, lr=lr, momentum=0.9),
    "Adam": Adam,
}.items():
    with np.errstate(all="ignore"):  # a rate that is far too high overflows
        ends = [np.mean(train(lambda p, lr=lr, o=optimizer: o(p, lr=lr), 2)[0][-15:]) for lr in rates]
    print(f"{name:8}" + "".join(f"{end:9.3g}" for end in ends))

# %% [markdown]
# None of them frees you from choosing. Each wants a rate of its own: Adam's is near 0.001 to 0.01 for very
# many networks, because its steps do not depend on the gradient's scale. That is why it is the first thing
# one tries; a well-tuned SGD with momentum is often as good in the end.
#
# ## Two ways to decay
#
# Two weights, both 1, without anything to learn: their gradients are noise, a thousand times as large for one
# as for the other. After 1000 steps with the same decay:

# %%
noise = np.random.default_rng(0).standard_normal((1000, 2)).astype(np.float32) * np.float32([10, 0.01])
for name, optimizer in {"Adam (decay in the gradient)": Adam, "AdamW (decoupled)": AdamW}.items():
    pulled, free = Parameter(np.ones(2)), Parameter(np.ones(2))
    for weights, decay in ((pulled, 0.5), (free, 0.0)):
        moving = optimizer([weights], lr=1e-3, weight_decay=decay)
        for g in noise:
            weights.grad = from_numpy(g)
            moving.step()
    change = pulled.numpy() - free.numpy()
    print(f"{name:28} large gradients {change[0]:+.3f}, small gradients {change[1]:+.3f} by the decay")

# %% [markdown] role="question" id="optimizers-why-decoupled" points=2
# ### Question: what does Adam do to the decay?
#
# *In your own words; 2 points, marked by a person.*
#
# Look at the four numbers above. Why does the same weight decay do so different things to the two weights in
# Adam, and not in AdamW? Say what happens to the term $\lambda p$ on its way to $p$ in both. And why is there
# no such difference with plain SGD?
#
# ### BEGIN RUBRIC
# One point: in Adam the decay is part of the gradient, so it passes through the moments and is divided by the
# root of the second moment, which the loss's gradient dominates; a weight with large gradients is hardly
# pulled, one with small gradients is pulled by about lr a step, whatever lambda is. In AdamW it never meets
# v: each weight shrinks by the factor 1 - lr * lambda. One point: in plain SGD the gradient is only
# multiplied by lr, so p - lr * (g + lambda p) is (1 - lr * lambda) p - lr * g: there both are the same.
# ### END RUBRIC

# %% [markdown]
# ## What it costs
#
# Memory first: momentum keeps one number for each parameter, Adam two. With the parameter and its gradient
# that is four numbers of 4 bytes: to train a model with Adam takes 16 bytes a parameter, before the first
# activation.
#
# An update does a handful of operations for each number. So its price is the way through memory and back, and
# its measure is the time for copying the array once. `BLOCK` decides whether what a formula makes on its way
# comes back from the cache:

# %%
weight = Parameter(np.zeros((1000, 1000)))
weight.grad = from_numpy(np.random.default_rng(0).standard_normal((1000, 1000), dtype=np.float32))


def fastest(function, times=7):
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        spent.append(time.perf_counter() - start)
    return min(spent) * 1e3


room = np.empty_like(weight.data)
print(f"{'copying the array once':26} {fastest(lambda: np.copyto(room, weight.data)):6.2f} ms")
block = BLOCK
for name, optimizer in {
    "SGD": SGD([weight]),
    "SGD, momentum": SGD([weight], momentum=0.9),
    "Adam": Adam([weight]),
}.items():
    optimizer.step()
    kept = sum(np.size(value) * 4 for value in optimizer.state[0].values() if np.ndim(value))
    in_blocks = fastest(optimizer.step)
    BLOCK = weight.numel()
    at_once = fastest(optimizer.step)
    BLOCK = block
    print(f"{name:26} {in_blocks:6.2f} ms, not in blocks {at_once:6.2f} ms; keeps {kept / 1e6:.0f} MB")

# %% [markdown]
# ## How PyTorch does it
#
# By the same formulas: `torch/optim/sgd.py`, `adam.py` and `adamw.py`, function `_single_tensor_...`, read
# like what you wrote, and the state carries the same names (`momentum_buffer`, `exp_avg`, `exp_avg_sq`), so
# that a `state_dict` can be moved between the two. Because many small parameters mean many small calls,
# PyTorch can update all in one go (`foreach=True`, the default on a GPU), or do the whole formula in a single
# walk through memory (`fused=True`): what your blocks come near to.
