# %% [markdown]
# # Layers
#
# A *layer* keeps its numbers and the computation that uses them in one object. Put together, layers are again
# a layer. You will build what is under every PyTorch model: `Module`, `Parameter`, `Linear`, `Dropout`,
# `Flatten`, `Sequential`, and how a model is saved and loaded.

# %% [markdown]
# ## Parameter and Module
#
# A `Parameter` is a tensor that is meant to be trained. A `Module` is anything made of parameters and of
# other modules. The trick that makes PyTorch's models so short to write: **whatever you assign to a module's
# attribute is noted down**:
#
#     self.weight = Parameter(...)      noted in self._parameters under "weight"
#     self.hidden = Linear(64, 32)      noted in self._modules under "hidden"
#
# So the module can later list everything below it. Read the given class; its longer methods are functions
# that you write below.

# %% role="given" id="layers-header"
"""Layers: parameters, the modules that hold them, and how modules are put together."""

import math

import numpy as np

from tinytorch.activations import gelu, log_softmax, relu, sigmoid, softmax, tanh
from tinytorch.tensor import Op, Tensor, apply, from_numpy, ones, rand


class Parameter(Tensor):
    """A tensor that is trained; a module notes down each one that is assigned to it."""

    __slots__ = ()

    def __init__(self, data, requires_grad=True):
        super().__init__(data, requires_grad=requires_grad)

    def __repr__(self):
        return f"Parameter containing:\n{super().__repr__()}"


class Module:
    """The base of all layers. A subclass calls super().__init__(), assigns its parts, and writes forward."""

    def __init__(self):
        for name in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, name, {})
        self.training = True

    def forward(self, *inputs):
        raise NotImplementedError(f"{type(self).__name__} has no forward.")

    def __call__(self, *inputs):
        return self.forward(*inputs)

    def __setattr__(self, name, value):
        if "_modules" not in self.__dict__:
            raise AttributeError(
                f"Call super().__init__() before you assign '{name}' to a {type(self).__name__}."
            )
        is_buffer = name in self._buffers and isinstance(value, Tensor) and not isinstance(value, Parameter)
        for table in (self._parameters, self._buffers, self._modules):
            table.pop(name, None)
        self.__dict__.pop(name, None)
        if isinstance(value, Parameter):
            self._parameters[name] = value
        elif isinstance(value, Module):
            self._modules[name] = value
        elif is_buffer:
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name):  # called only if the usual way finds nothing
        for table in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(table, {}):
                return self.__dict__[table][name]
        raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'.")

    def __delattr__(self, name):
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                return
        object.__delattr__(self, name)

    def register_buffer(self, name, tensor):
        """Keep a tensor that is saved with the model but not trained."""
        self._buffers[name] = tensor

    def children(self):
        """The modules directly below this one."""
        return iter(self._modules.values())

    def named_modules(self, prefix=""):
        """This module (under the name prefix) and all below it, each with its path: 'hidden.0'."""
        yield prefix, self
        for name, child in self._modules.items():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self):
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_parameters(self):
        return named_parameters(self)

    def parameters(self):
        return (parameter for _, parameter in self.named_parameters())

    def train(self, mode=True):
        return set_training(self, mode)

    def eval(self):
        return self.train(False)

    def zero_grad(self):
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self):
        return state_dict(self)

    def load_state_dict(self, state, strict=True):
        load_state_dict(self, state, strict)

    def extra_repr(self):
        return ""

    def __repr__(self):
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self._modules.items()]
        inside = "".join(f"\n  {line}" for line in lines) + "\n" if lines else self.extra_repr()
        return f"{type(self).__name__}({inside})"


