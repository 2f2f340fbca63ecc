# %% [markdown]
# # Autograd
#
# Until now you worked out every gradient by hand. In this module your framework learns to do it alone, for
# whatever you compute: it notes down each operation on the way forward, and walks back through its notes.
#
# You will write: the order of the way back, the adding up of gradients, `unbroadcast`, the derivatives of
# all operations that have none yet, `no_grad`, and a gradient check that you will keep as a tool.

# %% role="given" id="autograd-header"
"""Autograd: a tape notes down each operation, and walks back through its notes for the gradients."""

import functools

import numpy as np

from tinytorch.activations import normal_cdf
from tinytorch.losses import numerical_gradient
from tinytorch.tensor import from_numpy, plug_in, register_vjp

# %% [markdown]
# ## One rule, applied again and again
#
# In *losses* you differentiated a network of two layers. Each step was the same: *from the gradient of an
# operation's result, compute the gradients of its inputs*. That function is the operation's **vjp**
# (vector-Jacobian product). Nothing else is needed: to go back through any computation, start at the loss
# with 1, and let each operation turn the gradient of its result into those of its inputs. This is the chain
# rule.
#
# So three things are to be done:
#
# 1. On the way forward, **note down** each operation and what went in. Every operation passes through
#    `apply`, where a tape can be plugged in. That is given, in the next cell.
# 2. On the way back, go through the notes **in the right order** and **add up** what arrives. That is
#    yours.
# 3. **Know the vjp** of each operation. Those of `Affine`, `ReLU`, `Sigmoid`, `Tanh` and the losses you
#    have written; they are registered. The others follow.
#
# Read the given cell slowly. `record` is called for each operation: it makes a `Node` and hangs it on the
# result, as `result.grad_fn`. A node knows the input tensors, these know *their* nodes, and so the whole
# computation hangs on the loss. `backward` is the way back; it calls `topological_order`, `accumulate` and
# `unbroadcast`, which are yours.


# %% role="given" id="autograd-node"
class Node:
    """One operation that was recorded: what it was, and the tensors that went in.

    On the way back, `gradient` collects what arrives for its result. `owned` says whether that array is held
    by nobody else, so that it may be added to in place.
    """

    __slots__ = ("gradient", "inputs", "op", "owned")

    def __init__(self, op, inputs):
        self.op, self.inputs = op, inputs
        self.gradient, self.owned = None, False

    def __repr__(self):
        return f"<{'done' if self.op is None else type(self.op).__name__}>"

    def earlier(self):
        """The nodes whose results went into this one."""
        return [tensor.grad_fn for tensor in self.inputs if tensor.grad_fn is not None]

    def pass_back(self):
        """Turn the gradient of the result into those of the inputs, and let go of everything.

        Returns:
            For each input that wants a gradient: the tensor, its gradient, and whether the array is fresh,
            that is, held by nobody else.
        """
        op, inputs, g = self.op, self.inputs, self.gradient
        self.op, self.inputs, self.gradient = None, (), None
        if g is None:
            return []
        found = op.vjp(g)
        if not isinstance(found, tuple | list) or len(found) != len(inputs):
            raise TypeError(
                f"The derivative of '{type(op).__name__}' must return a tuple with one gradient for each of "
                f"its {len(inputs)} inputs, `(g_x,)` for a single one."
            )
        held = [id(array) for array in (g, *found)]  # what is there twice is not fresh
        passed = []
        for tensor, array in zip(inputs, found, strict=True):
            if array is None or not tensor.requires_grad:
                continue
            if type(array) is not np.ndarray or array.dtype != np.float32:
                array = np.asarray(array, dtype=np.float32)
            if array.shape != tensor.data.shape:
                array = _fitted(op, array, tensor.data.shape)
            fresh = array.base is None and held.count(id(array)) < 2
            passed.append((tensor, array, fresh))
        return passed


def _fitted(op, array, shape):
    """A gradient brought to the shape of an input that was broadcast."""
    stretched = zip(reversed(shape), reversed(array.shape), strict=False)
    if len(shape) > array.ndim or any(size not in (1, larger) for size, larger in stretched):
        raise ValueError(
            f"The derivative of '{type(op).__name__}' gave a gradient of shape {array.shape} "
            f"for an input of shape {shape}."
        )
    return unbroadcast(array, shape)


class Tape:
    """Listens to `apply`: notes down what was computed, and goes back through it."""

    def __init__(self):
        self.recording = True

    def record(self, op, inputs, output):
        """Note down an operation, if a gradient is wanted of anything that went in."""
        if not self.recording:
            return
        needs = tuple([tensor.requires_grad for tensor in inputs])
        if True in needs and output.data.dtype.kind == "f":
            op.needs = needs
            output.requires_grad = True
            output.grad_fn = Node(op, inputs)

    def backward(self, tensor, gradient=None):
        """Add to `.grad` of every leaf that a tensor was computed from.

        Args:
            tensor: where to start, usually a loss.
            gradient: the gradient of `tensor` itself; 1 unless told, which needs a tensor of one element.
        """
        if not tensor.requires_grad:
            raise RuntimeError("This tensor requires no gradient, nor does anything that it was made of.")
        if gradient is None and tensor.data.size != 1:
            raise RuntimeError(
                f"backward() without a gradient is for a tensor of one element; this one has shape "
                f"{tensor.shape}. Reduce it (.sum(), .mean()), or give a gradient of its shape."
            )
        if gradient is None:
            start = np.ones(tensor.shape, dtype=np.float32)
        else:
            start = np.array(gradient, dtype=np.float32)
        if start.shape != tensor.shape:
            raise RuntimeError(f"The gradient has shape {start.shape}, the tensor {tensor.shape}.")
        order = [] if tensor.grad_fn is None else topological_order(tensor.grad_fn)
        if None in [node.op for node in order]:
            raise RuntimeError(
                "Part of this computation was gone back through before, and its notes were let go. "
                "Compute it again, or add the losses up and go back once."
            )
        accumulate(tensor, start, True)
        try:
            with np.errstate(all="ignore"):
                for node in order:
                    for each, array, fresh in node.pass_back():
                        accumulate(each, array, fresh)
        except BaseException:
            for node in order:  # what was collected must not wait for the next time
                node.gradient = None
            raise


tape = Tape()

# %% [markdown]
# For the time being we plug the tape in by hand. (The module's last cell does it for good: who imports your
# package later has gradients from the start.) Then a small computation, and a picture of what the tape
# noted. Look at `h`: it is used twice.

# %%
import time

import matplotlib.pyplot as plt
from tinytorch import Tensor, manual_seed, randn

plug_in(tape)


def draw(root, names):
    """Draw the notes behind a tensor: one box for each operation, one circle for each leaf."""
    column, arrows, waiting = {root.grad_fn: 0}, {}, [root.grad_fn]
    while waiting:
        node = waiting.pop()
        for tensor in node.inputs:
            before = tensor.grad_fn or tensor
            arrows[node, before] = None
            column[before] = max(column.get(before, 0), column[node] + 1)
            waiting += [before] if tensor.grad_fn else []
    place = {}
    for each in sorted(column, key=column.get):
        row = sum(x == -column[each] for x, _ in place.values())
        place[each] = (-column[each], -row)
    for after, before in arrows:
        bend = 0.35 if column[before] > column[after] + 1 else 0  # over what stands between
        style = {"arrowstyle": "->", "shrinkA": 16, "shrinkB": 16, "connectionstyle": f"arc3,rad={bend}"}
        plt.annotate("", place[before], place[after], arrowprops=style)
    for each, (x, y) in place.items():
        is_node = isinstance(each, Node)
        label = type(each.op).__name__ if is_node else names.get(id(each), f"{each.item():g}")
        style = {"boxstyle": "round" if is_node else "circle", "facecolor": "#9ecae1" if is_node else "white"}
        plt.text(x, y, label, color="black", ha="center", va="center", bbox=style)
    plt.xlim(-max(column.values()) - 0.3, 0.3)
    plt.ylim(min(y for _, y in place.values()) - 0.3, 0.8)
    plt.axis("off")


