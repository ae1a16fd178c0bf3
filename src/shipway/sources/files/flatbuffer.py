"""Reads FlatBuffers tables with every offset checked, because the files are a stranger's.

The `flatbuffers` package follows offsets wherever they lead: outside of the file, or with negative lengths.
Layout: https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count


class FlatBufferError(ValueError):
    """An offset or a length leads out of the file."""


class FlatBuffer:
    """The bytes of a file, and how often they may be looked at."""

    def __init__(self, data: memoryview, *, lookups: int) -> None:
        self.data = data
        self._lookups = lookups
        self._count = count()

    def root(self) -> Table:
        """The table that the file begins with. Raises `FlatBufferError`."""
        return self.table(self.number("<I", 0))

    def number(self, layout: str, position: int) -> int:
        """An integer of `struct` layout. Raises `FlatBufferError`."""
        if next(self._count) > self._lookups:
            raise FlatBufferError(f"its parts name each other more than {self._lookups} times")
        self.check(position, struct.calcsize(layout))
        found: int = struct.unpack_from(layout, self.data, position)[0]
        return found

    def check(self, position: int, length: int) -> None:
        """Raises `FlatBufferError` when these bytes are not all in the file."""
        if position < 0 or length < 0 or position + length > len(self.data):
            raise FlatBufferError(
                f"{length} bytes at offset {position}, and the file has {len(self.data)} bytes"
            )

    def table(self, position: int) -> Table:
        """The table at this offset. Raises `FlatBufferError`."""
        places = position - self.number("<i", position)
        size = self.number("<H", places)
        if size < 4 or size % 2:
            raise FlatBufferError(f"a table with {size} bytes of field offsets at {places}")
        self.check(places, size)
        return Table(self, position, places, size)


@dataclass(frozen=True)
class Table:
    """A table: fields by number, each of them there or not."""

    buffer: FlatBuffer
    position: int
    places: int
    """Where the offsets of its fields stand."""
    size: int

    def integer(self, field: int, layout: str, default: int = 0) -> int:
        """A number or enumeration of `struct` layout, as `"<i"`."""
        place = self._place(field)
        return default if place is None else self.buffer.number(layout, place)

    def has(self, field: int) -> bool:
        """True where the field is there."""
        return self._place(field) is not None

    def text(self, field: int, limit: int = 1000) -> str:
        """A string; empty when there is none. Raises `FlatBufferError` for a longer one or no UTF-8."""
        start, length = self.vector(field, 1)
        if length > limit:
            raise FlatBufferError(f"a name of {length} bytes; at most {limit} are read")
        try:
            return str(self.buffer.data[start : start + length], "utf-8")
        except UnicodeDecodeError as error:
            raise FlatBufferError(f"a name that is no UTF-8, at offset {start}") from error

    def table(self, field: int) -> Table | None:
        """A table that the field names."""
        place = self._place(field)
        return None if place is None else self.buffer.table(self._follow(place))

    def tables(self, field: int, limit: int) -> Iterator[Table]:
        """The tables of a vector. Raises `FlatBufferError` for more than `limit`."""
        start, length = self.vector(field, 4)
        if length > limit:
            raise FlatBufferError(f"{length} tables in one list; at most {limit} are read")
        for index in range(length):
            yield self.buffer.table(self._follow(start + 4 * index))

    def numbers(self, field: int, code: str, limit: int) -> tuple[float, ...]:
        """The numbers of a vector, of `struct` code `i`, `q` or `f`. Raises `FlatBufferError` past `limit`."""
        start, length = self.vector(field, struct.calcsize(f"<{code}"))
        if length > limit:
            raise FlatBufferError(f"{length} numbers in one list; at most {limit} are read")
        return struct.unpack_from(f"<{length}{code}", self.buffer.data, start)

    def integers(self, field: int, limit: int) -> tuple[int, ...]:
        """The 32-bit integers of a vector."""
        return tuple(int(number) for number in self.numbers(field, "i", limit))

    def vector(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Where a vector's items begin, and how many they are; all of them are in the file."""
        place = self._place(field)
        if place is None:
            return 0, 0
        start = self._follow(place)
        length = self.buffer.number("<I", start)
        self.buffer.check(start + 4, length * item_bytes)
        return start + 4, length

    def _place(self, field: int) -> int | None:
        offset = 4 + 2 * field
        if offset + 2 > self.size:
            return None
        distance = self.buffer.number("<H", self.places + offset)
        return self.position + distance if distance else None

    def _follow(self, place: int) -> int:
        return place + self.buffer.number("<I", place)
