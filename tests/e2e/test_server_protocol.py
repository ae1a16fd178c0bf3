"""The server as users run it: the protocol over a real socket, readiness, batches under load, and the drain."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from served import bundles, models, process
from served.wire import Wire, infer_body, request_bytes

X = bundles.rows(3, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bundles")


def bundle(folder, name, made, inputs, **more):
    return bundles.write_bundle(folder, made, bundles.golden_of(made, inputs), name=name, **more).path


@pytest.fixture(scope="module")
def server(folder):
    pair = {"a": bundles.rows(4, 3), "b": bundles.rows(4, 3, seed=8)}
    text = np.array([["a", "ü"], ["", "b"]], dtype=object)
    whole = np.array([[1, -(2**63)], [2**63 - 1, 0]])
    paths = [
        bundle(folder, "tiny", models.mlp(), {"x": bundles.rows(16, 4)}, labels=("a", "b", "c")),
        bundle(folder, "tiny", models.mlp(), {"x": bundles.rows(16, 4)}, version="2"),
        bundle(folder, "cnn", models.cnn(), {"x": bundles.rows(4, 1, 28, 28)}),
        bundle(folder, "pair", models.two_inputs(), pair),
        bundle(folder, "fixed", models.mlp(batch=1), {"x": bundles.rows(1, 4)}),
        bundle(folder, "echo", models.identity(), {"x": bundles.rows(4, 2)}),
        bundle(folder, "text", models.identity(TensorProto.STRING), {"x": text}),
        bundle(folder, "whole", models.identity(TensorProto.INT64), {"x": whole}),
        bundle(folder, "half", models.identity(TensorProto.FLOAT16), {"x": np.ones((2, 2), np.float16)}),
        bundle(folder, "truth", models.identity(TensorProto.BOOL), {"x": np.eye(2, dtype=bool)}),
        bundle(folder, "inverse", models.reciprocal(), {"x": bundles.rows(4, 2)}),
        bundle(folder, "lookup", models.lookup(), {"x": np.arange(4).reshape(4, 1)}),
        bundle(folder, "größe 1", models.identity(), {"x": bundles.rows(4, 2)}),
    ]
    with process.serving(*paths) as running:
        yield running


@pytest.fixture
def wire(server):
    with Wire(server.port) as made:
        yield made


def infer(wire, model, body, headers=(), *, path="/v2/models/{}/infer"):
    return wire.request("POST", path.format(model), body, headers)


def values(answer, index=0):
    output = answer.json["outputs"][index]
    return np.array(output["data"]).reshape(output["shape"])


class TestDocuments:
    def test_the_line_at_the_start(self, server):
        assert server.report["ready"] is True
        assert {"name": "tiny", "version": "2", "ready": True} in server.report["models"]

    def test_index(self, wire):
        found = wire.request("GET", "/").json
        assert found["models"]["tiny"]["versions"] == ["1", "2"]
        assert wire.request("GET", found["models"]["größe 1"]["metadata"]).json["name"] == "größe 1"

    @pytest.mark.parametrize("path", ["/v2", "/v2/", "/v2?x=1"])
    def test_server(self, wire, path):
        found = wire.request("GET", path).json
        assert found["name"] == "shipway"
        assert found["extensions"] == ["binary_tensor_data", "model_configuration", "statistics"]

    def test_health(self, wire):
        assert wire.request("GET", "/v2/health/live").status == 200
        assert wire.request("GET", "/v2/health/ready").json == {"ready": True}
        assert wire.request("GET", "/v2/models/tiny/ready").json == {"name": "tiny", "ready": True}
        assert wire.request("GET", "/v2/models/tiny/versions/1/ready").status == 200

    def test_model(self, wire):
        found = wire.request("GET", "/v2/models/tiny/versions/1").json
        properties = found.pop("properties")
        assert found == {
            "name": "tiny",
            "versions": ["1", "2"],
            "platform": "onnx_onnxv1",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
        }
        assert properties["version"] == "1"
        assert properties["labels"] == ["a", "b", "c"]
        assert len(properties["bundle"]) == 64
        verdict = bundles.VERDICT
        assert properties["verdicts"] == [
            {"rule": verdict.rule, "subject": verdict.subject, "result": "PASS", "reason": verdict.reason}
        ]

    def test_head_is_get_without_a_body(self, wire):
        head = wire.request("HEAD", "/v2")
        get = wire.request("GET", "/v2")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]

    def test_answers_have_a_date(self, wire):
        assert wire.request("GET", "/v2").headers["date"].endswith("GMT")


class TestErrors:
    @pytest.mark.parametrize(
        ("method", "path", "status", "message"),
        [
            ("GET", "/nowhere", 404, "No '/nowhere' on this server"),
            ("GET", "/v2/models", 404, "/v2/models"),
            ("GET", "/v2/models/none", 404, "No model 'none' here; known: tiny"),
            ("GET", "/v2/models/tiny/versions/9", 404, "no version '9'; it has 1, 2"),
            ("POST", "/v2/models/none/infer", 404, "No model 'none'"),
            ("POST", "/v2/models/tiny/versions/1/more/infer", 404, "on this server"),
            ("POST", "/v2", 405, "takes GET and HEAD, found POST"),
            ("GET", "/v2/models/tiny/infer", 405, "takes POST, found GET"),
            ("DELETE", "/v2/models/tiny", 405, "found DELETE"),
        ],
    )
    def test_paths_and_methods(self, wire, method, path, status, message):
        answer = wire.request(method, path)
        assert answer.status == status
        assert message in answer.json["error"]
        assert ("allow" in answer.headers) == (status == 405)
        assert wire.request("GET", "/v2").status == 200  # the connection lives on

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "truncated"),
            (b"{not json", "malformed"),
            ({"inputs": []}, "takes the inputs 'x'; found none"),
            (infer_body("x", X[:, :3]), "axis 1 is 3, not 4"),
            (infer_body("x", X, datatype="FP64"), "expected datatype FP32"),
            (infer_body("x", X, outputs=[{"name": "q"}]), "'q' is not the model's"),
        ],
    )
    def test_requests(self, wire, body, message):
        answer = infer(wire, "tiny", body)
        assert answer.status == 400
        assert message in answer.json["error"]

    def test_a_run_that_fails(self, wire):
        answer = infer(wire, "lookup", infer_body("x", np.array([[99]]), "INT64"))
        assert answer.status == 500
        assert "out of data bounds" in answer.json["error"]
        assert answer.json["code"] == "session.run"

    def test_nan_is_not_json(self, wire):
        body = infer_body("x", np.zeros((1, 2)))
        answer = infer(wire, "inverse", body)
        assert answer.status == 406
        assert "NaN or infinity" in answer.json["error"]
        answer = infer(wire, "inverse", body | {"parameters": {"binary_data_output": True}})
        assert answer.status == 200
        found = answer.body[int(answer.headers["inference-header-content-length"]) :]
        assert np.isinf(np.frombuffer(found, np.float32)).all()


class TestInference:
    @pytest.mark.parametrize(
        "path", ["/v2/models/{}/infer", "/v2/models/{}/versions/1/infer", "/v2/models/{}/infer?x=1"]
    )
    def test_json(self, wire, path):
        answer = infer(wire, "tiny", infer_body("x", X, id="42"), path=path)
        expected = bundles.reference(models.mlp(), {"x": X})["y"]
        np.testing.assert_allclose(values(answer), expected, rtol=1e-4, atol=1e-7)
        assert answer.json["id"] == "42"
        assert answer.json["model_version"] == ("1" if "versions" in path else "2")

    def test_an_escaped_name(self, wire):
        answer = infer(wire, "gr%C3%B6%C3%9Fe%201", infer_body("x", np.ones((1, 2))))
        assert answer.json["model_name"] == "größe 1"

    def test_a_fixed_batch(self, wire):
        expected = bundles.reference(models.mlp(), {"x": X[:1]})["y"]
        np.testing.assert_allclose(values(infer(wire, "fixed", infer_body("x", X[:1]))), expected, rtol=1e-4)
        refused = infer(wire, "fixed", infer_body("x", X))
        assert (refused.status, "axis 0 is 3, not 1" in refused.json["error"]) == (400, True)

    def test_no_rows(self, wire):
        answer = infer(wire, "tiny", infer_body("x", X[:0]))
        assert (answer.status, answer.json["outputs"][0]["shape"]) == (200, [0, 3])

    def test_two_inputs_and_requested_outputs(self, wire):
        a, b = bundles.rows(2, 3), bundles.rows(2, 3, seed=1)
        inputs = infer_body("b", b)["inputs"] + infer_body("a", a)["inputs"]
        answer = infer(wire, "pair", {"inputs": inputs, "outputs": [{"name": "difference"}, {"name": "sum"}]})
        assert [output["name"] for output in answer.json["outputs"]] == ["difference", "sum"]
        np.testing.assert_allclose(values(answer, 0), a - b, rtol=1e-6)
        only = infer(wire, "pair", {"inputs": inputs, "outputs": [{"name": "sum"}]})
        assert len(only.json["outputs"]) == 1

    @pytest.mark.parametrize(
        ("model", "datatype", "rows"),
        [
            ("text", "BYTES", [["ü€", ""], ["\x00", "z"]]),
            ("whole", "INT64", [[-(2**63), 2**63 - 1]]),
            ("half", "FP16", [[0.5, -65504.0]]),
            ("truth", "BOOL", [[True, False]]),
        ],
    )
    def test_element_types(self, wire, model, datatype, rows):
        shape = [len(rows), 2]
        answer = infer(
            wire, model, {"inputs": [{"name": "x", "shape": shape, "datatype": datatype, "data": rows}]}
        )
        assert answer.json["outputs"] == [
            {
                "name": "y",
                "datatype": datatype,
                "shape": shape,
                "data": [item for row in rows for item in row],
            }
        ]

    def test_raw_bytes_in_and_out(self, wire):
        x = bundles.rows(5, 2)
        answer = infer(wire, "echo", x.tobytes(), {"Inference-Header-Content-Length": "0"})
        length = int(answer.headers["inference-header-content-length"])
        assert answer.headers["content-type"] == "application/octet-stream"
        assert json.loads(answer.body[:length])["outputs"][0]["parameters"] == {"binary_data_size": 40}
        np.testing.assert_array_equal(np.frombuffer(answer.body[length:], np.float32).reshape(5, 2), x)

    def test_a_large_request_runs_whole(self, wire):
        x = bundles.rows(3000, 4)
        expected = bundles.reference(models.mlp(), {"x": x})["y"]
        np.testing.assert_allclose(
            values(infer(wire, "tiny", infer_body("x", x))), expected, rtol=1e-3, atol=1e-6
        )

    @pytest.mark.parametrize("rows", [3, 5000])
    @pytest.mark.parametrize(("coding", "make"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
    def test_compressed(self, wire, coding, make, rows):
        x = bundles.rows(rows, 2)
        body = make(json.dumps(infer_body("x", x)).encode())
        headers = {"Content-Encoding": coding, "Accept-Encoding": coding}
        answer = infer(wire, "echo", body, headers)
        assert (answer.headers.get("content-encoding") == coding) == (rows > 3)  # small ones fit in a packet
        if rows > 3:
            answer.body = gzip.decompress(answer.body) if coding == "gzip" else zlib.decompress(answer.body)
        np.testing.assert_array_equal(values(answer).astype(np.float32), x)

    def test_expect_100_continue(self, wire):
        body = json.dumps(infer_body("x", X)).encode()
        head = request_bytes("POST", "/v2/models/tiny/infer", body, {"Expect": "100-continue"})
        wire.send(head[: -len(body)])
        assert wire.read().status == 100
        wire.send(body)
        assert wire.read().status == 200

    def test_chunks(self, wire):
        body = json.dumps(infer_body("x", X)).encode()
        wire.send(b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 7):
            piece = body[start : start + 7]
            wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        wire.send(b"0\r\n\r\n")
        assert wire.read().status == 200

    def test_http_1_0(self, server):
        with Wire(server.port) as wire:
            wire.send(b"GET /v2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert wire.read().headers["connection"] == "keep-alive"
            wire.send(b"GET /v2 HTTP/1.0\r\n\r\n")
            assert wire.read().headers["connection"] == "close"
            assert wire.is_ended()

    def test_an_upgrade_may_be_ignored(self, wire):
        """curl --http2 asks for one on its first request."""
        answer = wire.request("GET", "/v2", headers={"Connection": "Upgrade", "Upgrade": "h2c"})
        assert answer.status == 200
        assert wire.request("GET", "/v2").status == 200


def ask_many(port, name, *, connections, requests, make, check):
    """Each connection asks `requests` times; what `check` finds wrong, and every failure, is returned."""
    wrong = []

    def run(number):
        random_numbers = random.Random(number)
        try:
            with Wire(port) as wire:
                for count in range(requests):
                    body, expected = make(number, count, random_numbers)
                    problem = check(infer(wire, name, body), expected)
                    if problem:
                        wrong.append(problem)
        except Exception as error:  # noqa: BLE001 - a thread tells what went wrong in it
            wrong.append(repr(error))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return wrong


class TestBatches:
    def test_answers_never_mix(self, server):
        """MLServer#1306: other people's answers under batching. Each row here says whose it is."""

        def make(number, count, random_numbers):
            rows = random_numbers.randint(1, 9)
            x = np.array([[number * 1000 + count, row] for row in range(rows)], np.float32)
            return infer_body("x", x, id=f"{number}/{count}"), x

        def check(answer, x):
            if answer.status == 200 and np.array_equal(values(answer), x):
                return None
            return answer.body[:200]

        assert ask_many(server.port, "echo", connections=16, requests=150, make=make, check=check) == []

    def test_one_bad_request_fails_alone(self, server):
        """LitServe#340: one bad request fails its whole batch."""

        def make(number, count, random_numbers):
            is_bad = random_numbers.random() < 0.2
            return infer_body("x", np.array([[99 if is_bad else count % 10]]), "INT64"), is_bad

        def check(answer, is_bad):
            return None if answer.status == (500 if is_bad else 200) else answer.body[:200]

        assert ask_many(server.port, "lookup", connections=12, requests=60, make=make, check=check) == []

    def test_different_lengths_at_once(self, server):
        def make(number, count, random_numbers):
            a = np.full((random_numbers.randint(1, 4), random_numbers.randint(1, 5)), number, np.float32)
            return {"inputs": infer_body("a", a)["inputs"] + infer_body("b", a * 2)["inputs"]}, a

        def check(answer, a):
            if answer.status == 200 and np.array_equal(values(answer), a * 3):
                return None
            return answer.body[:200]

        assert ask_many(server.port, "pair", connections=12, requests=60, make=make, check=check) == []

    def test_pipelined_answers_keep_their_order(self, wire):
        bodies = [
            request_bytes("POST", "/v2/models/echo/infer", infer_body("x", np.full((1, 2), n)))
            for n in range(300)
        ]
        sender = threading.Thread(target=wire.send, args=(b"".join(bodies),))
        sender.start()
        assert [values(wire.read())[0, 0] for _ in bodies] == list(range(300))
        sender.join()

    def test_a_queue_that_is_full_says_so(self, folder):
        path = bundle(folder, "slow", models.slow(), {"x": bundles.rows(2, 2)})
        with process.serving(path, environment={"SHIPWAY_SERVER_MAX_QUEUE_ROWS": "4"}) as server:

            def check(answer, _):
                statuses.append(answer.status)
                if answer.status == 429:
                    assert answer.headers["retry-after"] == "1"
                    assert "max_queue_rows is 4" in answer.json["error"]

            statuses = []
            make = lambda *_: (infer_body("x", np.ones((2, 2))), None)  # noqa: E731
            assert ask_many(server.port, "slow", connections=12, requests=4, make=make, check=check) == []
            assert set(statuses) == {200, 429}


