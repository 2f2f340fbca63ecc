"""Probes of the module tensor."""

import numpy as np

from course.probing import probe, raises, seen


def _pairs(rng):
    """Arrays whose shapes broadcast: alike, to the right, to the left, both ways, with a number, empty."""
    shapes = [
        ((3, 4), (3, 4)),
        ((2, 3, 4), (4,)),
        ((3, 1), (2, 1, 5)),
        ((), (4, 2)),
        ((3, 1), (0,)),
    ]
    return [(rng.normal(size=a), rng.uniform(0.5, 2, size=b)) for a, b in shapes]


def _both_ways(rng, function):
    from tinytorch import Tensor

    made = {}
    for number, (a, b) in enumerate(_pairs(rng)):
        made[f"pair_{number}"] = function(Tensor(a), Tensor(b))
        made[f"turned_{number}"] = function(Tensor(b), Tensor(np.abs(a) + 0.5))
    made["with_number"] = function(Tensor(a), 2.5)
    made["number_first"] = function(0.5, Tensor(b + 1))
    return seen(**made)


# Creation


@probe("check-tensor-create")
def creates_from_everything(rng):
    """Numbers, lists, arrays of other dtypes and tensors become float32."""
    from tinytorch import Tensor

    array = rng.normal(size=(2, 3))
    integers = rng.integers(-9, 9, size=4)
    return seen(
        number=Tensor(float(array[0, 0])),
        nested=Tensor(array.tolist()),
        doubles=Tensor(array),
        integers=Tensor(integers),
        booleans=Tensor([True, False]),
        tensor=Tensor(Tensor(array)),
        empty=Tensor([]),
    )


@probe("check-tensor-create")
def keeps_an_explicit_dtype(rng):
    """dtype=np.int64 and np.bool_ are kept, and as_array gives what it was asked for."""
    from tinytorch import Tensor
    from tinytorch.tensor import as_array

    labels = Tensor(rng.integers(0, 9, size=5), dtype=np.int64)
    mask = Tensor(rng.integers(0, 2, size=5), dtype=np.bool_)
    return {
        "labels": labels.numpy(),
        "dtypes": [labels.dtype == np.int64, mask.dtype == np.bool_, as_array(1).dtype == np.float32],
        "float64": as_array([0.1], np.float64),
        "is_array": isinstance(as_array(3), np.ndarray),
    }


@probe("check-tensor-create")
def owns_its_data(rng):
    """The original array or tensor is changed after the tensor was made."""
    from tinytorch import Tensor

    array = rng.normal(size=(3, 2)).astype(np.float32)
    first = Tensor(array)
    second = Tensor(first)
    array[0] = 100
    first.data[1] = 200
    return seen(first=first, second=second)


# Broadcasting


@probe("check-tensor-broadcast")
def broadcasts_random_shapes(rng):
    """Random shapes with sizes of 1 in random places."""
    from tinytorch import broadcast_shapes

    found = {}
    for number in range(6):
        full = rng.integers(2, 9, size=int(rng.integers(1, 5)))
        shapes = []
        for _ in range(2):
            kept = np.where(rng.random(len(full)) < 0.5, full, 1)
            shapes.append(tuple(int(n) for n in kept[int(rng.integers(0, len(full))) :]))
        found[f"shape_{number}"] = np.array(broadcast_shapes(*shapes), dtype=int)
        found[f"turned_{number}"] = np.array(broadcast_shapes(*shapes[::-1]), dtype=int)
    return found


@probe("check-tensor-broadcast")
def broadcasts_edges(rng):
    """No dimensions, one shape, three shapes, empty arrays; the result is a tuple."""
    from tinytorch import broadcast_shapes

    n = int(rng.integers(2, 9))
    shapes = [((), ()), ((n, 3),), ((n, 1, 1), (4, 1), (5,)), ((1, n), (0, 1)), ((0,), ()), ((n, 1), (1,))]
    found = [broadcast_shapes(*each) for each in shapes]
    made = {f"shape_{number}": np.array(each, dtype=int) for number, each in enumerate(found)}
    return {**made, "are_tuples": all(isinstance(each, tuple) for each in found)}


@probe("check-tensor-broadcast")
def refuses_what_does_not_fit(rng):
    """Shapes that do not fit: a ValueError."""
    from tinytorch import broadcast_shapes

    n = int(rng.integers(3, 9))
    wrong = [((n,), (n + 1,)), ((n, 2), (n,)), ((n, 1), (2, n + 1, 4)), ((0,), (n,)), ((2,), (1,), (n,))]
    return [raises(ValueError, lambda s=shapes: broadcast_shapes(*s)) for shapes in wrong]


# Arithmetic


@probe("check-tensor-arithmetic")
def adds(rng):
    """Sums of all shapes that broadcast."""
    return _both_ways(rng, lambda x, y: x + y)


