# %% [markdown]
# # Data loading
#
# Between the files on a disk and the tensors of a training step stands the *data loader*. It shuffles, cuts
# into batches, varies the images, and works ahead. You will write its parts, and measure what one number
# costs or saves: the batch size.

# %% [markdown]
# ## One sample at a time, or many
#
# A network for MNIST's 784 pixels, trained with batches of different sizes. The arithmetic for each sample is
# the same; only how many go through at once is not. (The images are random numbers: here only time counts.)

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
from tinytorch import Tensor, manual_seed, rand
from tinytorch.figures import keep
from tinytorch.nn import Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy
from tinytorch.optim import SGD


def microseconds(model, shape, size, times=15):
    """The time of one training step with a batch of this size, for each sample."""
    optimizer = SGD(model.parameters(), lr=0.01)
    x, y = rand(size, *shape), Tensor(np.arange(size) % 10, dtype=np.int64)
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
        spent.append(time.perf_counter() - start)
    return min(spent) / size * 1e6


sizes = (1, 8, 64, 512)
models = {"MLP": (Sequential(Flatten(), Linear(784, 128), ReLU(), Linear(128, 10)), (1, 28, 28), 15)}

# %% track="discovery, immediate"
from tinytorch.nn import Conv2d, MaxPool2d

cnn = Sequential(Conv2d(1, 16, 3), ReLU(), MaxPool2d(2), Flatten(), Linear(16 * 13 * 13, 10))
models["CNN"] = (cnn, (1, 28, 28), 3)

# %%
plt.figure(figsize=(6, 3.5))
for (name, (model, shape, times)), style in zip(models.items(), ("o-", "s--"), strict=False):
    found = [microseconds(model, shape, size, times) for size in sizes]
    keep(f"batch_factor_{name.lower()}", found[0] / min(found))
    print(f"{name}: " + ", ".join(f"{size}: {each:.1f} µs" for size, each in zip(sizes, found, strict=True)))
    print(f"     the best is {found[0] / min(found):.1f} times as fast as one at a time")
    plt.loglog(sizes, found, style, label=name)
plt.xticks(sizes, sizes)
plt.xlabel("batch size")
plt.ylabel("microseconds a sample")
plt.legend()
plt.show()

# %% [markdown] track="discovery, immediate"
# Batches are worth far more to the MLP than to the CNN. The CNN gains less, nearly all of it with the
# first few images; with very large batches it may lose some of it again.

# %% [markdown]
# Two things are paid once for each *step*, however many samples are in it. Python's own work: calls, tape,
# checks. And the weights' way through memory: with a single sample, each weight is fetched, used for one
# multiplication and one addition, dropped, and fetched again to be updated; with 64 samples it is used 64
# times in between. How much is Python? A network of one number has nothing to compute:

# %%
nothing = Sequential(Linear(1, 1), ReLU(), Linear(1, 10))
overhead, alone = microseconds(nothing, (1,), 1), microseconds(*models["MLP"][:2], 1)
print(
    f"a step with one sample: {alone:.0f} µs, of which about {overhead:.0f} µs are Python and numpy's calls"
)

# %% [markdown] role="question" id="dataloader-why-batches" points=2
# ### Question: where does the time go?
#
# *In your own words; 2 points, marked by a person.*
#
# Take your own numbers from above. Of the time that the MLP saves for each image when it goes from one image
# to 512 at once, how much is Python's work, which is now shared, and how much is the weights' way through
# memory? Say how you computed it. Then: a convolution uses each of its few weights at every pixel of an
# image. What does that mean for the gain that batches can bring there, and why?
#
# ### BEGIN RUBRIC
# One point for a computation from measured numbers, in which both parts occur: saved are (time alone) - (time
# in the large batch); of that the step of the empty network is Python's part, and the rest mostly the
# weights' (reading, gradient, update). The numbers differ from machine to machine.
#
# One point for the convolution: a weight is already used many times within one image, so little is won by
# using it for more images, and there is far more to compute in proportion to Python's work. So batches bring
# much less.
# ### END RUBRIC

# %% [markdown]
# ## A data set
#
# A *data set* has a length, and a sample for each number: `len(dataset)` and `dataset[i]`. That is all that
# PyTorch asks for. Ours may do a third thing: `take(indices)` gives many samples as *one batch*, a tuple of
# arrays. The base class does it sample by sample (with `collate`, which you write further below). Who has all
# samples in arrays can do it at once.
#
# ### Exercise: `TensorDataset`
#
# - `TensorDataset(images, labels)`: any number of arrays (or tensors) of one length. If the lengths differ,
#   or if there is no array, it raises a `ValueError`.
# - `dataset[i]` is the tuple of row `i` of each array; `take(indices)` the tuple of the rows `indices` of
#   each, by a single indexing of each array, not by a loop over samples.