class TestReadiness:
    def test_a_tampered_sample_is_never_ready_and_says_why(self, tmp_path):
        made = models.mlp()
        golden = bundles.golden_of(made, {"x": bundles.rows(16, 4)})
        golden.outputs["y"][2] = golden.outputs["y"][2][::-1]
        good = bundle(tmp_path, "good", models.identity(), {"x": bundles.rows(2, 2)})
        bad = bundles.write_bundle(tmp_path, made, golden).path
        with process.serving(bad, good) as server, Wire(server.port) as wire:
            assert server.report["ready"] is False
            assert "output 'y' differs" in server.report["models"][0]["reason"]
            assert wire.request("GET", "/v2/health/live").status == 200
            for path in ("/v2/health/ready", "/v2/models/tiny/ready"):
                answer = wire.request("GET", path)
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                assert "on sample 2" in answer.json["reason"]
            refused = infer(wire, "tiny", infer_body("x", X))
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert "differs" in refused.json["error"]
            assert wire.request("GET", "/v2/models/good/ready").status == 200
            assert infer(wire, "good", infer_body("x", np.ones((1, 2)))).status == 200
            assert server.stop() == 0

    def test_alive_before_it_is_ready(self, tmp_path):
        """The socket answers while a bundle of some size is still being hashed and loaded."""
        golden = bundles.golden_of(models.mlp(), {"x": bundles.rows(16, 4)})
        made = bundles.with_ballast(
            tmp_path, bundles.write_bundle(tmp_path, models.mlp(), golden), 600 * 2**20
        )
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        running = process.start(made.path, port=port)
        try:
            statuses = set()
            deadline = time.monotonic() + 60
            while ("ready", 200) not in statuses and time.monotonic() < deadline:
                with contextlib.suppress(ConnectionRefusedError), Wire(port) as wire:
                    assert wire.request("GET", "/v2/health/live").status == 200
                    answer = wire.request("GET", "/v2/health/ready")
                    statuses.add(("ready", answer.status))
                    if answer.status == 503:
                        assert "being loaded" in answer.json["reason"]
                        statuses.add(("infer", infer(wire, "tiny", infer_body("x", X)).status))
            assert statuses >= {("ready", 503), ("ready", 200), ("infer", 503)}
        finally:
            running.kill()
            running.communicate()


