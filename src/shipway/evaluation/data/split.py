"""Which rows choose and which judge, by their content alone: so no reordering, growth or copy of a row moves one.

Labels have no say: the same input under two labels must not lie in two parts.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shipway.types import Array

PARTS: Final = ("calibration", "tuning", "gate")
"""Indexed by `part_of`: ranges for quantizing come of the first, a choice of the second, verdicts of the last."""

CALIBRATION_SHARE: Final = 0.2
TUNING_SHARE: Final = 0.2
"""The gate has the rest: a verdict's interval narrows with its rows, a choice needs only an order."""

HASH_BYTES: Final = 16
"""Two of a billion different rows share 128 bits with a chance of 1 in 10^21."""

_PLAIN: Final = frozenset("?bhilqBHILQefdFDmM")
"""Type characters whose values are all of their bytes (a long double has padding)."""
_CUT_BYTES: Final = 1 << 22
_MISSING: Final = b"\xff" * 8
"""Stands where a text's length would: no text is as long."""


def hash_rows(arrays: Mapping[str, Array]) -> NDArray[np.uint8]:
    """One hash a row, uint8 `[rows, 16]`, of the content of all inputs (name → `[rows, ...]`).

    blake2b (RFC 7693) over the rows' little-endian values, inputs in the order of their names; names, dtypes
    and row shapes personalize it. Equal rows hash equal whatever their block, memory layout or byte order:
    -0.0 counts as 0.0, one NaN as any other, bytes as the text that they encode. Texts (`S`, `U`, `object`)
    carry their length; None is a text that is missing. Raises `ValueError` where there is no input or the
    numbers of rows differ, `TypeError` for records and for objects that are no texts.
    """
    names = sorted(arrays)
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1:
        raise ValueError(f"expected inputs of one number of rows, found {sorted(counts) or 'no input'}")
    (rows,) = counts
    person = _layout_hash({name: arrays[name] for name in names})
    start = hashlib.blake2b(digest_size=HASH_BYTES, person=person, usedforsecurity=False)

    def hash_one(content: bytes) -> bytes:
        row = start.copy()  # half the time of a new one for small rows
        row.update(content)
        return row.digest()

    hashes = b"".join(map(hash_one, _contents([arrays[name] for name in names])))
    return np.frombuffer(hashes, np.uint8).reshape(rows, HASH_BYTES)


def part_of(hashes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The part of each row, int8 `[rows]`, an index into `PARTS`; `hashes` are uint8 `[rows, 16]`."""
    leading = _words(hashes)[:, 0]
    bounds = [int(share * 2**64) for share in (CALIBRATION_SHARE, CALIBRATION_SHARE + TUNING_SHARE)]
    return np.searchsorted(np.array(bounds, np.uint64), leading, side="right").astype(np.int8)


def digest_of(hashes: NDArray[np.uint8]) -> str:
    """sha256 in hex over the sorted rows' hashes: names the rows (and how often each) whatever their order."""
    words = _words(hashes)
    ordered = words[np.lexsort((words[:, 1], words[:, 0]))]
    return hashlib.sha256(np.ascontiguousarray(ordered).tobytes()).hexdigest()


def _words(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """`[rows, 2]`, the same on every machine."""
    return np.ascontiguousarray(hashes).view(np.dtype(">u8"))


def _layout_hash(arrays: Mapping[str, Array]) -> bytes:
    """What a row's bytes alone do not tell: 16 bytes of every input's name, kind and row shape."""
    told = [(name, _kind(array), array.shape[1:]) for name, array in arrays.items()]
    return hashlib.blake2b(repr(told).encode(), digest_size=HASH_BYTES, usedforsecurity=False).digest()


def _kind(array: Array) -> str:
    if array.dtype.kind in "OSU":
        return "text"
    if array.dtype.char not in _PLAIN:
        raise TypeError(f"rows of {array.dtype} have no values to hash")
    return array.dtype.newbyteorder("<").str


def _contents(arrays: list[Array]) -> Iterator[bytes]:
    """The bytes of each row. Without texts all rows have one width, and are cut out of one buffer."""
    if any(array.dtype.kind in "OSU" for array in arrays):
        parts = [_text_rows(a) if a.dtype.kind in "OSU" else _cut(_value_bytes(a)) for a in arrays]
        return map(b"".join, zip(*parts, strict=True))
    matrices = [_value_bytes(array) for array in arrays]
    return _cut(matrices[0] if len(matrices) == 1 else np.concatenate(matrices, axis=1))


def _cut(matrix: NDArray[np.uint8]) -> Iterator[bytes]:
    """The rows of uint8 `[rows, width]`, a slice of them copied at a time."""
    rows, width = matrix.shape
    if width == 0:
        yield from (b"" for _ in range(rows))
        return
    step = max(1, _CUT_BYTES // width)
    for first in range(0, rows, step):
        cut: list[bytes] = matrix[first : first + step].view(np.dtype((np.void, width))).reshape(-1).tolist()  # type: ignore[assignment]
        yield from cut


def _value_bytes(array: Array) -> NDArray[np.uint8]:
    """uint8 `[rows, bytes]`, little-endian, with one spelling of zero and of NaN."""
    values = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1)
    if values.dtype.kind in "fc":
        values = _one_spelling(values)
    width = math.prod(array.shape[1:]) * array.dtype.itemsize
    return values.view(np.uint8).reshape(len(array), width)


def _one_spelling(values: Array) -> Array:
    """`[values]` with zeros without sign and NaNs all alike; a complex number's parts each for itself."""
    real = values.view(values.real.dtype) if values.dtype.kind == "c" else values
    positive: Array = real + np.zeros((), real.dtype)
    is_nan = np.isnan(positive)
    if is_nan.any():
        positive[is_nan] = np.nan
    return positive


def _text_rows(array: Array) -> Iterator[bytes]:
    cells = math.prod(array.shape[1:])
    items = array.reshape(-1).tolist()
    if cells == 1:
        return map(_text_bytes, items)
    starts = (row * cells for row in range(len(array)))
    return (b"".join(map(_text_bytes, items[start : start + cells])) for start in starts)


def _text_bytes(item: Any) -> bytes:  # noqa: ANN401 - a cell of an object array
    if isinstance(item, str):
        data = item.encode("utf-8", "surrogatepass")
    elif isinstance(item, bytes):
        data = item
    elif item is None:
        return _MISSING
    else:
        raise TypeError(f"expected a text, found {type(item).__name__}")
    return len(data).to_bytes(8, "little") + data
