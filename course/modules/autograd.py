# %% [markdown]
# # Autograd
#
# Until now you worked out every gradient by hand. In this module your framework learns to do it alone, for
# anything that you compute: it notes down each operation on the way forward, and walks back through the
# notes.

# %% role="given" id="autograd-header"
"""Autograd: a tape notes down each operation, and walks back through its notes for the gradients."""

import functools

import numpy as np

from tinytorch.activations import normal_cdf
from tinytorch.losses import numerical_gradient
from tinytorch.tensor import from_numpy, plug_in, register_vjp


# %% role="given" id="autograd-node"
class Node:
    """One operation that was recorded: what it was, and the tensors that went in.

    On the way back, `gradient` collects what arrives for its result. `owned` says whether that array is held
    by nobody else, so that it may be added to in place.
    """

    __slots__ = ("gradient", "inputs", "op", "owned")

    def __init__(self, op, inputs):
        self.op, self.inputs = op, inputs
        self.gradient, self.owned = None, False

    def __repr__(self):
        return f"<{'done' if self.op is None else type(self.op).__name__}>"

    def earlier(self):
        """The nodes whose results went into this one."""
        return [tensor.grad_fn for tensor in self.inputs if tensor.grad_fn is not None]

    def pass_back(self):
        """Turn the gradient of the result into those of the inputs, and let go of everything.

        Returns:
            For each input that wants a gradient: the tensor, its gradient, and whether the array is fresh,
            that is, held by nobody else.
        """
        op, inputs, g = self.op, self.inputs, self.gradient
        self.op, self.inputs, self.gradient = None, (), None
        if g is None:
            return []
        found = op.vjp(g)
        if not isinstance(found, tuple | list) or len(found) != len(inputs):
            raise TypeError(
                f"The derivative of '{type(op).__name__}' must return a tuple with one gradient for each of "
                f"its {len(inputs)} inputs, `(g_x,)` for a single one."
            )
        everybodys = [id(array) for array in found]
        passed = []
        for tensor, array in zip(inputs, found, strict=True):
            if array is None or not tensor.requires_grad:
                continue
            array = np.asarray(array, dtype=np.float32)
            if array.shape != tensor.data.shape:
                array = _fitted(op, array, tensor.data.shape)
            fresh = array is not g and array.base is None and everybodys.count(id(array)) < 2
            passed.append((tensor, array, fresh))
        return passed


def _fitted(op, array, shape):
    """A gradient brought to the shape of an input that was broadcast."""
    stretched = zip(reversed(shape), reversed(array.shape), strict=False)
    if len(shape) > array.ndim or any(size not in (1, larger) for size, larger in stretched):
        raise ValueError(
            f"The derivative of '{type(op).__name__}' gave a gradient of shape {array.shape} "
            f"for an input of shape {shape}."
        )
    return unbroadcast(array, shape)


class Tape:
    """Listens to `apply`: notes down what was computed, and goes back through it."""

    def __init__(self):
        self.recording = True

    def record(self, op, inputs, output):
        """Note down an operation, if a gradient is wanted of anything that went in."""
        if not self.recording or output.data.dtype.kind != "f":
            return
        needs = tuple([tensor.requires_grad for tensor in inputs])
        if True in needs:
            op.needs = needs
            output.requires_grad = True
            output.grad_fn = Node(op, inputs)

    def backward(self, tensor, gradient=None):
        """Add to `.grad` of every leaf that a tensor was computed from.

        Args:
            tensor: where to start, usually a loss.
            gradient: the gradient of `tensor` itself; 1 unless told, which needs a tensor of one element.
        """
        if not tensor.requires_grad:
            raise RuntimeError(
                "This tensor requires no gradient, nor does anything that it was made of."
            )
        if gradient is None and tensor.data.size != 1:
            raise RuntimeError(
                f"backward() without a gradient is for a tensor of one element; this one has shape "
                f"{tensor.shape}. Reduce it (.sum(), .mean()), or give a gradient of its shape."
            )
        start = np.ones(tensor.shape) if gradient is None else gradient
        start = np.array(start, dtype=np.float32)
        if start.shape != tensor.shape:
            raise RuntimeError(f"The gradient has shape {start.shape}, the tensor {tensor.shape}.")
        order = [] if tensor.grad_fn is None else topological_order(tensor.grad_fn)
        if any(node.op is None for node in order):
            raise RuntimeError(
                "Part of this computation was gone back through before, and its notes were let go. "
                "Compute it again, or add the losses up and go back once."
            )
        accumulate(tensor, start, True)
        try:
            with np.errstate(all="ignore"):
                for node in order:
                    for each, array, fresh in node.pass_back():
                        accumulate(each, array, fresh)
        except BaseException:
            for node in order:  # what was collected must not wait for the next time
                node.gradient = None
            raise


