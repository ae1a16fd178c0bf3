"""Typed columns of Arrow as arrays: numbers, texts, and lists of one length; the rest is told how to convert."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipway.errors import DataMismatchError
from shipway.evaluation.data.table_columns import Cells, nothing_of
from shipway.types import Array

_UNREAD = np.dtype("V")
"""Of a column that is neither numbers nor texts: no input and no slice is made of it."""
_MOST_AXES = 8


def dtype_of(kind: pa.DataType) -> np.dtype[Any]:
    """What a column of this Arrow type is read as; `void` where it is neither numbers nor texts.

    Decimals are float64, dates and times texts (ISO 8601), durations int64 in the column's own unit; a
    dictionary is its values, a list its innermost values.
    """
    types = pa.types
    if types.is_dictionary(kind):
        return dtype_of(kind.value_type)
    if is_list(kind):
        inner = dtype_of(kind.value_type)
        return _UNREAD if _depth(kind) > _MOST_AXES else inner
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return dtype
    if types.is_decimal(kind):
        return np.dtype(np.float64)
    if types.is_duration(kind):
        return np.dtype(np.int64)
    return np.dtype(object) if is_text(kind) or _is_time(kind) else _UNREAD


def is_list(kind: pa.DataType) -> bool:
    """Lists of any length and of a fixed one."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_text(kind: pa.DataType) -> bool:
    """Strings in any of Arrow's layouts."""
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def shape_of(value: object) -> tuple[int, ...]:
    """The shape of a list of lists by its first elements; of any other value, none."""
    sizes: list[int] = []
    while isinstance(value, list) and len(sizes) <= _MOST_AXES:
        sizes.append(len(value))
        value = value[0] if value else None
    return tuple(sizes)


def read_column(array: pa.Array, shape: tuple[int, ...], *, where: str, first_row: int) -> Cells:
    """`[rows, *shape]` of an Arrow array. Nulls are problems, in lists too.

    Raises `DataMismatchError` on a list of another length than `shape` says, with its row; `where` names file and
    column.
    """
    present = pc.is_valid(array).to_numpy(zero_copy_only=False)
    if not shape:
        values = _leaves(array)
        return _with_gaps(values, ~present)
    values, gaps = _dense(array.drop_null(), shape, where, np.flatnonzero(present) + first_row)
    if present.all():
        return _with_gaps(values, gaps)
    whole = np.full((len(array), *shape), nothing_of(values.dtype), values.dtype)
    whole[present] = values
    missing = ~present
    missing[present] = gaps
    return _with_gaps(whole, missing)


def _dense(array: pa.Array, shape: tuple[int, ...], where: str, rows: Array) -> tuple[Array, Array]:
    """Values `[len(rows), *shape]` of lists without nulls, and which rows have a null inside."""
    for depth, size in enumerate(shape):
        lengths = pc.fill_null(pc.list_value_length(array), -1).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(lengths != size)
        if len(wrong):
            each = max(1, math.prod(shape[:depth]))
            raise _unequal(where, int(rows[int(wrong[0]) // each]), depth, int(lengths[wrong[0]]), size)
        array = array.flatten()
    values = _leaves(array)
    null = pc.is_null(array).to_numpy(zero_copy_only=False)
    if null.any():
        values = values.copy()
        values[null] = nothing_of(values.dtype)
    return values.reshape(len(rows), *shape), null.reshape(len(rows), -1).any(axis=1)


def _unequal(where: str, row: int, depth: int, found: int, wanted: int) -> DataMismatchError:
    length = "an empty cell (null)" if found < 0 else f"{found}"
    axis = f" along axis {depth + 1}" if depth else ""
    return DataMismatchError(
        f"{where}, row {row}: a list of {length}{axis}, where the rows before it have {wanted}.",
        hint="Pad or cut the lists of all rows to one length, as for training.",
    )


def _leaves(array: pa.Array) -> Array:
    """One value each; where there is a null, whatever stands for nothing."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _leaves(array.dictionary_decode())
    if pa.types.is_decimal(kind):
        array = pc.cast(array, pa.float64())
    elif pa.types.is_duration(kind):
        array = pc.cast(array, pa.int64())
    elif _is_time(kind):
        array = pc.cast(array, pa.string())
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(_nothing_in_arrow(array.type), array.type))
    values: Array = array.to_numpy(zero_copy_only=False)
    return values


def _nothing_in_arrow(kind: pa.DataType) -> float | str | np.float16:
    dtype = dtype_of(kind)
    if dtype.kind == "f":
        return np.float16("nan") if pa.types.is_float16(kind) else math.nan
    if dtype.kind == "O":
        return ""
    return False if dtype.kind == "b" else 0


def _with_gaps(values: Array, missing: Array) -> Cells:
    rows = np.flatnonzero(missing).tolist()
    return Cells(values, dict.fromkeys(rows, ("missing", "the cell is empty (null)")))


def _is_time(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind))


def _depth(kind: pa.DataType) -> int:
    depth = 0
    while is_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth
