"""Reading a sandbox's output: whatever the bytes are, frames or a fault in words come out, never an
exception."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course.probing import normalise
from grading.compare import frames
from grading.sandbox import frames as sending


def frame(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(4, "big") + text + data


END = frame({"end": True, "problems": [{"cell": "a", "text": "A cell is missing."}]})


def ok(arrays, data=b"", name="p"):
    return frame({"probe": name, "status": "ok", "arrays": arrays}, data)


def described(dtype="<f8", shape=(2,), nbytes=16, name="value"):
    return {"name": name, "dtype": dtype, "shape": list(shape), "nbytes": nbytes}


def test_what_the_harness_sends_is_read_as_it_was():
    mixed = {"a": np.arange(6.0).reshape(2, 3), "b": True, "c": np.float32(2), "d": np.zeros((0, 3), int)}
    arrays = normalise(mixed)
    header, data = sending.understood(bytearray(sending.of_arrays(arrays)))
    received = frames.read(sending.frame({"probe": "p", **header}, data) + END)
    assert received.complete
    assert received.problems == ["A cell is missing."]
    assert {name: array.dtype for name, array in received.frames["p"].arrays.items()} == {
        name: array.dtype for name, array in arrays.items()
    }
    for name, array in arrays.items():
        np.testing.assert_array_equal(received.frames["p"].arrays[name], array)


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"\0\0",
        b"\xff\xff\xff\xff",
        frame(b"[" * 60_000),
        frame(b"\xff\xfe"),
        frame([1, 2]),
        frame({"probe": "p"}),
        frame({"probe": ["p"], "status": "ok"}),
        frame({"probe": "p", "status": {}}),
        ok("arrays"),
        ok([described()] * 65, b"\0" * 2000),
        ok([None]),
        ok([described(dtype="|O")], b"\0" * 16),
        ok([described(dtype="<c16")], b"\0" * 16),
        ok([described(dtype=">f8")], b"\0" * 16),
        ok([described(dtype="f8,f8")], b"\0" * 16),
        ok([described(shape=(2, -1))], b"\0" * 16),
        ok([described(shape=(True,), nbytes=8)], b"\0" * 8),
        ok([described(shape=(2.0,))], b"\0" * 16),
        ok([described(shape=(1,) * 40, nbytes=8)], b"\0" * 8),
        ok([described(shape=(1 << 62, 4), nbytes=0)]),
        ok([described(nbytes=8)], b"\0" * 16),
        ok([described(nbytes=-16)], b"\0" * 16),
        ok([described(nbytes=None)], b"\0" * 16),
        ok([described(), described()], b"\0" * 32),
        ok([described(name="x" * 100)], b"\0" * 16),
        ok([described(shape=(1 << 21,), nbytes=1 << 24)], b"\0" * (1 << 24)),
    ],
    ids=lambda output: repr(output[:70]),
)
def test_hostile_frame_is_a_fault_in_words(output):
    received = frames.read(output + END)
    assert received.frames == {}
    assert not received.complete or output == b""


def test_frame_that_is_cut_off_is_not_counted():
    whole = ok([described()], b"\0" * 16)
    for length in range(len(whole)):
        assert frames.read(whole[:length]).frames == {}


def test_first_of_two_frames_of_one_probe_counts():
    received = frames.read(ok([], name="p") + frame({"probe": "p", "status": "crash"}) + END)
    assert received.frames["p"].status == "ok"


def test_endless_frames_are_not_all_read():
    received = frames.read(ok([]) * 10_000)
    assert "more than" in received.fault


def test_truth_values_are_zero_or_one_whatever_the_bytes():
    received = frames.read(ok([described("|b1", (4,), 4)], b"\0\1\2\xff") + END)
    assert received.frames["p"].arrays["value"].tobytes() == b"\0\1\1\1"


def test_texts_are_short_and_on_one_line():
    header = {"probe": "p", "status": "error", "message": "a\n\x1b[31mb\x00" + "c" * 100_000}
    message = frames.read(frame(header)[:4] + frame(header)[4:]).frames
    assert message == {}, "a header of that size is refused"
    header["message"] = "a\n\x1b[31mb\x00" + "c" * 5_000
    message = frames.read(frame(header) + END).frames["p"].message
    assert len(message) <= frames.MAX_TEXT
    assert message.isprintable()


@given(st.binary(max_size=400))
def test_random_bytes_never_raise(output):
    frames.read(output)
    sending.length(bytearray(output))
    sending.understood(bytearray(output))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


ARRAY = st.fixed_dictionaries(
    {
        "name": JSON | st.just("v"),
        "dtype": JSON | st.sampled_from(["<f8", "|b1", "|O"]),
        "shape": JSON | st.lists(st.integers(-2, 5), max_size=3),
        "nbytes": JSON | st.integers(-8, 64),
    }
)
HEADER = st.fixed_dictionaries(
    {"probe": JSON | st.just("p"), "status": JSON | st.just("ok")},
    optional={"message": JSON, "end": JSON, "problems": JSON, "arrays": JSON | st.lists(ARRAY, max_size=3)},
)


@given(HEADER, st.binary(max_size=80))
def test_random_headers_never_raise(header, data):
    frames.read(frame(header, data) + END)
    sending.understood(bytearray(frame(header, data)))
