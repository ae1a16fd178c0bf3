"""A live service as a predictor: our own server in a child, and servers of every odd sort."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from odd_server import (
    DOUBLING,
    HEADER,
    Closing,
    Request,
    doubled,
    http,
    metadata,
    odd_server,
    tensor,
    v2,
)
from served import models
from served.bundles import golden_of, rows, write_bundle
from shipway.bundle.golden import Golden
from shipway.errors import (
    EndpointAnswerError,
    EndpointUnreachableError,
    ShipwayError,
    UsageError,
)
from shipway.targets.credentials import Credentials
from shipway.targets.endpoint import Endpoint
from shipway.targets.local import LocalServer, start_server
from shipway.types import DType, Signature, TensorSpec

X = np.array([[1.5, -2.0], [0.0, 4.0], [1e-3, 7.0]], np.float32)


def strings(*items: str) -> np.ndarray:
    return np.array([item.encode() for item in items], dtype=object)


TYPES = {
    "BOOL": (TensorProto.BOOL, np.array([[True, False]])),
    "UINT8": (TensorProto.UINT8, np.array([[0, 255]], np.uint8)),
    "INT64": (TensorProto.INT64, np.array([[-(2**63), 2**63 - 1]], np.int64)),
    "FP16": (TensorProto.FLOAT16, np.array([[0.1, -65504]], np.float16)),
    "FP64": (TensorProto.DOUBLE, np.array([[0.1, 1e300]])),
    "BYTES": (TensorProto.STRING, strings("", "naïve café").reshape(1, 2)),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> LocalServer:
    """One Shipway server with a model for each type, and one with two inputs and two outputs."""
    folder = tmp_path_factory.mktemp("bundles")
    bundles = []
    for name, (element_type, values) in TYPES.items():
        golden = Golden({"x": values}, {"y": values}, {}, "data")
        bundles.append(write_bundle(folder, models.identity(element_type), golden, name=name.lower()).path)
    two = models.two_inputs()
    inputs = {"a": rows(3, 4), "b": rows(3, 4, seed=1)}
    bundles.append(write_bundle(folder, two, golden_of(two, inputs), name="two").path)
    with start_server(bundles) as running:
        yield running


@pytest.mark.parametrize("name", TYPES)
def test_every_type_comes_back_as_it_went(server: LocalServer, name: str) -> None:
    values = TYPES[name][1]
    with Endpoint(server.url, name.lower()) as endpoint:
        assert endpoint.signature == Signature(
            (TensorSpec("x", DType[name], ("batch", 2)),), (TensorSpec("y", DType[name], ("batch", 2)),)
        )
        for count in (1, 3):
            sent = np.repeat(values, count, axis=0)
            found = endpoint.predict({"x": sent})["y"]
            assert found.dtype == sent.dtype
            assert found.tolist() == sent.tolist()


def test_text_may_be_sent_as_str(server: LocalServer) -> None:
    with Endpoint(server.url, "bytes") as endpoint:
        found = endpoint.predict({"x": np.array([["ä", "b"]], dtype=object)})["y"]
    assert found.tolist() == [["ä".encode(), b"b"]]


def test_several_inputs_and_outputs_go_by_name(server: LocalServer) -> None:
    a, b = rows(2, 5), rows(2, 5, seed=3)
    with Endpoint(server.url, "two") as endpoint:
        found = endpoint.predict({"b": b, "a": a})
    np.testing.assert_array_equal(found["sum"], a + b)
    np.testing.assert_array_equal(found["difference"], a - b)


def test_several_models_ask_for_a_name(server: LocalServer) -> None:
    with Endpoint(server.url) as endpoint, pytest.raises(UsageError, match="two") as caught:
        endpoint.signature  # noqa: B018 - asking is the test
    assert "/v2/models/NAME" in caught.value.hint


@pytest.mark.parametrize("path", ["/v2/models/two", "/v2/models/two/", "/v2/models/two/versions/1"])
def test_the_address_of_one_model(server: LocalServer, path: str) -> None:
    with Endpoint(server.url + path, "fp64") as endpoint:  # the address is more than the default
        assert endpoint.model == "two"
        assert endpoint.predict({"a": rows(1, 2), "b": rows(1, 2)})["difference"].tolist() == [[0.0, 0.0]]
        assert endpoint.is_ready()


def test_a_model_or_version_that_is_not_there(server: LocalServer) -> None:
    for path in ("/v2/models/gone", "/v2/models/two/versions/7"):
        with Endpoint(server.url + path) as endpoint, pytest.raises(EndpointAnswerError, match="404"):
            endpoint.signature  # noqa: B018 - asking is the test


def test_what_the_server_refuses_is_told_in_its_words(server: LocalServer) -> None:
    with (
        Endpoint(server.url, "two") as endpoint,
        pytest.raises(EndpointAnswerError, match="takes the inputs 'a', 'b'"),
    ):
        endpoint.predict({"a": rows(1, 2)})


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://[::1",
        "http://127.0.0.1:80/a\nb",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="not an address") as caught:
        Endpoint(url)
    assert "http://HOST:PORT" in caught.value.hint


def test_a_name_or_password_in_an_address_is_refused_and_not_repeated() -> None:
    for url in ("http://ann:hush@127.0.0.1:8080", "https://hush@127.0.0.1"):
        with pytest.raises(UsageError, match=r"127\.0\.0\.1") as caught:
            Endpoint(url)
        assert "hush" not in str(caught.value)
        assert "--api-key" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "key", "says", "hint"),
    [
        ("401 Unauthorized", None, "none was given", "SHIPWAY_API_KEY"),
        ("401 Unauthorized", "wrong-key", "does not know", "--api-key"),
        ("403 Forbidden", "small-key", "scope", "--api-key"),
    ],
)
def test_a_key_that_is_missing_or_does_not_do(status: str, key: str | None, says: str, hint: str) -> None:
    """Whatever is asked first: the list of models, one's metadata, or an inference."""
    refusal = http({"error": f"not with {key}"}, status)
    credentials = Credentials(api_key=key)
    asked = {
        "models": (lambda _: refusal, lambda endpoint: endpoint.model),
        "metadata": (lambda _: refusal, lambda endpoint: Endpoint.metadata.fget(endpoint)),
        "inference": (v2(lambda _: refusal), lambda endpoint: endpoint.predict({"x": X})),
    }
    for name, (answer, ask_it) in asked.items():
        with (
            odd_server(answer) as odd,
            Endpoint(odd.url, None if name == "models" else "m", credentials=credentials) as endpoint,
            pytest.raises(EndpointAnswerError, match=says) as caught,
        ):
            ask_it(endpoint)
        assert hint in caught.value.hint
        assert str(key) not in str(caught.value)
        sent = {request.headers.get("authorization") for request in odd.requests}
        assert sent == {None if key is None else f"Bearer {key}"}


