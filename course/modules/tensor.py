# %% [markdown]
# # Tensor
#
# A *tensor* is an array of numbers with any number of dimensions: a loss has 0, a list of labels 1, a table
# 2, a batch of colour images 4. Every model, however large, is tensors going into operations and tensors
# coming out. In this module you build the class `Tensor` and its operations. Everything later stands on them.
#
# You will write: creation, broadcasting, arithmetic, matrix product, indexing, reshape, transpose,
# reductions.

# %% [markdown]
# ## One place where every operation passes
#
# The next cell is given; the rest of the course relies on it, so it is locked. Read it slowly, it is short.
#
# - An **`Op`** is one use of an operation. Its `forward` takes numpy arrays and gives a numpy array.
# - **`apply(op, *tensors)`** is the *only* way from tensors to a new tensor. It takes out the arrays, calls
#   `forward`, and wraps the result. If a *tape* is plugged in, the tape is told: this operation, these
#   inputs, this output.
# - Nothing records today. Later, *autograd* plugs in a tape here, and what you write now learns to
#   differentiate itself without a changed line.

# %% role="given" id="tensor-header"
"""Tensors: arrays of float32 whose operations all pass through one function, `apply`."""

import json
from collections import namedtuple

import numpy as np

VJPS = {}  # the name of an operation -> its derivative, rule(op, g); filled by later modules
_tape = None


class Op:
    """One use of an operation: how numpy computes it, and what its derivative needs.

    The derivative, `vjp(g)`, takes the gradient of the output and gives a tuple, the gradient of each input
    (None: it has none). Each is a new array, or g itself, or a view: the tape goes on to add into new ones.
    An operation either brings its own, or one is registered under its class name: rule(op, g) finds the
    arrays of the forward pass in op.inputs and op.output (kept while a tape is plugged in). In op.needs the
    tape notes which inputs want a gradient; an empty op.needs means all. One that is dear to compute and not
    wanted may be None.
    """

    inputs = ()
    output = None
    needs = ()

    def forward(self, *arrays):
        raise NotImplementedError(f"{type(self).__name__} has no forward.")

    def vjp(self, g):
        name = type(self).__name__
        if name not in VJPS:
            raise NotImplementedError(f"No derivative is registered for '{name}'.")
        return VJPS[name](self, g)


def register_vjp(name):
    """Register a function as the derivative of the operation of that name: `@register_vjp("Mul")`."""

    def register(rule):
        VJPS[name] = rule
        return rule

    return register


def plug_in(tape):
    """Let a tape listen: `tape.record(op, inputs, output)` is called for each operation.

    Give None to unplug. Returns the tape that listened before.
    """
    global _tape
    former, _tape = _tape, tape
    return former


def apply(op, *inputs):
    """Run one operation on tensors (numbers and arrays become tensors) and return its result as a tensor."""
    tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in inputs]
    arrays = [tensor.data for tensor in tensors]
    with np.errstate(all="ignore"):  # as in PyTorch: 1 / 0 is inf, without a warning
        output = Tensor._own(op.forward(*arrays))
    if _tape is not None:
        op.inputs, op.output = arrays, output.data
        _tape.record(op, tensors, output)
    return output


# %% [markdown]
# ## Creating a tensor
#
# `Tensor` itself is given as well: it keeps `data` (a numpy array), has `requires_grad` and `grad` for later
# (is a gradient wanted, and what is it), and hands each operator to `apply`. `a + b` is `apply(Add(), a, b)`;
# `Add` and the others are yours to write. The methods carry PyTorch's names and arguments: `dim` where numpy
# says `axis`, `keepdim` for `keepdims`. It is long but plain: skim it now, and come back when you wonder what
# a method does.

# %% role="given" id="tensor-class"
MaxResult = namedtuple("MaxResult", ["values", "indices"])


