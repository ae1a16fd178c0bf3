"""Walks protobuf fields inside of their bytes, so that a hostile file cannot make a parser take memory.

A protobuf parser builds an object for every two bytes that say "an empty message": a file of 100 MB becomes
gigabytes. Here a field is a slice of the file, and only what is asked for becomes an object. The rules are
those of https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

VARINT: Final = 0
FIXED_64: Final = 1
BYTES: Final = 2
FIXED_32: Final = 5
_PARTS = 1000

Field = tuple[int, int, int, memoryview]
"""(field's number, wire type, value of a varint or 0, bytes of a length-delimited or fixed-size value)."""


class WireError(ValueError):
    """The bytes are not protobuf: cut off, or of a wire type that TensorFlow's files do not hold."""


def fields(data: memoryview) -> Iterator[Field]:
    """Every field of one message, in the file's order. Raises `WireError`."""
    position, end = 0, len(data)
    nothing = data[:0]
    while position < end:
        tag = data[position]
        position += 1
        if tag >= 0x80:
            tag, position = _varint(data, position - 1)
        number, kind = tag >> 3, tag & 7
        if kind in (BYTES, VARINT):
            if position < end and data[position] < 0x80:  # the usual case, without a call
                value = data[position]
                position += 1
            else:
                value, position = _varint(data, position)
            if kind == VARINT:
                yield number, kind, value, nothing
                continue
            length = value
        elif kind in (FIXED_32, FIXED_64):
            length = 4 if kind == FIXED_32 else 8
        else:  # groups, which could hide fields from a reader that skips them
            raise WireError(f"field {number} has wire type {kind}")
        if number == 0 or length > end - position:
            raise WireError(f"field {number} claims {length} bytes of the {end - position} that are left")
        yield number, kind, 0, data[position : position + length]
        position += length


def messages(data: memoryview, number: int) -> Iterator[memoryview]:
    """The bytes of every length-delimited field of that number. Raises `WireError`."""
    for found, kind, _, value in fields(data):
        if found == number and kind == BYTES:
            yield value


def merged(data: memoryview, number: int) -> memoryview:
    """A single sub-message; several are one whose fields follow each other, as every parser has it."""
    parts = list(islice(messages(data, number), _PARTS + 1))
    if len(parts) > _PARTS:
        raise WireError(f"field {number} is one message in more than {_PARTS} parts")
    return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))


def text(value: memoryview, limit: int = 4096) -> str:
    """A string. Raises `WireError` for one that is no UTF-8 or longer than `limit` bytes."""
    if len(value) > limit:
        raise WireError(f"a name of {len(value)} bytes; at most {limit} are read")
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise WireError(f"a name that is no UTF-8: {bytes(value[:20])!r}") from error


def signed(value: int) -> int:
    """A varint of a signed 64-bit field: 2**64 - 1 means -1."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[position : position + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position + index + 1
    raise WireError("a number is cut off or longer than ten bytes")