# %% [markdown]
# ### Exercise: `named_parameters` and `set_training`
#
# - `named_parameters(module)` yields (with `yield`) pairs `(path, parameter)` of the module and all below it:
#   first its own, then those of its children, in the order in which they were assigned. The path joins the
#   names with dots: `hidden.weight`. `module.named_modules()` gives every module with its path (the module
#   itself has the path `""`); `module._parameters` is a dict. A parameter that occurs twice (*shared*
#   weights) is yielded only once, where it is met first. Compare with `is`, or by `id(...)`: `==` on tensors
#   compares elements.
# - `set_training(module, mode)` sets `training` to `mode` on the module and all below it, and returns the
#   module.


# %% role="exercise" id="layers-module"
def named_parameters(module):
    """Yield (path, parameter) for each parameter of a module and of all below it, each parameter once."""
    ### BEGIN SOLUTION
    seen = set()
    for path, owner in module.named_modules():
        for name, parameter in owner._parameters.items():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield (f"{path}.{name}" if path else name), parameter
    ### END SOLUTION


def set_training(module, mode=True):
    """Set the mode (training or not) of a module and of all below it; returns the module."""
    ### BEGIN SOLUTION
    for each in module.modules():
        each.training = mode
    return module
    ### END SOLUTION


# %% role="check" id="check-layers-module" exercise="layers-module" points=3
from tinytorch.checking import expect, expect_error


class Pair(Module):
    def __init__(self):
        super().__init__()
        self.scale = Parameter([2.0])


class Nest(Module):
    def __init__(self):
        super().__init__()
        self.left = Pair()
        self.shift = Parameter([1.0, 1.0])
        self.right = Pair()
        self.note = "no parameter"


nest = Nest()
names = [name for name, _ in nest.named_parameters()]
expect(
    "names in Nest",
    names,
    ["shift", "left.scale", "right.scale"],
    "Its own first, then the children's, joined by dots.",
)
nest.right.scale = nest.left.scale
names = [name for name, _ in nest.named_parameters()]
expect(
    "names with a shared parameter",
    names,
    ["shift", "left.scale"],
    "One parameter, one name: where it is met first.",
)
expect(
    "modes after eval()",
    [m.training for m in nest.eval().modules()],
    [False] * 3,
    "All modules below change their mode too.",
)
expect("modes after train()", [m.training for m in nest.train().modules()], [True] * 3, "And back.")

# %% [markdown]
# ## Linear
#
# The layer that does most of the work: $y = x W^\top + b$. `W` has shape `(out_features, in_features)`: **one
# row is one neuron**, the weights with which it looks at the inputs. That is PyTorch's layout, so weights can
# move between yours and theirs.
#
# How should it start? You saw: too small a factor and the signal dies, too large and it explodes. He et al.
# (*Delving Deep into Rectifiers*, 2015, arXiv:1502.01852) computed what keeps the spread. `torch.nn.Linear`
# (`torch/nn/modules/linear.py`, `reset_parameters`) calls `kaiming_uniform_(weight, a=sqrt(5))`, and with
# that `a` the bound comes out as simply as this: weight **and** bias are uniform in
#
# $$ \left[-\frac{1}{\sqrt{\text{in\_features}}},\; \frac{1}{\sqrt{\text{in\_features}}}\right). $$
#
# ### Exercise: `uniform_parameter` and `Affine.forward`
#
# - `uniform_parameter(bound, *size)`: a `Parameter` of that size, uniform in [-bound, bound). `rand(*size)`
#   is uniform in [0, 1).
# - `Affine.forward(x, weight)` or `(x, weight, bias)`, on arrays: $x W^\top + b$. `x` may have any number of
#   dimensions; the last one is in_features. There may be no bias.
#
# Why one operation and not `x @ w.T + b`? With its own name it gets its own derivative, which you will derive
# by hand in the next module. And it can add the bias in place, into the array that it has just made: one
# array less.


# %% role="exercise" id="layers-linear"
def uniform_parameter(bound, *size):
    """A parameter of random numbers, uniform in [-bound, bound)."""
    ### BEGIN SOLUTION
    return Parameter((rand(*size) * 2 - 1) * bound)
    ### END SOLUTION


