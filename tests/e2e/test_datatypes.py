"""Every datatype through every form of a request and an answer, by models that give back what they get."""

from __future__ import annotations

import json
from dataclasses import replace

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
    numbers, scalar = bundles.rows(4), models.identity(shape=())
    golden = replace(bundles.golden_of(scalar, {"x": numbers}, outputs={"y": numbers}), has_rows=False)
    made.append(bundles.write_bundle(folder, scalar, golden, name="scalar").path)
    pair = models.two_inputs()
    golden = bundles.golden_of(pair, {"a": bundles.rows(4, 3), "b": bundles.rows(4, 3, seed=8)})
    made.append(bundles.write_bundle(folder, pair, golden, name="pair").path)
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


def wire_tensor(name, array, *, is_binary, is_nested=False):
    """One input, and the bytes that follow the JSON."""
    tensor = {"name": name, "shape": array.shape, "datatype": "FP32"}
    if is_binary:
        return tensor | {"parameters": {"binary_data_size": array.nbytes}}, array.tobytes()
    return tensor | {"data": array.tolist() if is_nested else array.ravel().tolist()}, b""


def ask_several(server, model, tensors, **more):
    """A request of such tensors, with its header where one is binary."""
    head = json.dumps({"inputs": [tensor for tensor, _ in tensors], **more}).encode()
    binary = b"".join(data for _, data in tensors)
    is_binary = any("parameters" in tensor for tensor, _ in tensors)
    headers = [("Inference-Header-Content-Length", str(len(head)))] if is_binary else ()
    with wire.Wire(server.port) as connection:
        return connection.request("POST", f"/v2/models/{model}/infer", head + binary, headers)


def arrays_of(answer):
    """Outputs by name, each from the JSON or from what follows it."""
    length = answer.headers.get("inference-header-content-length", len(answer.body))
    document, start, found = json.loads(answer.body[: int(length)]), int(length), {}
    for output in document["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            found[output["name"]] = np.array(output["data"], np.float32).reshape(output["shape"])
        else:
            data = np.frombuffer(answer.body[start : start + size], np.float32)
            found[output["name"]] = data.reshape(output["shape"])
            start += size
    assert start == len(answer.body)
    return found


@pytest.mark.parametrize("is_binary_out", [False, True])
@pytest.mark.parametrize("is_binary_in", [False, True])
def test_a_scalar_has_the_shape_of_no_sizes(server, is_binary_in, is_binary_out):
    x = np.array(-2.5, np.float32)
    answer = ask_several(
        server,
        "scalar",
        [wire_tensor("x", x, is_binary=is_binary_in)],
        parameters={"binary_data_output": is_binary_out},
    )
    assert answer.status == 200, answer.body
    (found,) = arrays_of(answer).values()
    assert found.shape == ()
    assert found == x


def test_a_raw_scalar_and_one_in_tensorflow_servings_columns(server):
    x = np.array(-2.5, np.float32)
    answer = infer(server, "scalar", x.tobytes(), [("Inference-Header-Content-Length", "0")])
    assert arrays_of(answer)["y"] == x
    with wire.Wire(server.port) as connection:
        columns = connection.request("POST", "/v1/models/scalar:predict", {"inputs": -2.5})
        assert columns.json == {"outputs": -2.5}
        rows = connection.request("POST", "/v1/models/scalar:predict", {"instances": [-2.5]})
        assert rows.status == 400, rows.body


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (0, 4), (40, 300)])
@pytest.mark.parametrize("out", ["", "a", "b", "both"])
@pytest.mark.parametrize(
    ("a_form", "b_form"),
    [("flat", "flat"), ("nested", "flat"), ("binary", "flat"), ("nested", "binary"), ("binary", "binary")],
)
def test_two_inputs_and_two_outputs_in_every_mixture(server, shape, out, a_form, b_form):
    """(40, 300): long enough for the reader of large lists."""
    a, b = (np.resize(np.arange(7, dtype=np.float32) - offset, shape) for offset in (0, 2.5))
    tensors = [
        wire_tensor(name, array, is_binary=form == "binary", is_nested=form == "nested")
        for name, array, form in (("a", a, a_form), ("b", b, b_form))
    ]
    binary = {"sum": out in ("a", "both"), "difference": out in ("b", "both")}
    outputs = [{"name": name, "parameters": {"binary_data": flag}} for name, flag in binary.items()]
    answer = ask_several(server, "pair", tensors, outputs=outputs)
    assert answer.status == 200, answer.body
    found = arrays_of(answer)
    np.testing.assert_array_equal(found["sum"], a + b)
    np.testing.assert_array_equal(found["difference"], a - b)


@pytest.mark.parametrize("rows", [1, 3, 400])
def test_two_inputs_in_tensorflow_servings_rows_and_columns(server, rows):
    a, b = (bundles.rows(rows, 30, seed=seed) for seed in (1, 2))
    instances = [{"a": left, "b": right} for left, right in zip(a.tolist(), b.tolist(), strict=True)]
    with wire.Wire(server.port) as connection:
        by_row = connection.request("POST", "/v1/models/pair:predict", {"instances": instances}).json
        by_column = connection.request(
            "POST", "/v1/models/pair:predict", {"inputs": {"b": b.tolist(), "a": a.tolist()}}
        ).json
    np.testing.assert_array_equal(np.array(by_column["outputs"]["sum"], np.float32), a + b)
    rows_found = [row["difference"] for row in by_row["predictions"]]
    np.testing.assert_array_equal(np.array(rows_found, np.float32), a - b)
