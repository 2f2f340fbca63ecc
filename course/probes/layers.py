"""Probes of the module layers."""

import itertools
import math

import numpy as np

from course.probing import not_kaiming, probe, raises, seen


def _letters(names):
    """Texts as numbers, because only numbers can be compared."""
    return np.frombuffer("|".join(names).encode() or b" ", dtype=np.uint8)


def _tree(rng):
    """Three levels of modules with parameters of known numbers and random names; needs no exercise."""
    from tinytorch.nn import Module, Parameter

    class Branch(Module):
        pass

    names = [f"{letter}{int(rng.integers(10))}" for letter in "xbma"]
    root, middle, leaf, other = Branch(), Branch(), Branch(), Branch()
    setattr(root, names[0], middle)
    setattr(root, names[1], Parameter(rng.normal(size=(2, 2))))
    setattr(middle, names[2], leaf)
    middle.own = Parameter(rng.normal(size=3))
    leaf.deep = Parameter(rng.normal(size=(1, 4)))
    leaf.first = Parameter(rng.normal(size=2))
    setattr(root, names[3], other)
    other.last = Parameter(rng.normal(size=2))
    return root, middle, leaf, other


# Module


@probe("check-layers-module")
def names_parameters_of_a_tree(rng):
    """Names and order of the parameters in three levels of modules."""
    root, *_ = _tree(rng)
    found = list(root.named_parameters())
    return {
        "names": _letters(name for name, _ in found),
        "numbers": np.concatenate([parameter.numpy().ravel() for _, parameter in found]),
        "count": len(list(root.parameters())),
    }


@probe("check-layers-module")
def names_shared_parameters_once(rng):
    """A parameter, and a whole module, in two places; and two parameters that are equal but not the same."""
    from tinytorch.nn import Parameter

    root, _, leaf, other = _tree(rng)
    other.shared = leaf.deep
    other.module = leaf
    other.equal = Parameter(leaf.deep.numpy())
    return _letters(name for name, _ in root.named_parameters())


@probe("check-layers-module")
def sets_the_mode_everywhere(rng):
    """train() and eval() on a tree and on a part of it."""
    root, middle, leaf, other = _tree(rng)
    everything = (root, middle, leaf, other)
    modes = []
    for change in (root.eval, middle.train, root.train, other.eval, lambda: root.train(False)):
        returned = change()
        modes.append([returned is not None, *(bool(each.training) for each in everything)])
    return {"modes": np.array(modes), "returns_itself": root.train() is root}


# Linear


def _is_kaiming(rng, out):
    return not_kaiming(out, {"weight": int(rng.integers(16, 60)), "bias": 4}, "in_features")


@probe("check-layers-linear", judge=_is_kaiming)
def linear_starts_as_kaiming(rng):
    """How the numbers of a new Linear are spread."""
    from tinytorch.nn import Linear, Parameter

    features = int(rng.integers(16, 60))
    first, second, biased = Linear(features, 300), Linear(features, 300), Linear(4, 5000)
    tensors = (first.weight, first.bias, biased.bias)
    return {
        "weight": first.weight.numpy(),
        "bias": biased.bias.numpy(),
        "are_parameters": all(
            isinstance(t, Parameter) and t.requires_grad and t.dtype == np.float32 for t in tensors
        ),
        "differ": bool((first.weight.numpy() != second.weight.numpy()).any()),
    }


@probe("check-layers-linear")
def linear_has_pytorchs_layout(rng):
    """Shapes of weight and bias, with and without bias."""
    from tinytorch.layers import uniform_parameter
    from tinytorch.nn import Linear

    i, o = (int(n) for n in rng.permutation([3, 4, 5, 6])[:2])
    layer, bare = Linear(i, o), Linear(i, o, bias=False)
    return {
        "weight": layer.weight.shape,
        "bias": layer.bias.shape,
        "bare": [bare.bias is None, len(bare._parameters) == 1],
        "zero_bound": np.abs(uniform_parameter(0.0, 2, i).numpy()),
    }


@probe("check-layers-linear", rtol=1e-4, atol=1e-5)
def linear_computes(rng):
    """Linear with given numbers, on one sample, a batch, a batch of batches and an empty batch."""
    from tinytorch import Tensor
    from tinytorch.nn.functional import linear

    weight, bias = Tensor(rng.normal(size=(5, 3))), Tensor(rng.normal(size=5))
    shapes = {"one": (3,), "batch": (4, 3), "more": (2, 4, 3), "empty": (0, 3)}
    x = {name: Tensor(rng.normal(size=shape)) for name, shape in shapes.items()}
    biased = {name: linear(each, weight, bias) for name, each in x.items()}
    return seen(
        **biased, bare=linear(x["batch"], weight), weight_after=weight, bias_after=bias, x_after=x["batch"]
    )


