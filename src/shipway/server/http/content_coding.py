"""gzip and deflate, both ways. The limit counts what comes out, so a small bomb is refused like a large body."""

from __future__ import annotations

import zlib

from shipway.errors import MalformedRequestError, RequestTooLargeError, UnsupportedRequestError

LEVEL = 1
"""Answers are mostly numbers: level 9 takes 8 times as long and saves a tenth more."""
_PIECE_BYTES = 64 * 2**10
_FREE_MEMBERS = 16
_LEAST_MEMBER_BYTES = 4096
"""A gzip body may be many members, but an empty one takes 20 bytes: a body could hold millions of them."""
_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15


def decompress(body: bytes, coding: str, *, limit: int) -> bytes:
    """The decoded body for a `Content-Encoding` value.

    Raises `UnsupportedRequestError`, `RequestTooLargeError` (over `limit` bytes), `MalformedRequestError`.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return body
    if name in ("gzip", "x-gzip"):
        return _inflate(body, _GZIP, name, limit=limit)
    if name == "deflate":  # RFC 9110 means zlib's form; some clients send the bare stream
        is_zlib = len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
        return _inflate(body, _ZLIB if is_zlib else _RAW_DEFLATE, name, limit=limit)
    raise UnsupportedRequestError(
        f"Content-Encoding {coding!r} is not offered; gzip and deflate are.", hint="Send the body as it is."
    )


def _inflate(body: bytes, window: int, name: str, *, limit: int) -> bytes:
    parts: list[bytes] = []
    size, position, members = 0, 0, 1
    stream = zlib.decompressobj(window)
    try:
        while position < len(body):
            # In pieces: zlib copies what lies behind a member's end, for each member.
            piece = body[position : position + _PIECE_BYTES]
            parts.append(stream.decompress(piece, limit - size + 1))
            size += len(parts[-1])
            if size > limit:
                raise RequestTooLargeError(
                    f"The body is over max_body_bytes ({limit}) once its {name} coding is undone.",
                    hint="Send fewer rows in a request.",
                )
            position += len(piece) - len(stream.unused_data)
            if not stream.eof:
                continue
            if window != _GZIP or position == len(body):
                break
            members += 1
            if members > _FREE_MEMBERS + position // _LEAST_MEMBER_BYTES:
                raise MalformedRequestError(
                    f"The gzip body has {members} members or more in {position} bytes.",
                    hint="Compress the body as one.",
                )
            stream = zlib.decompressobj(window)
    except zlib.error as error:
        raise MalformedRequestError(f"The body is not {name}, as Content-Encoding says: {error}.") from error
    if not stream.eof:
        raise MalformedRequestError(f"The {name} body ends in the middle of its stream.")
    return b"".join(parts)


def choose_coding(accept: bytes | None) -> str | None:
    """`"gzip"` or `"deflate"` where an `Accept-Encoding` value asks for it, gzip first; else None."""
    if not accept:
        return None
    weights: dict[str, float] = {}
    for item in accept.decode("latin-1").lower().split(","):
        name, _, parameters = item.partition(";")
        weights[name.strip()] = _weight(parameters)
    for name in ("gzip", "deflate"):
        if weights.get(name, weights.get("*", 0.0)) > 0:
            return name
    return None


def _weight(parameters: str) -> float:
    key, _, value = parameters.partition("=")
    if key.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def compress(body: bytes, coding: str) -> bytes:
    """`body` in that coding."""
    return zlib.compress(body, LEVEL, _GZIP if coding == "gzip" else _ZLIB)