class Tensor:
    """An array of float32 (or, if asked for, another dtype) that knows its gradient.

    Args:
        data: a number, a nested list, a numpy array or a tensor; it is copied.
        requires_grad: whether a gradient is wanted; read by autograd.
        dtype: np.float32 unless told; np.int64 for labels and indices, np.bool_ for masks.
    """

    __slots__ = ("data", "grad", "grad_fn", "requires_grad")
    __array_ufunc__ = None  # numpy_array + tensor is ours to compute, not numpy's
    __hash__ = object.__hash__  # == compares elements, so identity is what a dict can use

    def __init__(self, data, requires_grad=False, dtype=np.float32):
        self.data = as_array(data, dtype)
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(f"Only tensors of floats can require gradients; this one is {self.data.dtype}.")
        self.requires_grad = requires_grad
        self.grad = None  # filled by hand, or by backward()
        self.grad_fn = None  # what made it; set by the tape

    @classmethod
    def _own(cls, array):
        """Wrap what an operation computed, without copying it."""
        if type(array) is not np.ndarray or array.dtype != np.float32:
            if not isinstance(array, np.ndarray | np.generic):
                raise TypeError(f"forward must return a numpy array, not {type(array).__name__}.")
            array = np.asarray(array, dtype=np.float32 if array.dtype.kind == "f" else None)
        tensor = object.__new__(cls)
        tensor.data, tensor.requires_grad, tensor.grad, tensor.grad_fn = array, False, None, None
        return tensor

    # What it is

    @property
    def shape(self):
        return self.data.shape

    @property
    def ndim(self):
        return self.data.ndim

    @property
    def dtype(self):
        return self.data.dtype

    def size(self, dim=None):
        return self.shape if dim is None else self.shape[dim]

    def numel(self):
        return self.data.size

    def numpy(self):
        return self.data

    def item(self):
        return self.data.item()

    def tolist(self):
        return self.data.tolist()

    def detach(self):
        """The same numbers (not a copy), cut off from how they came about."""
        return Tensor._own(self.data)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.data, dtype=dtype) if copy else np.asarray(self.data, dtype=dtype)

    def __len__(self):
        return len(self.data)

    def __bool__(self):
        return bool(self.data)

    def __float__(self):
        return float(self.item())

    def __repr__(self):
        numbers = np.array2string(self.data, separator=", ", prefix="Tensor(", precision=4)
        kind = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        return f"Tensor({numbers}{kind}{', requires_grad=True' if self.requires_grad else ''})"

    def backward(self, gradient=None):
        """Fill `.grad` of everything that this tensor was computed from."""
        if _tape is None:
            raise RuntimeError(
                "Nothing was recorded, so there is nothing to go back through: no tape is plugged in."
            )
        _tape.backward(self, gradient)

    # Arithmetic

    def __add__(self, other):
        return apply(Add(), self, other)

    def __radd__(self, other):
        return apply(Add(), other, self)

    def __sub__(self, other):
        return apply(Sub(), self, other)

    def __rsub__(self, other):
        return apply(Sub(), other, self)

    def __mul__(self, other):
        return apply(Mul(), self, other)

    def __rmul__(self, other):
        return apply(Mul(), other, self)

    def __truediv__(self, other):
        return apply(Div(), self, other)

    def __rtruediv__(self, other):
        return apply(Div(), other, self)

    def __pow__(self, other):
        return apply(Pow(), self, other)

    def __rpow__(self, other):
        return apply(Pow(), other, self)

    def __matmul__(self, other):
        return apply(MatMul(), self, other)

    def __rmatmul__(self, other):
        return apply(MatMul(), other, self)

    def __neg__(self):
        return apply(Neg(), self)

    def exp(self):
        return apply(Exp(), self)

    def log(self):
        return apply(Log(), self)

    # Comparison: a tensor of booleans

    def __eq__(self, other):
        return apply(Compare(np.equal), self, other)

    def __ne__(self, other):
        return apply(Compare(np.not_equal), self, other)

    def __lt__(self, other):
        return apply(Compare(np.less), self, other)

    def __le__(self, other):
        return apply(Compare(np.less_equal), self, other)

    def __gt__(self, other):
        return apply(Compare(np.greater), self, other)

    def __ge__(self, other):
        return apply(Compare(np.greater_equal), self, other)

    # Shape

    def __getitem__(self, key):
        return apply(Index(key), self)

    def reshape(self, *shape):
        return apply(Reshape(_sizes(shape)), self)

    def permute(self, *dims):
        return apply(Permute(_sizes(dims)), self)

    def transpose(self, dim0, dim1):
        return self.permute(swap_dims(self.ndim, dim0, dim1))

    @property
    def T(self):
        return self.permute(tuple(reversed(range(self.ndim))))

    # Reductions

    def sum(self, dim=None, keepdim=False):
        return apply(Sum(dim, keepdim), self)

    def mean(self, dim=None, keepdim=False):
        return apply(Mean(dim, keepdim), self)

    def amax(self, dim=None, keepdim=False):
        return apply(Max(dim, keepdim), self)

    def argmax(self, dim=None, keepdim=False):
        return apply(ArgMax(dim, keepdim), self)

    def max(self, dim=None, keepdim=False):
        """The largest element; along one `dim` the largest values and, as in PyTorch, where they are."""
        if dim is None:
            return self.amax()
        return MaxResult(self.amax(dim, keepdim), self.argmax(dim, keepdim))


def _sizes(sizes):
    """reshape(2, 3) and reshape((2, 3)) mean the same."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else tuple(sizes)


# %% [markdown]
# ### Exercise: `as_array`
#
# Your first part decides what a tensor's `data` is. Return a **new** numpy array of the given dtype:
#
# - `as_array(3)` has shape `()`; `as_array([[1, 2], [3, 4]])` has shape `(2, 2)`; both are float32.
# - A numpy array is copied: who changes the original afterwards must not change the tensor. (`np.array`
#   copies, `np.asarray` does not if it can avoid it.)
# - A `Tensor` is taken apart: use its `data`.


# %% role="exercise" id="tensor-create"
def as_array(data, dtype=np.float32):
    """A new numpy array of `dtype` with the numbers of `data` (number, nested list, array or tensor)."""
    ### BEGIN SOLUTION
    return np.array(data.data if isinstance(data, Tensor) else data, dtype=dtype)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="tensor-create"
# Only one kind of input needs a case of its own. Which one holds its numbers in an attribute?

# %% [markdown] role="hint" exercise="tensor-create"
# `isinstance(data, Tensor)` asks; then go on with `data.data`. The rest is one call: `np.array(...)` reads
# numbers, lists and arrays, takes a `dtype=`, and always copies.

# %% role="check" id="check-tensor-create" exercise="tensor-create" points=2
from tinytorch.checking import expect, expect_error

expect("Tensor(7)", Tensor(7), np.float32(7), "A single number has no dimensions: shape ().")
expect("Tensor([])", Tensor([]), np.zeros(0), "An empty list has one dimension, of size 0.")
expect(
    "Tensor([[1, 2], [3, 4]])", Tensor([[1, 2], [3, 4]]), np.array([[1.0, 2], [3, 4]]), "It holds float32."
)
labels = Tensor([3, 1], dtype=np.int64)
expect("Tensor([3, 1], dtype=np.int64).dtype", str(labels.dtype), "int64", "dtype= is kept.")
original = np.zeros(2, dtype=np.float32)
copied = Tensor(original)
original[0] = 5
expect("t = Tensor(a); a[0] = 5; t", copied, np.zeros(2), "Copy, so that nobody else changes it.")
first = Tensor([1, 2])
second = Tensor(first)
expect("Tensor(Tensor([1, 2]))", second, np.array([1.0, 2]), "A tensor in a tensor gives its numbers.")
first.data[0] = 5
expect("the second, after the first was changed", second, np.array([1.0, 2]), "Copied, too.")

# %% [markdown]
# Some ways to make tensors that need no thought are given. Random numbers come from one generator, so that
# `manual_seed` makes a whole experiment repeatable.

# %% role="given" id="tensor-factories"
_generator = np.random.default_rng()


def manual_seed(seed):
    """Start the random numbers anew: the same seed, the same numbers."""
    global _generator
    _generator = np.random.default_rng(seed)


def get_rng_state():
    """Where the random numbers are now, as a tensor of bytes: to go on from here later."""
    state = json.dumps(_generator.bit_generator.state).encode()
    return Tensor._own(np.frombuffer(state, dtype=np.uint8))


def set_rng_state(state):
    """Go on with the random numbers from where they were when get_rng_state() gave this."""
    _generator.bit_generator.state = json.loads(np.asarray(state, dtype=np.uint8).tobytes())


def rand(*size):
    """Random numbers, uniform in [0, 1)."""
    return Tensor._own(_generator.random(_sizes(size), dtype=np.float32))


def randn(*size):
    """Random numbers, normal with mean 0 and standard deviation 1."""
    return Tensor._own(_generator.standard_normal(_sizes(size), dtype=np.float32))


def zeros(*size):
    """Zeros."""
    return Tensor._own(np.zeros(_sizes(size), dtype=np.float32))


def ones(*size):
    """Ones."""
    return Tensor._own(np.ones(_sizes(size), dtype=np.float32))


def from_numpy(array):
    """A tensor of a numpy array's numbers; one of float32 is shared, not copied."""
    return Tensor._own(array)


