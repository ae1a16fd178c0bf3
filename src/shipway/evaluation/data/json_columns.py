"""Columns of JSON values as arrays: numbers, texts, booleans, and lists of one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shipway.errors import DataMismatchError
from shipway.evaluation.data.table_columns import Cells, nothing_of, shown
from shipway.types import Array

MISSING = object()
"""Stands for the value of a field that a line does not have."""
TWICE = object()
"""Of a field that a line gives twice: which one is meant, nobody knows."""
_SCALARS = (bool, int, float)
_MOST_AXES = 8
_EXACT_FLOAT = 2**53
"""Whole numbers up to here are exact in float64."""


def guess_column(values: Sequence[object]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The dtype and the row shape that a column's first values show; `void` for objects.

    Where two thirds are numbers, the others are bad cells of a column of numbers.
    """
    present = [value for value in values if value is not None and value is not MISSING and value is not TWICE]
    if present and isinstance(present[0], list):
        shape = _shape_of(present[0])
        kind = _dense(present[0]).dtype if len(shape) <= _MOST_AXES else np.dtype("V")
        return (kind if kind.kind in "biufV" else np.dtype(object)), shape
    if any(isinstance(value, dict) for value in present):
        return np.dtype("V"), ()
    numbers = [value for value in present if isinstance(value, _SCALARS)]
    if not present or (numbers and 3 * len(numbers) >= 2 * len(present)):
        return _dtype_of_numbers(numbers), ()
    return np.dtype(object), ()


def read_values(
    values: Sequence[object], dtype: np.dtype[Any], shape: tuple[int, ...], *, where: str, first_row: int
) -> Cells:
    """`[rows, *shape]`; single values in `dtype`, lists in the dtype that they have (float64 for a float one).

    Raises `DataMismatchError` on a list of another shape, with its row; `where` names file and column.
    """
    if shape:
        return _read_lists(values, dtype, shape, where, first_row)
    listed = next((row for row, value in enumerate(values) if isinstance(value, list)), None)
    if listed is not None:
        raise _unequal(where, first_row + listed, values[listed], shape)
    quick = _quick(values, dtype)
    return Cells(quick) if quick is not None else _one_by_one(values, dtype)


def _quick(values: Sequence[object], dtype: np.dtype[Any]) -> Array | None:
    """All values at once, where all are of the fitting kind."""
    kinds = set(map(type, values))
    if dtype.kind == "O":
        if kinds != {str}:
            return None
        texts = np.empty(len(values), object)
        texts[:] = values
        return texts
    if not kinds <= ({bool} if dtype.kind == "b" else {int} if dtype.kind in "iu" else {int, float}):
        return None
    try:
        numbers = np.array(values)
    except OverflowError:
        return None
    if numbers.dtype.kind == "O":  # beyond 64 bits
        return None
    with np.errstate(over="ignore"):
        fitted: Array = numbers.astype(dtype)
    is_same = np.isfinite(fitted).all() if dtype.kind == "f" else np.array_equal(fitted, numbers)
    return fitted if is_same else None


def _one_by_one(values: Sequence[object], dtype: np.dtype[Any]) -> Cells:
    read = np.full(len(values), nothing_of(dtype), dtype)
    bad: dict[int, tuple[str, str]] = {}
    for row, value in enumerate(values):
        complaint = _complain(value, dtype)
        if complaint is None:
            read[row] = value
        else:
            bad[row] = complaint
    return Cells(read, bad)


def _complain(value: object, dtype: np.dtype[Any]) -> tuple[str, str] | None:
    """Why this is no value of the dtype; None where it is one."""
    gap = _gap(value)
    if gap is not None:
        return gap
    if dtype.kind == "O":
        return None if isinstance(value, str) else ("not-a-text", f"{shown(value)} is no text")
    if not isinstance(value, _SCALARS):
        text = " but a text; write it without quotes" if isinstance(value, str) else ""
        return "not-a-number", f"{shown(value)} is no number{text}"
    if dtype.kind == "b":
        return None if value in (0, 1) else ("not-a-number", f"{value} is neither true nor false")
    if dtype.kind in "iu":
        if isinstance(value, float) and not (value.is_integer() and abs(value) <= _EXACT_FLOAT):
            return "not-a-number", f"{value} is no whole number"
        limits: Any = np.iinfo(dtype)
    else:
        limits = np.finfo(dtype)
    if int(limits.min) <= value <= int(limits.max):
        return None
    return (
        "out-of-range",
        f"{shown(value)} is outside {limits.min:.4g} to {limits.max:.4g}, the range of {dtype}",
    )


