"""Large JSON read without lists gives the same values, bit for bit, as the readers that judge it."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.server.http.json_lists import LARGE_BYTES, read_list
from shipway.server.http.v2.json_data import JsonInput
from shipway.server.http.v2.large import LargeReader
from shipway.server.http.v2.plain import PlainReader
from shipway.types import DType, Signature, TensorSpec

NUMBERS = [dtype for dtype in DType if dtype.is_integer or dtype in (DType.FP16, DType.FP32, DType.FP64)]
AWKWARD = [
    "-0",
    "-0.0",
    "0",
    "1.0",
    "1e2",
    "1.5",
    "5e-324",
    "1e-400",
    "1e39",
    "1e999",
    "65519.9",
    "65504",
    "true",
]
AWKWARD += [
    "3.4028235677973366e38",
    "3.4028235677973362e38",
    "null",
    '"1"',
    "NaN",
    "[1]",
    "[]",
    "01",
    "+1",
    "{}",
]
AWKWARD += [
    str(sign * 2**bits + off)
    for bits in (7, 8, 15, 16, 31, 32, 53, 63, 64)
    for off in (-1, 0, 1)
    for sign in (1, -1)
]
texts = st.one_of(
    st.integers(0, 100).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(AWKWARD),
)


def signature(dtype, rank):
    return Signature((TensorSpec("x", dtype, tuple(f"d{axis}" for axis in range(rank))),), ())


def body(dtype, shape, data, more=""):
    return f'{{"inputs":[{{"name":"x","shape":{shape},"datatype":"{dtype}","data":{data}}}]{more}}}'.encode()


def same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@given(st.sampled_from(NUMBERS), st.lists(texts, min_size=1, max_size=4))
def test_a_request_is_read_as_by_the_plain_reader_or_left_to_it(dtype, elements):
    request = body(dtype, [len(elements)], f"[{', '.join(elements)}]", ',"id":"7"')
    large, plain = (
        LargeReader(signature(dtype, 1)).read(request),
        PlainReader(signature(dtype, 1)).read(request),
    )
    if large is not None:
        assert plain is not None
        assert large[0].id == plain[0].id == "7"
        same(large[1]["x"], plain[1]["x"])


@given(st.sampled_from(NUMBERS), st.lists(texts, min_size=1, max_size=6), st.data())
def test_a_list_is_read_as_by_the_typed_decoder_or_left_to_it(dtype, elements, data):
    columns = data.draw(st.integers(1, len(elements)))
    rows = [elements[start : start + columns] for start in range(0, len(elements), columns)]
    text = "[" + ",".join(f"[{','.join(row)}]" for row in rows) + "]"
    shape = [len(rows), columns]
    spec = signature(dtype, 2).inputs[0]
    found = read_list(text.encode(), spec, shape)
    if found is not None:
        same(found, JsonInput(spec).read(msgspec.Raw(text.encode()), shape))


@pytest.mark.parametrize("dtype", NUMBERS)
def test_good_numbers_are_not_left_to_others(dtype):
    request = body(dtype, [4], "[0, 1, 2, 3]", ',"outputs":[{"name":"y","parameters":{"binary_data":true}}]')
    call, inputs = LargeReader(signature(dtype, 1)).read(request)
    assert call.outputs[0].parameters == {"binary_data": True}
    same(inputs["x"], np.arange(4, dtype=dtype.numpy))
    nested = signature(dtype, 2).inputs[0]
    same(read_list(b"[[0, 1],\n[2, 3]]", nested, [2, 2]), np.arange(4, dtype=dtype.numpy).reshape(2, 2))


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ([2, 2], "[[1,2,3],[4]]"),
        ([2, 2], "[[1,2],3,4]"),
        ([2, 2], "[[1,2],[3,4],[]]"),
        ([2, 2], "[[[1,2],[3,4]]]"),
        ([4, 1], "[[1,2],[3,4]]"),
        ([2, 2], "[1,2,3]"),
        ([2, 2, 1], "[1,2,3,4]"),
        ([-2, -2], "[1,2,3,4]"),
    ],
)
def test_lists_of_another_shape_are_left_to_the_reader_that_says_so(shape, data):
    assert read_list(data.encode(), signature(DType.FP32, 2).inputs[0], shape) is None
    assert LargeReader(signature(DType.FP32, 2)).read(body(DType.FP32, shape, data)) is None


@pytest.mark.parametrize(
    "request_",
    [
        b'{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[[1,2],[]]}],"outputs":null}',
        b'{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[[1,2]]}]}',
        b'{"inputs":[{"name":"x","shape":[1],"shape":[2],"datatype":"FP32","data":[1,2]}]}',
        b'{"inputs":[{"name":"x","shape":[2.0],"datatype":"FP32","data":[1,2]}]}',
        b'{"inputs":[{"name":"w","shape":[2],"datatype":"FP32","data":[1,2]}]}',
        b'{"inputs":[{"name":"x","shape":[2],"datatype":"FP64","data":[1,2]}]}',
        b'{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2],"parameters":{"a":1}}]}',
        b'{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}],"x":1}',
        b'{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}],"id":5}',
        b'{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}]} x',
        b'{"inputs":[{"name":"x","shape":[2],"datatype":"FP32"}],"outputs":[]}',
        b'{"inputs":{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]},"outputs":[]}',
        b"[[[1]]]",
        b'{"inputs":[5,[[]]]}',
    ],
)
def test_any_other_request_is_left_to_the_reader_that_judges_it(request_):
    assert LargeReader(signature(DType.FP32, 1)).read(request_) is None


def test_nothing_of_a_refused_document_keeps_the_parser_busy():
    reader = LargeReader(signature(DType.FP32, 1))
    for data in ('[1,"a"]', "[1,2,3]", "[1e999,1]", "[[1],2]", "[1,2]") * 2:
        found = reader.read(body(DType.FP32, [2], data))
        assert (found is not None) == (data == "[1,2]")


def test_values_outlive_the_next_document():
    reader = LargeReader(signature(DType.FP64, 1))
    _, first = reader.read(body(DType.FP64, [1000], json.dumps([0.5] * 1000)))
    reader.read(body(DType.FP64, [1000], json.dumps([0.25] * 1000)))
    assert (first["x"] == 0.5).all()


def test_long_lists_of_numbers_take_this_way():
    array = np.random.default_rng(0).normal(size=(8, 200)).astype(np.float32)
    text = json.dumps(array.tolist()).encode()
    assert len(text) > LARGE_BYTES
    spec = signature(DType.FP32, 2).inputs[0]
    same(JsonInput(spec).read(msgspec.Raw(text), [8, 200]), array)
    same(read_list(text, spec, [8, 200]), array)