@probe("check-layers-linear", rtol=1e-4, atol=1e-5)
def square_linear_computes(rng):
    """As many outputs as inputs, where a missing transpose raises no error; as a layer."""
    from tinytorch import Tensor
    from tinytorch.nn import Linear, Parameter

    n = int(rng.integers(3, 6))
    layer = Linear(n, n)
    layer.weight, layer.bias = Parameter(rng.normal(size=(n, n))), Parameter(rng.normal(size=n))
    return seen(y=layer(Tensor(rng.normal(size=(n, n)))))


# Flatten


@probe("check-layers-flatten")
def flattens_shapes(rng):
    """Random shapes, from and to random dimensions, counted from both ends."""
    from tinytorch.layers import flattened_shape

    found = {}
    for number in range(8):
        shape = tuple(int(n) for n in rng.integers(0, 6, size=int(rng.integers(2, 6))))
        start, end = sorted(int(d) for d in rng.integers(0, len(shape), size=2))
        found[f"front_{number}"] = flattened_shape(shape, start, end)
        found[f"end_{number}"] = flattened_shape(shape, start - len(shape), end - len(shape))
        found[f"default_{number}"] = flattened_shape(shape)
    return {name: np.array(shape, dtype=int) for name, shape in found.items()}


@probe("check-layers-flatten")
def flattens_tensors(rng):
    """Flatten as a layer: images, and chosen dimensions."""
    from tinytorch import Tensor
    from tinytorch.nn import Flatten

    images = Tensor(rng.normal(size=(3, 2, 4, 5)))
    return seen(images=Flatten()(images), chosen=Flatten(0, 2)(images), last=Flatten(-2)(images))


# Dropout


def _dropped(rng):
    """What dropout is tried on: p and x."""
    return float(rng.uniform(0.15, 0.6)), rng.uniform(1, 2, size=(200, 100)).astype(np.float32)


def _is_dropout(rng, out):
    p, x = _dropped(rng)
    first, second = out.get("first"), out.get("second")
    if any(each is None or each.shape != x.shape for each in (first, second)):
        return "The result must have the shape of the input."
    for result in (first, second):
        kept = result != 0
        share = 1 - kept.mean()
        if not abs(share - p) < 6 * math.sqrt(p * (1 - p) / x.size):
            return f"With p = {p:.3f}, {share:.3f} of the elements became 0."
        if not np.allclose(result[kept], x[kept] / (1 - p), rtol=1e-4):
            return "Elements that stay must be divided by 1 - p."
        rows, columns = kept.mean(axis=1), kept.mean(axis=0)
        if np.isin(rows, (0, 1)).any() or np.isin(columns, (0, 1)).any():
            return "Whole rows or columns were dropped; each element is dropped on its own."
    both = ((first == 0) & (second == 0)).mean()
    if not abs(both - p * p) < 0.03:
        return "Two calls must drop different elements: chosen anew each time."
    if not bool(out.get("is_float32", np.array(False)).all()):
        return "The result must be a tensor of float32."
    return None


@probe("check-layers-dropout", judge=_is_dropout)
def dropout_drops(rng):
    """How many elements are dropped, which, and what happens to the others."""
    from tinytorch import Tensor
    from tinytorch.nn.functional import dropout

    p, x = _dropped(rng)
    first, second = dropout(Tensor(x), p), dropout(Tensor(x), p)
    right = isinstance(first, Tensor) and first.dtype == np.float32
    return {"first": first.numpy(), "second": second.numpy(), "is_float32": right}


@probe("check-layers-dropout")
def dropout_is_off(rng):
    """Not training, eval() and p = 0: nothing happens; p = 1: everything is 0."""
    from tinytorch import Tensor
    from tinytorch.nn import Dropout
    from tinytorch.nn.functional import dropout

    x = Tensor(rng.normal(size=(6, 5)))
    layer = Dropout(0.5)
    layer.training = False
    return seen(
        not_training=dropout(x, 0.7, training=False),
        as_layer=layer(x),
        none=dropout(x, 0.0),
        everything=dropout(x, 1.0) * dropout(x, 1.0),
        off_and_one=dropout(x, 1.0, training=False),
        afterwards=x,
    )


@probe("check-layers-dropout")
def dropout_refuses_what_is_no_probability(rng):
    """p below 0 or above 1, training or not: a ValueError; 0 and 1 are allowed."""
    from tinytorch import Tensor
    from tinytorch.nn.functional import dropout

    x, off = Tensor(rng.normal(size=4)), float(rng.uniform(0.01, 2))
    refused = [
        raises(ValueError, lambda p=p, t=t: dropout(x, p, t)) for p in (-off, 1 + off) for t in (True, False)
    ]
    return {"refused": refused, "allowed": [dropout(x, p).shape == x.shape for p in (0.0, 1.0)]}


# Sequential


