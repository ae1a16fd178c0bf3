"""Tells an ONNX file from any other by walking its outermost protobuf fields; contents are skipped, not read.

ONNX has no magic number, and parsing a 765 MB file only to recognize it would take seconds. The field numbers
are those of `ModelProto` in onnx.proto.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_IR_VERSION, _GRAPH = 1, 7
_VARINT, _BYTES = 0, 2
_KNOWN = {1: _VARINT, 2: _BYTES, 3: _BYTES, 4: _BYTES, 5: _VARINT, 6: _BYTES, 7: _BYTES, 8: _BYTES}
_KNOWN |= {14: _BYTES, 20: _BYTES, 25: _BYTES, 26: _BYTES}


@dataclass(frozen=True)
class Outline:
    """What the walk found."""

    is_onnx: bool
    is_whole: bool
    """False when the last field claims more bytes than the file has: it was cut off."""


def outline(path: Path) -> Outline:
    """Walks the outermost fields of the file at `path`."""
    seen: set[int] = set()
    size = path.stat().st_size
    is_cut = False
    with path.open("rb") as file:
        while file.tell() < size:
            tag = _varint(file)
            number, kind = (0, -1) if tag is None else (tag >> 3, tag & 7)
            if _KNOWN.get(number) != kind:
                return Outline(is_onnx=False, is_whole=False)
            length = _varint(file)
            if length is None:
                is_cut = True
                break
            seen.add(number)
            if kind == _BYTES:
                if length > size - file.tell():  # ten bytes can claim more than a file can be sought to
                    is_cut = True
                    break
                file.seek(length, 1)
    is_whole = not is_cut and _GRAPH in seen
    return Outline(is_onnx=_IR_VERSION in seen and (is_whole or len(seen) > 1), is_whole=is_whole)


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None
