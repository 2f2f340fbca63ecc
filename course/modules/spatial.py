# %% [markdown]
# # Convolutions
#
# A `Linear` layer gives every pixel a weight of its own. What it learns in one corner it does not know in the
# other. A *convolution* slides one small filter over the whole image: few numbers, used everywhere. You will
# write it in loops, forward and backward, so that you have seen every multiplication. Then you prove that a
# fast one, which is supplied, gives the same numbers, and build a network that sees: `Conv2d`, `MaxPool2d`,
# `AvgPool2d`, `BatchNorm2d`.

# %% role="given" id="spatial-header"
"""Layers that know that an image has two dimensions: convolution, pooling, batch normalisation."""

import math

import numpy as np

from tinytorch import fast
from tinytorch.layers import Module, Parameter, uniform_parameter
from tinytorch.tensor import Op, Tensor, apply, ones, zeros


def pair(size):
    """3 means (3, 3): height and width."""
    return tuple(size) if isinstance(size, tuple | list) else (size, size)


# %% [markdown]
# ## A filter that slides
#
# Images come as a batch of shape `(n, channels, height, width)`, in short NCHW. A filter is a small block of
# weights, `(channels, kh, kw)`. Lay it on the image, multiply what lies on top of each other, add it all up:
# one number. Move it on, and again. The numbers together are a new image, a *feature map*: how much each
# place looks like the filter. Several filters give several maps, which are the channels of the result.
#
# Two settings say where the filter goes. The *stride* is how far it moves each time. The *padding* is a frame
# of zeros around the image, so that the filter can also stand on the border.
#
# ### Exercise: `output_size`
#
# In one direction: an image of `size` pixels, a filter of `kernel` pixels. At how many places does it fit?
# Count on paper first: size 5, kernel 3, stride 1 are three places; with stride 2 two. With padding 1 the
# image is two pixels wider. A place that does not fit wholly does not count. If not even one fits, raise a
# `ValueError`.


# %% role="exercise" id="spatial-output-size"
def output_size(size, kernel, stride=1, padding=0):
    """At how many places a filter of `kernel` pixels fits into `size` pixels with a frame of `padding`."""
    ### BEGIN SOLUTION
    room = size + 2 * padding - kernel
    if room < 0:
        raise ValueError(f"A kernel of {kernel} does not fit into {size} pixels with padding {padding}.")
    return room // stride + 1
    ### END SOLUTION


# %% [markdown] role="hint" exercise="spatial-output-size"
# How far can the filter's left edge move from the first place to the last one? Stride 1 first.

# %% [markdown] role="hint" exercise="spatial-output-size"
# It can move `size + 2 * padding - kernel` pixels. It moves in steps of `stride`; only whole steps count. And
# the place where it began counts too.

# %% role="check" id="check-spatial-output-size" exercise="spatial-output-size" points=2
from tinytorch.checking import expect, expect_error

expect("output_size(5, 3)", output_size(5, 3), 3, "The left edge stands at 0, 1, 2.")
expect("output_size(5, 3, stride=2)", output_size(5, 3, stride=2), 2, "It stands at 0 and 2.")
expect(
    "output_size(6, 3, stride=2)", output_size(6, 3, stride=2), 2, "At 4 it would stick out: only 0 and 2."
)
expect(
    "output_size(5, 3, padding=1)", output_size(5, 3, padding=1), 5, "The frame adds a pixel on both sides."
)
expect("output_size(3, 3)", output_size(3, 3), 1, "It fits exactly once.")
expect("output_size(2, 4, padding=1)", output_size(2, 4, padding=1), 1, "2 + 2 * 1 pixels are enough for 4.")
expect_error("output_size(3, 4)", ValueError, lambda: output_size(3, 4), "4 pixels do not fit into 3.")

# %% [markdown]
# ## Convolution, in loops
#
# With a frame of zeros already around $x$, and stride $s$:
#
# $$ y_{b,o,i,j} = \mathrm{bias}_o +
# \sum_{c,u,v} x_{b,\,c,\;i s + u,\; j s + v} \; w_{o,c,u,v} $$
#
# In words: for each image `b`, each filter `o` and each place `(i, j)`, cut the window out of the image,
# multiply it with the filter, add up.
#
# ### Exercise: `conv2d_loops`
#
# `x` has shape (n, c, h, w) and `weight` (o, c, kh, kw); the result is `(n, o, rows, columns)`, in float32.
# `bias` has shape (o,), or is None. Write the loops over `b`, `o`, `i` and `j`; the window may be multiplied
# and summed by numpy. `np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))` puts the frame around a *copy*. Speed
# does not matter here. That you can read it does.


# %% role="exercise" id="spatial-conv"
def conv2d_loops(x, weight, bias=None, stride=1, padding=0):
    """Slide the filters of weight (o, c, kh, kw) over x (n, c, h, w): an array (n, o, rows, columns)."""
    ### BEGIN SOLUTION
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    filters, _, kh, kw = weight.shape
    tops = range(0, x.shape[2] - kh + 1, stride)
    lefts = range(0, x.shape[3] - kw + 1, stride)
    y = np.zeros((len(x), filters, len(tops), len(lefts)), dtype=np.float32)
    for b, o, i, j in np.ndindex(y.shape):
        window = x[b, :, tops[i] : tops[i] + kh, lefts[j] : lefts[j] + kw]
        y[b, o, i, j] = (window * weight[o]).sum()
    if bias is not None:
        y += bias[:, None, None]
    return y
    ### END SOLUTION


# %% [markdown] role="hint" exercise="spatial-conv"
# Begin with the shape of the result. `output_size` tells rows and columns. Then fill it element by element:
# `np.ndindex(y.shape)` walks over all `(b, o, i, j)`.

# %% [markdown] role="hint" exercise="spatial-conv"
# The window of place `(i, j)` has its upper left corner at row `i * stride` and column `j * stride` of the
# padded image. It is `kh` rows high, `kw` columns wide, and goes through *all* channels.

# %% [markdown] role="hint" exercise="spatial-conv"
# Window and `weight[o]` have the same shape, (c, kh, kw): multiply them element by element and sum. The bias
# can be added at the end: as shape (o, 1, 1) it broadcasts over the maps.

