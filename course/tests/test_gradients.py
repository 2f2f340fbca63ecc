"""Every operation's derivative against finite differences, and what the tape promises."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course.tests.operations import (
    OPERATIONS,
    WITHOUT_DERIVATIVE,
    available,
    make,
    operations,
    tensors,
)

pytestmark = pytest.mark.usefixtures("tt")
few = settings(max_examples=12, deadline=None)


def test_every_operation_is_tried():
    """A new operation must be added to the table of operations.py, or named as one without a derivative."""
    from tinytorch.tensor import VJPS, Op

    defined = operations()
    assert defined.keys() == set(available()) | WITHOUT_DERIVATIVE
    for name, kind in defined.items():
        has_derivative = kind.vjp is not Op.vjp or kind.__name__ in VJPS
        assert has_derivative == (name not in WITHOUT_DERIVATIVE), name


@pytest.mark.parametrize("name", OPERATIONS)
@few
@given(data=st.data())
def test_gradient_equals_finite_differences(name, data):
    from tinytorch.autograd import gradcheck
    from tinytorch.tensor import apply

    if name not in available():
        pytest.skip("its module is still to come")
    use = OPERATIONS[name](data.draw)
    inputs = tensors(use)

    def function(*tensors):
        return apply(make(name, use), *tensors)

    function.__name__ = name
    assert gradcheck(function, inputs, atol=3e-3)


# The tape


def leaf(*numbers):
    from tinytorch import Tensor

    return Tensor(numbers, requires_grad=True)


def test_a_long_chain_can_be_gone_back_through_and_freed():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1]
    del y  # the interpreter must not go down 20,000 levels either


def test_sixty_doublings_are_sixty_steps():
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.tolist() == [2.0**60]


def test_gradients_share_no_memory():
    """x + y gives one array for both, a reshape a view: who changes one gradient must not change another."""
    x, y, z = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)
    given = np.ones((2, 1), dtype=np.float32)
    ((x + y).reshape(2, 1) + z.reshape(2, 1)).backward(given)
    arrays = [x.grad.data, y.grad.data, z.grad.data, given]
    for number, array in enumerate(arrays):
        assert not any(np.shares_memory(array, other) for other in arrays[:number])
        array *= 10
    assert [array.ravel().tolist() for array in arrays] == [[10, 10]] * 4


def test_a_result_that_is_used_often_collects_without_changing_what_others_got():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    middle, other = x * 2, y * 3
    total = middle + other  # one array for both
    for _ in range(3):
        total = total + middle
    total.sum().backward()
    assert x.grad.tolist() == [8, 8]
    assert y.grad.tolist() == [3, 3]


def test_each_backward_adds_to_the_leaves_and_keeps_nothing_elsewhere():
    x = leaf(1.0, 2.0)
    for times in (1, 2, 3):
        middle = x * 3
        middle.sum().backward()
        assert x.grad.tolist() == [3 * times] * 2
        assert middle.grad is None
    assert not x.grad.requires_grad


def test_only_what_is_asked_for_is_computed():
    from tinytorch import Tensor
    from tinytorch.tensor import Op, apply

    seen = []

    class Pair(Op):
        def forward(self, x, y):
            return x + y

        def vjp(self, g):
            seen.append(self.needs)
            return g, None

    apply(Pair(), leaf(1.0), Tensor([1.0])).backward()
    assert seen == [(True, False)]
    whole = apply(Pair(), Tensor([1.0]), Tensor([1.0]))
    assert not whole.requires_grad
    assert whole.grad_fn is None


def test_memory_is_let_go_on_the_way_back():
    """A loss that is kept keeps none of the arrays that it was made of."""
    x = leaf(*np.ones(50_000))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        y = x
        for _ in range(20):
            y = y.exp() * 0.1
        loss = y.sum()
        del y
        held, _ = tracemalloc.get_traced_memory()
        loss.backward()
        x.grad = None
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    size = x.data.nbytes
    assert held - before > 20 * size
    assert after - before < size
    assert loss.item() > 0


def test_no_cycle_waits_for_the_garbage_collector():
    from tinytorch.tensor import Op, apply

    class Watched(Op):
        def forward(self, x):
            return x * 2

    op = Watched()
    gone = weakref.ref(op)
    gc.disable()
    try:
        result = apply(op, leaf(1.0))
        del op
        assert gone() is not None
        del result
        assert gone() is None
    finally:
        gc.enable()


def test_a_second_way_back_is_refused():
    x = leaf(1.0)
    shared = x * 2
    first, second = shared * 3, shared * 4
    first.backward()
    with pytest.raises(RuntimeError, match="let go"):
        first.backward()
    with pytest.raises(RuntimeError, match="let go"):
        second.backward()
    assert x.grad.tolist() == [6]


def test_an_error_on_the_way_back_leaves_nothing_behind():
    from tinytorch.tensor import Op, apply

    class Broken(Op):
        def forward(self, x):
            return x * 2

        def vjp(self, g):
            raise KeyError

    x = leaf(1.0)
    middle = x * 5
    node = middle.grad_fn
    with pytest.raises(KeyError):
        (middle + apply(Broken(), middle)).backward()
    assert node.gradient is None
    (middle * 1).backward()
    assert x.grad.tolist() == [5]


@pytest.mark.parametrize(
    ("found", "error", "message"),
    [
        (lambda g: g, TypeError, "Wrong.*tuple with one gradient for each of its 1 inputs"),
        (lambda g: (g, g), TypeError, "Wrong"),
        (
            lambda g: (g[:1],),
            ValueError,
            r"'Wrong' gave a gradient of shape \(1,\) for an input of shape \(2,\)",
        ),
        (lambda g: (g[:, None],), ValueError, "Wrong"),
    ],
)
def test_a_derivative_that_cannot_be_right_is_named(found, error, message):
    from tinytorch.tensor import Op, apply

    class Wrong(Op):
        def forward(self, x):
            return x * 2

        def vjp(self, g):
            return found(g)

    result = apply(Wrong(), leaf(1.0, 2.0))
    with pytest.raises(error, match=message):
        result.backward([1.0, 1.0])


def test_an_operation_without_a_derivative_is_named():
    from tinytorch.tensor import Op, apply

    class Fresh(Op):
        def forward(self, x):
            return x * 2

    result = apply(Fresh(), leaf(1.0))
    with pytest.raises(NotImplementedError, match="'Fresh'"):
        result.backward()


def test_backward_says_what_it_wants():
    from tinytorch import Tensor

    with pytest.raises(RuntimeError, match="requires no gradient"):
        Tensor([1.0]).backward()
    with pytest.raises(RuntimeError, match=r"one element; this one has shape \(2,\)"):
        (leaf(1.0, 2.0) * 2).backward()
    with pytest.raises(RuntimeError, match=r"gradient has shape \(3,\), the tensor \(2,\)"):
        (leaf(1.0, 2.0) * 2).backward([1.0, 1.0, 1.0])
    x = leaf(1.0)
    x.backward()
    assert x.grad.tolist() == [1]


def test_gradients_are_float32_whatever_a_derivative_computes_in():
    from tinytorch.tensor import Op, apply

    class Double(Op):
        def forward(self, x):
            return x * 2

        def vjp(self, g):
            return (g.astype(np.float64) * 2,)

    x = leaf(1.0)
    apply(Double(), x).backward()
    assert x.grad.dtype == np.float32


def test_two_threads_can_go_back_at_once():
    """Each computation hangs on its own result: nothing is shared but the leaves."""
    leaves = [leaf(float(number)) for number in range(4)]

    def work(x):
        for _ in range(50):
            (x * x).sum().backward()

    threads = [threading.Thread(target=work, args=(x,)) for x in leaves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [x.grad.item() for x in leaves] == [100.0 * number for number in range(4)]


def test_no_grad_inside_functions_and_after_errors():
    from tinytorch import no_grad

    x = leaf(1.0)

    @no_grad()
    def twice(depth):
        return x * 2 if depth == 0 else twice(depth - 1)

    assert not twice(3).requires_grad
    assert twice.__name__ == "twice"
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * 2).requires_grad
    recorded = x * 3
    with no_grad():
        recorded.backward()  # what was recorded before can be gone back through
    assert x.grad.tolist() == [3]


def test_gradcheck_leaves_no_traces_and_works_on_a_layers_own_parameters():
    from tinytorch import Tensor
    from tinytorch.autograd import gradcheck
    from tinytorch.nn import Linear

    layer, x = Linear(3, 2), Tensor(np.arange(6.0).reshape(2, 3))
    layer.weight.grad = Tensor(np.ones((2, 3)))
    before = layer.weight.numpy().copy()
    assert gradcheck(lambda weight, bias: layer(x), [layer.weight, layer.bias])
    np.testing.assert_array_equal(layer.weight.numpy(), before)
    assert layer.weight.grad.tolist() == [[1] * 3] * 2
    assert layer.bias.grad is None
