"""Trains an MLP on handwritten digits, and asks it about digits that it never saw."""

import numpy as np
from tinytorch import Tensor, manual_seed
from tinytorch.nn import CrossEntropyLoss, Flatten, Linear, ReLU, Sequential
from tinytorch.optim import Adam

from course.datasets import load

EPOCHS = 15


def check():
    manual_seed(0)
    digits = load("digits")
    images, labels = digits["train_images"] / 16, np.asarray(digits["train_labels"], dtype=np.int64)
    model = Sequential(Flatten(), Linear(64, 64), ReLU(), Linear(64, 10))
    optimizer, loss_fn = Adam(model.parameters(), lr=0.005), CrossEntropyLoss()
    rng = np.random.default_rng(0)
    for _ in range(EPOCHS):
        for rows in np.array_split(rng.permutation(len(images)), len(images) // 32):
            loss = loss_fn(model(Tensor(images[rows])), Tensor(labels[rows], dtype=np.int64))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    answers = model(Tensor(digits["test_images"] / 16)).numpy().argmax(axis=1)
    right = (answers == digits["test_labels"]).mean()
    assert right > 0.85, f"{right:.1%} of new digits right after {EPOCHS} epochs; 85% are easily had."
    return f"{right:.1%} of {len(answers)} digits that it never saw, after {EPOCHS} epochs."