# %% role="check" id="check-spatial-conv" exercise="spatial-conv" points=4
image = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
corner = np.array([[[[1, 0], [0, 0]]]], dtype=np.float32)
expect(
    "the filter [[2]] on [[3]]",
    conv2d_loops(np.full((1, 1, 1, 1), 3.0), np.full((1, 1, 1, 1), 2.0)),
    np.array([[[[6.0]]]]),
    "One pixel, one weight: their product.",
)
expect(
    "the filter [[1, 0], [0, 0]] on 0 to 8",
    conv2d_loops(image, corner),
    np.array([[[[0.0, 1], [3, 4]]]]),
    "It picks the window's upper left pixel, at each of 2 x 2 places.",
)
expect(
    "the filter [[1, 2], [3, 4]] on 0 to 8",
    conv2d_loops(image, np.array([[[[1.0, 2], [3, 4]]]])),
    np.array([[[[27.0, 37], [57, 67]]]]),
    "0*1 + 1*2 + 3*3 + 4*4 = 27: the filter is not turned around.",
)
expect(
    "with bias [100]",
    conv2d_loops(image, corner, np.array([100.0])),
    np.array([[[[100.0, 101], [103, 104]]]]),
    "The bias is added to each place of its map.",
)
expect(
    "with padding 1",
    conv2d_loops(image, corner, padding=1)[0, 0, 1:, 1:],
    np.array([[0.0, 1, 2], [3, 4, 5], [6, 7, 8]]),
    "With the frame there are 4 x 4 places; the first row and column see zeros.",
)
expect(
    "with padding 1 and stride 2",
    conv2d_loops(image, corner, stride=2, padding=1),
    np.array([[[[0.0, 0], [0, 4]]]]),
    "Every second place, in both directions.",
)
expect(
    "two images of 3 channels, 5 filters of 2 x 3",
    conv2d_loops(np.ones((2, 3, 4, 7)), np.ones((5, 3, 2, 3))),
    np.full((2, 5, 3, 5), 18.0),
    "Each filter sums over all channels: 3 * 2 * 3 ones.",
)
two, filters = np.array([[1.0, 10], [2, 20]]), np.array([[1.0, 1], [1, -1]])
expect(
    "images [1, 10] and [2, 20] of one pixel, filters [1, 1] and [1, -1], bias [100, 200]",
    conv2d_loops(two.reshape(2, 2, 1, 1), filters.reshape(2, 2, 1, 1), np.array([100.0, 200]))[..., 0, 0],
    np.array([[111.0, 191], [122, 182]]),
    "Each image meets each filter, over all channels; each filter has its bias.",
)

# %% [markdown]
# ### What a filter sees
#
# Before anything is trained, two filters written by hand: dark on the left and bright on the right is a
# vertical edge; turned, a horizontal one. (Red is positive, blue negative.) Such filters were designed by
# people for decades. Yours will be learned.

# %%
import matplotlib.pyplot as plt
from course.datasets import load

digits = load("digits")
edge = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=np.float32)
filters = np.stack([edge, edge.T])[:, None]  # (2 filters, 1 channel, 3, 3)
picture = np.asarray(digits["train_images"][:1], dtype=np.float32)[None] / 16
maps = conv2d_loops(picture, filters, padding=1)[0]
figure, axes = plt.subplots(1, 5, figsize=(10, 2.3))
panels = [("digit", picture[0, 0]), ("filter 1", filters[0, 0]), ("its map", maps[0])]
panels += [("filter 2", filters[1, 0]), ("its map", maps[1])]
for axis, (title, numbers) in zip(axes, panels, strict=True):
    largest = abs(numbers).max()
    axis.imshow(numbers, cmap="RdBu_r", vmin=-largest, vmax=largest)
    axis.set_title(title)
    axis.axis("off")
plt.show()

# %% [markdown]
# ## The way back
#
# Given `g`, how much the loss changes with each number of the result, we want the same for `x`, `weight` and
# `bias`. It looks hard and is not. Every multiplication of the forward pass was `x[here] * w[there]`, added
# to `y[b, o, i, j]`. So, for each of them, backwards:
#
# - `w[there]` gets `g[b, o, i, j] * x[here]`;
# - `x[here]` gets `g[b, o, i, j] * w[there]`;
# - and what is used several times gets a *sum*: a weight from all places, a pixel from all windows that it
#   lies in. The bias is added everywhere, so it gets the sum of its map's `g`.
#
# ### Exercise: `conv2d_loops_vjp`
#
# The same four loops. Return `(g_x, g_weight, g_bias)`, each of the shape of what it belongs to. Work with
# the padded image, and take the frame off the gradient at the end: nobody asked how the zeros should change.


# %% role="exercise" id="spatial-conv-vjp"
def conv2d_loops_vjp(x, weight, g, stride=1, padding=0):
    """The gradients of x, weight and bias, from the gradient g of conv2d_loops(x, weight, bias, ...)."""
    ### BEGIN SOLUTION
    height, width = x.shape[2:]
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    kh, kw = weight.shape[2:]
    g_x, g_weight = np.zeros(x.shape, dtype=np.float32), np.zeros(weight.shape, dtype=np.float32)
    for b, o, i, j in np.ndindex(g.shape):
        top, left = i * stride, j * stride
        window = (b, slice(None), slice(top, top + kh), slice(left, left + kw))
        g_weight[o] += g[b, o, i, j] * x[window]
        g_x[window] += g[b, o, i, j] * weight[o]
    g_x = g_x[:, :, padding : padding + height, padding : padding + width]
    return g_x, g_weight, g.sum(axis=(0, 2, 3))
    ### END SOLUTION


# %% [markdown] role="hint" exercise="spatial-conv-vjp"
# Start with two arrays of zeros, like the padded image and like the weight. Walk over all elements of `g` and
# *add* to them.

# %% [markdown] role="hint" exercise="spatial-conv-vjp"
# For the place `(i, j)`: the window of the image, times the number `g[b, o, i, j]`, goes to the gradient of
# filter `o`. Filter `o`, times the same number, goes to the same window of the image's gradient.

# %% [markdown] role="hint" exercise="spatial-conv-vjp"
# The frame: rows `padding` to `padding + height` are the image, likewise the columns. (`[padding:-padding]`
# goes wrong for padding 0.) The bias sums over images, rows and columns: axes 0, 2 and 3.

# %% role="check" id="check-spatial-conv-vjp" exercise="spatial-conv-vjp" points=4
one = np.ones((1, 1, 1, 1), dtype=np.float32)
g_x, g_weight, g_bias = conv2d_loops_vjp(3 * one, 2 * one, 10 * one)
expect("the pixel's gradient, weight 2, g 10", g_x, 20 * one, "g times the weight.")
expect("the weight's gradient, pixel 3, g 10", g_weight, 30 * one, "g times the pixel.")
expect("the bias's gradient, g 10", g_bias, np.array([10.0]), "The bias is added once: g.")
g = np.array([[[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]]])
pixels = np.array([[[[1.0, 0], [2, 0]]]])
g_x, g_weight, _ = conv2d_loops_vjp(pixels, np.array([1.0, 10]).reshape(2, 1, 1, 1), g)
expect("two filters [[1]] and [[10]], the image's gradient", g_x, g[:, :1] + 10 * g[:, 1:], "From both.")
rule = "Each filter has its own g: 1 * 1 + 2 * 3 and 1 * 5 + 2 * 7."
expect("the weights' gradients, pixels [[1, 0], [2, 0]]", g_weight.ravel(), np.array([7.0, 19]), rule)
square = np.array([[[[1.0, 2], [3, 4]]]])
g_x, g_weight, g_bias = conv2d_loops_vjp(image, square, np.ones((1, 1, 2, 2)))
expect(
    "the image's gradient, filter [[1, 2], [3, 4]], g all 1",
    g_x,
    np.array([[[[1.0, 3, 2], [4, 10, 6], [3, 7, 4]]]]),
    "The middle pixel lies in four windows and gets all four weights: 1 + 2 + 3 + 4.",
)
expect(
    "the weight's gradient",
    g_weight,
    np.array([[[[8.0, 12], [20, 24]]]]),
    "The upper left weight met the pixels 0, 1, 3, 4.",
)
expect("the bias's gradient", g_bias, np.array([4.0]), "It is added at four places.")
g_x, g_weight, _ = conv2d_loops_vjp(image, square, np.ones((1, 1, 2, 2)), stride=2, padding=1)
expect(
    "with stride 2 and padding 1, the image's gradient",
    g_x,
    np.array([[[[4.0, 3, 4], [2, 1, 2], [4, 3, 4]]]]),
    "Now no two windows overlap; the frame is taken off.",
)
expect("and the weight's", g_weight, np.array([[[[4.0, 8], [8, 16]]]]), "Zeros of the frame add nothing.")

