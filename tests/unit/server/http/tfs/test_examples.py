"""Examples of `:classify` and `:regress`: features to rows."""

from __future__ import annotations

import json

import pytest

from shipway.errors import MalformedRequestError, TensorMismatchError
from shipway.server.http.tfs.examples import read_examples
from shipway.types import DType, Signature, TensorSpec

IMAGE = TensorSpec("image", DType.BYTES, ("batch",))
GRID = TensorSpec("grid", DType.FP32, ("batch", 2, 2))
SIGNATURE = Signature(inputs=(IMAGE, GRID), outputs=(GRID,))


def read(body):
    return read_examples(json.dumps(body).encode(), SIGNATURE, "classify")


def test_flat_features_fill_rows_in_row_major_order() -> None:
    found = read({"examples": [{"image": {"b64": "aQ=="}, "grid": [1, 2, 3, 4]}]})
    assert found["image"].tolist() == [b"i"]
    assert found["grid"].tolist() == [[[1, 2], [3, 4]]]


def test_the_context_is_in_every_row() -> None:
    found = read({"context": {"grid": [1, 2, 3, 4]}, "examples": [{"image": "a"}, {"image": "b"}]})
    assert found["image"].tolist() == ["a", "b"]
    assert found["grid"].shape == (2, 2, 2)


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ({}, MalformedRequestError, "examples"),
        ({"examples": []}, MalformedRequestError, "at least one"),
        ({"examples": [1]}, MalformedRequestError, "object"),
        ({"examples": [{}], "context": 1}, MalformedRequestError, "context"),
        ({"examples": [{"image": "a"}]}, TensorMismatchError, "'grid'"),
        ({"examples": [{"image": "a", "grid": [1]}]}, TensorMismatchError, "4 values"),
        ({"examples": [{"image": "a", "grid": [[1, 2], [3, 4]]}]}, TensorMismatchError, "flat list"),
        ({"examples": [{"image": 1, "grid": [1, 2, 3, 4]}]}, TensorMismatchError, "b64"),
        (
            {"examples": [{"image": "a"}], "context": {"image": "a"}},
            MalformedRequestError,
            "in the context already",
        ),
        ({"examples": [{}], "signature_name": "other"}, MalformedRequestError, "serving_default"),
    ],
)
def test_what_is_wrong_is_said(body, error, words) -> None:
    with pytest.raises(error, match=words):
        read(body)
