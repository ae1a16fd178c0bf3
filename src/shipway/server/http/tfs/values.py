"""JSON values, already parsed, to arrays: nested lists of exactly the right type, NaN and base64 included.

For what the typed pass of `plain.py` does not take: it says of each element where it stands and what is wrong.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

import numpy as np

from shipway.errors import MalformedRequestError, TensorMismatchError, UnsupportedRequestError
from shipway.server.http.json_numbers import LARGEST_FP16, OVER_FP32
from shipway.types import Array, DType, TensorSpec

Json = Any
_MOST_DIMENSIONS = 32
"""numpy's own limit is 64; lists nested deeper than that are an attack, not a tensor."""
_LARGEST = {
    DType.FP16: LARGEST_FP16,
    DType.FP32: math.nextafter(OVER_FP32, 0.0),
    DType.FP64: math.inf,
}
_KINDS = {DType.BOOL: "true or false", DType.BYTES: 'text, or {"b64": text}'}


def parse_object(body: bytes) -> dict[str, Json]:
    """A body that is one JSON object; NaN, Infinity and -Infinity are numbers, as TensorFlow Serving has it.

    Raises `MalformedRequestError`.
    """
    try:
        found = json.loads(body.decode())
    except RecursionError as error:
        raise MalformedRequestError("The request's JSON is nested too deeply.") from error
    except ValueError as error:  # not UTF-8, not JSON, or a whole number of thousands of digits
        raise MalformedRequestError(f"The request is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise MalformedRequestError(f"The request must be a JSON object, found {_name(found)}.")
    return found


def is_base64(value: Json) -> bool:
    """Whether an object stands for bytes: its one member is `b64`, and text."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def to_array(value: Json, spec: TensorSpec, where: str) -> Array:
    """An array of the spec's datatype, in the shape that the lists have.

    Raises `TensorMismatchError`, and `UnsupportedRequestError` for BF16.
    """
    if spec.dtype is DType.BF16:
        raise UnsupportedRequestError(
            f"{where} is BF16, which has no JSON form.",
            hint="Ask at /v2, in binary: the upper 2 bytes of each FP32, little-endian.",
        )
    elements: list[object] = []
    shape = _shape_of(value, where)
    _flatten(value, spec, shape, where, elements)
    try:
        array: Array = np.array(elements, dtype=spec.dtype.numpy)
    except OverflowError as error:
        raise TensorMismatchError(f"{where}: a number is out of {spec.dtype}'s range.") from error
    return array.reshape(shape)


def _shape_of(value: Json, where: str) -> list[int]:
    """As the first elements have it; `_flatten` checks the others."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > _MOST_DIMENSIONS:
            raise TensorMismatchError(f"{where}: lists are nested more than {_MOST_DIMENSIONS} deep.")
        if not value:
            break
        value = value[0]
    return shape


def _flatten(value: Json, spec: TensorSpec, shape: list[int], where: str, elements: list[object]) -> None:
    if not shape:
        elements.append(_element(value, spec.dtype, where))
        return
    if not isinstance(value, list) or len(value) != shape[0]:
        found = f"a list of {len(value)}" if isinstance(value, list) else _name(value)
        raise TensorMismatchError(
            f"{where}: expected a list of {shape[0]}, as those before it are, found {found}."
        )
    for index, item in enumerate(value):
        _flatten(item, spec, shape[1:], f"{where}[{index}]", elements)


def _element(value: Json, dtype: DType, where: str) -> object:
    if dtype is DType.BYTES:
        if isinstance(value, str):
            return value
        if is_base64(value):
            return _decode_base64(value["b64"], where)
    elif dtype is DType.BOOL:
        if isinstance(value, bool):
            return value
    elif isinstance(value, int) and not isinstance(value, bool):
        return _as_float(value, dtype, where) if dtype.is_float else value
    elif isinstance(value, float) and dtype.is_float:
        return _as_float(value, dtype, where)
    expected = _KINDS.get(dtype, "a number" if dtype.is_float else "a whole number")
    raise TensorMismatchError(f"{where} ({dtype}): expected {expected}, found {_name(value)}.")


def _as_float(value: float, dtype: DType, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number, is_within = 0.0, False
    else:
        # NaN and infinity were written as such; what only becomes infinity is refused.
        is_within = not math.isfinite(number) or abs(number) <= _LARGEST[dtype]
    if not is_within:
        raise TensorMismatchError(f"{where}: {value!r:.40} is out of {dtype}'s range.")
    return number


def _decode_base64(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise TensorMismatchError(f"{where}: b64 does not hold base64: {error}.") from error


def _name(value: Json) -> str:
    """A JSON value's kind, in words."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a whole number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "an object")
