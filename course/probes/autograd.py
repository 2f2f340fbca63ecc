"""Probes of the module autograd.

A derivative is probed on its operation alone, without the student's walk and sums; the walk without any
derivative.
"""

import re
from contextlib import contextmanager

import numpy as np

from course.probing import probe

LOOKS = 200_000  # at nodes; a walk that takes every path would look at 2^60


def _numbers(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def _summed_to(shape, array):
    """A gradient summed to the shape of its input: rules may leave that to the tape."""
    array = np.asarray(array)
    array = array.sum(axis=tuple(range(array.ndim - len(shape))))
    ones = tuple(d for d, size in enumerate(shape) if size == 1 and array.shape[d] != 1)
    return array.sum(axis=ones, keepdims=True)


def _vjp(op, g, *arrays):
    """The gradients of an operation's inputs, asked of its own rule; the arrays must not be changed by it."""
    import tinytorch.autograd  # noqa: F401  (registers the rules)

    op.inputs = tuple(np.asarray(array, dtype=np.float32) for array in arrays)
    with np.errstate(all="ignore"):
        op.output = np.asarray(op.forward(*op.inputs), dtype=np.float32)
        g = np.asarray(g(op.output.shape), dtype=np.float32)
        before = [array.copy() for array in (*op.inputs, op.output, g)]
        found = op.vjp(g)
    if not isinstance(found, tuple | list) or len(found) != len(arrays):
        raise TypeError("A derivative returns a tuple with one gradient for each input.")
    unchanged = zip(before, (*op.inputs, op.output, g), strict=True)
    if not all(np.array_equal(was, array, equal_nan=True) for was, array in unchanged):
        raise ValueError("A derivative changed an array that it was given.")
    return found


def _gradients(rng, op, *arrays, g=None):
    """As _vjp with random g, each summed to its input's shape, by name."""
    found = _vjp(op, (lambda shape: rng.normal(size=shape)) if g is None else g, *arrays)
    pairs = enumerate(zip(op.inputs, found, strict=True))
    return {f"input_{k}": _summed_to(array.shape, gradient) for k, (array, gradient) in pairs}


def _several(cases):
    """The answers of several cases, under one name each."""
    return {f"{case}_{name}": array for case, found in cases.items() for name, array in found.items()}


# The order


class _Watched:
    """A node that counts how often anybody looks where it came from."""

    looks = 0

    def __init__(self, tensors):
        self.op, self.gradient, self.owned, self._tensors = None, None, False, tensors

    @property
    def inputs(self):
        type(self).looks += 1
        if self.looks > LOOKS:
            raise RuntimeError("The same nodes were looked at again and again.")
        return self._tensors

    def earlier(self):
        return [tensor.grad_fn for tensor in self.inputs if tensor.grad_fn is not None]


def _nodes(graph):
    """Nodes by the numbers of those that each was made of, leaves between them."""
    from tinytorch import Tensor

    class Watched(_Watched):
        pass

    nodes = []
    for numbers in graph:
        tensors = [Tensor(0.0)]
        for number in numbers:
            tensors.append(Tensor(0.0, requires_grad=True))
            tensors[-1].grad_fn = nodes[number]
        nodes.append(Watched(tuple(tensors)))
    return nodes


def _order(graph):
    from tinytorch.autograd import topological_order

    nodes = _nodes(graph)
    numbers = {id(node): number for number, node in enumerate(nodes)}
    return np.array([numbers.get(id(node), -1) for node in topological_order(nodes[-1])], dtype=int)


def _random_graphs(rng):
    """Graphs of 2 to 40 nodes, some of them used often, some not at all."""
    graphs = []
    for size in (2, 3, 5, 8, 13, 40):
        graph = [[]]
        for number in range(1, size):
            uses = int(rng.integers(0, 4)) if number < size - 1 else 3
            graph.append([int(n) for n in rng.integers(max(0, number - 5), number, size=uses)])
        graphs.append(graph)
    return graphs


def _is_order(graph, order):
    """What is wrong with an order, in words; None if it is right."""
    uses, waiting = {}, [len(graph) - 1]
    reached = {len(graph) - 1}
    while waiting:
        after = waiting.pop()
        for number in graph[after]:
            uses.setdefault(number, set()).add(after)
            if number not in reached:
                reached.add(number)
                waiting.append(number)
    place = {int(number): k for k, number in enumerate(order)}
    if len(place) != len(order):
        return "A node is listed more than once."
    if place.keys() != reached:
        return "All nodes that the last one was made of must be listed, and no others."
    if any(place[number] < place[after] for number, afters in uses.items() for after in afters):
        return "A node stands before one that used its result."
    return None


def _are_orders(rng, out):
    for number, graph in enumerate(_random_graphs(rng)):
        order = out.get(f"graph_{number}")
        wrong = "An order is missing." if order is None else _is_order(graph, order.ravel())
        if wrong:
            return wrong
    return None


@probe("check-autograd-order", judge=_are_orders)
def orders_random_graphs(rng):
    """Random graphs of up to 40 nodes, some used several times, some not at all."""
    return {f"graph_{number}": _order(graph) for number, graph in enumerate(_random_graphs(rng))}


@probe("check-autograd-order")
def orders_a_long_chain(rng):
    """A chain of 3,000 operations, far longer than Python's calls can be deep."""
    length = 3_000 + int(rng.integers(100))
    return _order([[number - 1] if number else [] for number in range(length)])


@probe("check-autograd-order")
def orders_without_going_every_path(rng):
    """Sixty operations that each use the one before twice, or the two before: in one order only, quickly."""
    size = 60 + int(rng.integers(5))
    graphs = {
        "twice": [[number - 1] * 2 for number in range(1, size)],
        "two_before": [[number - 1, max(number - 2, 0)] for number in range(1, size)],
        "two_before_turned": [[max(number - 2, 0), number - 1] for number in range(1, size)],
    }
    return {name: _order([[], *graph]) for name, graph in graphs.items()}


# Adding up


def _collecting():
    """A tensor that an operation made, whose node has got nothing yet."""
    from tinytorch import Tensor
    from tinytorch.autograd import Node

    tensor = Tensor(np.zeros((2, 3)), requires_grad=True)
    tensor.grad_fn = Node(None, ())
    return tensor


@probe("check-autograd-accumulate")
def leaves_collect_in_grad(rng):
    """Four gradients for one leaf, two of them fresh; another leaf gets the same array."""
    from tinytorch import Tensor
    from tinytorch.autograd import accumulate

    leaf, other = Tensor(np.zeros((2, 3)), requires_grad=True), Tensor(np.zeros((2, 3)), requires_grad=True)
    shared, more = _numbers(rng, 2, 3), _numbers(rng, 2, 3)
    kept = shared.copy()
    accumulate(leaf, shared)
    accumulate(other, shared)
    apart = not np.shares_memory(leaf.grad.data, shared) and not np.shares_memory(other.grad.data, shared)
    first = leaf.grad.numpy().copy()
    accumulate(leaf, more.copy(), True)
    accumulate(leaf, shared)
    accumulate(leaf, more.copy(), True)
    return {
        "first": first,
        "sum": leaf.grad.numpy(),
        "other": other.grad.numpy(),
        "shared_afterwards": np.array_equal(shared, kept),
        "apart": apart,
        "are_tensors": [
            isinstance(each.grad, Tensor) and each.grad.dtype == np.float32 for each in (leaf, other)
        ],
    }


@probe("check-autograd-accumulate")
def leaves_add_to_what_is_there(rng):
    """A leaf whose .grad is filled already, a fresh first gradient, and single numbers."""
    from tinytorch import Tensor
    from tinytorch.autograd import accumulate

    filled, empty, number = (Tensor(np.zeros(shape), requires_grad=True) for shape in ((4,), (4,), ()))
    filled.grad = Tensor(_numbers(rng, 4))
    gradient, one = _numbers(rng, 4), np.asarray(_numbers(rng))
    accumulate(filled, gradient)
    accumulate(empty, gradient.copy(), True)
    accumulate(number, one)
    accumulate(number, one)
    return {
        "filled": filled.grad.numpy(),
        "empty": empty.grad.numpy(),
        "number": number.grad.numpy(),
        "number_given": one,
    }


@probe("check-autograd-accumulate")
def results_collect_in_their_node(rng):
    """Three tensors made by operations that are given the same array, then others, fresh and not."""
    from tinytorch.autograd import accumulate

    left, middle, right = _collecting(), _collecting(), _collecting()
    shared, more = _numbers(rng, 2, 3), _numbers(rng, 2, 3)
    given = shared.copy(), more.copy()
    for tensor in (left, middle, right):
        accumulate(tensor, shared)
    accumulate(left, more)
    accumulate(left, more)
    accumulate(left, more.copy(), True)
    accumulate(middle, more.copy(), True)
    accumulate(middle, shared)
    return {
        "left": left.grad_fn.gradient,
        "middle": middle.grad_fn.gradient,
        "right": right.grad_fn.gradient,
        "given_unchanged": [np.array_equal(shared, given[0]), np.array_equal(more, given[1])],
        "no_grad_is_kept": [tensor.grad is None for tensor in (left, middle, right)],
    }


@probe("check-autograd-accumulate")
def fresh_arrays_come_first(rng):
    """A node that gets a fresh array first, then ones that are not."""
    from tinytorch.autograd import accumulate

    tensor, other = _collecting(), _collecting()
    first, shared = _numbers(rng, 2, 3), _numbers(rng, 2, 3)
    accumulate(tensor, first, True)
    alone = tensor.grad_fn.gradient.copy()
    accumulate(tensor, shared)
    accumulate(other, shared)
    accumulate(tensor, shared)
    return {"alone": alone, "sum": tensor.grad_fn.gradient, "other": other.grad_fn.gradient, "shared": shared}


# Broadcasting, backwards


@probe("check-autograd-unbroadcast", rtol=1e-4, atol=1e-5)
def unbroadcasts_random_shapes(rng):
    """Twelve random shapes of up to four dimensions, stretched at random."""
    from tinytorch.autograd import unbroadcast

    found = {}
    for number in range(12):
        large = tuple(int(n) for n in rng.integers(1, 5, size=int(rng.integers(0, 5))))
        small = large[int(rng.integers(0, len(large) + 1)) :]
        small = tuple(1 if rng.random() < 0.4 else size for size in small)
        g = _numbers(rng, *large)
        given = g.copy()
        found[f"{number}"] = unbroadcast(g, small)
        found[f"{number}_unchanged"] = np.array_equal(g, given)
    return found


@probe("check-autograd-unbroadcast", rtol=1e-4, atol=1e-5)
def unbroadcasts_at_the_edges(rng):
    """The same shape, a single number, equal sizes in a row, stretched in the middle, and no elements."""
    from tinytorch.autograd import unbroadcast

    g = _numbers(rng, 3, 3, 3)
    return {
        "same": unbroadcast(g, (3, 3, 3)),
        "number": unbroadcast(g, ()),
        "of_number": unbroadcast(np.asarray(_numbers(rng)), ()),
        "row": unbroadcast(g, (3,)),
        "column": unbroadcast(g, (3, 1)),
        "middle": unbroadcast(g, (3, 1, 3)),
        "front": unbroadcast(g, (1, 3, 3)),
        "all_ones": unbroadcast(g, (1, 1)),
        "empty": unbroadcast(np.zeros((0, 3), dtype=np.float32), (1, 3)),
    }


# Arithmetic


def _positive(rng, *shape):
    return rng.uniform(0.5, 2, size=shape).astype(np.float32)


@probe("check-autograd-arithmetic", rtol=1e-4, atol=1e-5)
def differentiates_sums(rng):
    """+, - and the sign, on equal shapes and on single numbers."""
    from tinytorch.tensor import Add, Neg, Sub

    cases = {}
    for shape in ((3, 4), ()):
        x, y = _numbers(rng, *shape), _numbers(rng, *shape)
        cases[f"add_{len(shape)}"] = _gradients(rng, Add(), x, y)
        cases[f"sub_{len(shape)}"] = _gradients(rng, Sub(), x, y)
        cases[f"neg_{len(shape)}"] = _gradients(rng, Neg(), x)
    return _several(cases)


@probe("check-autograd-arithmetic", rtol=1e-4, atol=1e-5)
def differentiates_products(rng):
    """* and /, on equal shapes, with negative numbers."""
    from tinytorch.tensor import Div, Mul

    x, y = _numbers(rng, 3, 4), _numbers(rng, 3, 4)
    signs = rng.choice([-1, 1], size=(3, 4))
    return _several(
        {"mul": _gradients(rng, Mul(), x, y), "div": _gradients(rng, Div(), x, signs * _positive(rng, 3, 4))}
    )


@probe("check-autograd-arithmetic", rtol=1e-4, atol=1e-5)
def differentiates_with_broadcasting(rng):
    """+ - * / of a table with a row, with a column and with a number, on either side."""
    from tinytorch.tensor import Add, Div, Mul, Pow, Sub

    cases = {}
    for name, shape in (("row", (4,)), ("column", (3, 1)), ("number", ())):
        table, other = _positive(rng, 3, 4), _positive(rng, *shape)
        for op in (Add, Sub, Mul, Div, Pow):
            cases[f"{op.__name__}_{name}"] = _gradients(rng, op(), table, other)
            cases[f"{name}_{op.__name__}"] = _gradients(rng, op(), other, table)
    return _several(cases)


@probe("check-autograd-arithmetic", rtol=1e-4, atol=1e-5)
def differentiates_powers(rng):
    """Powers of positive numbers; whole powers of negative ones; and where base or exponent is 0."""
    from tinytorch.tensor import Pow

    base, exponent = _positive(rng, 3, 4), _numbers(rng, 3, 4)
    whole = _gradients(rng, Pow(), -_positive(rng, 5), np.array([1, 2, 3, -1, 0]))
    edges = _gradients(rng, Pow(), [0.0, 0.0, 0.0, 2.0, -2.0], [0.0, 1.0, 2.0, 0.0, 0.0], g=np.ones)
    return _several(
        {
            "positive": _gradients(rng, Pow(), base, exponent),
            "whole": {"input_0": whole["input_0"]},
            "edges": {"input_0": edges["input_0"], "input_1": edges["input_1"][:4]},
        }
    )


@probe("check-autograd-arithmetic", rtol=1e-4, atol=1e-5)
def differentiates_exp_and_log(rng):
    """exp and log."""
    from tinytorch.tensor import Exp, Log

    return _several(
        {
            "exp": _gradients(rng, Exp(), _numbers(rng, 3, 4)),
            "log": _gradients(rng, Log(), _positive(rng, 3, 4)),
        }
    )


# The matrix product


def _products(rng, *pairs):
    from tinytorch.tensor import MatMul

    cases = {}
    for number, (x, y) in enumerate(pairs):
        cases[f"{number}"] = _gradients(rng, MatMul(), _numbers(rng, *x), _numbers(rng, *y))
    return _several(cases)


def _sizes(rng):
    """Three different sizes, so that a missing transpose cannot hide."""
    return (int(size) for size in rng.permutation([2, 3, 4, 5])[:3])


@probe("check-autograd-matmul", rtol=1e-4, atol=1e-5)
def differentiates_matrix_products(rng):
    """Two matrices: of different sizes, square, with a size of 1, empty."""
    n, k, m = _sizes(rng)
    return _products(
        rng, ((n, k), (k, m)), ((k, k), (k, k)), ((1, k), (k, m)), ((n, k), (k, 1)), ((0, k), (k, m))
    )


@probe("check-autograd-matmul", rtol=1e-4, atol=1e-5)
def differentiates_products_of_stacks(rng):
    """Stacks of matrices: one by one, and one matrix for a whole stack."""
    n, k, m = _sizes(rng)
    return _products(
        rng, ((6, n, k), (6, k, m)), ((6, n, k), (k, m)), ((n, k), (6, k, m)), ((2, 1, n, k), (6, k, m))
    )


@probe("check-autograd-matmul", rtol=1e-4, atol=1e-5)
def differentiates_products_with_vectors(rng):
    """A vector on the left, on the right, on both sides, and with a stack."""
    n, k, m = _sizes(rng)
    return _products(rng, ((k,), (k, m)), ((n, k), (k,)), ((k,), (k,)), ((k,), (6, k, m)), ((6, n, k), (k,)))


# Moving and taking elements


@probe("check-autograd-shapes")
def differentiates_reshapes(rng):
    """Reshapes to more and to fewer dimensions, and to and from a single number."""
    from tinytorch.tensor import Reshape

    cases = [
        ((2, 6), (3, 4)),
        ((2, 3, 4), (-1,)),
        ((12,), (2, 3, 2)),
        ((1, 1), ()),
        ((), (1,)),
        ((0, 3), (3, 0)),
    ]
    return _several(
        {f"{k}": _gradients(rng, Reshape(to), _numbers(rng, *shape)) for k, (shape, to) in enumerate(cases)}
    )


@probe("check-autograd-shapes")
def differentiates_permutations(rng):
    """Orders of two to four dimensions, positive and negative, on equal sizes too."""
    from tinytorch.tensor import Permute

    cases = {}
    for number, shape in enumerate([(2, 3), (2, 3, 4), (2, 3, 4), (3, 3, 3), (2, 3, 4, 5), (2, 2, 2, 2)]):
        order = tuple(int(dim) for dim in rng.permutation(len(shape)))
        turned = (*order[1:], order[0]) if order == tuple(range(len(shape))) else order
        cases[f"positive_{number}"] = _gradients(rng, Permute(turned), _numbers(rng, *shape))
        negative = tuple(dim - len(shape) if rng.random() < 0.5 else dim for dim in turned)
        cases[f"negative_{number}"] = _gradients(rng, Permute(negative), _numbers(rng, *shape))
    cases["circle"] = _gradients(rng, Permute((1, 2, 0)), _numbers(rng, 3, 3, 3))
    cases["negative_circle"] = _gradients(rng, Permute((-1, 0, 1)), _numbers(rng, 3, 3, 3))
    return _several(cases)


@probe("check-autograd-shapes")
def differentiates_parts(rng):
    """Rows, slices, steps, masks and new dimensions: each element taken at most once."""
    from tinytorch.tensor import Index

    x = _numbers(rng, 5, 4)
    keys = {
        "row": int(rng.integers(5)),
        "last": -1,
        "slice": (slice(1, 4), slice(None, None, 2)),
        "backwards": slice(None, None, -1),
        "element": (2, 3),
        "dots": (..., 1),
        "new": (None, slice(1)),
        "mask": x > 0,
        "nothing": slice(0, 0),
    }
    return _several({name: _gradients(rng, Index(key), x) for name, key in keys.items()})


@probe("check-autograd-shapes", rtol=1e-4)
def differentiates_repeated_parts(rng):
    """Elements and rows that are taken several times."""
    from tinytorch.tensor import Index

    rows, columns = rng.integers(0, 3, size=9), rng.integers(0, 2, size=9)
    keys = {
        "rows": rows,
        "list": [0, 0, 2, -1],
        "pairs": (rows, columns),
        "columns": (slice(None), columns),
        "table": rng.integers(0, 3, size=(4, 5)),
    }
    return _several({name: _gradients(rng, Index(key), _numbers(rng, 3, 4)) for name, key in keys.items()})


# Reductions


def _reductions(rng, op, x):
    cases = {}
    for k, dim in enumerate((None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2))):
        for keepdim in (False, True):
            cases[f"{k}_{keepdim}"] = _gradients(rng, op(dim, keepdim), x)
    return cases