# %% role="given" id="dataloader-header"
"""Data sets and batches: how samples come to the model."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinytorch.tensor import from_numpy, rand


class Dataset:
    """Samples with a number each: a subclass writes __len__ and __getitem__."""

    def __len__(self):
        raise NotImplementedError(f"{type(self).__name__} has no __len__.")

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__.")

    def take(self, indices):
        """Many samples as one batch: a tuple of arrays. A subclass that can do it at once does so."""
        return collate([self[int(index)] for index in indices])


# %% role="exercise" id="dataloader-dataset"
class TensorDataset(Dataset):
    """Samples that lie in arrays (or tensors) of one length, row by row: dataset[i] is a tuple of rows."""

    def __init__(self, *tensors):
        ### BEGIN SOLUTION
        if len({len(each) for each in tensors}) != 1:
            raise ValueError(f"The arrays must have one length, not {[len(each) for each in tensors]}.")
        ### END SOLUTION
        self.tensors = tuple(np.asarray(each) for each in tensors)

    def __len__(self):
        ### BEGIN SOLUTION
        return len(self.tensors[0])
        ### END SOLUTION

    def __getitem__(self, index):
        ### BEGIN SOLUTION
        return tuple(each[index] for each in self.tensors)
        ### END SOLUTION

    def take(self, indices):
        ### BEGIN SOLUTION
        return tuple(each[indices] for each in self.tensors)
        ### END SOLUTION


# %% [markdown] role="hint" exercise="dataloader-dataset"
# A set of the lengths has how many members, if all are the same? And if there is no array?

# %% [markdown] role="hint" exercise="dataloader-dataset"
# `each[index] for each in self.tensors`, made a tuple. numpy takes an array of numbers as an index, too:
# `array[[3, 0, 0]]` are three rows.

# %% role="check" id="check-dataloader-dataset" exercise="dataloader-dataset" points=3
from tinytorch.checking import expect, expect_error

letters, labels = np.array([[1.0, 1], [2, 2], [3, 3]]), np.array([7, 8, 9])
dataset = TensorDataset(letters, labels)
expect("len(dataset)", len(dataset), 3, "One sample for each row.")
sample = dataset[1]
expect("number of parts of dataset[1]", len(sample), 2, "One part for each array.")
expect("dataset[1][0]", sample[0], np.array([2.0, 2]), "Row 1 of the first array.")
expect("dataset[-1][1]", dataset[-1][1], np.int64(9), "-1 is the last one, as everywhere.")
batch = dataset.take(np.array([2, 0, 0]))
expect("take([2, 0, 0])[0]", batch[0], np.array([[3.0, 3], [1, 1], [1, 1]]), "These rows, in this order.")
expect("take([2, 0, 0])[1]", batch[1], np.array([9, 7, 7]), "The same rows of each array.")
three = TensorDataset(labels, labels, labels)
expect("number of parts, of three arrays", len(three[0]), 3, "Any number of arrays, one part for each.")
expect_error("dataset[3]", IndexError, lambda: dataset[3], "There are 3 samples: 0, 1 and 2.")
asked = []


class Watched(TensorDataset):
    """Notes which samples are asked for one by one."""

    def __getitem__(self, index):
        asked.append(int(index))
        return super().__getitem__(index)


Watched(letters, labels).take(np.array([2, 0]))
expect("samples that take asks for one by one", asked, [], "Each array is indexed once, by all the indices.")
rule = "Each sample needs all its parts."
expect_error("3 images, 2 labels", ValueError, lambda: TensorDataset(letters, labels[:2]), rule)
expect_error("TensorDataset()", ValueError, TensorDataset, "No array, no length.")

# %% [markdown]
# ## Where the data lie
#
# MNIST's training images are 47 MB. If each of a hundred students on a machine loaded them, they would fill
# 4.7 GB with the same bytes. So this course *maps* its data sets: `np.load(path, mmap_mode="r")` reads
# nothing, it only tells the system that this file is to look like memory. When a byte is touched, the system
# fetches its *page* (4 KB, and often its neighbours) into the **page cache**, where it keeps what was read
# from disks as long as there is room. All who map the file see the same pages. Measured, with a file of that
# size:

# %%
import tempfile
import tracemalloc
from pathlib import Path


def mapped_pages():
    """MB of files that this process sees in its memory (Linux tells; elsewhere 0)."""
    status = Path("/proc/self/status")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines()) if status.exists() else {}
    return int(lines.get("RssFile", "0").split()[0]) / 1e3


def report(what, function):
    """Call a function, and say how long it took and by how much memory grew; gives its result."""
    own, shared, start = tracemalloc.get_traced_memory()[0], mapped_pages(), time.perf_counter()
    result = function()
    spent = time.perf_counter() - start
    own, shared = (tracemalloc.get_traced_memory()[0] - own) / 1e6, mapped_pages() - shared
    print(f"{what:30} {spent * 1e3:7.2f} ms   own {own:+5.1f} MB, shared {shared:+5.1f} MB")
    return result


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "images.npy")
    np.save(path, np.random.default_rng(0).integers(0, 256, (60_000, 28, 28), dtype=np.uint8))
    tracemalloc.start()
    loaded = report("loading everything", lambda: np.load(path))
    del loaded
    mapped = report("mapping", lambda: np.load(path, mmap_mode="r"))
    rows = np.random.default_rng(1).integers(0, len(mapped), 64)
    batch = report("64 images at random places", lambda: mapped[rows])
    brightest = report("every image, for the first time", lambda: mapped.max())
    brightest = report("every image, once more", lambda: mapped.max())
    tracemalloc.stop()

# %% [markdown]
# To map costs next to nothing, and what was looked at is counted as *shared*: these pages belong to the page
# cache, and the system takes them back when it needs room. `course.datasets.load` gives you such arrays, so a
# data set larger than your memory is no trouble either. They cannot be written to; a batch taken from them is
# a copy, and yours.
#
# ## From samples to a batch
#
# A data set of your own may have to open a file for each sample, and cannot take many at once. Then the
# samples come one by one and are *collated*.
#
# ### Exercise: `collate`
#
# `collate([(image, label), (image, label), ...])` is `(images, labels)`: arrays with one more dimension in
# front. A part may be an array, a number, or a tensor (`np.stack` takes all three). Samples with different
# numbers of parts raise a `ValueError`; so do parts of different shapes, by themselves.


# %% role="exercise" id="dataloader-collate"
def collate(samples):
    """A list of samples, each a tuple of n parts, as one batch: a tuple of n arrays."""
    ### BEGIN SOLUTION
    return tuple(np.stack(part) for part in zip(*samples, strict=True))
    ### END SOLUTION


# %% [markdown] role="hint" exercise="dataloader-collate"
# `zip(*samples)` turns the table: it gives all first parts, then all second parts.

# %% [markdown] role="hint" exercise="dataloader-collate"
# `np.stack` each of what `zip` gives, in a tuple. `zip(..., strict=True)` raises the `ValueError` for you.

# %% role="check" id="check-dataloader-collate" exercise="dataloader-collate" points=2
batch = collate([(1, 2, 3), (4, 5, 6)])
expect("(1, 2, 3) and (4, 5, 6): how many parts", len(batch), 3, "One array for each part of a sample.")
expect("the first part", batch[0], np.array([1, 4]), "The first parts of all samples.")
expect("whole numbers become", batch[0].dtype.kind, "i", "Whole numbers (i) do not become floats (f).")
batch = collate([(np.zeros((2, 2)), 5), (np.ones((2, 2)), 6), (np.ones((2, 2)), 7)])
expect("number of parts", len(batch), 2, "One array for each part, not for each sample.")
expect("shape of the first parts", batch[0].shape, (3, 2, 2), "One more dimension, in front.")
expect("the second parts", batch[1], np.array([5, 6, 7]), "One number for each sample, in order.")
rule = "All samples have the same parts."
expect_error("one without label", ValueError, lambda: collate([(np.ones(2), 1), (np.ones(2),)]), rule)

# %% [markdown]
# What `take` saves, for batches of 64 images:

# %%
images = np.random.default_rng(0).random((1000, 784), dtype=np.float32)
dataset, rows = TensorDataset(images, np.arange(1000)), np.random.default_rng(1).integers(0, 1000, 64)
for name, take in (("one by one", Dataset.take), ("at once", TensorDataset.take)):
    start = time.perf_counter()
    for _ in range(50):
        take(dataset, rows)
    print(f"{name:10} {(time.perf_counter() - start) / 50 * 1e6:6.0f} µs")

# %% [markdown]
# ## Parts of a data set
#
# A part of the training data is kept aside, to see how good a model is on what it has not learned from. A
# `Subset` is a data set that shows only some numbers of another one. It copies no sample.
#
# ### Exercise: `Subset`
#
# Number `i` of the subset is number `self.indices[i]` of the data set. For `take`, all at once again: an
# array is indexed by an array, and the data set has a `take` of its own.


# %% role="exercise" id="dataloader-subset"
class Subset(Dataset):
    """Some samples of a data set, by their numbers in it."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, np.asarray(indices, dtype=np.int64)

    def __len__(self):
        ### BEGIN SOLUTION
        return len(self.indices)
        ### END SOLUTION

    def __getitem__(self, index):
        ### BEGIN SOLUTION
        return self.dataset[self.indices[index]]
        ### END SOLUTION

    def take(self, indices):
        ### BEGIN SOLUTION
        return self.dataset.take(self.indices[indices])
        ### END SOLUTION