# %% [markdown]
# ## Broadcasting
#
# Adding a bias to each row of a batch, `(32, 10) + (10,)`, needs no loop and no copies: the smaller shape is
# *broadcast*. The rule, from the **last** dimension to the first:
#
# 1. A shape that is too short gets 1s in front.
# 2. Two sizes fit if they are equal, or if one of them is 1. The result has the larger one (if the other is
#    0, then 0).
# 3. Everything else is an error, never a guess.
#
# The picture shows `(3, 1) + (4,)`: the column is repeated to the right, the row downwards.

# %%
import matplotlib.pyplot as plt

column, row = np.array([[0], [10], [20]]), np.array([0, 1, 2, 3])
figure, axes = plt.subplots(1, 3, figsize=(9, 2.4))
panels = [
    ("(3, 1), stretched", column, (3, 1)),
    ("(4,), stretched", row, (1, 4)),
    ("sum: (3, 4)", column + row, (3, 4)),
]
for axis, (title, numbers, real) in zip(axes, panels, strict=True):
    for (i, j), number in np.ndenumerate(np.broadcast_to(numbers, (3, 4))):
        is_real = i < real[0] and j < real[1]
        axis.add_patch(
            plt.Rectangle((j, -i), 1, 1, facecolor="#9ecae1" if is_real else "white", edgecolor="gray")
        )
        axis.text(j + 0.5, 0.5 - i, number, ha="center", va="center", color="black" if is_real else "gray")
    axis.set(xlim=(0, 4), ylim=(-2, 1), title=title)
    axis.axis("off")
plt.show()

# %% [markdown]
# ### Exercise: `broadcast_shapes`
#
# Write the rule by hand, for any number of shapes, without asking numpy. Walk over the dimensions from the
# right: position 1 is the last one, `shape[-1]`. A shape that is shorter than the position has nothing to say
# there. Sizes that cannot be matched raise a `ValueError` that shows the shapes.


# %% role="exercise" id="tensor-broadcast"
def broadcast_shapes(*shapes):
    """The shape that arrays of these shapes get together; ValueError if they do not fit."""
    ### BEGIN SOLUTION
    result = []
    for position in range(1, max(map(len, shapes), default=0) + 1):
        sizes = {shape[-position] for shape in shapes if position <= len(shape)} - {1}
        if len(sizes) > 1:
            raise ValueError(
                f"Shapes {', '.join(map(str, shapes))} do not broadcast: sizes {sorted(sizes)} differ."
            )
        result.append(sizes.pop() if sizes else 1)
    return tuple(reversed(result))
    ### END SOLUTION


# %% [markdown] role="hint" exercise="tensor-broadcast"
# Write the shapes on paper, one below the other, in line at the right: `(8, 1, 6)` over `(7, 1)`. Now each
# column is a question of its own: which sizes stand there, apart from 1?

# %% [markdown] role="hint" exercise="tensor-broadcast"
# Let `position` go from 1 to the length of the longest shape. Of each shape that is long enough take
# `shape[-position]`, put these into a set, and take the 1 out of it: `... - {1}`.

# %% [markdown] role="hint" exercise="tensor-broadcast"
# More than one size left in the set: `ValueError`. One left: that is the result's size. None: 1. You went
# from right to left, so turn your list round at the end (`reversed`), and make a tuple of it.

# %% role="check" id="check-tensor-broadcast" exercise="tensor-broadcast" points=3
rule = "Compare from the right; equal sizes fit, a 1 is stretched."
for shapes, wanted, why in [
    (((3,), (3,)), (3,), "Equal sizes fit."),
    (((3,), (1,)), (3,), "A 1 is stretched."),
    (((1,), (1,)), (1,), "Two 1s stay a 1."),
    (((1,), (0,)), (0,), "1 against 0 gives 0: nothing, repeated."),
    (((3,), ()), (3,), "A number fits every shape."),
    (((), ()), (), "Two numbers: no dimensions at all."),
    (((2, 3), (3,)), (2, 3), "From the right: 3 fits 3, and then there is only the 2."),
    (((3, 1), (4,)), (3, 4), rule),
    (((4,), (3, 1)), (3, 4), "The order of the shapes does not matter."),
    (((8, 1, 6), (7, 1)), (8, 7, 6), rule),
    (((2, 1), (3,), (1, 1, 1)), (1, 2, 3), "Any number of shapes: here three."),
]:
    expect(f"broadcast_shapes{shapes}", broadcast_shapes(*shapes), wanted, why)