@probe("check-autograd-reduce", rtol=1e-4, atol=1e-5)
def differentiates_sums_along_dimensions(rng):
    """sum of all, along one dimension, along several, counted from both ends, with and without keepdim."""
    from tinytorch.tensor import Sum

    cube = _reductions(rng, Sum, _numbers(rng, 3, 3, 3))
    other = {
        "other": _gradients(rng, Sum(1), _numbers(rng, 2, 4, 3)),
        "number": _gradients(rng, Sum(), np.ones(())),
    }
    return _several({**cube, **other, "empty": _gradients(rng, Sum(0), np.zeros((0, 3)))})


@probe("check-autograd-reduce", rtol=1e-4, atol=1e-5)
def differentiates_means_along_dimensions(rng):
    """mean in all these ways."""
    from tinytorch.tensor import Mean

    sizes = tuple(int(n) for n in rng.permutation([2, 3, 4]))
    cases = {
        **_reductions(rng, Mean, _numbers(rng, *sizes)),
        "cube": _gradients(rng, Mean(1), _numbers(rng, 3, 3, 3)),
    }
    return _several(cases)


@probe("check-autograd-reduce", rtol=1e-4, atol=1e-5)
def differentiates_largest_elements(rng):
    """max in all these ways, of numbers that are all different."""
    from tinytorch.tensor import Max

    numbers = rng.permutation(27).reshape(3, 3, 3) - 13
    return _several(_reductions(rng, Max, numbers.astype(np.float32)))