w, b = Tensor(0.5, requires_grad=True), Tensor(1.0, requires_grad=True)
h = w * 3
y = h.exp() * b + h
plt.figure(figsize=(7, 2.5))
draw(y, {id(w): "w", id(b): "b"})
plt.title("y = exp(h) * b + h, with h = w * 3; arrows show the way back")
plt.show()
print("made by", y.grad_fn, "from the results of", y.grad_fn.earlier())

# %% [markdown]
# ## In which order?
#
# A node may be asked for its inputs' gradients only when **everything** has arrived at it. `h` gets a share
# by the short way (directly into `y`) and one by the long way (over `exp`). Who asks `Mul` after the short
# one has an incomplete gradient.
#
# Three ways look good and are not. To go to each node *as soon as it is met* comes to `h` too early. To
# *pass each share on at once*, by recursion, is right, but goes every path on its own. And recursion ends
# at about a thousand calls, in Python. See for yourself:

# %%
met, queue = [], [y.grad_fn]
while queue:
    node = queue.pop(0)
    if node not in met:
        met.append(node)
        queue += node.earlier()
print("as they are met:", met, "(the Mul that made h is asked before Exp has had its turn)")


def visits(node):
    """How often nodes are visited if each share is passed on at once."""
    return 1 + sum(visits(each) for each in node.earlier())


for additions in (4, 8, 12, 16):
    double = w
    for _ in range(additions):
        double = double + double
    start = time.perf_counter()
    count = visits(double.grad_fn)
    seconds = time.perf_counter() - start
    print(f"{additions} additions: {count:>6,} visits, {seconds * 1e3:8.3f} ms")
years = seconds * 2 ** (60 - additions) / (365 * 24 * 3600)
print(f"60 additions, at this pace: {years:,.0f} years")

chain = w
for _ in range(10_000):
    chain = chain + 1
try:
    visits(chain.grad_fn)
except RecursionError as error:
    print("a chain of 10,000 operations:", error)

# %% [markdown]
# ### Exercise: `topological_order`
#
# Return a list of all nodes from which `node` was made, itself first, **each once**, and each only **after
# all nodes that used its result**. `node.earlier()` gives the nodes whose results went into one. (Where a
# result was used twice by one operation, it is listed twice.) No recursion: it must work for a chain of
# 10,000 operations, and for 60 additions in a moment.
#
# Nodes can be put into a `set` or used as keys of a `dict`.


