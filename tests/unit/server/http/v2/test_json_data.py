"""Tensors as JSON: every element type, exactly, and nothing else."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shipway.errors import NotJsonError, TensorMismatchError
from shipway.server.http.v2.json_data import JsonInput, encode_data
from shipway.types import DType, TensorSpec

NUMBERS = [dtype for dtype in DType if dtype not in (DType.BYTES, DType.BF16)]


def read(text, dtype=DType.FP32, shape=(2, 2)):
    spec = TensorSpec("x", dtype, tuple(f"d{axis}" for axis in range(len(shape))))
    return JsonInput(spec).read(msgspec.Raw(text.encode()), list(shape))


@pytest.mark.parametrize(
    "text", ["[1,2,3,4]", "[[1,2],[3,4]]", " [ [1.0, 2e0] ,\n[3,4]]", "[\n1,2,3,4]", "[ [1,2], [3,4] ]"]
)
def test_flat_and_nested_are_the_same(text):
    np.testing.assert_array_equal(read(text), np.array([[1, 2], [3, 4]], np.float32))


@given(st.sampled_from(NUMBERS), st.data())
def test_what_is_written_is_read_back(dtype, data):
    array = data.draw(
        hnp.arrays(
            dtype.numpy,
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
            elements={"allow_nan": False, "allow_infinity": False} if dtype.is_float else None,
        )
    )
    text = encode_data("x", array).decode()
    found = read(text, dtype, array.shape)
    assert found.dtype == dtype.numpy
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("text", "dtype", "message"),
    [
        ('["1",2,3,4]', DType.FP32, r"Expected `float`, got `str` - at `data\[0\]`"),
        ("[1,2,3,null]", DType.FP32, r"got `null` - at `data\[3\]`"),
        ("[true,2,3,4]", DType.FP32, "got `bool`"),
        ("[1.5,2,3,4]", DType.INT64, "Expected `int`, got `float`"),
        ("[1,0,1,0]", DType.BOOL, "Expected `bool`, got `int`"),
        ("[1,2,3,4]", DType.BYTES, "Expected `str`, got `int`"),
        ("[256,0,0,0]", DType.UINT8, "255"),
        ("[-1,0,0,0]", DType.UINT32, "0"),
        ("[-1,0,0,0]", DType.UINT64, "0"),
        ("[18446744073709551616,0,0,0]", DType.UINT64, "range"),
        ("[9223372036854775808,0,0,0]", DType.INT64, "range"),
        ("[1e39,0,0,0]", DType.FP32, "`float`"),
        ("[65520,0,0,0]", DType.FP16, "`float`"),
        ("[1e999,0,0,0]", DType.FP64, "range"),
        ("[1,2,3]", DType.FP32, r"needs 4 elements in that order, data is \[3\]"),
        ("[1,2,3,4,5]", DType.FP32, "needs 4 elements"),
        ("[]", DType.FP32, "needs 4 elements"),
        ("[[1,2],[3]]", DType.FP32, "unequal length"),
        ("[[1,2]]", DType.FP32, r"data is \[1, 2\]"),
        ('[["a"],["b","c"]]', DType.BYTES, "needs 4 elements"),
        ("[[[1,2],[3,4]]]", DType.FP32, "nested 3 deep"),
        ("5", DType.FP32, "nested 0 deep"),
        ('{"a":1}', DType.FP32, "nested 0 deep"),
    ],
)
def test_everything_else_is_refused(text, dtype, message):
    with pytest.raises(TensorMismatchError, match=message) as caught:
        read(text, dtype)
    assert "x" in str(caught.value)


def test_the_largest_float32_is_not_infinite():
    assert np.isfinite(read("[3.4028235e38,-3.4028235e38,0,0]")).all()


def test_text():
    found = read('["a","ü","","\\u0000"]', DType.BYTES)
    assert found.tolist() == [["a", "ü"], ["", "\0"]]
    assert json.loads(encode_data("x", found)) == ["a", "ü", "", "\0"]
    assert json.loads(encode_data("x", np.array([b"a"], dtype=object))) == ["a"]


def test_a_scalar():
    assert read("5", shape=()).shape == ()
    assert read("[5]", shape=()) == 5


def test_no_elements():
    assert read("[]", shape=(0, 3)).shape == (0, 3)
    assert read("[[],[]]", shape=(2, 0)).shape == (2, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_json_cannot_say_is_not_said(value):
    with pytest.raises(NotJsonError, match="Output y holds NaN or infinity") as caught:
        encode_data("y", np.array([1, value], np.float32))
    assert '"binary_data": true' in caught.value.hint


def test_bytes_that_are_no_text():
    with pytest.raises(NotJsonError, match="UTF-8"):
        encode_data("y", np.array([b"\xff"], dtype=object))