@probe("check-tensor-arithmetic")
def subtracts(rng):
    """Differences of all shapes that broadcast, with numbers on both sides."""
    return _both_ways(rng, lambda x, y: x - y)


@probe("check-tensor-arithmetic")
def multiplies(rng):
    """Products of all shapes that broadcast."""
    return _both_ways(rng, lambda x, y: x * y)


@probe("check-tensor-arithmetic")
def divides(rng):
    """Quotients of all shapes that broadcast, and a division by zero."""
    from tinytorch import Tensor

    made = _both_ways(rng, lambda x, y: x / y)
    return {**made, "by_zero": np.isposinf((Tensor([1.0, 2.0]) / Tensor([0.0, 1.0])).numpy())}


@probe("check-tensor-arithmetic")
def raises_to_powers(rng):
    """Powers with the tensor as base and as exponent."""
    from tinytorch import Tensor

    base, exponent = rng.uniform(0.5, 3, size=(3, 4)), rng.uniform(-2, 3, size=4)
    return seen(
        both=Tensor(base) ** Tensor(exponent),
        square=Tensor(-base) ** 2,
        root=Tensor(base) ** 0.5,
        exponent=1.5 ** Tensor(exponent),
    )


@probe("check-tensor-arithmetic")
def negates_and_changes_no_input(rng):
    """Negation; and the inputs after one of each operation."""
    from tinytorch import Tensor

    x, y = Tensor(rng.uniform(1, 2, size=(2, 3))), Tensor(rng.uniform(1, 2, size=(2, 3)))
    negative, empty, number = -x, -Tensor([]), -Tensor(2.0)
    for result in (x + y, x - y, x * y, x / y, x**y):
        result.data[...] = 0
    return seen(x=x, y=y, negative=negative, empty=empty, number=number)


# Matrix product


@probe("check-tensor-matmul", rtol=1e-4, atol=1e-5)
def multiplies_matrices_in_loops(rng):
    """The loops, on matrices of random sizes."""
    from tinytorch.tensor import matmul_loops

    n, k, m = (int(size) for size in rng.permutation([2, 3, 4, 5, 6])[:3])
    x, y = rng.normal(size=(n, k)).astype(np.float32), rng.normal(size=(k, m)).astype(np.float32)
    before = x.copy(), y.copy()
    product = matmul_loops(x, y)
    unchanged = np.array_equal(x, before[0]) and np.array_equal(y, before[1])
    return {"product": product, "is_float32": product.dtype == np.float32, "unchanged": unchanged}


@probe("check-tensor-matmul")
def loops_at_the_edges(rng):
    """The loops, on one row, one column, an inner size of 0, and on sizes that do not fit."""
    from tinytorch.tensor import matmul_loops

    row, column = rng.normal(size=(1, 4)), rng.normal(size=(4, 1))
    return {
        "inner": matmul_loops(row, column),
        "outer": matmul_loops(column, row),
        "nothing": matmul_loops(np.zeros((2, 0)), np.zeros((0, 3))),
        "refused": [raises(ValueError, lambda p=p: matmul_loops(*p)) for p in ((row, row), (column, column))],
    }


@probe("check-tensor-matmul", rtol=1e-4, atol=1e-5)
def multiplies_tensors(rng):
    """Tensors with @: matrices, a matrix and a vector, stacks that broadcast, numpy arrays on either side."""
    from tinytorch import Tensor

    a, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 4))
    stack, batch = rng.normal(size=(2, 1, 4, 3)), rng.normal(size=(6, 3, 2))
    return seen(
        matrices=Tensor(a) @ Tensor(b),
        vector=Tensor(a) @ Tensor(b[:, 0]),
        vectors=Tensor(a[0]) @ Tensor(b[:, 1]),
        stacks=Tensor(stack) @ Tensor(batch),
        array_right=Tensor(a) @ b,
        array_left=a @ Tensor(b),
        square=Tensor(a[:3]) @ Tensor(b[:, :3]),
    )


@probe("check-tensor-matmul")
def refuses_matrices_that_do_not_fit(rng):
    """Inner sizes that differ: a ValueError from @."""
    from tinytorch import Tensor

    n = int(rng.integers(2, 6))
    x, y = Tensor(np.ones((n, n + 1))), Tensor(np.ones((n + 1, n)))
    return {"fits": (x @ y).numpy(), "refused": [raises(ValueError, lambda t=t: t @ t) for t in (x, y)]}


# Indexing


@probe("check-tensor-index")
def indexes_and_slices(rng):
    """Numbers, slices, steps, ellipsis and None as keys."""
    from tinytorch import Tensor

    t = Tensor(rng.normal(size=(4, 5, 3)))
    i = int(rng.integers(4))
    return seen(
        one=t[i],
        last=t[-1, 2],
        part=t[1:3, :, 0],
        steps=t[::2, ::-1],
        ellipsis=t[..., i - 4 :],
        new=t[:, None, 1],
        element=t[i, i, 1],
    )


