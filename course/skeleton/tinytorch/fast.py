"""tinytorch.fast: convolution at the speed of matrix products.

This file is given, and closed: you do not need to open it. What a convolution is, you write in *spatial*, in
loops; in *acceleration* you build what stands here yourself. If you cannot wait, here are its four ideas:

1. im2col (Chellapilla et al., High Performance Convolutional Neural Networks for Document Processing, 2006).
   The window under the kernel, written out as one row of a table, makes a convolution one matrix product:
   each row times each kernel. The product costs the same, but BLAS computes it near the processor's limit.
2. Channels last. Shapes are PyTorch's, (batch, channels, height, width), but in memory the channels of one
   pixel lie side by side (as in PyTorch's torch.channels_last). So a window is a few long pieces of memory,
   quickly copied, and what comes out of the product is in order already. numpy's own operations keep the
   order in memory that they find, so it stays like this from layer to layer.
3. The gradient of the input is a convolution too: of the gradient, with the kernels turned by half a turn
   (Dumoulin and Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285, chapter 4).
4. A few samples at a time, so that the table stays in the processor's cache; and several such blocks at once
   on several threads, as numpy lets other threads run while it computes. A block has the same size on any
   number of threads, and blocks are added up in their order, so the numbers are the same to the last bit.

Each call makes its own arrays and shares none with an earlier one: a gradient may be asked for at any time.
"""

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from tinytorch.tensor import Op

WINDOWS = 512  # of a block: enough for BLAS to be fast, few enough for the table to stay in the cache
FEW = 8  # with fewer channels than this, the channels of a pixel are too short a piece to copy by itself


# Memory


def _keep_memory():
    """Tell the C library to keep the memory of arrays that are gone, for those that come next.

    A training step makes large arrays and lets go of them again. glibc gives such memory back to the system,
    which must clean each page of it before it is given out again: with a CNN, half of the time went there
    (mallopt(3); a C library without it goes on as it did).
    """
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of <malloc.h>
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(mmap_threshold, 2**28)  # a quarter of a GiB: far above any array of this course,
        mallopt(trim_threshold, 2**28)  # far below what a student's server may take


_keep_memory()


# Threads


def get_num_threads():
    """How many threads compute."""
    return _threads


def set_num_threads(count):
    """Let `count` threads compute what stands in this file."""
    global _threads
    if count < 1:
        raise ValueError(f"At least one thread must compute, not {count}.")
    _threads = count


@cache
def _pool():
    """The threads beside the one that calls.

    BLAS gives its own up, as they would take the cores from these: they wait for their next product by
    spinning. A warning (1 / 0) is no matter of a thread's, as in `apply`.
    """
    for path in Path(np.__file__).parent.parent.glob("numpy.libs/*openblas*"):  # the one in numpy's wheels
        if set_blas_threads := getattr(ctypes.CDLL(str(path)), "scipy_openblas_set_num_threads64_", None):
            set_blas_threads(1)
    return ThreadPoolExecutor(os.cpu_count(), "tinytorch", initializer=np.seterr, initargs=("ignore",))


def _parallel(function, samples, step):
    """Call function(start, stop) for all samples, in blocks of `step`; its results in order."""
    step = max(1, step)
    starts = range(0, samples, step)
    todo, results = iter(enumerate(starts)), [None] * len(starts)

    def work():
        for place, start in todo:  # each thread takes the next one that nobody has
            results[place] = function(start, min(start + step, samples))

    others = min(_threads, len(starts)) - 1
    futures = [_pool().submit(work) for _ in range(others)]
    work()
    for future in futures:
        future.result()
    return results


# A process that was forked has none of its parent's threads, so it makes its own.
os.register_at_fork(after_in_child=_pool.cache_clear)
# As many as BLAS was told to take, otherwise one for each core that we may use (macOS does not say which).
_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
_threads = int(os.environ.get("OPENBLAS_NUM_THREADS") or 0) or _cores


# Convolution


