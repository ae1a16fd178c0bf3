"""Every datatype through every form of a request and an answer, by models that give back what they get."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
from onnx import helper

from served import bundles, models, process, wire
from shipway.types import DType

TYPES = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "FP16": np.float16,
    "FP32": np.float32, "FP64": np.float64, "BF16": ml_dtypes.bfloat16,
}  # fmt: skip
SHAPES = [(1, 1), (1, 5), (7, 3), (3, 0), (0, 4), (0, 0), (40, 30)]
VALUES = np.array([0, 1, 2, 100, 7, 1, 0, 5])


def made_of(datatype):
    element = helper.np_dtype_to_tensor_dtype(np.dtype(TYPES.get(datatype, object)))
    return models.identity(8 if datatype == "BYTES" else element, shape=("batch", "n"))


def array_of(datatype, shape):
    values = np.resize(VALUES, shape)
    if datatype == "BYTES":
        texts = ["", "a", "ü\0b", "x" * 300]
        return np.array([texts[value % 4] for value in values.ravel()], dtype=object).reshape(shape)
    return values.astype(TYPES[datatype])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    made = []
    for datatype in (*TYPES, "BYTES"):
        x = array_of(datatype, (4, 2))
        golden = bundles.golden_of(made_of(datatype), {"x": x}, outputs={"y": x})
        made.append(bundles.write_bundle(folder, made_of(datatype), golden, name=datatype.lower()).path)
    with process.serving(*made) as running:
        yield running


def test_all_datatypes_are_covered():
    assert {*TYPES, "BYTES"} == {str(dtype) for dtype in DType}


def raw_of(array):
    if array.dtype != object:
        return array.tobytes()
    items = [item.encode() for item in array.ravel()]
    return b"".join(len(item).to_bytes(4, "little") + item for item in items)


def binary_request(datatype, array, **output):
    tensor = {"name": "x", "shape": array.shape, "datatype": datatype}
    tensor["parameters"] = {"binary_data_size": len(raw_of(array))}
    head = json.dumps({"inputs": [tensor], "outputs": [{"name": "y", **output}]}).encode()
    return head + raw_of(array), [("Inference-Header-Content-Length", str(len(head)))]


def infer(server, datatype, body, headers=()):
    with wire.Wire(server.port) as connection:
        return connection.request("POST", f"/v2/models/{datatype.lower()}/infer", body, headers)


def binary_of(answer):
    length = int(answer.headers["inference-header-content-length"])
    return json.loads(answer.body[:length])["outputs"][0], answer.body[length:]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("datatype", [*TYPES, "BYTES"])
def test_binary_both_ways(server, datatype, shape):
    array = array_of(datatype, shape)
    body, headers = binary_request(datatype, array, parameters={"binary_data": True})
    answer = infer(server, datatype, body, headers)
    assert answer.status == 200, answer.body
    output, data = binary_of(answer)
    assert (output["shape"], output["datatype"]) == ([*shape], datatype)
    assert data == raw_of(array)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("datatype", [*(name for name in TYPES if name != "BF16"), "BYTES"])
def test_json_both_ways(server, datatype, shape, nested):
    array = array_of(datatype, shape)
    data = array.tolist() if nested and array.size else array.ravel().tolist()
    body = json.dumps(
        {"inputs": [{"name": "x", "shape": shape, "datatype": datatype, "data": data}]}
    ).encode()
    answer = infer(server, datatype, body)
    assert answer.status == 200, answer.body
    (output,) = answer.json["outputs"]
    assert (output["shape"], output["datatype"]) == ([*shape], datatype)
    assert output["data"] == array.ravel().tolist()


@pytest.mark.parametrize("datatype", [*TYPES])
def test_raw_requests_of_one_row(server, datatype):
    array = array_of(datatype, (1, 6))
    answer = infer(server, datatype, raw_of(array), [("Inference-Header-Content-Length", "0")])
    assert answer.status == 200, answer.body
    assert binary_of(answer)[1] == raw_of(array)


def test_bf16_has_no_json_form(server):
    x = {"name": "x", "shape": [1, 1], "datatype": "BF16", "data": [1.0]}
    refused = infer(server, "BF16", json.dumps({"inputs": [x]}).encode())
    assert refused.status == 501
    assert "BF16, which has no JSON form" in refused.json["error"]
    unwritten = infer(server, "BF16", *binary_request("BF16", array_of("BF16", (1, 2))))
    assert unwritten.status == 406
    assert '"binary_data": true' in unwritten.json["error"]


def test_tritonclient(server):
    x = np.array([[1.5, -2.25], [3e38, 1e-30]], ml_dtypes.bfloat16)  # it took float32 arrays before its 26.06
    tensor = triton.InferInput("x", [2, 2], "BF16")
    tensor.set_data_from_numpy(x)
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        found = client.infer("bf16", [tensor]).as_numpy("y")
    np.testing.assert_array_equal(found.astype(np.float32), x.astype(np.float32))


def test_bytes_that_are_not_utf8_are_refused_by_a_model_of_text(server):
    tensor = {"name": "x", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = [("Inference-Header-Content-Length", str(len(head)))]
    answer = infer(server, "BYTES", head + b"\1\0\0\0\xff", headers)
    assert "not UTF-8" in answer.json["error"]
    assert answer.status == 400
