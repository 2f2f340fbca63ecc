# %% [markdown]
# # Setup
#
# Welcome. In this course you build a deep-learning framework, step by step, until your own code reads
# handwriting and writes text. Nothing is hidden: there is Python, there is numpy, and there is you.
#
# This first module takes less than an hour. You will see how the notebooks work, why we use numpy, and how
# work is handed in. At its end, twenty lines of your own will recognise handwritten digits.

# %% [markdown]
# ## Is everything there?
#
# Click into the next cell and press **Shift+Enter** to run it. It should print versions, not an error.

# %%
import platform

import matplotlib
import numpy as np

print("Python", platform.python_version())
print("numpy", np.__version__)
print("matplotlib", matplotlib.__version__)

# %% [markdown]
# ## How a module works
#
# - **Grey text and given cells** are for reading and running. Given cells are locked; the course relies on
#   them.
# - **Exercises** say `# YOUR CODE HERE` and raise `NotImplementedError`. Replace both lines.
# - **Checks** come after. If one fails, it says what was tried, what came, what was expected, and the rule.
#   Your mark is computed later, from other numbers, so passing by luck does not help, and printing does not
#   hurt.
# - **Stuck?** Save, and run `%tito hint` in a cell of your own: a hint for the first exercise that is still
#   open. Ask again for a stronger one. It costs no points.
# - **Questions** are answered in words, in their own cell (double-click it), and marked by a person.
#
# Work from top to bottom. When something is odd: menu *Kernel*, *Restart Kernel and Run All Cells*.

# %% role="given" id="setup-header"
"""First steps: how much memory, how much time, and what numpy is for."""

import time

import numpy as np

# %% [markdown]
# ## Arrays
#
# A Python list of numbers is a list of *pointers* to number objects, each some 28 bytes. A numpy array is the
# bare numbers in one block of memory, all of the same *dtype*, with a *shape* that says how to read them:

# %%
table = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
print(table)
print("shape", table.shape, "| dimensions", table.ndim, "| elements", table.size)
print("dtype", table.dtype, "| bytes", table.nbytes)
print("second row", table[1], "| last column", table[:, -1], "| sum of each column", table.sum(axis=0))

# %% [markdown]
# ### Exercise: `memory_bytes`
#
# Will it fit? Whoever trains networks asks this every day. Compute the bytes of an array **without creating
# it**: the number of elements is the product of the sizes in the shape (an empty shape `()` is a single
# number: 1 element), and `np.dtype(dtype).itemsize` is the bytes of one element. Return a Python `int`.


# %% role="exercise" id="setup-memory"
def memory_bytes(shape, dtype="float32"):
    """The number of bytes that an array of this shape and dtype takes."""
    ### BEGIN SOLUTION
    elements = 1
    for size in shape:
        elements *= size
    return int(elements * np.dtype(dtype).itemsize)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="setup-memory"
# Two numbers, multiplied: how many elements there are, and how many bytes one of them takes. What is the
# product of no sizes at all?

# %% [markdown] role="hint" exercise="setup-memory"
# Begin with `elements = 1` and multiply every size of the shape into it, in a loop. At the end times the
# `itemsize`. If you like `np.prod` better: its result is a number of numpy's, so put `int(...)` around it.

# %% role="check" id="check-setup-memory" exercise="setup-memory" points=2
from tinytorch.checking import expect, expect_error

expect("memory_bytes((3,))", memory_bytes((3,)), 12, "3 elements, 4 bytes each.")
expect("memory_bytes(())", memory_bytes(()), 4, "An empty shape is one number.")
expect("memory_bytes((2, 3))", memory_bytes((2, 3)), 24, "2 * 3 elements, 4 bytes each.")
expect("memory_bytes((5, 0))", memory_bytes((5, 0)), 0, "5 * 0 elements are none.")
expect("memory_bytes((10,), 'float64')", memory_bytes((10,), "float64"), 80, "A float64 has 8 bytes.")
images = memory_bytes((60000, 28, 28), "uint8")
expect("memory_bytes((60000, 28, 28), 'uint8')", images, 47040000, "A uint8 has 1 byte.")
expect("the type of that", type(images).__name__, "int", "A Python int: int(...) makes one.")

