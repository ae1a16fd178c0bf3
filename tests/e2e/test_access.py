"""Keys, certificates and the management port on a running server, by the clients that people use."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from served import bundles, models, process
from served.certificates import Authority
from served.wire import Wire, infer_body, request_bytes

INFER_KEY, ADMIN_KEY = "a-key-for-requests", "a-key-for-the-operator"
INFER = "/v2/models/echo/infer"
BODY = infer_body("x", np.ones((1, 2)))


def write_keys(path, infer_key=INFER_KEY):
    path.touch(mode=0o600)
    path.write_text(
        f'[[keys]]\nname = "app"\nkey = "{infer_key}"\nscopes = ["infer"]\n'
        f'[[keys]]\nname = "operator"\nkey = "{ADMIN_KEY}"\nscopes = ["admin"]\n'
    )
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    made = models.identity()
    golden = bundles.golden_of(made, {"x": bundles.rows(4, 2)})
    return bundles.write_bundle(tmp_path_factory.mktemp("b"), made, golden, name="echo").path


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def variables(**settings):
    return {f"SHIPWAY_SERVER_{name.upper()}": str(value) for name, value in settings.items()}


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it did not come about in time")


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two workers"])
def keyed(request, bundle, tmp_path_factory):
    keys = write_keys(tmp_path_factory.mktemp("k") / "keys.toml")
    environment = variables(api_keys=keys, workers=request.param, repository_api="true")
    with process.serving(bundle, environment=environment) as running:
        running.keys = keys
        yield running
        assert running.stop() == 0
        told = running.process.stderr.read().decode()
        assert INFER_KEY not in told
        assert ADMIN_KEY not in told


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": f"Basic {INFER_KEY}"}, 401),
        ({"Authorization": f"Bearer {INFER_KEY}"}, 200),
        ({"X-Api-Key": INFER_KEY}, 200),
        ({"X-Api-Key": ADMIN_KEY}, 200),
    ],
)
def test_a_key_opens_inference(keyed, headers, status):
    with Wire(keyed.port) as wire:
        answer = wire.request("POST", INFER, BODY, headers)
        assert answer.status == status
        if status == 401:
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json["code"] == "request.unauthorized"


def test_health_needs_none_and_all_else_does(keyed):
    with Wire(keyed.port) as wire:
        for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/echo/ready", "/v2"):
            assert wire.request("GET", path).status == 200, path
        # Unknown names are told apart from known ones only to who has a key.
        for path in ("/", "/v2/models/echo", "/v2/models/nobody", "/v2/models/stats", "/metrics"):
            assert wire.request("GET", path).status == 401, path
        assert wire.request("GET", "/v2/models/nobody", headers={"X-Api-Key": INFER_KEY}).status == 404


def test_scopes_are_told_apart(keyed):
    with Wire(keyed.port) as wire:
        refused = wire.request("POST", "/v2/repository/index", b"", {"X-Api-Key": INFER_KEY})
        assert (refused.status, refused.json["code"]) == (403, "request.forbidden")
        rows = wire.request("POST", "/v2/repository/index", b"", {"X-Api-Key": ADMIN_KEY}).json
        assert [(row["name"], row["state"]) for row in rows] == [("echo", "READY")]


def test_a_body_without_a_key_is_not_received(keyed):
    """401 comes when the head is there: nobody without a key makes the server take 100 MB."""
    with Wire(keyed.port) as wire:
        wire.send(b"POST %b HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n" % INFER.encode())
        assert wire.read().status == 401
    with Wire(keyed.port) as wire:
        wire.send(b"POST %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % INFER.encode())
        assert wire.read().status == 401


def test_a_repeated_head_without_a_key_stays_refused(keyed):
    """Heads are known by their bytes: what a good one is given must not reach another."""
    with Wire(keyed.port) as wire:
        for _ in range(3):
            assert wire.request("GET", "/v2/models/echo", headers={"X-Api-Key": INFER_KEY}).status == 200
            assert wire.request("GET", "/v2/models/echo", headers={"X-Api-Key": "nonsense"}).status == 401
            assert wire.request("GET", "/v2/models/echo").status == 401


def test_keys_change_while_it_serves(keyed):
    headers = {"X-Api-Key": "the-key-after-this"}

    def status(with_headers):
        with Wire(keyed.port) as wire:
            return wire.request("GET", "/v2/models/echo", headers=with_headers).status

    with Wire(keyed.port) as kept:
        assert kept.request("GET", "/v2/models/echo", headers={"X-Api-Key": INFER_KEY}).status == 200
        write_keys(keyed.keys, "the-key-after-this")
        keyed.process.send_signal(signal.SIGHUP)
        until(lambda: {status(headers) for _ in range(20)} == {200})
        # On a connection from before, too.
        assert kept.request("GET", "/v2/models/echo", headers={"X-Api-Key": INFER_KEY}).status == 401
    write_keys(keyed.keys).write_text("broken")
    keyed.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert {status(headers) for _ in range(8)} == {200}
    write_keys(keyed.keys)
    keyed.process.send_signal(signal.SIGHUP)
    until(lambda: {status({"X-Api-Key": INFER_KEY}) for _ in range(20)} == {200})


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two workers"])
def encrypted(request, bundle, authority):
    pair = authority.issue("server")
    environment = variables(
        tls_certificate=pair.certificate, tls_key=pair.key, workers=request.param, head_seconds=1
    )
    with process.serving(bundle, environment=environment) as running:
        yield running
        assert running.stop() == 0
        assert b"Traceback" not in running.process.stderr.read()


def trusting(authority, pair=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def test_python_and_curl_over_tls(encrypted, authority):
    url = encrypted.report["url"]
    assert url.startswith("https://")
    request = urllib.request.Request(url + INFER, json.dumps(BODY).encode())
    with urllib.request.urlopen(request, context=trusting(authority)) as answer:
        assert json.load(answer)["outputs"][0]["data"] == [1.0, 1.0]
    command = ["curl", "-sS", "--cacert", authority.certificate, url + INFER, "-d", json.dumps(BODY)]
    told = subprocess.run(command, capture_output=True, check=True, timeout=20)
    assert json.loads(told.stdout)["model_name"] == "echo"


def test_tritonclient_over_tls(encrypted, authority):
    address = encrypted.report["url"].removeprefix("https://")
    with InferenceServerClient(
        address, ssl=True, ssl_options={"ca_certs": str(authority.certificate)}
    ) as client:
        tensor = InferInput("x", [1, 2], "FP32")
        tensor.set_data_from_numpy(np.ones((1, 2), np.float32))
        for _ in range(3):
            assert client.infer("echo", [tensor]).as_numpy("y").tolist() == [[1.0, 1.0]]


def test_a_large_answer_over_tls_comes_whole(encrypted, authority):
    body = json.dumps(infer_body("x", np.ones((60_000, 2)))).encode()
    request = urllib.request.Request(encrypted.report["url"] + INFER, body)
    with urllib.request.urlopen(request, context=trusting(authority)) as answer:
        assert len(json.load(answer)["outputs"][0]["data"]) == 120_000


def test_what_is_no_tls_ends_at_once_and_harms_nobody(encrypted):
    for hello in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" + b"\xff" * 200, b"\x00" * 50):
        with Wire(encrypted.port) as wire:
            wire.send(hello)
            wire.socket.settimeout(10)
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP/1.1 2" not in wire.socket.recv(4096)


def test_a_handshake_that_never_comes_is_cut(encrypted):
    started = time.monotonic()
    with Wire(encrypted.port) as wire, contextlib.suppress(ConnectionResetError):
        assert wire.socket.recv(1) == b""
    assert time.monotonic() - started < 10


def test_tls_on_a_plain_port_is_told(keyed):
    with Wire(keyed.port) as wire:
        context = ssl.create_default_context()
        outgoing = ssl.MemoryBIO()
        hello = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            hello.do_handshake()
        wire.send(outgoing.read())
        answer = wire.read()
        assert (answer.status, "begins a TLS connection" in answer.json["error"]) == (400, True)


def test_client_certificates(bundle, authority, tmp_path):
    pair = authority.issue("mutual")
    other = Authority(tmp_path)
    environment = variables(
        tls_certificate=pair.certificate, tls_key=pair.key, tls_client_ca=authority.certificate
    )
    with process.serving(bundle, environment=environment) as running:
        url = running.report["url"] + "/v2/health/live"
        client = authority.issue("client", "client.example")
        with urllib.request.urlopen(url, context=trusting(authority, client)) as answer:
            assert answer.status == 200
        for shown in (None, other.issue("stranger", "client.example")):
            with pytest.raises((ssl.SSLError, urllib.error.URLError, ConnectionError)):
                urllib.request.urlopen(url, context=trusting(authority, shown))
        assert running.stop() == 0


def test_a_certificate_is_renewed_while_it_serves(bundle, authority):
    pair = authority.issue("renewed")
    environment = variables(tls_certificate=pair.certificate, tls_key=pair.key)
    with process.serving(bundle, environment=environment) as running:

        def shown():
            return ssl.get_server_certificate(("127.0.0.1", running.port))

        before = shown()
        authority.issue("renewed")
        running.process.send_signal(signal.SIGHUP)
        until(lambda: shown() != before)
        with urllib.request.urlopen(running.report["url"] + "/v2", context=trusting(authority)) as answer:
            assert answer.status == 200
        assert running.stop() == 0


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def managed(request, bundle, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copytree(bundle, folder / bundle.name)
    environment = variables(management_port=0, workers=request.param)
    with process.serving(folder, environment=environment) as running:
        yield running
        assert running.stop() == 0


def address(url):
    return url.rpartition("/")[2]


def test_tritonclient_loads_and_unloads(managed):
    main, management = managed.report["url"], managed.report["management"]
    assert management.startswith("http://127.0.0.1:")
    tensor = InferInput("x", [1, 2], "FP32")
    tensor.set_data_from_numpy(np.ones((1, 2), np.float32))
    with (
        InferenceServerClient(address(management)) as manager,
        InferenceServerClient(address(main)) as client,
    ):
        rows = manager.get_model_repository_index()
        assert [(row["name"], row["state"]) for row in rows] == [("echo", "READY")]
        assert "model_repository" in manager.get_server_metadata()["extensions"]
        assert "model_repository" not in client.get_server_metadata()["extensions"]
        manager.unload_model("echo")
        assert not client.is_model_ready("echo")
        with pytest.raises(InferenceServerException):
            client.infer("echo", [tensor])
        rows = manager.get_model_repository_index()
        assert [(row["name"], row["state"]) for row in rows] == [("echo", "UNAVAILABLE")]
        manager.load_model("echo")
        for _ in range(5):
            assert client.infer("echo", [tensor]).as_numpy("y").tolist() == [[1.0, 1.0]]
        with pytest.raises(InferenceServerException, match="nobody"):
            manager.load_model("nobody")
        # GHSA-8fxr-qfr9-p34w (TorchServe): whoever reached the management port could have any file loaded.
        for given in ({"config": "{}"}, {"config": "{}", "files": {"file:1/model.onnx": b"x"}}):
            with pytest.raises((InferenceServerException, TypeError)):
                manager.load_model("echo", **given)


def test_the_main_port_points_there(managed):
    with Wire(managed.port) as wire:
        answer = wire.request("POST", "/v2/repository/index", b"")
        assert (answer.status, "management port" in answer.json["error"]) == (404, True)


def test_the_management_port_refuses_files_paths_and_web_pages(managed):
    port = int(managed.report["management"].rpartition(":")[2])
    with Wire(port) as wire:
        for parameters in ({"config": "{}"}, {"file:1/model.onnx": "eA=="}, {"path": "/etc"}):
            answer = wire.request("POST", "/v2/repository/models/echo/load", {"parameters": parameters})
            assert (answer.status, answer.json["code"]) == (501, "request.unsupported")
        answer = wire.request("POST", "/v2/repository/models/..%2F..%2Fetc/load", b"")
        assert (answer.status, answer.json["code"]) == (404, "request.model-not-found")
        assert wire.request("POST", "/v2/repository/index", b"[").status == 400
        assert wire.request("GET", "/v2/repository/index").status == 405
        assert wire.request("POST", INFER, BODY).status in (404, 405)
        assert wire.request("GET", "/v2/health/ready").status == 200
        page = wire.request("GET", "/v2/models/echo", headers={"Origin": "https://elsewhere.example"})
        assert (page.status, page.json["code"]) == (403, "request.forbidden")
    with Wire(port) as wire:
        page = {"Origin": "https://elsewhere.example", "Content-Type": "text/plain"}
        assert wire.request("POST", "/v2/repository/models/echo/unload", b"{}", page).status == 403


def test_what_the_management_port_answers_is_counted_and_its_errors_are_told(managed):
    port = int(managed.report["management"].rpartition(":")[2])
    with Wire(port) as wire, Wire(managed.port) as main:
        assert wire.request("POST", "/v2/repository/models/nobody/load", b"").status == 404
        metrics = main.request("GET", "/metrics").body.decode()
        assert 'shipway_http_refusals_total{status="404",code="request.model-not-found"} 1' in metrics
        assert "shipway_connections 2" in metrics
    assert managed.stop() == 0
    told = [json.loads(line) for line in managed.process.stderr.read().splitlines()]
    assert [line["target"] for line in told if line["event"] == "request"] == [
        "/v2/repository/models/nobody/load"
    ]


def test_management_keys_are_its_own(bundle, tmp_path):
    keys = write_keys(tmp_path / "keys.toml")
    with process.serving(bundle, environment=variables(management_port=0, management_keys=keys)) as running:
        with Wire(running.port) as wire:
            assert wire.request("POST", INFER, BODY).status == 200
        with Wire(int(running.report["management"].rpartition(":")[2])) as wire:
            assert wire.request("GET", "/v2/models/echo", headers={"X-Api-Key": ADMIN_KEY}).status == 200
            headers = {"X-Api-Key": INFER_KEY}
            assert wire.request("POST", "/v2/repository/index", b"", headers).status == 403
            assert wire.request("POST", "/v2/repository/index", b"").status == 401
        assert running.stop() == 0


def test_pipelined_requests_over_tls_are_answered_in_order(encrypted, authority):
    import socket

    with (
        socket.create_connection(("127.0.0.1", encrypted.port), timeout=20) as plain,
        trusting(authority).wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(request_bytes("GET", "/v2/health/live") + request_bytes("GET", "/nope"))
        seen = b""
        while seen.count(b"HTTP/1.1 ") < 2 or not seen.endswith(b"}"):
            seen += secure.recv(65536)
        assert seen.index(b"HTTP/1.1 200") < seen.index(b"HTTP/1.1 404")


def test_what_is_logged_changes_for_all_workers(managed):
    address_of_manager = address(managed.report["management"])
    with InferenceServerClient(address_of_manager) as manager:
        assert manager.get_log_settings()["log_info"] is True
        assert manager.update_log_settings({"log_info": False})["log_info"] is False
        for _ in range(6):
            assert manager.get_log_settings()["log_info"] is False
        with pytest.raises(InferenceServerException, match="own matter"):
            manager.update_log_settings({"log_file": "/tmp/elsewhere"})


def test_no_inference_on_the_management_port(managed):
    port = int(managed.report["management"].rpartition(":")[2])
    with Wire(port) as wire:
        for path in (INFER, "/v1/models/echo:predict", "/v1/models/echo:classify"):
            assert wire.request("POST", path, BODY).status in (404, 405), path
