"""Milestone: XOR (D. E. Rumelhart, G. E. Hinton, R. J. Williams, Nature 323, 1986, pages 533-536).

The perceptron failed on four points: one neuron draws one line. A hidden layer draws more, and everybody
knew; but nobody could say how a *hidden* weight should change when the answer is wrong. In 1986 three people
showed that it is the chain rule, layer by layer, from the error backwards. Here you do it with your own
gradients, and the four points that ended the perceptron come apart.

What is demanded: 99% of hidden points right. Hidden points lie around the four corners, up to 0.3 away on
each axis.

    tito milestone run xor          trains, saves xor.npz and a picture beside this file
    tito milestone submit xor       hands in your package, this file and the weights

To do: `gradients`, `descend` and `predict`. Everything else is given.
"""

import sys
from pathlib import Path

import numpy as np
from tinytorch import Tensor, from_numpy, manual_seed
from tinytorch.losses import BinaryCrossEntropyWithLogits, affine_vjp, tanh_vjp
from tinytorch.nn import Linear, Sequential, Tanh

STEPS = 2000
RATE = 0.5
REACH = 0.3  # how far a point may lie from its corner, on each axis


def network():
    """Two inputs, eight hidden neurons, one output: above 0 it says 1."""
    return Sequential(Linear(2, 8), Tanh(), Linear(8, 1))


def points(count, rng):
    """Points around the corners of the unit square, shape (count, 2), and their XOR, shape (count, 1)."""
    corners = rng.integers(0, 2, size=(count, 2))
    labels = (corners[:, :1] != corners[:, 1:]).astype(np.float32)
    return (corners + rng.uniform(-REACH, REACH, size=corners.shape)).astype(np.float32), labels


def gradients(model, x, y):
    """Fill .grad of all four parameters, and return the loss (a number).

    By hand, backwards, with the functions that you derived in *losses*:

        forward     h = model[0](x),  a = tanh(h),  z = model[2](a)        (all tensors)
        the loss    loss = BinaryCrossEntropyWithLogits();  loss.forward(z's array, y)  gives the number,
                    loss.vjp(1.0)  gives the gradient of z (first of two)
        backwards   affine_vjp through model[2], tanh_vjp, affine_vjp through model[0]
        at last     layer.weight.grad = from_numpy(its gradient), and so for each parameter

    If your track has had *autograd* by now, `loss.backward()` does all of it in one line. Try it by hand once
    all the same: it is the last time.

    Args:
        model: a network().
        x: an array of shape (n, 2).
        y: an array of shape (n, 1), of 0 and 1.
    """
    ### BEGIN SOLUTION
    first, second = model[0], model[2]
    activated = model[1](first(Tensor(x))).numpy()
    logits = second(from_numpy(activated)).numpy()
    loss = BinaryCrossEntropyWithLogits()
    value = loss.forward(logits, y)
    g_logits = loss.vjp(np.float32(1))[0]
    g_activated, g_weight, g_bias = affine_vjp(activated, second.weight.numpy(), g_logits)
    second.weight.grad, second.bias.grad = from_numpy(g_weight), from_numpy(g_bias)
    _, g_weight, g_bias = affine_vjp(x, first.weight.numpy(), tanh_vjp(activated, g_activated))
    first.weight.grad, first.bias.grad = from_numpy(g_weight), from_numpy(g_bias)
    return float(value)
    ### END SOLUTION


def descend(model, rate):
    """Move each parameter of the model a little against its gradient, in place: p <- p - rate * p.grad."""
    ### BEGIN SOLUTION
    for parameter in model.parameters():
        parameter.data -= rate * parameter.grad.numpy()
    ### END SOLUTION


def predict(inputs, weights):
    """What is called when you hand in: the XOR of hidden points, with the weights that you saved.

    Args:
        inputs: an array of shape (n, 2).
        weights: a dict of arrays: what model.state_dict() gave.

    Returns:
        An array of n integers, 0 or 1. Make a network(), load the weights into it, look where its output is
        above 0.
    """
    ### BEGIN SOLUTION
    model = network()
    model.load_state_dict(weights)
    return (model(Tensor(inputs)).numpy()[:, 0] > 0).astype(int)
    ### END SOLUTION


def train(model, steps, rng):
    """Descend; returns the curves."""
    from tinytorch.show import Live

    live = Live(steps // 20, "20 steps", "XOR")
    for step in range(1, steps + 1):
        x, y = points(64, rng)
        loss = gradients(model, x, y)
        descend(model, RATE)
        if step % 20 == 0:
            right = (model(Tensor(x)).numpy() > 0) == y
            live.step(loss=loss, accuracy=right.mean())
    return live


def draw(model, where):
    """The plane as the network sees it: where it says 1, and the line between."""
    from matplotlib.figure import Figure

    side = np.linspace(-0.5, 1.5, 101, dtype=np.float32)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    z = model(Tensor(grid)).numpy().reshape(101, 101)
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.contourf(side, side, 1 / (1 + np.exp(-z)), levels=np.linspace(0, 1, 11), cmap="RdBu_r")
    axes.contour(side, side, z, levels=[0], colors="black")
    x, y = points(200, np.random.default_rng(0))
    for label, marker in ((0, "o"), (1, "s")):
        axes.plot(*x[y[:, 0] == label].T, marker, color="black", markersize=4, label=f"XOR is {label}")
    figure.colorbar(shown, label="probability of 1")
    axes.set(title="What eight hidden neurons draw")
    axes.legend(loc="upper right")
    figure.savefig(where, dpi=120)


def main(quick=False):
    """Train, save, show. `quick` takes a tenth of the steps: for a demonstration, not for handing in."""
    here = Path(__file__)
    manual_seed(1986)
    rng = np.random.default_rng(1986)
    model = network()
    live = train(model, STEPS // 10 if quick else STEPS, rng)
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    x, y = points(2000, rng)
    reached = (predict(x, weights) == y[:, 0]).mean()
    print(f"New points: {reached:.1%} right; 99% are needed.")
    if not quick:
        np.savez(here.with_suffix(".npz"), **weights)
    draw(model, here.with_suffix(".png"))
    live.save(here.with_name("xor_curve.png"), {"accuracy": 0.99})
    print(f"Pictures: {here.with_suffix('.png')}, {here.with_name('xor_curve.png')}")


if __name__ == "__main__":
    try:
        main(quick="--quick" in sys.argv)
    except NotImplementedError:
        raise SystemExit(
            f"Still to be done in {__file__}: gradients, descend, predict (all three)."
        ) from None