class Affine(Op):
    """x @ weight.T + bias, with weight of shape (out, in)."""

    def forward(self, x, weight, bias=None):
        ### BEGIN SOLUTION
        result = x @ weight.T
        if bias is not None:
            result += bias
        return result
        ### END SOLUTION


# %% role="given" id="layers-linear-class"
def linear(x, weight, bias=None):
    """x @ weight.T + bias"""
    return apply(Affine(), x, weight) if bias is None else apply(Affine(), x, weight, bias)


class Linear(Module):
    """y = x @ weight.T + bias. The weight has shape (out_features, in_features), as in PyTorch."""

    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(in_features)
        self.weight = uniform_parameter(bound, out_features, in_features)
        self.bias = uniform_parameter(bound, out_features) if bias else None

    def forward(self, x):
        return linear(x, self.weight, self.bias)

    def extra_repr(self):
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )


# %% role="check" id="check-layers-linear" exercise="layers-linear" points=4
layer = Linear(2, 3)
expect("Linear(2, 3).weight", layer.weight.shape, (3, 2), "One row for each output: (out, in).")
expect("type of its weight", type(layer.weight).__name__, "Parameter", "Only a Parameter is trained.")
layer.weight, layer.bias = Parameter([[1.0, 0], [0, 1], [1, 1]]), Parameter([10.0, 20, 30])
expect(
    "linear([[1, 2]])",
    layer(Tensor([[1.0, 2.0]])),
    np.array([[11.0, 22, 33]]),
    "Row i of the weight times x, plus bias i.",
)
expect(
    "a batch of batches",
    layer(Tensor(np.ones((4, 5, 2)))).shape,
    (4, 5, 3),
    "Only the last dimension changes.",
)
expect(
    "without bias", linear(Tensor([1.0, 2.0]), layer.weight), np.array([1.0, 2, 3]), "No bias, nothing added."
)
numbers = Linear(25, 400).weight.numpy()
ends = np.array([numbers.min(), numbers.max()])
expect(
    "smallest and largest weight of Linear(25, 400)", ends, np.array([-0.2, 0.2]), "1 / sqrt(25)", atol=0.01
)

# %% [markdown]
# The experiment from the beginning again, now with layers that know how to start, for 10 inputs as for
# 10,000. PyTorch's bound still loses a little more than half of the spread at each ReLU (it is kept so that
# old models can be repeated; over a few layers it does no harm). He's own, $\sqrt{6/\text{in}}$, is made for
# ReLU and keeps it over any depth:

# %%
import matplotlib.pyplot as plt
from tinytorch import randn


def scaled(factor):
    return lambda: randn(100, 100) * factor


def started(factor):
    return lambda: Linear(100, 100, bias=False).weight * factor


starts = {f"factor {factor}": scaled(factor) for factor in (0.02, 0.1, 0.5)}
starts |= {"Linear's own start": started(1.0), "He's bound for ReLU": started(math.sqrt(6))}

plt.figure(figsize=(7, 3.5))
for (name, weights), style in zip(starts.items(), ("o:", "s:", "^:", "o-", "s-"), strict=True):
    x, spreads = randn(64, 100), []
    for _ in range(20):
        x = relu(linear(x, weights()))
        spreads.append(float(x.numpy().std()))
    plt.semilogy(range(1, 21), spreads, style, markersize=4, label=name)
plt.xticks(range(0, 21, 5))
plt.xlabel("layer")
plt.ylabel("spread of the signal")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ## Activations as layers, and Flatten
#
# Your activations are functions. To stand in a list of layers they need the dress of a `Module`; that is
# given. `Flatten` is yours: images come as `(batch, height, width)`, but `Linear` wants `(batch, features)`.
#
# ### Exercise: `flattened_shape`
#
# `flattened_shape(shape, start_dim, end_dim)`: the shape with the dimensions from `start_dim` to `end_dim`
# (**both** included; negative counts from the end) multiplied into one. `flattened_shape((2, 3, 4, 5), 1,
# -1)` is `(2, 60)`.