@probe("check-autograd-reduce", rtol=1e-4, atol=1e-5)
def differentiates_ties(rng):
    """max of numbers of which several are equal, and equally large."""
    from tinytorch.tensor import Max

    return _several(_reductions(rng, Max, rng.integers(0, 3, size=(3, 4, 5)).astype(np.float32)))


# Softmax and GELU


@probe("check-autograd-bends", rtol=1e-4, atol=1e-5)
def differentiates_softmax(rng):
    """softmax along each dimension of a cube, and of large numbers."""
    from tinytorch.activations import Softmax

    cases = {f"{dim}": _gradients(rng, Softmax(dim), _numbers(rng, 3, 3, 3)) for dim in (0, 1, 2, -1, -2)}
    return _several({**cases, "large": _gradients(rng, Softmax(0), 100 * _numbers(rng, 4))})


@probe("check-autograd-bends", rtol=1e-4, atol=1e-5)
def differentiates_log_softmax(rng):
    """log_softmax along each dimension of a cube, and of large numbers."""
    from tinytorch.activations import LogSoftmax

    cases = {f"{dim}": _gradients(rng, LogSoftmax(dim), _numbers(rng, 3, 3, 3)) for dim in (0, 1, 2, -1, -2)}
    return _several({**cases, "large": _gradients(rng, LogSoftmax(0), 100 * _numbers(rng, 4))})