# %% [markdown]
# ## The proof
#
# Your loops are right, and slow. The course supplies a fast convolution, `tinytorch.fast.Conv2d`: an `Op`
# like all others, with `forward` and `vjp`, closed for now; in *acceleration* you build one. Why should you
# believe it? Because you can check it: small random images, filters, strides and paddings, through both. If
# they agree on all of them, forward and backward, they compute the same.

# %%
import time

generator = np.random.default_rng(0)


def random_case(n, c, size, filters, kernel):
    x = generator.normal(size=(n, c, *size)).astype(np.float32)
    weight = generator.normal(size=(filters, c, *kernel)).astype(np.float32)
    return x, weight, generator.normal(size=filters).astype(np.float32)


def both(x, weight, bias, stride=1, padding=0):
    """Output and gradients by your loops and by fast, and the seconds that each took."""
    start = time.perf_counter()
    y = conv2d_loops(x, weight, bias, stride, padding)
    g = generator.normal(size=y.shape).astype(np.float32)
    loops = (y, *conv2d_loops_vjp(x, weight, g, stride, padding))
    seconds = [time.perf_counter() - start]
    start = time.perf_counter()
    op = fast.Conv2d(pair(stride), pair(padding))
    quick = (op.forward(x, weight, bias), *op.vjp(g))
    return loops, quick, [*seconds, time.perf_counter() - start]


largest = 0.0
for _ in range(30):
    n, c, filters = generator.integers(1, 4, size=3)
    kernel, size = generator.integers(1, 4, size=2), generator.integers(4, 8, size=2)
    case = random_case(n, c, size, filters, kernel)
    loops, quick, _ = both(*case, stride=int(generator.integers(1, 4)), padding=int(generator.integers(3)))
    for ours, theirs in zip(loops, quick, strict=True):
        assert ours.shape == theirs.shape
        largest = max(largest, float(np.abs(ours - theirs).max()))
print(f"30 random cases, output and three gradients: the largest difference is {largest:.1e}")

case = random_case(4, 16, (12, 12), 32, (3, 3))
both(*case)  # the first call of anything is slow
seconds = np.min([both(*case)[2] for _ in range(2)], axis=0)
print(f"16 -> 32 channels, 4 images of 12 x 12: loops {seconds[0]:.3f} s, fast {seconds[1] * 1000:.2f} ms")
print(f"factor: {seconds[0] / seconds[1]:,.0f}")

# %% [markdown]
# The differences are float32's rounding: the same products, added in another order. From here on you use the
# fast one, and you know what it does. And as it is an `Op`, the tape takes it like any other:


# %% role="given" id="spatial-conv-function"
def conv2d(x, weight, bias=None, stride=1, padding=0):
    """Slide the filters of weight (o, c, kh, kw) over the images x (n, c, h, w)."""
    op = fast.Conv2d(pair(stride), pair(padding))
    return apply(op, x, weight) if bias is None else apply(op, x, weight, bias)


# %%
from tinytorch import manual_seed, randn
from tinytorch.autograd import gradcheck

manual_seed(0)
inputs = [randn(2, 2, 4, 5), randn(3, 2, 2, 3), randn(3)]
for tensor in inputs:
    tensor.requires_grad = True
print("your gradcheck of it:", gradcheck(lambda x, w, b: conv2d(x, w, b, stride=2, padding=1), inputs))

# %% [markdown]
# ## The layer
#
# ### Exercise: `Conv2d`
#
# As `Linear`: a weight of shape `(out_channels, in_channels, kh, kw)`, a bias `(out_channels,)` or None, and
# both start uniform in
#
# $$ \left[-\frac{1}{\sqrt{\text{fan\_in}}},\; \frac{1}{\sqrt{\text{fan\_in}}}\right), $$
#
# where *fan_in* is how many numbers meet in one output: in `Linear` it was `in_features`; what is it here?
# (`torch/nn/modules/conv.py` starts in this way too.) `uniform_parameter(bound, *size)` is yours from
# *layers*. `forward` hands everything to `conv2d`, stride and padding included.


