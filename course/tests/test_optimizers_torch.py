"""The optimizers walk as PyTorch's do, over twenty steps, with every option; states move between the two."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

STEPS = 20
SHAPES = ((3, 4), (5,), (), (300, 250))  # the last one is updated in several blocks
OPTIONS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1, "dampening": 1.0}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.2}),
    ("Adam", {"lr": 0.05, "betas": (0.0, 0.0), "eps": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.2, "betas": (0.7, 0.9)}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0}),
]


def both(tt, name, options, seed=0):
    """The same parameters twice, each with an optimizer: (ours, its optimizer, theirs, its optimizer)."""
    rng = np.random.default_rng(seed)
    numbers = [np.asarray(rng.normal(size=shape), dtype=np.float32) for shape in SHAPES]
    ours = [tt.nn.Parameter(each) for each in numbers]
    theirs = [torch.nn.Parameter(torch.from_numpy(each.copy())) for each in numbers]
    return (
        ours,
        getattr(tt.optim, name)(ours, **options),
        theirs,
        getattr(torch.optim, name)(theirs, **options),
    )


def walk(tt, ours, our, theirs, their, steps=STEPS, seed=1):
    """Some steps of both along the same random gradients; now and then a parameter has none."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            g = np.asarray(rng.normal(size=mine.shape), dtype=np.float32)
            is_there = number != 1 or step % 3
            mine.grad = tt.from_numpy(g) if is_there else None
            other.grad = torch.from_numpy(g.copy()) if is_there else None
        our.step()
        their.step()


def assert_same(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.detach().numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_walks_as_pytorch(tt, name, options):
    import tinytorch.nn
    import tinytorch.optim  # noqa: F401

    pair = both(tt, name, options)
    held = [parameter.data for parameter in pair[0]]
    walk(tt, *pair)
    assert_same(pair[0], pair[2])
    assert all(parameter.data is array for parameter, array in zip(pair[0], held, strict=True)), (
        "not in place"
    )


def test_groups_have_settings_of_their_own(tt):
    from tinytorch.nn import Parameter
    from tinytorch.optim import SGD

    ours = [Parameter(np.ones(3)), Parameter(np.ones(2))]
    theirs = [torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2))]
    our, their = (
        kind([{"params": first}, {"params": [second], "lr": 0.01, "momentum": 0.5}], lr=0.2, momentum=0.9)
        for kind, (first, second) in ((SGD, ours), (torch.optim.SGD, theirs))
    )
    walk(tt, ours, our, theirs, their)
    assert_same(ours, theirs)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # a matter of PyTorch's
@pytest.mark.parametrize(("name", "options"), [OPTIONS[6], OPTIONS[9]])
def test_states_move_between_the_two(tt, name, options):
    ours, our, theirs, their = both(tt, name, options)
    walk(tt, ours, our, theirs, their, steps=5)
    other_ours, other_our, other_theirs, other_their = both(tt, name, {})
    other_our.load_state_dict(their.state_dict())
    state = our.state_dict()
    for group in state["param_groups"]:  # PyTorch wants its own switches too
        group.update({key: value for key, value in their.param_groups[0].items() if key not in group})
    state["state"] = {
        number: {
            key: torch.tensor(value) if key != "step" else torch.tensor(float(value))
            for key, value in each.items()
        }
        for number, each in state["state"].items()
    }
    other_their.load_state_dict(state)
    for mine, other, old in zip(other_ours, other_theirs, ours, strict=True):
        mine.data[...] = old.data
        other.data[...] = torch.from_numpy(np.asarray(old.data))
    walk(tt, ours, our, theirs, their, seed=2)
    walk(tt, other_ours, other_our, other_theirs, other_their, seed=2)
    assert_same(ours, theirs)
    assert_same(other_ours, other_theirs)
    assert_same(ours, other_theirs)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_defaults_are_pytorchs(tt, name):
    from tinytorch import optim
    from tinytorch.nn import Parameter

    ours = getattr(optim, name)([Parameter(np.zeros(1))]).param_groups[0]
    theirs = getattr(torch.optim, name)([torch.nn.Parameter(torch.zeros(1))]).param_groups[0]
    assert {key: theirs[key] for key in ours if key != "params"} == {
        k: v for k, v in ours.items() if k != "params"
    }
