"""Large bodies are read as the reader that makes lists and the one that explains read them, or left to them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.errors import TensorMismatchError
from shipway.server.http.tfs import plain
from shipway.server.http.tfs.large import LargePredictReader
from shipway.server.http.tfs.plain import PlainPredictReader
from shipway.server.http.tfs.request import PredictReader
from shipway.types import DType, Signature, TensorSpec

NUMBERS = [dtype for dtype in DType if dtype.is_integer or dtype in (DType.FP16, DType.FP32, DType.FP64)]
AWKWARD = [
    "-0",
    "-0.0",
    "1.0",
    "1e39",
    "1e999",
    "65504",
    "65519.9",
    "3.4028235677973366e38",
    "9" * 30,
    "true",
]
AWKWARD += [str(sign * 2**bits) for bits in (7, 8, 15, 16, 31, 32, 53, 63, 64) for sign in (1, -1)]
texts = st.one_of(
    st.integers(0, 100).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from([*AWKWARD, "null", '"1"', "NaN", "[1]", "[]"]),
)


def signature(dtype=DType.FP32, tail=(2,)):
    return Signature((TensorSpec("x", dtype, ("batch", *tail)),), ())


def lists_of(elements, sizes):
    for size in reversed(sizes):
        elements = [
            f"[{', '.join(elements[start : start + size])}]" for start in range(0, len(elements), size)
        ]
    return f"[{','.join(elements)}]"


@given(
    st.sampled_from(NUMBERS),
    st.lists(texts, min_size=1, max_size=12),
    st.sampled_from([(), (1,), (2,), (2, 2), (3, 1)]),
    st.sampled_from(["instances", "inputs"]),
)
def test_what_it_reads_the_other_reads_alike(dtype, elements, tail, form):
    body = f'{{"{form}": {lists_of(elements, tail)}}}'.encode()
    large = LargePredictReader(signature(dtype, tail)).read(body)
    if large is None:
        return
    (array,), is_row_form, name = large[0].values(), *large[1:]
    assert (is_row_form, name) == (form == "instances", None)
    expected, _, _ = PlainPredictReader(signature(dtype, tail)).read(body)
    assert array.shape == expected["x"].shape
    assert array.dtype == expected["x"].dtype
    assert array.tobytes() == expected["x"].tobytes()


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("tail", [(), (3,), (2, 2)])
def test_good_numbers_are_not_left_to_others(dtype, tail):
    array = np.arange(2 * int(np.prod(tail))).reshape(2, *tail)
    found = LargePredictReader(signature(dtype, tail)).read(
        json.dumps({"signature_name": "serving_default", "instances": array.tolist()}).encode()
    )
    assert found is not None
    np.testing.assert_array_equal(found[0]["x"], array)
    assert found[0]["x"].dtype == dtype.numpy
    assert found[1:] == (True, "serving_default")


NOT_ROWS = ["[1,2,3,4]", "[[1,2],[3]]", "[[1,2,3],[4]]", "[[[1,2]]]", "[[1,2],3]", "[[1,2],[3,4],[]]", "[]"]
NOT_ROWS += ["[ ]", "[[]]", "null", "1", '{"x":[[1,2]]}', '"[[1,2]]"']


@pytest.mark.parametrize("value", NOT_ROWS)
@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_what_is_not_rows_of_two_is_left_to_others(form, value):
    assert LargePredictReader(signature()).read(f'{{"{form}":{value}}}'.encode()) is None


def test_free_sizes_two_inputs_and_scalars_are_left_to_others():
    body = b'{"inputs":[[1,2]]}'
    assert LargePredictReader(signature(tail=("n",))).read(body) is None
    two = Signature((*signature().inputs, TensorSpec("y", DType.FP32, ("batch", 2))), ())
    assert LargePredictReader(two).read(body) is None
    assert LargePredictReader(Signature((TensorSpec("x", DType.FP32, ()),), ())).read(b'{"inputs":1}') is None


def test_a_body_over_the_limit_takes_this_way_and_a_wrong_one_is_explained():
    array = np.random.default_rng(0).normal(size=(200, 100)).astype(np.float32)
    reader = PredictReader(signature(tail=(100,)))
    body = json.dumps({"instances": array.tolist()}).encode()
    assert len(body) > plain._LARGE_BYTES
    np.testing.assert_array_equal(reader.read(body).inputs["x"], array)
    with pytest.raises(TensorMismatchError, match=r"instances\[199\]: expected a list of 100"):
        reader.read(body.replace(b"]]", b",1]]"))
