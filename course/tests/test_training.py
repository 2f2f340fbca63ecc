"""What training's given cells promise: it fits, stops and clips, and its checkpoints lose nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest


def batches(rng, sizes):
    from tinytorch import Tensor

    return [(Tensor(rng.normal(size=(n, 3))), Tensor(rng.normal(size=(n, 1)))) for n in sizes]


def trainer(**settings):
    from tinytorch import manual_seed
    from tinytorch.nn import Linear, Sequential, Tanh
    from tinytorch.nn.functional import mse_loss
    from tinytorch.optim import SGD
    from tinytorch.training import Trainer

    manual_seed(0)
    model = Sequential(Linear(3, 8), Tanh(), Linear(8, 1))
    optimizer = SGD(model.parameters(), lr=settings.pop("lr", 0.1), momentum=0.9)
    make = settings.pop("schedule", None)
    return Trainer(model, optimizer, mse_loss, make and make(optimizer), **settings)


# Trainer


def test_fit_counts_epochs_done_before(tt, capsys):
    one, loader = trainer(), batches(np.random.default_rng(0), [4, 4, 1])
    one.fit(loader, loader[:1], epochs=2)
    history = one.fit(loader, loader[:1], epochs=5)
    assert one.epoch == 5
    assert {name: len(values) for name, values in history.items()} == {"loss": 5, "val_loss": 5}
    assert history["loss"][-1] < history["loss"][0]
    assert "epoch 5/5: loss" in capsys.readouterr().out
    one.fit(loader, epochs=5, progress=False)
    assert one.epoch == 5


def test_the_schedule_steps_with_batches_or_with_epochs(tt):
    from tinytorch.optim.lr_scheduler import CosineAnnealingLR

    loader = batches(np.random.default_rng(0), [2, 2, 2])
    for interval, steps in (("step", 6), ("epoch", 2)):
        one = trainer(schedule=lambda o: CosineAnnealingLR(o, T_max=100), scheduler_interval=interval)
        one.fit(loader, epochs=2, progress=False)
        assert one.scheduler.last_epoch == steps


def test_early_stopping_ends_and_leaves_the_best_weights(tt):
    from tinytorch.training import EarlyStopping

    rng = np.random.default_rng(0)
    one = trainer(
        lr=0.02, early_stopping=EarlyStopping(patience=3), metrics={"largest": lambda o, y: o.max()}
    )
    train, val = batches(rng, [6]), batches(rng, [20])
    history = one.fit(train, val, epochs=400, progress=False)
    assert one.epoch < 400
    assert one.epoch == int(np.argmin(history["val_loss"])) + 1 + 3
    assert one.evaluate(val)["loss"] == min(history["val_loss"])
    assert len(history["val_largest"]) == one.epoch
    one.fit(train, val, epochs=400, progress=False)
    assert len(history["loss"]) == one.epoch, "a training that has stopped does not go on"


def test_gradients_are_clipped_before_the_optimizer_uses_them(tt):
    one, before = trainer(lr=1.0, max_grad_norm=0.01), None
    one.optimizer.param_groups[0]["momentum"] = 0
    before = np.concatenate([parameter.numpy().ravel() for parameter in one.model.parameters()])
    x, y = batches(np.random.default_rng(0), [5])[0]
    one.step(x * 100, y * 100)
    after = np.concatenate([parameter.numpy().ravel() for parameter in one.model.parameters()])
    assert np.linalg.norm(after - before) == pytest.approx(0.01, rel=1e-3)


def test_what_cannot_work_is_refused_in_words(tt):
    from tinytorch.optim import SGD
    from tinytorch.optim.lr_scheduler import OneCycleLR
    from tinytorch.training import EarlyStopping

    loader = batches(np.random.default_rng(0), [2])
    with pytest.raises(TypeError, match="only once"):
        trainer().fit(iter(loader))
    with pytest.raises(ValueError, match="val_loader"):
        trainer(early_stopping=EarlyStopping()).fit(loader)
    with pytest.raises(ValueError, match="'step' or 'epoch'"):
        trainer(scheduler_interval="batch")
    optimizer = SGD([tt.Tensor([1.0], requires_grad=True)], lr=0.1)
    with pytest.raises(ValueError, match="total_steps, or epochs"):
        OneCycleLR(optimizer, 0.1)
    with pytest.raises(ValueError, match="'cos' or 'linear'"):
        OneCycleLR(optimizer, 0.1, 5, anneal_strategy="cosine")
    schedule = OneCycleLR(optimizer, 0.1, epochs=2, steps_per_epoch=2)
    for _ in range(4):
        schedule.step()
    with pytest.raises(ValueError, match="4 steps"):
        schedule.step()
    del optimizer.param_groups[0]["momentum"]
    with pytest.raises(ValueError, match="cycle_momentum=False"):
        OneCycleLR(optimizer, 0.1, 5)
    OneCycleLR(optimizer, 0.1, 5, cycle_momentum=False)


def test_a_loader_that_counts_its_epochs_is_told_the_number(tt):
    class Counting(list):
        epoch = 77

        def __iter__(self):
            seen.append(self.epoch)
            self.epoch += 1
            return super().__iter__()

    seen, one = [], trainer()
    loader = Counting(batches(np.random.default_rng(0), [2]))
    one.epoch = 3
    one.fit(loader, epochs=5, progress=False)
    assert seen[-2:] == [3, 4]


def test_a_data_loader_shuffles_on_where_it_was(tt, tmp_path):
    from tinytorch.data import DataLoader, TensorDataset
    from tinytorch.training import load, resume

    rng = np.random.default_rng(0)
    data = TensorDataset(tt.Tensor(rng.normal(size=(20, 3))), tt.Tensor(rng.normal(size=(20, 1))))

    def loader():
        return DataLoader(data, batch_size=6, shuffle=True, seed=7)

    straight, stopped, resumed = trainer(), trainer(), trainer()
    wanted = straight.fit(loader(), epochs=6, progress=False)
    stopped.fit(loader(), epochs=3, checkpoint=tmp_path / "last.npz", progress=False)
    resume(resumed, load(tmp_path / "last.npz"))
    assert resumed.fit(loader(), epochs=6, progress=False) == wanted


# Random numbers


def test_random_numbers_go_on_where_they_were(tt):
    tt.manual_seed(5)
    tt.randn(3)
    state = tt.get_rng_state()
    wanted = tt.rand(4).tolist(), tt.randn(3).tolist()
    tt.manual_seed(9)
    tt.set_rng_state(state)
    assert (tt.rand(4).tolist(), tt.randn(3).tolist()) == wanted
    tt.set_rng_state(state.numpy())
    assert tt.rand(4).tolist() == wanted[0]


# Files


def test_a_nest_comes_back_as_it_was(tt, tmp_path):
    from tinytorch.training import load, save

    nest = {
        "text": "a/b",
        "numbers": [1, 0.1, float("inf"), True, None, np.float32(0.1), np.int64(3)],
        "pair": (0.9, (0.999,)),
        0: np.arange(6, dtype=np.int64).reshape(2, 3),
        "0": np.array(2.5, dtype=np.float32),
        "empty": [{}, [], (), np.zeros((0, 2), dtype=np.float32)],
        "file": tt.Tensor([[1.0, 2.0]]),
        "labels": tt.Tensor([1, 2], dtype=np.int64),
    }
    save(nest, tmp_path / "nest.npz")
    back = load(tmp_path / "nest.npz")
    assert list(back) == list(nest)
    assert repr(back) == repr(nest)
    assert [type(part) for part in back["numbers"]] == [type(part) for part in nest["numbers"]]
    for key in (0, "0", "file", "labels"):
        assert np.asarray(back[key]).dtype == np.asarray(nest[key]).dtype
    assert back["empty"][3].shape == (0, 2)


def test_what_a_file_cannot_hold_is_named(tt, tmp_path):
    from tinytorch.training import save

    with pytest.raises(TypeError, match="state/model/0 is a function"):
        save({"model": [print_nothing]}, tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


def print_nothing():
    pass


def test_a_save_that_fails_leaves_the_last_checkpoint(tt, tmp_path, monkeypatch):
    from tinytorch.training import load, save

    path = tmp_path / "last.npz"
    save({"epoch": 1}, path)
    written = np.savez

    def half(file, **arrays):
        written(file, **arrays)
        file.truncate(100)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(OSError, match="No space"):
        save({"epoch": 2}, path)
    assert load(path) == {"epoch": 1}
    monkeypatch.undo()
    save({"epoch": 3}, path)
    assert load(path) == {"epoch": 3}
    assert [each.name for each in tmp_path.iterdir()] == ["last.npz"]


def test_loading_runs_no_code(tt, tmp_path):
    from tinytorch.training import load

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.savez(tmp_path / "trap.npz", structure=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load(tmp_path / "trap.npz")
    assert not (tmp_path / "sprung").exists()


# To the last bit

TRAINING = """
import os, signal, sys

