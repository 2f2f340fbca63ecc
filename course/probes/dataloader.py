"""Probes of the module dataloader."""

import itertools
import math

import numpy as np

from course.probing import probe, raises


def _parts(seen, name, parts):
    """Note down a batch or a sample: how many parts, and the numbers of each."""
    seen[f"{name}_count"] = len(parts)
    return seen | {f"{name}_{number}": np.array(part) for number, part in enumerate(parts)}


def _rows(rng, count):
    """A data set that needs no exercise: row i of two arrays, one by one or many at once."""
    from tinytorch.data import Dataset

    numbers, labels = rng.normal(size=(count, 3)), rng.integers(0, 10, size=count)

    class Rows(Dataset):
        def __len__(self):
            return count

        def __getitem__(self, index):
            return numbers[index], labels[index]

        def take(self, indices):
            return numbers[indices], labels[indices]

    return Rows()


# Data sets


@probe("check-dataloader-dataset")
def dataset_gives_samples(rng):
    """Length, and samples by numbers from both ends; one, two and three arrays, a tensor among them."""
    from tinytorch import Tensor
    from tinytorch.data import TensorDataset

    count = int(rng.integers(4, 9))
    arrays = (
        Tensor(rng.normal(size=(count, 2, 3))),
        rng.integers(0, 255, size=(count, 4)).astype(np.uint8),
        rng.integers(0, 10, size=count),
    )
    seen = {}
    for parts in (1, 2, 3):
        dataset = TensorDataset(*arrays[:parts])
        seen[f"length_{parts}"] = len(dataset)
        for index in (0, count - 1, -1, int(rng.integers(count))):
            seen = _parts(seen, f"sample_{parts}_{index}", dataset[index])
    seen["iterated"] = len(list(itertools.islice(TensorDataset(*arrays), 20)))
    return seen


@probe("check-dataloader-dataset")
def dataset_takes_many_at_once(rng):
    """Batches by lists of numbers, repeated, in any order and empty; without asking for single samples."""
    from tinytorch.data import TensorDataset

    class NoSingles(TensorDataset):
        def __getitem__(self, index):
            raise AssertionError("take asked for a single sample")

    numbers, labels = rng.normal(size=(7, 2, 2)), rng.integers(0, 10, size=7).astype(np.uint8)
    dataset, seen = NoSingles(numbers, labels), {}
    for name, indices in {
        "some": rng.permutation(7)[:4],
        "repeated": rng.integers(0, 7, size=9),
        "none": np.arange(0),
        "one": np.array([3]),
    }.items():
        seen = _parts(seen, name, dataset.take(indices))
    batch, _ = dataset.take(np.array([0, 1]))
    batch[...] = 0
    return seen | {"numbers_after": numbers, "labels_after": labels}


@probe("check-dataloader-dataset")
def dataset_refuses(rng):
    """Arrays of different lengths, no array at all, and numbers that are too large."""
    from tinytorch.data import TensorDataset

    count = int(rng.integers(3, 8))
    dataset = TensorDataset(np.zeros((count, 2)), np.zeros(count))
    return [
        raises(ValueError, lambda: TensorDataset(np.zeros((count, 2)), np.zeros(count + 1))),
        raises(ValueError, lambda: TensorDataset(np.zeros(count), np.zeros(count), np.zeros(count - 1))),
        raises(ValueError, TensorDataset),
        raises(IndexError, lambda: dataset[count]),
        len(TensorDataset(np.zeros((0, 2)), np.zeros(0))) == 0,
    ]


@probe("check-dataloader-collate")
def collates(rng):
    """Samples of one, two and three parts: arrays, numbers and tensors."""
    from tinytorch import Tensor
    from tinytorch.dataloader import collate

    count = int(rng.integers(2, 6))
    images, vectors, labels = (
        rng.normal(size=(count, 2, 3)),
        rng.normal(size=(count, 4)),
        rng.integers(9, size=count),
    )
    samples = [(images[i], int(labels[i]), Tensor(vectors[i])) for i in range(count)]
    seen = {}
    for parts in (1, 2, 3):
        seen = _parts(seen, f"of_{parts}", collate([sample[:parts] for sample in samples]))
    seen = _parts(seen, "alone", collate(samples[:1]))
    arrays = [isinstance(part, np.ndarray) for part in collate(samples)]
    return seen | {"are_arrays": arrays, "whole": collate(samples)[1].dtype.kind == "i"}


