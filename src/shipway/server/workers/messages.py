"""What supervisor and workers tell each other: JSON documents, each behind its length. Rules without I/O.

From a worker: `accepting`, `settled`, `failed`, `heartbeat`, `ask`, `did`. To a worker: `start`, `replay`,
`accept`, `do`, `answered`, `unready`, `drain`. The key `kind` says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from shipway.errors import ShipwayError, error_class

Message = Mapping[str, Any]
_LENGTH_BYTES = 4


def pack(message: Message) -> bytes:
    """The document with its length before it, as four bytes, the highest first."""
    document = msgspec.json.encode(message)
    return len(document).to_bytes(_LENGTH_BYTES, "big") + document


class Unpacker:
    """Documents out of a stream that may be cut anywhere."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The documents that are complete with this piece, in their order."""
        self._bytes += data
        found: list[dict[str, Any]] = []
        while len(self._bytes) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._bytes[:_LENGTH_BYTES], "big")
            if len(self._bytes) < end:
                break
            found.append(msgspec.json.decode(self._bytes[_LENGTH_BYTES:end]))
            del self._bytes[:end]
        return found


def spell_error(error: ShipwayError) -> dict[str, str]:
    """An error as it travels."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def read_error(spelled: Mapping[str, str]) -> ShipwayError:
    """The error again, of its own class."""
    kind = error_class(spelled["code"]) or ShipwayError
    return kind(spelled["message"], hint=spelled["hint"])