# %% role="exercise" id="autograd-order"
def topological_order(node):
    """All nodes that a node was made of, itself first, each once, and only after all that used its result."""
    ### BEGIN SOLUTION
    order, seen, stack = [], set(), [(node, False)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend([(each, False) for each in node.earlier()])
    order.reverse()
    return order
    ### END SOLUTION


# %% [markdown] role="hint" exercise="autograd-order"
# Think of it the other way round: list the nodes so that everything a node was made of stands *before* it,
# and turn the list round at the end. When may a node be put on that list?

# %% [markdown] role="hint" exercise="autograd-order"
# Keep a list of your own as a stack, in place of Python's calls. Each node is put on it twice: once 'to be
# opened', and again 'to be listed'. Opening it puts its own second entry on the stack, and above that the
# earlier nodes, to be opened.

# %% [markdown] role="hint" exercise="autograd-order"
# Push pairs (node, flag). Pop one. Flag set: append the node to the list. Otherwise, if it is not in the
# set of those seen: add it there, push it again with the flag set, then push each of its earlier nodes
# without. When the stack is empty, reverse the list. (Another way that works: count how often each node is
# used, and list a node when all its uses are listed.)

# %% role="check" id="check-autograd-order" exercise="autograd-order" points=3
from tinytorch.checking import expect, expect_error


def built(*earlier):
    """Nodes by hand: for each, the numbers of those that it was made of."""
    nodes = []
    for numbers in earlier:
        results = [Tensor(0.0, requires_grad=True) for _ in numbers]
        for result, number in zip(results, numbers, strict=True):
            result.grad_fn = nodes[number]
        nodes.append(Node(None, (Tensor(1.0), *results)))
    return nodes


def numbers_of(nodes):
    """The order, from the last node, as numbers."""
    return [nodes.index(node) for node in topological_order(nodes[-1])]


expect("one node", numbers_of(built([])), [0], "A node alone is its own order.")
expect("0 -> 1 -> 2", numbers_of(built([], [0], [1])), [2, 1, 0], "From the result back to the beginning.")
expect("1 = 0 + 0", numbers_of(built([], [0, 0])), [1, 0], "Each node once, even if it was used twice.")
rule = "After all that used it: 0 was used by 1 and by 2."
expect("1 = exp(0), 2 = 1 + 0", numbers_of(built([], [0], [1, 0])), [2, 1, 0], rule)
expect("1 = exp(0), 2 = 0 + 1", numbers_of(built([], [0], [0, 1])), [2, 1, 0], rule)
expect("2 = exp(0), not 1", numbers_of(built([], [], [0])), [2, 0], "Only what the last one was made of.")
expect("60 additions", len(topological_order(built([], *([n, n] for n in range(60)))[-1])), 61, "Each once.")
chain = built([], *([n] for n in range(9_999)))
expect("a chain of 10,000", len(topological_order(chain[-1])), 10_000, "No recursion.")

# %% [markdown]
# ## Adding up
#
# A tensor that was used twice gets two gradients; the true one is their **sum**, because both ways lead to
# the loss. And where does the sum wait? Results of operations collect in their node, until the node's turn
# comes. *Leaves*, which no operation made (parameters, inputs), have no node: theirs goes into `.grad`, and
# stays there. If there is something in `.grad` already, from an earlier `backward`, it is added to, as in
# PyTorch: that is why training begins each step with `zero_grad`.
#
# ### Exercise: `accumulate`
#
# `accumulate(tensor, gradient, fresh)` adds the array `gradient` to what arrived at `tensor` before:
#
# - If `tensor.grad_fn` is a node: in `node.gradient`, an array (`None` as long as nothing has arrived).
# - If it is `None`, the tensor is a leaf: in `tensor.grad`, a **Tensor** (or `None`). `from_numpy(array)`
#   makes a tensor of an array **without copying** it.
#
# There is a trap. For `x + y` the vjp gives *the same array* twice. If you keep it for `x` and later add to
# it in place (`+=`), `y` gets that too. So: `fresh=True` says that nobody else holds the array, and you may
# keep it and change it. Otherwise it must stay as it is: a leaf keeps a copy of it. `node.owned` is there
# for you to remember whether the array in `node.gradient` may be changed in place. A new array for each sum
# is right as well, only slower.


# %% role="exercise" id="autograd-accumulate"
def accumulate(tensor, gradient, fresh=False):
    """Add an array to the gradient that has arrived at a tensor so far."""
    ### BEGIN SOLUTION
    node = tensor.grad_fn
    if node is None:
        if tensor.grad is None:
            tensor.grad = from_numpy(gradient if fresh else gradient.copy())
        else:
            tensor.grad.data += gradient
    elif node.gradient is None:
        node.gradient, node.owned = gradient, fresh
    elif node.owned:
        node.gradient += gradient
    else:
        node.gradient, node.owned = node.gradient + gradient, True
    ### END SOLUTION


# %% [markdown] role="hint" exercise="autograd-accumulate"
# Four cases: leaf or node, and in each the first gradient or a further one. Write them down as four
# branches.

# %% [markdown] role="hint" exercise="autograd-accumulate"
# Leaf, first: a tensor of the array, or of its copy where it is not fresh. Leaf, further: its own array is
# nobody else's, so add to `tensor.grad.data` in place. Node, first: keep array and `fresh`. Node, further:
# in place if it is owned; otherwise a new array, which is then owned.

# %% role="check" id="check-autograd-accumulate" exercise="autograd-accumulate" points=3
leaf, g = Tensor([1.0, 2.0], requires_grad=True), np.array([1.0, 10.0], dtype=np.float32)
accumulate(leaf, g)
expect("what is in a leaf's .grad", type(leaf.grad).__name__, "Tensor", "from_numpy(array) makes one.")
expect("the first gradient of a leaf", leaf.grad, np.array([1.0, 10]), "It goes into .grad, a Tensor.")
accumulate(leaf, g)
expect("the second", leaf.grad, np.array([2.0, 20]), "What arrives is added.")
expect("the array that was given", g, np.array([1.0, 10]), "It is not fresh: others hold it too.")
left, right = Tensor([0.0, 0.0]), Tensor([0.0, 0.0])
left.grad_fn, right.grad_fn = Node(None, ()), Node(None, ())
accumulate(left, g)
accumulate(right, g)
accumulate(left, np.ones(2, dtype=np.float32), True)
accumulate(left, np.ones(2, dtype=np.float32), True)
expect(
    "collected in the left node", left.grad_fn.gradient, np.array([3.0, 12]), "1 and 1 and 1; 10 and 1 and 1."
)
expect("collected in the right node", right.grad_fn.gradient, np.array([1.0, 10]), "It has got g only.")
expect("left.grad", left.grad, None, "What an operation made keeps no .grad.")

# %% [markdown]
# ## First test: does it find what you found by hand?
#
# Every operation of a small classifier has its derivative: you wrote them in *losses*. So your tape can
# already differentiate it. Here are both, the hand's way and the tape's:

# %%
from tinytorch.losses import CrossEntropy, affine_vjp, relu_vjp
from tinytorch.nn import Linear
from tinytorch.nn.functional import cross_entropy, relu

manual_seed(0)
x, labels = randn(32, 20), Tensor(np.arange(32) % 5, dtype=np.int64)
hidden, head = Linear(20, 16), Linear(16, 5)

# By hand: forward, keeping what is needed; then back, step by step.
a = hidden(x)
h = relu(a)
loss = CrossEntropy()
loss.forward(head(h).numpy(), labels.numpy())
g_logits, _ = loss.vjp(np.float32(1))
g_h, head_weight, head_bias = affine_vjp(h.numpy(), head.weight.numpy(), g_logits)
_, hidden_weight, hidden_bias = affine_vjp(x.numpy(), hidden.weight.numpy(), relu_vjp(a.numpy(), g_h))

# By your tape:
cross_entropy(head(relu(hidden(x))), labels).backward()

rule = "The same chain of derivatives, so the same numbers."
expect("head.weight.grad", head.weight.grad, head_weight, rule)
expect("head.bias.grad", head.bias.grad, head_bias, rule)
expect("hidden.weight.grad", hidden.weight.grad, hidden_weight, rule)
expect("hidden.bias.grad", hidden.bias.grad, hidden_bias, rule)
print("The same, in one line in place of five.")

# %% [markdown]
# One line, and it stays one line for a hundred layers.
#
# ## Broadcasting, backwards
#
# `(32, 10) + (10,)` uses each number of the small one 32 times. Used 32 times, it gets 32 gradients, and
# their sum is its own. So **broadcasting forward is summing backward**. The tape does this for every
# operation in one place: if a vjp's gradient has the *result's* shape and not the input's, it calls
# `unbroadcast`. The vjps themselves need not care.
#
# ### Exercise: `unbroadcast`
#
# Sum `gradient` over all dimensions that broadcasting made, so that the result has exactly `shape`: those
# in front that `shape` does not have, and those where `shape` has a 1. `gradient.sum(axis=...,
# keepdims=True)` takes several axes as a tuple.


# %% role="exercise" id="autograd-unbroadcast"
def unbroadcast(gradient, shape):
    """The gradient of what was stretched from `shape`: summed over every dimension that broadcasting made."""
    ### BEGIN SOLUTION
    extra = gradient.ndim - len(shape)
    stretched = [extra + dim for dim, size in enumerate(shape) if size == 1]
    return gradient.sum(axis=(*range(extra), *stretched), keepdims=True).reshape(shape)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="autograd-unbroadcast"
# `(5, 1, 3)` broadcast to `(2, 5, 4, 3)`: dimension 0 is new, dimension 2 was stretched. Find the numbers
# of both kinds in general: how many are new, and where does `shape` have a 1?

# %% [markdown] role="hint" exercise="autograd-unbroadcast"
# There are `gradient.ndim - len(shape)` new dimensions, all in front. So dimension `d` of `shape` is
# dimension `d` plus that number in `gradient`. Sum over both kinds with keepdims; then `reshape(shape)`
# takes the new ones away.

# %% role="check" id="check-autograd-unbroadcast" exercise="autograd-unbroadcast" points=2
g = np.arange(6, dtype=np.float32).reshape(2, 3)
expect("(2, 3) to (2, 3)", unbroadcast(g, (2, 3)), g, "Nothing was stretched: nothing is summed.")
expect("(2, 3) to (3,)", unbroadcast(g, (3,)), np.array([3.0, 5, 7]), "The new dimension in front is summed.")
expect(
    "(2, 3) to (2, 1)", unbroadcast(g, (2, 1)), np.array([[3.0], [12]]), "Where shape has a 1, it is summed."
)
expect("(2, 3) to (1, 3)", unbroadcast(g, (1, 3)), np.array([[3.0, 5, 7]]), "The 1 stays as a dimension.")
expect("(2, 3) to ()", unbroadcast(g, ()), np.float32(15), "A number was used everywhere.")
expect(
    "(2, 5, 4, 3) to (5, 1, 3)",
    unbroadcast(np.ones((2, 5, 4, 3)), (5, 1, 3)),
    np.full((5, 1, 3), 8.0),
    "2 * 4",
)

# %% [markdown]
# ## The derivatives of arithmetic
#
# Each rule gets the operation and `g`, the gradient of its result, an array. The arrays that went in are
# `op.inputs`, the one that came out is `op.output`. It returns **a tuple, one gradient for each input**
# (for a single input `(g_x,)`, with the comma). What is written as $dz$ in the school's formula is
# multiplied by `g`:
#
# $$ z = xy \;\Rightarrow\; dz = y\,dx + x\,dy \;\Rightarrow\; g_x = g\,y, \quad g_y = g\,x . $$
#
# Some inputs want no gradient: the images, the 2 in `x ** 2`. The tape passes over what you return for
# them; so it may be `None`. `wanted(op, 0)` tells whether that of the first input is asked for. Use it
# where a gradient costs much, like the logarithm in `Pow`.
#
# ### Exercise: eight vjps
#
# Their docstrings say $dz$. Be careful with `Pow`, $z = x^y$: at $x = 0$ the logarithm is $-\infty$, but
# for $y \ge 0$ the gradient of $y$ is 0 there; and $x^0$ is 1 whatever $x$ is, so its gradient is 0, not $0
# \cdot \infty$. (`np.where` chooses. You need not care for warnings.)


# %% role="given" id="autograd-wanted"
def wanted(op, number):
    """Whether the gradient of this input is wanted; 0 is the first. If not, `None` will do for it."""
    return not op.needs or op.needs[number]


# %% role="exercise" id="autograd-arithmetic"
@register_vjp("Add")
def add_vjp(op, g):
    """d(x + y) = dx + dy"""
    ### BEGIN SOLUTION
    return g, g
    ### END SOLUTION


@register_vjp("Sub")
def sub_vjp(op, g):
    """d(x - y) = dx - dy"""
    ### BEGIN SOLUTION
    return g, -g if wanted(op, 1) else None
    ### END SOLUTION


@register_vjp("Mul")
def mul_vjp(op, g):
    """d(xy) = y dx + x dy"""
    ### BEGIN SOLUTION
    x, y = op.inputs
    return g * y if wanted(op, 0) else None, g * x if wanted(op, 1) else None
    ### END SOLUTION


@register_vjp("Div")
def div_vjp(op, g):
    """d(x / y) = dx / y - x / y^2 dy"""
    ### BEGIN SOLUTION
    g_x = g / op.inputs[1]
    return g_x, -g_x * op.output if wanted(op, 1) else None
    ### END SOLUTION


@register_vjp("Pow")
def pow_vjp(op, g):
    """d(x^y) = y x^(y-1) dx + x^y log(x) dy"""
    ### BEGIN SOLUTION
    x, y = op.inputs
    g_x = np.where(y == 0, 0, g * y * x ** (y - 1)) if wanted(op, 0) else None
    g_y = g * np.where((x == 0) & (y >= 0), 0, op.output * np.log(x)) if wanted(op, 1) else None
    return g_x, g_y
    ### END SOLUTION


@register_vjp("Neg")
def neg_vjp(op, g):
    """d(-x) = -dx"""
    ### BEGIN SOLUTION
    return (-g,)
    ### END SOLUTION


@register_vjp("Exp")
def exp_vjp(op, g):
    """d(e^x) = e^x dx"""
    ### BEGIN SOLUTION
    return (g * op.output,)
    ### END SOLUTION


@register_vjp("Log")
def log_vjp(op, g):
    """d(log x) = dx / x"""
    ### BEGIN SOLUTION
    return (g / op.inputs[0],)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="autograd-arithmetic"
# Never change `g` in place, and do not be afraid to return it: for `x + y` both gradients are simply `g`.

# %% [markdown] role="hint" exercise="autograd-arithmetic"
# The result is often at hand: for `exp` it is the derivative itself, and in `x / y` the gradient of `y` is
# that of `x`, times minus the result.

# %% [markdown] role="hint" exercise="autograd-arithmetic"
# `Pow`: the gradient of x is g times y times x to the power of y - 1, but 0 where y is 0. The gradient of y
# is g times the result times log(x), but 0 where x is 0 and y is at least 0.


# %% role="check" id="check-autograd-arithmetic" exercise="autograd-arithmetic" points=3
def slopes(function, *numbers):
    """The gradients of function's inputs, with 1 for each element of its result."""
    inputs = [Tensor(each, requires_grad=True) for each in numbers]
    result = function(*inputs)
    result.backward(np.ones(result.shape))
    return [each.grad for each in inputs]


def expect_slopes(tried, function, numbers, wanted_slopes, rule):
    for name, came, should in zip("xyz", slopes(function, *numbers), wanted_slopes, strict=False):
        expect(f"{tried}: gradient of {name}", came, np.array(should), rule)


expect_slopes("2 + 3", lambda x, y: x + y, [2.0, 3.0], [1.0, 1.0], "dx + dy")
expect_slopes("2 - 3", lambda x, y: x - y, [2.0, 3.0], [1.0, -1.0], "dx - dy")
expect_slopes("2 * 3", lambda x, y: x * y, [2.0, 3.0], [3.0, 2.0], "y dx + x dy")
expect_slopes("3 / 2", lambda x, y: x / y, [3.0, 2.0], [0.5, -0.75], "dx / y - x / y^2 dy")
expect_slopes("-x", lambda x: -x, [2.0], [-1.0], "-dx")
expect_slopes("exp(1)", lambda x: x.exp(), [1.0], [np.e], "e^x dx")
expect_slopes("log(4)", lambda x: x.log(), [4.0], [0.25], "dx / x")
expect_slopes("2 ** 3", lambda x, y: x**y, [2.0, 3.0], [12.0, 8 * np.log(2)], "y x^(y-1) dx + x^y log(x) dy")
expect_slopes(
    "0 ** 2", lambda x, y: x**y, [0.0, 2.0], [0.0, 0.0], "Never divide by x; log(0) is not asked for y >= 0."
)
expect_slopes("0 ** 0", lambda x, y: x**y, [0.0, 0.0], [0.0, 0.0], "x^0 is 1 whatever x is.")
expect_slopes("x * x", lambda x: x * x, [3.0], [6.0], "Used twice: both gradients add up.")
for name, each in {
    "x + 1": lambda x: x + 1,
    "1 - x": lambda x: 1 - x,
    "1 / x": lambda x: 1 / x,
    "x ** 2": lambda x: x**2,
    "-x": lambda x: -x,
    "exp(x)": lambda x: x.exp(),
    "log(x)": lambda x: x.log(),
}.items():
    once, ten_times = slopes(each, 2.0)[0], slopes(lambda x, each=each: each(x) * 10, 2.0)[0]
    expect(f"10 times {name}: gradient of x", ten_times, 10 * once.numpy(), "Each rule multiplies by g.")
expect_slopes(
    "[[1, 2]] * [[3], [4]]",
    lambda x, y: x * y,
    [[[1.0, 2]], [[3.0], [4]]],
    [[[7.0, 7]], [[3.0], [3]]],
    "Summed.",
)

# %% [markdown]
# ## The matrix product
#
# For `z = x @ y` the shapes nearly tell the rule. `g` is `(n, m)`; the gradient of `x` must be `(n, k)`,
# and there is only one way to get that from `(n, m)` and `y`, which is `(k, m)`:
#
# $$ g_x = g\,y^\top, \qquad g_y = x^\top g . $$
#
# (Element by element: $z_{ij}$ uses $x_{il}$ with the factor $y_{lj}$, so $x_{il}$ collects $\sum_j g_{ij}
# y_{lj}$.) Two products of the size of the forward one: that is why the way back costs about twice the way
# there.
#
# ### Exercise: `matmul_vjp`
#
# Stacks of matrices are as easy: transpose the *last two* dimensions, `swapaxes(-1, -2)`. If one of the two
# was broadcast over a stack, the tape calls `unbroadcast`. Then vectors: on the left `(k,)` is one row, on
# the right one column. Give the vector its second dimension, give `g` the dimension that it lost, and take
# it away from the column's gradient at the end (a row's is taken away by `unbroadcast`). `np.expand_dims(g,
# -2)` and `g[..., None]` put one in.


# %% role="exercise" id="autograd-matmul"
@register_vjp("MatMul")
def matmul_vjp(op, g):
    """z = xy: the gradient of x is g y^T, that of y is x^T g"""
    ### BEGIN SOLUTION
    x, y = op.inputs
    if y.ndim == 1:  # one column
        y, g = y[:, None], g[..., None]
    if x.ndim == 1:  # one row
        x, g = x[None, :], np.expand_dims(g, -2)
    g_x = g @ y.swapaxes(-1, -2) if wanted(op, 0) else None
    g_y = x.swapaxes(-1, -2) @ g if wanted(op, 1) else None
    if op.inputs[1].ndim == 1 and g_y is not None:
        g_y = g_y[..., 0]
    return g_x, g_y
    ### END SOLUTION


# %% [markdown] role="hint" exercise="autograd-matmul"
# Write the two lines for matrices first; the check's first part passes with them.

# %% [markdown] role="hint" exercise="autograd-matmul"
# Begin with the right one: if y is a vector, y becomes a column and g gets a last dimension. Then the left
# one: if x is a vector, x becomes a row and g gets a dimension before the last. In this order vector @
# vector works too. At the end, where the *original* right input was a vector, take the last dimension off
# its gradient.

# %% role="check" id="check-autograd-matmul" exercise="autograd-matmul" points=2
x, y = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6, 7], [8, 9, 10]])
rule = "g_x = g y^T, g_y = x^T g"
expect_slopes("(2, 2) @ (2, 3)", lambda x, y: x @ y, [x, y], [[[18.0, 27]] * 2, [[4.0] * 3, [6] * 3]], rule)
stack = np.stack([x, 2 * x])
expect_slopes(
    "(2, 2, 2) @ (2, 3)",
    lambda x, y: x @ y,
    [stack, y],
    [[[[18.0, 27]] * 2] * 2, [[12.0] * 3, [18] * 3]],
    rule,
)
expect_slopes(
    "(1, 2) @ (2, 2, 1)",
    lambda x, y: x @ y,
    [[[1.0, 2]], [[[5.0], [6]], [[1], [0]]]],
    [[[6.0, 6]], [[[1.0], [2]]] * 2],
    "In a stack only the last two dimensions are transposed: swapaxes(-1, -2).",
)
expect_slopes(
    "(2, 2) @ (2,)", lambda x, y: x @ y, [x, [5.0, 6]], [[[5.0, 6], [5, 6]], [4.0, 6]], "y is one column."
)
expect_slopes(
    "(2,) @ (2, 3)", lambda x, y: x @ y, [[1.0, 2], y], [[18.0, 27], [[1.0] * 3, [2] * 3]], "x is one row."
)
expect_slopes(
    "(2,) @ (2,)", lambda x, y: x @ y, [[1.0, 2], [3.0, 4]], [[3.0, 4], [1.0, 2]], "A row and a column."
)