# %% role="exercise" id="layers-flatten"
def flattened_shape(shape, start_dim=1, end_dim=-1):
    """The shape with the dimensions start_dim to end_dim, both included, made into one."""
    ### BEGIN SOLUTION
    start, end = start_dim % len(shape), end_dim % len(shape)
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
    ### END SOLUTION


# %% role="given" id="layers-shapes"
class Flatten(Module):
    """All dimensions but the first made into one: (batch, height, width) -> (batch, height * width)."""

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x):
        return x.reshape(flattened_shape(x.shape, self.start_dim, self.end_dim))


class ReLU(Module):
    """max(x, 0)"""

    def forward(self, x):
        return relu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))"""

    def forward(self, x):
        return sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent"""

    def forward(self, x):
        return tanh(x)


class GELU(Module):
    """x times the probability that a normal random number is smaller than x"""

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, x):
        return gelu(x, self.approximate)


class Softmax(Module):
    """exp(x) / sum(exp(x)) along dim"""

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return softmax(x, self.dim)


class LogSoftmax(Module):
    """log(softmax(x)) along dim"""

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return log_softmax(x, self.dim)


# %% role="check" id="check-layers-flatten" exercise="layers-flatten" points=2
expect(
    "flattened_shape((2, 3, 4, 5))", flattened_shape((2, 3, 4, 5)), (2, 60), "All but the batch: 3 * 4 * 5."
)
expect(
    "flattened_shape((2, 3, 4, 5), 0, 1)",
    flattened_shape((2, 3, 4, 5), 0, 1),
    (6, 4, 5),
    "0 to 1, both included: 2 * 3.",
)
expect(
    "flattened_shape((2, 3, 4), -2, -1)",
    flattened_shape((2, 3, 4), -2, -1),
    (2, 12),
    "-2 is the last but one.",
)
expect(
    "flattened_shape((0, 3, 4))", flattened_shape((0, 3, 4)), (0, 12), "An empty batch keeps its features."
)
images = Tensor(np.arange(8).reshape(2, 2, 2))
expect(
    "Flatten()(2 images)",
    Flatten()(images),
    np.arange(8.0).reshape(2, 4),
    "One row for each image, in the same order.",
)

# %% [markdown]
# ## Dropout
#
# While training, switch each element off with probability `p`, anew for each call. No neuron can then rely on
# a single other one, which works against learning by heart (Srivastava et al., 2014). So that the next layer
# gets the same amount **on average**, those that stay are divided by `1 - p`. When the model is used
# (`eval`), nothing happens at all.
#
# ### Exercise: `dropout`
#
# `rand(*x.shape)` gives a number in [0, 1) for each element; it is below `p` with probability `p`. Compare,
# and multiply. Two edges: not training (or `p = 0`) returns `x` itself; `p = 1` gives zeros, not `0 / 0`. A
# `p` outside [0, 1] raises `ValueError`.


# %% role="exercise" id="layers-dropout"
def dropout(x, p=0.5, training=True):
    """x with each element 0 with probability p, the others divided by 1 - p; x itself if not training."""
    ### BEGIN SOLUTION
    if not 0 <= p <= 1:
        raise ValueError(f"p is a probability, between 0 and 1; it is {p}.")
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0
    kept = rand(*x.shape).numpy() >= p
    return x * from_numpy(kept / np.float32(1 - p))
    ### END SOLUTION


