"""TinyTorch: the framework that you build. Public names, each looked up in the module that makes it.

This file is given. A name is resolved when it is first used, so that a package with half its modules
works as far as it goes. Autograd is the exception: once you have exported it, its tape listens from the
start.
"""

import warnings
from importlib import import_module
from importlib.util import find_spec

HOMES = {
    "autograd": ("no_grad",),
    "tensor": (
        "Tensor",
        "broadcast_shapes",
        "from_numpy",
        "get_rng_state",
        "manual_seed",
        "ones",
        "rand",
        "randn",
        "set_rng_state",
        "zeros",
    ),
}
PARTS = ("data", "fast", "nn", "optim")  # as in PyTorch, `import tinytorch` is enough for tinytorch.nn
MODULE_OF = {name: module for module, names in HOMES.items() for name in names}


def resolve(package, name, module_of):
    """Find a public name in the student's module that makes it.

    Raises:
        AttributeError: no module makes such a name.
        ImportError: the module that makes it is not there yet.
    """
    if name not in module_of:
        raise AttributeError(f"module '{package}' has no attribute '{name}'")
    module = module_of[name]
    try:
        home = import_module(f"tinytorch.{module}")
    except ModuleNotFoundError as error:
        if error.name != f"tinytorch.{module}":
            raise
        raise ImportError(
            f"{package}.{name} is made in the module '{module}', which is not in your package yet. "
            f"Solve it, then run: tito export {module}"
        ) from None
    return getattr(home, name)


def __getattr__(name):
    if name in PARTS:
        return import_module(f"tinytorch.{name}")
    value = resolve("tinytorch", name, MODULE_OF)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *MODULE_OF, *PARTS})


if find_spec("tinytorch.autograd"):
    try:
        import_module("tinytorch.autograd")  # plugs its tape in
    except Exception as error:  # the rest of the package must stay usable, to mend it with
        warnings.warn(f"Gradients are off: tinytorch.autograd cannot be imported ({error}).", stacklevel=2)