# %% [markdown]
# If that cell printed nothing, it passed. Silence is good news.
#
# ## Loops and vectors
#
# The *dot product* of two vectors is the sum of the products of their elements:
#
# $$ a \cdot b = \sum_i a_i b_i $$
#
# It is the heart of every network: one artificial neuron is one dot product.
#
# ### Exercise: `dot_loop` and `dot`
#
# Write it twice: as a loop over the elements in plain Python, and *vectorised*, with numpy and no loop. Both
# return a number. Vectors of different lengths raise a `ValueError`, in both; do not let a loop quietly stop
# at the shorter one.


# %% role="exercise" id="setup-dot"
def dot_loop(a, b):
    """The dot product of two vectors, by a loop."""
    ### BEGIN SOLUTION
    if len(a) != len(b):
        raise ValueError(f"Vectors of lengths {len(a)} and {len(b)} have no dot product.")
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total
    ### END SOLUTION


def dot(a, b):
    """The dot product of two vectors, by numpy."""
    ### BEGIN SOLUTION
    return np.dot(a, b)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="setup-dot"
# The loop: a `total` that begins at 0 and grows by one product in each step. Before it, ask whether the two
# lengths (`len`) are equal; if not, `raise ValueError(...)` with a sentence that says so.

# %% [markdown] role="hint" exercise="setup-dot"
# `range(len(a))` gives the positions. (`zip(a, b)` would quietly stop at the shorter vector.) For `dot`:
# numpy has a function of this very name. It refuses vectors of different lengths by itself, and a product
# with `*` and a sum would not: one element against three *broadcasts*.

# %% role="check" id="check-setup-dot" exercise="setup-dot" points=2
a, b = np.array([1.0, 2.0, 3.0]), np.array([4.0, -5.0, 6.0])
for function in (dot_loop, dot):
    name = function.__name__
    expect(f"{name}([3], [6])", function(a[2:], b[2:]), np.float64(18), "One product: 3 * 6.")
    expect(f"{name}([], [])", function(a[:0], b[:0]), np.float64(0), "A sum of nothing is 0.")
    expect(f"{name}([1, 2], [4, -5])", function(a[:2], b[:2]), np.float64(-6), "1*4 + 2*(-5)")
    expect(f"{name}([1, 2, 3], [4, -5, 6])", function(a, b), np.float64(12), "1*4 + 2*(-5) + 3*6")
    rule = "The lengths must be equal."
    expect_error(f"{name}([1], [4, -5])", ValueError, lambda f=function: f(a[:1], b[:2]), rule)
    expect_error(f"{name}([1, 2, 3], [4, -5])", ValueError, lambda f=function: f(a, b[:2]), rule)

# %% [markdown]
# Which one is faster, and by how much? Do not believe, measure. A single measurement is noisy, because the
# computer does other things too. Such disturbances only ever make it *slower*, so the **smallest** of several
# times is the honest one.
#
# ### Exercise: `seconds`
#
# Call `function(*arguments)` `repeat` times, measure each call with `time.perf_counter()`, and return the
# smallest time.


# %% role="exercise" id="setup-seconds"
def seconds(function, *arguments, repeat=5):
    """The shortest time in seconds of `repeat` calls of function(*arguments)."""
    ### BEGIN SOLUTION
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="setup-seconds"
# A loop that runs `repeat` times: look at the clock, call, look at the clock again. The difference is one
# time. What must happen to the times of all rounds?

# %% [markdown] role="hint" exercise="setup-seconds"
# Collect the differences in a list (`times.append(...)`) and return its `min`. Between the two looks at the
# clock stands nothing but `function(*arguments)`; the star hands on all arguments, however many there are.

# %% role="check" id="check-setup-seconds" exercise="setup-seconds" points=2
calls = []
took = seconds(lambda: calls.append("called"), repeat=1)
expect("calls, with repeat=1", calls, ["called"], "One call for each round.")
assert isinstance(took, float), f"seconds returned {took!r}; expected a float, the smallest time."
calls = []
seconds(lambda *given: calls.append(given), "a", 2, repeat=3)
expect("calls of seconds(f, 'a', 2, repeat=3)", calls, [("a", 2)] * 3, "Each time with all arguments.")
naps = iter([0.2, 0.01, 0.2])
took = seconds(lambda: time.sleep(next(naps)), repeat=3)
assert 0.009 < took < 0.1, (
    f"three calls took at least 0.2, 0.01 and 0.2 s; seconds gave {took:.4f}. Expected is the smallest."
)

# %% [markdown]
# Now the picture. Both axes are logarithmic: one step up is ten times slower.

# %%
import matplotlib.pyplot as plt

