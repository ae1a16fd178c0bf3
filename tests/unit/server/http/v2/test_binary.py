"""Tensors as bytes: sizes that must add up, and every element type."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shipway.errors import TensorMismatchError
from shipway.server.http.v2.binary import decode_tensor, encode_tensor, shape_of_raw
from shipway.types import DType, TensorSpec

NUMBERS = [dtype for dtype in DType if dtype not in (DType.BYTES, DType.BF16)]


def decode(data, dtype, shape, *, offset=0):
    spec = TensorSpec("x", dtype, tuple("abcd"[: len(shape)]))
    return decode_tensor(memoryview(b"." * offset + data)[offset:], spec, list(shape))


@given(st.sampled_from(NUMBERS), st.integers(0, 7), st.data())
def test_what_is_written_is_read_back_from_any_offset(dtype, offset, data):
    array = data.draw(hnp.arrays(dtype.numpy, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))
    found = decode(encode_tensor(array), dtype, array.shape, offset=offset)
    assert (found.dtype, found.shape, found.flags.aligned) == (array.dtype, array.shape, True)
    assert found.tobytes() == array.tobytes()


@given(st.lists(st.text(max_size=20).map(str.encode), max_size=8))
def test_byte_strings_are_read_back(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    assert decode(encode_tensor(array), DType.BYTES, array.shape).tolist() == values


def test_text_is_written_as_utf8():
    assert encode_tensor(np.array(["ü"], dtype=object)) == b"\x02\0\0\0" + "ü".encode()


def test_any_nonzero_byte_is_true():
    assert decode(b"\0\1\2\xff", DType.BOOL, (4,)).tolist() == [False, True, True, True]


def test_little_endian():
    assert decode(b"\1\0\0\0", DType.INT32, (1,)).tolist() == [1]


@pytest.mark.parametrize(
    ("data", "dtype", "shape", "message"),
    [
        (b"\0" * 7, DType.FP32, (2,), "takes 8 bytes, found 7"),
        (b"\0" * 12, DType.FP32, (2,), "takes 8 bytes, found 12"),
        (b"", DType.FP64, (1,), "found 0"),
        (b"\0", DType.FP32, (0,), "takes 0 bytes, found 1"),
        (b"\xff\xff\xff\xff", DType.BYTES, (1,), "element 0 ends 4294967295 bytes after"),
        (b"\1\0\0\0\xff", DType.BYTES, (1,), "element 0 is not UTF-8"),
        (b"\1\0\0\0", DType.BYTES, (1,), "element 0 ends 1 bytes after"),
        (b"\0\0\0\0\0\0", DType.BYTES, (1,), "end 2 bytes before"),
        (b"\4\0\0\0abcd", DType.BYTES, (2,), "element 1"),
        (b"", DType.BYTES, (10**9,), "take at least 4000000000 bytes"),
    ],
)
def test_sizes_must_add_up(data, dtype, shape, message):
    with pytest.raises(TensorMismatchError, match=message):
        decode(data, dtype, shape)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        (("batch", 4), 32, [2, 4]),
        (("batch", 4), 0, [0, 4]),
        ((1, 4), 16, [1, 4]),
        (("batch", "length"), 24, [1, 6]),
        (("batch", 2, "length"), 24, [1, 2, 3]),
        ((3, "length"), 24, [3, 2]),
        ((), 4, []),
    ],
)
def test_the_shape_of_a_raw_body(shape, size, expected):
    assert shape_of_raw(size, TensorSpec("x", DType.FP32, shape)) == expected


@pytest.mark.parametrize(
    ("shape", "size"), [(("batch", 4), 15), ((1, 4), 32), (("a", "b", "c"), 16), ((2, "a", "b"), 16), ((), 8)]
)
def test_a_raw_body_that_cannot_be_told(shape, size):
    with pytest.raises(TensorMismatchError):
        shape_of_raw(size, TensorSpec("x", DType.FP32, shape))


def test_a_raw_body_is_one_string():
    assert shape_of_raw(99, TensorSpec("x", DType.BYTES, ("batch", 1))) == [1, 1]
    with pytest.raises(TensorMismatchError):
        shape_of_raw(99, TensorSpec("x", DType.BYTES, ("batch", 2)))
