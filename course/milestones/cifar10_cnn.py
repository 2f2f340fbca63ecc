"""Milestone: CIFAR-10 with a CNN.

Photographs of 32 by 32 pixels, in colour, in ten classes: aeroplanes, cars, birds, cats, deer, dogs, frogs,
horses, ships, lorries (A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009). Guessing
gives 10%, a good MLP about 55%. Everything that you have built comes together here: tensor, layers, loss,
autograd, optimizer, convolutions, data loader. It takes some minutes: watch the curve, and think about what
each of its bends means.

What is demanded: 75% of hidden images right, and that your network decides on them in at most three times the
time that the solved script's needs on the same machine. Hidden images are mirrored at random, moved by up to
two pixels, and have another contrast.

    tito milestone run cifar10_cnn            trains, saves cifar10_cnn.npz and a picture beside this file
    tito milestone run cifar10_cnn --quick    a demonstration in seconds, on small digits
    tito milestone submit cifar10_cnn         hands in your package, this file and the weights

To do: `network`, `rate`, `learn` and `predict`. Everything else is given.
"""

import sys
import time
from pathlib import Path

import numpy as np
from tinytorch import Tensor, manual_seed, no_grad
from tinytorch.data import Compose, DataLoader, Normalize, RandomCrop, RandomHorizontalFlip, TensorDataset
from tinytorch.nn import BatchNorm2d, Conv2d, CrossEntropyLoss, Flatten, Linear, MaxPool2d, ReLU, Sequential
from tinytorch.optim import SGD

EPOCHS = 8
BATCH = 128
PEAK = 0.1  # the largest learning rate
# Brings pixels of 0 to 255 to about mean 0 and deviation 1, channel by channel; by the number of channels.
NORMALIZE = {
    1: Normalize(128, 128),
    3: Normalize((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)),
}


def network(channels=3, side=32):
    """A network for images of shape (n, channels, side, side) with ten outputs.

    One that does it: three times Conv2d (kernel 3, padding 1), MaxPool2d(2), BatchNorm2d, ReLU, with 32, 64
    and 128 channels; then Flatten and a Linear layer. A convolution in front of BatchNorm2d needs no bias,
    and what pooling has thrown away costs nothing in the layers behind it.
    """
    ### BEGIN SOLUTION
    layers = []
    for width in (32, 64, 128):
        convolution = Conv2d(channels, width, 3, padding=1, bias=False)
        layers += [convolution, MaxPool2d(2), BatchNorm2d(width), ReLU()]
        channels = width
    return Sequential(*layers, Flatten(), Linear(channels * (side // 8) ** 2, 10))
    ### END SOLUTION


def rate(share):
    """The learning rate after a share (0 to 1) of all steps.

    It rises to PEAK and falls to 0 again (L. N. Smith, N. Topin, Super-Convergence, arXiv:1708.07120): small
    first, because nothing is known yet, and small at last, to settle down. Two straight lines will do, with
    the top at a quarter.
    """
    ### BEGIN SOLUTION
    return PEAK * min(share / 0.25, (1 - share) / 0.75)
    ### END SOLUTION


def learn(model, optimizer, images, labels):
    """One step on one batch, both tensors; returns the loss, a number."""
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    loss = CrossEntropyLoss()(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


def predict(inputs, weights):
    """What is called when you hand in: the classes of hidden images, with the weights that you saved.

    Args:
        inputs: an array of shape (n, 3, 32, 32), 0 to 255.
        weights: a dict of arrays: what model.state_dict() gave, the running statistics among them.

    Returns:
        An array of n integers, 0 to 9. In batches of a few hundred, without gradients, normalized as in
        training (NORMALIZE), and in the mode in which BatchNorm2d uses its running statistics.
    """
    ### BEGIN SOLUTION
    model = network(*inputs.shape[1:3])
    model.load_state_dict(weights)
    model.eval()
    normal = NORMALIZE[inputs.shape[1]](inputs)
    with no_grad():
        parts = [model(Tensor(normal[i : i + 250])).argmax(dim=1).numpy() for i in range(0, len(normal), 250)]
    return np.concatenate(parts)
    ### END SOLUTION


def examples(quick):
    """Images and labels to learn from, and others to try on; and which data set they are of.

    The test part has no labels here: your work is verified with it. So some of the training part are kept
    apart.
    """
    from course.datasets import DatasetError, load

    if quick:
        data, name = load("digits"), "digits"
        images = (np.asarray(data["train_images"])[:, None] * 15).astype(np.uint8)  # 0 to 16 -> 0 to 240
    else:
        try:
            data, name = load("cifar10"), "CIFAR-10"
        except DatasetError:
            data, name = load("cifar10-jpeg"), "CIFAR-10, JPEG-derived"
        images = np.asarray(data["train_images"])
    labels = np.asarray(data["train_labels"]).astype(np.int64)
    apart = len(images) // 20
    return (images[apart:], labels[apart:]), (images[:apart], labels[:apart]), name


def train(model, data, tried, epochs, reach):
    """Learn from batches of moved and mirrored images, at a rate that rises and falls; returns the curves."""
    from tinytorch.show import Live

    channels, side = data[0].shape[1:3]
    transform = Compose([RandomCrop(side, padding=reach), RandomHorizontalFlip(), NORMALIZE[channels]])
    loader = DataLoader(
        TensorDataset(*data), batch_size=BATCH, shuffle=True, drop_last=True, seed=2009, transform=transform
    )
    optimizer = SGD(model.parameters(), lr=PEAK, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps, step = epochs * len(loader), 0
    live = Live(epochs, "epoch", "CNN")
    for _ in range(epochs):
        losses = []
        model.train()
        for images, labels in loader:
            optimizer.param_groups[0]["lr"] = rate(step / steps)
            losses.append(learn(model, optimizer, images, labels))
            step += 1
        state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
        live.step(loss=np.mean(losses), accuracy=(predict(tried[0], state) == tried[1]).mean())
    return live


def main(quick=False):
    """Train, save, show."""
    from tinytorch.figures import keep

    here = Path(__file__)
    manual_seed(2009)
    data, tried, name = examples(quick)
    model = network(*data[0].shape[1:3])
    began = time.process_time()
    live = train(model, data, tried, 12 if quick else EPOCHS, 0 if quick else 4)
    minutes = (time.process_time() - began) / 60
    weights = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    reached = (predict(tried[0], weights) == tried[1]).mean()
    print(f"{name}: {reached:.1%} of the images kept apart are right; 75% are needed, on CIFAR-10.")
    print(f"Learned in {minutes:.1f} minutes of computing.")
    live.save(here.with_suffix(".png"), {"accuracy": 0.75})
    print(f"Picture: {here.with_suffix('.png')}")
    if not quick:
        keep("cifar10_minutes", minutes)
        np.savez(here.with_suffix(".npz"), **weights)


if __name__ == "__main__":
    from course.datasets import DatasetError

    try:
        main(quick="--quick" in sys.argv)
    except NotImplementedError:
        raise SystemExit(f"Still to be done in {__file__}: network, rate, learn, predict.") from None
    except DatasetError as missing:
        raise SystemExit(
            f"{missing} To see it on small digits: tito milestone run cifar10_cnn --quick"
        ) from None