for shapes, why in [(((3,), (4,)), "3 and 4 do not fit."), (((2, 3), (2,)), "From the right: 3 against 2.")]:
    expect_error(f"broadcast_shapes{shapes}", ValueError, lambda s=shapes: broadcast_shapes(*s), why)

# %% [markdown]
# ## Arithmetic, element by element
#
# ### Exercise: six operations
#
# Each `forward` gets numpy arrays, and numpy broadcasts by the rule that you just wrote. One line each; what
# counts is the pattern, because every operation of this course looks like this: a name, one formula, arrays
# in, array out. Never change an input: `x += y` would.


# %% role="exercise" id="tensor-arithmetic"
class Add(Op):
    """x + y"""

    def forward(self, x, y):
        ### BEGIN SOLUTION
        return x + y
        ### END SOLUTION


class Sub(Op):
    """x - y"""

    def forward(self, x, y):
        ### BEGIN SOLUTION
        return x - y
        ### END SOLUTION


class Mul(Op):
    """x * y, element by element"""

    def forward(self, x, y):
        ### BEGIN SOLUTION
        return x * y
        ### END SOLUTION


class Div(Op):
    """x / y"""

    def forward(self, x, y):
        ### BEGIN SOLUTION
        return x / y
        ### END SOLUTION


class Pow(Op):
    """x to the power of y"""

    def forward(self, x, y):
        ### BEGIN SOLUTION
        return x**y
        ### END SOLUTION


class Neg(Op):
    """-x"""

    def forward(self, x):
        ### BEGIN SOLUTION
        return -x
        ### END SOLUTION


# %% [markdown] role="hint" exercise="tensor-arithmetic"
# Each body is one line: `return`, and what the docstring says. The arrays are numpy's, so the signs are there
# already.

# %% [markdown] role="hint" exercise="tensor-arithmetic"
# No loop, no reshape. If a check says that an input was changed, look for `+=` or `*=`: they write into `x`.
# If `1 - t` comes out with the wrong sign, `x` and `y` have changed places.

# %% role="check" id="check-tensor-arithmetic" exercise="tensor-arithmetic" points=3
x, y = Tensor([6.0]), Tensor([4.0])
expect("[6] + [4]", x + y, np.array([10.0]), "6 + 4")
expect("[6] - [4]", x - y, np.array([2.0]), "Left minus right.")
expect("[6] * [4]", x * y, np.array([24.0]), "6 * 4")
expect("[6] / [4]", x / y, np.array([1.5]), "Left divided by right, with its fraction.")
expect("[6] ** [4]", x**y, np.array([1296.0]), "6 * 6 * 6 * 6: the base is on the left.")
expect("-[6]", -x, np.array([-6.0]), "The sign turns.")
expect("after all that, x", x, np.array([6.0]), "An operation never changes its inputs: no `x += y`.")
expect("after all that, y", y, np.array([4.0]), "An operation never changes its inputs.")

a, b = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([10.0, 20.0])
rule = "The row is used for each row."
expect("[[1, 2], [3, 4]] + [10, 20]", a + b, np.array([[11.0, 22], [13, 24]]), rule)
expect("[[1, 2], [3, 4]] - [10, 20]", a - b, np.array([[-9.0, -18], [-7, -16]]), rule)
expect("[[1, 2], [3, 4]] * [10, 20]", a * b, np.array([[10.0, 40], [30, 80]]), rule)
expect("[[1, 2], [3, 4]] / [10, 20]", a / b, np.array([[0.1, 0.1], [0.3, 0.2]]), rule)
expect("1 - [10, 20]", 1 - b, np.array([-9.0, -19]), "A number on the left stays on the left.")
expect("1 / [10, 20]", 1 / b, np.array([0.1, 0.05]), "A number on the left stays on the left.")
expect("[[1, 2], [3, 4]] ** 2", a**2, np.array([[1.0, 4], [9, 16]]), "Each element to the power.")
expect("2 ** [10, 20]", 2**b, np.array([1024.0, 1048576]), "The base is on the left.")

# %% [markdown]
# Comparison, exponential and logarithm follow the same pattern, so they are given. A comparison gives a
# tensor of booleans (a *mask*): `(t > 0).sum()` counts the positive elements.


# %% role="given" id="tensor-compare"
class Compare(Op):
    """A comparison, element by element; has no derivative."""

    def __init__(self, rule):
        self.rule = rule

    def forward(self, x, y):
        return self.rule(x, y)


class Exp(Op):
    """e to the power of x"""

    def forward(self, x):
        return np.exp(x)


class Log(Op):
    """The natural logarithm"""

    def forward(self, x):
        return np.log(x)


# %% [markdown]
# ## The matrix product
#
# The most important operation of all: nearly all the time of training is spent in it. For `x` of shape `(n,
# k)` and `y` of shape `(k, m)`, element `(i, j)` of the result is row `i` of `x` against column `j` of `y`:
#
# $$ (xy)_{ij} = \sum_{l=1}^{k} x_{il}\, y_{lj} $$
#
# ### Exercise: `matmul_loops` and `MatMul`
#
# First by hand, with three loops, so that you have seen every multiplication once. Then `MatMul`, with
# numpy's `@`, which also multiplies stacks of matrices (`(b, n, k) @ (b, k, m)`). In both a `ValueError` if
# the inner sizes differ (numpy's `@` raises one itself).