def test_a_server_that_repeats_the_key_in_its_error_does_not_put_it_into_ours() -> None:
    replies = v2(lambda request: http({"error": f"oh: {request.headers['authorization']}"}, "500 Oops"))
    with (
        odd_server(replies) as odd,
        Endpoint(odd.url, "m", credentials=Credentials(api_key="hush-hush")) as endpoint,
        pytest.raises(EndpointAnswerError, match="oh: Bearer …"),
    ):
        endpoint.predict({"x": X})


def test_the_key_does_not_follow_a_redirect() -> None:
    with odd_server(lambda _: http({})) as elsewhere:
        moved = http("", "307 Temporary Redirect", Location=f"{elsewhere.url}/v2/models/m")
        with (
            odd_server(lambda _: moved) as odd,
            Endpoint(odd.url, "m", credentials=Credentials(api_key="hush")) as endpoint,
            pytest.raises(EndpointAnswerError, match="307"),
        ):
            endpoint.signature  # noqa: B018 - asking is the test
    assert elsewhere.requests == []


def test_nobody_there(unused_port: int) -> None:
    with (
        Endpoint(f"http://127.0.0.1:{unused_port}", "m") as endpoint,
        pytest.raises(EndpointUnreachableError, match=str(unused_port)),
    ):
        endpoint.is_ready()