lengths = [1, 10, 100, 1_000, 10_000, 100_000]
vectors = [np.random.default_rng(0).random(n) for n in lengths]
loop_times = [seconds(dot_loop, v, v, repeat=3) for v in vectors]
numpy_times = [seconds(dot, v, v, repeat=3) for v in vectors]

plt.figure(figsize=(6, 3.5))
plt.loglog(lengths, loop_times, "o-", label="loop")
plt.loglog(lengths, numpy_times, "s--", label="numpy")
plt.xlabel("length of the vectors")
plt.ylabel("seconds")
plt.legend()
plt.show()
print(
    f"At length {lengths[-1]:,} numpy is {loop_times[-1] / numpy_times[-1]:,.0f} times faster, here and now."
)

# %% [markdown]
# ### What it costs
#
# The work is the same: n multiplications, n additions. In the loop, each takes some 50 to 100 ns, for Python
# looks up what `*` means for these two objects, creates a new number object, and throws it away. numpy asks
# once, then runs compiled code over the bare numbers. At length 1 it gains nothing: the asking itself takes
# most of the time. Keep that in mind: *few operations on many numbers* are fast.

# %% [markdown]
# ## A first real thing: recognising digits
#
# Here are real handwritten digits, 8 by 8 pixels with grey values; 1,437 of them come with the answer.

# %%
from course.datasets import load

digits = load("digits")
train_images = np.asarray(digits["train_images"], dtype=np.float32).reshape(len(digits["train_images"]), -1)
train_labels = np.asarray(digits["train_labels"])
test_images = np.asarray(digits["test_images"], dtype=np.float32).reshape(len(digits["test_images"]), -1)
test_labels = np.asarray(digits["test_labels"])
print("known:", train_images.shape, " to recognise:", test_images.shape)

figure, axes = plt.subplots(1, 10, figsize=(9, 1.2))
for axis, image, label in zip(axes, train_images, train_labels, strict=False):
    axis.imshow(image.reshape(8, 8), cmap="gray_r")
    axis.set_title(int(label))
    axis.axis("off")
plt.show()

# %% [markdown]
# The simplest idea that works: an unknown image is the same digit as the known image that is *nearest* to it,
# where an image is a point with 64 coordinates, and near is the (squared) distance
#
# $$ d(a, b) = \sum_i (a_i - b_i)^2 . $$
#
# ### Exercise: `distances` and `nearest_labels`
#
# - `distances(a, b)`: `a` has shape `(n, k)`, `b` has shape `(m, k)`; the result has shape `(n, m)`: element
#   `(i, j)` is the squared distance of row `i` of `a` from row `j` of `b`. No Python loop over rows: `a[:,
#   None, :] - b[None, :, :]` has shape `(n, m, k)`, each row of `a` against each of `b`. (This is
#   *broadcasting*; the next module takes it apart.)
# - `nearest_labels(known, labels, unknown)`: for each row of `unknown` the label of the nearest row of
#   `known`. `argmin` along the right axis says where the smallest is. If two are equally near, the first
#   counts.


# %% role="exercise" id="setup-nearest"
def distances(a, b):
    """The squared distance of each row of a from each row of b: shape (len(a), len(b))."""
    ### BEGIN SOLUTION
    return ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=-1)
    ### END SOLUTION


def nearest_labels(known, labels, unknown):
    """For each row of unknown, the label of the row of known that is nearest to it."""
    ### BEGIN SOLUTION
    return labels[distances(unknown, known).argmin(axis=1)]
    ### END SOLUTION


# %% [markdown] role="hint" exercise="setup-nearest"
# `distances` has three steps: the differences, of shape `(n, m, k)`, as the text shows; their squares; the
# sum over the coordinates. Which of the three axes are the coordinates?

# %% [markdown] role="hint" exercise="setup-nearest"
# `** 2` squares each element, and `.sum(axis=-1)` takes the last axis away: `(n, m)` is left. For
# `nearest_labels`, ask for the distances of the unknown from the known images: then each **row** belongs to
# one unknown image.

# %% [markdown] role="hint" exercise="setup-nearest"
# In each row `argmin` along axis 1 finds the position of the smallest number, the first one if there are
# several. That gives an array of positions, and `labels[positions]` picks all labels at once.

