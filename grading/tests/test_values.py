"""Where numbers differ, in words."""

import numpy as np
import pytest

from grading.compare.values import difference


def compare(expected, came):
    return difference({"value": np.asarray(expected)}, {"value": np.asarray(came)}, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("expected", "came"),
    [
        ([1.0, 2.0], [1.0, 2.000001]),
        (np.float32([1, 2]), np.float64([1, 2])),
        ([1.0, 2.0], [1, 2]),
        ([np.nan, np.inf], [np.nan, np.inf]),
        (3, np.uint8(3)),
        (True, True),
        (np.zeros((0, 3)), np.zeros((0, 3))),
    ],
)
def test_right_answers_agree(expected, came):
    assert compare(expected, came) is None


@pytest.mark.parametrize(
    ("expected", "came", "reason"),
    [
        ([1.0, 2.0], [1.0, 3.0], "the result at [1] is 3; 2 was expected (1 of 2 values differ)"),
        (0.5, np.nan, "the result is nan (not a number); 0.5 was expected"),
        (1.0, np.inf, "the result is inf; 1 was expected"),
        ([1.0, 2.0], [[1.0, 2.0]], "the result has shape (1, 2); (2,) was expected"),
        ([1.0], 1.0, "the result has shape () (a single number); (1,) was expected"),
        (1, 1.0, "the result is of type float64; int64 was expected"),
        (1.0, True, "the result is of type bool; float64 was expected"),
        (True, 1, "the result is of type int64; bool was expected"),
        (True, False, "the result is False; True was expected"),
        (np.float32(1), np.float64(1e300), "the result is 1e+300; 1 was expected"),
        (np.int64(-1), np.uint64(2**64 - 1), "the result is 18446744073709551615; -1 was expected"),
    ],
)
def test_wrong_answers_are_told_apart(expected, came, reason):
    assert compare(expected, came) == reason


def test_missing_part_is_named():
    assert difference({"mean": np.ones(1)}, {"value": np.ones(1)}, 0, 0) == "there is no 'mean'"