# %% role="exercise" id="tensor-matmul"
def matmul_loops(x, y):
    """The product of two matrices (2-D arrays), written out in loops: a float32 array."""
    ### BEGIN SOLUTION
    (rows, inner), (inner_y, columns) = x.shape, y.shape
    if inner != inner_y:
        raise ValueError(
            f"Shapes {x.shape} and {y.shape} do not fit: the inner sizes {inner} and {inner_y} differ."
        )
    result = np.zeros((rows, columns), dtype=np.float32)
    for i in range(rows):
        for j in range(columns):
            for k in range(inner):
                result[i, j] += x[i, k] * y[k, j]
    return result
    ### END SOLUTION


class MatMul(Op):
    """The matrix product x @ y; more than two dimensions are stacks of matrices."""

    def forward(self, x, y):
        ### BEGIN SOLUTION
        return x @ y
        ### END SOLUTION


# %% [markdown] role="hint" exercise="tensor-matmul"
# Three loops, one inside the other: over the rows of the result, its columns, and the inner index. The
# innermost line adds one product to one element of an array that was all zeros.

# %% [markdown] role="hint" exercise="tensor-matmul"
# `x.shape` is `(n, k)`, `y.shape` is `(k, m)`. Compare the two inner sizes first. The result begins as
# `np.zeros(...)` of shape `(n, m)`, and of float32.

# %% [markdown] role="hint" exercise="tensor-matmul"
# The inner index stands second in `x` and first in `y`: `result[i, j] += x[i, ...] * y[..., j]`.
# `MatMul.forward` needs no loop at all, only the sign `@`.

# %% role="check" id="check-tensor-matmul" exercise="tensor-matmul" points=3
rule = "Element (i, j) is row i of the left times column j of the right, summed."
one, square, other = np.array([[3.0]]), np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6], [7, 8]])
x, y = np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0, 0], [0, 1], [1, 1]])
for tried, left, right, wanted in [
    ("[[3]] and [[3]]", one, one, np.array([[9.0]])),
    ("[[1, 2], [3, 4]] and [[5, 6], [7, 8]]", square, other, np.array([[19.0, 22], [43, 50]])),
    ("[[1, 2]] and [[5], [6]]", square[:1], other[:1].T, np.array([[17.0]])),
    ("(2, 3) and (3, 2)", x, y, np.array([[4.0, 5], [10, 11]])),
    ("(3, 2) and (2, 3)", y, x, np.array([[1.0, 2, 3], [4, 5, 6], [5, 7, 9]])),
]:
    expect(f"matmul_loops of {tried}", matmul_loops(left, right), wanted, rule)
    expect(f"Tensor @ Tensor of {tried}", Tensor(left) @ Tensor(right), wanted, rule)
expect("dtype of matmul_loops", str(matmul_loops(x, y).dtype), "float32", "The result is float32.")
for tried, wrong in [("(2, 3) and (2, 3)", x), ("(3, 2) and (3, 2)", y)]:
    rule = "The inner sizes must be equal."
    expect_error(f"matmul_loops of {tried}", ValueError, lambda w=wrong: matmul_loops(w, w), rule)
stacks = (ones(5, 2, 3) @ ones(5, 3, 4)).shape
expect("stacks: (5, 2, 3) @ (5, 3, 4)", stacks, (5, 2, 4), "Stacks are multiplied one by one.")

# %% [markdown]
# ### What it costs
#
# `(n, k) @ (k, m)` takes `n·k·m` multiplications and as many additions, but only `n·k + k·m + n·m` numbers of
# memory: much to compute on little data, which is why a good library comes close to the processor's limit.
# Yours against numpy's (BLAS), here and now:

# %%
import time

for n in (16, 32, 64):
    x = rand(n, n)
    start = time.perf_counter()
    matmul_loops(x.data, x.data)
    loops = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(100):
        x @ x
    blas = (time.perf_counter() - start) / 100
    print(
        f"{n}x{n}: {2 * n**3:>7,} operations, loops {loops * 1e3:7.2f} ms, "
        f"@ {blas * 1e3:.4f} ms: {loops / blas:,.0f} times"
    )

# %% [markdown]
# ## Indexing
#
# ### Exercise: `Index`
#
# `t[key]` takes a part: `t[0]`, `t[:, 1:3]`, `t[..., -1]`, `t[mask]`, `t[rows, columns]`. numpy knows all of
# these. One thing is ours: a key may be, or may contain, a *tensor*. numpy would convert it by itself,
# silently, each time it is used; but the operation keeps its key, because its derivative will need it too. So
# convert once, at the door: in what `as_key` returns, every tensor is replaced by its array. A float is no
# index, so a float tensor raises an `IndexError`.


# %% role="exercise" id="tensor-index"
def as_key(key):
    """An index for numpy: tensors in it become arrays; a tensor of floats raises IndexError."""
    ### BEGIN SOLUTION
    if isinstance(key, tuple):
        return tuple(as_key(part) for part in key)
    if isinstance(key, Tensor):
        if key.dtype.kind == "f":
            raise IndexError(
                "A tensor of floats is no index; make it with dtype=np.int64, or compare for a mask."
            )
        return key.data
    return key
    ### END SOLUTION


class Index(Op):
    """x[key]"""

    def __init__(self, key):
        self.key = as_key(key)

    def forward(self, x):
        ### BEGIN SOLUTION
        return x[self.key]
        ### END SOLUTION


# %% [markdown] role="hint" exercise="tensor-index"
# Three kinds of key come in: a tuple of parts, a tensor, anything else. Anything else goes out as it came in.

# %% [markdown] role="hint" exercise="tensor-index"
# A tuple becomes a new tuple: each part goes through `as_key` itself. A tensor becomes its `data`, unless its
# `dtype.kind` is `"f"`, a float; then `raise IndexError(...)`. In `Index.forward` the key is ready in
# `self.key`: one line.

