"""Columns of text cells as numbers, booleans or texts: each bad cell is found with its row."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from shipway.evaluation.data.table_columns import Cells, nothing_of, shown
from shipway.types import Array

_MISSING_NAMES = (*csv.ConvertOptions().null_values, "None", "?")
_MISSING = pa.array(_MISSING_NAMES)
"""Cells without a value, as Arrow and pandas have them; `?` is the UCI repository's."""
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INFINITY = r"(?i)^[+-]?inf(inity)?$"
_MEANT_AS_NUMBER = r"(?i)^[+-]?(\d+,\d+|\d{1,3}(,\d{3})+(\.\d+)?|0x[0-9a-f]+|\d[\d.]*\s*%)$"
"""What `_REASONS` below tells of."""
_EXACT_FLOAT = 2**53
"""Whole numbers up to here are exact in float64."""
_REASONS = (
    (r"[+-]?\d+,\d+", "has a decimal comma; expected a decimal point"),
    (r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", "has separators of thousands; expected digits alone"),
    (r"(?i)[+-]?0x[0-9a-f]+", "is hexadecimal; expected a decimal number"),
    (r"[+-]?\d[\d.]*\s*%", "is a percentage; expected a number alone"),
)


def guess_dtype(texts: pa.Array) -> np.dtype[Any]:
    """int64, float64, bool or object (texts): what a string array's cells are meant for.

    Where two thirds are numbers, the others are bad cells of a column of numbers.
    """
    cells = pc.utf8_trim_whitespace(texts)
    cells = cells.filter(pc.invert(pc.is_in(cells, _MISSING)))
    if len(cells) == 0:
        return np.dtype(np.float64 if len(texts) else object)
    if pc.all(pc.match_substring_regex(cells, "(?i)^(true|false)$")).as_py():
        return np.dtype(np.bool_)
    numbers = _is_number(cells)
    meant = pc.or_(numbers, pc.match_substring_regex(cells, _MEANT_AS_NUMBER))
    if 3 * (pc.sum(meant).as_py() or 0) < 2 * len(cells):
        return np.dtype(object)
    whole = pc.match_substring_regex(cells.filter(numbers), r"^[+-]?\d{1,18}$")
    is_whole = len(whole) and pc.all(whole).as_py()
    return np.dtype(np.int64 if is_whole else np.float64)


def read_cells(texts: pa.Array, dtype: np.dtype[Any], *, as_booleans: bool = False) -> Cells:
    """A string array read as `dtype`.

    `as_booleans`: the file writes `true` and `false`, as pandas writes indicator columns; as numbers they are 1
    and 0. Problems are `missing`, `not-a-number` and `out-of-range`.
    """
    if dtype.kind in "OSU":
        return _read_texts(texts)
    if dtype.kind == "b" or as_booleans:
        return _read_booleans(texts, dtype)
    if dtype.kind == "f":
        return _read_floats(texts, dtype)
    return _read_whole(pc.utf8_trim_whitespace(texts), dtype)


def _read_texts(texts: pa.Array) -> Cells:
    values = texts.to_numpy(zero_copy_only=False)
    empty = np.flatnonzero(pc.equal(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False))
    return Cells(values, {int(row): ("missing", "the cell is empty") for row in empty})


def _read_booleans(texts: pa.Array, dtype: np.dtype[Any]) -> Cells:
    cells = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    true = pc.is_in(cells, pa.array(["true", "1"])).to_numpy(zero_copy_only=False)
    false = pc.is_in(cells, pa.array(["false", "0"])).to_numpy(zero_copy_only=False)
    values = true.astype(dtype)
    return _with_bad(values, texts, ~(true | false), "is neither true nor false")


def _read_floats(cells: pa.Array, dtype: np.dtype[Any]) -> Cells:
    try:  # most blocks are numbers alone
        values = _to_numpy(pc.cast(cells, pa.float64()))
        bad = np.isnan(values)
    except pa.ArrowInvalid:
        cells = pc.utf8_trim_whitespace(cells)
        good = _is_number(cells)
        values = _to_numpy(pc.cast(pc.if_else(good, cells, pa.scalar("0")), pa.float64()))
        bad = ~_to_numpy(good)
    found = _with_bad(values, cells, bad, "is no number")
    with np.errstate(over="ignore"):
        fitted = found.values.astype(dtype)
    infinite = np.isinf(fitted)
    if not infinite.any():
        return Cells(fitted, found.bad)
    meant = _to_numpy(pc.match_substring_regex(cells, _INFINITY))
    return _out_of_range(Cells(fitted, found.bad), cells, infinite & ~meant, dtype)


def _read_whole(cells: pa.Array, dtype: np.dtype[Any]) -> Cells:
    plain = pc.match_substring_regex(cells, r"^-?\d{1,18}$")
    values = _to_numpy(pc.cast(pc.if_else(plain, cells, pa.scalar("0")), pa.int64()))
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    beyond = (values < low) | (values > high)
    fitted = np.where(beyond, 0, values).astype(dtype)
    bad = np.zeros(len(values), bool)
    for row in np.flatnonzero(~_to_numpy(plain)).tolist():
        number = _whole(cells[row].as_py())
        if number is None:
            bad[row] = True
        elif low <= number <= high:
            fitted[row] = number
        else:
            beyond[row] = True
    return _out_of_range(_with_bad(fitted, cells, bad, "is no whole number"), cells, beyond, dtype)


def _whole(text: str) -> int | None:
    """`3.0` is whole too: frames with a gap in a column write its whole numbers so."""
    if re.fullmatch(r"[+-]?\d{1,40}", text, re.ASCII):
        return int(text)
    if not re.match(_NUMBER, text, re.ASCII):
        return None
    number = float(text)
    return int(number) if number.is_integer() and abs(number) <= _EXACT_FLOAT else None


def _with_bad(values: Array, cells: pa.Array, bad: Array, complaint: str) -> Cells:
    rows = np.flatnonzero(bad)
    if not len(rows):
        return Cells(values)
    values = values.copy()  # what Arrow hands over is read-only
    values[rows] = nothing_of(values.dtype)
    return Cells(values, {row: _explain(cells[row].as_py(), complaint) for row in rows.tolist()})


def _out_of_range(found: Cells, cells: pa.Array, beyond: Array, dtype: np.dtype[Any]) -> Cells:
    rows = np.flatnonzero(beyond).tolist()
    if not rows:
        return found
    limits: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    words = f"is outside {limits.min:.4g} to {limits.max:.4g}, the range of {dtype}"
    found.values[rows] = nothing_of(dtype)
    told = {row: ("out-of-range", f"{shown(cells[row].as_py())} {words}") for row in rows}
    return Cells(found.values, {**found.bad, **told})


def _explain(text: str, complaint: str) -> tuple[str, str]:
    stripped = text.strip()
    if not stripped:
        return "missing", "the cell is empty"
    if stripped in _MISSING_NAMES:
        return "missing", f"the cell says {stripped}"
    reason = next((words for pattern, words in _REASONS if re.fullmatch(pattern, stripped)), complaint)
    return "not-a-number", f"{shown(stripped)} {reason}"


def _is_number(cells: pa.Array) -> pa.Array:
    return pc.or_(pc.match_substring_regex(cells, _NUMBER), pc.match_substring_regex(cells, _INFINITY))


def _to_numpy(array: pa.Array) -> Array:
    values: Array = array.to_numpy(zero_copy_only=False)
    return values
