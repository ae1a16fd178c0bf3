"""Replies: all outputs or those asked for, as JSON or as bytes."""

import json

import numpy as np
import pytest

from shipway.errors import NotJsonError
from shipway.server.http.v2.reply import ReplyWriter
from shipway.server.scheduling.jobs import Rows, Run
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


class TestRunsThatAreShared:
    """Requests of one batch take their rows' texts from one pass over the batch."""

    @staticmethod
    def rows_of(outputs, *counts):
        run, start, found = Run(outputs), 0, []
        for count in counts:
            found.append(Rows(run, start, start + count))
            start += count
        return found

    @pytest.mark.parametrize("shape", [(6, 2), (6, 2, 3), (6,), (6, 0), (6, 1, 300)])
    def test_each_gets_what_it_would_get_alone(self, shape):
        spec = TensorSpec("y", DType.FP32, tuple(f"d{axis}" for axis in range(len(shape))))
        writer = ReplyWriter("m", "1", Signature((spec,), (spec,)))
        array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        for rows in self.rows_of({"y": array}, 1, 0, 3, 2):
            alone = writer.write("", {"y": array[rows.start : rows.end]}, None)
            assert writer.write("", rows, None) == alone

    def test_text_beside_numbers(self):
        text = np.array(["],[", "null", '"'], dtype=object)
        outputs = {'a "name"': np.arange(6, dtype=np.float32).reshape(3, 2), "label": text}
        for index, rows in enumerate(self.rows_of(outputs, 1, 1, 1)):
            first, second = json.loads(WRITER.write("", rows, None)[0])["outputs"]
            assert first["data"] == [2 * index, 2 * index + 1]
            assert second["data"] == [text[index]]

    def test_only_the_request_with_nan_is_refused(self):
        spec = TensorSpec("y", DType.FP32, ("n", 1))
        writer = ReplyWriter("m", "1", Signature((spec,), (spec,)))
        first, second, third = self.rows_of({"y": np.array([[1], [np.nan], [3]], np.float32)}, 1, 1, 1)
        assert json.loads(writer.write("", first, None)[0])["outputs"][0]["data"] == [1]
        with pytest.raises(NotJsonError):
            writer.write("", second, None)
        assert json.loads(writer.write("", third, None)[0])["outputs"][0]["data"] == [3]

    def test_no_rows_at_all(self):
        spec = TensorSpec("y", DType.FP32, ("n", 2))
        writer = ReplyWriter("m", "1", Signature((spec,), (spec,)))
        for rows in self.rows_of({"y": np.zeros((0, 2), np.float32)}, 0, 0):
            assert json.loads(writer.write("", rows, None)[0])["outputs"][0]["shape"] == [0, 2]
