"""What a student reads when a visible check fails: in a notebook, and in `tito test`."""

from __future__ import annotations

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

HEAD = "This check does not pass yet:"


@pytest.fixture
def checking(tt):
    return pytest.importorskip("tinytorch.checking")


@pytest.fixture
def shown(checking, capsys):
    """Run a cell as a notebook does; what stands under it."""
    shell = InteractiveShell()
    shell.run_line_magic("colors", "nocolor")
    shell.run_cell("from tinytorch.checking import expect, expect_error\nimport numpy as np")

    def run(cell: str) -> list[str]:
        capsys.readouterr()
        shell.run_cell(cell)
        return capsys.readouterr().out.splitlines()

    yield run
    shell.history_manager.end_session()


def test_a_failed_expectation_is_four_lines_and_no_traceback(shown):
    assert shown("expect('1 + 1', 3, np.int64(2), 'One and one are two.')") == [
        HEAD,
        "1 + 1",
        "  came:     3",
        "  expected: 2",
        "  rule:     One and one are two.",
    ]


@pytest.mark.parametrize(
    ("function", "error", "came", "expected"),
    [
        ("lambda: 7", "IndexError", "7", "an IndexError"),
        ("lambda: 7", "ValueError", "7", "a ValueError"),
        ("lambda: {}['x']", "IndexError", "KeyError: 'x'", "an IndexError"),
    ],
)  # fmt: skip
def test_a_missing_error_is_four_lines_and_no_traceback(shown, function, error, came, expected):
    assert shown(f"expect_error('dataset[3]', {error}, {function}, 'There are only 3.')") == [
        HEAD,
        "dataset[3]",
        f"  came:     {came}",
        f"  expected: {expected}",
        "  rule:     There are only 3.",
    ]


def test_a_check_that_passes_says_nothing(shown):
    assert shown("expect('x', 2.0, 2.0, 'r'); expect_error('x', KeyError, lambda: {}[0], 'r')") == []


def test_an_error_of_the_students_own_code_keeps_its_traceback(shown):
    lines = shown("def slip():\n    return 1 / 0\nexpect('slip()', slip(), 1.0, 'r')")
    assert any("return 1 / 0" in line for line in lines)
    assert lines[-1].startswith("ZeroDivisionError")


def test_an_open_exercise_is_not_taken_for_a_wrong_error(checking):
    def still_open():
        raise NotImplementedError("layers-linear is still to be done")

    with pytest.raises(NotImplementedError, match="still to be done"):
        checking.expect_error("x", ValueError, still_open, "r")


@pytest.mark.parametrize(
    ("got", "wanted", "came", "expected"),
    [
        (None, np.zeros(2), "None (is a `return` missing?)", "[0., 0.]"),
        (np.zeros(3), np.zeros(2), "shape (3,)", "shape (2,)"),
        (np.float64(1), np.float64(2), "1.", "2."),
        ((1, 2), [1, 2], "(1, 2)", "[1, 2]"),
        (1, True, "1", "True"),
        ([1], None, "[1]", "None"),
        (np.arange(20), np.arange(20).clip(3), "0 at index (0,) (3 of 20 elements differ)", "3"),
    ],
)  # fmt: skip
def test_the_first_difference_is_named(checking, got, wanted, came, expected):
    with pytest.raises(checking.CheckError) as failure:
        checking.expect("it", got, wanted, "so")
    assert str(failure.value) == f"it\n  came:     {came}\n  expected: {expected}\n  rule:     so"


def test_a_tensor_must_be_float32(checking, tt):
    with pytest.raises(checking.CheckError, match="came:     dtype int64\n  expected: dtype float32"):
        checking.expect("x", tt.Tensor([1, 2], dtype=np.int64), np.array([1.0, 2.0]), "r")