@probe("check-dataloader-collate")
def collate_refuses(rng):
    """Samples of different shapes, and with different numbers of parts."""
    from tinytorch.dataloader import collate

    size = int(rng.integers(2, 6))
    return [
        raises(ValueError, lambda: collate([(np.zeros(size), 1), (np.zeros(size + 1), 1)])),
        raises(ValueError, lambda: collate([(np.zeros(size), 1), (np.zeros(size),)])),
        raises(ValueError, lambda: collate([(np.zeros(size),), (np.zeros(size), 1)])),
    ]


@probe("check-dataloader-subset")
def subset_shows_a_part(rng):
    """Length and samples of a subset with random numbers, some of them twice."""
    from tinytorch.data import Subset

    dataset, indices, seen = _rows(rng, 12), rng.integers(0, 12, size=7), {}
    subset = Subset(dataset, indices.tolist())
    for index in (0, 6, -1, int(rng.integers(7))):
        seen = _parts(seen, f"sample_{index}", subset[index])
    return seen | {
        "length": len(subset),
        "none": len(Subset(dataset, [])),
        "length_with_a_repetition": len(Subset(dataset, [3, 1, 3])),
        "over": raises(IndexError, lambda: subset[7]),
    }


@probe("check-dataloader-subset")
def subset_takes_many_at_once(rng):
    """Batches of a subset, and of a subset of a subset; without asking for single samples."""
    from tinytorch.data import Subset

    dataset = _rows(rng, 12)

    class NoSingles(type(dataset)):
        def __getitem__(self, index):
            raise AssertionError("take asked for a single sample")

    outer = Subset(NoSingles(), rng.permutation(12)[:8])
    inner = Subset(outer, rng.permutation(8)[:5])
    seen = _parts({}, "outer", outer.take(rng.permutation(8)[:6]))
    seen = _parts(seen, "inner", inner.take(rng.integers(0, 5, size=7)))
    return _parts(seen, "none", inner.take(np.arange(0)))


# Splitting


def _split(rng):
    """What is split: how many, and into what."""
    lengths = [int(n) for n in rng.integers(3, 20, size=3)] + [0]
    return sum(lengths), lengths


def _is_split(rng, out):
    count, lengths = _split(rng)
    for name in ("first", "second"):
        if not np.array_equal(out.get(f"{name}_lengths"), lengths):
            return f"{count} samples were to be split into {lengths}; the parts have other lengths."
        if not np.array_equal(np.sort(out.get(name)), np.arange(count)):
            return "Each number must be in exactly one part."
    if not np.array_equal(out["first"], out.get("again")):
        return "The same generator must give the same parts; use only the given one."
    if np.array_equal(out["first"], out["second"]):
        return "Two generators gave the same parts: they must be random."
    if np.array_equal(out["first"], np.arange(count)):
        return "The samples were not mixed."
    starts = out.get("starts")
    counts = np.bincount(np.ravel(starts).astype(int), minlength=4) if starts is not None else np.zeros(4)
    if len(counts) != 4 or np.abs(counts - 100).max() > 60:
        return "Each sample must come first equally often."
    return None


@probe("check-dataloader-split", judge=_is_split)
def splits_at_random(rng):
    """Parts of given lengths, one of them empty: each number once, mixed, by the given generator."""
    from tinytorch.dataloader import split_indices

    count, lengths = _split(rng)
    seeds = rng.integers(1 << 30, size=2)
    first, again, second = (
        split_indices(count, lengths, np.random.default_rng(seed)) for seed in (seeds[0], seeds[0], seeds[1])
    )
    starts = [split_indices(4, [1, 3], rng)[0] for _ in range(400)]
    return {
        "first": np.concatenate(first),
        "first_lengths": [len(part) for part in first],
        "second": np.concatenate(second),
        "second_lengths": [len(part) for part in second],
        "again": np.concatenate(again),
        "starts": np.array(starts),
    }