tape = Tape()


# %% role="exercise" id="autograd-order"
def topological_order(node):
    """All nodes that a node was made of, itself first, each once, and only after all that used its result."""
    ### BEGIN SOLUTION
    order, seen, stack = [], set(), [(node, False)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend([(each, False) for each in node.earlier()])
    order.reverse()
    return order
    ### END SOLUTION


# %% role="check" id="check-autograd-order" exercise="autograd-order" points=3
from tinytorch.checking import expect, expect_error

first = Node(None, ())
expect("one node", topological_order(first) == [first], True, "A node alone is its own order.")


# %% role="exercise" id="autograd-accumulate"
def accumulate(tensor, gradient, fresh=False):
    """Add an array to the gradient that has arrived at a tensor so far."""
    ### BEGIN SOLUTION
    node = tensor.grad_fn
    if node is None:
        if tensor.grad is None:
            tensor.grad = from_numpy(gradient if fresh else gradient.copy())
        else:
            tensor.grad.data += gradient
    elif node.gradient is None:
        node.gradient, node.owned = gradient, fresh
    elif node.owned:
        node.gradient += gradient
    else:
        node.gradient, node.owned = node.gradient + gradient, True
    ### END SOLUTION


# %% role="check" id="check-autograd-accumulate" exercise="autograd-accumulate" points=3
expect_error("nothing", TypeError, lambda: accumulate(), "Two arguments.")


# %% role="exercise" id="autograd-unbroadcast"
def unbroadcast(gradient, shape):
    """The gradient of what was stretched from `shape`: summed over every dimension that broadcasting made."""
    ### BEGIN SOLUTION
    extra = gradient.ndim - len(shape)
    stretched = [extra + dim for dim, size in enumerate(shape) if size == 1]
    return gradient.sum(axis=(*range(extra), *stretched), keepdims=True).reshape(shape)
    ### END SOLUTION


# %% role="check" id="check-autograd-unbroadcast" exercise="autograd-unbroadcast" points=2
expect("unbroadcast", unbroadcast(np.ones((2, 3)), (3,)), np.full(3, 2.0), "Twice each.")


# %% role="given" id="autograd-wanted"
def wanted(op, number):
    """Whether the gradient of this input (0 is the first) is wanted; a dear one need not be computed else."""
    return not op.needs or op.needs[number]


# %% role="exercise" id="autograd-arithmetic"
@register_vjp("Add")
def add_vjp(op, g):
    """d(x + y) = dx + dy"""
    ### BEGIN SOLUTION
    return g, g
    ### END SOLUTION


@register_vjp("Sub")
def sub_vjp(op, g):
    """d(x - y) = dx - dy"""
    ### BEGIN SOLUTION
    return g, -g if wanted(op, 1) else None
    ### END SOLUTION


@register_vjp("Mul")
def mul_vjp(op, g):
    """d(xy) = y dx + x dy"""
    ### BEGIN SOLUTION
    x, y = op.inputs
    return g * y if wanted(op, 0) else None, g * x if wanted(op, 1) else None
    ### END SOLUTION


@register_vjp("Div")
def div_vjp(op, g):
    """d(x / y) = dx / y - x / y^2 dy"""
    ### BEGIN SOLUTION
    g_x = g / op.inputs[1]
    return g_x, -g_x * op.output if wanted(op, 1) else None
    ### END SOLUTION


@register_vjp("Pow")
def pow_vjp(op, g):
    """d(x^y) = y x^(y-1) dx + x^y log(x) dy"""
    ### BEGIN SOLUTION
    x, y = op.inputs
    g_x = np.where(y == 0, 0, g * y * x ** (y - 1)) if wanted(op, 0) else None
    g_y = g * np.where((x == 0) & (y >= 0), 0, op.output * np.log(x)) if wanted(op, 1) else None
    return g_x, g_y
    ### END SOLUTION


@register_vjp("Neg")
def neg_vjp(op, g):
    """d(-x) = -dx"""
    ### BEGIN SOLUTION
    return (-g,)
    ### END SOLUTION


@register_vjp("Exp")
def exp_vjp(op, g):
    """d(e^x) = e^x dx"""
    ### BEGIN SOLUTION
    return (g * op.output,)
    ### END SOLUTION


@register_vjp("Log")
def log_vjp(op, g):
    """d(log x) = dx / x"""
    ### BEGIN SOLUTION
    return (g / op.inputs[0],)
    ### END SOLUTION


# %% role="check" id="check-autograd-arithmetic" exercise="autograd-arithmetic" points=3
expect_error("nothing", TypeError, lambda: add_vjp(), "Two arguments.")


# %% role="exercise" id="autograd-matmul"
@register_vjp("MatMul")
def matmul_vjp(op, g):
    """z = xy: the gradient of x is g y^T, that of y is x^T g"""
    ### BEGIN SOLUTION
    x, y = op.inputs
    if y.ndim == 1:  # one column
        y, g = y[:, None], g[..., None]
    if x.ndim == 1:  # one row
        x, g = x[None, :], np.expand_dims(g, -2)
    g_x = g @ y.swapaxes(-1, -2) if wanted(op, 0) else None
    g_y = x.swapaxes(-1, -2) @ g if wanted(op, 1) else None
    if op.inputs[1].ndim == 1 and g_y is not None:
        g_y = g_y[..., 0]
    return g_x, g_y
    ### END SOLUTION


# %% role="check" id="check-autograd-matmul" exercise="autograd-matmul" points=2
expect_error("nothing", TypeError, lambda: matmul_vjp(), "Two arguments.")


# %% role="exercise" id="autograd-shapes"
@register_vjp("Reshape")
def reshape_vjp(op, g):
    """The same elements, back in the shape of the input."""
    ### BEGIN SOLUTION
    return (g.reshape(op.inputs[0].shape),)
    ### END SOLUTION


@register_vjp("Permute")
def permute_vjp(op, g):
    """The dimensions, back where they were."""
    ### BEGIN SOLUTION
    return (g.transpose(np.argsort([dim % g.ndim for dim in op.dims])),)
    ### END SOLUTION


@register_vjp("Index")
def index_vjp(op, g):
    """Each element of g, added to where it was taken from; 0 elsewhere."""
    ### BEGIN SOLUTION
    g_x = np.zeros_like(op.inputs[0])
    np.add.at(g_x, op.key, g)
    return (g_x,)
    ### END SOLUTION


# %% role="check" id="check-autograd-shapes" exercise="autograd-shapes" points=2
expect_error("nothing", TypeError, lambda: index_vjp(), "Two arguments.")


# %% role="given" id="autograd-kept-dims"
def with_dims(op, array):
    """An array in the shape of a reduction's result, with the dimensions that went away as size 1."""
    if op.keepdim or op.dim is None:
        return array
    return np.expand_dims(array, op.dim)


# %% role="exercise" id="autograd-reduce"
@register_vjp("Sum")
def sum_vjp(op, g):
    """Each element of the input counted once."""
    ### BEGIN SOLUTION
    return (np.broadcast_to(with_dims(op, g), op.inputs[0].shape).copy(),)
    ### END SOLUTION


@register_vjp("Mean")
def mean_vjp(op, g):
    """Each element counted by one part in as many as there are."""
    ### BEGIN SOLUTION
    x = op.inputs[0]
    share = with_dims(op, g) * np.float32(op.output.size / max(x.size, 1))
    return (np.broadcast_to(share, x.shape).copy(),)
    ### END SOLUTION


@register_vjp("Max")
def max_vjp(op, g):
    """Only the largest counted; several that are equally large share."""
    ### BEGIN SOLUTION
    x = op.inputs[0]
    is_largest = x == with_dims(op, op.output)
    return (is_largest * (with_dims(op, g) / is_largest.sum(axis=op.dim, keepdims=True)),)
    ### END SOLUTION


# %% role="check" id="check-autograd-reduce" exercise="autograd-reduce" points=3
expect_error("nothing", TypeError, lambda: sum_vjp(), "Two arguments.")


# %% role="exercise" id="autograd-bends"
@register_vjp("Softmax")
def softmax_vjp(op, g):
    """y (g - sum(g y))"""
    ### BEGIN SOLUTION
    y = op.output
    return (y * (g - (g * y).sum(axis=op.dim, keepdims=True)),)
    ### END SOLUTION


@register_vjp("LogSoftmax")
def log_softmax_vjp(op, g):
    """g - softmax(x) sum(g)"""
    ### BEGIN SOLUTION
    return (g - np.exp(op.output) * g.sum(axis=op.dim, keepdims=True),)
    ### END SOLUTION


@register_vjp("GELU")
def gelu_vjp(op, g):
    """The product rule: Phi(x) + x Phi'(x)"""
    ### BEGIN SOLUTION
    x = op.inputs[0]
    if op.approximate == "tanh":
        c = np.float32(np.sqrt(2 / np.pi))
        t = np.tanh(c * (x + 0.044715 * x * x * x))
        return (g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x)),)
    density = np.exp(-x * x / 2) * np.float32(1 / np.sqrt(2 * np.pi))
    return (g * (normal_cdf(x) + x * density),)
    ### END SOLUTION