class TestStart:
    def run(self, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", "shipway.server", *map(str, arguments)],
            capture_output=True,
            timeout=60,
        )
        return done.returncode, json.loads(done.stdout), done.stderr

    def test_a_port_that_is_taken(self, server, folder):
        code, line, errors = self.run(folder / "echo-1.bundle", "--port", server.port)
        assert (code, errors) == (3, b"")
        assert line["error"]["code"] == "environment.port-in-use"
        assert str(server.port) in line["error"]["message"]
        assert "--port" in line["error"]["hint"]

    @pytest.mark.parametrize(
        ("break_it", "code"),
        [
            (lambda path: (path / "bundle.json").unlink(), "bundle.not-found"),
            (lambda path: (path / "extra").write_text("x"), "bundle.digest-mismatch"),
            (lambda path: (path / "bundle.json").write_text("{}"), "bundle.format"),
        ],
    )
    def test_a_broken_bundle(self, tmp_path, break_it, code):
        path = bundle(tmp_path, "echo", models.identity(), {"x": bundles.rows(2, 2)})
        break_it(path)
        returned, line, errors = self.run(path, "--port", 0)
        assert (returned, line["error"]["code"], errors) == (2, code, b"")

    def test_two_bundles_of_one_name_and_version(self, folder, tmp_path):
        other = bundle(tmp_path, "echo", models.identity(), {"x": bundles.rows(2, 2)})
        returned, line, _ = self.run(folder / "echo-1.bundle", other, "--port", 0)
        assert (returned, line["error"]["code"]) == (2, "usage.invalid")

    def test_an_address_of_another_machine(self, folder):
        returned, line, _ = self.run(folder / "echo-1.bundle", "--port", 0, "--host", "192.0.2.1")
        assert (returned, line["error"]["code"]) == (2, "usage.invalid")

    def test_a_setting_that_is_none(self, folder, monkeypatch):
        monkeypatch.setenv("SHIPWAY_SERVER_DRAIN_SECONDS", "long")
        returned, line, _ = self.run(folder / "echo-1.bundle", "--port", 0)
        assert returned == 2
        assert "SHIPWAY_SERVER_DRAIN_SECONDS" in line["error"]["message"]

    def test_no_file_appears_in_the_home_directory(self, folder, tmp_path):
        home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        with process.serving(folder / "echo-1.bundle", environment=home) as server:
            assert server.stop() == 0
        assert list(tmp_path.rglob("*")) == []