@probe("check-dataloader-split")
def split_refuses(rng):
    """Lengths that add up to more or less than there are."""
    from tinytorch.dataloader import split_indices

    count = int(rng.integers(5, 20))
    wrong = ([count - 1], [count, 1], [1, 2, count - 2], [count - 4, 3])
    return [
        raises(ValueError, lambda lengths=lengths: split_indices(count, lengths, rng)) for lengths in wrong
    ]


# Order


def _is_order(rng, out):
    count, seed = int(rng.integers(20, 50)), int(rng.integers(1000))
    keys = ("here", "again", "next_epoch", "next_seed", "last_epoch_of_next_seed")
    if any(out.get(key) is None or out[key].shape != (count,) for key in keys):
        return f"An order of {count} samples has {count} numbers."
    if any(not np.array_equal(np.sort(out[key]), np.arange(count)) for key in keys):
        return "A shuffled order has each number from 0 to count - 1 once."
    if not np.array_equal(out["here"], out["again"]):
        return f"Seed {seed} and the same epoch gave two different orders."
    for other, what in (
        ("next_epoch", "Two epochs of one seed"),
        ("next_seed", "Two seeds"),
        ("last_epoch_of_next_seed", "Epoch 1 of a seed and epoch 0 of the next seed"),
    ):
        if np.array_equal(out["here"], out[other]):
            return f"{what} have the same order."
    if (np.diff(out["here"]) == 1).mean() > 0.5:
        return "Most samples still follow one another as before; the order must be mixed."
    counts = np.bincount(np.ravel(out.get("first_of_four", [])).astype(int), minlength=4)
    if len(counts) != 4 or np.abs(counts - 100).max() > 60:
        return "Over many epochs each sample must come first equally often."
    return None


@probe("check-dataloader-order", judge=_is_order)
def shuffles_anew_in_each_epoch(rng):
    """Orders of several seeds and epochs."""
    from tinytorch.dataloader import epoch_order

    count, seed = int(rng.integers(20, 50)), int(rng.integers(1000))
    np.random.seed(1)  # what numpy's own generator does must make no difference
    here = epoch_order(count, True, seed, 1)
    np.random.seed(2)
    return {
        "here": here,
        "again": epoch_order(count, True, seed, 1),
        "next_epoch": epoch_order(count, True, seed, 2),
        "next_seed": epoch_order(count, True, seed + 1, 1),
        "last_epoch_of_next_seed": epoch_order(count, True, seed + 1, 0),
        "first_of_four": [epoch_order(4, True, seed, epoch)[0] for epoch in range(400)],
    }


@probe("check-dataloader-order")
def keeps_the_order(rng):
    """Not shuffled, whatever seed and epoch; none and one sample, shuffled and not."""
    from tinytorch.dataloader import epoch_order

    seed, epoch = (int(n) for n in rng.integers(100, size=2))
    return {
        "some": epoch_order(int(rng.integers(5, 20)), False, seed, epoch),
        **{
            f"{n}_{shuffle}": epoch_order(n, shuffle, seed, epoch)
            for n in (0, 1)
            for shuffle in (True, False)
        },
    }


# Batches


@probe("check-dataloader-batches")
def cuts_batches(rng):
    """Batches of random orders: that go in evenly, with a rest, larger than everything, of one."""
    from tinytorch.dataloader import batches

    size, seen = int(rng.integers(2, 6)), {}
    for name, count, each in (
        ("even", 3 * size, size),
        ("rest", 3 * size + 1, size),
        ("nearly", 4 * size - 1, size),
        ("large", size, size + 3),
        ("ones", 4, 1),
        ("none", 0, size),
    ):
        order = rng.permutation(count)
        for drop in (False, True):
            found = [np.array(batch) for batch in batches(order, each, drop)]
            seen[f"{name}_{drop}_sizes"] = [len(batch) for batch in found]
            seen[f"{name}_{drop}"] = np.concatenate([*found, np.zeros(0, dtype=int)])
    return seen