import numpy as np

from tinytorch import Tensor, manual_seed, rand
from tinytorch.nn import CrossEntropyLoss, Dropout, Linear, ReLU, Sequential
from tinytorch.optim import SGD, Adam
from tinytorch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR
from tinytorch.training import EarlyStopping, Trainer, accuracy, load, resume

what, kind, end = sys.argv[1:4]
images = np.random.default_rng(0).normal(size=(90, 12)).astype(np.float32)
labels = np.random.default_rng(1).integers(0, 4, size=90)


class Shuffled:
    given, limit = 0, 3 * 6 + 4 if what == "killed" else None  # six batches an epoch; killed in the fourth

    def __len__(self):
        return 6

    def __iter__(self):
        order = np.argsort(rand(60).numpy())
        for at in range(0, 60, 10):
            if self.given == self.limit:
                os.kill(os.getpid(), signal.SIGKILL)
            self.given += 1
            chosen = order[at : at + 10]
            yield Tensor(images[chosen]), Tensor(labels[chosen], dtype=np.int64)


manual_seed(99 if what == "resumed" else 0)
model = Sequential(Linear(12, 32), ReLU(), Dropout(0.3), Linear(32, 4))
if kind == "adam":
    optimizer = Adam(model.parameters(), lr=0.01)
    schedule = CosineAnnealingLR(optimizer, T_max=6)
