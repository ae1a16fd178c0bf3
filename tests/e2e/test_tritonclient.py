"""NVIDIA's tritonclient, the strictest client of the protocol, with its defaults (binary) and otherwise.

seldon-core#3969: an "Open Inference" server that refused the defaults of tritonclient.
"""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException

from served import bundles, models, process, zoo

X = bundles.rows(3, 4)
EXPECTED = bundles.reference(models.mlp(), {"x": X})["y"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with process.serving(*zoo.write(tmp_path_factory.mktemp("bundles"))) as running:
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


NUMBERS = [name for name in zoo.VALUES if name != "text"]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("name", NUMBERS)
def test_every_datatype_comes_back_as_it_was(client, name, binary):
    values = zoo.VALUES[name][1]
    outputs = [triton.InferRequestedOutput("y", binary_data=binary)]
    found = client.infer(name, [tensor("x", values, name.upper(), binary=binary)], outputs=outputs)
    assert found.as_numpy("y").dtype == values.dtype
    np.testing.assert_array_equal(found.as_numpy("y"), values)


def test_what_json_cannot_hold_comes_in_binary(client):
    values = np.array([[np.nan, np.inf], [-np.inf, -0.0]])
    found = client.infer("fp64", [tensor("x", values, "FP64")]).as_numpy("y")
    assert found.tobytes() == values.tobytes()


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_a_scalar_in_and_out(client, binary):
    inputs = {"x": X, "temperature": np.array(2, np.float32)}
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("mean", "y")]
    asked = [tensor(name, array, "FP32", binary=binary) for name, array in inputs.items()]
    found = client.infer("scalar", asked, outputs=outputs)
    expected = bundles.reference(models.with_scalars(), inputs)
    assert found.as_numpy("mean").shape == ()
    for name, array in expected.items():
        np.testing.assert_allclose(found.as_numpy(name), array, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_no_rows_at_all(client, binary):
    outputs = [triton.InferRequestedOutput("y", binary_data=binary)]
    found = client.infer("mlp", [tensor("x", X[:0], "FP32", binary=binary)], outputs=outputs)
    assert found.get_output("y")["shape"] == [0, 3]


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


class TestAsyncio:
    """`tritonclient.http.aio`, which stands on aiohttp: another HTTP client, other defaults."""

    @pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
    @pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
    def test_inference(self, server, binary, coding):
        x = np.tile(X, (200, 1))

        async def ask():
            async with aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
                return await client.infer(
                    "mlp",
                    [tensor("x", x, "FP32", binary=binary)],
                    outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
                    request_id="r",
                    request_compression_algorithm=coding,
                    response_compression_algorithm=coding,
                )

        answer = asyncio.run(ask())
        np.testing.assert_allclose(answer.as_numpy("y"), np.tile(EXPECTED, (200, 1)), rtol=1e-4, atol=1e-7)
        assert answer.get_response()["id"] == "r"

    def test_health_metadata_and_errors(self, server):
        async def ask():
            async with aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
                assert await client.is_server_live()
                assert await client.is_server_ready()
                assert await client.is_model_ready("mlp", "1")
                assert not await client.is_model_ready("none")
                assert (await client.get_server_metadata())["name"] == "shipway"
                assert (await client.get_model_metadata("text"))["inputs"][0]["datatype"] == "BYTES"
                with pytest.raises(InferenceServerException, match="axis 1 is 3, not 4"):
                    await client.infer("mlp", [tensor("x", X[:, :3].copy(), "FP32")])

        asyncio.run(ask())

    def test_many_at_once_get_their_own_answers(self, server):
        """MLServer#1306: other people's answers under load."""

        async def ask():
            async with aio.InferenceServerClient(f"127.0.0.1:{server.port}", conn_limit=16) as client:

                async def one(number):
                    values = np.array([[number, -number]])
                    return await client.infer("int64", [tensor("x", values, "INT64")], request_id=str(number))

                return await asyncio.gather(*(one(number) for number in range(200)))

        for number, answer in enumerate(asyncio.run(ask())):
            assert answer.get_response()["id"] == str(number)
            assert answer.as_numpy("y").tolist() == [[number, -number]]
