"""tinytorch.nn: layers and losses, under PyTorch's names. This file is given."""

from importlib import import_module

from tinytorch import resolve

HOMES = {
    "layers": (
        "Dropout",
        "Flatten",
        "GELU",
        "Linear",
        "LogSoftmax",
        "Module",
        "Parameter",
        "ReLU",
        "Sequential",
        "Sigmoid",
        "Softmax",
        "Tanh",
    ),
    "losses": ("BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "MSELoss"),
    "spatial": ("AvgPool2d", "BatchNorm2d", "Conv2d", "MaxPool2d"),
}
PARTS = ("functional", "utils")
MODULE_OF = {name: module for module, names in HOMES.items() for name in names}


def __getattr__(name):
    if name in PARTS:
        return import_module(f"tinytorch.nn.{name}")
    value = resolve("tinytorch.nn", name, MODULE_OF)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *MODULE_OF, *PARTS})
