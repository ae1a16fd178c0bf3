"""Bodies of `:predict` as TensorFlow Serving documents them, by the typed pass and by the one that explains."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.errors import MalformedRequestError, TensorMismatchError, UnsupportedRequestError
from shipway.server.http.tfs.plain import PlainPredictReader
from shipway.server.http.tfs.request import PredictReader
from shipway.types import DType, Signature, TensorSpec

ROWS = TensorSpec("x", DType.FP32, ("batch", 2))
DOCUMENTED = Signature(
    inputs=(
        TensorSpec("tag", DType.BYTES, ("batch",)),
        TensorSpec("signal", DType.INT64, ("batch", 5)),
        TensorSpec("sensor", DType.FP32, ("batch", 2, 2)),
    ),
    outputs=(ROWS,),
)
ROW_FORM = {
    "instances": [
        {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
        {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
    ]
}
COLUMN_FORM = {
    "inputs": {
        "tag": ["foo", "bar"],
        "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
        "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]],
    }
}


def reader(*inputs):
    return PredictReader(Signature(inputs=inputs, outputs=(ROWS,)))


def read(body, *inputs):
    return reader(*(inputs or (ROWS,))).read(body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("body", [ROW_FORM, COLUMN_FORM])
def test_the_documented_forms_give_the_same_arrays(body) -> None:
    call = PredictReader(DOCUMENTED).read(json.dumps(body).encode())
    assert call.is_row_form is ("instances" in body)
    assert call.inputs["tag"].tolist() == ["foo", "bar"]
    assert call.inputs["signal"].dtype == np.int64
    assert call.inputs["signal"].tolist() == COLUMN_FORM["inputs"]["signal"]
    assert call.inputs["sensor"].dtype == np.float32
    assert call.inputs["sensor"].tolist() == COLUMN_FORM["inputs"]["sensor"]
    assert PlainPredictReader(DOCUMENTED).read(json.dumps(body).encode()) is not None


def test_scalars_in_row_form_are_a_list_of_rows() -> None:
    text = TensorSpec("t", DType.BYTES, ("batch",))
    assert read({"instances": ["foo", "bar", "baz"]}, text).inputs["t"].tolist() == ["foo", "bar", "baz"]


def test_a_single_input_may_be_named() -> None:
    for body in ({"instances": [{"x": [1, 2]}]}, {"inputs": {"x": [[1, 2]]}}, {"inputs": [[1, 2]]}):
        assert read(body).inputs["x"].tolist() == [[1.0, 2.0]]


def test_a_scalar_input_is_asked_in_column_form() -> None:
    assert read({"inputs": 0.5}, TensorSpec("t", DType.FP32, ())).inputs["t"].shape == ()


def test_nan_and_infinity_are_tokens() -> None:
    found = read(b'{"instances": [[NaN, Infinity], [-Infinity, 1]]}').inputs["x"]
    np.testing.assert_array_equal(found, np.array([[np.nan, np.inf], [-np.inf, 1]], np.float32))


def test_base64_is_bytes_and_not_a_named_input() -> None:
    text = TensorSpec("image_bytes", DType.BYTES, ("batch",))
    body = {"instances": [{"b64": "aW1hZ2UgYnl0ZXM="}, {"b64": "/w=="}]}
    assert read(body, text).inputs["image_bytes"].tolist() == [b"image bytes", b"\xff"]


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b"[1]", MalformedRequestError, "JSON object"),
        (b"{", MalformedRequestError, "not JSON"),
        (b"\xff", MalformedRequestError, "not JSON"),
        (b'{"instances": ' + b"[" * 100_000, MalformedRequestError, "nested too deeply|not JSON"),
        ({}, MalformedRequestError, "neither"),
        ({"instances": [[1, 2]], "inputs": [[1, 2]]}, MalformedRequestError, "both"),
        ({"instances": []}, MalformedRequestError, "at least one"),
        ({"instances": 1}, MalformedRequestError, "list"),
        ({"instances": [[1, 2]], "signature_name": "other"}, MalformedRequestError, "serving_default"),
        ({"instances": [[1, 2]], "signature_name": None}, MalformedRequestError, "serving_default"),
        ({"instances": None}, MalformedRequestError, "list"),
        ({"instances": [[1, 2]], "inputs": None}, MalformedRequestError, "both"),
        ({"inputs": None}, TensorMismatchError, "null"),
        ({"instances": [[1, 2]], "signature_name": 1}, MalformedRequestError, "serving_default"),
        ({"instances": [[1, "2"]]}, TensorMismatchError, r"instances\[0\]\[1\].*a number.*text"),
        ({"instances": [[1, True]]}, TensorMismatchError, "boolean"),
        ({"instances": [[1, None]]}, TensorMismatchError, "null"),
        ({"instances": [[1, 2], [3]]}, TensorMismatchError, r"instances\[1\].*list of 2.*list of 1"),
        ({"instances": [[1, 2], 3]}, TensorMismatchError, "list of 2"),
        ({"instances": [[1, 1e39]]}, TensorMismatchError, "range"),
        ({"instances": [{"x": [1, 3.4028235677973366e38]}]}, TensorMismatchError, "range"),
        ({"instances": [[1, 10**400]]}, TensorMismatchError, "range"),
        ({"instances": [{"y": [1, 2]}]}, TensorMismatchError, "'x'.*'y'"),
        ({"instances": [{"x": [1, 2]}, [1, 2]]}, MalformedRequestError, "object"),
        ({"inputs": {"x": [[1, 2]], "y": 1}}, TensorMismatchError, "'x'"),
    ],
)
def test_what_is_wrong_is_said(body, error, words) -> None:
    with pytest.raises(error, match=words):
        read(body)


@pytest.mark.parametrize("value", [1.0, 1.5, True, "1", 2**63])
def test_a_whole_number_input_takes_whole_numbers_alone(value) -> None:
    with pytest.raises(TensorMismatchError):
        read({"instances": [value]}, TensorSpec("n", DType.INT64, ("batch",)))


def test_bad_base64_is_refused() -> None:
    with pytest.raises(TensorMismatchError, match="base64"):
        read({"instances": [{"b64": "*"}]}, TensorSpec("t", DType.BYTES, ("batch",)))


@pytest.mark.parametrize("body", [{"instances": [1.5]}, {"inputs": [1]}, {"inputs": {"x": [1]}}])
def test_bf16_has_no_json_form(body) -> None:
    with pytest.raises(UnsupportedRequestError, match="BF16, which has no JSON form"):
        read(body, TensorSpec("x", DType.BF16, ("batch",)))


def test_several_inputs_need_names() -> None:
    for body in ({"instances": [1]}, {"inputs": [1]}):
        with pytest.raises(TensorMismatchError, match="'tag', 'signal', 'sensor'"):
            PredictReader(DOCUMENTED).read(json.dumps(body).encode())


elements = st.one_of(
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
)
lists = st.recursive(elements, lambda inner: st.lists(inner, max_size=3), max_leaves=8)


@pytest.mark.parametrize("dtype", [DType.FP32, DType.INT8, DType.UINT64, DType.BOOL, DType.BYTES])
@given(value=lists, form=st.sampled_from(["instances", "inputs"]))
def test_both_passes_agree(dtype, value, form) -> None:
    """Whatever the typed pass takes, the explaining one takes, and gives the same array."""
    signature = Signature(inputs=(TensorSpec("x", dtype, ("batch", 2)),), outputs=(ROWS,))
    body = json.dumps({form: value}).encode()
    plain = PlainPredictReader(signature).read(body)
    if plain is None or not value:
        return
    slow = PredictReader(signature)
    read_slowly = slow._read_columns if form == "inputs" else slow._read_rows
    np.testing.assert_array_equal(plain[0]["x"], read_slowly(value)["x"])
