"""Probes of the module spatial."""

import math

import numpy as np

from course.probing import not_kaiming, probe, raises

SIZES = ((1, 1, 3, 3), (2, 3, 6, 5), (1, 2, 4, 7))  # of images: one channel, several, wide


def _normal(rng, *size):
    return rng.normal(size=size).astype(np.float32)


def _case(rng, image=(2, 3, 6, 5), kernel=(2, 3), filters=4):
    """Images, filters and a bias."""
    return _normal(rng, *image), _normal(rng, filters, image[1], *kernel), _normal(rng, filters)


def _is_float32(*arrays):
    return all(isinstance(each, np.ndarray) and each.dtype == np.float32 for each in arrays)


# Output size


@probe("check-spatial-output-size")
def sizes_of_random_convolutions(rng):
    """Random sizes, kernels, strides and paddings that fit."""
    from tinytorch.spatial import output_size

    found = []
    for _ in range(40):
        kernel, stride, padding = (int(n) for n in (rng.integers(1, 6), rng.integers(1, 5), rng.integers(3)))
        size = int(rng.integers(max(1, kernel - 2 * padding), 20))
        found.append(output_size(size, kernel, stride, padding))
    by_name = output_size(int(rng.integers(9, 20)), 3, padding=1, stride=2)
    return {"found": found, "default": output_size(7, 2), "by_name": by_name}


@probe("check-spatial-output-size")
def a_filter_that_does_not_fit_is_refused(rng):
    """Kernels a little too large raise a ValueError; those that fit exactly give 1."""
    from tinytorch.spatial import output_size

    refused, fits = [], []
    for _ in range(10):
        size, stride, padding = (int(n) for n in (rng.integers(1, 9), rng.integers(1, 4), rng.integers(3)))
        room = size + 2 * padding
        over = room + int(rng.integers(1, 3))
        refused.append(raises(ValueError, lambda s=(size, over, stride, padding): output_size(*s)))
        fits.append(output_size(size, room, stride, padding))
    return {"refused": refused, "fits": fits}


# Convolution in loops


@probe("check-spatial-conv", rtol=1e-4, atol=1e-5)
def convolves_one_channel(rng):
    """One image, one channel, one filter."""
    from tinytorch.spatial import conv2d_loops

    x, weight, _ = _case(rng, (1, 1, 5, 4), (3, 2), 1)
    y = conv2d_loops(x, weight)
    return {"y": y, "is_float32": _is_float32(y)}


@probe("check-spatial-conv", rtol=1e-4, atol=1e-5)
def convolves_many_channels(rng):
    """Several images, channels and filters, with and without a bias; the inputs stay as they were."""
    from tinytorch.spatial import conv2d_loops

    found = {}
    for number, image in enumerate(SIZES):
        x, weight, bias = _case(rng, image, (2, 3), 4)
        found |= {f"biased_{number}": conv2d_loops(x, weight, bias), f"x_{number}": x, f"bias_{number}": bias}
        found[f"bare_{number}"] = conv2d_loops(x, weight)
    return found


@probe("check-spatial-conv", rtol=1e-4, atol=1e-5)
def convolves_with_stride_and_padding(rng):
    """Strides 1 to 3 and paddings 0 to 2, also where the last step does not fit; the inputs stay."""
    from tinytorch.spatial import conv2d_loops

    found = {}
    for stride in (1, 2, 3):
        for padding in (0, 1, 2):
            x, weight, bias = _case(rng, (1, 2, 5, 6), (3, 2), 2)
            found[f"y_{stride}_{padding}"] = conv2d_loops(x, weight, bias, stride, padding)
    return {**found, "x_after": x, "weight_after": weight}


@probe("check-spatial-conv", rtol=1e-4, atol=1e-5)
def convolves_at_the_edges(rng):
    """A filter as large as the image, a filter of one pixel, an empty batch, padding wider than the image."""
    from tinytorch.spatial import conv2d_loops

    whole, pixel = _case(rng, (2, 2, 3, 4), (3, 4)), _case(rng, (2, 2, 3, 4), (1, 1))
    empty, small = _case(rng, (0, 2, 3, 4), (2, 2)), _case(rng, (1, 1, 1, 1), (4, 3), 1)
    return {
        "whole": conv2d_loops(*whole),
        "pixel": conv2d_loops(*pixel, stride=2),
        "empty": conv2d_loops(*empty),
        "small": conv2d_loops(*small, padding=2),
    }


# Its way back