# %% [markdown] role="hint" exercise="dataloader-subset"
# There are two numberings: the subset's own, from 0, and the data set's. `self.indices` leads from the first
# to the second.

# %% [markdown] role="hint" exercise="dataloader-subset"
# `self.dataset[self.indices[...]]` for one; for many the same with the data set's `take`.


# %% role="check" id="check-dataloader-subset" exercise="dataloader-subset" points=2
asked = []


class Squares(Dataset):
    """Sample i is (i, i * i). Notes which samples are asked for one by one."""

    def __len__(self):
        return 100

    def __getitem__(self, index):
        asked.append(int(index))
        return index, index * index

    def take(self, indices):
        return indices, indices * indices


part = Subset(Squares(), [30, 10, 20])
expect("len(Subset(squares, [30, 10, 20]))", len(part), 3, "As many as there are indices.")
expect("number 1 of it", np.array(part[1]), np.array([10, 100]), "Number 10 of the data set.")
expect("len(Subset(squares, [5, 5]))", len(Subset(Squares(), [5, 5])), 2, "A number may be there twice.")
asked.clear()
batch = part.take(np.array([2, 0]))
expect(
    "take([2, 0])", np.array(batch), np.array([[20, 30], [400, 900]]), "Numbers 20 and 30 of the data set."
)
expect("samples asked for one by one", asked, [], "take asks the data set's take, once for all.")
twice = Subset(part, [1, 2])
expect("a subset of it", np.array(twice.take(np.array([1]))), np.array([[20], [400]]), "1 is 2, 2 is 20.")

# %% [markdown]
# ### Exercise: `split_indices`
#
# Which samples go where must be chance: files are often sorted. Mix the numbers from 0 to `count - 1` with
# the given generator (`rng.permutation`), and cut them into arrays of the given lengths, so that each number
# is in exactly one. If the lengths do not add up to `count`, raise a `ValueError`.


