"""Probes of the module optimizers."""

import numpy as np

from course.probing import probe, raises

SHAPES = ((5,), (3, 4), (2, 1, 3), (), (0,))


def _normal(rng, shape, scale=1.0):
    """Random float32 numbers of a shape, as an array even if there is only one."""
    return np.asarray(rng.normal(scale=scale, size=shape), dtype=np.float32)


def _positive(rng, shape):
    return np.asarray(rng.uniform(0.1, 2, size=shape), dtype=np.float32)


# Downhill


@probe("check-optimizers-descend")
def descends_in_place(rng):
    """One step on arrays of several shapes, also of no dimension and empty; the gradient stays."""
    from tinytorch.optimizers import descend

    seen = {}
    for number, shape in enumerate(SHAPES):
        p, g, lr = _normal(rng, shape), _normal(rng, shape), float(rng.uniform(0.01, 1))
        descend(p, g, lr)
        seen |= {f"p_{number}": p, f"g_{number}": g, f"is_float32_{number}": p.dtype == np.float32}
    return seen


@probe("check-optimizers-descend")
def descends_again_and_again(rng):
    """Twenty steps, on a part of a larger array; what is beside it stays."""
    from tinytorch.optimizers import descend

    numbers = _normal(rng, (4, 6))
    for _ in range(20):
        descend(numbers[1:3, ::2], _normal(rng, (2, 3)), float(rng.uniform(0, 0.5)))
    return numbers


# Momentum


@probe("check-optimizers-momentum")
def momentum_gathers(rng):
    """The buffer over several steps, with and without dampening and momentum; the gradients stay."""
    from tinytorch.optimizers import momentum_update

    seen = {}
    for number, shape in enumerate(SHAPES):
        buffer = _normal(rng, shape)
        for dampening in (0, float(rng.uniform(0.1, 0.9)), 1.0, 0.0):
            g = _normal(rng, shape)
            momentum_update(buffer, g, float(rng.uniform(0.3, 0.95)), dampening)
            seen[f"g_{number}_{len(seen)}"] = g
        seen[f"buffer_{number}"] = buffer.copy()
        momentum_update(buffer, g, 0.0)
        seen[f"without_{number}"] = buffer
    return seen


@probe("check-optimizers-momentum")
def momentum_points(rng):
    """The direction, plain and with Nesterov; buffer and gradient stay."""
    from tinytorch.optimizers import momentum_direction

    seen = {}
    for number, shape in enumerate(SHAPES):
        g, buffer, momentum = _normal(rng, shape), _normal(rng, shape), float(rng.uniform(0.2, 0.95))
        seen[f"plain_{number}"] = np.array(momentum_direction(g, buffer, momentum))
        seen[f"nesterov_{number}"] = np.array(momentum_direction(g, buffer, momentum, nesterov=True))
        seen[f"not_{number}"] = np.array(momentum_direction(g, buffer, momentum, nesterov=False))
        seen |= {f"g_{number}": g, f"buffer_{number}": buffer}
    return seen


# Weight decay


@probe("check-optimizers-decay")
def decays_in_the_gradient(rng):
    """The gradient with the pull, for several shapes; gradient and weights stay."""
    from tinytorch.optimizers import decayed_gradient

    seen = {}
    for number, shape in enumerate(SHAPES):
        g, p = _normal(rng, shape), _normal(rng, shape, 3)
        seen[f"pulled_{number}"] = np.array(decayed_gradient(g, p, float(rng.uniform(0.1, 2))))
        seen |= {f"g_{number}": g, f"p_{number}": p}
    return seen


@probe("check-optimizers-decay")
def no_decay_is_no_work(rng):
    """With a decay of 0 the very same array comes back; with another one a new one."""
    from tinytorch.optimizers import decayed_gradient

    g, p = _normal(rng, 4), _normal(rng, 4)
    pulled = decayed_gradient(g, p, 0.5)
    return {
        "same": [decayed_gradient(g, p, nothing) is g for nothing in (0, 0.0)],
        "new": not np.shares_memory(pulled, g) and not np.shares_memory(pulled, p),
    }


# Refusing


@probe("check-optimizers-arguments")
def allows_what_can_be(rng):
    """Settings at their edges and within them, for SGD, Adam and an optimizer of which nothing is known."""
    from tinytorch.optimizers import check_settings

    sgd = {
        "lr": float(rng.uniform(0, 1)),
        "momentum": 0.9,
        "dampening": 0,
        "weight_decay": 0.1,
        "nesterov": True,
    }
    allowed = [
        sgd,
        {**sgd, "lr": 0.0, "weight_decay": 0, "nesterov": False, "momentum": 0, "dampening": 0.5},
        {**sgd, "nesterov": False, "momentum": 1.5, "dampening": -1.0, "lr": 30},
        {"lr": 1e-3, "betas": (0.0, 0.999), "eps": 0.0, "weight_decay": 0},
        {"lr": 1e-3, "betas": tuple(rng.uniform(0, 0.9999, size=2)), "eps": 1e-8, "weight_decay": 1e-2},
        {},
    ]
    return [check_settings(settings) is None for settings in allowed]