@probe("check-tensor-index")
def indexes_with_tensors(rng):
    """Masks and lists of indices, as tensors and as arrays, alone and beside a slice."""
    from tinytorch import Tensor

    t = Tensor(rng.normal(size=(6, 4)))
    rows, columns = rng.integers(0, 6, size=5), rng.integers(0, 4, size=5)
    as_rows, as_columns = Tensor(rows, dtype=np.int64), Tensor(columns, dtype=np.int64)
    return seen(
        mask=t[t > 0],
        rows=t[as_rows],
        pairs=t[as_rows, as_columns],
        arrays=t[rows, columns],
        beside=t[:, as_columns],
        plain=t[[0, 2]],
    )


@probe("check-tensor-index")
def keys_hold_arrays(rng):
    """What as_key makes of tensors, alone, in a tuple, and of keys without tensors."""
    from tinytorch import Tensor
    from tinytorch.tensor import as_key

    indices, n = rng.integers(0, 9, size=4), int(rng.integers(9))
    tensor = Tensor(indices, dtype=np.int64)
    alone, (first, second, third) = as_key(tensor), as_key((n, tensor, None))
    kept = [first == n, third is None, as_key(Ellipsis) is Ellipsis, as_key(slice(n)) == slice(n)]
    return {
        "alone": alone if isinstance(alone, np.ndarray) else -1,
        "second": second if isinstance(second, np.ndarray) else -1,
        "kept": kept,
    }


@probe("check-tensor-index")
def refuses_floats_as_index(rng):
    """A tensor of floats as an index, alone and in a tuple: an IndexError."""
    from tinytorch import Tensor

    t = Tensor(rng.normal(size=(3, 3)))
    floats = Tensor([0.0, 1.0])
    refused = [raises(IndexError, lambda k=key: t[k]) for key in (floats, (floats, 0), (slice(None), floats))]
    return {"refused": refused, "right": t[Tensor([1], dtype=np.int64)].numpy()}


# Shapes


@probe("check-tensor-reshape")
def infers_random_shapes(rng):
    """Random shapes with a random size left open, and without one."""
    from tinytorch.tensor import infer_shape

    found = {}
    for number in range(6):
        shape = [int(n) for n in rng.integers(1, 7, size=int(rng.integers(1, 5)))]
        numel = int(np.prod(shape))
        found[f"whole_{number}"] = infer_shape(numel, tuple(shape))
        shape[int(rng.integers(len(shape)))] = -1
        found[f"open_{number}"] = infer_shape(numel, tuple(shape))
    return {name: np.array(shape) for name, shape in found.items()}