# %% role="check" id="check-autograd-bends" exercise="autograd-bends" points=3
expect_error("nothing", TypeError, lambda: softmax_vjp(), "Two arguments.")


# %% role="exercise" id="autograd-no-grad"
class no_grad:
    """Nothing is noted down inside: `with no_grad():`, or `@no_grad()` above a function."""

    def __enter__(self):
        ### BEGIN SOLUTION
        self.before, tape.recording = tape.recording, False
        ### END SOLUTION

    def __exit__(self, *error):
        ### BEGIN SOLUTION
        tape.recording = self.before
        ### END SOLUTION

    def __call__(self, function):
        @functools.wraps(function)
        def unrecorded(*args, **kwargs):
            with no_grad():
                return function(*args, **kwargs)

        return unrecorded


# %% role="check" id="check-autograd-no-grad" exercise="autograd-no-grad" points=1
with no_grad():
    expect("recording", tape.recording, False, "Off inside.")


# %% role="given" id="autograd-both-ways"
def both_gradients(function, inputs, eps):
    """The gradient of each input, by autograd and by finite differences: (its number, the one, the other).

    Where the result has several elements, they are summed with fixed random weights: an error in any of them
    then shows.
    """
    kept = [tensor.grad for tensor in inputs]
    try:
        for tensor in inputs:
            tensor.grad = None
        output = function(*inputs)
        weights = np.random.default_rng(0).normal(size=output.shape)
        output.backward(weights)
        found = [tensor.grad for tensor in inputs]
    finally:
        for tensor, grad in zip(inputs, kept, strict=True):
            tensor.grad = grad
    for number, tensor in enumerate(inputs):
        if tensor.requires_grad:
            here = tensor.data.copy()

            def value(x, tensor=tensor):
                tensor.data[...] = x
                return (function(*inputs).data * weights).sum()

            former = plug_in(None)
            try:
                slopes = numerical_gradient(value, here, eps)
            finally:
                plug_in(former)
                tensor.data[...] = here
            grad = np.zeros_like(here) if found[number] is None else found[number].data
            yield number, grad, slopes


# %% role="exercise" id="autograd-gradcheck"
def gradcheck(function, inputs, eps=1e-2, atol=1e-3, rtol=1e-2):
    """True if autograd and finite differences agree; otherwise an AssertionError that says where not."""
    ### BEGIN SOLUTION
    for number, grad, slopes in both_gradients(function, inputs, eps):
        error = np.abs(grad - slopes) - (atol + rtol * np.abs(slopes))
        error[np.isnan(error)] = np.inf
        if (error > 0).any():
            at = tuple(int(i) for i in np.unravel_index(error.argmax(), error.shape))
            raise AssertionError(
                f"{getattr(function, '__name__', function)}, input {number}, index {at}: autograd says "
                f"{grad[at]:.6g}, finite differences say {slopes[at]:.6g}."
            )
    return True
    ### END SOLUTION


# %% role="check" id="check-autograd-gradcheck" exercise="autograd-gradcheck" points=2
expect_error("nothing", TypeError, lambda: gradcheck(), "Two arguments.")

# %% role="given" id="autograd-plug-in"
plug_in(tape)