@probe("check-autograd-bends", rtol=1e-4, atol=2e-6)
def differentiates_gelu(rng):
    """Both kinds of gelu, near 0 and far from it."""
    from tinytorch.activations import GELU

    x = np.concatenate([_numbers(rng, 20), 3 * _numbers(rng, 20), [0.0, -10.0, 10.0]])
    return _several({kind: _gradients(rng, GELU(kind), x) for kind in ("none", "tanh")})


# Without notes


def _is_recorded():
    """Whether what is computed now is noted down; the operation is one of the given ones."""
    from tinytorch import Tensor

    result = Tensor([1.0], requires_grad=True).reshape(1)
    return [bool(result.requires_grad), result.grad_fn is not None]


@probe("check-autograd-no-grad")
def nothing_is_recorded_inside(rng):
    """Before, inside and after; one inside another, to three; and a new one after all that."""
    from tinytorch import no_grad

    depth = int(rng.integers(2, 4))
    seen = [_is_recorded()]
    blocks = [no_grad() for _ in range(depth)]
    for block in blocks:
        block.__enter__()
        seen.append(_is_recorded())
    for block in reversed(blocks):
        block.__exit__(None, None, None)
        seen.append(_is_recorded())
    with no_grad():
        seen.append(_is_recorded())
    return {"seen": np.array([*seen, _is_recorded()])}