@probe("check-tensor-reshape")
def infers_edges(rng):
    """Empty tensors, single numbers, and shapes that are refused with a ValueError."""
    from tinytorch.tensor import infer_shape

    n = int(rng.integers(5, 30)) * 2
    right = [(0, (0, 3)), (0, (4, -1)), (1, ()), (1, (-1,)), (n, (-1, n)), (n, (n, -1))]
    wrong = [
        (n, (-1, -1)),
        (n, (n + 1,)),
        (n, (n - 1, -1)),
        (n, (2,)),
        (0, (0, -1)),
        (n, ()),
        (n, (-2, -n // 2)),
    ]
    made = {f"shape_{k}": np.array(infer_shape(*each), dtype=int) for k, each in enumerate(right)}
    return {**made, "refused": [raises(ValueError, lambda e=each: infer_shape(*e)) for each in wrong]}


@probe("check-tensor-reshape")
def reshapes(rng):
    """Tensors reshaped, with sizes one by one and as a tuple; the elements keep their order."""
    from tinytorch import Tensor

    t = Tensor(rng.normal(size=(4, 6)))
    return seen(
        one_by_one=t.reshape(3, -1, 2),
        as_tuple=t.reshape((2, 12)),
        flat=t.reshape(-1),
        turned=t.T.reshape(8, 3),
    )


@probe("check-tensor-transpose")
def swaps_dimensions(rng):
    """Every pair of up to four dimensions, counted from the front and from the end."""
    from tinytorch.tensor import swap_dims

    found = {}
    for ndim in range(1, 5):
        pairs = [(a, b) for a in range(-ndim, ndim) for b in range(-ndim, ndim)]
        found[f"dims_{ndim}"] = np.array([swap_dims(ndim, *pair) for pair in pairs])
    return {**found, "is_tuple": isinstance(swap_dims(2, 0, int(rng.integers(2))), tuple)}


@probe("check-tensor-transpose")
def refuses_dimensions_that_do_not_exist(rng):
    """A dimension too far to the front or the end: an IndexError."""
    from tinytorch.tensor import swap_dims

    n = int(rng.integers(1, 5))
    wrong = [(n, 0), (0, n), (-n - 1, 0), (0, -n - 1), (n + 3, n + 3)]
    return {
        "right": np.array(swap_dims(n, 0, -1)),
        "refused": [raises(IndexError, lambda p=p: swap_dims(n, *p)) for p in wrong],
    }


@probe("check-tensor-transpose")
def transposes(rng):
    """Tensors transposed along random dimensions."""
    from tinytorch import Tensor

    t = Tensor(rng.normal(size=(2, 3, 4, 5)))
    a, b = (int(d) for d in rng.choice(4, size=2, replace=False))
    return seen(random=t.transpose(a, b), negative=t.transpose(a - 4, b), last=t.transpose(-1, -2))


# Reductions


def _reduced(rng, reduce):
    from tinytorch import Tensor

    t = Tensor(rng.normal(size=(2, 3, 4)))
    dim = int(rng.integers(3))
    return seen(
        everything=reduce(t),
        front=reduce(t, dim=dim),
        end=reduce(t, dim=dim - 3),
        kept=reduce(t, dim=dim, keepdim=True),
        all_kept=reduce(t, keepdim=True),
        several=reduce(t, dim=(0, -1)),
        several_kept=reduce(t, dim=(0, 2), keepdim=True),
        listed=reduce(t, dim=[1, 2]),
        number=reduce(Tensor(3.5)),
        below_zero=reduce(Tensor(-np.abs(t.numpy()) - 1), dim=1),
    )


@probe("check-tensor-reduce")
def sums(rng):
    """Sums along one, several and all dimensions, with and without keepdim, and of nothing."""
    from tinytorch import Tensor

    made = _reduced(rng, lambda t, **options: t.sum(**options))
    return {**made, "nothing": Tensor(np.zeros((3, 0))).sum(dim=1).numpy()}


@probe("check-tensor-reduce")
def means(rng):
    """Means along one, several and all dimensions, with and without keepdim, and of a mask."""
    from tinytorch import Tensor

    made = _reduced(rng, lambda t, **options: t.mean(**options))
    share = (Tensor(rng.normal(size=(4, 5))) > 0).mean(dim=0)
    return {**made, "share": share.numpy(), "share_is_float32": share.dtype == np.float32}


@probe("check-tensor-reduce")
def maxima(rng):
    """Maxima along one, several and all dimensions, and max(dim) with values and indices."""
    from tinytorch import Tensor

    made = _reduced(rng, lambda t, **options: t.amax(**options))
    values, indices = Tensor(rng.normal(size=(4, 6))).max(dim=-1)
    return {**made, "values": values.numpy(), "indices": indices.numpy()}


# All together


@probe("check-tensor-standardize", rtol=1e-4, atol=1e-4)
def standardizes(rng):
    """Random tables, along the default, another and a negative dimension."""
    from tinytorch import Tensor
    from tinytorch.tensor import standardize

    numbers = rng.normal(size=(7, 4, 3)) * rng.uniform(1, 20, size=(1, 4, 3)) + rng.normal(size=(7, 1, 3)) * 5
    t = Tensor(numbers)
    made = {"default": standardize(t), "middle": standardize(t, dim=1), "last": standardize(t, dim=-1)}
    return seen(**made, several=standardize(t, dim=(0, 1)), afterwards=t)


@probe("check-tensor-standardize", rtol=1e-4, atol=1e-5)
def standardizes_with_eps(rng):
    """Columns that hardly differ, so that eps counts, and constant ones."""
    from tinytorch import Tensor
    from tinytorch.tensor import standardize

    t = Tensor(rng.normal(size=(6, 3)) * np.array([1e-3, 0.1, 0.0]))
    return seen(default=standardize(t), given=standardize(t, eps=0.5))


@probe("check-tensor-standardize", rtol=1e-4, atol=1e-4)
def standardizes_through_the_dispatch_point(rng):
    """A tape is plugged in: standardize must be made of tensor operations only."""
    from tinytorch import Tensor
    from tinytorch.tensor import plug_in, standardize

    known, strangers = set(), []

    class Watch:
        def record(self, op, inputs, output):
            made_here = any(id(each) in known for each in inputs)
            strangers.extend(each for each in inputs if each.ndim and id(each) not in known)
            if made_here:
                known.add(id(output))
                alive.append(output)

    x = Tensor(rng.normal(size=(5, 2)))
    known.add(id(x))
    alive = [x]
    former = plug_in(Watch())
    try:
        result = standardize(x)
    finally:
        plug_in(former)
    return {"result": result.numpy(), "is_recorded": id(result) in known, "strangers": len(strangers)}