# %% role="exercise" id="spatial-conv-layer"
class Conv2d(Module):
    """Filters that slide over images: (n, in_channels, h, w) -> (n, out_channels, rows, columns)."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding = pair(kernel_size), pair(stride), pair(padding)
        ### BEGIN SOLUTION
        bound = 1 / math.sqrt(in_channels * math.prod(self.kernel_size))
        self.weight = uniform_parameter(bound, out_channels, in_channels, *self.kernel_size)
        self.bias = uniform_parameter(bound, out_channels) if bias else None
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return conv2d(x, self.weight, self.bias, self.stride, self.padding)
        ### END SOLUTION

    def extra_repr(self):
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, bias={self.bias is not None}"
        )


# %% [markdown] role="hint" exercise="spatial-conv-layer"
# One output is the sum over a window: how many products does it have? Count the channels too.

# %% [markdown] role="hint" exercise="spatial-conv-layer"
# fan_in is `in_channels * kh * kw`. Look at your `Linear`: the rest is the same, with two more sizes in the
# weight. Without a bias `self.bias` is None.

# %% role="check" id="check-spatial-conv-layer" exercise="spatial-conv-layer" points=2
layer = Conv2d(3, 200, (2, 5), stride=2, padding=(1, 0))
expect("Conv2d(3, 200, (2, 5)).weight", layer.weight.shape, (200, 3, 2, 5), "(out, in, kh, kw)")
expect("its bias", layer.bias.shape, (200,), "One for each filter.")
expect("type of its weight", type(layer.weight).__name__, "Parameter", "Only a Parameter is trained.")
numbers = layer.weight.numpy()
expect(
    "smallest and largest weight",
    np.array([numbers.min(), numbers.max()]),
    np.array([-1, 1]) / np.sqrt(30),
    "1 / sqrt(fan_in), and 3 * 2 * 5 numbers meet in one output.",
    atol=0.01,
)
numbers, bound = layer.bias.numpy(), np.array([-1, 1]) / np.sqrt(30)
rule = "Drawn like the weights."
expect("smallest and largest bias", np.array([numbers.min(), numbers.max()]), bound, rule, atol=0.03)
expect("its output for 8 x 9", layer(zeros(4, 3, 8, 9)).shape, (4, 200, 5, 3), "Stride and padding count.")
layer, x = Conv2d(2, 3, 3, stride=(2, 1), padding=(0, 1)), randn(1, 2, 7, 5)
came = conv2d(x, layer.weight, layer.bias, (2, 1), (0, 1))
expect(
    "its output, stride (2, 1), padding (0, 1)", layer(x), came, "conv2d with weight, bias, stride, padding."
)
expect("bias=False", Conv2d(1, 1, 1, bias=False).bias, None, "Without bias there is none.")

# %% [markdown]
# ## Pooling
#
# A map says *where* something was found. Often it is enough to know *about* where: *pooling* takes a window
# of 2 x 2 and keeps its largest number (max pooling) or the mean (average pooling). The maps become smaller,
# and whatever comes after sees more of the image.
#
# A loop over all windows would be slow again. So turn the loop around: there are many windows, but only
# `kh * kw` places *in* a window. The given `views` walks over these: first the upper left element of all
# windows at once, as an array (n, c, rows, columns), then the next. They are *views*: writing into one
# writes into the array itself.
#
# The other helper, `in_order_of`, is about memory. The same shape can lie there in different orders: `fast`
# puts the channels of a pixel side by side, `Flatten` wants each map in one piece. Both are right. But to go
# through two arrays at once that lie in different orders means to jump in one of them.


# %% role="given" id="spatial-views"
def views(x, kernel, stride):
    """For each place in a window, row by row: the elements that all windows have there, as a view of x."""
    (kh, kw), (down, right) = kernel, stride
    height, width = x.shape[2:]
    if kh > height or kw > width:
        raise ValueError(f"A window of {kh} x {kw} does not fit into {height} x {width} pixels.")
    for i in range(kh):
        for j in range(kw):
            yield x[:, :, i : height - kh + i + 1 : down, j : width - kw + j + 1 : right]


def in_order_of(other, array):
    """The array's numbers, in memory in the order of the other's: numpy goes straight through both then."""
    if array.strides == other.strides:
        return array
    result = np.empty_like(other)
    result[...] = array
    return result


# %%
small = np.arange(16).reshape(1, 1, 4, 4)
print(small[0, 0])
names = ("upper left", "upper right", "lower left", "lower right")
for name, view in zip(names, views(small, (2, 2), (2, 2)), strict=True):
    print(f"{name:11}", view[0, 0].tolist())

maps = np.ones((32, 32, 32, 32), dtype=np.float32)
turned = np.ones((32, 32, 32, 32), dtype=np.float32).transpose(0, 3, 1, 2)  # channels last in memory
for name, one, other in (("same order", maps, maps), ("different", maps, turned)):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        one * other
        times.append(time.perf_counter() - start)
    print(f"{name:11} {min(times) * 1000:.1f} ms for a million products")

# %% [markdown]
# ### Exercise: `MaxPool`
#
# - `forward`: the largest of all views, element by element: `np.maximum`, `kh * kw - 1` times. A *new* array:
#   begin with a copy of the first view, and let numpy write into it (`out=`).
# - `vjp(g)`: a pixel that was not the largest changed nothing: 0. The largest gets `g`. If several are equal
#   (after a ReLU, many windows are all 0), the first one in the order of the views gets it, alone, as in
#   PyTorch. If windows overlap, a pixel may be the largest in several: add. Walk over the views of `x` and of
#   its gradient together, and note which windows have already given their `g` away (an array
#   of booleans). It is right without, but much faster with `g = in_order_of(y, g)` first, where `y` is the
#   result that you kept. As every `vjp`, it returns a tuple with one gradient for each input: here `(g_x,)`.


# %% role="exercise" id="spatial-max-pool"
class MaxPool(Op):
    """The largest number of each window."""

    def __init__(self, kernel, stride):
        self.kernel, self.stride = kernel, stride

    def forward(self, x):
        ### BEGIN SOLUTION
        first, *others = views(x, self.kernel, self.stride)
        y = first.copy(order="K")  # in memory as x is, whichever way that is
        for view in others:
            np.maximum(y, view, out=y)
        self.x, self.y = x, y
        return y
        ### END SOLUTION

    def vjp(self, g):
        ### BEGIN SOLUTION
        side_by_side = self.stride == self.kernel  # each pixel is in one window, or in a rest at the border
        g_x = np.empty_like(self.x) if side_by_side else np.zeros_like(self.x)
        if side_by_side:
            g_x[:, :, g.shape[2] * self.stride[0] :] = 0
            g_x[:, :, :, g.shape[3] * self.stride[1] :] = 0
        g, is_open = in_order_of(self.y, g), np.ones_like(self.y, dtype=bool)
        places = zip(
            views(self.x, self.kernel, self.stride), views(g_x, self.kernel, self.stride), strict=True
        )
        for view, g_view in places:
            largest = view == self.y
            largest &= is_open
            is_open ^= largest
            if side_by_side:  # written once: no need to add to zeros
                np.multiply(g, largest, out=g_view)
            else:
                g_view += g * largest
        return (g_x,)
        ### END SOLUTION


# %% [markdown] role="hint" exercise="spatial-max-pool"
# `for view in views(x, self.kernel, self.stride)` gives the views one after the other; `first, *others = ...`
# takes the first one apart. In `vjp` you need `x` and the result again: keep them on `self`.

# %% [markdown] role="hint" exercise="spatial-max-pool"
# Let `g_x` be zeros like `x`. `zip(views(x, ...), views(g_x, ...))` gives a view of both at a time. Where the
# view equals the result, and the window is still open, its view of `g_x` gets `g`: `view_of_g += g * mask`.

# %% [markdown] role="hint" exercise="spatial-max-pool"
# Keep an array of booleans, `is_open`, True for each window at first. After each view, the windows that have
# just found their largest are closed: `is_open &= ~mask`.


# %% role="given" id="spatial-max-pool-layer"
def max_pool2d(x, kernel_size, stride=None):
    """The largest number of each window; windows do not overlap unless a smaller stride is given."""
    return apply(MaxPool(pair(kernel_size), pair(kernel_size if stride is None else stride)), x)


class MaxPool2d(Module):
    """The largest number of each window."""

    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride

    def forward(self, x):
        return max_pool2d(x, self.kernel_size, self.stride)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


# %% role="check" id="check-spatial-max-pool" exercise="spatial-max-pool" points=4
window = np.array([[[[1, 7], [3, 5]]]], dtype=np.float32)
op = MaxPool((2, 2), (2, 2))
expect("the largest of [[-1, -7], [-3, -5]]", op.forward(-window), np.array([[[[-1.0]]]]), "Not 0.")
expect("the largest of [[1, 7], [3, 5]]", op.forward(window), np.array([[[[7.0]]]]), "max(1, 7, 3, 5)")
(g_x,) = op.vjp(np.full((1, 1, 1, 1), 10, dtype=np.float32))
expect(
    "the gradient of [[1, 7], [3, 5]] for g = 10",
    g_x,
    np.array([[[[0.0, 10], [0, 0]]]]),
    "Only the largest counted.",
)
expect("the input, afterwards", window[0, 0], np.array([[1.0, 7], [3, 5]]), "The input stays as it was.")
op.forward(np.zeros((1, 1, 2, 2), dtype=np.float32))
(g_x,) = op.vjp(np.ones((1, 1, 1, 1), dtype=np.float32))
expect(
    "the gradient if all are equal", g_x, np.array([[[[1.0, 0], [0, 0]]]]), "The first one gets it, alone."
)
odd = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
expect(
    "2 x 2 on 5 x 5",
    max_pool2d(odd, 2),
    np.array([[[[6.0, 8], [16, 18]]]]),
    "The fifth row and column fill no window: they are left out.",
)
op = MaxPool((2, 2), (2, 2))
op.forward(odd)
(g_x,) = op.vjp(np.ones((1, 1, 2, 2), dtype=np.float32))
edges = np.append(g_x[0, 0, 4], g_x[0, 0, :, 4])
expect("gradients of the fifth row and column", edges, np.zeros(10), "In no window, so 0.")
op = MaxPool((2, 2), (2, 1))
expect("2 x 2, stride (2, 1)", op.forward(odd)[0, 0, 0], np.array([6.0, 7, 8, 9]), "Rows by 2, columns by 1.")
op.forward(-abs(odd - 12))
(g_x,) = op.vjp(np.ones((1, 1, 2, 4), dtype=np.float32))
expect("its middle pixel's gradient, the largest in two", g_x[0, 0, 2, 2], np.float32(2), "The sum: 1 + 1.")
op = MaxPool((3, 3), (2, 2))
expect("3 x 3, stride 2, on 5 x 5", op.forward(odd), np.array([[[[12.0, 14], [22, 24]]]]), "They overlap.")
op.forward(-abs(odd - 12))
(g_x,) = op.vjp(np.array([[[[1, 2], [3, 4]]]], dtype=np.float32))
expect(
    "the middle pixel's gradient, the largest in four windows",
    g_x[0, 0, 2, 2],
    np.float32(10),
    "It gets the sum: 1 + 2 + 3 + 4.",
)
expect("the sum of all pixels' gradients", g_x.sum(), np.float32(10), "The others get nothing.")

# %% [markdown]
# ### Exercise: `AvgPool`
#
# - `forward`: the mean of all views.
# - `vjp(g)`: each element of a window has the same share in the mean. Which? Where windows overlap, add. The
#   shape of `x` is needed again: keep `x`, or its shape.


# %% role="exercise" id="spatial-avg-pool"
class AvgPool(Op):
    """The mean of each window."""

    def __init__(self, kernel, stride):
        self.kernel, self.stride = kernel, stride

    def forward(self, x):
        ### BEGIN SOLUTION
        first, *others = views(x, self.kernel, self.stride)
        y = first.copy(order="K")
        for view in others:
            y += view
        y /= math.prod(self.kernel)
        self.x, self.y = x, y
        return y
        ### END SOLUTION

    def vjp(self, g):
        ### BEGIN SOLUTION
        share = in_order_of(self.y, g) / math.prod(self.kernel)
        g_x = np.zeros_like(self.x)
        for g_view in views(g_x, self.kernel, self.stride):
            g_view += share
        return (g_x,)
        ### END SOLUTION


# %% [markdown] role="hint" exercise="spatial-avg-pool"
# It is `MaxPool` with `+` instead of the maximum, divided by the number of elements in a window, `kh * kw`.

# %% [markdown] role="hint" exercise="spatial-avg-pool"
# Backwards no comparison is needed: every view of the gradient gets `g / (kh * kw)`, added.


# %% role="given" id="spatial-avg-pool-layer"
def avg_pool2d(x, kernel_size, stride=None):
    """The mean of each window; windows do not overlap unless a smaller stride is given."""
    return apply(AvgPool(pair(kernel_size), pair(kernel_size if stride is None else stride)), x)


class AvgPool2d(Module):
    """The mean of each window."""

    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride

    def forward(self, x):
        return avg_pool2d(x, self.kernel_size, self.stride)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


# %% role="check" id="check-spatial-avg-pool" exercise="spatial-avg-pool" points=2
op = AvgPool((2, 2), (2, 2))
expect("the mean of [[1, 7], [3, 5]]", op.forward(window), np.array([[[[4.0]]]]), "(1 + 7 + 3 + 5) / 4")
(g_x,) = op.vjp(np.full((1, 1, 1, 1), 10, dtype=np.float32))
expect(
    "the gradient of [[1, 7], [3, 5]] for g = 10",
    g_x,
    np.full((1, 1, 2, 2), 2.5),
    "Each has a quarter of the mean.",
)
expect("the input, afterwards", window[0, 0], np.array([[1.0, 7], [3, 5]]), "The input stays as it was.")
op = AvgPool((3, 2), (2, 1))
expect("3 x 2 on 5 x 5", op.forward(odd).shape, (1, 1, 2, 4), "Rows by 2, columns by 1.")
rule = "(0 + 1 + 5 + 6 + 10 + 11) / 6: by the window's size."
expect("its first number, on 0 to 24", op.forward(odd)[0, 0, 0, 0], np.float32(5.5), rule)
(g_x,) = op.vjp(np.full((1, 1, 2, 4), 6, dtype=np.float32))
expect(
    "3 x 2 on 5 x 5, the gradient's first column",
    g_x[0, 0, :, 0],
    np.array([1.0, 1, 2, 1, 1]),
    "Row 2 lies in two windows.",
)

# %% [markdown]
# ## Batch normalisation
#
# In *layers* you saw signals fade and explode over depth. A good start helps at the start only: while the
# weights change, what each layer receives keeps changing its mean and its spread. Ioffe and Szegedy (2015,
# arXiv:1502.03167): so set them anew, in each layer. For each channel, over the whole batch and all pixels,
# subtract the mean, divide by the standard deviation; then let the network choose its own scale and shift:
#
# $$ y = \hat{x}\, \mathrm{weight} + \mathrm{bias}, \qquad
# \hat{x} = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad
# \mu = \frac1m \sum x, \quad \sigma^2 = \frac1m \sum (x - \mu)^2 $$
#
# with $m = n \cdot h \cdot w$ numbers in a channel. How far does a signal get, through ten convolutions?
# $\hat{x}$ by plain numpy, before you write it properly:

# %%
images = generator.normal(size=(16, 8, 12, 12)).astype(np.float32)
for name in ("plain", "normalised"):
    x, spreads = images, []
    for _ in range(10):
        x = Conv2d(8, 8, 3, padding=1)(Tensor(x)).numpy()
        if name == "normalised":
            x = (x - x.mean(axis=(0, 2, 3), keepdims=True)) / x.std(axis=(0, 2, 3), keepdims=True)
        x = np.maximum(x, 0)
        spreads.append(float(x.std()))
    print(f"{name:10}: spread after 1 layer {spreads[0]:.2f}, after 10 layers {spreads[-1]:.2g}")

# %% [markdown]
# ### The way back
#
# $\mu$ and $\sigma$ are made of all the numbers of a channel. So one pixel acts on the loss in three ways: by
# itself, through the mean, and through the spread. Multiplied out (do it once on paper, for one channel), it
# is short. With $g$ for the gradient of $y$, and sums over the channel's $m$ numbers:
#
# $$ g_\mathrm{bias} = \sum g, \qquad g_\mathrm{weight} = \sum g\,\hat{x}, \qquad
# g_x = \frac{\mathrm{weight}}{\sqrt{\sigma^2 + \varepsilon}}
# \left( g - \frac{g_\mathrm{bias}}{m} - \hat{x}\, \frac{g_\mathrm{weight}}{m} \right) $$
#
# Read it: from `g` its own mean is subtracted, and its own part along $\hat{x}$. A change that only shifts or
# stretches a whole channel is taken back by the normalisation, so it has no gradient.
#
# When the model is *used*, an answer must not depend on which other images are in the batch. Then given
# numbers stand for $\mu$ and $\sigma^2$, collected in training. They are constants: the two terms with $m$
# drop out.
#
# ### Exercise: `BatchNorm`
#
# - `forward(x, weight, bias)`. If `self.of_batch`, compute `self.mean` and `self.var` (that with $1/m$) of
#   each channel; otherwise they are given. `channel_sum(x)` and `channel_sum(x, y)`, which sums $x y$, are
#   given and fast; `column(v)` makes one number a channel broadcast over the images. Subtract the mean first
#   and square then: $\overline{x^2} - \mu^2$ is the same on paper, and nonsense in float32 if the mean is
#   large.
# - `vjp(g)` returns `(g_x, g_weight, g_bias)`, for both cases.


# %% role="given" id="spatial-channels"
def column(numbers):
    """One number for each channel, as a shape that broadcasts over images (n, c, h, w)."""
    return numbers[:, None, None]


def channel_sum(x, y=None):
    """The sum of x, or of x * y, over each channel of images: shape (c,). No array is made in between."""
    return np.einsum("nchw->c", x) if y is None else np.einsum("nchw,nchw->c", x, y)


# %% role="exercise" id="spatial-batch-norm"
class BatchNorm(Op):
    """Each channel minus its mean, divided by its spread; then times weight, plus bias.

    Mean and variance are those of the batch, or, if they are given, constants.
    """

    def __init__(self, eps=1e-5, mean=None, var=None):
        self.eps, self.mean, self.var = eps, mean, var
        self.of_batch = mean is None

    def forward(self, x, weight, bias):
        ### BEGIN SOLUTION
        self.count = x.size // x.shape[1]
        if self.of_batch:
            self.mean = channel_sum(x) / self.count
        self.centred = x - column(self.mean)
        if self.of_batch:
            self.var = channel_sum(self.centred, self.centred) / self.count
        self.weight, self.inverse = weight, 1 / np.sqrt(self.var + self.eps)
        y = self.centred * column(weight * self.inverse)
        y += column(bias)
        return y
        ### END SOLUTION

    def vjp(self, g):
        ### BEGIN SOLUTION
        g = in_order_of(self.centred, g)
        g_bias, g_weight = channel_sum(g), channel_sum(g, self.centred) * self.inverse
        scale = self.weight * self.inverse
        if not self.of_batch:
            return g * column(scale), g_weight, g_bias
        # scale * (g - g_bias / m - centred * inverse * g_weight / m), in one array that is written in place
        g_x = self.centred * column(-self.inverse * g_weight / self.count)
        g_x += g
        g_x -= column(g_bias / self.count)
        g_x *= column(scale)
        return g_x, g_weight, g_bias
        ### END SOLUTION


# %% [markdown] role="hint" exercise="spatial-batch-norm"
# $m$ is the number of elements divided by the number of channels. Keep on `self` what the way back needs:
# $m$, the weight, $\hat{x}$ (or $x - \mu$) and $1 / \sqrt{\sigma^2 + \varepsilon}$.

# %% [markdown] role="hint" exercise="spatial-batch-norm"
# Forward, step by step: `centred = x - column(mean)`; the variance is the `channel_sum` of `centred` with
# itself, over `m`; $\hat{x}$ is `centred` times `column(1 / np.sqrt(var + eps))`.

# %% [markdown] role="hint" exercise="spatial-batch-norm"
# Backward: `g_bias = channel_sum(g)` and `g_weight = channel_sum(g, x_hat)` are two of the answers and, over
# `m` and as columns, two of the three terms of `g_x`. With constants only the first term is left.

# %% role="check" id="check-spatial-batch-norm" exercise="spatial-batch-norm" points=4
two = np.array([1, 3], dtype=np.float32).reshape(2, 1, 1, 1)
unit, none = np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.float32)
op = BatchNorm(eps=0)
expect("[1, 3], eps 0", op.forward(two, unit, none).ravel(), np.array([-1.0, 1]), "Mean 2, deviation 1.")
expect(
    "its mean and var",
    np.array([op.mean, op.var]).ravel(),
    np.array([2.0, 1]),
    "Kept; var over m, not m - 1.",
)
far = op.forward(two + 10_000, unit, none)
expect("[10001, 10003], eps 0", far.ravel(), np.array([-1.0, 1]), "Subtract the mean first, square then.")
scaled = op.forward(two, 5 * unit, 7 * unit)
expect("weight 5, bias 7", scaled.ravel(), np.array([2.0, 12]), "Normalised first, then scaled and shifted.")
g_x, g_weight, g_bias = op.vjp(np.array([1, 0], dtype=np.float32).reshape(2, 1, 1, 1))
expect("the bias's gradient, g = [1, 0]", g_bias, np.array([1.0]), "The sum of g.")
expect("the weight's gradient", g_weight, np.array([-1.0]), "The sum of g times the normalised numbers.")
expect(
    "the input's gradient, g = [1, 0]",
    g_x.ravel(),
    np.zeros(2),
    "Two numbers always become -1 and 1: nothing to gain.",
)
x = np.array([[[[0, 4], [4, 8]]]], dtype=np.float32)
op = BatchNorm(eps=8)
op.forward(x, unit, none)
g_x, _, _ = op.vjp(np.array([[[[1, 0], [0, 0]]]], dtype=np.float32))
expect(
    "[0, 4, 4, 8], eps 8, the input's gradient for g = [1, 0, 0, 0]",
    g_x.ravel(),
    np.array([0.125, -0.0625, -0.0625, 0]),
    "Normalised -1, 0, 0, 1; so (g - 1/4 + normalised / 4), over the root of 8 + 8.",
)
g = np.array([[[[1, 0], [0, 0]]] * 2], dtype=np.float32).reshape(1, 2, 2, 2)
op.forward(np.concatenate([x, x], axis=1), np.float32([1, 2]), np.zeros(2, dtype=np.float32))
expect(
    "the same in two channels, weight [1, 2], the second one's gradient",
    op.vjp(g)[0][0, 1].ravel(),
    np.array([0.25, -0.125, -0.125, 0]),
    "Each channel has its own mean, spread and weight; m counts the numbers of one channel.",
)
op = BatchNorm(eps=0, mean=4 * unit, var=4 * unit)
expect(
    "[1, 3], mean 4, var 4 given", op.forward(two, unit, none).ravel(), np.array([-1.5, -0.5]), "Constants."
)
g_x, _, _ = op.vjp(np.array([1, 0], dtype=np.float32).reshape(2, 1, 1, 1))
expect("its gradient, g = [1, 0]", g_x.ravel(), np.array([0.5, 0]), "g over the deviation; no more terms.")

# %% [markdown]
# ### What is collected in training
#
# The constants are averages over the batches seen, the later ones with more weight:
#
# $$ \text{running} \leftarrow (1 - \text{momentum})\, \text{running} + \text{momentum} \cdot \text{new} $$
#
# One detail, as in PyTorch (`torch/nn/modules/batchnorm.py`): the batch normalises itself with $1/m$, but the
# running variance collects the one with $1/(m-1)$, the unbiased estimate of the spread of all data.
#
# ### Exercise: `update_running`
#
# Change both arrays **in place** (`array[...] =` or `+=`): they are buffers of the layer, saved with the
# model. `mean` and `var` (with $1/m$) are the batch's, `count` is $m$.


# %% role="exercise" id="spatial-running"
def update_running(running_mean, running_var, mean, var, count, momentum=0.1):
    """Move running_mean and running_var, in place, towards a batch's mean and unbiased variance."""
    ### BEGIN SOLUTION
    running_mean += momentum * (mean - running_mean)
    running_var += momentum * (var * count / (count - 1) - running_var)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="spatial-running"
