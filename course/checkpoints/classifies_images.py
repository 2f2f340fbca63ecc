"""Trains a small CNN on handwritten digits; it sees pictures, not rows of numbers."""

import numpy as np
from tinytorch import Tensor, manual_seed
from tinytorch.nn import BatchNorm2d, Conv2d, CrossEntropyLoss, Flatten, Linear, MaxPool2d, ReLU, Sequential
from tinytorch.optim import Adam

from course.datasets import load

EPOCHS = 6


def pictures(images):
    return np.asarray(images, dtype=np.float32)[:, None] / 16


def check():
    manual_seed(0)
    digits = load("digits")
    images, labels = pictures(digits["train_images"]), np.asarray(digits["train_labels"], dtype=np.int64)
    model = Sequential(
        Conv2d(1, 16, 3, padding=1), BatchNorm2d(16), ReLU(), MaxPool2d(2), Flatten(), Linear(16 * 16, 10)
    )
    optimizer, loss_fn = Adam(model.parameters(), lr=0.005), CrossEntropyLoss()
    rng = np.random.default_rng(0)
    for _ in range(EPOCHS):
        for rows in np.array_split(rng.permutation(len(images)), len(images) // 32):
            loss = loss_fn(model(Tensor(images[rows])), Tensor(labels[rows], dtype=np.int64))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    answers = model(Tensor(pictures(digits["test_images"]))).numpy().argmax(axis=1)
    right = (answers == digits["test_labels"]).mean()
    assert right > 0.85, f"{right:.1%} of new digits right after {EPOCHS} epochs; 85% are easily had."
    return f"{right:.1%} of {len(answers)} pictures that it never saw, after {EPOCHS} epochs."
