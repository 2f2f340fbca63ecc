"""tinytorch.optim.lr_scheduler: learning rates that change. This file is given."""

from tinytorch import resolve

HOMES = {
    "training": ("CosineAnnealingLR", "OneCycleLR"),
}
MODULE_OF = {name: module for module, names in HOMES.items() for name in names}


def __getattr__(name):
    value = resolve("tinytorch.optim.lr_scheduler", name, MODULE_OF)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *MODULE_OF})