# From $1/m$ to $1/(m-1)$: times $m / (m - 1)$.

# %% [markdown] role="hint" exercise="spatial-running"
# `a = ...` would give the name `a` another array; `a[...] = ...` writes into the one that the layer holds.


# %% role="given" id="spatial-batch-norm-layer"
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Normalise each channel: by the batch if training (and collect), otherwise by the running statistics."""
    channels, count = x.shape[1], math.prod(x.shape) // max(x.shape[1], 1)
    weight, bias = ones(channels) if weight is None else weight, zeros(channels) if bias is None else bias
    if not training and running_mean is not None:
        return apply(BatchNorm(eps, running_mean.data, running_var.data), x, weight, bias)
    if count < 2:
        raise ValueError(f"Expected more than 1 value per channel when training, got shape {x.shape}.")
    op = BatchNorm(eps)
    y = apply(op, x, weight, bias)
    if running_mean is not None:
        update_running(running_mean.data, running_var.data, op.mean, op.var, count, momentum)
    return y


class BatchNorm2d(Module):
    """Normalises each channel of images. Its running statistics are buffers: saved, but not trained."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight, self.bias = Parameter(ones(num_features)), Parameter(zeros(num_features))
        self.register_buffer("running_mean", zeros(num_features))
        self.register_buffer("running_var", ones(num_features))
        self.register_buffer("num_batches_tracked", Tensor(0, dtype=np.int64))

    def forward(self, x):
        if self.training:
            self.num_batches_tracked.data[...] += 1
        statistics = (self.running_mean, self.running_var)
        return batch_norm(x, *statistics, self.weight, self.bias, self.training, self.momentum, self.eps)

    def extra_repr(self):
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


