"""Answers of `:predict`, by row and by column."""

from __future__ import annotations

import json

import numpy as np
import pytest

from shipway.errors import NotJsonError, TensorMismatchError
from shipway.server.http.tfs.reply import PredictWriter
from shipway.types import DType, Signature, TensorSpec


def writer(*outputs):
    return PredictWriter(Signature(inputs=(), outputs=outputs))


Y = TensorSpec("y", DType.FP32, ("batch", 2))
Z = TensorSpec("z", DType.INT64, ("batch",))
FOUND = {"y": np.array([[1, 2], [3, 4]], np.float32), "z": np.array([7, 8])}


def test_one_output_has_no_name() -> None:
    assert json.loads(writer(Y).write_rows(FOUND)) == {"predictions": [[1, 2], [3, 4]]}
    assert json.loads(writer(Y).write_columns(FOUND)) == {"outputs": [[1, 2], [3, 4]]}


def test_several_outputs_are_objects() -> None:
    both = writer(Y, Z)
    assert json.loads(both.write_rows(FOUND)) == {
        "predictions": [{"y": [1, 2], "z": 7}, {"y": [3, 4], "z": 8}]
    }
    assert json.loads(both.write_columns(FOUND)) == {"outputs": {"y": [[1, 2], [3, 4]], "z": [7, 8]}}


def test_outputs_of_different_first_size_have_no_rows() -> None:
    found = {"y": FOUND["y"], "z": np.array([7])}
    with pytest.raises(TensorMismatchError, match="first size"):
        writer(Y, Z).write_rows(found)
    assert json.loads(writer(Y, Z).write_columns(found))["outputs"]["z"] == [7]


def test_a_scalar_output_has_no_rows() -> None:
    with pytest.raises(TensorMismatchError, match="scalar"):
        writer(Y, TensorSpec("mean", DType.FP32, ())).check_rows()


def test_nan_and_infinity_are_tokens() -> None:
    body = writer(Y).write_rows({"y": np.array([[np.nan, np.inf], [-np.inf, 0.5]], np.float32)})
    assert body == b'{"predictions":[[NaN,Infinity],[-Infinity,0.5]]}'


def test_names_that_end_in_bytes_are_base64() -> None:
    data = np.array([b"\xff", "a"], dtype=object)
    spec = TensorSpec("image_bytes", DType.BYTES, ("batch",))
    body = writer(spec).write_rows({"image_bytes": data})
    assert json.loads(body) == {"predictions": [{"b64": "/w=="}, {"b64": "YQ=="}]}


def test_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(NotJsonError, match="_bytes"):
        writer(TensorSpec("t", DType.BYTES, ("batch",))).write_rows({"t": np.array([b"\xff"], dtype=object)})


def test_bf16_has_no_json_form() -> None:
    halves = {"y": np.ones(2, DType.BF16.numpy)}
    bf16 = writer(TensorSpec("y", DType.BF16, ("batch",)))
    for write in (bf16.write_rows, bf16.write_columns):
        with pytest.raises(NotJsonError, match="BF16"):
            write(halves)
