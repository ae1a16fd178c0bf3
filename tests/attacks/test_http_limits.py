"""Clients that keep to the protocol and wear a server down: slow ones, many, bodies that are mostly wrapping."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from served import bundles, models, process
from served.wire import Wire, infer_body, request_bytes

LIMITS = {
    "SHIPWAY_SERVER_MAX_BODY_BYTES": "4000000",
    "SHIPWAY_SERVER_MAX_BUFFERED_BYTES": "6000000",
    "SHIPWAY_SERVER_MAX_HEADERS": "20",
    "SHIPWAY_SERVER_HEAD_SECONDS": "1",
    "SHIPWAY_SERVER_BODY_SECONDS": "2",
    "SHIPWAY_SERVER_IDLE_SECONDS": "20",
    "SHIPWAY_SERVER_SEND_SECONDS": "1",
    "SHIPWAY_SERVER_LOG_REQUESTS": "none",
}
INFER = "/v2/models/echo/infer"
CHUNKED = b"POST %b HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" % INFER.encode()
BODY = json.dumps(infer_body("x", np.ones((1, 2)))).encode()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    made = models.identity()
    golden = bundles.golden_of(made, {"x": bundles.rows(4, 2)})
    return bundles.write_bundle(tmp_path_factory.mktemp("b"), made, golden, name="echo").path


@pytest.fixture(scope="module")
def server(bundle):
    with process.serving(bundle, environment=LIMITS) as running:
        yield running
        with Wire(running.port) as wire:
            assert wire.request("POST", INFER, BODY).status == 200
        assert running.stop() == 0
        assert process.complaints(running.process) == []


def resident_bytes(server):
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(server):
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds_until_cut(wire, step, most=12):
    """How long the server lets a client go on with `step`."""
    started = time.monotonic()
    wire.socket.settimeout(0.1)
    while time.monotonic() - started < most:
        with suppress(TimeoutError):
            try:
                step()
                if wire.socket.recv(65536) == b"":
                    break
            except OSError as error:
                if isinstance(error, TimeoutError):
                    raise
                break
    return time.monotonic() - started


def test_a_header_too_many(server):
    with Wire(server.port) as wire:
        assert wire.request("GET", "/v2", headers={f"H{number}": "1" for number in range(19)}).status == 200
        answer = wire.request("GET", "/v2", headers={f"H{number}": "1" for number in range(20)})
        assert (answer.status, "max_headers is 20" in answer.json["error"]) == (413, True)


def test_the_same_header_again_counts_again(server):
    with Wire(server.port) as wire:
        wire.send(b"GET /v2 HTTP/1.1\r\n" + b"A: b\r\n" * 21 + b"\r\n")
        assert wire.read().status == 413


def test_a_head_a_byte_at_a_time(server):
    """Slowloris: progress does not buy time."""
    with Wire(server.port) as wire:
        wire.send(b"GET /v2 HTTP/1.1\r\nA: ")
        assert seconds_until_cut(wire, lambda: wire.send(b"b")) < 4


def test_empty_lines_are_no_progress(server):
    with Wire(server.port) as wire:
        wire.send(b"GET /v2 HTTP/1.1\r\nA: b\r\n")
        assert seconds_until_cut(wire, lambda: wire.send(b"C: d\r\n")) < 4


def test_a_body_a_byte_at_a_time(server):
    with Wire(server.port) as wire:
        wire.send(b"POST %b HTTP/1.1\r\nContent-Length: 10000\r\n\r\n" % INFER.encode())
        assert seconds_until_cut(wire, lambda: wire.send(b" ")) < 6


def test_a_chunk_at_a_time(server):
    with Wire(server.port) as wire:
        wire.send(CHUNKED)
        assert seconds_until_cut(wire, lambda: wire.send(b"1\r\n \r\n")) < 6


def test_an_answer_that_is_never_taken(server):
    """10 MB, more than the kernel's buffers hold; the connection ends with it, and the client reads nothing."""
    values = np.random.default_rng(1).random((400_000, 2), np.float32)
    description = {"name": "x", "shape": values.shape, "datatype": "FP32"}
    head = json.dumps(
        {"inputs": [description | {"parameters": {"binary_data_size": values.nbytes}}]}
    ).encode()
    with Wire(server.port) as wire:
        assert wire.request("GET", "/v2/health/live").status == 200
        before = count_connections(server)
        headers = {"Inference-Header-Content-Length": str(len(head)), "Connection": "close"}
        wire.send(request_bytes("POST", INFER, head + values.tobytes(), headers))
        deadline = time.monotonic() + 10
        while count_connections(server) >= before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert count_connections(server) < before
        with pytest.raises((EOFError, ConnectionResetError)):
            wire.read()


def count_connections(server):
    folder = Path(f"/proc/{server.process.pid}/fd")
    targets = []
    for entry in folder.iterdir():
        with suppress(OSError):
            targets.append(str(entry.readlink()))
    return sum(target.startswith("socket:") for target in targets)


def test_chunks_of_two_bytes_take_the_room_of_their_bytes(server):
    """Kept one by one they would be 24 times as large in memory."""
    before = resident_bytes(server)
    with Wire(server.port) as wire:
        wire.send(CHUNKED)
        piece = b"2\r\nxx\r\n" * 50_000
        for _ in range(19):
            wire.send(piece)
        assert resident_bytes(server) - before < 20_000_000
        wire.send(b"0\r\n\r\n")
        assert wire.read().status == 400  # not JSON


def test_chunk_extensions_without_end(server):
    with Wire(server.port) as wire:
        wire.send(CHUNKED + b"5;")
        with suppress(OSError):
            for _ in range(300):
                wire.send(b"e" * 65536)
        answer = wire.read()
        assert (answer.status, "extensions" in answer.json["error"]) == (413, True)


