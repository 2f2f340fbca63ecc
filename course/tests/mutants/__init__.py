"""Wrong solutions, as students write them: for each exercise, pieces of it and what replaces them.

One file a module; each mutant is one line of the table. Wrong sign, missing transpose, wrong axis,
off by one, zeros, a changed input, a forgotten edge.
"""

import importlib
import pkgutil

MUTANTS: dict[str, list[tuple[str, str]]] = {
    exercise: wrong
    for module in pkgutil.iter_modules(__path__)
    for exercise, wrong in importlib.import_module(f"{__name__}.{module.name}").MUTANTS.items()
}
