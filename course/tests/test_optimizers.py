"""What the given cells of optimizers promise: groups, state, gradients that cannot be right."""

from __future__ import annotations

import numpy as np
import pytest


def walk(tt, optimizer, parameters, steps, seed):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = tt.from_numpy(np.asarray(rng.normal(size=parameter.shape), dtype=np.float32))
        optimizer.step()


@pytest.mark.parametrize(
    ("name", "options"),
    [("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}), ("Adam", {}), ("AdamW", {"lr": 0.1})],
)
def test_saved_state_goes_on_bit_for_bit(tt, name, options):
    from tinytorch import optim
    from tinytorch.nn import Parameter

    first, second = ([Parameter(np.ones((4, 3))), Parameter(np.float32(2))] for _ in range(2))
    one, other = getattr(optim, name)(first, **options), getattr(optim, name)(second)
    walk(tt, one, first, 3, seed=0)
    for parameter, old in zip(second, first, strict=True):
        parameter.data[...] = old.data
    other.load_state_dict(one.state_dict())
    walk(tt, one, first, 1, seed=5)  # must not reach the copy
    for parameter, old in zip(first, second, strict=True):
        parameter.data[...] = old.data
    one.load_state_dict(other.state_dict())
    walk(tt, one, first, 4, seed=1)
    walk(tt, other, second, 4, seed=1)
    assert all((a.data == b.data).all() for a, b in zip(first, second, strict=True))


def test_state_of_other_parameters_is_refused(tt):
    from tinytorch.nn import Parameter
    from tinytorch.optim import SGD

    wide, narrow = [Parameter(np.ones(3))], [Parameter(np.ones(2))]
    one = SGD(wide, momentum=0.9)
    walk(tt, one, wide, 1, seed=0)
    other = SGD(narrow, momentum=0.9)
    with pytest.raises(ValueError, match="another shape"):
        other.load_state_dict(one.state_dict())
    assert other.state == {}
    with pytest.raises(ValueError, match="numbers of parameters"):
        SGD([*wide, *narrow]).load_state_dict(one.state_dict())


def test_parameter_that_lies_otherwise_in_memory_is_changed_in_place(tt, monkeypatch):
    from tinytorch import optimizers
    from tinytorch.nn import Parameter
    from tinytorch.optim import Adam

    monkeypatch.setattr(optimizers, "BLOCK", 4)
    rows, columns = Parameter(np.ones((5, 6))), Parameter(np.ones((5, 6)))
    columns.data = np.asfortranarray(columns.data)
    held = columns.data
    walk(tt, Adam([rows]), [rows], 3, seed=0)
    walk(tt, Adam([columns]), [columns], 3, seed=0)
    assert columns.data is held
    assert (rows.data == columns.data).all()


@pytest.mark.parametrize(
    ("grad", "error", "words"),
    [
        (np.ones(2, dtype=np.float32), TypeError, "from_numpy"),
        ("wrong shape", ValueError, r"parameter 1 has shape \(2,\), but its gradient \(1,\)"),
    ],
)
def test_gradient_that_cannot_be_is_refused_in_words(tt, grad, error, words):
    from tinytorch.nn import Parameter
    from tinytorch.optim import SGD

    first, second = Parameter([1.0]), Parameter([1.0, 2.0])
    second.grad = tt.Tensor([1.0]) if isinstance(grad, str) else grad
    with pytest.raises(error, match=f"(?i){words}"):
        SGD([first, second]).step()


def test_zero_grad_and_parameters_without_gradient(tt):
    from tinytorch.nn import Parameter
    from tinytorch.optim import Adam

    moved, still = Parameter([1.0]), Parameter([1.0])
    optimizer = Adam([moved, still])
    moved.grad = tt.Tensor([1.0])
    optimizer.step()
    assert (moved.item() < 1, still.item(), list(optimizer.state)) == (True, 1.0, [0])
    optimizer.zero_grad()
    assert moved.grad is None


@pytest.mark.parametrize(
    ("wrong", "error"),
    [("nothing", ValueError), ("tensor", TypeError), ("twice", ValueError), ("twice in groups", ValueError),
     ("array", TypeError)],
)  # fmt: skip
def test_parameters_that_cannot_be_are_refused(tt, wrong, error):
    from tinytorch.optim import SGD

    p = tt.Tensor([1.0])
    params = {
        "nothing": [], "tensor": p, "twice": [p, p], "array": [np.ones(1)],
        "twice in groups": [{"params": [p]}, {"params": p}],
    }  # fmt: skip
    with pytest.raises(error):
        SGD(params[wrong])