def _place(count, offset, spacing, size):
    """Slices (from, to) that put `count` numbers at offset, offset + spacing, ... of a row of `size`.

    What would fall outside stays out: a gradient of a window that saw nothing but padding.
    """
    first = max(0, -(offset // spacing))
    last = max(first, min(count, first - (offset + first * spacing - size) // spacing))
    start = offset + first * spacing
    return slice(first, last), slice(start, start + (last - first) * spacing, spacing)


def _windows(x, size, offset, spacing, kernel, stride):
    """The table of im2col: one row for each window, in the order (row, column, channel).

    Args:
        x: (n, height, width, channels).
        size: height and width of the zeros into which x is put; there the windows are.
        offset, spacing: where in them its first pixel lies, and how far apart its pixels are.
        kernel, stride: height and width of a window, and the steps from one to the next.
    """
    n, height, width, c = x.shape
    if c < FEW:  # as (n, c, height, width) in memory
        memory = np.zeros((n, c, *size), x.dtype)
        padded = memory.transpose(0, 2, 3, 1)
    else:
        memory = padded = np.zeros((n, *size, c), x.dtype)
    from_rows, to_rows = _place(height, offset[0], spacing[0], size[0])
    from_columns, to_columns = _place(width, offset[1], spacing[1], size[1])
    padded[:, to_rows, to_columns] = x[:, from_rows, from_columns]

    # All windows, without a copy: one step to the next window is `stride` steps in memory.
    shape = (n, *((size[d] - kernel[d]) // stride[d] + 1 for d in (0, 1)), *kernel, c)
    sample, row, column, channel = padded.strides
    strides = (sample, row * stride[0], column * stride[1], row, column, channel)
    windows = np.ndarray(shape, x.dtype, memory, 0, strides)
    if c < FEW:  # the table's transpose is copied in longer pieces, and BLAS takes either
        return windows.transpose(3, 4, 5, 0, 1, 2).reshape(kernel[0] * kernel[1] * c, -1).T
    return windows.reshape(-1, kernel[0] * kernel[1] * c)


class Conv2d(Op):
    """The convolution of images (n, c, height, width) with kernels (o, c, kh, kw), plus bias (o).

    Args:
        stride: the kernel's steps, down and to the right.
        padding: how many zeros are put around the images: above and below, left and right.
    """

    def __init__(self, stride=(1, 1), padding=(0, 0)):
        self.stride, self.padding = stride, padding

    def forward(self, x, weight, bias=None):
        self.inputs = (x, weight) if bias is None else (x, weight, bias)
        n, c, *image = x.shape
        o, c_weight, *kernel = weight.shape
        size = [image[d] + 2 * self.padding[d] for d in (0, 1)]
        if c != c_weight or kernel[0] > size[0] or kernel[1] > size[1]:
            raise ValueError(
                f"A kernel {weight.shape} does not fit images {x.shape} with padding {self.padding}: "
                "both need as many channels, and the kernel must not be larger than the padded image."
            )
        height, width = ((size[d] - kernel[d]) // self.stride[d] + 1 for d in (0, 1))
        table = weight.transpose(2, 3, 1, 0).reshape(-1, o)
        row_of_bias = None if bias is None else np.tile(bias, width)
        pixels, out = x.transpose(0, 2, 3, 1), np.empty((n, height, width, o), x.dtype)

        def block(start, stop):
            windows = _windows(pixels[start:stop], size, self.padding, (1, 1), kernel, self.stride)
            result = np.matmul(windows, table, out=out[start:stop].reshape(-1, o))
            if bias is not None:
                rows = result.reshape(-1, width * o)
                rows += row_of_bias

        _parallel(block, n, WINDOWS // (height * width))
        return out.transpose(0, 3, 1, 2)

    def vjp(self, g):
        x, weight = self.inputs[:2]
        n, c, *image = x.shape
        o, _, kh, kw = weight.shape
        _, _, height, width = g.shape
        pixels, g = x.transpose(0, 2, 3, 1), g.transpose(0, 2, 3, 1)
        size = [image[d] + 2 * self.padding[d] for d in (0, 1)]
        turned = weight[:, :, ::-1, ::-1].transpose(2, 3, 0, 1).reshape(-1, c)
        turned_size = image[0] + kh - 1, image[1] + kw - 1
        turned_offset = kh - 1 - self.padding[0], kw - 1 - self.padding[1]
        g_x = np.empty((n, *image, c), x.dtype) if not self.needs or self.needs[0] else None

        def block(start, stop):
            rows = np.ascontiguousarray(g[start:stop]).reshape(-1, o)
            windows = _windows(pixels[start:stop], size, self.padding, (1, 1), (kh, kw), self.stride)
            if g_x is not None:
                around = _windows(g[start:stop], turned_size, turned_offset, self.stride, (kh, kw), (1, 1))
                np.matmul(around, turned, out=g_x[start:stop].reshape(-1, c))
            return windows.T @ rows, np.ones(len(rows), rows.dtype) @ rows

        blocks = _parallel(block, n, WINDOWS // (height * width))
        table = sum((of_weight for of_weight, _ in blocks), np.zeros((kh * kw * c, o), x.dtype))
        g_weight = np.ascontiguousarray(table.reshape(kh, kw, c, o).transpose(3, 2, 0, 1))
        g_bias = sum((of_bias for _, of_bias in blocks), np.zeros(o, x.dtype))
        return (g_x if g_x is None else g_x.transpose(0, 3, 1, 2), g_weight, g_bias)[: len(self.inputs)]