def _layers(rng, *sizes):
    """Layers x @ weight + bias with numbers from rng; they need no exercise of this module."""
    from tinytorch.nn import Module, Parameter

    class Small(Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.weight = Parameter(rng.normal(size=(inputs, outputs)))
            self.bias = Parameter(rng.normal(size=outputs))

        def forward(self, x):
            return x @ self.weight + self.bias

    return [Small(*pair) for pair in itertools.pairwise(sizes)]


@probe("check-layers-sequential")
def chains_functions(rng):
    """Plain functions in a row, whose order counts."""
    from tinytorch.layers import chain

    a, b, c = (float(n) for n in rng.uniform(1, 3, size=3))
    steps = [lambda x: x * a, lambda x: x + b, lambda x: x**2, lambda x: x - c]
    x = rng.normal(size=(2, 3))
    return {
        "all": chain(steps, x),
        "two": chain(steps[:2], x),
        "from_iterator": chain(iter(steps), x),
        "none": chain([], x),
    }


@probe("check-layers-sequential", rtol=1e-4, atol=1e-5)
def sequential_computes(rng):
    """A network of five layers, and one inside another."""
    from tinytorch import Tensor
    from tinytorch.nn import ReLU, Sequential, Tanh

    first, second, third = _layers(rng, 3, 3, 3, 3)
    model = Sequential(first, ReLU(), Sequential(second, Tanh()), third)
    x = Tensor(rng.normal(size=(4, 3)))
    return seen(y=model(x), part=model[:2](x), afterwards=x)


# Saving and loading


@probe("check-layers-state")
def state_has_every_name(rng):
    """The state of a tree with a shared parameter and a buffer: names, order, numbers."""
    from tinytorch import Tensor

    root, middle, leaf, other = _tree(rng)
    other.shared = leaf.deep
    middle.register_buffer("mean", Tensor(rng.normal(size=3)))
    state = root.state_dict()
    detached = all(type(each) is Tensor and not each.requires_grad for each in state.values())
    numbers = np.concatenate([tensor.numpy().ravel() for tensor in state.values()])
    return {"names": _letters(state), "numbers": numbers, "detached": detached}


@probe("check-layers-state")
def state_goes_from_model_to_model(rng):
    """The state of one tree loaded into another: its numbers, in place and not shared."""
    from tinytorch import Tensor

    seed = int(rng.integers(1 << 30))
    (one, *_), (other, _, leaf, _) = (_tree(np.random.default_rng(seed)) for _ in range(2))
    one.register_buffer("mean", Tensor(rng.normal(size=2)))
    other.register_buffer("mean", Tensor(np.zeros(2)))
    leaf.deep.data[...] = 0
    held = leaf.deep.data
    state = one.state_dict()
    new = {name: rng.normal(size=tensor.shape).astype(np.float32) for name, tensor in state.items()}
    other.load_state_dict({name: Tensor(array) for name, array in new.items()})
    seen = {f"loaded_{k}": tensor.numpy().copy() for k, tensor in enumerate(other.state_dict().values())}
    one.load_state_dict(new)
    for array in new.values():
        array[...] = 0
    kept = {f"kept_{k}": tensor.numpy() for k, tensor in enumerate(one.state_dict().values())}
    return {**seen, **kept, "in_place": held is leaf.deep.data}


@probe("check-layers-state")
def state_that_does_not_fit_is_refused(rng):
    """Missing and unexpected names, and other shapes; nothing may be changed then."""
    from tinytorch.nn import Sequential

    model = Sequential(*_layers(rng, 3, 2, 1))
    state = {name: np.ones(tensor.shape) for name, tensor in model.state_dict().items()}
    missing = {name: array for name, array in state.items() if name != "1.bias"}
    unexpected = {**state, "1.more": np.zeros(1)}
    other_shape = {**state, "1.weight": np.ones((1, 1))}
    row = {**state, "1.bias": np.ones(())}
    refused = [
        raises(KeyError, lambda: model.load_state_dict(missing)),
        raises(KeyError, lambda: model.load_state_dict(unexpected)),
        raises(ValueError, lambda: model.load_state_dict(other_shape)),
        raises(ValueError, lambda: model.load_state_dict(row)),
        raises(ValueError, lambda: model.load_state_dict(other_shape, strict=False)),
    ]
    return {
        "refused": refused,
        **{f"after_{k}": t.numpy() for k, t in enumerate(model.state_dict().values())},
    }


@probe("check-layers-state")
def state_that_is_not_strict(rng):
    """strict=False: what fits is taken, the rest is passed over."""
    from tinytorch.nn import Sequential

    model = Sequential(*_layers(rng, 3, 2, 1))
    model.load_state_dict({"0.bias": rng.normal(size=2), "9.weight": np.zeros(3)}, strict=False)
    return {f"after_{k}": tensor.numpy() for k, tensor in enumerate(model.state_dict().values())}
