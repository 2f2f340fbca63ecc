# %% [markdown]
# # Data loading
#
# Between the files on a disk and the tensors of a training step stands the *data loader*: it shuffles, cuts
# into batches, varies the images, and works ahead. You will write its parts, and measure what the largest of
# all accelerations costs you: one argument, `batch_size`.

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


# %% role="check" id="check-dataloader-dataset" exercise="dataloader-dataset" points=3
from tinytorch.checking import expect

dataset = TensorDataset(np.arange(6).reshape(3, 2), np.array([7, 8, 9]))
expect("len(dataset)", len(dataset), 3, "One sample for each row.")


# %% role="exercise" id="dataloader-collate"
def collate(samples):
    """A list of samples, each a tuple of n parts, as one batch: a tuple of n arrays."""
    ### BEGIN SOLUTION
    return tuple(np.stack(part) for part in zip(*samples, strict=True))
    ### END SOLUTION


# %% role="check" id="check-dataloader-collate" exercise="dataloader-collate" points=2
images, labels = collate([(np.zeros((2, 2)), 5), (np.ones((2, 2)), 6)])
expect("labels", labels, np.array([5, 6]), "The second parts.")


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


# %% role="exercise" id="dataloader-split"
def split_indices(count, lengths, rng):
    """The numbers 0 to count - 1 in random order, cut into arrays of these lengths."""
    ### BEGIN SOLUTION
    if sum(lengths) != count:
        raise ValueError(f"The lengths {lengths} add up to {sum(lengths)}, but there are {count} samples.")
    return np.split(rng.permutation(count), np.cumsum(lengths)[:-1])
    ### END SOLUTION


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


# %% role="check" id="check-dataloader-subset" exercise="dataloader-subset" points=2
expect("len", len(Subset(dataset, [2, 0])), 2, "As many as there are indices.")

# %% role="check" id="check-dataloader-split" exercise="dataloader-split" points=2
first, second = split_indices(5, [3, 2], np.random.default_rng(0))
expect("all", np.sort([*first, *second]), np.arange(5), "Each number once.")


# %% role="exercise" id="dataloader-order"
def epoch_order(count, shuffle, seed, epoch):
    """In which order an epoch takes the samples: 0 to count - 1, or shuffled, anew for each epoch."""
    ### BEGIN SOLUTION
    if not shuffle:
        return np.arange(count)
    return np.random.default_rng((seed, epoch)).permutation(count)
    ### END SOLUTION


# %% role="check" id="check-dataloader-order" exercise="dataloader-order" points=3
expect("epoch_order(4, False, 0, 0)", epoch_order(4, False, 0, 0), np.arange(4), "In order.")


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


# %% role="check" id="check-dataloader-batches" exercise="dataloader-batches" points=3
expect("count_batches(10, 4, False)", count_batches(10, 4, False), 3, "4 + 4 + 2.")


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


# %% role="exercise" id="dataloader-flip"
def random_flip(images, p, rng):
    """Each image, with probability p, as in a mirror: left and right swapped."""
    ### BEGIN SOLUTION
    chosen = rng.random(len(images)) < p
    result = images.copy()
    result[chosen] = result[chosen][..., ::-1]
    return result
    ### END SOLUTION


# %% role="exercise" id="dataloader-normalize"
def normalize(images, mean, std):
    """(images - mean) / std as float32; mean and std are numbers, or one for each channel."""
    ### BEGIN SOLUTION
    mean, std = (np.asarray(each, dtype=np.float32).reshape(-1, 1, 1) for each in (mean, std))
    result = np.subtract(images, mean, dtype=np.float32)
    result /= std
    return result
    ### END SOLUTION


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


# %% role="check" id="check-dataloader-crop" exercise="dataloader-crop" points=4
images = np.arange(16).reshape(1, 1, 4, 4)
expect("crops", crops(images, [1], [2], 2), np.array([[[[6, 7], [10, 11]]]]), "From (1, 2).")

# %% role="check" id="check-dataloader-flip" exercise="dataloader-flip" points=2
expect("p=1", random_flip(images, 1.0, np.random.default_rng(0)), images[..., ::-1], "All mirrored.")

# %% role="check" id="check-dataloader-normalize" exercise="dataloader-normalize" points=2
expect("normalize", normalize(images, 2, 4)[0, 0, 0], np.array([-0.5, -0.25, 0, 0.25]), "(x - 2) / 4")