# %% role="exercise" id="dataloader-split"
def split_indices(count, lengths, rng):
    """The numbers 0 to count - 1 in random order, cut into arrays of these lengths."""
    ### BEGIN SOLUTION
    if sum(lengths) != count:
        raise ValueError(f"The lengths {lengths} add up to {sum(lengths)}, but there are {count} samples.")
    return np.split(rng.permutation(count), np.cumsum(lengths)[:-1])
    ### END SOLUTION


# %% [markdown] role="hint" exercise="dataloader-split"
# `np.split(array, places)` cuts at places, not into lengths. Lengths 3, 2, 4 are cut at 3 and 5.

# %% [markdown] role="hint" exercise="dataloader-split"
# `np.cumsum([3, 2, 4])` is `[3, 5, 9]`; at 9 there is nothing to cut any more.

# %% role="check" id="check-dataloader-split" exercise="dataloader-split" points=2
parts = split_indices(10, [5, 3, 2], np.random.default_rng(0))
expect("lengths", [len(each) for each in parts], [5, 3, 2], "As asked for.")
together = np.concatenate(parts)
expect("all, sorted", np.sort(together), np.arange(10), "Each number in exactly one part.")
steps = np.diff(together) % 10
assert (steps != 1).any(), f"The parts are {together}, in order or only shifted; expected: mixed."
again = np.concatenate(split_indices(10, [5, 3, 2], np.random.default_rng(0)))
expect("the same generator", again, together, "Only the given generator decides.")
other = np.concatenate(split_indices(10, [5, 3, 2], np.random.default_rng(1)))
assert (other != together).any(), "Another generator gives the same parts; expected: rng.permutation mixes."
rule = "5 + 6 is not 10."
expect_error("10 into 5 and 6", ValueError, lambda: split_indices(10, [5, 6], np.random.default_rng(0)), rule)
rule = "5 + 3 is not 10."
expect_error("10 into 5 and 3", ValueError, lambda: split_indices(10, [5, 3], np.random.default_rng(0)), rule)


# %% role="given" id="dataloader-random-split"
def fresh_seed():
    """A seed from the course's random numbers: manual_seed makes it, too, repeatable."""
    return int(rand(1).item() * 2**24)


def random_split(dataset, lengths, seed=None):
    """Disjoint random parts of a data set, by lengths, or by shares that add up to 1."""
    count = len(dataset)
    if all(isinstance(length, float) for length in lengths) and abs(sum(lengths) - 1) < 1e-6:
        lengths = [int(count * share) for share in lengths]
        for number in range(count - sum(lengths)):  # what is left over goes to the first ones, one each
            lengths[number] += 1
    rng = np.random.default_rng(fresh_seed() if seed is None else seed)
    return [Subset(dataset, indices) for indices in split_indices(count, lengths, rng)]


# %% [markdown]
# ## In which order?
#
# Batches should look like the whole. If the data are sorted by label, a batch of nothing but zeros teaches
# the network to say 'zero'. So one shuffles, and anew for each epoch, so that no two epochs have the same
# batches. At the same time an experiment must be repeatable: the same *seed* must give the same orders.
#
# ### Exercise: `epoch_order`
#
# The numbers 0 to `count - 1`: in order, or, with `shuffle`, mixed by a generator that is made from seed
# *and* epoch. `np.random.default_rng` takes a pair as a seed. Their sum will not do: epoch 1 of seed 0 would
# have the order of epoch 0 of seed 1, and two experiments that should be independent would see the same
# batches.


# %% role="exercise" id="dataloader-order"
def epoch_order(count, shuffle, seed, epoch):
    """In which order an epoch takes the samples: 0 to count - 1, or shuffled, anew for each epoch."""
    ### BEGIN SOLUTION
    if not shuffle:
        return np.arange(count)
    return np.random.default_rng((seed, epoch)).permutation(count)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="dataloader-order"
# A generator that is made from the same seed gives the same numbers. So make a new one in each call.

# %% [markdown] role="hint" exercise="dataloader-order"
# `np.random.default_rng((seed, epoch))` has a method `permutation(count)`.

# %% role="check" id="check-dataloader-order" exercise="dataloader-order" points=3
expect("epoch_order(4, False, 0, 0)", epoch_order(4, False, 0, 0), np.arange(4), "Not shuffled: in order.")
first = epoch_order(50, True, 3, 0)
expect("seed 3, epoch 0, sorted", np.sort(first), np.arange(50), "Each number once.")
steps = np.diff(first) % 50
assert (steps != 1).any(), f"The order is {first[:5]}..., in order or only shifted; expected: mixed."
ends = sorted({int(epoch_order(3, True, 3, epoch)[-1]) for epoch in range(40)})
expect("which of 3 numbers come last, in 40 epochs", ends, [0, 1, 2], "Each number may come last.")
expect("the same once more", epoch_order(50, True, 3, 0), first, "The same seed and epoch, the same order.")
assert (epoch_order(50, True, 3, 1) != first).any(), "Epochs 0 and 1 have the same order; expected: another."
assert (epoch_order(50, True, 4, 0) != first).any(), "Seeds 3 and 4 have the same order; expected: another."
clash = (epoch_order(50, True, 4, 0) == epoch_order(50, True, 3, 1)).all()
assert not clash, "Epoch 1 of seed 3 is epoch 0 of seed 4; expected: seed and epoch decide as a pair."