# %% role="check" id="check-tensor-index" exercise="tensor-index" points=2
t = Tensor(np.arange(12).reshape(3, 4))
expect("t[1, 2]", t[1, 2], np.float32(6), "Two indices for two dimensions: a single number, of shape ().")
expect("t[1]", t[1], np.array([4.0, 5, 6, 7]), "An index takes one row, and its dimension goes away.")
expect("t[:, 1:3]", t[:, 1:3], np.array([[1.0, 2], [5, 6], [9, 10]]), "A slice keeps its dimension.")
expect("t[..., -1]", t[..., -1], np.array([3.0, 7, 11]), "... stands for all dimensions before.")
expect("t[t > 9]", t[t > 9], np.array([10.0, 11]), "A mask takes the elements where it is True.")
rows, columns = Tensor([0, 2], dtype=np.int64), Tensor([3, 1], dtype=np.int64)
expect("t[[0, 2]]", t[rows], np.array([[0.0, 1, 2, 3], [8, 9, 10, 11]]), "A list of rows.")
expect("t[[0, 2], [3, 1]]", t[rows, columns], np.array([3.0, 9]), "Read in pairs: (0, 3) and (2, 1).")
rule = "In a key, tensors become arrays."
expect("the type of as_key(tensor)", type(as_key(rows)).__name__, "ndarray", rule)
key = as_key((slice(None), columns))
expect("the type of a tensor in as_key((:, tensor))", type(key[1]).__name__, "ndarray", rule)
floats = Tensor([0.0, 1.0])
expect_error("as_key(Tensor([0., 1.]))", IndexError, lambda: as_key(floats), "A float is no index.")
expect_error("as_key((0, Tensor([0., 1.])))", IndexError, lambda: as_key((0, floats)), "Nor in a tuple.")

# %% [markdown]
# ## Reshape and transpose
#
# Memory is one long row of numbers. A shape is only a way to read it: 12 numbers are `(3, 4)`, `(4, 3)` or
# `(2, 6)`. *Reshape* reads the same row with other line lengths. *Transpose* reads it in another order.
# Neither moves a number; what changes are the *strides*, the bytes from one element to the next along each
# dimension:

# %%
numbers = np.arange(12, dtype=np.float32)
for name, view in [
    ("(3, 4)", numbers.reshape(3, 4)),
    ("reshaped (4, 3)", numbers.reshape(4, 3)),
    ("transposed (4, 3)", numbers.reshape(3, 4).T),
]:
    print(f"{name:18} strides {view.strides!s:8} same memory: {np.shares_memory(view, numbers)}\n{view}")

# %% [markdown]
# Both have the shape `(4, 3)`, and yet they are different. To mix them up is the most common mistake of all:
# no error, only a network that does not learn.
#
# ### Exercises: `infer_shape` and `swap_dims`
#
# - `infer_shape(numel, shape)`: one size may be `-1`, 'whatever is left'; no other may be negative. Return
#   the complete shape. `ValueError` if two are -1, or if the sizes do not multiply to `numel` (or, with 0
#   elements, if -1 could be anything).
# - `swap_dims(ndim, dim0, dim1)`: the order of dimensions in which `dim0` and `dim1` have changed places:
#   `swap_dims(3, 0, 1)` is `(1, 0, 2)`. Negative dimensions count from the end; one that does not exist
#   raises `IndexError`.


