"""What came and is no HTTP/1.1, explained to whoever sent it."""

from __future__ import annotations

from shipway.errors import MalformedRequestError

_TLS_HELLO = b"\x16\x03"
"""A TLS record with a handshake (RFC 8446, 5.1)."""


def explain_garbage(data: bytes, error: Exception) -> MalformedRequestError:
    """What to answer to bytes that the parser has refused with `error`."""
    if data.startswith(_TLS_HELLO):
        return MalformedRequestError(
            "The request is not HTTP/1.1: it begins a TLS connection.",
            hint="This port is plain: use http://.",
        )
    return MalformedRequestError(f"The request is not HTTP/1.1: {error}.")
