"""What a probe may return, and that it sees the same numbers inside and outside the sandbox."""

from __future__ import annotations

import numpy as np
import pytest

from course.probing import OutputError, ProbeError, collect, generator, normalise, probe


def test_same_seed_and_probe_give_the_same_numbers_and_others_do_not():
    draw = [generator(*key).normal(size=4).tolist() for key in ((7, "a"), (7, "a"), (8, "a"), (7, "b"))]
    assert draw[0] == draw[1]
    assert draw[0] != draw[2]
    assert draw[0] != draw[3]


def test_collects_probes_in_the_order_in_which_they_are_written():
    @probe("check-b", rtol=0.1)
    def second(rng):
        """Two."""

    @probe("check-a")
    def first(rng):
        """One.

        And more."""

    found = collect({"np": np, "second": second, "first": first, "number": 3})
    assert [(each.name, each.check, each.title, each.rtol) for each in found] == [
        ("second", "check-b", "Two.", 0.1),
        ("first", "check-a", "One.", 1e-5),
    ]


def test_probe_without_a_line_for_the_student_is_refused():
    with pytest.raises(ProbeError, match="'silent' of 'check-a' has no docstring"):

        @probe("check-a")
        def silent(rng):
            return 1


@pytest.mark.parametrize(
    ("output", "dtype", "shape"),
    [
        (1, "int64", ()),
        (True, "bool", ()),
        (np.float32(2.5), "float32", ()),
        ([1.0, 2.0], "float64", (2,)),
        (np.arange(6, dtype=">i4").reshape(2, 3).T, "int32", (3, 2)),
        (np.ma.masked_array([1, 2]), "int64", (2,)),
    ],
)
def test_numbers_and_arrays_become_plain_arrays(output, dtype, shape):
    array = normalise(output)["value"]
    assert type(array) is np.ndarray
    assert (array.dtype, array.shape, array.flags.c_contiguous) == (np.dtype(dtype), shape, True)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (None, "Is a `return` missing?"),
        ("text", "expected are numbers"),
        (object(), "expected are numbers"),
        ([[1], [1, 2]], "cannot be read as an array"),
        (1j, "expected are numbers"),
        (np.array(["2020"], dtype="datetime64"), "expected are numbers"),
        ({1: 2}, "not a text"),
        ({"a" * 99: 2}, "not a text"),
        ({str(n): n for n in range(99)}, "at most 64"),
        (np.zeros(2**20 + 1), "at most 8,388,608"),
        ({"a": 1, "b": None}, "'b' is None"),
    ],
)
def test_what_cannot_be_marked_is_told_in_words(output, reason):
    with pytest.raises(OutputError) as told:
        normalise(output)
    assert reason in str(told.value)