# %% [markdown]
# ## Moving and taking elements
#
# `Reshape` and `Permute` only move elements; backward moves them back. `Index` takes some: each goes back
# to where it came from, and what was not taken gets 0.
#
# ### Exercise: `reshape_vjp`, `permute_vjp`, `index_vjp`
#
# - `op.dims` says where each dimension of the result came from, and may be negative. To put them back, you
#   need the inverse order; `np.argsort` of an order is its inverse.
# - An index may be taken **several times**: `x[[0, 0, 2]]`. Then its gradients add up. But `array[key] +=
#   g` in numpy reads all, adds, and writes all: of two additions to one place the last one wins.
#   `np.add.at(array, key, g)` adds one by one. The key is `op.key`.


# %% role="exercise" id="autograd-shapes"
@register_vjp("Reshape")
def reshape_vjp(op, g):
    """The same elements, back in the shape of the input."""
    ### BEGIN SOLUTION
    return (g.reshape(op.inputs[0].shape),)
    ### END SOLUTION


@register_vjp("Permute")
def permute_vjp(op, g):
    """The dimensions, back where they were."""
    ### BEGIN SOLUTION
    return (g.transpose(np.argsort([dim % g.ndim for dim in op.dims])),)
    ### END SOLUTION


@register_vjp("Index")
def index_vjp(op, g):
    """Each element of g, added to where it was taken from; 0 elsewhere."""
    ### BEGIN SOLUTION
    g_x = np.zeros_like(op.inputs[0])
    np.add.at(g_x, op.key, g)
    return (g_x,)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="autograd-shapes"