@probe("check-autograd-no-grad")
def errors_leave_it_switched_as_it_was(rng):
    """An error inside a block, and inside a block in a block."""
    from tinytorch import no_grad

    seen, passed_on = [], []
    for depth in (1, 2):
        try:
            with no_grad():
                if depth == 2:
                    try:
                        with no_grad():
                            raise KeyError
                    except KeyError:
                        seen.append(_is_recorded())
                raise IndexError
        except IndexError:
            passed_on.append(True)
        seen.append(_is_recorded())
    return {"seen": np.array(seen), "passed_on": passed_on}


@probe("check-autograd-no-grad")
def decorates_functions(rng):
    """@no_grad() above a function that calls itself, and gives back what it computed."""
    from tinytorch import no_grad

    @no_grad()
    def countdown(n):
        below = countdown(n - 1) if n else []
        return [*below, _is_recorded()]

    n = int(rng.integers(1, 4))
    return {"inside": np.array(countdown(n)), "afterwards": _is_recorded()}


# The gradient check


@contextmanager
def _simple_tape():
    """A tape that is good for one operation, so that no walk and no sums of the student's are needed."""
    import tinytorch.autograd  # noqa: F401  (imported first, because it plugs its own tape in)
    from tinytorch.tensor import from_numpy, plug_in

    class Simple:
        def record(self, op, inputs, output):
            self.op, self.tensors = op, inputs

        def backward(self, tensor, gradient=None):
            found = self.op.vjp(np.asarray(gradient, dtype=np.float32))
            for each, array in zip(self.tensors, found, strict=True):
                if each.requires_grad and array is not None:
                    each.grad = from_numpy(np.array(array, dtype=np.float32))

    former = plug_in(Simple())
    try:
        yield
    finally:
        plug_in(former)