@probe("check-dataloader-batches")
def counts_batches(rng):
    """How many batches there are, for random and for special numbers."""
    from tinytorch.dataloader import count_batches

    pairs = [
        (int(n), int(size)) for n, size in zip(rng.integers(0, 100, 10), rng.integers(1, 20, 10), strict=True)
    ]
    pairs += [(0, 3), (1, 3), (3, 3), (4, 3), (6, 3), (5, 1), (2, 9)]
    return [[count_batches(*pair, drop) for drop in (False, True)] for pair in pairs]


# Cropping


@probe("check-dataloader-crop")
def crops_where_told(rng):
    """Squares from given places, out of grey and coloured images, bytes and floats; the images stay."""
    from tinytorch.dataloader import crops

    seen = {}
    for number, shape in enumerate(((5, 6, 7), (4, 3, 5, 5), (1, 1, 4, 8), (0, 2, 4, 4))):
        size = int(rng.integers(2, 5))
        images = rng.integers(0, 256, size=shape).astype((np.uint8, np.float32)[number % 2])
        tops = rng.integers(0, shape[-2] - size + 1, size=shape[0])
        lefts = rng.integers(0, shape[-1] - size + 1, size=shape[0])
        found = crops(images, tops, lefts, size)
        seen |= {f"crops_{number}": found.copy(), f"same_dtype_{number}": found.dtype == images.dtype}
        found[...] = 0
        seen[f"after_{number}"] = images
    return seen


def _cropped(rng):
    """What random crops are taken from: images in which no two pixels are alike, size and padding."""
    count, (height, width) = 500, (int(n) for n in rng.permutation([3, 4, 5])[:2])
    pixels = np.arange(1, count * 2 * height * width + 1, dtype=np.float32)
    return pixels.reshape(count, 2, height, width), 3, int(rng.integers(1, 3))


