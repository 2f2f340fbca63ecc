"""Probes of the module setup."""

import time

import numpy as np

from course.probing import probe, raises


@probe("check-setup-memory")
def memory_of_random_shapes(rng):
    """Bytes of arrays with random shapes and dtypes."""
    from tinytorch.setup import memory_bytes

    dtypes = ["float32", "float64", "uint8", "int16"]
    shapes = [tuple(int(n) for n in rng.integers(1, 50, size=d)) for d in (1, 2, 3, 4)]
    found = [memory_bytes(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    return {"bytes": found, "default": memory_bytes(shapes[2])}


@probe("check-setup-memory")
def memory_of_edges(rng):
    """A single number, nothing at all, and an array too large to create; as a Python int."""
    from tinytorch.setup import memory_bytes

    large = (100_000, 100_000, int(rng.integers(1, 9)))
    found = [memory_bytes(shape) for shape in ((), (0,), (int(rng.integers(1, 9)), 0, 3), large)]
    return {"bytes": found, "is_int": all(type(each) is int for each in found)}


@probe("check-setup-dot", rtol=1e-6, atol=1e-9)
def dot_by_loop(rng):
    """The loop, on vectors of random length and on empty ones."""
    from tinytorch.setup import dot_loop

    a, b = rng.normal(size=(2, int(rng.integers(2, 40))))
    return {"random": dot_loop(a, b), "lists": dot_loop(list(a), list(b)), "empty": dot_loop(a[:0], b[:0])}


@probe("check-setup-dot", rtol=1e-6, atol=1e-9)
def dot_by_numpy(rng):
    """The vectorised one, on vectors of random length, on empty ones, and on a million numbers."""
    from tinytorch.setup import dot

    a, b = rng.normal(size=(2, int(rng.integers(2, 40))))
    long = rng.normal(size=1_000_000)
    return {"random": dot(a, b), "empty": dot(a[:0], b[:0]), "long": dot(long, long)}


@probe("check-setup-dot")
def dot_of_different_lengths(rng):
    """Vectors of different lengths: a ValueError, whichever is shorter."""
    from tinytorch.setup import dot, dot_loop

    a, b = rng.normal(size=int(rng.integers(3, 9))), rng.normal(size=2)
    return [raises(ValueError, lambda f=f, x=x: f(*x)) for f in (dot_loop, dot) for x in ((a, b), (b, a))]


LONG = 0.1


def _naps(rng):
    """A short time, and where it stands among three calls."""
    return float(rng.uniform(0.005, 0.02)), int(rng.integers(3))


def _is_the_smallest(rng, out):
    took, lasted, (short, *_) = out.get("took"), out.get("lasted"), _naps(rng)
    if took is None or took.shape != ():
        return "seconds must return one number."
    if lasted is None or lasted.shape != (3,):
        return "With repeat=3, seconds must call the function three times."
    # On a machine with much else to do a nap lasts longer than asked: what counts is how long each lasted.
    first, second, third = np.sort(lasted)
    rested = first >= 0.9 * short and second >= 0.9 * LONG
    if not (rested and 0.9 * first < float(took) < first + max(0.01, (second - first) / 2)):
        return (
            f"Three calls took {first:.4f}, {second:.4f} and {third:.4f} s in some order; "
            f"seconds gave {float(took):.4f}. Return the smallest."
        )
    return None


@probe("check-setup-seconds", judge=_is_the_smallest)
def seconds_is_the_smallest(rng):
    """A function that takes long, short and long again."""
    from tinytorch.setup import seconds

    short, place = _naps(rng)
    naps = [LONG] * 3
    naps[place] = short
    waiting = iter(naps)
    lasted = []

    def nap():
        start = time.perf_counter()
        time.sleep(next(waiting))
        lasted.append(time.perf_counter() - start)

    took = float(seconds(nap, repeat=3))
    return {"took": took, "lasted": np.array(lasted)}


@probe("check-setup-seconds")
def seconds_calls_the_function(rng):
    """How often the function is called, and with what."""
    from tinytorch.setup import seconds

    calls = []
    repeat = int(rng.integers(2, 9))
    first, second = rng.normal(size=2)
    seconds(lambda *given: calls.append(given), first, second, repeat=repeat)
    by_default = []
    seconds(by_default.append, 1)
    return {"calls": np.array(calls), "by_default": len(by_default)}


@probe("check-setup-nearest")
def distances_of_random_points(rng):
    """Distances of random points, of other numbers of rows and columns."""
    from tinytorch.setup import distances

    n, m, k = (int(size) for size in rng.permutation([2, 3, 5]) + rng.integers(0, 2))
    a, b = rng.normal(size=(n, k)), rng.normal(size=(m, k))
    before = a.copy(), b.copy()
    found = distances(a, b)
    return {"distances": found, "unchanged": np.array_equal(a, before[0]) and np.array_equal(b, before[1])}


@probe("check-setup-nearest")
def distances_of_edges(rng):
    """One row, one column, and the distance of points from themselves."""
    from tinytorch.setup import distances

    a, b = rng.normal(size=(1, 4)), rng.normal(size=(6, 1))
    return {"row": distances(a, a + 1), "column": distances(b, b)}


@probe("check-setup-nearest")
def nearest_of_random_points(rng):
    """The labels of the nearest of random points."""
    from tinytorch.setup import nearest_labels

    known, unknown = rng.normal(size=(30, 4)), rng.normal(size=(17, 4))
    return nearest_labels(known, rng.integers(1, 1000, size=30), unknown)


@probe("check-setup-nearest")
def nearest_of_equally_near(rng):
    """Points that are known twice: the first counts."""
    from tinytorch.setup import nearest_labels

    points = rng.normal(size=(8, 3))
    known = np.concatenate([points, points])
    labels = rng.permutation(1000)[:16]
    return nearest_labels(known, labels, points[::-1] + 1e-9)