# Reshape: what shape had the input? Index: begin with zeros like the input.

# %% [markdown] role="hint" exercise="autograd-shapes"
# Permute: make the dims positive first, `dim % g.ndim`; argsort of that goes into `g.transpose`.

# %% role="check" id="check-autograd-shapes" exercise="autograd-shapes" points=2
x = np.arange(6.0).reshape(2, 3)
weights = Tensor(np.arange(6.0).reshape(3, 2))
expect_slopes(
    "reshape", lambda x: x.reshape(3, 2) * weights, [x], [[[0.0, 1, 2], [3, 4, 5]]], "In the same order."
)
expect_slopes("transpose", lambda x: x.T * weights, [x], [[[0.0, 2, 4], [1, 3, 5]]], "Back where it was.")
turned = Tensor(np.arange(24.0).reshape(4, 2, 3))
came = slopes(lambda x: x.permute(-1, 0, 1) * turned, np.zeros((2, 3, 4)))[0]
expect("permute(-1, 0, 1)", came, turned.numpy().transpose(1, 2, 0), "The inverse order is (1, 2, 0).")
expect_slopes("x[1]", lambda x: x[1], [x], [[[0.0, 0, 0], [1, 1, 1]]], "What was not taken gets 0.")
expect_slopes("x[1] * 5", lambda x: x[1] * 5, [x], [[[0.0, 0, 0], [5, 5, 5]]], "What was taken gets its g.")
expect_slopes("x[:, 1:]", lambda x: x[:, 1:], [x], [[[0.0, 1, 1], [0, 1, 1]]], "What was not taken gets 0.")
expect_slopes(
    "x[[0, 0, 2]]", lambda x: x[[0, 0, 2]], [[1.0, 2, 3]], [[2.0, 0, 1]], "Taken twice: two gradients."
)

# %% [markdown]
# ## Reductions
#
# `Sum` uses each element once, so each gets the `g` of the sum it went into: `g`, stretched to the input's
# shape. But the dimension that went away must come back as size 1 first, or numpy stretches the wrong one.
# `with_dims(op, g)` does that.
#
# ### Exercise: `sum_vjp`, `mean_vjp`, `max_vjp`
#
# - `Mean` is a sum divided by how many elements went into each result (`op.dim` may name several
#   dimensions).
# - `Max` depends on its largest element only. If several are equally large, they share `g` evenly
#   (PyTorch's `amax` does so): compare the input with the result, and count.
#
# `np.broadcast_to(array, shape)` stretches without memory. Nobody can write into what it returns; and
# matrix products are slow on it, so a `.copy()` is well spent here.


# %% role="given" id="autograd-kept-dims"
def with_dims(op, array):
    """An array in the shape of a reduction's result, with the dimensions that went away as size 1."""
    if op.keepdim or op.dim is None:
        return array
    return np.expand_dims(array, op.dim)


# %% role="exercise" id="autograd-reduce"
@register_vjp("Sum")
def sum_vjp(op, g):
    """Each element of the input counted once."""
    ### BEGIN SOLUTION
    return (np.broadcast_to(with_dims(op, g), op.inputs[0].shape).copy(),)
    ### END SOLUTION


@register_vjp("Mean")
def mean_vjp(op, g):
    """Each element counted by one part in as many as there are."""
    ### BEGIN SOLUTION
    x = op.inputs[0]
    share = with_dims(op, g) * np.float32(op.output.size / max(x.size, 1))
    return (np.broadcast_to(share, x.shape).copy(),)
    ### END SOLUTION


@register_vjp("Max")
def max_vjp(op, g):
    """Only the largest counted; several that are equally large share."""
    ### BEGIN SOLUTION
    x = op.inputs[0]
    is_largest = x == with_dims(op, op.output)
    return (is_largest * (with_dims(op, g) / is_largest.sum(axis=op.dim, keepdims=True)),)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="autograd-reduce"
# Mean: the number of elements in each mean is the input's size divided by the output's size. (Beware of an
# empty input: 0 / 0.)

# %% [markdown] role="hint" exercise="autograd-reduce"
# Max: `x == with_dims(op, op.output)` is True at the largest. Sum that mask along `op.dim` with keepdims to
# count the ties; g, with its dimensions, divided by the count and times the mask is the gradient.

