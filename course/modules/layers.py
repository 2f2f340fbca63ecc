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
        if isinstance(value, Parameter):
            self._parameters[name] = value
        elif isinstance(value, Module):
            self._modules[name] = value
        elif is_buffer:
            self._buffers[name] = value
        object.__setattr__(self, name, value)

    def __delattr__(self, name):
        object.__delattr__(self, name)
        for table in (self._parameters, self._buffers, self._modules):
            table.pop(name, None)

    def register_buffer(self, name, tensor):
        """Keep a tensor that is saved with the model but not trained."""
        self._buffers[name] = tensor
        object.__setattr__(self, name, tensor)

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


# %% [markdown] role="hint" exercise="layers-module"
# `module.named_modules()` already walks the whole tree, in the right order. For each module that it meets, go
# through `_parameters.items()`.

# %% [markdown] role="hint" exercise="layers-module"
# The path of a parameter is the module's path, a dot, and its name; for the module itself (path `""`) the
# name alone. Put the `id(...)` of each parameter that was yielded into a set, and pass over one that is in
# it.

# %% [markdown] role="hint" exercise="layers-module"
# `yield` stands in the inner loop: `yield path_of_the_parameter, parameter`, a pair. `set_training`: a loop
# over `module.modules()` that sets `.training`, and afterwards `return module` (so that `model.eval()` can go
# on).

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


def names_of(module):
    return [name for name, _ in named_parameters(module)]


pair, nest, outer = Pair(), Nest(), Module()
expect("names in an empty Module", names_of(outer), [], "Nothing was assigned, nothing is found.")
expect("names in Pair", names_of(pair), ["scale"], "Its own: the name alone.")
ours = all(found is pair.scale for _, found in named_parameters(pair))
expect("is the parameter pair.scale itself?", ours, True, "Pairs of (path, parameter).")
names = ["shift", "left.scale", "right.scale"]
expect("names in Nest", names_of(nest), names, "Its own first, then the children's, joined by dots.")
outer.nest = nest
names = ["nest.shift", "nest.left.scale", "nest.right.scale"]
expect("names in a module with Nest in it", names_of(outer), names, "However deep.")
nest.right.scale = nest.left.scale
rule = "One parameter, one name: where it is met first."
expect("names with a shared parameter", names_of(nest), ["shift", "left.scale"], rule)
returned = set_training(pair, False)
expect("pair.training after set_training(pair, False)", pair.training, False, "It sets `training`.")
expect("does it return the module?", returned is pair, True, "`return module`")
modes = [each.training for each in set_training(outer, False).modules()]
expect("the four modes after set_training(outer, False)", modes, [False] * 4, "All modules below, too.")
modes = [each.training for each in set_training(outer, True).modules()]
expect("and after set_training(outer, True)", modes, [True] * 4, "And back.")

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


# %% [markdown] role="hint" exercise="layers-linear"
# `rand` gives [0, 1). What do you do to it to get [-1, 1), and then [-bound, bound)? And remember that only a
# `Parameter` is trained.

# %% [markdown] role="hint" exercise="layers-linear"
# Times 2, minus 1, times `bound`; `Parameter(...)` around all of it. `Affine`: `weight` has one row for each
# output, and `x` one number for each input in its last dimension, so the weight must be turned: `.T`.

# %% [markdown] role="hint" exercise="layers-linear"
# `x @ weight.T` is a new array, and yours: `+=` may add the bias to it, but only if there is one. (`+=` on
# `x` or `weight` would change an input.)


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
x, weight, bias = Tensor([5.0]), Tensor([[2.0]]), Tensor([3.0])
expect("linear([5], weight [[2]])", linear(x, weight), np.array([10.0]), "5 * 2; no bias, nothing added.")
expect("linear([5], weight [[2]], bias [3])", linear(x, weight, bias), np.array([13.0]), "5 * 2 + 3")
weight, x, tried = Tensor([[1.0, 2], [3, 4]]), Tensor([1.0, 10]), "linear([1, 10], weight [[1, 2], [3, 4]])"
expect(tried, linear(x, weight), np.array([21.0, 43]), "Output i: row i of the weight times x.")
weight, bias = Tensor([[1.0, 0], [0, 1], [1, 1]]), Tensor([10.0, 20, 30])
y = linear(Tensor([[1.0, 2.0]]), weight, bias)
expect("linear([[1, 2]], weight (3, 2))", y, np.array([[11.0, 22, 33]]), "A batch of one, plus bias i.")
shape = linear(ones(4, 5, 2), weight, bias).shape
expect("its shape for x of (4, 5, 2)", shape, (4, 5, 3), "Only the last dimension changes.")
expect("the bias, afterwards", bias, np.array([10.0, 20, 30]), "An operation never changes its inputs.")

