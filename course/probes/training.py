"""Probes of the module training."""

import json

import numpy as np

from course.probing import probe


def _letters(names):
    """Texts as numbers, because only numbers can be compared."""
    return np.frombuffer("|".join(names).encode() or b" ", dtype=np.uint8)


def _line(rng, inputs=3, outputs=2):
    """A small module with known numbers; it needs no exercise of this module."""
    from tinytorch.nn import Linear, Parameter

    layer = Linear(inputs, outputs)
    layer.weight = Parameter(rng.normal(size=(outputs, inputs)))
    layer.bias = Parameter(rng.normal(size=outputs))
    return layer


def _batches(rng, sizes, inputs=3, outputs=2):
    """Batches of these sizes."""
    from tinytorch import Tensor

    return [
        (Tensor(rng.normal(size=(size, inputs))), Tensor(rng.normal(size=(size, outputs)))) for size in sizes
    ]


def _numbers(model):
    return np.concatenate([parameter.numpy().ravel() for parameter in model.parameters()])


# One step


@probe("check-training-step", rtol=1e-4, atol=1e-5)
def steps_learn(rng):
    """Four steps with momentum: losses and parameters; old gradients lie about at the beginning."""
    from tinytorch.nn import Sequential, Tanh
    from tinytorch.nn.functional import mse_loss
    from tinytorch.optim import SGD
    from tinytorch.training import train_step

    model = Sequential(_line(rng, 3, 4), Tanh(), _line(rng, 4, 2))
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    batches = _batches(rng, [5, 3, 4, 1])
    for parameter in model.parameters():
        parameter.grad = parameter.detach() * 10
    losses = [train_step(model, mse_loss, optimizer, x, y) for x, y in batches]
    return {
        "losses": np.array(losses),
        "are_floats": all(type(loss) is float for loss in losses),
        "numbers": _numbers(model),
        "inputs": np.concatenate([x.numpy().ravel() for x, _ in batches]),
    }


@probe("check-training-step", rtol=1e-4, atol=1e-5)
def gradients_can_be_changed_before_the_update(rng):
    """before_update is called once, sees gradients and old parameters; what it changes counts."""
    from tinytorch.nn.functional import mse_loss
    from tinytorch.optim import SGD
    from tinytorch.training import train_step

    model = _line(rng)
    optimizer = SGD(model.parameters(), lr=0.1)
    seen = []

    def halve():
        seen.append(np.concatenate([_numbers(model), model.weight.grad.numpy().ravel()]))
        model.weight.grad.data[...] *= 0.5

    for x, y in _batches(rng, [4, 6]):
        train_step(model, mse_loss, optimizer, x, y, halve)
    train_step(model, mse_loss, optimizer, *_batches(rng, [2])[0], before_update=None)
    return {"seen": np.stack(seen), "calls": len(seen), "numbers": _numbers(model)}


@probe("check-training-step", rtol=1e-4, atol=1e-5)
def steps_take_any_loss(rng):
    """Another loss function, with the output first and the target second, and a batch of one."""
    from tinytorch.optim import SGD
    from tinytorch.training import train_step

    model = _line(rng)
    optimizer = SGD(model.parameters(), lr=0.1)

    def lopsided(output, target):
        return ((output - target * 0.5) ** 2).sum() + output.sum()

    losses = [train_step(model, lopsided, optimizer, x, y) for x, y in _batches(rng, [1, 3])]
    return {"losses": np.array(losses), "numbers": _numbers(model)}


# One epoch


@probe("check-training-epoch")
def epoch_means_over_samples(rng):
    """Batches of different sizes, from an iterator: the mean loss of a sample."""
    from tinytorch.training import train_epoch

    found = []
    for _ in range(4):
        sizes = [int(n) for n in rng.integers(1, 9, size=int(rng.integers(1, 6)))]
        batches = _batches(rng, sizes)
        found.append(train_epoch(_line(rng), iter(batches), lambda x, y: float(abs(y.numpy()).mean())))
    return {"losses": np.array(found), "numbers": all(isinstance(loss, float) for loss in found)}