def test_a_server_that_does_not_answer_in_time() -> None:
    with (
        odd_server(lambda _: b"") as odd,
        Endpoint(odd.url, "m", timeout_seconds=0.2) as endpoint,
        pytest.raises(EndpointUnreachableError, match="timed out"),
    ):
        endpoint.predict({"x": X})


def test_a_server_that_speaks_json_only() -> None:
    with odd_server(v2(doubled)) as odd, Endpoint(odd.url) as endpoint:
        found = endpoint.predict({"x": X})["y"]
        assert odd.requests[0].path == "/"
    np.testing.assert_array_equal(found, 2 * X)
    assert found.dtype == np.float32


def test_a_server_behind_a_path() -> None:
    with odd_server(v2(doubled)) as odd, Endpoint(f"{odd.url}/team/a/v2/models/my%20model/") as endpoint:
        np.testing.assert_array_equal(endpoint.predict({"x": X})["y"], 2 * X)
        assert endpoint.model == "my model"
        assert {request.path for request in odd.requests} == {
            "/team/a/v2/models/my%20model",
            "/team/a/v2/models/my%20model/infer",
        }
    with odd_server(v2(doubled)) as odd, Endpoint(f"{odd.url}/v2x/", "m") as endpoint:
        assert endpoint.infer_path == "/v2x/v2/models/m/infer"


def test_free_dimensions_get_names() -> None:
    described = metadata([tensor("x", [-1, -1, 3, -1])], [tensor("y", [-1]), tensor("z", [1, -1], "INT32")])
    with odd_server(v2(doubled, described)) as odd, Endpoint(odd.url) as endpoint:
        signature = endpoint.signature
    assert signature.inputs[0].shape == ("batch", "x_1", 3, "x_3")
    assert [spec.shape for spec in signature.outputs] == [("batch",), (1, "z_1")]
    assert signature.batch_axis is None


BINARY = {"binary_data_size": X.nbytes}


def binary(outputs: list[dict], blob: bytes, *, header: str = HEADER, length: object = None) -> bytes:
    head = json.dumps({"outputs": outputs}).encode()
    return http(head + blob, **{header: len(head) if length is None else length})


def ask(reply: bytes, described: dict = DOUBLING) -> dict[str, np.ndarray]:
    with odd_server(v2(lambda _: reply, described)) as odd, Endpoint(odd.url, "m") as endpoint:
        return endpoint.predict({"x": X})


def test_outputs_in_another_order_and_form() -> None:
    y, z = tensor("y", [3, 2], parameters=BINARY), tensor("z", [2], "INT64", data=[[7], [8]], parameters=None)
    for outputs in ([y, z], [z, y]):
        found = ask(binary(outputs, X.tobytes()))
        np.testing.assert_array_equal(found["y"], X)
        assert found["z"].tolist() == [7, 8]


def test_a_proxy_may_spell_the_header_otherwise() -> None:
    reply = binary([tensor("y", [3, 2], parameters=BINARY)], X.tobytes(), header=HEADER.lower())
    np.testing.assert_array_equal(ask(reply)["y"], X)


def test_numbers_in_json_keep_their_type() -> None:
    outputs = [
        tensor("u", [2], "UINT64", data=[2**64 - 1, 0]),
        tensor("b", [2], "BOOL", data=[True, False]),
        tensor("s", [2, 1], "BYTES", data=["ä", ""]),
        tensor("h", [1], "FP16", data=[0.5]),
        tensor("n", [0, 4], "INT8", data=[]),
    ]
    found = ask(http({"outputs": outputs}))
    assert found["u"].tolist() == [2**64 - 1, 0]
    assert found["b"].tolist() == [True, False]
    assert found["s"].tolist() == [["ä"], [""]]
    assert found["h"].dtype == np.float16
    assert found["n"].shape == (0, 4)


def test_truth_in_binary_is_any_byte_but_zero() -> None:
    reply = binary([tensor("y", [3], "BOOL", parameters={"binary_data_size": 3})], b"\0\1\2")
    assert ask(reply)["y"].tolist() == [False, True, True]


