"""Requests in all three forms, and what is refused in each."""

import json

import numpy as np
import pytest

from shipway.errors import MalformedRequestError, TensorMismatchError, UnsupportedRequestError
from shipway.server.http.v2.request import RequestReader
from shipway.types import DType, Signature, TensorSpec

X = TensorSpec("x", DType.FP32, ("batch", 2))
NAME = TensorSpec("name", DType.BYTES, ("batch", 1))
ONE = Signature((X,), (TensorSpec("y", DType.FP32, ("batch", 1)), TensorSpec("z", DType.FP32, ("batch", 1))))
TWO = Signature((X, NAME), ONE.outputs)
DATA = np.array([[1, 2]], np.float32)


def tensor(**changes):
    return {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]} | changes


def binary(size, **changes):
    made = tensor(parameters={"binary_data_size": size}, **changes)
    del made["data"]
    return made


def read(request, data=b"", *, header=None, signature=ONE):
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    if header is None and data:
        header = str(len(body)).encode()
    return RequestReader(signature).read(body + data, header)


def test_json():
    call = read({"id": "7", "inputs": [tensor()], "unknown": {"deep": [1]}})
    assert (call.id, call.outputs) == ("7", None)
    np.testing.assert_array_equal(call.inputs["x"], DATA)


def test_binary():
    call = read({"inputs": [binary(8)]}, DATA.tobytes())
    np.testing.assert_array_equal(call.inputs["x"], DATA)


def test_both_in_one_request():
    strings = b"\2\0\0\0ab"
    name = {"name": "name", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 6}}
    call = read({"inputs": [name, tensor()]}, strings, signature=TWO)
    assert call.inputs["name"].tolist() == [[b"ab"]]
    np.testing.assert_array_equal(call.inputs["x"], DATA)


def test_raw():
    call = read(np.ones((3, 2), np.float32).tobytes(), header=b"0")
    assert call.inputs["x"].shape == (3, 2)
    assert call.outputs == [("y", True), ("z", True)]


def test_raw_text():
    call = read(b"a text", header=b"0", signature=Signature((NAME,), ONE.outputs))
    assert call.inputs["name"].tolist() == [[b"a text"]]