one = uniform_parameter(0.0, 1)
expect("uniform_parameter(0., 1)", one, np.zeros(1), "Between -0 and 0 there is only 0.")
expect("its type", type(one).__name__, "Parameter", "Only a Parameter is trained.")
expect("uniform_parameter(1., 3, 2).shape", uniform_parameter(1.0, 3, 2).shape, (3, 2), "The sizes as given.")
expect("Linear(2, 3).weight.shape", Linear(2, 3).weight.shape, (3, 2), "One row for each output: (out, in).")
numbers = Linear(25, 400).weight.numpy()
ends, rule = np.array([numbers.min(), numbers.max()]), "1 / sqrt(25), to both sides"
expect("smallest and largest weight of Linear(25, 400)", ends, np.array([-0.2, 0.2]), rule, atol=0.002)
expect("their mean", numbers.mean(), np.float32(0), "As many below 0 as above.", atol=0.01)

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
# And why random at all? A number that is neither too small nor too large would do as well, or not? Here 32
# neurons look at 64 samples, once with Linear's own start, once with the same number everywhere:

# %%
samples = randn(64, 100)
for name in ("random", "all equal"):
    layer = Linear(100, 32)
    if name == "all equal":
        layer.weight.numpy()[...] = 0.05
        layer.bias.numpy()[...] = 0.05
    answers = relu(layer(samples)).numpy()
    apart = np.ptp(answers, axis=1).max()
    print(f"{name:10} the answers of two of the neurons differ by {apart:.4f} at most")

# %% [markdown] role="question" id="layers-why-random" points=2
# ### Question: why random? (In your own words, 2 points, marked by a person.)
#
# You will soon train: each weight is then changed by two things only, what came in through it, and what its
# neuron's answer did to the result. Suppose all weights of a network start equal, within each layer. What do
# its 32 hidden neurons compute before the first such change, what after it, and what after a thousand? What
# is a layer of 32 worth then? And if the start is random: what does the *size* of the numbers decide, and why
# does the bound have `in_features` in it?
#
# ### BEGIN RUBRIC
# - 1 point: symmetry. All neurons of the layer get the same inputs and have the same weights, so they give
#   the same answer, and the next layer uses them with equal weights too. So both things that change a weight
#   are the same for all of them: they get the same change, and are equal again, after each step. 32 neurons
#   are worth one. Random numbers make them different from the start. Half a point for 'they compute the same'
#   without 'and so they are changed alike'.
# - 1 point: size. Each output is a sum of `in_features` terms, and the spread of such a sum grows with the
#   root of their number. Too small a factor and the signal (later the gradient) fades from layer to layer,
#   too large and it grows without bound, as the plot shows. A bound with 1 / sqrt(in_features) makes what
#   happens independent of the width (what is left is a constant: He's suits ReLU). Half a point without
#   `in_features`.
# ### END RUBRIC

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


# %% [markdown] role="hint" exercise="layers-flatten"
# The result has three parts: the sizes before `start_dim` as they are, one product, and the sizes after
# `end_dim` as they are.

# %% [markdown] role="hint" exercise="layers-flatten"
# Make both dimensions positive first: `start_dim % len(shape)` turns -1 into the last one. A slice ends
# *before* its second number, so 'both included' needs a `+ 1`. `math.prod` multiplies.

# %% [markdown] role="hint" exercise="layers-flatten"
# `(*before, product, *after)` puts a tuple together; `before` and `after` are slices of the shape, `product`
# is `math.prod` of the slice between them.


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
for given, wanted, rule in [
    (((2, 3),), (2, 3), "All but the batch: one dimension stays one."),
    (((2, 3, 4),), (2, 12), "All but the batch: 3 * 4."),
    (((3, 4), 0), (12,), "From dimension 0 on: all."),
    (((2, 3, 4), 0, 1), (6, 4), "0 to 1, both included: 2 * 3."),
    (((2, 3, 4), 1, 1), (2, 3, 4), "1 to 1: nothing changes."),
    (((2, 3, 4), -2, -1), (2, 12), "-2 is the last but one."),
    (((2, 3, 4, 5), 1, 2), (2, 12, 5), "1 to 2, both included: 3 * 4."),
    (((0, 3, 4),), (0, 12), "An empty batch keeps its features."),
]:
    expect(f"flattened_shape({', '.join(map(str, given))})", flattened_shape(*given), wanted, rule)
