"""An offer to change the protocol (`Upgrade`) with a body behind it, as `curl --http2` makes it with a POST.

A server may ignore the offer and answer the request as it stands (RFC 9110, 7.8). But llhttp ends such a request
with its head, and takes the body for the other protocol: so it is given the head again, without the offer.
"""

from __future__ import annotations

from collections.abc import Mapping

import httptools

from shipway.errors import UnsupportedRequestError


def head_without_offer(
    parser: httptools.HttpRequestParser, target: bytes, headers: Mapping[bytes, bytes]
) -> bytes:
    """The head that the parser has just read, from its line to the empty line; empty where it makes no offer.

    How long the body is, the parser has judged: two lengths, or a length and chunks, never come here, so the one
    that stands in `headers` (names in lower case) is the one that anybody reads. Raises `UnsupportedRequestError`
    for CONNECT, behind which no body is one.
    """
    if not parser.should_upgrade():
        return b""
    method = parser.get_method()
    if method == b"CONNECT":
        raise UnsupportedRequestError("A request with a body cannot change the protocol (Upgrade).")
    kept = [(name, value) for name, value in headers.items() if name != b"upgrade"]
    if not parser.should_keep_alive():  # of two lines `Connection`, the dict has the last
        kept.append((b"connection", b"close"))
    first = b"%b %b HTTP/%b" % (method, target, parser.get_http_version().encode())
    return b"\r\n".join([first, *(b"%b: %b" % pair for pair in kept), b"", b""])