@probe("check-training-epoch")
def epoch_takes_each_step_once(rng):
    """Which batches step gets, how often, in which order, and in which mode the model is."""
    from tinytorch.nn import Dropout, Sequential
    from tinytorch.training import train_epoch

    model = Sequential(_line(rng), Sequential(Dropout(0.5)))
    model.eval()
    seen = []

    def step(x, y):
        modes = [float(module.training) for module in model.modules()]
        seen.append([x.numpy()[0, 0], y.numpy()[0, 0], len(x), *modes])
        return 1.0

    loss = train_epoch(model, _batches(rng, [3, 1, 2]), step)
    return {"seen": np.array(seen), "loss": loss}


# Looking without learning


@probe("check-training-evaluate", rtol=1e-4)
def evaluates_to_means_over_samples(rng):
    """Several measures on batches of different sizes: names, and means over the samples."""
    from tinytorch.nn.functional import mse_loss
    from tinytorch.training import evaluate

    model, found = _line(rng), {}
    for number in range(3):
        sizes = [int(n) for n in rng.integers(1, 7, size=number + 1)]
        batches = _batches(rng, sizes)
        measured = evaluate(
            model,
            iter(batches),
            loss=mse_loss,
            first=lambda output, target: float(output.numpy()[0, 0] - 2 * target.numpy()[0, 0]),
        )
        found[f"names_{number}"] = _letters(sorted(measured))
        found[f"values_{number}"] = np.array([float(measured[name]) for name in sorted(measured)])
    return found


@probe("check-training-evaluate")
def evaluates_without_learning(rng):
    """Modes and recording while the model is used, how often it is used, and what is left afterwards."""
    from tinytorch.nn import Dropout, Module, Sequential
    from tinytorch.nn.functional import mse_loss
    from tinytorch.training import evaluate

    seen = []

    class Watched(Module):
        def __init__(self):
            super().__init__()
            self.inner = Sequential(_line(rng), Dropout(0.5))

        def forward(self, x):
            output = self.inner(x)
            modes = [float(module.training) for module in self.modules()]
            seen.append([len(x), float(output.requires_grad), *modes])
            return output

    model = Watched()
    before = _numbers(model)
    batches = _batches(rng, [2, 3])
    after = {}
    for mode in (True, False):
        model.train(mode)
        measured = evaluate(model, batches, loss=mse_loss, again=mse_loss)
        after[f"modes_{mode}"] = np.array([module.training for module in model.modules()])
        after[f"same_{mode}"] = measured["loss"] == measured["again"]
    calls = np.array(seen)
    return {
        **after,
        "calls": calls,
        "unchanged": (_numbers(model) == before).all(),
        "no_gradient": all(parameter.grad is None for parameter in model.parameters()),
        "records_again": model.inner[0](batches[0][0]).requires_grad,
    }


# Early stopping


@probe("check-training-early-stopping")
def counts_patience(rng):
    """Random losses with patience and min_delta: best, waited and stopped after each; equal and nan too."""
    from tinytorch.training import EarlyStopping

    model, found = _line(rng), {}
    for number in range(6):
        patience, min_delta = int(rng.integers(1, 4)), (0.0, 0.3)[number % 2]
        values = rng.uniform(0, 3, size=10)
        values[3:5] = -float(rng.uniform(0.1, 0.2))  # the best so far, twice
        values[5] = values[4] - 0.15
        values[7] = float("nan")
        stopping, rows = EarlyStopping(patience=patience, min_delta=min_delta), []
        for value in values:
            stopping.step(value, model)
            rows.append([float(stopping.best), stopping.waited, float(stopping.stopped)])
        found[f"rows_{number}"] = np.array(rows)
    fresh = EarlyStopping(patience=1)
    return {**found, "fresh": [bool(fresh.stopped), fresh.waited]}


