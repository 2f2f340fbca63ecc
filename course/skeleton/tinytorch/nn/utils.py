"""tinytorch.nn.utils: what is done to gradients. This file is given."""

from tinytorch import resolve

HOMES = {
    "training": ("clip_grad_norm_",),
}
MODULE_OF = {name: module for module, names in HOMES.items() for name in names}


def __getattr__(name):
    value = resolve("tinytorch.nn.utils", name, MODULE_OF)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *MODULE_OF})