@probe("check-optimizers-arguments")
def refuses_what_cannot_be(rng):
    """Each setting below its bounds, nan, a beta of 1, and Nesterov without momentum or with dampening."""
    from tinytorch.optimizers import check_settings

    sgd = {"lr": 0.1, "momentum": 0.9, "dampening": 0, "weight_decay": 0.1, "nesterov": False}
    adam = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}
    off = float(rng.uniform(1e-6, 2))
    wrong = [
        *({**sgd, name: value} for name in ("lr", "momentum", "weight_decay") for value in (-off, np.nan)),
        *({**adam, name: value} for name in ("lr", "eps", "weight_decay") for value in (-off, np.nan)),
        *({**adam, "betas": pair} for pair in ((1.0, 0.9), (0.9, 1.0), (1 + off, 0.9), (0.9, 1 + off))),
        *({**adam, "betas": pair} for pair in ((-off, 0.9), (0.9, -off), (np.nan, 0.9), (0.9, np.nan))),
        *({**sgd, "nesterov": True, **change} for change in ({"momentum": 0}, {"dampening": off})),
        {**sgd, "nesterov": True, "dampening": -off},
    ]
    return [raises(ValueError, lambda settings=settings: check_settings(settings)) for settings in wrong]


@probe("check-optimizers-arguments")
def optimizers_refuse(rng):
    """Bad settings given to SGD, Adam and AdamW, and to a group of parameters."""
    from tinytorch import Tensor
    from tinytorch.optim import SGD, Adam, AdamW

    p, off = Tensor([1.0]), float(rng.uniform(0.1, 1))
    groups = [{"params": [Tensor([1.0])]}, {"params": [p], "lr": -off}]
    return [
        raises(ValueError, lambda: SGD([p], lr=-off)),
        raises(ValueError, lambda: SGD([p], lr=off, nesterov=True)),
        raises(ValueError, lambda: Adam([p], eps=-off)),
        raises(ValueError, lambda: Adam([p], betas=(0.9, 1.0))),
        raises(ValueError, lambda: AdamW([p], weight_decay=-off)),
        raises(ValueError, lambda: SGD(groups, lr=off)),
        SGD([p], lr=off, momentum=0.5, nesterov=True).param_groups[0]["lr"] == off,
    ]


# Adam


@probe("check-optimizers-moments")
def moments_follow(rng):
    """Both running means, in place, over several steps and shapes; the gradients stay."""
    from tinytorch.optimizers import adam_moments

    seen = {}
    for number, shape in enumerate(SHAPES):
        m, v = _normal(rng, shape), _positive(rng, shape)
        for _ in range(3):
            g, betas = _normal(rng, shape, 3), (float(rng.uniform(0.5, 0.95)), float(rng.uniform(0.5, 0.99)))
            adam_moments(m, v, g, betas)
            seen[f"g_{len(seen)}"] = g
        seen |= {f"m_{number}": m, f"v_{number}": v}
    return seen


@probe("check-optimizers-moments")
def moments_without_memory(rng):
    """Betas of 0: the gradient itself, and its square."""
    from tinytorch.optimizers import adam_moments

    g, seen = _normal(rng, 6), {}
    for number, betas in enumerate(((0.0, 0.9), (0.9, 0.0), (0.0, 0.0))):
        m, v = _normal(rng, 6), _positive(rng, 6)
        adam_moments(m, v, g, betas)
        seen |= {f"m_{number}": m, f"v_{number}": v}
    return seen


@probe("check-optimizers-adam")
def corrects_the_bias(rng):
    """The correction for several betas and steps, beta 0 among them."""
    from tinytorch.optimizers import bias_correction

    betas = (0.0, 0.9, 0.999, float(rng.uniform(0.1, 0.99)))
    return [bias_correction(beta, step) for beta in betas for step in (1, 2, 3, 17, 1000)]


@probe("check-optimizers-adam")
def adam_steps(rng):
    """Adam's step in place, early and late, for several shapes; the moments stay."""
    from tinytorch.optimizers import adam_update

    seen = {}
    for number, shape in enumerate(SHAPES):
        for step in (1, 2, 100):
            p, m, v = _normal(rng, shape), _normal(rng, shape), _positive(rng, shape)
            lr, betas = (
                float(rng.uniform(0.01, 1)),
                (float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.3, 0.999))),
            )
            adam_update(p, m, v, step, lr, betas, 1e-8)
            seen |= {f"p_{number}_{step}": p, f"m_{number}_{step}": m, f"v_{number}_{step}": v}
    return seen


@probe("check-optimizers-adam")
def epsilon_is_outside_of_the_root(rng):
    """A large epsilon, which shows where it is added; and moments of 0, where it prevents 0 / 0."""
    from tinytorch.optimizers import adam_update

    p, m, v = _normal(rng, 6), _normal(rng, 6), _positive(rng, 6)
    adam_update(p, m, v, int(rng.integers(1, 5)), 0.5, (0.9, 0.99), float(rng.uniform(0.5, 2)))
    still = _normal(rng, 3)
    adam_update(still, np.zeros(3, np.float32), np.zeros(3, np.float32), 1, 0.1, (0.9, 0.999), 1e-8)
    return {"p": p, "still": still}


# AdamW


@probe("check-optimizers-adamw")
def decays_by_itself(rng):
    """Weights decayed in place, for several shapes; without decay, and with a learning rate of 0."""
    from tinytorch.optimizers import decoupled_decay

    seen = {}
    for number, shape in enumerate(SHAPES):
        p = _normal(rng, shape, 3)
        decoupled_decay(p, float(rng.uniform(0.1, 1)), float(rng.uniform(0.1, 1)))
        seen[f"p_{number}"] = p.copy()
        decoupled_decay(p, 0.5, 0)
        decoupled_decay(p, 0.0, 0.5)
        seen[f"same_{number}"] = p
    return seen


@probe("check-optimizers-adamw")
def decays_far(rng):
    """Fifty steps of decay with changing learning rates."""
    from tinytorch.optimizers import decoupled_decay

    p, weight_decay = _normal(rng, (3, 4), 10), float(rng.uniform(0.05, 0.5))
    for lr in rng.uniform(0.01, 0.1, size=50):
        decoupled_decay(p, float(lr), weight_decay)
    return p
