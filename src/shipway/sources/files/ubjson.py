"""Reads Universal Binary JSON as far as XGBoost writes it, and steps over long arrays of numbers.

The format: ubjson.org, draft 12. XGBoost counts and types its arrays (`[$d#L` …), and writes big-endian.
"""

from __future__ import annotations

import struct
from typing import Any, Final

_SIZES: Final = {"i": 1, "U": 1, "I": 2, "l": 4, "L": 8, "d": 4, "D": 8}
_FORMATS: Final = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_CONSTANTS: Final[dict[str, Any]] = {"Z": None, "N": None, "T": True, "F": False}
_DEPTH = 32
_VALUES = 4_000_000
"""Four seconds. A tree is about thirty values, since its arrays count as one each."""


class TypedArray:
    """An array of numbers that was stepped over."""

    def __init__(self, count: int) -> None:
        self.count = count


class UbjsonReader:
    """Reads one value from `data`, which may be a map of a file. Raises `ValueError`."""

    def __init__(self, data: Any) -> None:  # noqa: ANN401 - bytes or a map
        self._data = data
        self._place = 0
        self._values = 0

    def read(self) -> Any:  # noqa: ANN401 - any JSON
        """The outermost value, with numbers' arrays as `TypedArray`."""
        return self._value(self._marker(), 0)

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self._place:
            raise ValueError(f"{count} bytes are claimed at {self._place}, and the file ends before")
        taken = self._data[self._place : self._place + count]
        self._place += count
        return bytes(taken)

    def _marker(self) -> str:
        return self._take(1).decode("latin-1")

    def _number(self, marker: str) -> Any:  # noqa: ANN401 - int or float
        if marker not in _SIZES:
            raise ValueError(f"{marker!r} at {self._place} is no number's type")
        return struct.unpack(_FORMATS[marker], self._take(_SIZES[marker]))[0]

    def _length(self) -> int:
        length = self._number(self._marker())
        if not isinstance(length, int) or length < 0:
            raise ValueError(f"{length} at {self._place} is no length")
        return length

    def _text(self) -> str:
        return self._take(self._length()).decode("utf-8")

    def _value(self, marker: str, depth: int) -> Any:  # noqa: ANN401 - any JSON
        self._values += 1
        if depth > _DEPTH or self._values > _VALUES:
            raise ValueError(f"more than {_DEPTH} levels or {_VALUES} values")
        if marker == "{":
            return self._object(depth + 1)
        if marker == "[":
            return self._array(depth + 1)
        if marker == "S":
            return self._text()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        return self._number(marker)

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (marker := self._marker()) != "}":
            self._place -= 1 if marker in _SIZES else 0
            if marker not in _SIZES:
                raise ValueError(f"{marker!r} at {self._place} is no key's length")
            key = self._text()
            found[key] = self._value(self._marker(), depth)
        return found

    def _array(self, depth: int) -> list[Any] | TypedArray:
        marker = self._marker()
        if marker == "$":
            return self._typed_array()
        if marker == "#":
            return [self._value(self._marker(), depth) for _ in range(self._length())]
        found = []
        while marker != "]":
            found.append(self._value(marker, depth))
            marker = self._marker()
        return found

    def _typed_array(self) -> TypedArray:
        kind = self._marker()
        if kind not in _SIZES or self._marker() != "#":
            raise ValueError(f"the array at {self._place} has the type {kind!r}, or no count")
        count = self._length()
        size = count * _SIZES[kind]
        if size > len(self._data) - self._place:
            raise ValueError(f"an array claims {size} bytes at {self._place}, and the file ends before")
        self._place += size
        return TypedArray(count)