# %% [markdown]
# ### Exercise: `count_batches` and `batches`
#
# - `count_batches(count, batch_size, drop_last)`: how many batches `count` samples make. What is left over at
#   the end is a smaller batch, or is dropped with `drop_last`.
# - `batches(order, batch_size, drop_last)` yields (`yield`) the order in pieces, from front to back.


# %% role="exercise" id="dataloader-batches"
def count_batches(count, batch_size, drop_last):
    """How many batches there are."""
    ### BEGIN SOLUTION
    return count // batch_size if drop_last else -(-count // batch_size)
    ### END SOLUTION


def batches(order, batch_size, drop_last):
    """Yield the order in pieces of batch_size; the last may be smaller, or is dropped."""
    ### BEGIN SOLUTION
    for number in range(count_batches(len(order), batch_size, drop_last)):
        yield order[number * batch_size : (number + 1) * batch_size]
    ### END SOLUTION


# %% [markdown] role="hint" exercise="dataloader-batches"
# `//` rounds down. To round up without floats: `-(-a // b)`, or `(a + b - 1) // b`.

# %% [markdown] role="hint" exercise="dataloader-batches"
# Piece number k goes from `k * batch_size` to `(k + 1) * batch_size`; a slice that reaches beyond the end
# stops there by itself. `count_batches` says how many pieces there are.

# %% role="check" id="check-dataloader-batches" exercise="dataloader-batches" points=3
rule = "10 = 4 + 4 + 2"
expect("count_batches(10, 4, False)", count_batches(10, 4, False), 3, rule)
expect("count_batches(10, 4, True)", count_batches(10, 4, True), 2, "The batch of 2 is dropped.")
expect("count_batches(8, 4, False)", count_batches(8, 4, False), 2, "It goes in evenly: no empty batch.")
expect("count_batches(0, 4, False)", count_batches(0, 4, False), 0, "Nothing makes no batch.")
pieces = [piece.tolist() for piece in batches(np.array([5, 3, 1, 0, 2, 4, 6]), 3, False)]
expect("7 in batches of 3", pieces, [[5, 3, 1], [0, 2, 4], [6]], "From front to back, the rest at last.")
pieces = [piece.tolist() for piece in batches(np.array([5, 3, 1, 0, 2, 4, 6]), 3, True)]
expect("the same with drop_last", pieces, [[5, 3, 1], [0, 2, 4]], "Without the rest.")

# %% [markdown]
# ## The loader
#
# Put together, and given. Each `for x, y in loader` is one epoch. `work_ahead` we will look at further below.


# %% role="given" id="dataloader-loader"
def as_tensor(part):
    """A batch's array as a tensor: floats as float32, labels (whole numbers, one a sample) as int64."""
    is_label = part.ndim == 1 and part.dtype.kind in "iu"
    return from_numpy(part.astype(np.int64) if is_label else part)


def work_ahead(load, jobs, workers):
    """As map(load, jobs), in the same order, but threads load up to two batches each in advance."""
    with ThreadPoolExecutor(workers) as pool:
        ahead = deque()
        try:
            for job in jobs:
                ahead.append(pool.submit(load, job))
                if len(ahead) > 2 * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:  # also if nobody wants the rest: `break` in the loop
            for job in ahead:
                job.cancel()


class DataLoader:
    """The batches of a data set as tuples of tensors, each time one iterates over it.

    Args:
        dataset: a Dataset.
        batch_size: samples in a batch.
        shuffle: whether each epoch has a random order of its own.
        drop_last: leave the last batch out if it is smaller.
        num_workers: threads that load ahead; 0 loads each batch when it is asked for.
        seed: the same seed, the same orders and the same random transforms, whatever num_workers is.
        transform: changes the first part (the images) of each batch: transform(images, rng).
    """

    def __init__(
        self, dataset, batch_size=1, shuffle=False, drop_last=False, num_workers=0, seed=None, transform=None
    ):
        if not isinstance(dataset, Dataset):
            raise TypeError(f"A loader loads from a Dataset, not from {type(dataset).__name__}.")
        if batch_size < 1 or num_workers < 0:
            raise ValueError(
                f"batch_size must be 1 or more and num_workers 0 or more, not {batch_size} and {num_workers}."
            )
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.num_workers, self.transform = num_workers, transform
        self.seed = fresh_seed() if seed is None else seed
        self.epoch = 0  # the number of the next pass; set it to go on where a training stopped

    def __len__(self):
        return count_batches(len(self.dataset), self.batch_size, self.drop_last)

    def __iter__(self):
        epoch, self.epoch = self.epoch, self.epoch + 1
        order = epoch_order(len(self.dataset), self.shuffle, self.seed, epoch)
        jobs = enumerate(batches(order, self.batch_size, self.drop_last), start=1)

        def load(job):
            number, indices = job
            first, *others = self.dataset.take(indices)
            if (
                self.transform is not None
            ):  # a generator for each batch: it does not matter which thread is first
                first = self.transform(first, np.random.default_rng((self.seed, epoch, number)))
            return tuple(as_tensor(part) for part in (first, *others))

        return work_ahead(load, jobs, self.num_workers) if self.num_workers else map(load, jobs)


# %% [markdown]
# What does shuffling change? The digits sorted by label, as many collections of files are, and three epochs:

# %%
from course.datasets import load
from tinytorch import no_grad

digits = load("digits")
by_label = np.argsort(digits["train_labels"], kind="stable")
pixels = (digits["train_images"][by_label, None] / 16).astype(np.float32)  # (n, channels, height, width)
training = TensorDataset(pixels, digits["train_labels"][by_label])
new = (digits["test_images"][:, None] / 16).astype(np.float32)


