"""What spatial's given cells promise, and every operation's gradient against finite differences."""

from __future__ import annotations

import numpy as np
import pytest


def spread_out(tt, *shape):
    """Numbers in random order that lie further apart than a finite difference reaches."""
    order = np.random.default_rng(0).permutation(int(np.prod(shape)))
    return tt.Tensor(order.reshape(shape) / 10 - 2, requires_grad=True)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("conv2d", (1, 0)),
        ("conv2d", (2, 1)),
        ("max_pool2d", (2,)),
        ("max_pool2d", ((2, 3), (1, 2))),
        ("avg_pool2d", (2,)),
        ("avg_pool2d", (3, 1)),
    ],
)
def test_gradients_equal_finite_differences(tt, name, arguments):
    from tinytorch.autograd import gradcheck
    from tinytorch.nn import functional

    inputs = [spread_out(tt, 2, 2, 4, 5)]
    if name == "conv2d":
        inputs += [spread_out(tt, 3, 2, 2, 3), spread_out(tt, 3)]
    assert gradcheck(lambda *tensors: getattr(functional, name)(*tensors, *arguments), inputs)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_batch_norm_equal_finite_differences(tt, training):
    from tinytorch.autograd import gradcheck
    from tinytorch.nn.functional import batch_norm

    inputs = [spread_out(tt, 2, 2, 3, 2), spread_out(tt, 2), spread_out(tt, 2)]
    statistics = (None, None) if training else (tt.zeros(2), tt.ones(2))
    assert gradcheck(lambda x, *affine: batch_norm(x, *statistics, *affine, training=training), inputs)


def test_memory_in_another_order_gives_the_same(tt):
    """fast's convolution gives channels-last memory; pooling and normalising must not care."""
    from tinytorch.spatial import AvgPool, BatchNorm, MaxPool

    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 6, 6)).astype(np.float32)
    turned = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    weight = rng.normal(size=(2, 4)).astype(np.float32)
    for make in (lambda: MaxPool((2, 2), (2, 2)), lambda: AvgPool((3, 2), (1, 2)), BatchNorm):
        one, other = make(), make()
        others = weight if make is BatchNorm else ()
        y = one.forward(x, *others)
        np.testing.assert_allclose(other.forward(turned, *others), y, rtol=1e-5, atol=1e-6)
        for ours, theirs in zip(one.vjp(y), other.vjp(y), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_batch_norm_collects_in_training_only(tt):
    from tinytorch.nn import BatchNorm2d

    layer = BatchNorm2d(3)
    assert list(layer.state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    held = layer.running_mean.data
    for _ in range(2):
        layer(tt.rand(2, 3, 4, 4))
    assert layer.running_mean.data is held
    assert layer.running_mean.data.any()
    assert layer.num_batches_tracked.item() == 2
    kept = held.copy()
    layer.eval()(tt.rand(2, 3, 4, 4))
    assert (held == kept).all()
    assert layer.num_batches_tracked.item() == 2


def test_a_single_number_has_no_spread(tt):
    from tinytorch.nn import BatchNorm2d

    layer = BatchNorm2d(3)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer(tt.rand(1, 3, 1, 1))
    assert layer.eval()(tt.rand(1, 3, 1, 1)).shape == (1, 3, 1, 1)


def test_a_window_larger_than_the_image_is_refused(tt):
    from tinytorch.nn import AvgPool2d, MaxPool2d

    for layer in (MaxPool2d(3), AvgPool2d((1, 5))):
        with pytest.raises(ValueError, match="does not fit into 2 x 4 pixels"):
            layer(tt.rand(1, 1, 2, 4))
