"""Tensors as bytes, the protocol's binary tensor extension: little-endian, row-major, without padding.

BOOL takes one byte; each BYTES element is a 4-byte little-endian length and that many bytes.
"""

from __future__ import annotations

import sys
from math import prod
from struct import Struct
from typing import Any

import numpy as np

from shipway.errors import TensorMismatchError
from shipway.types import Array, DType, TensorSpec

_LENGTH = Struct("<I")
_IS_LITTLE = sys.byteorder == "little"


def decode_tensor(data: memoryview, spec: TensorSpec, shape: list[int]) -> Array:
    """An array of `spec.dtype` and `shape` (no size negative); it may be a read-only view of `data`.

    Raises `TensorMismatchError` when the bytes do not add up to the shape.
    """
    count = prod(shape)
    if spec.dtype is DType.BYTES:
        return _decode_strings(data, spec, count).reshape(shape)
    dtype = spec.dtype.numpy
    if len(data) != count * dtype.itemsize:
        raise TensorMismatchError(
            f"Input {spec.name}: {spec.dtype} of shape {shape} takes {count * dtype.itemsize} bytes, "
            f"found {len(data)}.",
            hint="binary_data_size must be the tensor's size in bytes.",
        )
    if spec.dtype is DType.BOOL:
        truth: Array = np.frombuffer(data, dtype=np.uint8) != 0
        return truth.reshape(shape)
    array: Array = np.ndarray(shape, dtype if _IS_LITTLE else dtype.newbyteorder("<"), data)
    # The JSON before it has any length, so the tensor may start at an address that its type does not allow.
    return array if _IS_LITTLE and array.flags.aligned else array.astype(dtype)


def _decode_strings(data: memoryview, spec: TensorSpec, count: int) -> Array:
    if count * _LENGTH.size > len(data):
        raise TensorMismatchError(
            f"Input {spec.name}: {count} BYTES elements take at least {count * _LENGTH.size} bytes, "
            f"found {len(data)}."
        )
    values = np.empty(count, dtype=object)
    offset = 0
    for index in range(count):
        start = offset + _LENGTH.size
        end = start + _LENGTH.unpack_from(data, offset)[0] if start <= len(data) else start
        if end > len(data):
            raise TensorMismatchError(
                f"Input {spec.name}: element {index} ends {end - len(data)} bytes after the tensor's data."
            )
        values[index] = item = bytes(data[start:end])
        try:
            item.decode()
        except UnicodeDecodeError as error:
            raise TensorMismatchError(
                f"Input {spec.name}: element {index} is not UTF-8 ({error.reason} at its byte {error.start}).",
                hint="BYTES is text; a model for other bytes takes UINT8.",
            ) from error
        offset = end
    if offset != len(data):
        raise TensorMismatchError(
            f"Input {spec.name}: {count} BYTES elements end {len(data) - offset} bytes before the data does."
        )
    return values


def encode_tensor(array: Array) -> bytes:
    """The bytes of an array, as `decode_tensor` reads them."""
    if array.dtype.kind == "O":
        return b"".join(map(_encode_string, array.ravel().tolist()))
    return array.tobytes() if _IS_LITTLE else array.astype(array.dtype.newbyteorder("<")).tobytes()


def _encode_string(item: Any) -> bytes:  # noqa: ANN401 - a string tensor's element: text or bytes
    data = item if isinstance(item, bytes) else str(item).encode()
    return _LENGTH.pack(len(data)) + data


def shape_of_raw(size: int, spec: TensorSpec) -> list[int]:
    """The shape of a raw request's only tensor, from its size in bytes.

    One free dimension is computed; with several the first (the batch) is 1. A BYTES input takes the whole body
    as its one element. Raises `TensorMismatchError`.
    """
    free = [axis for axis, dim in enumerate(spec.shape) if isinstance(dim, str)]
    shape = [dim if isinstance(dim, int) else 1 for dim in spec.shape]
    if spec.dtype is DType.BYTES:
        if prod(shape) != 1:
            raise TensorMismatchError(
                f"Input {spec.name}: a raw request holds one BYTES element; the model's shape is {spec}."
            )
        return shape
    unknown = free[-1:] if len(free) == 1 or free[:1] == [0] else []
    if len(free) > 2 or (len(free) == 2 and not unknown):
        raise TensorMismatchError(
            f"Input {spec.name}: the shape {spec} cannot be told from a raw body's size.",
            hint="Send the shape: JSON, or JSON with binary data.",
        )
    item_bytes = prod(shape) * spec.dtype.numpy.itemsize
    rows, rest = divmod(size, item_bytes) if item_bytes else (0, size)
    if rest or (rows != 1 and not unknown):
        raise TensorMismatchError(
            f"Input {spec.name}: {spec} takes {'a multiple of ' if unknown else ''}{item_bytes} bytes, "
            f"the raw body has {size}."
        )
    for axis in unknown:
        shape[axis] = rows
    return shape