def train(loader, epochs):
    """A network, trained on what a loader brings."""
    manual_seed(0)
    model = Sequential(Flatten(), Linear(64, 64), ReLU(), Linear(64, 10))
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()
    return model


def right(model, images):
    """The share of the test digits that are recognised in these images of them."""
    with no_grad():
        return (model(Tensor(images)).argmax(dim=1).numpy() == digits["test_labels"]).mean()


for shuffle in (False, True):
    model = train(DataLoader(training, batch_size=32, shuffle=shuffle, seed=0), epochs=3)
    print(f"shuffle={shuffle!s:5}: {right(model, new):.1%} of new digits right")

# %% [markdown]
# ## Variations
#
# A 3 that is moved by a pixel is still a 3. To us; the network has to be told. *Augmentation* shows it
# another version of each image in every epoch, made at random from the one that there is. It costs no new
# label.
#
# These functions work on **whole batches**, `(n, channels, height, width)` or `(n, height, width)`, because a
# loop over images in Python would soon take longer than the training. They take what is random from `rng`, so
# that a seed repeats it.
#
# ### Exercise: `crops` and `random_crop`
#
# Cut a square of `size` x `size` out of each image, at another place for each. Bytes stay bytes.
#
# - `crops(images, tops, lefts, size)`: from image `i` the rows from `tops[i]` and the columns from
#   `lefts[i]`. A batch of no image gives none. A loop over the images is right, if slower. Without a loop:
#   `sliding_window_view(images, (size, size), axis=(-2, -1))` is a *view* (by strides, as in *tensor*: no
#   number is copied) of all squares; its element `[i, ..., top, left, :, :]` is the one that you want, and
#   numpy takes arrays for `i`, `top` and `left`.
# - `random_crop(images, size, padding, rng, padding_mode)`: first `padding` pixels on each side
#   (`np.pad(images, widths, padding_mode)`, where `widths` has a pair for each dimension), then draw all
#   `tops`, then all `lefts`: each place that leaves the square inside is equally likely, the first and the
#   last included. `rng.integers(low, high, size=n)` never gives `high` itself.


# %% role="exercise" id="dataloader-crop"
def crops(images, tops, lefts, size):
    """From each image (n, ..., h, w) a square of this size whose upper left corner is at (top, left)."""
    ### BEGIN SOLUTION
    windows = sliding_window_view(images, (size, size), axis=(-2, -1))
    return windows[np.arange(len(images)), ..., tops, lefts, :, :]
    ### END SOLUTION


def random_crop(images, size, padding, rng, padding_mode="constant"):
    """From each image, padded on each side, a square of this size at a random place."""
    ### BEGIN SOLUTION
    if padding:
        images = np.pad(images, [(0, 0)] * (images.ndim - 2) + [(padding, padding)] * 2, padding_mode)
    height, width = images.shape[-2:]
    tops = rng.integers(0, height - size + 1, size=len(images))
    lefts = rng.integers(0, width - size + 1, size=len(images))
    return crops(images, tops, lefts, size)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="dataloader-crop"
# How many places are there for a square of 3 in a row of 5? 0, 1 and 2: that is 5 - 3 + 1.

# %% [markdown] role="hint" exercise="dataloader-crop"
# Pad the last two dimensions only: `(0, 0)` for each of the others, of which there are `images.ndim - 2`,
# then twice `(padding, padding)`.

# %% [markdown] role="hint" exercise="dataloader-crop"
# As a loop: `np.stack([image[..., t : t + size, l : l + size] for image, t, l in zip(images, tops, lefts)])`,
# with care for a batch of no image. Without: index the windows with `np.arange(len(images))`, `...`, `tops`
# and `lefts`.

# %% role="check" id="check-dataloader-crop" exercise="dataloader-crop" points=4
images = np.arange(32).reshape(2, 1, 4, 4)
cut = crops(images, np.array([1, 0]), np.array([2, 0]), 2)
expect("crops of size 2 at (1, 2) and (0, 0)", cut.shape, (2, 1, 2, 2), "One square for each image.")
expect("the first", cut[0, 0], np.array([[6, 7], [10, 11]]), "Rows from 1, columns from 2.")
expect("the second", cut[1, 0], np.array([[16, 17], [20, 21]]), "Its own place, in its own image.")
expect("its dtype", str(cut.dtype), str(images.dtype), "Pixels are only cut out: bytes stay bytes.")
rng = np.random.default_rng(0)
expect("size 4, no padding", random_crop(images, 4, 0, rng), images, "Only one place: nothing changes.")
seven = np.full((1, 1, 1, 1), 7)  # one image of one pixel
middle = np.array([[0, 0, 0], [0, 7, 0], [0, 0, 0]])
expect("a pixel of 7, padding 1, size 3", random_crop(seven, 3, 1, rng)[0, 0], middle, "Padded on each side.")
edge = random_crop(seven, 3, 1, rng, "edge")
expect("the same with 'edge'", edge[0, 0], np.full((3, 3), 7), "padding_mode says with what.")
many = random_crop(np.tile([[1, 2], [4, 8]], (300, 1, 1, 1)), 2, 1, rng)
sums = sorted({int(image.sum()) for image in many})
rule = "All nine places, each corner too: 1 alone, 1 + 2, 2 alone, 1 + 4, ..."
expect("[[1, 2], [4, 8]], padding 1: the sums that are seen", sums, [1, 2, 3, 4, 5, 8, 10, 12, 15], rule)
grey = np.tile(np.arange(20).reshape(5, 4), (300, 1, 1))
cut = random_crop(grey, 2, 0, rng)
expect("images without channels", cut.shape, (300, 2, 2), "(n, height, width) works too.")
corners = sorted({int(image[0, 0]) for image in cut})
rule = "In 5 rows and 4 columns, a square of 2 begins in row 0 to 3 and column 0 to 2."
expect("upper left corners that are seen", corners, [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14], rule)
one, again = (random_crop(grey, 2, 0, np.random.default_rng(5)) for _ in range(2))
expect("twice with the same seed", again, one, "Only the given generator decides.")

