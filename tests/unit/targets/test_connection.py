"""The load generator's connection: what it sends, and what a server under load can do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from odd_server import Answer, Closing, OddServer, http, odd_server
from shipway.errors import EndpointAnswerError, EndpointUnreachableError
from shipway.targets.connection import open_connection, request_bytes


def request(url: str) -> bytes:
    return request_bytes(url, "/v2/models/m/infer", b"body", {"X-One": "1"})


def asked(answer: Answer, times: int = 1, *, timeout_seconds: float = 10.0) -> OddServer:
    async def go(url: str) -> None:
        ask, close = await open_connection(url, request(url), timeout_seconds=timeout_seconds)
        try:
            for _ in range(times):
                await ask()
        finally:
            close()

    with odd_server(answer) as odd:
        asyncio.run(go(odd.url))
    return odd


def test_requests_go_over_one_connection_as_they_are() -> None:
    odd = asked(lambda _: http("fine"), 3)
    assert odd.connections == 1
    assert len(odd.requests) == 3
    first = odd.requests[0]
    assert (first.method, first.path, first.body) == ("POST", "/v2/models/m/infer", b"body")
    assert first.headers["host"] == odd.url.removeprefix("http://")
    assert first.headers["x-one"] == "1"


def test_an_empty_answer_and_a_large_one_are_read_to_their_end() -> None:
    replies = iter([http(""), http(bytes(300_000)), http("end")])
    assert len(asked(lambda _: next(replies), 3).requests) == 3


@pytest.mark.parametrize(
    "last",
    [
        lambda: Closing(http("bye", Connection="close")),
        lambda: Closing(http("bye").replace(b"HTTP/1.1", b"HTTP/1.0")),
    ],
    ids=["Connection: close", "HTTP/1.0"],
)
def test_a_server_that_closes_after_its_answer_is_connected_to_again(last: Callable[[], bytes]) -> None:
    odd = asked(lambda _: last(), 3)
    assert odd.connections == 3


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (http("the queue is full", "503 Service Unavailable"), EndpointAnswerError, "503.*queue is full"),
        (http("x" * 5000, "500 Oops"), EndpointAnswerError, "500"),
        (http("no", "401 Unauthorized"), EndpointAnswerError, "it asks for an API key"),
        (Closing(b""), EndpointUnreachableError, "went away"),
        (Closing(http("cut off")[:-3]), EndpointUnreachableError, "went away"),
        (Closing(http("", Content_Length=10**15)), EndpointUnreachableError, "went away"),
        (http("", Content_Length=-1), EndpointAnswerError, "without a status or a Content-Length"),
        (http("", Content_Length="many"), EndpointAnswerError, "without a status or a Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", EndpointAnswerError, "200 OK"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", EndpointAnswerError, "SSH-2.0"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, EndpointUnreachableError, "went away"),
    ],
    ids=[
        "full",
        "an error with a long body",
        "a key that was taken away",
        "nothing",
        "cut off",
        "a claim of a petabyte",
        "less than nothing",
        "no number",
        "chunked",
        "no HTTP",
        "a head without end",
    ],
)
def test_what_is_no_answer(reply: bytes, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as caught:
        asked(lambda _: reply)
    assert caught.value.hint
    assert len(caught.value.message) < 500


def test_an_answer_that_never_comes_is_not_waited_for_forever() -> None:
    with pytest.raises(EndpointUnreachableError, match=r"within 0\.2 s"):
        asked(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", timeout_seconds=0.2)


def test_nobody_there(unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    with pytest.raises(EndpointUnreachableError, match=str(unused_port)):
        asyncio.run(open_connection(url, request(url)))