# %% role="check" id="check-spatial-running" exercise="spatial-running" points=2
mean, var = np.zeros(1, dtype=np.float32), np.ones(1, dtype=np.float32)
update_running(mean, var, np.array([10.0]), np.array([3.0]), count=4, momentum=0.1)
expect("running_mean, 0 towards 10", mean, np.array([1.0]), "0.9 * 0 + 0.1 * 10, in place.")
expect("running_var, 1 towards 3", var, np.array([1.3]), "0.9 * 1 + 0.1 * (3 * 4 / 3): unbiased.")
update_running(mean, var, np.array([10.0]), np.array([3.0]), count=4, momentum=0.5)
expect("running_mean, momentum 0.5", mean, np.array([5.5]), "0.5 * 1 + 0.5 * 10")

# %% [markdown]
# ## A network that sees
#
# The real digits again, 8 x 8, this time in the middle of 12 x 12 pixels, so that they have room to move. We
# train on 1,000 that stand **still**, and then ask for digits moved by one and by two pixels, which no
# network has ever seen. Four networks, the same samples, the same steps:
#
# - an **MLP**;
# - a **CNN** of the classic kind: convolve, pool, convolve, pool, and a `Linear` over what is left;
# - one that ends with *the largest of each whole map*: `Linear` learns that something was found, not where;
# - and the same without the pool in the middle.

