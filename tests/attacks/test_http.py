"""Hostile and broken clients over a raw socket: each is answered or cut off, and the server goes on as before."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from served import bundles, models, process
from served.wire import Wire, infer_body, request_bytes

LIMITS = {
    "SHIPWAY_SERVER_MAX_HEAD_BYTES": "8192",
    "SHIPWAY_SERVER_MAX_BODY_BYTES": "100000",
    "SHIPWAY_SERVER_MAX_CONNECTIONS": "40",
    "SHIPWAY_SERVER_HEAD_SECONDS": "0.6",
    "SHIPWAY_SERVER_BODY_SECONDS": "0.6",
    "SHIPWAY_SERVER_IDLE_SECONDS": "1.5",
    "SHIPWAY_SERVER_SEND_SECONDS": "1",
    "SHIPWAY_SERVER_LOG_REQUESTS": "none",
}
INFER = "/v2/models/echo/infer"
BODY = json.dumps(infer_body("x", np.ones((1, 2)))).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = models.identity()
    golden = bundles.golden_of(made, {"x": bundles.rows(4, 2)})
    path = bundles.write_bundle(tmp_path_factory.mktemp("b"), made, golden, name="echo").path
    with process.serving(path, environment=LIMITS) as running:
        yield running
        with Wire(running.port) as wire:
            assert wire.request("POST", INFER, BODY).status == 200
        assert running.stop() == 0
        assert process.complaints(running.process) == []  # no traceback, whatever came


@pytest.fixture
def wire(server):
    with Wire(server.port) as made:
        yield made


def resident_bytes(server):
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def refused(wire, status, *words):
    """The answer is a refusal with these words, as JSON, and the connection ends."""
    answer = wire.read()
    assert answer.status == status
    assert all(word in answer.json["error"] for word in words), answer.json
    assert answer.headers["connection"] == "close"
    wire.socket.shutdown(socket.SHUT_WR)
    assert wire.is_ended()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,  # a TLS hello
        b"GARBAGE\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"get / http/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5, 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",  # smuggling
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        # What one server reads as one request and the next one as two (RFC 9112, 11.2).
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",  # obs-fold
        b"POST / HTTP/1.1\nContent-Length: 5\n\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: 5\n\r\nhello",
        b"POST / HTTP/1.1\rContent-Length: 5\r\rhello",
        b"GET / HTTP/1.1\r\n A: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n: b\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA\x00: b\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",  # over 64 bits
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http(wire, garbage):
    wire.send(garbage)
    refused(wire, 400, "not HTTP/1.1")


def test_random_bytes(server):
    random_numbers = random.Random(5)
    for _ in range(60):
        with Wire(server.port) as wire:
            wire.send(random_numbers.randbytes(random_numbers.randint(1, 3000)))
            wire.socket.shutdown(socket.SHUT_WR)
            while wire.socket.recv(65536):
                pass


def test_changed_bytes_in_a_good_request(server):
    """Every answer is well-formed, whichever byte is another."""
    random_numbers = random.Random(6)
    good = request_bytes("POST", INFER, BODY)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(random_numbers.randint(1, 3)):
            data[random_numbers.randrange(len(data))] = random_numbers.randrange(256)
        with Wire(server.port) as wire:
            wire.send(bytes(data))
            wire.socket.shutdown(socket.SHUT_WR)
            try:
                answer = wire.read()
            except EOFError:  # the length grew: the request never became whole
                continue
            assert answer.status in (200, 400, 404, 405, 413, 501), answer
            assert "error" in answer.json or answer.status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 3000 + b"\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"b" * 9000 + b"\r\n\r\n",
    ],
)
def test_a_head_over_the_limit(wire, head):
    wire.send(head)
    refused(wire, 413, "max_head_bytes (8192)")


def test_a_header_without_end_is_not_collected(server, wire):
    """The parser would hold a header's value until its end comes: 130 MB must not be found in memory."""
    before = resident_bytes(server)
    wire.send(b"GET / HTTP/1.1\r\nA: ")
    with contextlib.suppress(OSError):  # sooner or later the server cuts it off
        for _ in range(2000):
            wire.send(b"b" * 65536)
    assert resident_bytes(server) - before < 30_000_000


def test_a_header_in_small_pieces_is_bounded_too(wire):
    wire.send(b"GET / HTTP/1.1\r\nA: ")
    for _ in range(12):
        time.sleep(0.002)
        wire.send(b"b" * 1000)
    refused(wire, 413, "max_head_bytes (8192)")