@pytest.mark.parametrize(
    ("outputs", "parameters", "expected"),
    [
        (None, None, None),
        (None, {"binary_data_output": True}, [("y", True), ("z", True)]),
        ([], {"binary_data_output": False}, None),
        ([{"name": "z"}, {"name": "y"}], None, [("z", False), ("y", False)]),
        ([{"name": "z", "parameters": {"binary_data": True}}], None, [("z", True)]),
        ([{"name": "z", "parameters": {"binary_data": False}}], {"binary_data_output": True}, [("z", False)]),
        ([{"name": "y"}], {"binary_data_output": True, "priority": 3, "x": "y"}, [("y", True)]),
    ],
)
def test_which_outputs_in_which_form(outputs, parameters, expected):
    request = {"inputs": [tensor()], "parameters": parameters}
    if outputs is not None:
        request["outputs"] = outputs
    assert read(request).outputs == expected


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        (b"", MalformedRequestError, "truncated"),
        (b"{", MalformedRequestError, "truncated"),
        (b"[]", MalformedRequestError, "Expected `object`"),
        (b"\xff\xfe", MalformedRequestError, "malformed"),
        (b'{"inputs":' + b"[" * 100_000, MalformedRequestError, r"max_json_depth \(64\)"),
        (b'{"inputs":[],"x":' + b"[" * 100_000, MalformedRequestError, r"max_json_depth \(64\)"),
        ({}, MalformedRequestError, "missing required field `inputs`"),
        ({"inputs": [{"name": "x"}]}, MalformedRequestError, r"`shape` - at `\$.inputs\[0\]`"),
        ({"inputs": [tensor(shape=[1, "2"])]}, MalformedRequestError, r"shape\[1\]"),
        ({"inputs": [tensor(shape=[1, 2.5])]}, MalformedRequestError, r"shape\[1\]"),
        ({"inputs": [tensor()], "outputs": [{"name": 3}]}, MalformedRequestError, "outputs"),
        ({"inputs": [tensor(data=None)]}, TensorMismatchError, "nested 0 deep"),
        ({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32"}]}, MalformedRequestError, "no data"),
        ({"inputs": [tensor(name="w")]}, TensorMismatchError, "'w' is not the model's; expected 'x'"),
        ({"inputs": [tensor(), tensor()]}, TensorMismatchError, "given twice"),
        ({"inputs": [tensor(datatype="FP64")]}, TensorMismatchError, "expected datatype FP32, found 'FP64'"),
        ({"inputs": [tensor(datatype="fp32")]}, TensorMismatchError, "found 'fp32'"),
        ({"inputs": [tensor(shape=[-1, 2])]}, TensorMismatchError, "0 or more"),
        ({"inputs": [tensor(shape=[2**40, 2**40])]}, TensorMismatchError, "no request holds"),
        ({"inputs": [tensor(shape=[1] * 2000)]}, TensorMismatchError, "no request holds"),
        ({"inputs": [tensor(shape=[0, 2**40, 2**40])]}, TensorMismatchError, "no request holds"),
        ({"inputs": [tensor(shape=[10**30])]}, TensorMismatchError, "no request holds"),
        ({"inputs": [tensor()], "outputs": [{"name": "q"}]}, TensorMismatchError, "'q' is not the model's"),
        (
            {"inputs": [tensor()], "parameters": {"binary_data_output": "yes"}},
            MalformedRequestError,
            "binary_data_output is true or false",
        ),
        ({"inputs": [tensor()], "parameters": {"sequence_id": 7}}, UnsupportedRequestError, "sequence_id"),
        (
            {"inputs": [tensor(parameters={"shared_memory_region": "r"})]},
            UnsupportedRequestError,
            "shared_memory_region",
        ),
        (
            {"inputs": [tensor()], "outputs": [{"name": "y", "parameters": {"classification": 3}}]},
            UnsupportedRequestError,
            "classification",
        ),
        ({"inputs": [binary(8)]}, MalformedRequestError, "no Inference-Header-Content-Length"),
    ],
)
def test_what_is_refused_as_json(request_, kind, message):
    with pytest.raises(kind, match=message):
        read(request_)


@pytest.mark.parametrize(
    ("size", "data", "message"),
    [
        (-8, DATA.tobytes(), "binary_data_size must be 0 to 8"),
        (9, DATA.tobytes(), "binary_data_size must be 0 to 8"),
        (2**70, DATA.tobytes(), "binary_data_size must be"),
        (4.0, DATA.tobytes(), "binary_data_size must be"),
        ("8", DATA.tobytes(), "binary_data_size must be"),
        (True, DATA.tobytes(), "binary_data_size must be"),
        (None, DATA.tobytes(), "binary_data_size must be"),
        (8, DATA.tobytes() + b"more", "12 bytes, the inputs' binary_data_size add up to 8"),
    ],
)
def test_binary_sizes_that_do_not_add_up(size, data, message):
    with pytest.raises(MalformedRequestError, match=message):
        read({"inputs": [binary(size)]}, data)


def test_a_tensor_that_is_not_as_large_as_its_shape():
    with pytest.raises(TensorMismatchError, match="takes 8 bytes, found 4"):
        read({"inputs": [binary(4)]}, b"\0" * 4)


def test_data_and_binary_data_exclude_each_other():
    with pytest.raises(MalformedRequestError, match="both data and binary_data_size"):
        read({"inputs": [tensor(parameters={"binary_data_size": 8})]}, DATA.tobytes())


@pytest.mark.parametrize("header", [b"-1", b"1e3", b"9999", b"", b"0x10", b" 5", "٣".encode(), b"9" * 5000])
def test_the_header_must_be_a_length_within_the_body(header):
    with pytest.raises(MalformedRequestError, match="Inference-Header-Content-Length must be"):
        read({"inputs": [tensor()]}, header=header)


def test_a_raw_request_needs_one_input():
    with pytest.raises(TensorMismatchError, match="needs a model with one input"):
        read(b"1234", header=b"0", signature=TWO)