# %% [markdown]
# ### Exercise: `random_flip`
#
# Each image, with probability `p`, mirrored left to right, in a new array: `rng.random(n)` gives n numbers in
# [0, 1); each is below `p` with probability `p`.


# %% role="exercise" id="dataloader-flip"
def random_flip(images, p, rng):
    """Each image, with probability p, as in a mirror: left and right swapped."""
    ### BEGIN SOLUTION
    chosen = rng.random(len(images)) < p
    result = images.copy()
    result[chosen] = result[chosen][..., ::-1]
    return result
    ### END SOLUTION


# %% [markdown] role="hint" exercise="dataloader-flip"
# A mask of booleans picks images: `result[mask]`. Left to right is the last dimension: `[..., ::-1]`.

# %% [markdown] role="hint" exercise="dataloader-flip"
# Copy all images; then put the mirrored ones into the copy, only where the mask is True.

# %% role="check" id="check-dataloader-flip" exercise="dataloader-flip" points=2
images, rng = np.arange(12.0).reshape(2, 1, 2, 3), np.random.default_rng(0)
mirrored = random_flip(images, 1.0, rng)
expect("p = 1, the first", mirrored[0, 0], np.array([[2.0, 1, 0], [5, 4, 3]]), "Each row from right to left.")
expect("p = 0", random_flip(images, 0.0, rng), images, "Nothing changes.")
mirrored[...] = 0
expect("the images, afterwards", images, np.arange(12.0).reshape(2, 1, 2, 3), "The result is a new array.")
small = random_flip(np.zeros((1, 1, 1, 2), dtype=np.uint8), 1.0, rng)
expect("dtype of mirrored bytes", str(small.dtype), "uint8", "Pixels only change places: bytes stay bytes.")
arrows = np.tile([[[0.0, 1.0]]], (1000, 1, 1))
one, again = (random_flip(arrows, 0.3, np.random.default_rng(5)) for _ in range(2))
expect("twice with the same seed", again, one, "Only the given generator decides.")
share = (random_flip(arrows, 0.3, rng)[:, 0, 0] == 1).mean()
assert abs(share - 0.3) < 0.1, f"With p = 0.3, {share:.0%} of the images were mirrored."

# %% [markdown]
# ### Exercise: `normalize`
#
# Networks learn best from numbers around 0 of size about 1. `(images - mean) / std`, where `mean` and `std`
# are single numbers or one for each channel: the channel is the third dimension from the end, so give them
# the shape `(channels, 1, 1)`. The result is float32, also for images of bytes (0 to 255), which are only a
# quarter as large: so this comes last.


# %% role="exercise" id="dataloader-normalize"
def normalize(images, mean, std):
    """(images - mean) / std as float32; mean and std are numbers, or one for each channel."""
    ### BEGIN SOLUTION
    mean, std = (np.asarray(each, dtype=np.float32).reshape(-1, 1, 1) for each in (mean, std))
    result = np.subtract(images, mean, dtype=np.float32)
    result /= std
    return result
    ### END SOLUTION


# %% [markdown] role="hint" exercise="dataloader-normalize"
# `np.asarray(mean, dtype=np.float32).reshape(-1, 1, 1)` works for one number as for a list of three.

# %% [markdown] role="hint" exercise="dataloader-normalize"
# `np.subtract` with `dtype=np.float32` computes and returns float32, whatever the images are. Then divide, in
# place.

# %% role="check" id="check-dataloader-normalize" exercise="dataloader-normalize" points=2
images = np.array([[[[10, 30]], [[1, 5]]]], dtype=np.uint8)  # one image, two channels, one row
result = normalize(images, (20, 3), (10, 2))
expect("its dtype", str(result.dtype), "float32", "float32, also for bytes.")
expect("[10, 30] and [1, 5]", result[0, :, 0], np.array([[-1.0, 1], [-1, 1]]), "Each channel by its own.")
expect("one mean for all", normalize(images, 0, 2)[0, 0, 0], np.array([5.0, 15]), "A number works too.")
expect("the images, afterwards", images[0, :, 0], np.array([[10, 30], [1, 5]]), "The result is a new array.")


# %% role="given" id="dataloader-transforms"
def generator(rng):
    """The given generator, or a new one, seeded by the course's random numbers."""
    return np.random.default_rng(fresh_seed()) if rng is None else rng


