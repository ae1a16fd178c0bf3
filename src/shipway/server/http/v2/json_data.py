"""Tensors as JSON: a flat or a fully nested list of exactly the right type, and lists back.

JSON has no NaN and no infinity: a request cannot hold them, and an answer that does is refused with
`NotJsonError` instead of a silent null. FP16, for which the protocol defines no JSON form, is taken and given
as numbers.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Any

import msgspec
import numpy as np

from shipway.errors import NotJsonError, TensorMismatchError, UnsupportedRequestError
from shipway.server.http.json_lists import LARGE_BYTES, read_list
from shipway.server.http.json_numbers import LARGEST_FP16, OVER_FP32, nested
from shipway.types import Array, DType, TensorSpec

_OPEN = ord("[")
_OPEN_OR_SPACE = b"[ \t\r\n"

_ELEMENTS: dict[DType, Any] = {
    DType.BOOL: bool,
    DType.UINT8: Annotated[int, msgspec.Meta(ge=0, le=2**8 - 1)],
    DType.UINT16: Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)],
    DType.UINT32: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)],
    DType.UINT64: Annotated[int, msgspec.Meta(ge=0)],
    DType.INT8: Annotated[int, msgspec.Meta(ge=-(2**7), le=2**7 - 1)],
    DType.INT16: Annotated[int, msgspec.Meta(ge=-(2**15), le=2**15 - 1)],
    DType.INT32: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    DType.INT64: int,
    DType.FP16: Annotated[float, msgspec.Meta(ge=-LARGEST_FP16, le=LARGEST_FP16)],
    DType.FP32: Annotated[float, msgspec.Meta(gt=-OVER_FP32, lt=OVER_FP32)],
    DType.FP64: float,
    DType.BYTES: str,
}
_MOST_SHARED = 256
"""Elements of a row."""
_encode = msgspec.json.Encoder().encode


class JsonInput:
    """Reads one input's `data`, by its spec."""

    def __init__(self, spec: TensorSpec) -> None:
        self.spec = spec
        self._numpy = spec.dtype.numpy
        self._decoders = {} if spec.dtype is DType.BF16 else {1: _decoder(spec.dtype, 1)}

    def read(self, raw: msgspec.Raw, shape: list[int]) -> Array:
        """`data`, row-major, as an array of the spec's dtype and `shape` (whose sizes are not negative).

        Raises `TensorMismatchError`.
        """
        if self.spec.dtype is DType.BF16:
            raise UnsupportedRequestError(
                f"Input {self.spec.name} is BF16, which has no JSON form.",
                hint="Send it in binary: the upper 2 bytes of each FP32, little-endian.",
            )
        view = memoryview(raw)
        if len(view) >= LARGE_BYTES:
            large = read_list(bytes(view), self.spec, shape)
            if large is not None:
                return large
        depth = 1 if view[0] == _OPEN and view[1] not in _OPEN_OR_SPACE else _depth(view)
        decoder = self._decoders.get(depth) or self._make_decoder(depth, shape)
        try:
            array: Array = np.array(decoder.decode(view), dtype=self._numpy)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            where = str(error).replace("`$", "`data")
            raise TensorMismatchError(f"Input {self.spec.name} ({self.spec.dtype}): {where}.") from error
        except ValueError as error:  # numpy's word for lists of unequal length
            raise TensorMismatchError(
                f"Input {self.spec.name}: the lists in data are of unequal length; its shape is {shape}."
            ) from error
        except OverflowError as error:
            raise TensorMismatchError(
                f"Input {self.spec.name}: a number is out of {self.spec.dtype}'s range."
            ) from error
        if depth == 1 and array.size == prod(shape):
            return array.reshape(shape)
        if array.shape != tuple(shape):
            raise TensorMismatchError(
                f"Input {self.spec.name}: its shape {shape} needs {prod(shape)} elements in that order, "
                f"data is {list(array.shape)}."
            )
        return array

    def _make_decoder(self, depth: int, shape: list[int]) -> msgspec.json.Decoder[Any]:
        if depth != len(shape):
            raise TensorMismatchError(
                f"Input {self.spec.name}: data is a list nested {depth} deep; expected a flat list, or one as "
                f"deep as its shape {shape}."
            )
        decoder = self._decoders[depth] = _decoder(self.spec.dtype, depth)
        return decoder


def _decoder(dtype: DType, depth: int) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(nested(_ELEMENTS[dtype], depth))


def _depth(view: memoryview) -> int:
    """How many lists open before the first element; the protocol's lists are as deep everywhere."""
    depth = 0
    for byte in view:
        if byte == _OPEN:
            depth += 1
        elif byte not in _OPEN_OR_SPACE:
            break
    return depth


def encode_data(name: str, array: Array) -> bytes:
    """An output's elements as a flat JSON list, row-major. Raises `NotJsonError` for NaN and infinity."""
    if array.dtype.kind == "O":
        return _encode_text(name, array)
    if array.dtype.kind == "V":
        raise NotJsonError(f"Output {name} is BF16, which has no JSON form.", hint=_ask_in_binary(name))
    data = _encode(array.ravel().tolist())
    # msgspec writes NaN and infinity as null; nothing else in a list of numbers has these letters.
    if b"null" in data:
        raise NotJsonError(
            f"Output {name} holds NaN or infinity, which JSON cannot express.",
            hint=_ask_in_binary(name),
        )
    return data


def encode_rows(array: Array) -> list[bytes] | None:
    """Each row's elements as they stand in a flat list, without its brackets; None where rows go one by one.

    One pass over a batch instead of one per request. Not for text, for NaN and infinity (whoever did not get
    them must not be refused), and for rows so long that a pass of their own costs nothing.
    """
    rows = len(array)
    if array.dtype.kind in "OV" or not 0 < array.size <= rows * _MOST_SHARED:
        return None
    text = _encode(array.reshape(rows, -1).tolist())
    return None if b"null" in text else text[2:-2].split(b"],[")


def _ask_in_binary(name: str) -> str:
    return f'Ask for it in binary: "outputs": [{{"name": "{name}", "parameters": {{"binary_data": true}}}}].'


def _encode_text(name: str, array: Array) -> bytes:
    try:
        return _encode(
            [item.decode() if isinstance(item, bytes) else str(item) for item in array.ravel().tolist()]
        )
    except UnicodeError as error:
        raise NotJsonError(
            f"Output {name} holds bytes that are not UTF-8, which JSON cannot express.",
            hint=_ask_in_binary(name),
        ) from error