def _are_crops(rng, out):
    images, size, padding = _cropped(rng)
    found, again = out.get("found"), out.get("again")
    if found is None or found.shape != (len(images), 2, size, size):
        return f"Crops of size {size} of {images.shape} must have shape {(len(images), 2, size, size)}."
    if not np.array_equal(found, again):
        return "The same generator must give the same crops; use only the given one."
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows, columns = (length - size + 1 for length in padded.shape[-2:])
    places = np.full(len(images), -1)
    for top in range(rows):
        for left in range(columns):
            same = (padded[:, :, top : top + size, left : left + size] == found).all(axis=(1, 2, 3))
            places[same] = top * columns + left
    if (places < 0).any():
        return f"{(places < 0).sum()} of {len(images)} results are no square of their own padded image."
    for name, counts in (
        ("top", np.bincount(places // columns, minlength=rows)),
        ("left", np.bincount(places % columns, minlength=columns)),
    ):
        share = len(images) / len(counts)
        if np.abs(counts - share).max() > 6 * math.sqrt(share):
            return f"Every place must be equally frequent; the values of {name} came {counts.tolist()} times."
    if len(np.unique(places)) < 0.8 * rows * columns:
        return "Some pairs of top and left never came; both must be drawn, each by itself."
    return None


@probe("check-dataloader-crop", judge=_are_crops)
def crops_at_random(rng):
    """Random crops of 500 images: each a part of its image, all places equally frequent, the corners too."""
    from tinytorch.dataloader import random_crop

    images, size, padding = _cropped(rng)
    seed = int(rng.integers(1 << 30))
    found, again = (random_crop(images, size, padding, np.random.default_rng(seed)) for _ in range(2))
    return {"found": found, "again": again}


@probe("check-dataloader-crop")
def crops_without_choice(rng):
    """Where only one place is possible: nothing changes; and padding by reflection; the images stay."""
    from tinytorch.dataloader import random_crop

    images = rng.integers(1, 256, size=(5, 3, 4, 4)).astype(np.uint8)
    whole = random_crop(images, 4, 0, rng)
    grey = random_crop(images[:, 0], 4, 0, rng)
    padded = random_crop(images, 8, 2, rng)
    reflected = random_crop(images, 8, 2, rng, padding_mode="reflect")
    return {
        "whole": whole,
        "grey": grey,
        "padded": padded,
        "reflected": reflected,
        "are_bytes": [each.dtype == np.uint8 for each in (whole, padded)],
        "after": images,
        "too_large": raises(ValueError, lambda: random_crop(images, 9, 2, rng)),
    }


# Mirroring


def _mirrored(rng):
    """What is mirrored: images and the probability."""
    return rng.integers(0, 256, size=(600, 2, 3, 4)).astype(np.uint8), float(rng.uniform(0.2, 0.8))


def _are_mirrored(rng, out):
    images, p = _mirrored(rng)
    found = out.get("found")
    if found is None or found.shape != images.shape or found.dtype != images.dtype:
        return "The result must have the shape and the dtype of the images."
    if not np.array_equal(found, out.get("again")):
        return "The same generator must give the same result; use only the given one."
    same = (found == images).all(axis=(1, 2, 3))
    turned = (found == images[..., ::-1]).all(axis=(1, 2, 3))
    if not (same | turned).all():
        return "An image is neither itself nor mirrored left to right, with all its channels."
    share = (turned & ~same).mean()
    if abs(share - p) > 6 * math.sqrt(p * (1 - p) / len(images)):
        return f"With p = {p:.3f}, {share:.3f} of the images were mirrored."
    return None


@probe("check-dataloader-flip", judge=_are_mirrored)
def mirrors_some(rng):
    """600 coloured images, each mirrored with probability p."""
    from tinytorch.dataloader import random_flip

    images, p = _mirrored(rng)
    seed = int(rng.integers(1 << 30))
    found, again = (random_flip(images, p, np.random.default_rng(seed)) for _ in range(2))
    return {"found": found, "again": again}


@probe("check-dataloader-flip")
def mirrors_all_or_none(rng):
    """p = 1, p = 0, grey images, and none; the images stay, and the result is a copy."""
    from tinytorch.dataloader import random_flip

    images, grey = rng.normal(size=(4, 3, 5, 6)).astype(np.float32), rng.normal(size=(3, 4, 5))
    everything, nothing = random_flip(images, 1.0, rng), random_flip(images, 0.0, rng)
    seen = {"everything": everything.copy(), "nothing": nothing.copy(), "grey": random_flip(grey, 1.0, rng)}
    everything[...] = nothing[...] = 0
    return seen | {"after": images, "empty": random_flip(images[:0], 0.5, rng), "grey_after": grey}


# Normalising


@probe("check-dataloader-normalize")
def normalizes(rng):
    """Coloured images with a number for each channel, grey ones with one, bytes and floats."""
    from tinytorch.dataloader import normalize

    bytes_, floats = rng.integers(0, 256, size=(4, 3, 2, 5)).astype(np.uint8), rng.normal(size=(2, 3, 4, 4))
    mean, std = rng.uniform(50, 200, size=3), rng.uniform(20, 80, size=3)
    found = {
        "channels": normalize(bytes_, tuple(mean), tuple(std)),
        "arrays": normalize(bytes_, mean, std),
        "floats": normalize(floats, list(mean / 100), list(std / 100)),
        "one": normalize(bytes_, float(mean[0]), float(std[0])),
        "grey": normalize(bytes_[:, 0], float(mean[0]), float(std[0])),
        "one_channel": normalize(bytes_[:, :1], (float(mean[0]),), (float(std[0]),)),
        "none": normalize(bytes_[:0], 1.0, 2.0),
    }
    are_float32 = [each.dtype == np.float32 for each in found.values()]
    return found | {
        "are_float32": are_float32,
        "bytes_after": bytes_,
        "floats_after": floats,
        "mean_after": mean,
    }


@probe("check-dataloader-normalize")
def normalizes_square_images(rng):
    """As many channels as rows and columns, where a wrong axis raises no error; float32, which stays."""
    from tinytorch.dataloader import normalize

    images = rng.normal(size=(3, 3, 3, 3)).astype(np.float32)
    result = normalize(images, rng.normal(size=3), rng.uniform(0.5, 2, size=3))
    return {"result": result, "after": images}
