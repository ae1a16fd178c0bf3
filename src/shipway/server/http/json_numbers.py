"""What every protocol's JSON has in common: which numbers a datatype takes, and lists of them to arrays.

Nothing is judged here: what does not fit raises or gives None, and the protocol's own reader says what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from shipway.types import Array, DType, TensorSpec

LARGEST_FP16: Final = 65504.0
OVER_FP32: Final = 3.4028235677973366e38
"""Half a step above the largest float32: from here on a number would become infinity."""
DO_NOT_FIT: Final = (OverflowError, struct.error, ValueError)
"""What `Packer.pack` raises: numbers beyond their datatype's range; a shape beyond numpy's."""
_LETTERS = {
    DType.BOOL: "?",
    DType.UINT8: "B",
    DType.UINT16: "H",
    DType.UINT32: "I",
    DType.UINT64: "Q",
    DType.INT8: "b",
    DType.INT16: "h",
    DType.INT32: "i",
    DType.INT64: "q",
    DType.FP16: "e",
    DType.FP32: "f",
    DType.FP64: "d",
}
"""For `struct`, after "=": that form checks ranges, the native one makes infinity of what FP32 cannot hold."""
_PIECE = 2**16
"""`struct.pack` takes its numbers as arguments; the tuple of so many is half a megabyte."""


class Packer:
    """Makes arrays of one input's elements, which were decoded as `element_type` says."""

    __slots__ = ("_letter", "_numpy", "_pack", "_packed_count")

    def __init__(self, spec: TensorSpec) -> None:
        self._numpy = spec.dtype.numpy
        self._letter = _LETTERS.get(spec.dtype)
        self._pack: Callable[..., bytes] = struct.Struct("").pack
        self._packed_count = 0
        """How many numbers `_pack` packs: as many as in the request before."""

    def pack(self, data: list[Any], shape: Sequence[int]) -> Array | None:
        """The array of a flat list, whose length is that of the shape; None for BF16, which has no JSON form.

        Raises what `DO_NOT_FIT` names for a number beyond the datatype's range.
        """
        if self._letter is None:
            return None if self._numpy.kind == "V" else np.array(data, dtype=self._numpy).reshape(shape)
        # 9 µs for 784 numbers, np.array takes 20; and np.array makes infinity of what is too large for FP32.
        count = len(data)
        if count != self._packed_count:
            if count > _PIECE:
                return np.ndarray(shape, self._numpy, self._pack_pieces(data))
            self._packed_count, self._pack = count, struct.Struct(f"={count}{self._letter}").pack
        return np.ndarray(shape, self._numpy, self._pack(*data))

    def _pack_pieces(self, data: list[Any]) -> bytes:
        pieces = (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))
        return b"".join([struct.pack(f"={len(piece)}{self._letter}", *piece) for piece in pieces])


def element_type(dtype: DType) -> type:
    """What a JSON element must be, for a typed decoder. Ranges are for `Packer` to check."""
    if dtype is DType.BYTES:
        return str
    if dtype is DType.BOOL:
        return bool
    return float if dtype.is_float else int


def nested(element: Any, depth: int) -> Any:  # noqa: ANN401 - a type made here
    """The type of lists in lists, so many deep."""
    for _ in range(depth):
        element = list.__class_getitem__(element)  # `list[element]`, for a type that is known only here
    return element
