"""Trains on a schedule, is stopped half-way, and goes on as if nothing had happened."""

import numpy as np
from tinytorch import Tensor, manual_seed
from tinytorch.nn import Dropout, Flatten, Linear, ReLU, Sequential
from tinytorch.nn.functional import cross_entropy
from tinytorch.optim import Adam
from tinytorch.optim.lr_scheduler import OneCycleLR
from tinytorch.training import Trainer, resume, snapshot

from course.datasets import load

EPOCHS = 4


def trainer(batches):
    model = Sequential(Flatten(), Linear(64, 32), ReLU(), Dropout(0.2), Linear(32, 10))
    optimizer = Adam(model.parameters(), lr=0.002)
    schedule = OneCycleLR(optimizer, max_lr=0.01, total_steps=EPOCHS * batches)
    return Trainer(model, optimizer, cross_entropy, scheduler=schedule, max_grad_norm=5.0)


def check():
    digits = load("digits")
    images, labels = digits["train_images"] / 16, np.asarray(digits["train_labels"], dtype=np.int64)
    batches = [
        (Tensor(images[n : n + 64]), Tensor(labels[n : n + 64], dtype=np.int64))
        for n in range(0, len(images), 64)
    ]
    manual_seed(0)
    first = trainer(len(batches))
    first.fit(batches, epochs=EPOCHS // 2, progress=False)
    stopped = snapshot(first)
    losses = first.fit(batches, epochs=EPOCHS, progress=False)["loss"]
    again = trainer(len(batches))
    resume(again, stopped)
    resumed = again.fit(batches, epochs=EPOCHS, progress=False)["loss"]
    assert losses == resumed, f"after a stop the last loss is {resumed[-1]}, without one {losses[-1]}."
    assert losses[-1] < losses[0] / 2, f"the loss fell from {losses[0]:.2f} to {losses[-1]:.2f} only."
    return f"Stopped after epoch {EPOCHS // 2} and resumed: the same loss to the last bit, {losses[-1]:.4f}."