class TestDrain:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_idle(self, folder, number):
        with process.serving(folder / "echo-1.bundle") as server, Wire(server.port) as wire:
            assert wire.request("GET", "/v2").status == 200
            assert server.stop(number) == 0
            assert wire.is_ended()
            assert process.complaints(server.process) == []

    @pytest.mark.parametrize("name", ["echo", "slow"])
    def test_nothing_that_was_accepted_is_lost(self, folder, name, tmp_path):
        """triton#6230, kserve#3360: requests lost while a server ends.

        Every connection asks again and again. One that the kernel refuses was never accepted; on one that was,
        each request either is answered, or comes after an answer that said `Connection: close`.
        """
        if name == "slow":
            path = bundle(tmp_path, "slow", models.slow(), {"x": bundles.rows(2, 2)})
        else:
            path = folder / "echo-1.bundle"
        lost, answered, refused = [], [], []
        with process.serving(path) as server:

            def run(number):
                while not refused:
                    try:
                        wire = Wire(server.port)
                    except ConnectionRefusedError:
                        refused.append(number)
                        return
                    with wire:
                        try:
                            while True:
                                x = np.full((1, 2), number)
                                answer = infer(wire, name, infer_body("x", x))
                                answered.append(answer.status == 200 and np.array_equal(values(answer), x))
                                if answer.headers.get("connection") == "close":
                                    break
                        except (OSError, EOFError) as error:
                            lost.append(repr(error))
                            return

            threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
            for thread in threads:
                thread.start()
            while len(answered) < 50:
                time.sleep(0.005)
            before = len(answered)
            assert server.stop() == 0
            for thread in threads:
                thread.join(30)
            assert process.complaints(server.process) == []
        assert lost == []
        assert all(answered)
        assert len(answered) > before
        assert refused

    def test_pipelined_requests_are_all_answered(self, tmp_path):
        path = bundle(tmp_path, "slow", models.slow(), {"x": bundles.rows(2, 2)})
        one_by_one = {"SHIPWAY_SERVER_BATCHING": "false"}
        with process.serving(path, environment=one_by_one) as server, Wire(server.port) as wire:
            one = request_bytes("POST", "/v2/models/slow/infer", infer_body("x", np.ones((1, 2))))
            wire.send(one * 6)
            first = wire.read()
            server.process.send_signal(signal.SIGTERM)
            answers = [first, *(wire.read() for _ in range(5))]
            assert [answer.status for answer in answers] == [200] * 6
            assert answers[-1].headers["connection"] == "close"
            assert server.process.wait(20) == 0

    def test_readiness_is_off_while_it_drains(self, tmp_path):
        path = bundle(tmp_path, "slow", models.slow(), {"x": bundles.rows(2, 2)})
        environment = {"SHIPWAY_SERVER_DRAIN_IDLE_SECONDS": "5", "SHIPWAY_SERVER_BATCHING": "false"}
        with process.serving(path, environment=environment) as server:
            with Wire(server.port) as busy, Wire(server.port) as probe:
                assert probe.request("GET", "/v2/health/ready").status == 200
                busy.send(
                    request_bytes("POST", "/v2/models/slow/infer", infer_body("x", np.ones((1, 2)))) * 8
                )
                busy.read()
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.02)  # the signal is on its way; the queue above is some hundred ms long
                answer = probe.request("GET", "/v2/health/ready")
                assert answer.status == 503
                assert "draining" in answer.json["reason"]
                assert answer.headers["connection"] == "close"
                assert [busy.read().status for _ in range(7)] == [200] * 7
            assert server.process.wait(20) == 0

    def test_a_client_that_never_ends_does_not_hold_it(self, folder):
        environment = {"SHIPWAY_SERVER_DRAIN_SECONDS": "0.5"}
        running = process.serving(folder / "echo-1.bundle", environment=environment)
        with running as server, Wire(server.port) as wire:
            wire.send(b"POST /v2/models/echo/infer HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
            assert server.stop() == 3

    def test_while_it_loads(self, folder):
        running = process.start(folder / "cnn-1.bundle")
        try:
            while b"shipway.server" not in _command_line(running.pid):
                time.sleep(0.001)
            time.sleep(0.15)
            running.send_signal(signal.SIGTERM)
            assert running.wait(20) in (0, -signal.SIGTERM)  # before the handler stands, the default ends it
        finally:
            running.kill()
            running.communicate()


def _command_line(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()
