"""Large JSON arrays of numbers without a Python object for each number: 0.2 to 0.9 of what lists cost.

simdjson reads a document to a tape, and copies an array's numbers from there into one buffer. Nothing is judged
here: what is not plainly right gives None, and the other readers, which stand for the same values bit for bit,
read it again to say what is wrong. A whole request of 150,528 numbers (benchmarks/codecs.py, CPU time): flat,
of 3 digits 2.4 ms instead of 6.3, of 17 digits 4.3 instead of 6.6; nested in rows of three 5.9 instead of 27,
and 11.3 instead of 28.

pysimdjson's rules: a parser refuses to parse while an array or object of its last document is alive, so none
leaves these functions; buffers are copies and may. Both libraries hold the GIL while they read: a thread of its
own for large bodies would delay the event loop as much as reading on it, so there is none.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any, Final

import numpy as np

from shipway.server.http.json_numbers import LARGEST_FP16
from shipway.types import Array, DType, TensorSpec

LARGE_BYTES: Final = 16 * 2**10
"""From here on (800 to 4,000 numbers) it pays: at 784 both ways take the same, 23 to 31 µs."""
_KEPT_PARSER_BYTES = 16 * 2**20
"""A parser keeps memory for the largest document that it has read; larger ones have their own."""
CODES: Final = {
    DType.UINT8: "i",
    DType.UINT16: "i",
    DType.UINT32: "i",
    DType.UINT64: "u",
    DType.INT8: "i",
    DType.INT16: "i",
    DType.INT32: "i",
    DType.INT64: "i",
    DType.FP16: "d",
    DType.FP32: "d",
    DType.FP64: "d",
}
"""`as_buffer`'s names for 64 bits: it takes integers for "d", and refuses fractions for "i" and "u"."""
_WIDE = {"i": np.dtype(np.int64), "u": np.dtype(np.uint64), "d": np.dtype(np.float64)}
_NOT_STRUCTURE = b"0123456789+-.eE \t\r\n"
NOT_PLAIN: Final = (ValueError, TypeError, RuntimeError, AttributeError, KeyError, MemoryError)
"""What simdjson raises for what it cannot read, or what is not numbers; msgspec's are ValueErrors."""


def read_list(raw: bytes, spec: TensorSpec, shape: list[int]) -> Array | None:
    """The array in the text of a list, flat or nested as `shape`; None for anything else."""
    parser = parser_for(len(raw)) if spec.dtype in CODES else None
    try:
        array = None if parser is None else numbers_of(parser.parse(raw), spec, shape)
    except NOT_PLAIN:
        return None
    if array is None or raw.count(b"[") == 1 or raw.translate(None, _NOT_STRUCTURE) == _structure(shape):
        return array
    return None


@cache
def _parser_class() -> Any:  # noqa: ANN401 - simdjson's
    """None where simdjson is not to be had. Imported here: 13 ms and 4 MB that only large JSON needs."""
    try:
        import simdjson
    except (ImportError, RuntimeError):  # the latter is what the package makes of a missing binding
        return None
    return simdjson.Parser


@cache
def _kept_parser() -> Any:  # noqa: ANN401 - simdjson's
    return _parser_class()()


def parser_for(size_bytes: int) -> Any:  # noqa: ANN401 - simdjson's
    """For a document of that size; None where simdjson is not to be had."""
    if _parser_class() is None:
        return None
    return _kept_parser() if size_bytes <= _KEPT_PARSER_BYTES else _parser_class()()


def numbers_of(data: Any, spec: TensorSpec, shape: list[int]) -> Array | None:  # noqa: ANN401 - simdjson's
    """An array's numbers; None where there are more or fewer, or one is beyond the datatype's range."""
    code = CODES[spec.dtype]
    values: Array = np.frombuffer(data.as_buffer(of_type=code), _WIDE[code])
    if len(shape) != len(spec.shape) or min(shape, default=0) < 0 or values.size != prod(shape):
        return None
    if spec.dtype.numpy != values.dtype:
        narrow = _narrow_fractions if code == "d" else _narrow_integers
        found = narrow(values, spec.dtype)
        if found is None:
            return None
        values = found
    return values.reshape(shape)


def _narrow_fractions(values: Array, dtype: DType) -> Array | None:
    # numpy rounds to the nearest, ties to even, as struct does; where that is infinity, the other reader refuses.
    if dtype is DType.FP16 and values.size and np.abs(values).max() > LARGEST_FP16:
        return None
    with np.errstate(over="ignore"):
        found = values.astype(dtype.numpy)
    return found if np.isfinite(found).all() else None


def _narrow_integers(values: Array, dtype: DType) -> Array | None:
    limits = np.iinfo(dtype.numpy)
    if values.size and (values.min() < limits.min or values.max() > limits.max):
        return None
    return values.astype(dtype.numpy)


def _structure(shape: list[int]) -> bytes:
    """A nested list of that shape without its numbers: `[[,,],[,,]]` for [2, 3]."""
    text = b"[%b]" % (b"," * (shape[-1] - 1)) if shape else b""
    for size in reversed(shape[:-1]):
        text = b"[%b]" % b",".join([text] * size)
    return text