# %% role="check" id="check-autograd-reduce" exercise="autograd-reduce" points=3
x = np.array([[1.0, 5, 5], [7, 2, 3]])
by_row, by_column = Tensor([10.0, 20]), Tensor([1.0, 2, 3])
expect_slopes("sum()", lambda x: x.sum(), [x], [np.ones((2, 3))], "Each element counts once.")
expect_slopes(
    "sum(dim=1)", lambda x: x.sum(dim=1) * by_row, [x], [[[10.0] * 3, [20] * 3]], "Each gets its row's."
)
expect_slopes(
    "sum(dim=0)", lambda x: x.sum(dim=0) * by_column, [x], [[[1.0, 2, 3]] * 2], "Each gets its column's."
)
expect_slopes(
    "mean(dim=1)", lambda x: x.mean(dim=1) * by_row, [x], [[[10 / 3] * 3, [20 / 3] * 3]], "A third of it."
)
expect_slopes("mean((0, 1))", lambda x: x.mean(dim=(0, 1)), [x], [np.full((2, 3), 1 / 6)], "A sixth of it.")
expect_slopes("max()", lambda x: x.max(), [x], [[[0.0, 0, 0], [1, 0, 0]]], "Only the largest counts.")
expect_slopes("amax(dim=1)", lambda x: x.amax(dim=1), [x], [[[0.0, 0.5, 0.5], [1, 0, 0]]], "Two fives share.")
kept = slopes(lambda x: x.sum(dim=0, keepdim=True), x)[0]
expect("sum(dim=0, keepdim=True)", kept, np.ones((2, 3)), "keepdim changes nothing for the gradient.")

# %% [markdown]
# ## Softmax and GELU
#
# For the softmax $y$, element $i$ of the result depends on *every* $x_j$: raising one probability lowers
# the others. Worked out, the whole table of derivatives shrinks to
#
# $$ g_x = y \left(g - \sum_j g_j y_j\right), \qquad
# \text{and for } \log y: \quad g_x = g - y \sum_j g_j , $$
#
# with the sums along `op.dim`. The second needs $y$, but its result is $\log y$.
#
# For GELU, $x\,\Phi(x)$, use the product rule. $\Phi$ is `normal_cdf`; its derivative is the bell curve
# $\varphi(x) = e^{-x^2 / 2} / \sqrt{2\pi}$. For `op.approximate == "tanh"`, with
# $u = \sqrt{2/\pi}\,(x + 0.044715\,x^3)$ and $t = \tanh u$:
#
# $$ \tfrac12 (1 + t) + \tfrac12\, x\, (1 - t^2)\, \sqrt{2/\pi}\, (1 + 3 \cdot 0.044715\, x^2) . $$
#
# ### Exercise: `softmax_vjp`, `log_softmax_vjp`, `gelu_vjp`


# %% role="exercise" id="autograd-bends"
@register_vjp("Softmax")
def softmax_vjp(op, g):
    """y (g - sum(g y))"""
    ### BEGIN SOLUTION
    y = op.output
    return (y * (g - (g * y).sum(axis=op.dim, keepdims=True)),)
    ### END SOLUTION


@register_vjp("LogSoftmax")
def log_softmax_vjp(op, g):
    """g - softmax(x) sum(g)"""
    ### BEGIN SOLUTION
    return (g - np.exp(op.output) * g.sum(axis=op.dim, keepdims=True),)
    ### END SOLUTION


@register_vjp("GELU")
def gelu_vjp(op, g):
    """The product rule: Phi(x) + x Phi'(x)"""
    ### BEGIN SOLUTION
    x = op.inputs[0]
    if op.approximate == "tanh":
        c = np.float32(np.sqrt(2 / np.pi))
        t = np.tanh(c * (x + 0.044715 * x * x * x))
        return (g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x)),)
    density = np.exp(-x * x / 2) * np.float32(1 / np.sqrt(2 * np.pi))
    return (g * (normal_cdf(x) + x * density),)
    ### END SOLUTION


# %% [markdown] role="hint" exercise="autograd-bends"
# Softmax: `op.output` is y. LogSoftmax: exp of `op.output` is y. Sum with `keepdims=True`.

# %% [markdown] role="hint" exercise="autograd-bends"
# GELU: `normal_cdf(x)` is Phi; so the factor of g is `normal_cdf(x)` plus x times the bell curve.

# %% role="check" id="check-autograd-bends" exercise="autograd-bends" points=3
from tinytorch.nn.functional import gelu, log_softmax, softmax

x, weights = np.array([[0.0, np.log(3.0)]]), Tensor([[1.0, 2.0]])
expect_slopes(
    "softmax", lambda x: softmax(x, 1) * weights, [x], [[[-0.1875, 0.1875]]], "y (g - sum(g y)); y = 1/4, 3/4"
)
expect_slopes(
    "its sum", lambda x: softmax(x, -1), [x], [[[0.0, 0.0]]], "The sum is always 1: nothing changes it."
)
expect_slopes("log_softmax", lambda x: log_softmax(x, 1) * weights, [x], [[[0.25, -0.25]]], "g - y sum(g)")
for name, each in (("softmax", softmax), ("log_softmax", log_softmax)):
    expect_slopes(
        f"{name}, dim=0", lambda x, f=each: f(x, 0) * weights, [x], [[[0.0, 0.0]]], "Along op.dim: columns."
    )
points = [-1.0, 0.0, 2.0]
expect_slopes("gelu", gelu, [points], [[-0.0833155, 0.5, 1.0852318]], "Phi(x) + x phi(x)")
expect_slopes(
    "gelu 'tanh'", lambda x: gelu(x, "tanh"), [points], [[-0.0829641, 0.5, 1.0860993]], "The second formula."
)

# %% [markdown]
# `Dropout` needs no rule of its own: it multiplies by a mask of numbers, and `Mul` has one. What was
# dropped gets no gradient, the rest gets it with the same factor.
#
# ## Without notes
#
# When a model only answers, notes are a waste: they keep every intermediate result alive. And when
# parameters are *changed*, the change must not become part of the computation. For both there is `no_grad`.
#
# ### Exercise: `no_grad`
#
# `with no_grad():` calls `__enter__` at its beginning, and `__exit__` at its end, even when an error leaves
# it. Inside, `tape.recording` must be False; afterwards it must be **what it was before**, which, one
# `no_grad` in another, is not always True. `__call__` is ready: it makes `@no_grad()` work above a
# function.


# %% role="exercise" id="autograd-no-grad"
class no_grad:
    """Nothing is noted down inside: `with no_grad():`, or `@no_grad()` above a function."""

    def __enter__(self):
        ### BEGIN SOLUTION
        self.before, tape.recording = tape.recording, False
        ### END SOLUTION

    def __exit__(self, *error):
        ### BEGIN SOLUTION
        tape.recording = self.before
        ### END SOLUTION

    def __call__(self, function):
        @functools.wraps(function)
        def unrecorded(*args, **kwargs):
            with no_grad():
                return function(*args, **kwargs)

        return unrecorded


# %% [markdown] role="hint" exercise="autograd-no-grad"
# Two lines in `__enter__`: remember `tape.recording` in `self`, then set it. One in `__exit__`.

# %% [markdown] role="hint" exercise="autograd-no-grad"
# `__exit__` returns nothing: a true value would swallow the error that left the block.

# %% role="check" id="check-autograd-no-grad" exercise="autograd-no-grad" points=1
w = Tensor([1.0, 2.0], requires_grad=True)
with no_grad():
    inside = w * 2
    with no_grad():
        pass
    after_inner = w * 2
outside = w * 2
expect("requires_grad inside", inside.requires_grad, False, "Nothing is recorded inside.")
expect("after an inner no_grad", after_inner.requires_grad, False, "Back to what it was: still off.")
expect("outside again", outside.requires_grad, True, "Back to what it was: on.")


@no_grad()
def fails():
    raise KeyError("on purpose")


expect_error("an error inside", KeyError, fails, "The error goes on its way: __exit__ returns nothing.")
expect("tape.recording after an error", tape.recording, True, "Back to what it was: on.")

