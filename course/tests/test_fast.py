"""tinytorch.fast: the supplied convolution is the one that loops compute, on any number of threads."""

from __future__ import annotations

import importlib
import itertools
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

NEEDED = ("tensor", "activations", "layers", "losses", "autograd")


@pytest.fixture
def fast(tt):
    module = importlib.import_module("tinytorch.fast")
    before = module.get_num_threads()
    yield module
    module.set_num_threads(before)


def convolved(x, weight, bias, stride, padding):
    """The convolution, number by number."""
    (down, right), (above, left) = stride, padding
    x = np.pad(x, ((0, 0), (0, 0), (above, above), (left, left)))
    (n, _, height, width), (o, _, kh, kw) = x.shape, weight.shape
    y = np.zeros((n, o, (height - kh) // down + 1, (width - kw) // right + 1))
    for b, k, i, j in np.ndindex(y.shape):
        window = x[b, :, i * down : i * down + kh, j * right : j * right + kw]
        y[b, k, i, j] = (window * weight[k]).sum() + bias[k]
    return y


def gradients(x, weight, g, stride, padding):
    """The gradients of x, weight and bias, number by number."""
    (down, right), (above, left) = stride, padding
    around = np.pad(x, ((0, 0), (0, 0), (above, above), (left, left)))
    g_around, g_weight = np.zeros(around.shape), np.zeros(weight.shape)
    kh, kw = weight.shape[2:]
    for b, k, i, j in np.ndindex(g.shape):
        window = (b, slice(None), slice(i * down, i * down + kh), slice(j * right, j * right + kw))
        g_around[window] += g[b, k, i, j] * weight[k]
        g_weight[k] += g[b, k, i, j] * around[window]
    height, width = x.shape[2:]
    return g_around[:, :, above : above + height, left : left + width], g_weight, g.sum(axis=(0, 2, 3))


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw):
    """Arrays, stride and padding of some convolution; images in either order of memory."""
    kernel, stride = draw(pairs), draw(pairs)
    padding = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    image = [max(1, k - 2 * p) + draw(st.integers(0, 4)) for k, p in zip(kernel, padding, strict=True)]
    n, c, o = draw(st.integers(1, 5)), draw(st.sampled_from([1, 2, 3, 7, 8, 9])), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.standard_normal((n, c, *image), dtype=np.float32)
    if draw(st.booleans()):
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    weight = rng.standard_normal((o, c, *kernel), dtype=np.float32)
    return x, weight, rng.standard_normal(o, dtype=np.float32), stride, padding


def close(came, should):
    np.testing.assert_allclose(came, should, rtol=1e-4, atol=1e-4)


@settings(max_examples=80, deadline=None)
@given(case=convolutions(), threads=st.integers(1, 2), windows=st.sampled_from([1, 40, 512]))
def test_same_numbers_as_loops(tt, case, threads, windows):
    fast = importlib.import_module("tinytorch.fast")
    x, weight, bias, stride, padding = case
    before, given = (fast.get_num_threads(), fast.WINDOWS), [array.copy() for array in case[:3]]
    try:
        fast.set_num_threads(threads)
        fast.WINDOWS = windows
        op = fast.Conv2d(stride, padding)
        y = op.forward(x, weight, bias)
        close(y, convolved(x, weight, bias, stride, padding))
        g = np.random.default_rng(0).standard_normal(y.shape, dtype=np.float32)
        found = op.vjp(g)
    finally:
        fast.set_num_threads(before[0])
        fast.WINDOWS = before[1]
    for came, should in zip(found, gradients(x, weight, g, stride, padding), strict=True):
        assert came.dtype == np.float32
        close(came, should)
    for array, former in zip(case[:3], given, strict=True):
        np.testing.assert_array_equal(array, former, "an input was changed")


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def test_without_bias_there_is_no_gradient_of_one(fast):
    x, weight = random(2, 3, 5, 5), random(4, 3, 3, 3)
    op = fast.Conv2d()
    close(op.forward(x, weight), convolved(x, weight, np.zeros(4), (1, 1), (0, 0)))
    assert len(op.vjp(np.ones((2, 4, 3, 3), np.float32))) == 2


def test_an_empty_batch_stays_empty(fast):
    x, weight, bias = random(0, 3, 5, 5), random(4, 3, 3, 3), random(4)
    op = fast.Conv2d()
    assert op.forward(x, weight, bias).shape == (0, 4, 3, 3)
    g_x, g_weight, g_bias = op.vjp(np.zeros((0, 4, 3, 3), np.float32))
    assert g_x.shape == x.shape
    assert not g_weight.any()
    assert not g_bias.any()


@pytest.mark.parametrize("weight", [random(4, 2, 3, 3), random(4, 3, 6, 1), random(4, 3, 1, 6)])
def test_a_kernel_that_does_not_fit_is_refused(fast, weight):
    with pytest.raises(ValueError, match="does not fit"):
        fast.Conv2d().forward(random(1, 3, 5, 5), weight)


def test_threads_change_no_bit(fast):
    x, weight, bias = random(13, 8, 16, 16), random(6, 8, 3, 3), random(6)
    outcomes = []
    for threads in (1, 2, 3):
        fast.set_num_threads(threads)
        op = fast.Conv2d((1, 1), (1, 1))
        outcomes.append([op.forward(x, weight, bias), *op.vjp(random(13, 6, 16, 16, seed=1))])
    for first, second in itertools.pairwise(outcomes):
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_error_in_a_thread_reaches_the_caller(fast):
    fast.set_num_threads(2)

    def block(start, stop):
        raise RuntimeError(f"samples {start} to {stop}")

    with pytest.raises(RuntimeError, match="samples"):
        fast._parallel(block, 8, 1)


def test_a_forked_process_makes_its_own_threads(fast):
    fast.set_num_threads(2)
    assert fast._parallel(lambda start, stop: start, 4, 1) == [0, 1, 2, 3]
    child = os.fork()
    if child == 0:
        os._exit(0 if fast._parallel(lambda start, stop: start, 4, 1) == [0, 1, 2, 3] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_no_threads_are_refused(fast):
    with pytest.raises(ValueError, match="At least one"):
        fast.set_num_threads(0)


# No graph may find its numbers overwritten by what was computed after it.


def conv(tt, fast, x, weight):
    return importlib.import_module("tinytorch.tensor").apply(fast.Conv2d((1, 1), (1, 1)), x, weight)


@pytest.mark.parametrize("threads", [1, 2])
def test_two_forwards_before_a_backward(tt, fast, threads):
    fast.set_num_threads(threads)
    x, other = tt.from_numpy(random(4, 8, 6, 6)), tt.from_numpy(random(4, 8, 6, 6, seed=1))
    weight = tt.Tensor(random(8, 8, 3, 3, seed=2), requires_grad=True)
    conv(tt, fast, x, weight).sum().backward()
    alone, weight.grad = weight.grad.data, None

    first = conv(tt, fast, x, weight)
    kept = first.data.copy()
    second = conv(tt, fast, other, weight)
    with tt.no_grad():
        conv(tt, fast, second, weight)
    np.testing.assert_array_equal(first.data, kept)
    first.sum().backward()
    np.testing.assert_array_equal(weight.grad.data, alone)


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_add_up_over_batches(tt, fast, threads):
    fast.set_num_threads(threads)
    weight = tt.Tensor(random(4, 3, 3, 3, seed=2), requires_grad=True)
    x = random(6, 3, 7, 7)
    outputs = [conv(tt, fast, tt.from_numpy(part), weight) for part in (x[:2], x[2:])]
    with tt.no_grad():
        conv(tt, fast, tt.from_numpy(random(4, 3, 7, 7, seed=3)), weight)
    for output in outputs:
        output.sum().backward()
    added, weight.grad = weight.grad.data.copy(), None
    conv(tt, fast, tt.from_numpy(x), weight).sum().backward()
    close(added, weight.grad.data)


def test_images_get_no_gradient_unless_asked(tt, fast):
    weight = tt.Tensor(random(4, 3, 3, 3), requires_grad=True)
    output = conv(tt, fast, tt.from_numpy(random(2, 3, 5, 5)), weight)
    g_x, g_weight = output.grad_fn.op.vjp(output.data)
    assert g_x is None
    assert g_weight.shape == weight.shape


def test_gradcheck_agrees(tt, fast):
    gradcheck = importlib.import_module("tinytorch.autograd").gradcheck
    x = tt.Tensor(random(2, 2, 4, 4), requires_grad=True)
    weight = tt.Tensor(random(3, 2, 3, 3, seed=1), requires_grad=True)
    assert gradcheck(lambda x, weight: conv(tt, fast, x, weight), (x, weight))


def test_agrees_with_pytorch(fast):
    torch = pytest.importorskip("torch")
    x, weight, bias = random(3, 5, 9, 8), random(4, 5, 3, 2), random(4)
    op = fast.Conv2d((2, 1), (1, 2))
    theirs = [torch.tensor(array, requires_grad=True) for array in (x, weight, bias)]
    y = torch.nn.functional.conv2d(*theirs, stride=(2, 1), padding=(1, 2))
    close(op.forward(x, weight, bias), y.detach().numpy())
    g = random(*y.shape, seed=1)
    y.backward(torch.tensor(g))
    for came, tensor in zip(op.vjp(g), theirs, strict=True):
        close(came, tensor.grad.numpy())
