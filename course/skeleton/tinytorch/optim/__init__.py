"""tinytorch.optim: optimizers. This file is given."""

from importlib import import_module

from tinytorch import resolve

HOMES = {
    "optimizers": ("Adam", "AdamW", "Optimizer", "SGD"),
}
MODULE_OF = {name: module for module, names in HOMES.items() for name in names}


def __getattr__(name):
    if name == "lr_scheduler":
        return import_module("tinytorch.optim.lr_scheduler")
    value = resolve("tinytorch.optim", name, MODULE_OF)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *MODULE_OF, "lr_scheduler"})