# %% role="check" id="check-setup-nearest" exercise="setup-nearest" points=4
expect(
    "distances([[1]], [[4]])", distances(np.array([[1.0]]), np.array([[4.0]])), np.array([[9.0]]), "(1 - 4)^2"
)
a, b = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
expect(
    "distances of (0, 0) from (0, 0), (3, 0), (0, 1)",
    distances(a[:1], b),
    np.array([[0.0, 9, 1]]),
    "One row for each row of a, one column for each row of b.",
)
expect(
    "distances of (0, 0), (3, 4) from (0, 0), (3, 0), (0, 1)",
    distances(a, b),
    np.array([[0.0, 9, 1], [25, 16, 18]]),
    "Row i of a, column j for row j of b.",
)
labels = np.array([7, 8, 9])
near = nearest_labels(b, labels, np.array([[2.0, 1.0]]))
expect("nearest_labels of (2, 1)", near, np.array([8]), "(2, 1) is nearest to (3, 0), whose label is 8.")
near = nearest_labels(b, labels, np.array([[2.0, 1.0], [-1.0, 3.0]]))
expect("nearest_labels of (2, 1), (-1, 3)", near, np.array([8, 9]), "(-1, 3) is nearest to (0, 1): 9.")
expect("the known ones themselves", nearest_labels(b, labels, b), labels, "Distance 0 is the nearest.")
near = nearest_labels(b[[1, 1]], labels[:2], b)
expect("two that are equally near, 7 and 8", near, np.array([7, 7, 7]), "The first counts.")

# %%
start = time.perf_counter()
guesses = nearest_labels(train_images, train_labels, test_images)
took = time.perf_counter() - start
print(
    f"{(guesses == test_labels).mean():.1%} of {len(test_labels)} digits are right, "
    f"{took / len(test_labels) * 1e3:.2f} ms each"
)
known, pixels = train_images.shape
for name, shape in {
    "the known images": (known, pixels),
    "all differences at once": (len(test_labels), known, pixels),
    "their sums, the distances": (len(test_labels), known),
}.items():
    print(f"{name:26} {shape!s:16} {memory_bytes(shape) / 1e6:7.2f} MB")

# %% [markdown] role="question" id="setup-why-vectors" points=2
# ### Question: what does vectorising buy? (In your own words, 2 points, marked by a person.)
#
# `dot_loop` and `dot` do the same multiplications and additions. Where does the loop's time go, and why does
# your plot show hardly any gain at length 1? Then look at the three sizes above: `distances` has no loop over
# rows. What was the price for that, and how would you compute the same for a million known images?
#
# ### BEGIN RUBRIC
# - 1 point: where the time goes. In the loop Python works for **each** element: it looks up what `*` and `+`
#   mean for these objects, makes a new object, throws one away. numpy is asked **once**, and then runs
#   compiled code over numbers that lie side by side. At length 1 this one call is all there is, and it costs
#   as much as a step of the loop. Half a point for 'numpy is written in C' without 'once instead of for each
#   element'.
# - 1 point: the price is memory. All n * m * k differences exist at the same time (and once more as squares),
#   though only n * m numbers are wanted; with a million known images that is 360 * 1,000,000 * 64 * 4 bytes,
#   92 GB. The way out is in between: a loop over blocks (one unknown image, or a few hundred, at a time),
#   each block vectorised. Half a point without a way out. (Multiplying the square out, a a - 2 a b + b b,
#   with one matrix product, is a good answer too.)
# ### END RUBRIC

# %% [markdown]
# ## How PyTorch does it
#
# `torch.cdist(a, b)` computes distances like yours (without the square), and `torch.tensor` holds the numbers
# as numpy does. Your `seconds` exists as `torch.utils.benchmark.Timer`, which repeats and takes the median.
# And for vision models that answer 'which known picture is this most like?', nearest neighbours are in use to
# this day; only the 64 grey values are replaced by numbers that a network has learned.

# %% [markdown]
# ## Handing in
#
# Save the notebook (Ctrl+S). Then open a terminal (menu *File*, *New*, *Terminal*) and type these, one at a
# time:
#
#     tito test setup       runs the checks of this notebook
#     tito export setup     puts your functions into your own package, tinytorch/setup.py
#     tito submit setup     hands the notebook in, and shows the mark with its reasons
#     tito status           where you are, and what is next
#
# When you are stuck, `tito hint setup` gives one hint at a time. `tito bridge` tells the story so far, with
# your own figures; `tito checkpoint` tries what your framework can do by now. In a notebook put a `%` before
# them: `%tito status`.
#
# You may submit as often as you like. **Export matters**: the next module imports what you exported from this
# one. From then on you stand on your own work.
