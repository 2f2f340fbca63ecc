"""Probes of the module activations."""

import numpy as np

from course.probing import probe, seen

FAR = np.array([-1000.0, -100.0, -30.0, 0.0, 30.0, 100.0, 1000.0])


def _tried(rng, function):
    """An elementwise function on random numbers of several shapes, far numbers, and its input afterwards."""
    from tinytorch import Tensor

    x = Tensor(rng.normal(size=(3, 4, 2)) * 3)
    return seen(
        random=function(x),
        number=function(Tensor(float(rng.normal()))),
        empty=function(Tensor(np.zeros((0, 3)))),
        far=function(Tensor(FAR)),
        afterwards=x,
    )


@probe("check-activations-collapse", rtol=1e-4, atol=1e-4)
def collapses_two_layers(rng):
    """The one layer's weight and bias for two random layers."""
    from tinytorch import Tensor
    from tinytorch.activations import collapse

    sizes = [int(n) for n in rng.permutation([2, 3, 4, 5])[:3]]
    w1, b1 = Tensor(rng.normal(size=sizes[:2])), Tensor(rng.normal(size=sizes[1]))
    w2, b2 = Tensor(rng.normal(size=sizes[1:])), Tensor(rng.normal(size=sizes[2]))
    weight, bias = collapse(w1, b1, w2, b2)
    return seen(weight=weight, bias=bias)


@probe("check-activations-collapse", rtol=1e-4, atol=1e-4)
def collapses_square_layers(rng):
    """Layers of equal sizes, where a wrong order raises no error."""
    from tinytorch import Tensor
    from tinytorch.activations import collapse

    n = int(rng.integers(2, 5))
    w1, w2 = Tensor(rng.normal(size=(n, n))), Tensor(rng.normal(size=(n, n)))
    b1, b2 = Tensor(rng.normal(size=n)), Tensor(rng.normal(size=n))
    weight, bias = collapse(w1, b1, w2, b2)
    return seen(weight=weight, bias=bias)


@probe("check-activations-relu")
def relu_of_everything(rng):
    """ReLU of random, far, single and no numbers."""
    from tinytorch.nn.functional import relu

    return _tried(rng, relu)


@probe("check-activations-relu")
def relu_is_a_new_array(rng):
    """The result is changed: the input must not follow."""
    from tinytorch import Tensor
    from tinytorch.nn.functional import relu

    x = Tensor(rng.uniform(1, 2, size=(2, 3)))
    result = relu(x)
    result.data[...] += 1
    return seen(x=x, result=result)


@probe("check-activations-sigmoid")
def sigmoid_of_everything(rng):
    """The sigmoid of random, far, single and no numbers."""
    from tinytorch.nn.functional import sigmoid

    return _tried(rng, sigmoid)


@probe("check-activations-sigmoid", rtol=1e-4, atol=0)
def sigmoid_is_right_far_left(rng):
    """Where the sigmoid is tiny, it must still be right relatively."""
    from tinytorch import Tensor
    from tinytorch.nn.functional import sigmoid

    return seen(tiny=sigmoid(Tensor(rng.uniform(-80, -17, size=12))))


@probe("check-activations-sigmoid")
def tanh_of_everything(rng):
    """tanh of random, far, single and no numbers."""
    from tinytorch.nn.functional import tanh

    return _tried(rng, tanh)


@probe("check-activations-sigmoid", rtol=1e-4, atol=0)
def tanh_is_right_near_zero(rng):
    """Near 0, where tanh(x) is nearly x, no digits may be lost."""
    from tinytorch import Tensor
    from tinytorch.nn.functional import tanh

    return seen(small=tanh(Tensor(rng.uniform(1e-6, 1e-4, size=8) * rng.choice([-1, 1], size=8))))


@probe("check-activations-gelu", atol=2e-6)
def gelu_of_everything(rng):
    """The exact GELU of random, far, single and no numbers."""
    from tinytorch.nn.functional import gelu

    return _tried(rng, gelu)


@probe("check-activations-gelu", atol=2e-6)
def gelu_by_tanh(rng):
    """The approximate GELU of random, far, single and no numbers."""
    from tinytorch.nn.functional import gelu

    return _tried(rng, lambda x: gelu(x, approximate="tanh"))


def _along(rng, function):
    """A function along every dimension, from both ends, and on far numbers."""
    from tinytorch import Tensor

    x = Tensor(rng.normal(size=(2, 3, 4)) * 4)
    made = {f"dim_{dim + 3}": function(x, dim=dim) for dim in range(-3, 3)}
    offset = rng.choice([-1000.0, 1000.0], size=(5, 1)) + rng.normal(size=(5, 4))
    return seen(
        **made,
        far=function(Tensor(offset), dim=1),
        wide=function(Tensor(FAR), dim=0),
        equal=function(Tensor(np.full((2, 5), 1000.0)), dim=-1),
        single=function(Tensor(offset), dim=0)[:, 0],
        afterwards=x,
    )


@probe("check-activations-softmax", rtol=1e-4)
def softmax_along_dimensions(rng):
    """Softmax along every dimension, and of numbers around 1000."""
    from tinytorch.nn.functional import softmax

    return _along(rng, softmax)


@probe("check-activations-softmax", rtol=1e-4)
def softmax_adds_up_to_one(rng):
    """The sums of the probabilities, along a random dimension."""
    from tinytorch import Tensor
    from tinytorch.nn.functional import softmax

    dim = int(rng.integers(3))
    x = Tensor(rng.normal(size=(3, 4, 5)) * 50)
    return {"sums": softmax(x, dim=dim).numpy().sum(axis=dim), "shifted": softmax(x + 500, dim=dim).numpy()}


@probe("check-activations-softmax", rtol=1e-4, atol=1e-5)
def log_softmax_along_dimensions(rng):
    """LogSoftmax along every dimension, and of numbers around 1000."""
    from tinytorch.nn.functional import log_softmax

    return _along(rng, log_softmax)


@probe("check-activations-softmax", rtol=1e-4, atol=1e-5)
def log_softmax_does_not_underflow(rng):
    """Logits so far apart that softmax itself is 0."""
    from tinytorch import Tensor
    from tinytorch.nn.functional import log_softmax

    return seen(apart=log_softmax(Tensor(rng.uniform(-1000, 1000, size=(4, 6))), dim=1))