@probe("check-training-early-stopping")
def keeps_the_best_weights(rng):
    """What restore() loads: parameters and buffers of the best epoch, copied, in place, again and again."""
    from tinytorch import Tensor
    from tinytorch.training import EarlyStopping

    model = _line(rng)
    model.register_buffer("mean", Tensor(np.zeros(2)))
    held = model.weight.data
    stopping, found = EarlyStopping(patience=2), {}
    stopping.restore(model)
    found["before_any_step"] = _numbers(model)
    losses = np.array([4, 2, 3, 1, 5]) + rng.uniform(0, 0.9, size=5)
    for number, value in enumerate(losses):
        model.weight.data[...] += 1 + number
        model._buffers["mean"].data[...] = value
        stopping.step(float(value), model)
    for turn in range(2):
        stopping.restore(model)
        found[f"numbers_{turn}"] = _numbers(model)
        found[f"buffer_{turn}"] = model._buffers["mean"].numpy().copy()
        model.weight.data[...] = 7
        model._buffers["mean"].data[...] = 7
    stopping.step(float(losses.max() + 1), model)
    stopping.restore(model)
    found["after_a_worse_one"] = _numbers(model)
    model.weight.data[...] += 3
    stopping.step(0.5, model)
    model.bias.data[...] = -1
    stopping.restore(model)
    found["after_a_better_one"] = _numbers(model)
    names = sorted(stopping.state_dict()["weights"])
    return {**found, "in_place": held is model.weight.data, "names": _letters(names)}


# Schedules


@probe("check-training-cosine", rtol=1e-9, atol=1e-12)
def anneals_along_a_cosine(rng):
    """Random starts, ends and shares, up and down, from 0 to 3."""
    from tinytorch.training import anneal_cos

    starts, ends = rng.uniform(-1, 2, size=(2, 20))
    shares = np.concatenate([[0, 1, 0.5, 2], rng.uniform(0, 3, size=16)])
    triples = zip(starts.tolist(), ends.tolist(), shares.tolist(), strict=True)
    return np.array([anneal_cos(*triple) for triple in triples])


def _groups(rng, rates, **settings):
    """An SGD with one group for each rate."""
    from tinytorch.nn import Parameter
    from tinytorch.optim import SGD

    return SGD([{"params": [Parameter(rng.normal(size=2))], "lr": rate} for rate in rates], **settings)


@probe("check-training-cosine", rtol=1e-9, atol=1e-12)
def cosine_schedule_sets_each_group(rng):
    """CosineAnnealingLR of two groups with eta_min, there and back again."""
    from tinytorch.optim.lr_scheduler import CosineAnnealingLR

    optimizer = _groups(rng, rng.uniform(0.1, 1, size=2).tolist())
    steps = int(rng.integers(3, 9))
    schedule = CosineAnnealingLR(optimizer, T_max=steps, eta_min=float(rng.uniform(0, 0.05)))
    rates = []
    for _ in range(2 * steps + 2):
        rates.append([group["lr"] for group in optimizer.param_groups])
        schedule.step()
    return np.array(rates)


def _bent(start, end, share):
    """An annealing that is neither a line nor a cosine, and shows which way it goes."""
    return start + (end - start) * share * abs(share) + 0.1 * share


@probe("check-training-one-cycle", rtol=1e-9, atol=1e-9)
def cycles_up_and_down(rng):
    """Whole cycles of random lengths, with random starts, peaks and ends, and another annealing."""
    from tinytorch.training import one_cycle

    found = {}
    for number in range(8):
        total, pct_start = int(rng.integers(6, 30)), float(rng.uniform(0.35, 0.9))
        start, peak, end = rng.uniform(0, 5, size=3).tolist()
        steps = range(total + 1)  # a trainer takes one step more than it uses
        found[f"cycle_{number}"] = np.array(
            [one_cycle(step, total, pct_start, start, peak, end, _bent) for step in steps]
        )
    return found


@probe("check-training-one-cycle", rtol=1e-9, atol=1e-9)
def cycles_at_the_edges(rng):
    """A top on a whole step, at step 0, before it, and at the very end."""
    from tinytorch.training import one_cycle

    start, peak, end = rng.uniform(0, 5, size=3).tolist()
    cases = {"whole": (8, 0.5), "at_0": (4, 0.25), "before_0": (5, 0.1), "at_the_end": (6, 1.0)}
    return {
        name: np.array([one_cycle(step, total, share, start, peak, end, _bent) for step in range(total)])
        for name, (total, share) in cases.items()
    }


