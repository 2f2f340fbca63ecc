"""Feeds itself: every sample once an epoch, in a new order, in batches, varied on the way."""

import numpy as np
from tinytorch.data import Compose, DataLoader, Normalize, RandomCrop, TensorDataset

from course.datasets import load


def check():
    digits = load("digits")
    images = np.asarray(digits["train_images"], dtype=np.float32)[:, None] / 16
    numbers = np.arange(len(images))
    varied = Compose([RandomCrop(8, padding=1), Normalize([0.3], [0.4])])
    loader = DataLoader(TensorDataset(images, numbers), batch_size=64, shuffle=True, seed=0, transform=varied)
    orders = []
    for _ in range(2):
        seen = []
        for pictures, which in loader:
            assert pictures.shape[1:] == (1, 8, 8), f"pictures of shape {pictures.shape[1:]} came."
            seen += which.numpy().tolist()
        missed = len(images) - len(set(seen))
        assert sorted(seen) == numbers.tolist(), (
            f"an epoch missed {missed} of {len(images)} samples, or had some twice."
        )
        orders.append(seen)
    assert orders[0] != orders[1], "both epochs came in the same order."
    return f"{len(images)} samples in {len(loader)} batches, each once an epoch, in a new order each time."