images = Tensor(np.arange(8).reshape(2, 2, 2))
rule = "One row for each image, in the same order."
expect("Flatten()(2 images)", Flatten()(images), np.arange(8.0).reshape(2, 4), rule)

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


# %% [markdown] role="hint" exercise="layers-dropout"
# Settle the edges first, one `if` each: a `p` that is no probability, not training or `p = 0`, `p = 1`. Each
# returns or raises, so what follows need not think of them.

# %% [markdown] role="hint" exercise="layers-dropout"
# `rand(*x.shape).numpy() >= p` is True where an element stays. Divided by `1 - p` it is the factor for each
# element: 0, or 1 / (1 - p).

# %% [markdown] role="hint" exercise="layers-dropout"
# The factors are an array of numpy; make a tensor of them (`from_numpy`) and multiply `x` by it, so that a
# tape can watch. For `p = 1` multiply `x` by 0.


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
x = Tensor([1.0, 2.0])
expect("dropout([1, 2], training=False)", dropout(x, training=False), np.array([1.0, 2]), "Nothing happens.")
expect("dropout([1, 2], p=0)", dropout(x, p=0.0), np.array([1.0, 2]), "With p = 0 nothing is dropped.")
expect("dropout([1, 2], p=1)", dropout(x, p=1.0), np.zeros(2), "p = 1 drops everything: 0, not nan.")
for p, training in [(1.5, True), (-0.5, True), (1.5, False)]:
    tried = f"dropout(x, p={p}, training={training})"
    expect_error(tried, ValueError, lambda p=p, t=training: dropout(x, p, t), "p is a probability, always.")
expect("Dropout(0.9).eval()([1, 2])", Dropout(0.9).eval()(x), np.array([1.0, 2]), "eval() switches it off.")
x = ones(100, 100)
dropped = dropout(x, p=0.25).numpy()
rule = "Either 0, or divided by 1 - p: 1 / 0.75."
expect("the values of dropout(ones, p=0.25)", np.unique(dropped), np.array([0, 4 / 3]), rule)
share = (dropped == 0).mean()
expect("the share of zeros", share, np.float64(0.25), "Each with probability p: about 25%.", atol=0.03)
every = bool((dropped == 0).any(axis=0).all() and (dropped == 0).any(axis=1).all())
expect("is something dropped in every row and column?", every, True, "Each element on its own.")
again = bool((dropout(x, p=0.25).numpy() != dropped).any())
expect("does a second call drop others?", again, True, "Chosen anew each time.")
expect("x, afterwards", x, np.ones((100, 100)), "An operation never changes its input.")

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


# %% [markdown] role="hint" exercise="layers-sequential"
# A loop over the modules. What does the second one get?

# %% [markdown] role="hint" exercise="layers-sequential"
# In each step the module is called with `x`, and its result becomes the new `x`. After the loop (not in it)
# `x` is returned.


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
def double(x):
    return x * 2


def plus(x):
    return x + 3


expect("chain([], 5)", chain([], 5), np.array(5), "No modules: x itself.")
expect("chain([double], 5)", chain([double], 5), np.array(10), "5 * 2")
expect("chain([double, plus], 5)", chain([double, plus], 5), np.array(13), "5 * 2 = 10, then 10 + 3.")
expect("chain([plus, double], 5)", chain([plus, double], 5), np.array(16), "The order counts: (5 + 3) * 2.")
expect("chain([plus, plus, double], 5)", chain([plus, plus, double], 5), np.array(22), "(5 + 3 + 3) * 2")
model, x = Sequential(Linear(2, 3), ReLU(), Linear(3, 1)), Tensor([[1.0, -2.0]])
by_hand = linear(relu(linear(x, model[0].weight, model[0].bias)), model[2].weight, model[2].bias)
expect("Sequential(Linear, ReLU, Linear)(x)", model(x), by_hand.numpy(), "One after the other.")

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


# %% [markdown] role="hint" exercise="layers-state"
# `state_dict` is nearly your `named_parameters`: the same walk, but with the buffers after the parameters of
# each module, and without the set of those seen.