else:
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    schedule = OneCycleLR(optimizer, max_lr=0.2, total_steps=36)
trainer = Trainer(
    model,
    optimizer,
    CrossEntropyLoss(),
    schedule,
    scheduler_interval="epoch" if kind == "adam" else "step",
    max_grad_norm=0.5,
    early_stopping=EarlyStopping(patience=5),
    metrics={"accuracy": accuracy},
)
if what == "resumed":
    resume(trainer, load("last.npz"))
    assert trainer.epoch == 3, trainer.epoch
validation = [(Tensor(images[60:]), Tensor(labels[60:], dtype=np.int64))]
trainer.early_stopping.restore = lambda model: None  # the last weights are what is compared
trainer.fit(Shuffled(), validation, epochs=6, checkpoint="last.npz", progress=False)
stopping = trainer.early_stopping
np.savez(
    f"{end}.npz",
    *(parameter.numpy() for parameter in model.parameters()),
    *(stopping.weights[name] for name in sorted(stopping.weights)),
    *(part for parts in optimizer.state.values() for part in parts.values() if part is not None),
    counts=[trainer.epoch, stopping.best, stopping.waited, *schedule.get_last_lr(), schedule.last_epoch],
    random=rand(5).numpy(),
    **{name: np.array(values) for name, values in trainer.history.items()},
)
"""


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_killed_and_resumed_equals_straight_on_to_the_last_bit(folder, tmp_path, kind):
    environment = {**os.environ, "PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"}

    def run(what):
        command = [sys.executable, "-c", TRAINING, what, kind, what]
        return subprocess.run(command, cwd=tmp_path, env=environment, timeout=120, check=False).returncode

    assert run("straight") == 0
    (tmp_path / "last.npz").unlink()
    assert run("killed") == -signal.SIGKILL
    assert not (tmp_path / "killed.npz").exists()
    assert run("resumed") == 0
    with np.load(tmp_path / "straight.npz") as straight, np.load(tmp_path / "resumed.npz") as resumed:
        assert len(straight.files) == len(resumed.files) >= 4 + 4 + 4 + 5
        assert straight["loss"].shape == (6,)
        for name in straight.files:
            assert straight[name].dtype == resumed[name].dtype
            assert straight[name].tobytes() == resumed[name].tobytes(), name