# %% role="given" id="layers-dropout-class"
class Dropout(Module):
    """While training, each element is 0 with probability p; the others are divided by 1 - p."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        return dropout(x, self.p, self.training)

    def extra_repr(self):
        return f"p={self.p}"


# %% role="check" id="check-layers-dropout" exercise="layers-dropout" points=3
x = ones(10_000)
dropped = dropout(x, p=0.25).numpy()
expect(
    "the values of dropout(ones, p=0.25)",
    np.unique(dropped),
    np.array([0, 4 / 3]),
    "Either 0 or 1 / (1 - p).",
)
assert abs((dropped == 0).mean() - 0.25) < 0.03, (
    f"{(dropped == 0).mean():.1%} of the elements are 0; expected about 25%: p."
)
assert (dropout(x, p=0.25).numpy() != dropped).any(), (
    "Two calls dropped the same elements; expected: chosen anew each time."
)
expect(
    "dropout(x, training=False)",
    dropout(x, training=False),
    np.ones(10_000),
    "When not training, nothing happens.",
)
expect("dropout(x, p=1)", dropout(x, p=1.0), np.zeros(10_000), "p = 1 drops everything: 0, not nan.")
expect("Dropout in eval()", Dropout(0.9).eval()(x), np.ones(10_000), "eval() switches it off.")
expect_error("dropout(x, p=1.5)", ValueError, lambda: dropout(x, p=1.5), "p is a probability.")

# %% [markdown]
# ## Sequential
#
# Layers in a row: the output of one is the input of the next.
#
# ### Exercise: `chain`
#
# `chain(modules, x)`: give `x` to the first module, its result to the second, and so on; return the last
# result. Without modules it is `x`.


# %% role="exercise" id="layers-sequential"
def chain(modules, x):
    """The result of giving x to the first module, its result to the second, and so on."""
    ### BEGIN SOLUTION
    for module in modules:
        x = module(x)
    return x
    ### END SOLUTION


# %% role="given" id="layers-sequential-class"
class Sequential(Module):
    """Modules in a row, named '0', '1', ... as in PyTorch."""

    def __init__(self, *modules):
        super().__init__()
        for number, module in enumerate(modules):
            setattr(self, str(number), module)

    def forward(self, x):
        return chain(self.children(), x)

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return self.children()

    def __getitem__(self, index):
        chosen = list(self.children())[index]
        return Sequential(*chosen) if isinstance(index, slice) else chosen


# %% role="check" id="check-layers-sequential" exercise="layers-sequential" points=2
double, plus = Linear(1, 1), Linear(1, 1)
double.weight, double.bias = Parameter([[2.0]]), Parameter([0.0])
plus.weight, plus.bias = Parameter([[1.0]]), Parameter([3.0])
expect(
    "double, then plus 3, of [5]",
    Sequential(double, plus)(Tensor([5.0])),
    np.array([13.0]),
    "5 * 2 = 10, then 10 + 3.",
)
expect(
    "plus 3, then double, of [5]",
    Sequential(plus, double)(Tensor([5.0])),
    np.array([16.0]),
    "The order counts: (5 + 3) * 2.",
)
expect("Sequential()(x)", Sequential()(Tensor([5.0])), np.array([5.0]), "No layers: nothing happens.")

# %% [markdown]
# ## Saving and loading
#
# A trained model is its numbers and their names. `state_dict()` gives them: each parameter, and each
# *buffer*, a tensor that is kept but not trained (say, the mean of the training data), under its path.
# `load_state_dict` puts them back, into a model built in the same way.
#
# ### Exercise: `state_dict` and `load_state_dict`
#
# - `state_dict(module)`: a dict from path to a **detached** tensor (`tensor.detach()`), for every module:
#   first its `_parameters`, then its `_buffers`. Here a shared parameter appears under *each* of its names.
# - `load_state_dict(module, state, strict)`: names that are missing or unexpected raise a `KeyError` that
#   says which (with `strict=False` they are passed over); another shape raises a `ValueError`, always.
#   Nothing is changed before everything is checked. Then copy the numbers **into** the existing arrays:
#   `array[...] = new`. Do not replace the arrays: an optimizer will hold on to them. A value may be a tensor
#   or an array (`np.asarray` takes both).


# %% role="exercise" id="layers-state"
def state_dict(module):
    """Every parameter and buffer of a module and of all below it, detached, under its path."""
    ### BEGIN SOLUTION
    state = {}
    for path, owner in module.named_modules():
        for name, tensor in [*owner._parameters.items(), *owner._buffers.items()]:
            state[f"{path}.{name}" if path else name] = tensor.detach()
    return state
    ### END SOLUTION


def load_state_dict(module, state, strict=True):
    """Copy the numbers of a state_dict into a module's own parameters and buffers."""
    ### BEGIN SOLUTION
    own = state_dict(module)
    missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if strict and (missing or unexpected):
        raise KeyError(f"The state does not fit the model: missing {missing}, unexpected {unexpected}.")
    new = {name: np.asarray(state[name]) for name in own if name in state}
    for name, array in new.items():
        if array.shape != own[name].shape:
            raise ValueError(
                f"'{name}' has shape {own[name].shape} in the model, but {array.shape} in the state."
            )
    for name, array in new.items():
        own[name].data[...] = array
    ### END SOLUTION