# %% [markdown]
# ## A tool to keep: the gradient check
#
# How do you know that a derivative is right? Ask the function itself: move one input a little up and a
# little down, and see what the result does. You did so in *losses*, with `numerical_gradient`. It is slow,
# two runs for each number, but it knows nothing of vjps, so it does not share their errors.
#
# There it had float64 and a step of a millionth. Your tensors are float32, and that matters. Too long a
# step: the curve bends on the way. Too short: the two results differ in their last digits only, and those
# are rounding. Measure it:


# %%
def slope_error(step, kind):
    """The error of a finite difference of exp at 0.7."""
    x, step = kind(0.7), kind(step)
    slope = (np.exp(x + step) - np.exp(x - step)) / (kind(2) * step)
    return abs(float(slope) - np.exp(float(x)))


steps = np.logspace(-10, 0, 41)
plt.figure(figsize=(6, 3.2))
for kind, style in ((np.float32, "o-"), (np.float64, "s--")):
    errors = [slope_error(step, kind) for step in steps]
    plt.loglog(steps, np.maximum(errors, 1e-12), style, markersize=3, label=kind.__name__)
    best = int(np.argmin(errors))
    print(f"{kind.__name__}: best step about {steps[best]:.0e}, error {errors[best]:.0e}")
plt.xlabel("step")
plt.ylabel("error of the slope")
plt.legend()
plt.show()

# %% [markdown]
# In float32 the valley lies near a hundredth, and even there only four or five digits are right. So
# `gradcheck` takes steps of 0.01, and lets the two differ by 1%, or by 0.001 where they are near 0. A wrong
# derivative (a sign, a factor, a transpose) differs by more than that. At a corner, like ReLU at 0, no step
# is right: check elsewhere.
#
# ### Exercise: `gradcheck`
#
# `both_gradients` is given: it yields, for each input that requires a gradient, its number, autograd's
# gradient and the finite differences', two arrays. Compare: they agree where
#
# $$ |\,\text{autograd} - \text{differences}\,|
# \;\le\; \text{atol} + \text{rtol} \cdot |\,\text{differences}\,| . $$
#
# If all agree, return `True`. Otherwise raise an `AssertionError` whose message **teaches**: the function's
# `__name__`, the input's number, the index of the worst element, and both values there. A `nan` agrees with
# nothing.


# %% role="given" id="autograd-both-ways"
def both_gradients(function, inputs, eps):
    """The gradient of each input, by autograd and by finite differences: (its number, the one, the other).

    Where the result has several elements, they are summed with fixed random weights: an error in any of them
    then shows.
    """
    kept = [tensor.grad for tensor in inputs]
    try:
        for tensor in inputs:
            tensor.grad = None
        output = function(*inputs)
        weights = np.random.default_rng(0).normal(size=output.shape)
        output.backward(weights)
        found = [tensor.grad for tensor in inputs]
    finally:
        for tensor, grad in zip(inputs, kept, strict=True):
            tensor.grad = grad
    for number, tensor in enumerate(inputs):
        if tensor.requires_grad:
            here = tensor.data.copy()

            def value(x, tensor=tensor):
                tensor.data[...] = x
                return (function(*inputs).data * weights).sum()

            former = plug_in(None)
            try:
                slopes = numerical_gradient(value, here, eps)
            finally:
                plug_in(former)
                tensor.data[...] = here
            grad = np.zeros_like(here) if found[number] is None else found[number].data
            yield number, grad, slopes


# %% role="exercise" id="autograd-gradcheck"
def gradcheck(function, inputs, eps=1e-2, atol=1e-3, rtol=1e-2):
    """True if autograd and finite differences agree; otherwise an AssertionError that says where not."""
    ### BEGIN SOLUTION
    for number, grad, slopes in both_gradients(function, inputs, eps):
        error = np.abs(grad - slopes) - (atol + rtol * np.abs(slopes))
        error = np.where(np.isnan(error), np.inf, error)
        if (error > 0).any():
            at = tuple(int(i) for i in np.unravel_index(error.argmax(), error.shape))
            raise AssertionError(
                f"{getattr(function, '__name__', function)}, input {number}, index {at}: autograd says "
                f"{grad[at]:.6g}, finite differences say {slopes[at]:.6g}."
            )
    return True
    ### END SOLUTION


# %% [markdown] role="hint" exercise="autograd-gradcheck"
# By how much does each element go beyond what is allowed? Where that is more than 0, something is wrong.
# `nan > 0` is False, so treat nan by itself: `np.isnan`.

# %% [markdown] role="hint" exercise="autograd-gradcheck"
# `argmax()` finds the worst, as one number; `np.unravel_index(number, shape)` makes an index of it.
# `getattr(function, "__name__", function)` is the name, or, where there is none, the thing itself.

# %% role="check" id="check-autograd-gradcheck" exercise="autograd-gradcheck" points=2
import re

from tinytorch.tensor import Op, apply


class Cube(Op):
    def forward(self, x):
        return x**3

    def vjp(self, g):
        slope = 3 * self.inputs[0] ** 2
        slope[1:2] *= wrong
        return (g * slope,)


def cube(x):
    return apply(Cube(), x)


x = Tensor([1.0, 2.0, -1.5], requires_grad=True)
wrong = 1
expect("a right derivative", gradcheck(cube, [x]), True, "Both agree.")
flat = Tensor([0.0], requires_grad=True)
expect("the cube at 0, eps 0.01", gradcheck(cube, [flat]), True, "0 and 0.0001: within atol.")
steep = Tensor([0.0, 100.0], requires_grad=True)
wrong = 1.005
expect("a slope of 30000, wrong by 150", gradcheck(cube, [steep]), True, "Within rtol times the slope.")
wrong = 2
loose = gradcheck(cube, [x], rtol=2), gradcheck(cube, [x], atol=100)
expect("a slope wrong by 12, with rtol=2, and with atol=100", loose, (True, True), "As the caller asks.")
for wrong in (-1, 2, np.nan):
    expect_error(
        f"a derivative that is {wrong} times the right one",
        AssertionError,
        lambda: gradcheck(cube, [x]),
        "They differ: raise an AssertionError.",
    )
wrong = 2
expect_error(
    "a wrong derivative of the second input",
    AssertionError,
    lambda: gradcheck(lambda a, b: a + cube(b), [Tensor([1.0, 1.0, 1.0], requires_grad=True), x]),
    "Each input that both_gradients yields is compared.",
)


def cube_of_third(a, b, c):
    return a + b + cube(c)


three = [Tensor([1.0, 1.0, 1.0], requires_grad=True) for _ in range(3)]
(*_, (_, by_autograd, by_differences)) = both_gradients(cube_of_third, three, 1e-2)
try:
    gradcheck(cube_of_third, three)
except AssertionError as error:
    message = str(error)
numbers = [float(each) for each in re.findall(r"\d+\.?\d*", message)]
for part, is_there in {
    "the function's name": "cube_of_third" in message,
    "the input's number, 2": 2 in numbers,
    "the index, 1": 1 in numbers,
    "what autograd says there": any(np.isclose(each, abs(by_autograd[1]), 0.01) for each in numbers),
    "what differences say there": any(np.isclose(each, abs(by_differences[1]), 0.01) for each in numbers),
}.items():
    assert is_there, f"The message is {message!r}; expected in it: {part}."
expect("x.grad afterwards", x.grad, None, "A check leaves no gradients behind.")

# %%
try:
    gradcheck(cube, [x])
except AssertionError as error:
    print("a wrong one:", error)

manual_seed(3)
for function, shapes in [
    (lambda x, y: x / (y * y + 1), [(2, 3), (3,)]),
    (lambda x, y: softmax(x @ y, -1).log(), [(2, 3), (3, 4)]),
    (lambda x: gelu(x).mean(dim=0).exp(), [(4, 3)]),
    (lambda x: (x - x.mean(dim=1, keepdim=True)) / ((x * x).mean(dim=1, keepdim=True) + 1) ** 0.5, [(2, 4)]),
]:
    inputs = [Tensor(randn(*shape), requires_grad=True) for shape in shapes]
    print("right:", gradcheck(function, inputs))