@probe("check-training-one-cycle", rtol=1e-9, atol=1e-9)
def one_cycle_schedule_sets_rate_and_momentum(rng):
    """OneCycleLR in straight lines: two groups of SGD with momentum, and Adam."""
    from tinytorch.nn import Parameter
    from tinytorch.optim import Adam
    from tinytorch.optim.lr_scheduler import OneCycleLR

    total = int(rng.integers(6, 15))
    settings = {"total_steps": total, "pct_start": 0.4, "anneal_strategy": "linear", "div_factor": 10.0}
    sgd = _groups(rng, [1.0, 1.0], momentum=0.9)
    adam = Adam([Parameter(rng.normal(size=2))], lr=1.0)
    schedules = (
        OneCycleLR(sgd, max_lr=rng.uniform(0.1, 1, size=2).tolist(), **settings),
        OneCycleLR(adam, max_lr=float(rng.uniform(0.1, 1)), **settings),
    )
    rows = []
    for _ in range(total):
        groups = [*sgd.param_groups, *adam.param_groups]
        momenta = [sgd.param_groups[0]["momentum"], *adam.param_groups[0]["betas"]]
        rows.append([*(group["lr"] for group in groups), *momenta])
        for schedule in schedules:
            schedule.step()
    return np.array(rows)


# Clipping


def _with_gradients(rng, scale):
    """Parameters of several shapes, with gradients of about this size; one has none."""
    from tinytorch import Tensor
    from tinytorch.nn import Parameter

    parameters = [Parameter(rng.normal(size=shape)) for shape in ((3, 4), (), (5,), (2, 1, 2))]
    for parameter in (parameters[0], parameters[1], parameters[3]):
        parameter.grad = Tensor(rng.normal(size=parameter.shape) * scale)
    return parameters


@probe("check-training-clip", rtol=1e-4, atol=1e-10)
def clips_all_gradients_together(rng):
    """Long, short and tiny gradients of several shapes, from an iterator; one parameter has none."""
    from tinytorch import Tensor
    from tinytorch.nn.utils import clip_grad_norm_

    found = {}
    cases = {"long": (10.0, 1.0), "short": (0.01, 1.0), "other": (3.0, 2.5), "tiny": (1e-7, 1e-8)}
    for name, (scale, max_norm) in cases.items():
        parameters = _with_gradients(rng, scale)
        before = [parameter.numpy().copy() for parameter in parameters]
        held = [None if parameter.grad is None else parameter.grad.data for parameter in parameters]
        norm = clip_grad_norm_(iter(parameters), max_norm)
        found[f"norm_{name}"] = norm.numpy()
        found[f"is_tensor_{name}"] = isinstance(norm, Tensor) and norm.dtype == np.float32
        found[f"gradients_{name}"] = np.concatenate([g.ravel() for g in held if g is not None])
        found[f"in_place_{name}"] = [
            parameter.grad is None if array is None else parameter.grad.data is array
            for parameter, array in zip(parameters, held, strict=True)
        ]
        found[f"parameters_{name}"] = all(
            (parameter.numpy() == array).all() for parameter, array in zip(parameters, before, strict=True)
        )
    return found


@probe("check-training-clip")
def clips_nothing(rng):
    """Parameters without gradients, no parameters at all, and gradients of 0: the norm is 0."""
    from tinytorch.nn import Parameter
    from tinytorch.nn.utils import clip_grad_norm_

    bare, zero = Parameter(rng.normal(size=3)), Parameter(rng.normal(size=2))
    zero.grad = zero.detach() * 0
    norms = [clip_grad_norm_(parameters, 1.0).numpy() for parameters in ([bare], [], [bare, zero])]
    return {"norms": np.stack(norms), "still_none": bare.grad is None, "zero": zero.grad.numpy()}


# Checkpoints