NESTED = b'{"outputs":' + b"[" * 100_000
BROKEN = {
    "not JSON": http("<html>hello</html>"),
    "no outputs": http({"result": []}),
    "a list": http("[]"),
    "outputs are no objects": http({"outputs": ["y"]}),
    "an output without a name": http({"outputs": [{"shape": [1], "datatype": "FP32", "data": [1]}]}),
    "an unknown datatype": http({"outputs": [tensor("y", [1], "COMPLEX64", data=[1])]}),
    "BF16 in JSON": http({"outputs": [tensor("y", [1], "BF16", data=[1])]}),
    "too few numbers": http({"outputs": [tensor("y", [3, 2], data=[1.0, 2.0])]}),
    "a negative size": http({"outputs": [tensor("y", [-1, 2], data=[1.0, 2.0])]}),
    "a size that is no number": http({"outputs": [tensor("y", ["3", 2], data=[1.0] * 6)]}),
    "text for numbers": http({"outputs": [tensor("y", [1], data=["one"])]}),
    "a fraction for a whole number": http({"outputs": [tensor("y", [1], "INT32", data=[1.5])]}),
    "a number out of range": http({"outputs": [tensor("y", [1], "UINT8", data=[256])]}),
    "a number beyond 64 bits": http({"outputs": [tensor("y", [1], "INT64", data=[2**70])]}),
    "numbers for truth": http({"outputs": [tensor("y", [1], "BOOL", data=[2])]}),
    "nesting without end": http(NESTED),
    "binary too short": binary([tensor("y", [3, 2], parameters=BINARY)], X.tobytes()[:-4]),
    "binary of another shape": binary([tensor("y", [4, 2], parameters=BINARY)], X.tobytes()),
    "binary with a negative shape": binary([tensor("y", [-1, 2], parameters=BINARY)], X.tobytes()),
    "a negative size of binary": binary(
        [tensor("y", [3, 2], parameters={"binary_data_size": -4})], bytes(24)
    ),
    "a size that is text": binary([tensor("y", [3, 2], parameters={"binary_data_size": "24"})], bytes(24)),
    "a header that is no number": binary([tensor("y", [3, 2], parameters=BINARY)], bytes(24), length="all"),
    "a negative header": binary([tensor("y", [3, 2], parameters=BINARY)], bytes(24), length=-10),
    "a header beyond the body": binary([tensor("y", [3, 2], parameters=BINARY)], bytes(24), length=10**9),
    "strings that are cut off": binary(
        [tensor("y", [2], "BYTES", parameters={"binary_data_size": 9})], b"\2\0\0\0ab\xff\0\0"
    ),
    "a string longer than the data": binary(
        [tensor("y", [1], "BYTES", parameters={"binary_data_size": 6})], b"\xff\0\0\0ab"
    ),
    "more strings than there are bytes": binary(
        [tensor("y", [10**12], "BYTES", parameters={"binary_data_size": 4})], bytes(4)
    ),
    "bytes after the last string": binary(
        [tensor("y", [1], "BYTES", parameters={"binary_data_size": 6})], bytes(6)
    ),
    "a server error": http({"error": "out of tea"}, "500 Internal Server Error"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_an_answer_that_is_none(fault: str) -> None:
    with pytest.raises(EndpointAnswerError) as caught:
        ask(BROKEN[fault])
    assert "'m'" in caught.value.message
    assert caught.value.hint


def test_the_servers_own_words_are_repeated() -> None:
    with pytest.raises(EndpointAnswerError, match=r"status 500: out of tea"):
        ask(BROKEN["a server error"])
    with pytest.raises(EndpointAnswerError, match=r"status 502: b'<h1>Bad Gateway"):
        ask(http("<h1>Bad Gateway</h1>" * 50, "502 Bad Gateway"))


def test_a_redirect_is_told_and_not_followed() -> None:
    moved = http("", "307 Temporary Redirect", Location="https://elsewhere.example/v2/models/m/infer")
    with pytest.raises(EndpointAnswerError, match="307") as caught:
        ask(moved)
    assert "https://elsewhere.example/v2/models/m/infer" in caught.value.hint
    with (
        odd_server(lambda _: moved) as odd,
        Endpoint(odd.url, "m") as endpoint,
        pytest.raises(EndpointAnswerError) as caught,
    ):
        endpoint.signature  # noqa: B018 - asking is the test
    assert "elsewhere.example" in caught.value.hint


@pytest.mark.parametrize(
    "described",
    [
        "no JSON",
        "[1, 2]",
        "[" * 100_000,
        {"name": "m"},
        metadata([tensor("x", [-1], "COMPLEX64")], []),
        metadata([tensor("x", ["n"])], []),
        metadata([tensor("x", [1.5])], []),
        metadata([tensor("x", None)], []),
        metadata([tensor(None, [1])], []),
        metadata(["x"], []),
        metadata(7, []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_metadata_that_are_none(described: object) -> None:
    with (
        odd_server(lambda _: http(described)) as odd,
        Endpoint(odd.url, "m") as endpoint,
        pytest.raises(EndpointAnswerError, match=r"not as the protocol|JSON") as caught,
    ):
        endpoint.signature  # noqa: B018 - asking is the test
    assert "V2" in caught.value.hint


@pytest.mark.parametrize("listing", ["no JSON", "[]", '{"models": 3}', '{"models": []}', "[" * 100_000])
def test_a_server_that_lists_no_model(listing: str) -> None:
    with (
        odd_server(lambda _: http(listing)) as odd,
        Endpoint(odd.url) as endpoint,
        pytest.raises(UsageError, match="which model"),
    ):
        endpoint.signature  # noqa: B018 - asking is the test


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Closing(http({"outputs": []})[:-4]), "broke off"),
        (Closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\nabc"), "broke off"),
        (Closing(http("", Content_Length=10**15)), "broke off"),
        (Closing(b"SSH-2.0-OpenSSH_9.2\r\n"), "SSH-2.0"),
        (Closing(b""), "closed connection"),
        (Closing(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), "headers"),
    ],
    ids=["cut off", "cut off in chunks", "a claim of a petabyte", "no HTTP", "nothing", "too many headers"],
)
def test_an_answer_that_breaks_off(reply: bytes, says: str) -> None:
    with pytest.raises(EndpointUnreachableError, match=says):
        ask(reply)


def test_a_kept_connection_that_was_closed_meanwhile_is_made_again() -> None:
    """Servers close idle connections; the next request must not fail for it."""

    def closing(request: Request) -> bytes:
        return Closing(doubled(request)) if request.path.endswith("/infer") else Closing(http(DOUBLING))

    with odd_server(closing) as odd, Endpoint(odd.url, "m") as endpoint:
        for _ in range(3):
            np.testing.assert_array_equal(endpoint.predict({"x": X})["y"], 2 * X)
        assert odd.connections == 4
        assert len(odd.requests) == 4


def test_after_an_error_the_endpoint_can_be_asked_again() -> None:
    replies = iter([Closing(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), http("oops", "500 Oops")])

    def infer(request: Request) -> bytes:
        return next(replies, None) or doubled(request)

    with odd_server(v2(infer)) as odd, Endpoint(odd.url, "m") as endpoint:
        for _ in range(2):
            with pytest.raises(ShipwayError):
                endpoint.predict({"x": X})
        np.testing.assert_array_equal(endpoint.predict({"x": X})["y"], 2 * X)


def test_ready_is_what_the_status_says() -> None:
    with (
        odd_server(lambda _: http("", "503 Service Unavailable")) as odd,
        Endpoint(odd.url) as endpoint,
    ):
        assert not endpoint.is_ready()


def test_what_is_sent_is_the_protocols_form(tmp_path: Path) -> None:
    """Big-endian and sliced arrays go as little-endian, row-major bytes, in the model's own datatype."""
    with odd_server(v2(doubled)) as odd, Endpoint(odd.url, "m") as endpoint:
        endpoint.predict({"x": np.asfortranarray(np.repeat(X, 2, axis=0)[::2]).astype(">f4")})
        request = odd.requests[-1]
    np.testing.assert_array_equal(request.inputs()["x"], X)
    assert request.headers["content-type"] == "application/octet-stream"
    head = json.loads(request.body[: int(request.headers[HEADER.lower()])])
    assert head["parameters"] == {"binary_data_output": True}
    assert head["inputs"][0]["datatype"] == "FP32"