# %% [markdown]
# ## The manners of PyTorch
#
# Who comes from PyTorch, or goes there, finds the same manners. Each line of the next cell is one of them.


# %%
def attempt(text, function):
    try:
        print(f"{text}: {function()}")
    except RuntimeError as error:
        print(f"{text}:\n    RuntimeError: {error}")


w = Tensor([1.0, 2.0], requires_grad=True)
middle = w * 3
result = middle.sum()
print("requires_grad goes on:", middle.requires_grad, "but not to comparisons:", (w > 1).requires_grad)
attempt("backward of two numbers, without their gradient", lambda: middle.backward())
result.backward()
print("leaf:", w.grad, " result of an operation:", middle.grad)
(w * 3).sum().backward()
print("after a second computation, the sum of both:", w.grad)
attempt("the same computation a second time", lambda: result.backward())
attempt("back from what was cut off with detach()", lambda: (w * 3).detach().sum().backward())
with no_grad():
    w.data -= 0.1 * w.grad.data
print("a step of training:", w)

# %% [markdown]
# Why a second time fails: `backward` lets go of each node's notes as soon as they were used. The memory is
# free while the way back still goes on, and a loss that you keep for printing does not keep a whole
# network's results alive.
#
# ## Why deep networks learned nothing for so long
#
# Ten layers, each followed by a bend. How large is the gradient that arrives at each of them? In the last
# curve, each layer *adds* to what came in, in place of replacing it (`x + sigmoid(...)`): a **residual
# connection**, and a node that is used twice.

# %%
from tinytorch.nn.functional import sigmoid, tanh

manual_seed(0)
x, labels = randn(64, 32), Tensor(np.arange(64) % 10, dtype=np.int64)


def arriving(step, depth=10):
    """The spread of the gradient of each layer's weight, from the first layer to the last."""
    manual_seed(1)
    layers, head = [Linear(32, 32) for _ in range(depth)], Linear(32, 10)
    signal = x
    for layer in layers:
        signal = step(layer, signal)
    cross_entropy(head(signal), labels).backward()
    return [float(layer.weight.grad.numpy().std()) for layer in layers]


steps = {
    "sigmoid": lambda layer, x: sigmoid(layer(x)),
    "tanh": lambda layer, x: tanh(layer(x)),
    "relu": lambda layer, x: relu(layer(x)),
    "x + sigmoid": lambda layer, x: x + sigmoid(layer(x)),
}
plt.figure(figsize=(6, 3.2))
for (name, step), style in zip(steps.items(), ("o-", "s-", "^-", "D--"), strict=True):
    sizes = arriving(step)
    plt.semilogy(range(1, 11), sizes, style, markersize=4, label=name)
    print(
        f"{name:12} last layer {sizes[-1]:.1e}, first layer {sizes[0]:.1e}: "
        f"{sizes[-1] / sizes[0]:,.1f} times less"
    )
plt.xlabel("layer")
plt.ylabel("spread of its gradient")
plt.legend()
plt.show()

# %% [markdown] role="question" id="autograd-why-vanish" points=2
# ### Question: where does the gradient go?
#
# *In your own words; 2 points, marked by a person.*
#
# Why does the gradient vanish here, on its way through the sigmoids? Explain from the rules
# that you wrote: what happens to it at each layer, how large is that at best, and what does it mean for the
# first layers' learning? And why does it not happen in the last curve, `x + sigmoid(...)`?
#
# ### BEGIN RUBRIC
# - 1 point: on the way back each layer multiplies the gradient by the sigmoid's slope y (1 - y), at most
#   1/4, and by its weight matrix (small at the start, too). Over layers these factors multiply, so what is
#   left falls exponentially with depth; the first layers get next to nothing and hardly change. (A half:
#   'small numbers multiplied', without saying where the factor comes from.)
# - 1 point: in x + f(x) the vjp of the addition passes g on unchanged besides f's share. So there is a way
#   back through all layers with the factor 1, and the sum cannot vanish. (A half: 'there is a short cut'.)
# ### END RUBRIC

# %% [markdown]
# ## What it costs
#
# **Memory.** Whatever a vjp needs must be kept from forward to backward. For a classic on MNIST with
# batches of 64 (the tape keeps references, so what is there anyway is not counted twice):

# %%
import tracemalloc

from tinytorch.nn import ReLU, Sequential

model = Sequential(Linear(784, 128), ReLU(), Linear(128, 10))
images, labels = randn(64, 784), Tensor(np.arange(64) % 10, dtype=np.int64)
parameters = list(model.parameters())
there = {id(tensor.data) for tensor in [images, labels, *parameters]}

tracemalloc.start()
loss = cross_entropy(model(images), labels)
for node in reversed(topological_order(loss.grad_fn)):
    arrays = [*node.op.inputs, node.op.output, *vars(node.op).values()]
    new = {id(a): a.nbytes for a in arrays if isinstance(a, np.ndarray) and id(a) not in there}
    there |= new.keys()
    print(f"{node!s:15} keeps {sum(new.values()):>7,} bytes")
kept, _ = tracemalloc.get_traced_memory()
loss.backward()
for parameter in parameters:
    parameter.grad = None
after, _ = tracemalloc.get_traced_memory()
tracemalloc.stop()
print(f"held before backward {kept:,} bytes, after it {after:,}; the loss is still here: {loss.item():.3f}")

# %% [markdown]
# It grows with the batch and with the depth, and in a large network it is far more than the parameters.
# What PyTorch calls *checkpointing* keeps less and computes it again on the way back.
#
# **Time.** A matrix product costs two of its size on the way back (one, where the input wants no gradient:
# the first layer's images). And each operation costs some microseconds of Python, which shows when tensors
# are small:


# %%
def milliseconds(function, times=50):
    """The shortest time of several runs."""
    runs = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        runs.append(time.perf_counter() - start)
    return min(runs) * 1e3


@no_grad()
def answer():
    cross_entropy(model(images), labels)


def learn():
    cross_entropy(model(images), labels).backward()
    model.zero_grad()


def tiny():
    small = Tensor([1.0], requires_grad=True)
    for _ in range(100):
        small = small * 1.01
    small.backward()


forward, both = milliseconds(answer), milliseconds(learn)
print(f"forward {forward:.3f} ms, forward and backward {both:.3f} ms: {both / forward:.1f} times")
print(f"an operation on one number, there and back: {milliseconds(tiny) / 100 * 1e3:.1f} microseconds")

# %% [markdown]
# ## How PyTorch does it
#
# The same, in C++. `tensor.grad_fn` is a node there too (print it: `<MulBackward0>`), and
# `grad_fn.next_functions` are your `earlier()`. The engine (`torch/csrc/autograd/engine.cpp`) counts how
# many uses each node still waits for, and takes it when none is left. Where your leaf's sum goes into
# `.grad`, PyTorch has a node `AccumulateGrad`; it too keeps a fresh array without copying it. Its engine
# also calls `sum_to` where a gradient has the shape of the broadcast result, so that its list of
# derivatives (`tools/autograd/derivatives.yaml`, worth a look: they are your rules) need not.
# `needs_input_grad` is your `op.needs`.
#
# What it has in addition: `retain_graph=True` keeps the notes for a second way back, `create_graph=True`
# records the way back itself, for second derivatives. A version counter notices when an array that is still
# needed was changed in place; yours does not, so change parameters only after `backward`. And
# `torch.max(dim)` gives all of the gradient to the one element whose index it returns; `torch.amax` shares
# it, as you do.
#
# One last given cell: from now on, your tape listens.

# %% role="given" id="autograd-plug-in"
plug_in(tape)