# %% [markdown] role="hint" exercise="layers-state"
# `load_state_dict` has two parts: first look at everything, then change. Compare `state_dict(module).keys()`
# with `state.keys()`: two differences of sets (`-`), missing and unexpected. Then the shape of each name that
# is in both.

# %% [markdown] role="hint" exercise="layers-state"
# Collect the new arrays (`np.asarray`) in a dict while you check them. Only in a second loop write each into
# its tensor, with `tensor.data[...] = array`. `detach()` shares its numbers with the parameter, so what
# `state_dict(module)` gave you is the place to write to.


# %% role="check" id="check-layers-state" exercise="layers-state" points=4
def built():
    """A module with a parameter and a buffer of its own, and a layer below."""
    module = Module()
    module.register_buffer("mean", Tensor([5.0, 6.0]))
    module.scale = Parameter([[1.0, 2.0], [3.0, 4.0]])
    module.layer = Linear(1, 1)
    return module


expect("names of Linear(1, 1)", list(state_dict(Linear(1, 1))), ["weight", "bias"], "Each under its name.")
expect("names of ReLU()", list(state_dict(ReLU())), [], "It has nothing to keep.")
model, other = built(), built()
state = state_dict(model)
names = ["scale", "mean", "layer.weight", "layer.bias"]
expect("names with a buffer and a layer", list(state), names, "Parameters, then buffers, then what is below.")
expect("scale in the state", state["scale"], np.array([[1.0, 2], [3, 4]]), "Its numbers.")
expect("mean in the state", state["mean"], np.array([5.0, 6]), "Its numbers.")
expect("does its scale require a gradient?", state["scale"].requires_grad, False, "Detached.")

held = other.scale.numpy()
new = {"scale": Tensor([[9.0, 8], [7, 6]]), "mean": np.array([4.0, 3])}
new |= {"layer.weight": np.array([[2.0]]), "layer.bias": Tensor([1.0])}
load_state_dict(other, new)
expect("scale, after loading", other.scale, np.array([[9.0, 8], [7, 6]]), "The new numbers.")
expect("mean, after loading", other.mean, np.array([4.0, 3]), "Buffers, too.")
expect("layer(5), after loading", other.layer(Tensor([5.0])), np.array([11.0]), "5 * 2 + 1")
expect("the same array as before?", other.scale.numpy() is held, True, "Fill it in place: array[...] = new.")
new["scale"].data[...] = 0
expect(
    "scale, after the state was changed", other.scale.numpy()[0, 0], np.float32(9), "A copy of the numbers."
)

for tried, change in [
    ("a name is missing", lambda state: state.pop("layer.bias")),
    ("a name is unexpected", lambda state: state.update(more=np.zeros(1))),
]:
    wrong = {**new, "scale": np.zeros((2, 2))}
    change(wrong)
    expect_error(tried, KeyError, lambda w=wrong: load_state_dict(other, w), "strict: exactly these names.")
for tried, name, shape in [
    ("mean of shape (1,) for (2,)", "mean", (1,)),
    ("mean of shape (1, 2) for (2,)", "mean", (1, 2)),
    ("layer.bias of shape (2,) for (1,)", "layer.bias", (2,)),
]:
    wrong, rule = {**new, name: np.zeros(shape)}, "Shapes must be equal, even if they would broadcast."
    expect_error(tried, ValueError, lambda w=wrong: load_state_dict(other, w), rule)
    expect_error(f"{tried}, strict=False", ValueError, lambda w=wrong: load_state_dict(other, w, False), rule)
rule = "Nothing is changed before everything is checked."
expect("scale, after all that was refused", other.scale.numpy()[0, 0], np.float32(9), rule)
load_state_dict(other, {"layer.bias": np.array([7.0]), "more": np.zeros(1)}, strict=False)
expect("layer.bias after strict=False", other.layer.bias, np.array([7.0]), "strict=False takes what fits.")
expect("scale after strict=False", other.scale.numpy()[0, 0], np.float32(9), "The others stay as they are.")

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
# three dicts of these very names. (There they are nowhere else, and `__getattr__` finds them again; yours are
# also ordinary attributes, which is faster.) `Linear.weight` is `(out, in)` there too, so a `state_dict` of
# yours loads into a PyTorch model and back. What it has in addition: hooks, devices, dtypes, and some hundred
# more layers.
