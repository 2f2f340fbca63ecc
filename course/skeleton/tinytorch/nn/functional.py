"""tinytorch.nn.functional: the same computations as plain functions. This file is given."""

from tinytorch import resolve

HOMES = {
    "activations": ("gelu", "log_softmax", "relu", "sigmoid", "softmax", "tanh"),
    "layers": ("dropout", "linear"),
    "losses": ("binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "mse_loss"),
    "spatial": ("avg_pool2d", "batch_norm", "conv2d", "max_pool2d"),
}
MODULE_OF = {name: module for module, names in HOMES.items() for name in names}


def __getattr__(name):
    value = resolve("tinytorch.nn.functional", name, MODULE_OF)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *MODULE_OF})