def _gap(value: object) -> tuple[str, str] | None:
    if value is MISSING:
        return "missing", "the line has no such field"
    if value is TWICE:
        return "duplicate-key", "the line gives this field twice"
    return ("missing", "the value is null") if value is None else None


def _read_lists(
    values: Sequence[object], dtype: np.dtype[Any], shape: tuple[int, ...], where: str, first_row: int
) -> Cells:
    rows = [row for row, value in enumerate(values) if _gap(value) is None]
    bad = {row: gap for row, value in enumerate(values) if (gap := _gap(value)) is not None}
    dense = _dense([values[row] for row in rows])
    if dense.shape != (len(rows), *shape) or not _is_meant(dense, dtype):
        dense, worse = _list_by_list(values, rows, dtype, _Form(shape, where, first_row))
        bad |= worse
    if dtype.kind == "f" and dense.dtype.kind in "biuf":
        dense = dense.astype(np.float64)
    if len(rows) == len(values):
        return Cells(dense, bad)
    whole = np.full((len(values), *shape), nothing_of(dense.dtype), dense.dtype)
    whole[rows] = dense
    return Cells(whole, bad)


@dataclass(frozen=True)
class _Form:
    """What every row of a column of lists shall look like, and where the column is."""

    shape: tuple[int, ...]
    where: str
    first_row: int


def _list_by_list(
    values: Sequence[object], rows: list[int], dtype: np.dtype[Any], form: _Form
) -> tuple[Array, dict[int, tuple[str, str]]]:
    bad: dict[int, tuple[str, str]] = {}
    found = []
    for row in rows:
        leaves = _flat(values[row])
        if _shape_of(values[row]) != form.shape or len(leaves) != math.prod(form.shape):
            raise _unequal(form.where, form.first_row + row, values[row], form.shape)
        own = np.dtype(np.float64) if dtype.kind in "biuf" else dtype
        wrong = [complaint for leaf in leaves if (complaint := _complain(leaf, own)) is not None]
        if wrong:
            kind, words = wrong[0]
            bad[row] = kind, f"in the list: {words}"
            leaves = [nothing_of(own)] * len(leaves)
        found.append(np.array(leaves, own).reshape(form.shape))
    return np.stack(found) if found else np.zeros((0, *form.shape), dtype), bad


def _is_meant(dense: Array, dtype: np.dtype[Any]) -> bool:
    """numpy makes texts of a list with one text among numbers; then each list is looked at."""
    return dense.dtype.kind in "biuf" and dtype.kind in "biuf"


def _dense(value: object) -> Array:
    """As numpy takes it, or an array of no kind where it does not."""
    try:
        return np.array(value)
    except (ValueError, OverflowError):  # ragged, or more axes than numpy has
        return np.zeros(0, object)


def _shape_of(value: object) -> tuple[int, ...]:
    sizes: list[int] = []
    while isinstance(value, list) and len(sizes) <= _MOST_AXES:
        sizes.append(len(value))
        value = value[0] if value else None
    return tuple(sizes)


def _flat(value: object) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    return [leaf for item in value for leaf in _flat(item)]


def _unequal(where: str, row: int, value: object, shape: tuple[int, ...]) -> DataMismatchError:
    found = f"a list of shape {list(_shape_of(value))}" if isinstance(value, list) else shown(value)
    wanted = f"lists of shape {list(shape)}" if shape else "single values"
    inner = (
        " whose inner lists differ in length" if isinstance(value, list) and _shape_of(value) == shape else ""
    )
    return DataMismatchError(
        f"{where}, row {row}: {found}{inner}, where the rows before it have {wanted}.",
        hint="Pad or cut the lists of all rows to one shape, as for training.",
    )


def _dtype_of_numbers(numbers: list[Any]) -> np.dtype[Any]:
    kinds = set(map(type, numbers))
    if kinds == {bool}:
        return np.dtype(np.bool_)
    is_whole = kinds and kinds <= {int, bool} and all(abs(number) < 2**63 for number in numbers)
    return np.dtype(np.int64 if is_whole else np.float64)