def _skewed(number, at, factor, shift=0.0):
    """A function x * x * y whose derivative is wrong at one place of one input."""
    from tinytorch.tensor import Op, apply

    class Product(Op):
        def forward(self, x, y):
            return x * x * y

        def vjp(self, g):
            x, y = self.inputs
            found = [2 * g * x * y, g * x * x]
            if number is not None:
                self.true = found[number][at]
                found[number][at] = found[number][at] * factor + shift
            return tuple(found)

    def product(x, y):
        return apply(Product(), x, y)

    return product


def _checked(function, inputs, **kwargs):
    """What gradcheck says: True, or the message of its AssertionError."""
    from tinytorch.autograd import gradcheck

    with _simple_tape():
        try:
            return gradcheck(function, inputs, **kwargs)
        except AssertionError as error:
            return str(error)


def _inputs(rng, needs=(True, True)):
    from tinytorch import Tensor

    signs = rng.choice([-1, 1], size=(2, 3, 4))
    return [Tensor(signs[k] * _positive(rng, 3, 4), requires_grad=need) for k, need in enumerate(needs)]


@probe("check-autograd-gradcheck")
def accepts_right_derivatives(rng):
    """Right derivatives of two inputs, of one of two, of single numbers, and ones that are nearly right."""
    from tinytorch import Tensor

    right = _skewed(None, None, 1)
    at = tuple(int(n) for n in rng.integers(0, 3, size=2))
    numbers = [Tensor(float(rng.uniform(1, 2)), requires_grad=True) for _ in range(2)]
    said = [
        _checked(right, _inputs(rng)),
        _checked(right, _inputs(rng, (True, False))),
        _checked(right, numbers),
        _checked(_skewed(0, at, 1.004), _inputs(rng)),
        _checked(_skewed(1, at, 1, 0.3), _inputs(rng), atol=0.5),
        _checked(_skewed(0, at, 1.2), _inputs(rng), rtol=0.3),
        _checked(_skewed(1, at, 5), _inputs(rng, (True, False))),
    ]
    return [each is True for each in said]