class Compose:
    """Transforms, one after the other."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, images, rng=None):
        rng = generator(rng)
        for transform in self.transforms:
            images = transform(images, rng)
        return images


class RandomCrop:
    """From each image a square of this size at a random place, after padding it on each side.

    padding_mode is numpy's: "constant" (zeros), "reflect" or "edge".
    """

    def __init__(self, size, padding=0, padding_mode="constant"):
        self.size, self.padding, self.padding_mode = size, padding, padding_mode

    def __call__(self, images, rng=None):
        return random_crop(images, self.size, self.padding, generator(rng), self.padding_mode)


class RandomHorizontalFlip:
    """Each image, with probability p, as in a mirror."""

    def __init__(self, p=0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability, between 0 and 1; it is {p}.")
        self.p = p

    def __call__(self, images, rng=None):
        return random_flip(images, self.p, generator(rng))


class Normalize:
    """(images - mean) / std as float32, in the units that the images have."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, images, rng=None):
        return normalize(images, self.mean, self.std)


# %% [markdown]
# A transform is given to the loader and acts on the first part of each batch. So the *training* loader has
# it, and the one for testing has none. How it looks:

# %%
rng = np.random.default_rng(4)
eight = pixels[rng.integers(0, len(pixels), 8)]
rows = {
    "as they are": eight,
    "RandomCrop(8, padding=1)": RandomCrop(8, padding=1)(eight, rng),
    "the same again": RandomCrop(8, padding=1)(eight, rng),
    "RandomHorizontalFlip()": RandomHorizontalFlip()(eight, rng),
}
figure, axes = plt.subplots(len(rows), 8, figsize=(8, 4.2))
for (name, images), line in zip(rows.items(), axes, strict=True):
    for axis, image in zip(line, images, strict=True):
        axis.imshow(image[0], cmap="gray_r")
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
plt.show()

# %% [markdown]
# The last row shows that one has to think: the mirrored 5 is nearly a 2. For cats and ships to mirror is
# right, for digits and letters it is wrong. What leaves a label true is knowledge about the world, and you
# bring it in. What does it bring? New digits as they are, and moved by one pixel:

# %%
for name, transform in (("without", None), ("with RandomCrop", RandomCrop(8, padding=1))):
    loader = DataLoader(training, batch_size=32, shuffle=True, seed=0, transform=transform)
    model = train(loader, epochs=30)
    moved = np.mean([right(model, np.roll(new, shift, axis)) for shift in (-1, 1) for axis in (-2, -1)])
    print(f"{name:16} {right(model, new):.1%} right, moved by one pixel {moved:.1%}")

# %% [markdown]
# ## Working ahead
#
# While the network computes, the next batch can be prepared: `num_workers` threads fetch up to two batches
# each in advance (`work_ahead`). The order stays, and since each batch has a generator of its own, made from
# seed, epoch and batch number, the numbers are the same with any number of workers. When does it help? Three
# data sets that take their time in different ways; the 'slow disk' only waits:


# %%
class SlowDisk(TensorDataset):
    def take(self, indices):
        time.sleep(0.004)
        return super().take(indices)


class SlowPython(TensorDataset):
    def take(self, indices):
        sum(i * i for i in range(30_000))
        return super().take(indices)


class SlowNumpy(TensorDataset):
    def take(self, indices):
        np.sort(np.random.default_rng(0).random(150_000))
        return super().take(indices)


for kind in (SlowDisk, SlowPython, SlowNumpy):
    spent = {}
    for workers in (0, 2):
        loader = DataLoader(kind(pixels, training.tensors[1]), batch_size=32, seed=0, num_workers=workers)
        start = time.perf_counter()
        for _ in loader:
            microseconds(models["MLP"][0], (784,), 64, 3)  # the network's work
        spent[workers] = time.perf_counter() - start
    print(
        f"{kind.__name__:10} no worker {spent[0]:.2f} s, two {spent[2]:.2f} s: "
        f"{spent[0] / spent[2]:.1f} times as fast"
    )

# %% [markdown]
# Waiting is what threads hide. What is computed *in Python* gains next to nothing, because only one thread
# runs Python at a time (the *global interpreter lock*). Large numpy operations let go of that lock; there it
# depends on whether a core is free. And where the data are mapped and the transforms are fast, as here, there
# is nothing to hide:

# %%
both = Compose([RandomCrop(8, padding=1), Normalize(0.3, 0.4)])
for name, transform in (("plain", None), ("crop and normalize", both)):
    for workers in (0, 2):
        loader = DataLoader(training, 64, shuffle=True, seed=0, num_workers=workers, transform=transform)
        start = time.perf_counter()
        count = sum(len(y) for _, y in loader)
        print(f"{name:18} {workers} workers: {(time.perf_counter() - start) / count * 1e6:5.2f} µs a sample")

# %% [markdown]
# ## What it costs
#
# An order is one number of 8 bytes for each sample: 480 KB for MNIST, whatever the images weigh. A batch is a
# copy of its rows; with `num_workers` up to two more for each worker. Its bytes are read from memory once and
# written once, and each transform does so again. Bytes are a quarter of floats: crop and mirror first,
# normalize last. Compare the microseconds above with those of a training step at the beginning of this
# notebook.
#
# ## How PyTorch does it
#
# `torch.utils.data` has these classes with these names and arguments (`transform` belongs to the data set
# there, or to `collate_fn`). It fetches sample by sample and collates, unless a data set brings
# `__getitems__`. Its workers are *processes*, which run Python at the same time, but need time to start, and
# memory of their own. Each has its own random numbers too: for years many projects had, unnoticed, the same
# 'random' crops in all workers, because numpy's generator was copied with the process.
# `torchvision.transforms.v2` also takes whole batches, but then draws once for all images in it.
