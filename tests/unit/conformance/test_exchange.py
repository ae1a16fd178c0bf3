"""Requests and answers byte for byte: bodies, limits, broken heads, and a key that no report shows."""

from __future__ import annotations

import pytest

from odd_server import Closing, http, odd_server
from shipway.conformance.address import Address, Client
from shipway.conformance.exchange import Connection, Reply, shown
from shipway.errors import EndpointAnswerError, EndpointUnreachableError
from shipway.targets.credentials import Credentials


def asked(reply: bytes, *, method: str = "GET", timeout_seconds: float = 5) -> Reply:
    with odd_server(lambda _: reply) as server:
        address = Address.parse(server.url)
        with Connection(address.host, address.port, timeout_seconds=timeout_seconds) as connection:
            return connection.request(method, "/v2")


class TestBodies:
    def test_of_a_stated_length(self):
        reply = asked(http(b"abc", X_Some="a"))
        assert (reply.status, reply.body, reply.headers["x-some"]) == (200, b"abc", "a")

    def test_in_chunks(self):
        chunks = b"3;x=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
        reply = asked(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        assert reply.body == b"abcde"

    def test_that_end_with_the_connection(self):
        assert asked(Closing(b"HTTP/1.1 200 OK\r\n\r\nabc")).body == b"abc"

    def test_of_head_are_not_waited_for(self):
        assert asked(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", method="HEAD").body == b""

    @pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
    def test_of_some_statuses_are_not_waited_for(self, status):
        assert asked(f"HTTP/1.1 {status}\r\n\r\n".encode()).body == b""


class TestWhatIsNoAnswer:
    @pytest.mark.parametrize(
        "reply",
        [
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2**17,
        ],
    )
    def test_is_said(self, reply):
        with pytest.raises(EndpointAnswerError, match=r"no HTTP/1\.1 answer"):
            asked(reply)

    def test_nothing_in_its_time(self):
        with pytest.raises(EndpointAnswerError, match=r"no answer within 0.1 s"):
            asked(b"", timeout_seconds=0.1)

    def test_half_an_answer(self):
        with pytest.raises(EndpointAnswerError, match="closed before the answer"):
            asked(Closing(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"))

    def test_nobody_there(self):
        with pytest.raises(EndpointUnreachableError, match=r"Nothing answers at http://127\.0\.0\.1:9"):
            Connection("127.0.0.1", 9)


def test_two_answers_at_once_are_told_apart():
    with odd_server(lambda _: http(b"one") + http(b"two")) as server:
        address = Address.parse(server.url)
        with Connection(address.host, address.port) as connection:
            assert connection.request("GET", "/").body == b"one"
            assert connection.has_more(0)
            assert connection.read().body == b"two"


def test_the_key_is_sent_and_never_shown():
    with odd_server(lambda _: http(b"")) as server:
        client = Client(
            Address.parse(server.url), timeout_seconds=5, credentials=Credentials(api_key="secret-key")
        )
        reply = client.ask("POST", "/v2", b"body")
        client.close()
    assert server.requests[0].headers["authorization"] == "Bearer secret-key"
    assert "secret-key" not in reply.shown_request()
    assert reply.shown_request().endswith("\n\nbody")


def test_json_is_strict():
    for body in (b"NaN", b'{"a": Infinity}', b"\xff"):
        with pytest.raises(ValueError, match=r"is not JSON|codec"):
            Reply(200, {}, body).json()


def test_what_is_shown_is_a_beginning_that_can_be_read():
    assert shown(b"a\x00\xff\r\nb") == "a\\x00\\xff\nb"
    assert shown(b"x" * 1000).endswith(" … (1000 bytes)")