def _trainer(rng, seed):
    """A trainer with everything that has a state; of this module it needs only what is given."""
    from tinytorch import manual_seed
    from tinytorch.nn import Dropout, Sequential
    from tinytorch.nn.functional import mse_loss
    from tinytorch.optim import Adam
    from tinytorch.training import EarlyStopping, LRScheduler, Trainer

    class Fading(LRScheduler):
        def lr(self, base):
            return base * 0.9**self.last_epoch

    manual_seed(seed)
    model = Sequential(_line(rng, 3, 4), Dropout(0.4), _line(rng, 4, 2))
    optimizer = Adam(model.parameters(), lr=0.05)
    return Trainer(model, optimizer, mse_loss, Fading(optimizer), early_stopping=EarlyStopping(patience=4))


def _go_on(trainer, steps=5):
    """Some steps and an end of epoch, by hand; returns all that came of it, exactly."""
    from tinytorch import rand

    for _ in range(steps):
        trainer.optimizer.zero_grad()
        trainer.loss_fn(trainer.model(rand(4, 3)), rand(4, 2)).backward()
        trainer.optimizer.step()
        if trainer.scheduler is not None:
            trainer.scheduler.step()
    trainer.epoch += 1
    trainer.history.setdefault("loss", []).append(0.5 / trainer.epoch)
    stopping = trainer.early_stopping
    if stopping is not None:
        stopping.best, stopping.waited = 0.5 / trainer.epoch, stopping.waited + 1
        stopping.weights = {name: t.numpy().copy() for name, t in trainer.model.state_dict().items()}
    return _all_of(trainer)


def _all_of(trainer):
    """Everything of a trainer as numbers."""
    stopping = trainer.early_stopping
    counts = [float(trainer.epoch), *trainer.history.get("loss", []), trainer.optimizer.param_groups[0]["lr"]]
    if stopping is not None:
        counts += [stopping.best, stopping.waited]
    weights = {} if stopping is None else stopping.weights or {}
    return np.concatenate(
        [_numbers(trainer.model), counts, *(np.asarray(weights[name]).ravel() for name in sorted(weights))]
    )


@probe("check-training-checkpoint", rtol=1e-4, atol=1e-5)
def goes_on_to_the_last_bit(rng):
    """Straight on, against resumed in a trainer that began and went elsewhere: every number is the same."""
    from tinytorch import rand
    from tinytorch.training import resume, snapshot

    straight = _trainer(rng, int(rng.integers(1000)))
    _go_on(straight)
    _go_on(straight)
    state = snapshot(straight)
    there = _all_of(straight)
    wanted = [_go_on(straight), _go_on(straight), rand(4).numpy()]
    other = _trainer(rng, 1000)
    _go_on(other, steps=2)
    resume(other, state)
    back = _all_of(other)
    found = [_go_on(other), _go_on(other), rand(4).numpy()]
    return {
        "resumed": np.array_equal(back, there),
        "same": [np.array_equal(one, two) for one, two in zip(found, wanted, strict=True)],
        "numbers": found[0],
    }


@probe("check-training-checkpoint", rtol=1e-4, atol=1e-5)
def snapshot_stays_as_it_is(rng):
    """Resumed twice from one snapshot, while training goes on between: the same twice."""
    from tinytorch.training import resume, snapshot

    trainer = _trainer(rng, int(rng.integers(1000)))
    _go_on(trainer)
    state = snapshot(trainer)
    wanted = _go_on(trainer)
    runs = []
    for _ in range(3):
        resume(trainer, state)
        runs.append(_go_on(trainer))
        _go_on(trainer)
    return {"same": [np.array_equal(run, wanted) for run in runs], "numbers": wanted}


@probe("check-training-checkpoint", rtol=1e-4, atol=1e-5)
def snapshot_can_be_written_down(rng):
    """A snapshot as text and arrays and back; without schedule and early stopping too."""
    from tinytorch.training import Trainer, pack, resume, snapshot, unpack

    found = {}
    full = _trainer(rng, int(rng.integers(1000)))
    bare = Trainer(full.model, full.optimizer, full.loss_fn)
    for name, trainer in (("full", full), ("bare", bare)):
        _go_on(trainer)
        arrays = {}
        text = json.dumps(pack(snapshot(trainer), "state", arrays))
        wanted = _go_on(trainer)
        resume(trainer, unpack(json.loads(text), arrays))
        found[name] = np.array_equal(_go_on(trainer), wanted)
        found[f"numbers_{name}"] = wanted
    return found
