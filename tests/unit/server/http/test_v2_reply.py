"""Replies: all outputs or those asked for, as JSON or as bytes."""

import json

import numpy as np
import pytest

from shipway.errors import NotJsonError
from shipway.server.http.v2_reply import ReplyWriter
from shipway.types import DType, Signature, TensorSpec

SPECS = (TensorSpec('a "name"', DType.FP32, ("n", 2)), TensorSpec("label", DType.BYTES, ("n",)))
WRITER = ReplyWriter("müll", "1.0", Signature(SPECS, SPECS))
OUTPUTS = {'a "name"': np.array([[0.5, 2]], np.float32), "label": np.array(["ü"], dtype=object)}


def test_all_outputs_as_json():
    body, json_bytes = WRITER.write("7", OUTPUTS, None)
    assert json_bytes is None
    assert json.loads(body) == {
        "model_name": "müll",
        "model_version": "1.0",
        "id": "7",
        "outputs": [
            {"name": 'a "name"', "datatype": "FP32", "shape": [1, 2], "data": [0.5, 2.0]},
            {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["ü"]},
        ],
    }


def test_no_id_where_none_was_given():
    assert "id" not in json.loads(WRITER.write("", OUTPUTS, None)[0])


def test_some_outputs_in_the_order_asked_for():
    body, json_bytes = WRITER.write("", OUTPUTS, [("label", False), ('a "name"', False)])
    assert json_bytes is None
    assert [output["name"] for output in json.loads(body)["outputs"]] == ["label", 'a "name"']


def test_binary_and_json_in_one_reply():
    body, json_bytes = WRITER.write("", OUTPUTS, [('a "name"', True), ("label", False)])
    first, second = json.loads(body[:json_bytes])["outputs"]
    assert first["parameters"] == {"binary_data_size": 8}
    assert "data" not in first
    assert second["data"] == ["ü"]
    assert body[json_bytes:] == OUTPUTS['a "name"'].tobytes()


def test_binary_takes_what_json_cannot():
    outputs = {
        'a "name"': np.array([[np.nan, np.inf]], np.float32),
        "label": np.array([b"\xff"], dtype=object),
    }
    body, json_bytes = WRITER.write("", outputs, [(spec.name, True) for spec in SPECS])
    assert np.isnan(np.frombuffer(body[json_bytes : json_bytes + 8], np.float32)[0])
    with pytest.raises(NotJsonError):
        WRITER.write("", outputs, None)