def test_a_body_over_the_limit_is_refused_by_its_length(wire):
    wire.send(b"POST %b HTTP/1.1\r\nContent-Length: 100001\r\n\r\n" % INFER.encode())
    refused(wire, 413, "max_body_bytes is 100000")


def test_a_client_that_sends_it_anyway_still_reads_the_answer(wire):
    """Closing at once would reset the connection and destroy the answer on its way."""
    wire.send(request_bytes("POST", INFER, b"x" * 3_000_000))
    refused(wire, 413, "max_body_bytes is 100000")


def test_expect_is_refused_before_the_body(wire):
    head = b"POST %b HTTP/1.1\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n" % INFER.encode()
    wire.send(head)
    refused(wire, 413, "max_body_bytes")


def test_chunks_over_the_limit(wire):
    wire.send(b"POST %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % INFER.encode())
    for _ in range(12):
        wire.send(b"2710\r\n" + b"x" * 10000 + b"\r\n")
    refused(wire, 413, "max_body_bytes is 100000")


def test_a_body_that_grows(wire):
    bomb = gzip.compress(b" " * 20_000_000)
    answer = wire.request("POST", INFER, bomb, {"Content-Encoding": "gzip"})
    assert (answer.status, "max_body_bytes (100000)" in answer.json["error"]) == (413, True)


@pytest.mark.parametrize(
    "path", ["/v2", "/" + "%2e%2e/" * 20 + "etc/passwd", "/%ff%fe", "/v2/models/%00/infer"]
)
def test_strange_paths(wire, path):
    assert wire.request("POST", path, b"").status in (404, 405)


def test_deep_json(wire):
    for body in (b'{"inputs":[],"a":' + b"[" * 90_000, b'{"inputs":' + b'{"a":' * 15_000, b"[" * 90_000):
        assert wire.request("POST", INFER, body).status == 400
    deep = (
        b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":'
        + b"[" * 40_000
        + b"]" * 40_000
        + b"}]}"
    )
    assert wire.request("POST", INFER, deep).status == 400


def binary(size, data, *, shape=(1, 2), header=None):
    json_part = json.dumps(
        {
            "inputs": [
                {"name": "x", "shape": shape, "datatype": "FP32", "parameters": {"binary_data_size": size}}
            ]
        }
    ).encode()
    return json_part + data, {
        "Inference-Header-Content-Length": str(len(json_part) if header is None else header)
    }


@pytest.mark.parametrize(
    ("size", "data", "more"),
    [
        (-8, b"\0" * 8, {}),
        (2**63, b"\0" * 8, {}),
        (8, b"", {}),
        (8, b"\0" * 9, {}),
        (0, b"\0" * 8, {}),
        (8, b"\0" * 8, {"shape": [2**62, 4]}),
        (8, b"\0" * 8, {"shape": [-1, -2]}),
        (8, b"\0" * 8, {"header": -1}),
        (8, b"\0" * 8, {"header": 10**30}),
        (8, b"\0" * 8, {"header": 5}),
    ],
)
def test_binary_sizes_that_do_not_add_up(wire, size, data, more):
    """CVE-2025-23319's class: sizes from a request are never trusted."""
    answer = wire.request("POST", INFER, *binary(size, data, **more))
    assert answer.status == 400
    assert wire.request("POST", INFER, BODY).status == 200


def test_a_slow_head(wire):
    wire.send(b"GET / HT")
    refused(wire, 408, "head_seconds (0.6 s)")


def test_a_head_that_trickles(wire):
    """Slowloris: a byte now and then does not keep a request alive."""
    wire.send(b"GET / HTTP/1.1\r\n")
    with pytest.raises(OSError):
        for _ in range(200):
            wire.send(b"A: b\r\n")
            time.sleep(0.05)
    assert wire.socket.fileno() > 0


def test_a_slow_body(wire):
    wire.send(request_bytes("POST", INFER, BODY)[:-10])
    refused(wire, 408, "body_seconds (0.6 s)")


def test_an_idle_connection_is_closed(wire):
    assert wire.request("GET", "/v2").status == 200
    assert wire.is_ended()


def test_one_byte_at_a_time(wire):
    for byte in request_bytes("POST", INFER, BODY):
        wire.send(bytes([byte]))
    assert wire.read().status == 200


def test_half_close_still_gets_its_answers(wire):
    wire.send(request_bytes("POST", INFER, BODY) * 3)
    wire.socket.shutdown(socket.SHUT_WR)
    assert [wire.read().status for _ in range(3)] == [200] * 3
    assert wire.is_ended()


def test_an_error_between_pipelined_requests_keeps_the_order(wire):
    good, bad = request_bytes("POST", INFER, BODY), request_bytes("POST", INFER, b"{")
    wire.send(good + bad + request_bytes("GET", "/nope") + good)
    assert [wire.read().status for _ in range(4)] == [200, 400, 404, 200]


def test_garbage_after_a_good_request_does_not_cost_its_answer(wire):
    wire.send(request_bytes("POST", INFER, BODY) + b"\x00garbage\r\n\r\n")
    assert wire.read().status == 200
    refused(wire, 400, "not HTTP/1.1")


def test_nothing_after_connection_close_is_answered(wire):
    last = request_bytes("POST", INFER, BODY, {"Connection": "close"})
    wire.send(last + request_bytes("GET", "/v2"))
    assert wire.read().status == 200
    with pytest.raises((EOFError, ConnectionResetError)):
        wire.read()


OFFER = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}
CHUNKED = b"%b\r\n%x\r\n%b\r\n0\r\n\r\n"