def _gradients(x, weight, g, *settings):
    from tinytorch.spatial import conv2d_loops_vjp

    found = conv2d_loops_vjp(x, weight, g, *settings)
    if len(found) != 3:
        raise ValueError(f"Three gradients are wanted: x, weight, bias; {len(found)} came.")
    return dict(zip(("x", "weight", "bias"), found, strict=True))


def _places(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride + 1


@probe("check-spatial-conv-vjp", rtol=1e-4, atol=1e-5)
def differentiates_one_channel(rng):
    """One image, one channel, one filter."""
    x, weight, _ = _case(rng, (1, 1, 4, 5), (2, 3), 1)
    return _gradients(x, weight, _normal(rng, 1, 1, 3, 3))


@probe("check-spatial-conv-vjp", rtol=1e-4, atol=1e-5)
def differentiates_many_channels(rng):
    """Several images, channels and filters; what went in stays as it was."""
    x, weight, _ = _case(rng, (3, 2, 4, 6), (3, 2), 4)
    g = _normal(rng, 3, 4, 2, 5)
    found = _gradients(x, weight, g)
    return {**found, "x_after": x, "weight_after": weight, "g_after": g}


@probe("check-spatial-conv-vjp", rtol=1e-4, atol=1e-5)
def differentiates_with_stride_and_padding(rng):
    """Strides 1 to 3 and paddings 0 to 2, also where the last pixels are in no window."""
    found = {}
    for stride in (1, 2, 3):
        for padding in (0, 1, 2):
            x, weight, _ = _case(rng, (1, 2, 5, 6), (3, 2), 2)
            g = _normal(rng, 1, 2, _places(5, 3, stride, padding), _places(6, 2, stride, padding))
            for name, array in _gradients(x, weight, g, stride, padding).items():
                found[f"{name}_{stride}_{padding}"] = array
    return found


@probe("check-spatial-conv-vjp", rtol=1e-4, atol=1e-5)
def gradient_of_an_empty_batch(rng):
    """No image: no gradient of x, zeros for weight and bias."""
    x, weight, _ = _case(rng, (0, 2, 4, 4), (2, 2), 3)
    return _gradients(x, weight, _normal(rng, 0, 3, 3, 3))


# The layer


def _layer_sizes(rng):
    """Channels and kernel of a layer."""
    return int(rng.integers(2, 6)), (int(rng.integers(1, 4)), int(rng.integers(4, 6)))


def _is_kaiming(rng, out):
    channels, kernel = _layer_sizes(rng)
    return not_kaiming(out, {"weight": channels * math.prod(kernel), "bias": 4})


@probe("check-spatial-conv-layer", judge=_is_kaiming)
def conv_starts_as_kaiming(rng):
    """How the numbers of a new Conv2d are spread."""
    from tinytorch.nn import Conv2d, Parameter

    channels, kernel = _layer_sizes(rng)
    first, second, biased = (
        Conv2d(channels, 300, kernel),
        Conv2d(channels, 300, kernel),
        Conv2d(1, 5000, (4, 1)),
    )
    tensors = (first.weight, first.bias, biased.bias)
    return {
        "weight": first.weight.numpy(),
        "bias": biased.bias.numpy(),
        "are_parameters": all(
            isinstance(t, Parameter) and t.requires_grad and t.dtype == np.float32 for t in tensors
        ),
        "differ": bool((first.weight.numpy() != second.weight.numpy()).any()),
    }


@probe("check-spatial-conv-layer")
def conv_has_pytorchs_layout(rng):
    """Shapes of weight and bias, with and without bias, square and not."""
    from tinytorch.nn import Conv2d

    i, o, kh, kw = (int(n) for n in rng.permutation([2, 3, 4, 5]))
    layer, square, bare = Conv2d(i, o, (kh, kw)), Conv2d(i, o, kh), Conv2d(i, o, 1, bias=False)
    return {
        "weight": layer.weight.shape,
        "bias": layer.bias.shape,
        "square": square.weight.shape,
        "bare": [bare.bias is None, len(bare._parameters) == 1, len(layer._parameters) == 2],
    }


@probe("check-spatial-conv-layer", rtol=1e-4, atol=1e-5)
def conv_layer_computes(rng):
    """Conv2d with given numbers: with and without bias, stride and padding, square and not."""
    from tinytorch import Tensor
    from tinytorch.nn import Conv2d, Parameter

    found = {}
    x = Tensor(_normal(rng, 2, 3, 7, 6))
    for number, (kernel, settings) in enumerate(
        (
            ((2, 3), {}),
            (3, {"stride": 2}),
            (3, {"padding": 1}),
            ((2, 3), {"stride": (1, 2), "padding": (2, 1)}),
            (2, {"stride": 2, "padding": 1, "bias": False}),
        )
    ):
        layer = Conv2d(3, 4, kernel, **settings)
        layer.weight = Parameter(_normal(rng, *layer.weight.shape))
        if settings.get("bias", True):
            layer.bias = Parameter(_normal(rng, 4))
        found[f"y_{number}"] = layer(x).numpy()
    return found


# Pooling

WINDOWS = (  # image, kernel, stride
    ((1, 1, 2, 2), (2, 2), (2, 2)),
    ((2, 3, 6, 4), (2, 2), (2, 2)),
    ((2, 2, 7, 5), (2, 3), (2, 3)),
    ((1, 2, 6, 7), (3, 2), (2, 1)),
    ((2, 1, 7, 6), (2, 2), (3, 3)),
    ((1, 2, 5, 6), (3, 3), (1, 1)),
    ((1, 2, 4, 5), (2, 3), (1, 3)),
    ((1, 2, 5, 4), (3, 2), (3, 1)),
    ((2, 2, 3, 4), (1, 1), (1, 1)),
    ((1, 2, 3, 4), (3, 4), (3, 4)),
    ((0, 2, 4, 4), (2, 2), (2, 2)),
)


def _pooled(rng, name, draw):
    """Output of a pooling operation for all WINDOWS, and whether it is new and the input as it was."""
    import tinytorch.spatial

    found, intact = {}, []
    for number, (image, kernel, stride) in enumerate(WINDOWS):
        x = draw(*image)
        before = x.copy()
        y = getattr(tinytorch.spatial, name)(kernel, stride).forward(x)
        found[f"y_{number}"] = y
        intact.append([bool((x == before).all()), not np.shares_memory(x, y), _is_float32(y)])
    return {**found, "intact": intact}


def _pooled_back(rng, name, draw):
    """Gradient of a pooling operation for all WINDOWS, and whether what went in is as it was."""
    import tinytorch.spatial

    found, intact = {}, []
    for number, (image, kernel, stride) in enumerate(WINDOWS):
        op, x = getattr(tinytorch.spatial, name)(kernel, stride), draw(*image)
        y = op.forward(x)
        g, before = _normal(rng, *y.shape), x.copy()
        held = g.copy()
        (g_x,) = op.vjp(g)
        found[f"g_{number}"] = g_x
        intact.append([bool((x == before).all()), bool((g == held).all()), not np.shares_memory(g_x, g)])
    return {**found, "intact": intact}


@probe("check-spatial-max-pool")
def takes_the_largest(rng):
    """Windows side by side, overlapping, with gaps, as large as the image; also where all is negative."""
    negative = _pooled(rng, "MaxPool", lambda *size: -1 - rng.random(size, dtype=np.float32))
    mixed = _pooled(rng, "MaxPool", lambda *size: _normal(rng, *size))
    return {**mixed, **{f"negative_{name}": each for name, each in negative.items()}}


@probe("check-spatial-max-pool")
def gradient_goes_to_the_largest(rng):
    """All numbers different: the largest of a window gets its g; those of overlapping windows add up."""

    def different(*size):
        return rng.permutation(math.prod(size)).reshape(size).astype(np.float32) - 5

    return _pooled_back(rng, "MaxPool", different)


@probe("check-spatial-max-pool")
def gradient_goes_to_the_first_of_equals(rng):
    """Several largest in a window, as after a ReLU: the first, row by row, gets all of it."""
    found = _pooled_back(rng, "MaxPool", lambda *size: rng.integers(0, 2, size=size).astype(np.float32))
    zeros = _pooled_back(rng, "MaxPool", lambda *size: np.zeros(size, np.float32))
    return {**found, **{f"zeros_{name}": each for name, each in zeros.items()}}


@probe("check-spatial-avg-pool", rtol=1e-4, atol=1e-5)
def takes_the_mean(rng):
    """Windows side by side, overlapping, with gaps, as large as the image."""
    return _pooled(rng, "AvgPool", lambda *size: _normal(rng, *size))


@probe("check-spatial-avg-pool", rtol=1e-4, atol=1e-5)
def gradient_is_shared(rng):
    """Each of a window gets the same share; in overlapping windows they add up."""
    return _pooled_back(rng, "AvgPool", lambda *size: _normal(rng, *size))


# Batch normalisation


def _normalised(rng, mean=0.0, spread=1.0, eps=1e-5, statistics=()):
    """A BatchNorm and its inputs."""
    from tinytorch.spatial import BatchNorm

    n, c, h, w = (int(size) for size in rng.permutation([2, 3, 4, 5]))
    x = (_normal(rng, n, c, h, w) * spread + mean).astype(np.float32)
    given = [(rng.normal(size=c) if name == "mean" else rng.random(c) + 0.2) for name in statistics]
    given = [each.astype(np.float32) for each in given]
    return BatchNorm(eps, *given), (x, _normal(rng, c), _normal(rng, c))


@probe("check-spatial-batch-norm", rtol=1e-4, atol=1e-5)
def normalises_by_the_batch(rng):
    """Random images: result, mean and variance of each channel; what went in stays as it was."""
    op, inputs = _normalised(rng, 3.0, 2.0)
    before = [each.copy() for each in inputs]
    y = op.forward(*inputs)
    intact = [bool((a == b).all()) for a, b in zip(inputs, before, strict=True)]
    return {"y": y, "mean": op.mean, "var": op.var, "intact": intact, "is_float32": _is_float32(y)}


@probe("check-spatial-batch-norm", rtol=2e-3, atol=2e-3)
def normalises_where_the_mean_is_large(rng):
    """A mean a thousand times the spread, where the mean of squares would lose all digits."""
    op, inputs = _normalised(rng, 2000.0, 0.5)
    return {"y": op.forward(*inputs), "var": op.var}


@probe("check-spatial-batch-norm", rtol=1e-4, atol=1e-5)
def normalises_by_given_numbers(rng):
    """With mean and variance given they are used, and not changed; and a large eps."""
    op, inputs = _normalised(rng, statistics=("mean", "var"), eps=float(rng.uniform(0.5, 2)))
    mean, var = op.mean.copy(), op.var.copy()
    y = op.forward(*inputs)
    large, others = _normalised(rng, spread=0.3, eps=float(rng.uniform(0.5, 2)))
    kept = [bool((mean == op.mean).all()), bool((var == op.var).all())]
    return {"y": y, "kept": kept, "large_eps": large.forward(*others)}


def _normalised_back(rng, **settings):
    op, inputs = _normalised(rng, **settings)
    op.forward(*inputs)
    g = _normal(rng, *inputs[0].shape) + rng.normal()
    held = [each.copy() for each in (g, *inputs)]
    found = op.vjp(g)
    if len(found) != 3:
        raise ValueError(f"Three gradients are wanted: x, weight, bias; {len(found)} came.")
    intact = [bool((a == b).all()) for a, b in zip(held, (g, *inputs), strict=True)]
    named = dict(zip(("x", "weight", "bias"), found, strict=True))
    return {**named, "intact": intact, "again": op.vjp(g)[0]}


@probe("check-spatial-batch-norm", rtol=1e-3, atol=1e-4)
def differentiates_through_the_batchs_statistics(rng):
    """The three gradients where mean and spread are the batch's own, with a small and a large eps."""
    small = _normalised_back(rng, mean=1.0, spread=2.0)
    large = _normalised_back(rng, mean=-2.0, spread=0.7, eps=float(rng.uniform(0.5, 2)))
    return {**small, **{f"large_eps_{name}": each for name, each in large.items()}}


@probe("check-spatial-batch-norm", rtol=1e-3, atol=1e-4)
def differentiates_with_given_numbers(rng):
    """The three gradients where mean and variance are constants."""
    return _normalised_back(rng, statistics=("mean", "var"), eps=float(rng.uniform(0.01, 1)))


@probe("check-spatial-running")
def collects_statistics(rng):
    """Several batches, one after the other, in place; random momentum, few and many numbers."""
    from tinytorch.spatial import update_running

    running_mean, running_var = _normal(rng, 3), rng.random(3, dtype=np.float32)
    found = {}
    for number, count in enumerate((2, 3, int(rng.integers(4, 9)), 1000)):
        mean, var = _normal(rng, 3), rng.random(3, dtype=np.float32) * 4
        held = mean.copy(), var.copy()
        update_running(running_mean, running_var, mean, var, count, float(rng.uniform(0.1, 0.9)))
        found |= {f"mean_{number}": running_mean.copy(), f"var_{number}": running_var.copy()}
        found[f"intact_{number}"] = [bool((mean == held[0]).all()), bool((var == held[1]).all())]
    return found


@probe("check-spatial-running")
def collects_with_the_usual_momentum(rng):
    """Without a momentum it is 0.1; momentum 0 and 1 are allowed."""
    from tinytorch.spatial import update_running

    found = {}
    for name, momentum in (("usual", ()), ("nothing", (0.0,)), ("everything", (1.0,))):
        running = _normal(rng, 2), rng.random(2, dtype=np.float32)
        update_running(*running, _normal(rng, 2), rng.random(2, dtype=np.float32), 5, *momentum)
        found |= {f"mean_{name}": running[0], f"var_{name}": running[1]}
    return found
