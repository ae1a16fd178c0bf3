"""NVIDIA's tritonclient, the strictest client of the protocol, with its defaults (binary) and otherwise.

seldon-core#3969: an "Open Inference" server that refused the defaults of tritonclient.
"""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.http as triton
from onnx import TensorProto
from tritonclient.utils import InferenceServerException

from served import bundles, models, process

X = bundles.rows(3, 4)
EXPECTED = bundles.reference(models.mlp(), {"x": X})["y"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")

    def write(name, made, inputs):
        return bundles.write_bundle(folder, made, bundles.golden_of(made, inputs), name=name).path

    kinds = {
        "int64": (TensorProto.INT64, np.array([[1, -5]])),
        "uint8": (TensorProto.UINT8, np.array([[0, 255]], np.uint8)),
        "fp16": (TensorProto.FLOAT16, np.array([[0.5, -2]], np.float16)),
        "fp64": (TensorProto.DOUBLE, np.array([[1e-300, 2]])),
        "bool": (TensorProto.BOOL, np.array([[True, False]])),
        "text": (TensorProto.STRING, np.array([["a", "ü€"]], dtype=object)),
    }
    pair = {"a": bundles.rows(4, 3), "b": bundles.rows(4, 3, seed=8)}
    paths = [
        write("mlp", models.mlp(), {"x": bundles.rows(8, 4)}),
        write("pair", models.two_inputs(), pair),
        *(write(name, models.identity(kind), {"x": values}) for name, (kind, values) in kinds.items()),
    ]
    with process.serving(*paths) as running:
        yield running


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as made:
        yield made


def tensor(name, array, datatype, *, binary=True):
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("mlp")
    assert client.is_model_ready("mlp", "1")
    assert not client.is_model_ready("none")
    assert client.get_server_metadata()["name"] == "shipway"
    assert client.get_model_metadata("mlp")["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]


def test_the_defaults(client):
    answer = client.infer("mlp", [tensor("x", X, "FP32")])
    np.testing.assert_allclose(answer.as_numpy("y"), EXPECTED, rtol=1e-4, atol=1e-7)
    assert answer.get_response()["model_version"] == "1"


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_every_form(client, binary_in, binary_out, coding):
    x = np.tile(X, (200, 1))
    answer = client.infer(
        "mlp",
        [tensor("x", x, "FP32", binary=binary_in)],
        outputs=[triton.InferRequestedOutput("y", binary_data=binary_out)],
        request_id="r",
        model_version="1",
        request_compression_algorithm=coding,
        response_compression_algorithm=coding,
    )
    np.testing.assert_allclose(answer.as_numpy("y"), np.tile(EXPECTED, (200, 1)), rtol=1e-4, atol=1e-7)
    assert answer.get_response()["id"] == "r"


def test_two_inputs_and_some_outputs(client):
    a, b = bundles.rows(2, 5), bundles.rows(2, 5, seed=1)
    answer = client.infer(
        "pair",
        [tensor("b", b, "FP32"), tensor("a", a, "FP32", binary=False)],
        outputs=[triton.InferRequestedOutput("difference")],
    )
    np.testing.assert_allclose(answer.as_numpy("difference"), a - b, rtol=1e-6)
    assert answer.as_numpy("sum") is None


@pytest.mark.parametrize(
    ("model", "datatype", "values"),
    [
        ("int64", "INT64", np.array([[-(2**63), 2**63 - 1]])),
        ("uint8", "UINT8", np.array([[7, 255]], np.uint8)),
        ("fp16", "FP16", np.array([[0.1, 65504]], np.float16)),
        ("fp64", "FP64", np.array([[np.nan, np.inf]])),
        ("bool", "BOOL", np.array([[False, True]])),
    ],
)
def test_element_types(client, model, datatype, values):
    found = client.infer(model, [tensor("x", values, datatype)]).as_numpy("y")
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("binary", [True, False])
def test_text(client, binary):
    values = np.array([["ü€".encode(), b""]], dtype=object)
    outputs = [triton.InferRequestedOutput("y", binary_data=binary)]
    found = client.infer("text", [tensor("x", values, "BYTES", binary=binary)], outputs=outputs).as_numpy("y")
    assert [
        item if isinstance(item, bytes) else item.encode() for item in found.ravel()
    ] == values.ravel().tolist()


def test_errors_are_read_by_the_client(client):
    with pytest.raises(InferenceServerException, match="axis 1 is 3, not 4") as caught:
        client.infer("mlp", [tensor("x", X[:, :3].copy(), "FP32")])
    assert caught.value.status() == "400"
    with pytest.raises(InferenceServerException, match="No model 'none'"):
        client.infer("none", [tensor("x", X, "FP32")])
    with pytest.raises(InferenceServerException, match="classification is not offered"):
        outputs = [triton.InferRequestedOutput("y", class_count=2)]
        client.infer("mlp", [tensor("x", X, "FP32")], outputs=outputs)


def test_many_at_once(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=8) as client:
        pending = [
            (value, client.async_infer("int64", [tensor("x", np.array([[value, -value]]), "INT64")]))
            for value in range(200)
        ]
        for value, request in pending:
            assert request.get_result().as_numpy("y").tolist() == [[value, -value]]