def offering(body, **more):
    return request_bytes("POST", INFER, body, {**OFFER, **more})


@pytest.mark.parametrize("pieces", [1, 2, 50])
def test_an_offer_to_upgrade_is_ignored_and_its_body_read(wire, pieces):
    """RFC 9110, 7.8: as `curl --http2` makes it; what comes behind the body is the next request, on a byte."""
    after = request_bytes("GET", "/v2/models/none")
    for _ in range(2):
        data = offering(BODY) + offering(BODY) + after
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            wire.send(data[start : start + size])
        assert [wire.read().status for _ in range(3)] == [200, 200, 404]


def test_an_offer_with_chunks_is_ignored_too(wire):
    head = request_bytes("POST", INFER, None, {**OFFER, "Transfer-Encoding": "chunked"})[:-2]
    body = BODY
    for _ in range(2):
        wire.send(CHUNKED % (head, len(body), body) + request_bytes("GET", "/v2/models/none"))
        assert [wire.read().status for _ in range(2)] == [200, 404]


def test_a_body_behind_an_upgrade_is_not_a_request(wire):
    smuggled = request_bytes("GET", "/v2")
    wire.send(offering(smuggled) + offering(smuggled) + request_bytes("GET", "/v2/models/none"))
    assert [wire.read().status for _ in range(3)] == [400, 400, 404]


def test_an_offer_changes_no_limit_and_no_end(wire):
    wire.send(offering(BODY, Connection="Upgrade, close") + request_bytes("GET", "/v2"))
    answer = wire.read()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    with pytest.raises((EOFError, ConnectionResetError)):
        wire.read()


@pytest.mark.parametrize(
    "lengths",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
        "Transfer-Encoding: xchunked",
    ],
)
def test_an_offer_does_not_hide_two_lengths(wire, lengths):
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n{lengths}\r\n\r\n"
    wire.send(head.encode() + b"0\r\n\r\n" + request_bytes("GET", "/v2"))
    refused(wire, 400, "not HTTP/1.1")


def test_offers_by_the_thousand_are_taken_one_by_one(wire):
    """300 of them in one read were too deep a recursion."""
    ask = request_bytes("GET", "/v2/models/none", None, {"Connection": "Upgrade", "Upgrade": "h2c"})
    wire.send(ask * 1000)
    assert [wire.read().status for _ in range(1000)] == [404] * 1000


def test_a_tunnel_with_a_body_is_refused(wire):
    wire.send(request_bytes("CONNECT", "a:80", BODY, {"Connection": "Upgrade", "Upgrade": "h2c"}))
    refused(wire, 501, "Upgrade")


def test_a_client_that_never_reads_is_cut_off(server):
    with Wire(server.port) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        big = request_bytes("POST", INFER, infer_body("x", np.ones((2500, 2))))
        with pytest.raises(OSError):
            for _ in range(20_000):
                wire.send(big)


def test_clients_that_vanish(server):
    for _ in range(50):
        with Wire(server.port) as wire:
            wire.send(request_bytes("POST", INFER, BODY) * 5)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close by reset


def test_too_many_connections_are_told(server):
    held = []
    try:
        held.extend(Wire(server.port) for _ in range(60))
        answer = held[-1].read()
        assert answer.status == 503
        assert "max_connections (40)" in answer.json["error"]
        assert answer.headers["retry-after"] == "1"
        assert held[0].request("GET", "/v2/health/live").status == 200
    finally:
        for wire in held:
            wire.socket.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with Wire(server.port) as wire:
            if wire.request("GET", "/v2/health/live").status == 200:
                return
    pytest.fail("the server takes no connection any more")
