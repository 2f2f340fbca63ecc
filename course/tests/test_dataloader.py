"""What the given cells of dataloader promise: epochs that can be repeated, threads that change no number."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest


@pytest.fixture
def images(tt):
    """Twenty coloured images of bytes, each of one number, with labels."""
    numbers = np.arange(20, dtype=np.uint8)
    return tt.data.TensorDataset(np.broadcast_to(numbers[:, None, None, None], (20, 3, 6, 6)), numbers)


def numbers(loader):
    return [(x.numpy().copy(), y.numpy().copy()) for x, y in loader]


def same(some, others):
    return len(some) == len(others) and all(
        (a == b).all()
        for one, other in zip(some, others, strict=True)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_change_no_number(tt, images, workers):
    data = tt.data
    transform = data.Compose(
        [data.RandomCrop(6, padding=2), data.RandomHorizontalFlip(), data.Normalize(9, 5)]
    )
    alone, ahead = (
        data.DataLoader(images, 3, shuffle=True, num_workers=n, seed=4, transform=transform)
        for n in (0, workers)
    )
    for _ in range(2):
        assert same(numbers(alone), numbers(ahead))


def test_epochs_differ_and_can_be_repeated(tt, images):
    loader = tt.data.DataLoader(images, 4, shuffle=True, seed=1, transform=tt.data.RandomCrop(4))
    first, second = numbers(loader), numbers(loader)
    assert not same(first, second)
    assert sorted(np.concatenate([y for _, y in second])) == list(range(20))
    loader.epoch = 1
    assert same(numbers(loader), second)
    tt.manual_seed(7)
    one = numbers(tt.data.DataLoader(images, 4, shuffle=True))
    tt.manual_seed(7)
    assert same(one, numbers(tt.data.DataLoader(images, 4, shuffle=True)))


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [8, 8, 4]), (True, [8, 8])])
def test_batches_are_tensors_of_the_right_kind(tt, images, drop_last, sizes):
    loader = tt.data.DataLoader(images, batch_size=8, drop_last=drop_last)
    assert len(loader) == len(sizes)
    found = list(loader)
    assert [len(y) for _, y in found] == sizes
    assert all(isinstance(x, tt.Tensor) and x.dtype == np.uint8 and y.dtype == np.int64 for x, y in found)
    normal = next(iter(tt.data.DataLoader(images, transform=tt.data.Normalize(0.0, 1.0))))
    assert normal[0].dtype == np.float32


def test_a_data_set_that_knows_single_samples_only(tt):
    class Squares(tt.data.Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            if not 0 <= index < 5:
                raise IndexError(index)
            return tt.Tensor([index, index * index]), index

    (x, y), last = tt.data.DataLoader(Squares(), batch_size=3)
    assert x.tolist() == [[0, 0], [1, 1], [2, 4]]
    assert (y.tolist(), y.dtype) == ([0, 1, 2], np.int64)
    assert last[0].shape == (2, 2)


def test_threads_end_when_nobody_wants_the_rest(tt, images):
    before = threading.active_count()
    for _ in tt.data.DataLoader(images, num_workers=2):
        break
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_an_error_in_a_thread_is_raised_where_one_iterates(tt):
    class Broken(tt.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        list(tt.data.DataLoader(Broken(), num_workers=2))


def test_split_by_shares_and_by_lengths(tt, images):
    split = tt.data.random_split
    parts = split(images, [0.5, 0.27, 0.23], seed=0)
    assert [len(part) for part in parts] == [11, 5, 4]
    assert sorted(int(part[i][1]) for part in parts for i in range(len(part))) == list(range(20))
    again = split(images, [11, 5, 4], seed=0)
    assert all((a.indices == b.indices).all() for a, b in zip(parts, again, strict=True))
    with pytest.raises(ValueError, match="add up to 19"):
        split(images, [10, 9])


def test_split_by_shares_makes_the_lengths_of_pytorch(tt, images):
    torch = pytest.importorskip("torch")
    for shares in ([0.5, 0.27, 0.23], [0.33, 0.33, 0.34], [1.0]):
        theirs = torch.utils.data.random_split(range(20), shares)
        assert [len(part) for part in tt.data.random_split(images, shares)] == [len(part) for part in theirs]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"batch_size": 0}, ValueError), ({"num_workers": -1}, ValueError), ({"dataset": [1, 2]}, TypeError)],
)
def test_loader_refuses_what_cannot_be(tt, images, arguments, error):
    with pytest.raises(error):
        tt.data.DataLoader(**{"dataset": images, **arguments})


def test_a_batch_of_a_mapped_array_is_a_copy(tt, tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((10, 4), dtype=np.float32))
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    dataset = tt.data.TensorDataset(mapped, np.arange(10))
    assert np.shares_memory(dataset.tensors[0], mapped), "the whole array was read"
    x, _ = next(iter(tt.data.DataLoader(dataset, 4)))
    x.data += 1
    assert not mapped.any()
