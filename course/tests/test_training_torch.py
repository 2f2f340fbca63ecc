"""Schedules and clipping against PyTorch, where it is installed: random settings, step by step."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
schedulers = torch.optim.lr_scheduler

few = settings(max_examples=40, deadline=None)
rates = st.floats(1e-4, 10)


@pytest.fixture(autouse=True)
def unwarned():
    with warnings.catch_warnings():  # PyTorch misses the optimizer's step between the schedule's
        warnings.simplefilter("ignore")
        yield


def optimizers(kind, lr, groups=1):
    """One of ours and one of theirs, of the same settings."""
    from tinytorch import Tensor, optim

    name = "Adam" if kind == "adam" else "SGD"
    given = {"lr": lr, "momentum": 0.9} if kind == "sgd" else {"lr": lr}
    ours = [{"params": [Tensor([1.0], requires_grad=True)]} for _ in range(groups)]
    theirs = [{"params": [torch.ones(1, requires_grad=True)]} for _ in range(groups)]
    return getattr(optim, name)(ours, **given), getattr(torch.optim, name)(theirs, **given)


def rows(optimizer, schedule, steps):
    found = []
    for _ in range(steps):
        assert schedule.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
        found += [[g["lr"], *g.get("betas", [g.get("momentum")])] for g in optimizer.param_groups]
        schedule.step()
    return found


@few
@given(rates, st.integers(1, 30), st.floats(0, 0.1), st.sampled_from(["sgd", "adam"]))
def test_cosine(tt, lr, steps, eta_min, kind):
    from tinytorch.optim import lr_scheduler

    ours, theirs = optimizers(kind, lr)
    mine = rows(ours, lr_scheduler.CosineAnnealingLR(ours, steps, eta_min), 3 * steps)
    should = rows(theirs, schedulers.CosineAnnealingLR(theirs, steps, eta_min), 3 * steps)
    np.testing.assert_allclose(mine, should, rtol=1e-6, atol=1e-9)  # theirs goes on from the rate before


@few
@given(
    st.lists(rates, min_size=1, max_size=3),
    st.integers(4, 40),
    st.floats(0.3, 0.95),  # at 1.0 the last step divides by zero, in PyTorch too
    st.sampled_from(["cos", "linear"]),
    st.sampled_from(["sgd", "plain", "adam"]),
    st.booleans(),
    st.floats(2, 50),
    st.floats(2, 1e5),
)
def test_one_cycle(tt, peaks, total, pct_start, strategy, kind, cycle, div, final_div):
    from tinytorch.optim import lr_scheduler

    arguments = {
        "total_steps": total,
        "pct_start": pct_start,
        "anneal_strategy": strategy,
        "cycle_momentum": cycle,
        "div_factor": div,
        "final_div_factor": final_div,
    }
    ours, theirs = optimizers(kind, 0.1, len(peaks))
    mine = rows(ours, lr_scheduler.OneCycleLR(ours, peaks, **arguments), total)
    should = rows(theirs, schedulers.OneCycleLR(theirs, peaks, **arguments), total)
    np.testing.assert_allclose(mine, should, rtol=1e-9, atol=1e-12)


def test_one_cycle_by_default(tt):
    from tinytorch.optim import lr_scheduler

    ours, theirs = optimizers("sgd", 0.1)
    mine = rows(ours, lr_scheduler.OneCycleLR(ours, 0.3, epochs=5, steps_per_epoch=7), 35)
    should = rows(theirs, schedulers.OneCycleLR(theirs, 0.3, epochs=5, steps_per_epoch=7), 35)
    np.testing.assert_allclose(mine, should, rtol=1e-9, atol=1e-12)


@few
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), max_size=5),
    st.floats(1e-6, 1e4),
    st.floats(1e-3, 1e3),
)
def test_clip_grad_norm(tt, seed, shapes, scale, max_norm):
    from tinytorch import Tensor
    from tinytorch.nn import Parameter, utils

    rng = np.random.default_rng(seed)
    gradients = [(rng.normal(size=shape) * scale).astype(np.float32) for shape in shapes]
    ours = [Parameter(np.zeros((2,))), *(Parameter(np.zeros(shape)) for shape in shapes)]
    theirs = [torch.zeros(2, requires_grad=True), *(torch.zeros(s, requires_grad=True) for s in shapes)]
    for mine, other, gradient in zip(ours[1:], theirs[1:], gradients, strict=True):
        mine.grad, other.grad = Tensor(gradient), torch.tensor(gradient)
    norm = utils.clip_grad_norm_(iter(ours), max_norm)
    should = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    assert norm.shape == tuple(should.shape)
    np.testing.assert_allclose(norm.numpy(), should.numpy(), rtol=1e-5)
    for mine, other in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-4, atol=1e-12)