# %%
from tinytorch import no_grad
from tinytorch.nn import CrossEntropyLoss, Flatten, Linear, ReLU, Sequential
from tinytorch.optim import Adam


def canvas(images, down=0, right=0):
    """Digits in the middle of 12 x 12 pixels, moved: (n, 1, 12, 12), from 0 to 1."""
    framed = np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(np.float32)[:, None]
    return np.roll(framed / 16, (down, right), axis=(2, 3))


def learn(model, count, epochs, batch=50):
    """Train on the first `count` digits; returns the seconds that it took."""
    x, labels = canvas(digits["train_images"][:count]), np.asarray(digits["train_labels"][:count])
    optimizer, loss = Adam(model.parameters(), lr=0.01), CrossEntropyLoss()
    order = np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(epochs):
        for chosen in np.array_split(order.permutation(count), count // batch):
            optimizer.zero_grad()
            loss(model(Tensor(x[chosen])), Tensor(labels[chosen], dtype=np.int64)).backward()
            optimizer.step()
    return time.perf_counter() - start


def accuracy(model, pixels):
    """The share of right answers for test digits moved by some pixels, on average over four directions."""
    model.eval()
    answers = []
    for down, right in ((pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)):
        with no_grad():
            logits = model(Tensor(canvas(digits["test_images"], down, right)))
        answers.append((logits.numpy().argmax(axis=1) == digits["test_labels"]).mean())
    model.train()
    return float(np.mean(answers))


def block(inputs, outputs):
    return [Conv2d(inputs, outputs, 3, padding=1), BatchNorm2d(outputs), ReLU()]


def networks():
    manual_seed(0)
    left = 32 * output_size(output_size(12, 2, 2), 2, 2) ** 2  # 12 pixels, halved twice, in 32 maps
    return {
        "MLP": Sequential(Flatten(), Linear(144, 64), ReLU(), Linear(64, 10)),
        "CNN": Sequential(
            *block(1, 16), MaxPool2d(2), *block(16, 32), MaxPool2d(2), Flatten(), Linear(left, 10)
        ),
        "CNN, largest of map": Sequential(
            *block(1, 16), MaxPool2d(2), *block(16, 32), MaxPool2d(6), Flatten(), Linear(32, 10)
        ),
        "the same, no pool": Sequential(
            *block(1, 16), *block(16, 32), MaxPool2d(12), Flatten(), Linear(32, 10)
        ),
    }


trained, results = networks(), {}
print("1,000 digits, 8 epochs: still, by 1, by 2 pixels")
for name, model in trained.items():
    seconds = learn(model, 1000, 8)
    results[name] = [accuracy(model, pixels) for pixels in range(3)]
    weights = sum(parameter.numel() for parameter in model.parameters())
    shown = "  ".join(f"{share:5.1%}" for share in results[name])
    print(f"{name:20} {shown}   {weights:6,} weights, {seconds:.1f} s")

# %%
plt.figure(figsize=(6, 3))
for (name, shares), style in zip(results.items(), ("o-", "s-", "^-", "d--"), strict=True):
    plt.plot(range(3), shares, style, label=name)
plt.axhline(0.1, color="gray", linestyle=":", label="guessing")
plt.xticks(range(3))
plt.xlabel("moved by ... pixels")
plt.ylabel("right answers")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# Look at your own numbers before you read on. A convolution alone does not make a network blind to where
# things are: if the digit moves, its maps move with it (that is called *equivariant*), and a `Linear` behind
# them still has a weight for each place. So the classic CNN falls as well, only less deep. What throws the
# place away on purpose, the largest of a whole map, can stand a move; look closely at which of the two can
# stand which. (And be fair to the MLP: it took a fraction of the time. Give it more epochs, more samples.)
#
# And with few samples? Each filter sees every image at every place, so it learns from all of them:

# %%
print("200 digits, 20 epochs, standing still")
few = networks()
for name in ("MLP", "CNN"):
    learn(few[name], 200, 20)
    print(f"{name:4} {accuracy(few[name], 0):.1%} right")

# %% [markdown] role="question" id="spatial-why-fewer-samples" points=2
# ### Question: why fewer samples?
#
# *In your own words; 2 points, marked by a person.*
#
# Why does a CNN get by with fewer samples than an MLP? Say what a convolution knows
# about images before it has seen one, what it therefore need not learn, and name a kind of data where that
# knowledge would be wrong and the MLP might do better.
#
# ### BEGIN RUBRIC
# One point: both assumptions built into the layer. Neighbouring pixels belong together (the filter is small),
# and what is worth finding in one place is worth finding in all (one filter everywhere, weight sharing). So
# there are fewer weights, and each one gets a gradient from every place of every image; an MLP has to learn
# the same detector anew for each position, from samples that show it there.
#
# One point: data where neighbours or positions mean something else. Columns of a table, pixels in shuffled
# order, or images where place is the answer itself (a scanned form, a dial). Half of it for an example
# without a reason.
# ### END RUBRIC

# %% [markdown] role="question" id="spatial-what-pooling-loses" points=2
# ### Question: what does pooling lose?
#
# *In your own words; 2 points, marked by a person.*
#
# Compare the two networks that end with the largest of the map, with and without the
# pool in the middle, at one and at two pixels. Which figures surprise you? Explain them by what
# `MaxPool2d(2)` keeps and what it loses, and name a task for which that loss would be too much.
#
# ### BEGIN RUBRIC
# One point: pooling by 2 keeps that something is in a window, and loses where in it. Its windows stand at
# even places: a move by two pixels moves the pooled map by exactly one and changes nothing else, so the
# largest of the map stays; a move by one puts pixels together that were in different windows before, and
# gives other maps. So with the pool two pixels can do less harm than one. Without it every move by whole
# pixels only moves the maps (up to the border).
#
# One point: a task in which the exact place matters: segmentation, where an edge or a landmark lies, counting
# things that touch, reading a dial or a form. Half of it if only the task is named.
# ### END RUBRIC

# %% [markdown]
# ## What it has learned
#
# Eight of the filters of the first layer, which started as noise, and below each what it finds in a digit
# (red is positive, blue negative):

# %%
model = trained["CNN"].eval()
picture = canvas(digits["test_images"][:1])
learned = model[0].weight.numpy()[:, 0]
with no_grad():
    found = model[:3](Tensor(picture)).numpy()[0]
strongest = np.argsort(found.max(axis=(1, 2)))[-8:]
figure, axes = plt.subplots(2, 9, figsize=(11, 2.6))
for axis in axes.ravel():
    axis.axis("off")
axes[1, 0].imshow(picture[0, 0], cmap="gray_r")
axes[1, 0].set_title("digit")
for column_of_axes, number in zip(axes.T[1:], strongest, strict=True):
    for axis, numbers in zip(column_of_axes, (learned[number], found[number]), strict=True):
        axis.imshow(numbers, cmap="RdBu_r", vmin=-abs(numbers).max(), vmax=abs(numbers).max())
plt.show()

# %% [markdown]
# ## What it costs
#
# A filter is small, but it is used at every place: a convolution has few weights and many multiplications,
# and it must keep large maps for the way back. For your CNN, one image, beside the `Linear` layers that would
# give outputs of the same size:

# %%
x, kept = Tensor(canvas(digits["test_images"][:1])), 0
print("layer        weights   Linear's   multiply-adds   Linear's   numbers kept")
for layer in model:
    before, x = x, layer(x)
    kept += x.numel()
    weights, cost, dense = sum(parameter.numel() for parameter in layer.parameters()), "", ""
    if isinstance(layer, Conv2d | Linear):
        places = math.prod(x.shape[2:]) if isinstance(layer, Conv2d) else 1
        cost, dense = f"{layer.weight.numel() * places:,}", f"{before.numel() * x.numel():,}"
    print(f"{type(layer).__name__:11} {weights:8,} {dense:>10} {cost:>15} {dense:>10} {x.numel():14,}")
total = sum(parameter.numel() for parameter in model.parameters())
print(
    f"in training, a batch of 50: {50 * kept * 4 / 1e6:.1f} MB of maps, {total * 4 / 1e6:.2f} MB of weights"
)

# %% [markdown]
# The maps are kept for each image of the batch; the weights only once. So with images a GPU's memory runs out
# by the batch and the size of the images, seldom by the filters.
#
# ## How PyTorch does it
#
# `torch.nn.functional.conv2d` has your arguments, and your parameters load into it. What runs below is chosen
# for each shape, on a GPU by cuDNN, on a processor by oneDNN:
#
# - *im2col*: copy every window into a row of a large matrix; then the convolution is one matrix product, the
#   best tuned operation there is. It costs memory: with 3 x 3 filters each pixel is copied up to nine times.
#   *Implicit* GEMM does it without the copy, window by window in the fast memory of the chip.
# - *Winograd* (Lavin and Gray, 2015, arXiv:1509.09308): a 3 x 3 filter on a tile of 2 x 2 outputs with 16
#   multiplications instead of 36, for some more additions; FFT for large filters.
# - The layout: NCHW, as here, or `channels_last` (NHWC), in which the channels of a pixel lie side by side.
#   The shape that you see is the same, only the strides differ. Tensor cores like it better.
# - `torch.backends.cudnn.benchmark = True` tries the algorithms out and keeps the fastest.
#
# Batch normalisation in `eval` is a scale and a shift with constants: exporters fold it into the convolution
# before it, and it costs nothing.