@probe("check-autograd-gradcheck")
def refuses_wrong_derivatives(rng):
    """One wrong element: its sign, its factor, 0, nan, infinite, or just beyond the tolerance."""
    wrong = [
        (-1, 0),
        (2, 0),
        (0, 0),
        (np.nan, 0),
        (np.inf, 0),
        (1, 0.5),
        (1, -0.5),
        (1.05, 0.01),
        (0.95, -0.01),
    ]
    said = []
    for number in (0, 1):
        for factor, shift in wrong:
            at = (int(rng.integers(3)), int(rng.integers(4)))
            inputs = _inputs(rng)
            if abs(shift) == 0.01:
                inputs[0].data[...], inputs[1].data[...] = np.abs(inputs[0].data), np.abs(inputs[1].data)
                said.append(_checked(_skewed(number, at, factor), inputs, atol=0.0, rtol=0.02))
            else:
                said.append(_checked(_skewed(number, at, factor, shift), inputs))
    return [isinstance(each, str) for each in said]


@probe("check-autograd-gradcheck")
def its_message_says_where(rng):
    """What the message names: function, input, index, and both values; one is three times the other."""
    told = []
    for number in (0, 1):
        at = (int(rng.integers(3)), int(rng.integers(4)))
        message = str(_checked(_skewed(number, at, 3), _inputs(rng)))
        values = [float(each) for each in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", message)]
        both = any(abs(a - 3 * b) <= 0.05 * abs(a) and b not in (0, 1) for a in values for b in values)
        told += ["product" in message, both, *(float(each) in values for each in (number, *at))]
    return told