# %% role="exercise" id="tensor-reshape"
def infer_shape(numel, shape):
    """The shape with its -1, if there is one, replaced so that it holds `numel` elements."""
    ### BEGIN SOLUTION
    known = 1
    for size in shape:
        known *= size if size != -1 else 1
    unknown = shape.count(-1)
    fits = numel % known == 0 if unknown == 1 and known > 0 else unknown == 0 and known == numel
    if not fits or any(size < -1 for size in shape):
        raise ValueError(f"Shape {shape} does not fit a tensor of {numel} elements.")
    return tuple(numel // known if size == -1 else size for size in shape)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="tensor-reshape"
# Multiply the sizes that you know, all but -1. What is left for the -1 is `numel` divided by that product.
# When does nothing fit?

# %% [markdown] role="hint" exercise="tensor-reshape"
# `shape.count(-1)` says how many sizes are open. None: the product must be `numel`. One: the product must
# divide `numel` without a rest (`%`), and must not be 0, or anything would do. Everything else, also a size
# below -1, is a `ValueError`.

# %% [markdown] role="hint" exercise="tensor-reshape"
# At the end go through the shape once more and build a tuple: `numel // known` (with `known`, the product) in
# place of -1, every other size as it is.


# %% role="exercise" id="tensor-transpose"
def swap_dims(ndim, dim0, dim1):
    """The dimensions 0 to ndim - 1 in order, with dim0 and dim1 swapped."""
    ### BEGIN SOLUTION
    for dim in (dim0, dim1):
        if not -ndim <= dim < ndim:
            raise IndexError(f"Dimension {dim} does not exist in a tensor with {ndim} dimensions.")
    order = list(range(ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return tuple(order)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="tensor-transpose"
# Begin with a list of the numbers 0 to `ndim - 1`, and let two of its elements change places.

# %% [markdown] role="hint" exercise="tensor-transpose"
# Valid dimensions go from `-ndim` to `ndim - 1`. Swap the list's *elements* at `dim0` and `dim1`; do not
# write `dim0` and `dim1` themselves into it, one may be negative. (Python's lists count from the end as
# well.) Return a tuple.


# %% role="given" id="tensor-views"
class Reshape(Op):
    """The same elements in the same order, in another shape."""

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        return x.reshape(infer_shape(x.size, self.shape))


class Permute(Op):
    """The same elements with the dimensions in another order."""

    def __init__(self, dims):
        self.dims = dims

    def forward(self, x):
        return x.transpose(self.dims)


# %% role="check" id="check-tensor-reshape" exercise="tensor-reshape" points=2
for numel, shape, wanted, rule in [
    (3, (3,), (3,), "Without -1 the shape stays."),
    (3, (-1,), (3,), "-1 is what is left: everything."),
    (1, (), (), "One element fits the shape ()."),
    (12, (3, -1), (3, 4), "-1 is what is left: 12 / 3."),
    (12, (-1, 3), (4, 3), "-1 may stand anywhere."),
    (12, (2, -1, 3), (2, 2, 3), "-1 is what is left: 12 / (2 * 3)."),
    (0, (4, -1), (4, 0), "0 / 4 is 0."),
]:
    expect(f"infer_shape({numel}, {shape})", infer_shape(numel, shape), wanted, rule)
for numel, shape, rule in [
    (3, (2,), "2 elements are not 3."),
    (12, (3, 5), "15 elements are not 12."),
    (12, (5, -1), "12 is no multiple of 5."),
    (4, (-1, -1), "Only one size can be left open."),
    (4, (-2, -2), "No size is negative, but for the -1."),
    (0, (0, -1), "0 times anything is 0: the -1 could be anything."),
]:
    expect_error(
        f"infer_shape({numel}, {shape})", ValueError, lambda n=numel, s=shape: infer_shape(n, s), rule
    )
t = Tensor(np.arange(6)).reshape(2, -1)
expect("Tensor([0, 1, 2, 3, 4, 5]).reshape(2, -1)", t, np.array([[0.0, 1, 2], [3, 4, 5]]), "In this order.")

# %% role="check" id="check-tensor-transpose" exercise="tensor-transpose" points=2
for given, wanted, rule in [
    ((1, 0, 0), (0,), "One dimension, swapped with itself."),
    ((2, 0, 1), (1, 0), "The two change places."),
    ((2, 0, -1), (1, 0), "-1 is the last dimension."),
    ((3, 0, 1), (1, 0, 2), "The first two change places, the third stays."),
    ((3, 2, 2), (0, 1, 2), "Swapped with itself: nothing changes."),
    ((4, 1, -1), (0, 3, 2, 1), "What is between them stays."),
]:
    expect(f"swap_dims{given}", swap_dims(*given), wanted, rule)
for given in ((2, 0, 2), (2, -3, 0)):
    rule = "With two dimensions they are -2, -1, 0 and 1."
    expect_error(f"swap_dims{given}", IndexError, lambda g=given: swap_dims(*g), rule)
turned = Tensor([[1, 2, 3]]).transpose(0, 1)
expect("Tensor([[1, 2, 3]]).transpose(0, 1)", turned, np.array([[1.0], [2], [3]]), "Rows become columns.")

# %% [markdown] role="question" id="tensor-why-transpose" points=2
# ### Question: the same shape, another picture? (In your own words, 2 points, marked by a person.)
#
# A batch of 32 colour images comes as `(32, 28, 28, 3)`: for each pixel its red, its green and its blue. The
# network wants `(32, 3, 28, 28)`: for each image three planes, one a colour. A classmate writes
# `images.reshape(32, 3, 28, 28)`, and no error comes. Think of the row of numbers in memory: what stands in
# the first plane of the first image now? Which call is right (`permute` puts the dimensions into any order),
# and what does it change, if it moves no number?
#
# ### BEGIN RUBRIC
# - 1 point: what the reshape does. It keeps the order in memory and only cuts the row into other pieces. The
#   first plane is the first 28 * 28 = 784 numbers of the image: red, green, blue, red, green, blue ... of the
#   pixels of about its upper third. Not one colour of all pixels, but all colours of some. Half a point for
#   'it mixes the colours' without the order in memory.
# - 1 point: `images.permute(0, 3, 1, 2)` (or two `transpose`: 1 and 3, then 2 and 3). It changes the order of
#   the sizes and of the strides: to go to the next colour is one number further in memory, to the next column
#   three, to the next row 3 * 28. The numbers stay where they are; they are read in another order. Half a
#   point for the call, half for the strides.
# ### END RUBRIC

# %% [markdown]
# ## Reductions
#
# `sum`, `mean` and `max` make fewer numbers of many. `dim` says which dimension **goes away** (one, several
# as a tuple, or `None` for all); `keepdim=True` leaves it as size 1, so that the result still broadcasts
# against the original.
#
# ### Exercise: `Sum`, `Mean`, `Max`
#
# numpy's reductions take `axis=` and `keepdims=`. `self.dim` and `self.keepdim` are ready.


# %% role="given" id="tensor-reduction"
class Reduction(Op):
    """An operation that takes dimensions away: `dim` is None (all), one dimension, or a tuple of them."""

    def __init__(self, dim=None, keepdim=False):
        self.dim = tuple(dim) if isinstance(dim, list) else dim
        self.keepdim = keepdim


class ArgMax(Reduction):
    """Where the largest element is; has no derivative."""

    def forward(self, x):
        return np.argmax(x, axis=self.dim, keepdims=self.keepdim)


# %% role="exercise" id="tensor-reduce"
class Sum(Reduction):
    """The sum of the elements along `dim`."""

    def forward(self, x):
        ### BEGIN SOLUTION
        return x.sum(axis=self.dim, keepdims=self.keepdim)
        ### END SOLUTION


class Mean(Reduction):
    """The sum of the elements along `dim`, divided by how many they are."""

    def forward(self, x):
        ### BEGIN SOLUTION
        return x.mean(axis=self.dim, keepdims=self.keepdim)
        ### END SOLUTION


class Max(Reduction):
    """The largest element along `dim`."""

    def forward(self, x):
        ### BEGIN SOLUTION
        return x.max(axis=self.dim, keepdims=self.keepdim)
        ### END SOLUTION


# %% [markdown] role="hint" exercise="tensor-reduce"
# Each is one line: the array's own method, `x.sum`, `x.mean` or `x.max`, with two arguments by name.

# %% [markdown] role="hint" exercise="tensor-reduce"
# `axis=` gets `self.dim` (numpy takes `None`, a number or a tuple there, as we do), and `keepdims=` gets
# `self.keepdim`.

# %% role="check" id="check-tensor-reduce" exercise="tensor-reduce" points=3
few = Tensor([-3.0, -1.0])
expect("Tensor([-3, -1]).sum()", few.sum(), np.float32(-4), "Without dim, everything: a tensor of shape ().")
expect("Tensor([-3, -1]).mean()", few.mean(), np.float32(-2), "The sum, divided by 2.")
expect("Tensor([-3, -1]).max()", few.max(), np.float32(-1), "The largest, with its sign.")
expect("Tensor([]).sum()", Tensor([]).sum(), np.float32(0), "A sum of nothing is 0.")
t = Tensor([[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]])
for name, reduce, rows, columns in [
    ("sum", t.sum, [9.0, 12], [5.0, 7, 9]),
    ("mean", t.mean, [3.0, 4], [2.5, 3.5, 4.5]),
    ("amax", t.amax, [5.0, 6], [4.0, 5, 6]),
]:
    rows, columns = np.array(rows), np.array(columns)
    tried = f"[[1, 5, 3], [4, 2, 6]].{name}"
    expect(f"{tried}(dim=0)", reduce(dim=0), columns, "dim=0 goes away: one number for each column.")
    expect(f"{tried}(dim=-1)", reduce(dim=-1), rows, "The last dimension goes away: one for each row.")
    kept = reduce(dim=1, keepdim=True)
    expect(f"{tried}(dim=1, keepdim=True)", kept, rows.reshape(2, 1), "keepdim leaves a size of 1.")
expect("its mean(dim=(0, 1))", t.mean(dim=(0, 1)), np.float32(3.5), "Divided by all their elements.")
values, indices = t.max(dim=1)
expect("its max(dim=1).values", values, np.array([5.0, 6]), "The largest of each row.")
expect("its max(dim=1).indices", indices, np.array([1, 2]), "Where it is in its row.")

# %% [markdown]
# ## All together
#
# ### Exercise: `standardize`
#
# Data come in all units: metres, years, grey values from 0 to 255. Before a network sees them, they are
# brought to mean 0 and standard deviation 1, along `dim`:
#
# $$ z = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad \sigma^2 = \text{mean of } (x - \mu)^2 $$
#
# Use your own tensor's operations only, no numpy. `keepdim=True` is your friend. `eps` keeps a constant
# column from a division by zero.


# %% role="exercise" id="tensor-standardize"
def standardize(x, dim=0, eps=1e-5):
    """The tensor x, shifted and scaled along `dim` to mean 0 and (nearly) standard deviation 1."""
    ### BEGIN SOLUTION
    centred = x - x.mean(dim=dim, keepdim=True)
    variance = (centred**2).mean(dim=dim, keepdim=True)
    return centred / (variance + eps) ** 0.5
    ### END SOLUTION


# %% [markdown] role="hint" exercise="tensor-standardize"
# Go through the formula from the inside: the mean, `x` without its mean, the mean of the square of that, the
# quotient.

# %% [markdown] role="hint" exercise="tensor-standardize"
# Both means are along `dim`, and both with `keepdim=True`: only then do they broadcast against `x`, for every
# `dim`. Keep `x` minus its mean in a variable, you need it twice.

# %% [markdown] role="hint" exercise="tensor-standardize"
# The root is `** 0.5`, and `eps` stands *under* it: first add it to the variance, then take the root, then
# divide.

# %% role="check" id="check-tensor-standardize" exercise="tensor-standardize" points=2
pair = Tensor([1.0, 3.0])
expect("standardize([1, 3])", standardize(pair), np.array([-1.0, 1]), "Mean 2, deviation 1.", rtol=1e-3)
expect("the same with eps=3", standardize(pair, eps=3.0), np.array([-0.5, 0.5]), "Over sqrt(1 + 3).")
expect("standardize([5, 5])", standardize(Tensor([5.0, 5.0])), np.zeros(2), "0 / sqrt(0 + eps), not nan.")
table = Tensor([[1.0, 500.0], [3.0, 900.0]])
columns, rows = np.array([[-1.0, -1], [1, 1]]), np.array([[-1.0, 1], [-1, 1]])
expect("standardize([[1, 500], [3, 900]])", standardize(table), columns, "Each column by its own.", rtol=1e-3)
expect("the same with dim=1", standardize(table, dim=1), rows, "dim=1: each row by its own.", rtol=1e-3)


class Inputs(list):
    """A tape that keeps what went into the operations."""

    def record(self, op, inputs, output):
        self.extend(inputs)


inputs = Inputs()
former = plug_in(inputs)
try:
    standardize(pair)
finally:
    plug_in(former)
rule = "With x itself, not with its array: otherwise no tape sees where the result comes from."
expect("did x go into an operation?", any(each is pair for each in inputs), True, rule)

# %% [markdown]
# ## Look through the dispatch point
#
# You wrote `standardize` without a thought of tapes. And yet a tape can watch it, because everything went
# through `apply`:


# %%
class Notes:
    """A tape that only takes notes."""

    def record(self, op, inputs, output):
        shapes = ", ".join(str(tensor.shape) for tensor in inputs)
        print(f"{type(op).__name__:6} {shapes:20} -> {output.shape}   {output.data.nbytes:>4} bytes")


former = plug_in(Notes())
standardize(rand(8, 3))
former = plug_in(former)

# %% [markdown]
# Seven lines, read backwards: that is how autograd will find the derivative.
#
# ## How PyTorch does it
#
# The same, in C++. `torch.add` goes through *the dispatcher*, which looks up the kernel for the device (CPU,
# GPU) and dtype, and, where gradients are wanted, calls autograd first, which takes its notes. Views, strides
# and broadcasting are as you know them now; `torch.broadcast_shapes`, `keepdim` and `max(dim)` with values
# and indices exist by these very names. One difference: `torch.tensor([1, 2])` infers int64, while ours is
# float32 unless you say `dtype=`.