def test_trailers_without_end(server):
    with Wire(server.port) as wire:
        wire.send(CHUNKED + b"0\r\n")
        with suppress(OSError):
            for _ in range(300):
                wire.send(b"A: b\r\n" * 10_000)
        assert wire.read().status in (400, 413)


def test_honest_chunks_pass(server):
    with Wire(server.port) as wire:
        wire.send(CHUNKED + b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in BODY) + b"0\r\nT: v\r\n\r\n")
        assert wire.read().status == 200


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", gzip.compress(b" " * 40_000_000), 413),
        ("deflate", zlib.compress(b" " * 40_000_000), 413),
        ("gzip", gzip.compress(b" " * 3_000_000, mtime=0) * 20, 413),
        (
            "gzip",
            gzip.compress(b"", mtime=0) * 150_000,
            400,
        ),  # 3 MB: each member costs more than its 20 bytes
        ("gzip", gzip.compress(gzip.compress(b" " * 40_000_000)), 400),  # undone once, it is not JSON
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), 501),
        ("gzip", gzip.compress(BODY)[:-4], 400),
        ("deflate", b"\x78\x9c" + b"\xff" * 1000, 400),
    ],
    ids=["gzip", "deflate", "members", "empty-members", "nested", "twice", "cut", "garbage"],
)
def test_bodies_that_grow(server, coding, body, status):
    before, used = resident_bytes(server), cpu_seconds(server)
    with Wire(server.port) as wire:
        answer = wire.request("POST", INFER, body, {"Content-Encoding": coding})
    assert answer.status == status, answer
    assert cpu_seconds(server) - used < 1
    assert resident_bytes(server) - before < 30_000_000


def test_bodies_of_all_connections_together(server):
    """Four unfinished bodies of 2 MB: three are held, one is sent away, and small requests go on."""
    held, answers = [], []
    try:
        for _ in range(4):
            wire = Wire(server.port)
            held.append(wire)
            wire.send(request_bytes("POST", INFER, b" " * 2_500_000)[:-10])
        for wire in held:
            wire.socket.settimeout(0.5)
            with suppress(TimeoutError):
                answers.append(wire.read())
        assert [answer.status for answer in answers][:1] == [503]
        assert "max_buffered_bytes (6000000)" in answers[0].json["error"]
        assert answers[0].headers["retry-after"] == "1"
        with Wire(server.port) as neighbor:
            assert neighbor.request("POST", INFER, BODY).status == 200
    finally:
        for wire in held:
            wire.socket.close()
    large = json.dumps(infer_body("x", np.ones((100_000, 2)))).encode()
    for _ in range(12):  # what has gone or was answered counts no more
        with Wire(server.port) as wire:
            assert wire.request("POST", INFER, large).status == 200


def test_connections_of_one_client(bundle):
    environment = {"SHIPWAY_SERVER_MAX_CONNECTIONS_PER_CLIENT": "5"}
    with process.serving(bundle, environment=environment) as server:
        held = [Wire(server.port) for _ in range(6)]
        answer = held[-1].read()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "max_connections_per_client (5)" in answer.json["error"]
        with socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.0.2", 0)) as other:
            other.sendall(request_bytes("GET", "/v2/health/live"))
            assert other.recv(65536).startswith(b"HTTP/1.1 200")
        for wire in held:
            wire.socket.close()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with Wire(server.port) as wire:
                if wire.request("GET", "/v2/health/live").status == 200:
                    break
        else:
            pytest.fail("who has gone still counts")
        assert server.stop() == 0


def test_a_neighbor_of_500_slow_clients(bundle):
    """They hang on with half a request each; another client's requests are answered as ever."""
    with process.serving(bundle, environment={"SHIPWAY_SERVER_HEAD_SECONDS": "30"}) as server:
        before = resident_bytes(server)
        slow = [Wire(server.port) for _ in range(500)]
        stop = threading.Event()

        def drip():
            for wire in slow:
                wire.send(b"POST %b HTTP/1.1\r\nContent-Length: 5000\r\nA: " % INFER.encode())
            while not stop.wait(0.2):
                for wire in slow:
                    with suppress(OSError):
                        wire.send(b"b")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            time.sleep(0.3)
            with Wire(server.port) as wire:
                taken = []
                for _ in range(600):
                    started = time.perf_counter()
                    assert wire.request("POST", INFER, BODY).status == 200
                    taken.append(time.perf_counter() - started)
            # 500 bytes that arrive at once take 5 ms; a server that is stuck would take seconds.
            assert sorted(taken)[int(len(taken) * 0.99)] < 0.25
            assert resident_bytes(server) - before < 40_000_000
        finally:
            stop.set()
            dripping.join()
            for wire in slow:
                wire.socket.close()
        assert server.stop() == 0


def test_no_descriptor_is_left(bundle):
    """Accepting fails then; the server neither spins nor ends, and goes on once there is room (EMFILE)."""
    command = f"ulimit -n 64; exec {sys.executable} -m shipway.server {bundle} --port 0"
    started = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        server = process.ServerProcess(started, process.read_line(started))
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(120)]
        time.sleep(0.3)
        used = cpu_seconds(server)
        time.sleep(2)
        assert cpu_seconds(server) - used < 1
        for connection in held:
            connection.close()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(OSError, EOFError), Wire(server.port) as wire:
                if wire.request("POST", INFER, BODY).status == 200:
                    break
            time.sleep(0.05)
        else:
            pytest.fail("the server takes no connection any more")
        assert server.stop() == 0
        assert process.complaints(started) == []
    finally:
        started.kill()
        started.wait()
        started.stdout.close()
        started.stderr.close()
