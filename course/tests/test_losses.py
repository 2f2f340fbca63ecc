"""What the losses' given cells promise: wrong targets are refused, and layers find their derivatives."""

from __future__ import annotations

import numpy as np
import pytest

PAIRWISE = ("mse_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")


@pytest.mark.parametrize("name", PAIRWISE)
def test_a_target_that_would_only_broadcast_is_refused(tt, name):
    from tinytorch.nn import functional

    with pytest.raises(ValueError, match=r"\(3, 1\).*\(3,\)"):
        getattr(functional, name)(tt.rand(3, 1), tt.rand(3))


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        ([0.0, 1.0], TypeError, "int64"),
        ([[0], [1]], ValueError, r"\(2, 1\)"),
        ([0], ValueError, r"\(1,\)"),
        ([0, 3], IndexError, "from 0 to 2"),
        ([0, -1], IndexError, "from -1 to 0"),
    ],
)
def test_targets_that_are_no_class_indices_are_refused(tt, target, error, said):
    from tinytorch.nn.functional import cross_entropy

    dtype = np.asarray(target).dtype
    for each in (target, np.asarray(target), tt.Tensor(target, dtype=dtype)):
        with pytest.raises(error, match=said):
            cross_entropy(tt.rand(2, 3), each)


def test_targets_may_be_small_integers(tt):
    from tinytorch.nn.functional import cross_entropy

    logits = tt.randn(4, 3)
    labels = np.array([2, 0, 1, 1], dtype=np.uint8)
    wanted = cross_entropy(logits, labels.tolist()).item()
    assert cross_entropy(logits, labels).item() == wanted
    assert cross_entropy(logits, tt.Tensor(labels, dtype=np.uint8)).item() == wanted


def test_an_unknown_reduction_is_refused(tt):
    from tinytorch.nn import MSELoss

    with pytest.raises(ValueError, match="'average'"):
        MSELoss("average")(tt.rand(2), tt.rand(2))


def test_cross_entropy_makes_one_large_array(tt):
    import tracemalloc

    from tinytorch.losses import CrossEntropy

    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(512, 512)).astype(np.float32), rng.integers(0, 512, size=512)
    op = CrossEntropy()
    tracemalloc.start()
    op.forward(logits, target)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1.2 * logits.nbytes


class Notes:
    """A tape that only keeps the operations."""

    def __init__(self):
        self.ops = []

    def record(self, op, inputs, output):
        self.ops.append(op)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bend", ["relu", "sigmoid", "tanh"])
def test_layers_and_bends_find_their_derivatives(tt, bend, bias):
    """A hidden layer's operations, gone back through by hand, against finite differences."""
    from tinytorch.losses import numerical_gradient
    from tinytorch.nn import functional
    from tinytorch.tensor import plug_in

    rng = np.random.default_rng(1)
    x, weight, c, g = (rng.normal(size=size) for size in ((2, 3, 4), (5, 4), (5,), (2, 3, 5)))
    arrays = (x, weight, c) if bias else (x, weight)

    def forward(*arrays):
        return getattr(functional, bend)(functional.linear(*map(tt.Tensor, arrays)))

    former = plug_in(notes := Notes())
    forward(*arrays)
    plug_in(former)
    affine, curve = notes.ops
    (back,) = curve.vjp(g)
    gradients = affine.vjp(back)
    assert len(gradients) == len(arrays)
    for k, gradient in enumerate(gradients):
        judged = numerical_gradient(
            lambda each, k=k: (forward(*arrays[:k], each, *arrays[k + 1 :]).numpy() * g).sum(),
            arrays[k],
            step=1e-2,
        )
        np.testing.assert_allclose(gradient, judged, rtol=1e-2, atol=1e-2)
    affine.needs = (False, True, bias)
    assert affine.vjp(back)[0] is None