# %% role="check" id="check-layers-state" exercise="layers-state" points=4
model, other = Sequential(Linear(3, 2), ReLU(), Linear(2, 1)), Sequential(Linear(3, 2), ReLU(), Linear(2, 1))
names = list(model.state_dict())
expect(
    "names of the state",
    names,
    ["0.weight", "0.bias", "2.weight", "2.bias"],
    "Path and name; a layer without parameters has none.",
)
held, before = other[0].weight, other[0].weight.numpy()
other.load_state_dict(model.state_dict())
x = Tensor(np.arange(6.0).reshape(2, 3))
expect(
    "the other model's output, after loading",
    other(x),
    model(x).numpy(),
    "The same numbers, the same output.",
)
in_place = held is other[0].weight and before is held.numpy()
assert in_place, "The array was replaced; expected: filled in place, with array[...] = new."
model[0].weight.numpy()[...] = 0
assert other[0].weight.numpy().any(), (
    "The two models share their memory now; expected: a copy of the numbers."
)
expect_error(
    "a name is missing", KeyError, lambda: other.load_state_dict({}), "strict: every name must be there."
)
wrong = {**model.state_dict(), "0.weight": np.zeros((2, 2))}
expect_error(
    "another shape",
    ValueError,
    lambda: other.load_state_dict(wrong),
    "Shapes must be equal, even if they would broadcast.",
)
other.load_state_dict({"2.bias": np.array([7.0]), "more": np.zeros(1)}, strict=False)
expect("2.bias after strict=False", other[2].bias, np.array([7.0]), "strict=False takes what fits.")

# %% [markdown]
# A trap that PyTorch has too: `state_dict()` does not copy. It shows the very numbers that go on being
# trained. Who wants to keep the best model must copy them:

# %%
model = Sequential(Linear(2, 2))
best = model.state_dict()
kept = {name: tensor.numpy().copy() for name, tensor in best.items()}
model[0].bias.numpy()[...] = 99
print("shown :", best["0.bias"].numpy(), "\ncopied:", kept["0.bias"])

# %% [markdown]
# ## What it costs
#
# `Linear(in, out)` keeps `in * out + out` numbers and does `2 * in * out` operations for each sample. For a
# classic on MNIST:

# %%
model = Sequential(Flatten(), Linear(784, 128), ReLU(), Dropout(0.2), Linear(128, 10))
print(model)
for name, parameter in model.named_parameters():
    print(f"{name:10} {parameter.shape!s:11} {parameter.numel():>7,} numbers")
total = sum(parameter.numel() for parameter in model.parameters())
print(
    f"{total:,} numbers, {4 * total / 1e6:.2f} MB; "
    "to train it with Adam takes four times that: the gradient and two averages"
)
print(f"one image: {2 * (784 * 128 + 128 * 10):,} operations")

# %% [markdown]
# ## How PyTorch does it
#
# `torch.nn.Module` works by the same trick, in Python: `__setattr__` notes parameters, buffers and modules in
# three dicts of these very names, `__getattr__` finds them again. `Linear.weight` is `(out, in)` there too,
# so a `state_dict` of yours loads into a PyTorch model and back. What it has in addition: hooks, devices,
# dtypes, and some hundred more layers.
