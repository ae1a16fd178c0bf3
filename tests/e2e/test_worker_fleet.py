"""What concerns all workers of a server at once: operations, metrics, keys to a connection, memory of models."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import ssl
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from served import bundles, models, process
from served.certificates import Authority
from served.wire import Wire, infer_body, request_bytes
from served.workers import children, metric, wait_until, wait_until_all_serve, wait_until_read, worker_of

TWO = ("--workers", "2")
WEIGHTS_BYTES = 128 * 2**20


def write(folder, name, made, shape):
    return bundles.write_bundle(
        folder, made, bundles.golden_of(made, {"x": bundles.rows(*shape)}), name=name
    ).path


def statuses(server, path, count=16):
    """Of as many connections, which the kernel shares out among the workers."""
    found = set()
    for _ in range(count):
        with Wire(server.port) as wire:
            found.add(wire.request("GET", path).status)
    return found


def kill_one(server):
    victim = children(server.process.pid)[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in children(server.process.pid))


@pytest.fixture
def managed(tmp_path):
    write(tmp_path, "echo", models.identity(), (4, 2))
    write(tmp_path, "tiny", models.mlp(), (4, 4))
    environment = {"SHIPWAY_SERVER_MANAGEMENT_PORT": "0"}
    with process.serving(tmp_path, options=TWO, environment=environment) as running:
        yield running
        assert running.stop() == 0


def change(server, model, action):
    with Wire(int(server.report["management"].rpartition(":")[2])) as wire:
        return wire.request("POST", f"/v2/repository/models/{model}/{action}", {})


def test_a_change_is_made_in_every_worker_and_again_in_one_that_starts_later(managed):
    assert change(managed, "echo", "unload").status == 200
    assert statuses(managed, "/v2/models/echo/ready") & {200} == set()
    kill_one(managed)
    wait_until_all_serve(managed)
    assert statuses(managed, "/v2/models/echo/ready") & {200} == set()
    assert statuses(managed, "/v2/models/tiny/ready") == {200}
    assert change(managed, "echo", "load").status == 200
    assert statuses(managed, "/v2/models/echo/ready") == {200}


def test_a_change_that_is_refused_is_refused_by_its_own_class(managed):
    answer = change(managed, "nothing", "load")
    assert (answer.status, answer.json["code"]) == (404, "request.model-not-found")


def test_a_worker_that_dies_in_the_middle_of_a_change_does_not_hang_it(managed):
    stopped = children(managed.process.pid)[0]
    os.kill(stopped, signal.SIGSTOP)  # it will not do its part
    port = int(managed.report["management"].rpartition(":")[2])
    wires = [Wire(port) for _ in range(12)]  # all of them at the stopped one: one run in 4,096
    for wire in wires:
        wire.send(request_bytes("POST", "/v2/repository/models/echo/load", {}))
    time.sleep(0.3)
    os.kill(stopped, signal.SIGKILL)
    found = []
    for wire in wires:
        with wire, contextlib.suppress(OSError, EOFError):  # it waited for the stopped one itself
            found.append(wire.read())
    assert {answer.status for answer in found} == {503}
    assert all("in the middle of the operation" in answer.json["error"] for answer in found)
    wait_until_all_serve(managed)


def test_metrics_tell_of_the_dead(managed):
    assert [metric(managed, f"shipway_worker_{name}_total") for name in ("deaths", "refusals")] == [0, 0]
    with Wire(managed.port) as wire:
        wire.send(b"POST /v2/models/echo/infer HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
        wait_until_read(managed, wire)
        os.kill(worker_of(managed, wire), signal.SIGKILL)
        assert wire.read().status == 503
    wait_until_all_serve(managed)
    assert [metric(managed, f"shipway_worker_{name}_total") for name in ("deaths", "refusals")] == [1, 1]


def test_counts_outlive_the_worker_that_made_them(managed):
    """A sum that fell would be a new beginning to Prometheus, and all of it one large rate."""
    body = infer_body("x", np.ones((1, 4), np.float32))
    for _ in range(24):
        with Wire(managed.port) as wire:
            assert wire.request("POST", "/v2/models/tiny/infer", body).status == 200
    name = 'shipway_inference_requests_total{model="tiny",version="1",outcome="success"}'
    before = metric(managed, name)
    assert before == 24
    kill_one(managed)
    wait_until_all_serve(managed)
    assert metric(managed, name) == before


def test_an_encrypted_connection_ends_with_its_worker(tmp_path):
    """Its keys are gone: nothing that anybody else writes would be understood."""
    authority = Authority(tmp_path)
    pair = authority.issue()
    echo = write(tmp_path, "echo", models.identity(), (4, 2))
    environment = {
        "SHIPWAY_SERVER_TLS_CERTIFICATE": str(pair.certificate),
        "SHIPWAY_SERVER_TLS_KEY": str(pair.key),
    }
    context = ssl.create_default_context(cafile=authority.certificate)

    def connect(port):
        wire = Wire(port)
        plain = wire.socket
        wire.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        return wire

    with process.serving(echo, options=TWO, environment=environment) as server:
        with connect(server.port) as wire:
            body = infer_body("x", np.ones((1, 2)))
            assert wire.request("POST", "/v2/models/echo/infer", body).status == 200
            os.kill(worker_of(server, wire), signal.SIGKILL)
            with pytest.raises((OSError, EOFError)):
                wire.read()
        for _ in range(8):  # the place without a worker too
            with connect(server.port) as wire:
                assert wire.request("POST", "/v2/models/echo/infer", body).status == 200
        assert server.stop() == 0


def test_mapped_weights_are_in_memory_once(tmp_path):
    path = _large_bundle(tmp_path)
    with process.serving(path, options=TWO) as server:
        assert server.report["ready"] is True
        x = np.ones((1, 4096), np.float32)
        for _ in range(16):
            with Wire(server.port) as wire:
                headers = {"Inference-Header-Content-Length": "0"}
                assert wire.request("POST", "/v2/models/large/infer", x.tobytes(), headers).status == 200
        workers = children(server.process.pid)
        resident = [_memory_bytes(worker, "Rss") for worker in workers]
        shared_out = [_memory_bytes(worker, "Pss") for worker in workers]
        assert min(resident) > WEIGHTS_BYTES  # each has all of them at hand
        # One copy between them; twice that would be two. The rest of a worker is some 40 MB.
        assert sum(shared_out) < 1.2 * WEIGHTS_BYTES + 60 * 2**20 * len(workers)
        assert server.stop() == 0


def _memory_bytes(process_id, kind):
    text = Path(f"/proc/{process_id}/smaps_rollup").read_text()
    return int(re.search(rf"^{kind}:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024


def _large_bundle(folder):
    """x W with W in a file of its own, as export stores large models."""
    weights = np.random.default_rng(0).normal(size=(4096, WEIGHTS_BYTES // 4 // 4096)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", float32, ["n", 4096])],
        [helper.make_tensor_value_info("y", float32, ["n", weights.shape[1]])],
        [numpy_helper.from_array(weights, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = bundles.rows(2, 4096)
    return bundles.write_bundle(
        folder,
        made,
        bundles.golden_of(made, {"x": x}, outputs={"y": x @ weights}),
        name="large",
        options={"mapped_weights": True},
        weights_file="weights.bin",
    ).path
