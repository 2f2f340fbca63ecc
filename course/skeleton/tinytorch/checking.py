"""How the visible checks speak: what was tried, what came, what was expected, and the rule behind it.

This file is given. The checks help you while you work; your mark is computed elsewhere, from other numbers.
"""

import numpy as np

SMALL = 12  # arrays up to this size are shown whole; of larger ones only the first difference


class CheckError(AssertionError):
    """What a check has to say. A notebook shows it alone, without the way there through this file."""

    def _render_traceback_(self):  # IPython asks an error whether it wants to be shown in its own way
        return ["This check does not pass yet:", *str(self).splitlines()]


def expect(tried, got, wanted, rule, rtol=1e-5, atol=1e-6):
    """Compare numbers, arrays, tensors, tuples or texts; explain the first difference."""
    if isinstance(wanted, str | bool | tuple | list | dict | type(None)):
        same = type(got) is type(wanted) and got == wanted
        _require(same, tried, repr(got), repr(wanted), rule)
        return
    _require(got is not None, tried, "None (is a `return` missing?)", _show(_array(wanted)), rule)
    came, should = _array(got), _array(wanted)
    _require(came.shape == should.shape, tried, f"shape {came.shape}", f"shape {should.shape}", rule)
    is_tensor = not isinstance(got, np.ndarray) and hasattr(got, "numpy")
    if is_tensor and should.dtype.kind == "f":
        _require(came.dtype == np.float32, tried, f"dtype {came.dtype}", "dtype float32", rule)
    close = np.isclose(came, should, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return
    if came.size <= SMALL:
        _require(False, tried, _show(came), _show(should), rule)
    at = tuple(int(i) for i in np.argwhere(~close)[0])
    place = f" at index {at} ({(~close).sum()} of {close.size} elements differ)"
    _require(False, tried, _show(came[at]) + place, _show(should[at]), rule)


def expect_error(tried, error, function, rule):
    """Call a function that must raise `error`."""
    try:
        came = function()
    except error:
        return
    except NotImplementedError:
        raise
    except Exception as other:
        came = f"{type(other).__name__}: {other}"
    name = error.__name__
    _require(False, tried, f"{came}", f"{'an' if name[0] in 'AEIOU' else 'a'} {name}", rule)


def _require(truth, tried, came, should, rule):
    if not truth:
        raise CheckError(f"{tried}\n  came:     {came}\n  expected: {should}\n  rule:     {rule}")


def _array(value):
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def _show(array):
    return np.array2string(np.asarray(array), precision=6, separator=", ").replace("\n", "\n            ")
