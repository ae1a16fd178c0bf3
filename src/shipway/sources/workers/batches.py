"""Batches of any framework as plain columns on disk: raw values, or UTF-8 with lengths; nothing is pickled.

All batches have the same columns, dtypes and row shapes; the first says which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from .wire import TaskError

LABELS = "labels"
INPUT = "x"
"""What the one array of a batch, or of a pair, is called."""
MISSING = -1
"""In place of a text's length where there is none."""
FORMS = (
    "Each batch is a dict of arrays ({'input': ..., 'labels': ...}), a pair (inputs, labels), or one array; "
    "rows lie along the first axis."
)


def is_one_batch(given: Any) -> bool:  # noqa: ANN401 - whatever the user's function returned
    """Whether it is data itself, and not something that gives data: a dict, an array, a pair of those."""
    if isinstance(given, tuple):
        return len(given) == 2 and all(_is_mapping(item) or _is_tensor(item) for item in given)
    return _is_mapping(given) or _is_tensor(given)


def columns_of(batch: Any, where: str) -> dict[str, Any]:  # noqa: ANN401 - whatever it yielded
    """Name → array `[rows, ...]`, or object array of texts and None. Raises `data.format` and `data.mismatch`."""
    inputs, labels = _parted(batch, where)
    given = {str(name): value for name, value in _items(inputs)} if _is_mapping(inputs) else {INPUT: inputs}
    if labels is not None:
        if LABELS in given:
            raise TaskError(
                "data.format",
                f"{where} has labels twice: {LABELS!r} of its dict, and the second of the pair.",
                hint="Yield the dict alone, or take it out of the dict.",
            )
        given[LABELS] = labels
    columns = {name: as_array(value, f"{where}, {name!r}") for name, value in given.items()}
    counts = {name: len(array) for name, array in columns.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise TaskError(
            "data.mismatch",
            f"{where} has unequal numbers of rows (axis 0): {listed}.",
            hint="Every row needs one entry in each array.",
        )
    return columns


def as_array(value: Any, where: str) -> Any:  # noqa: ANN401 - any framework's tensor in, an array out
    """`[rows, ...]` in native byte order. Raises `data.format` for what is no array of numbers or texts."""
    try:
        array = _to_numpy(value)
    except (ValueError, TypeError) as error:
        raise TaskError(
            "data.mismatch" if "inhomogeneous" in str(error) else "data.format",
            f"{where} is a {type(value).__name__} that makes no array: {str(error)[:200]}",
            hint="Give rows of one shape (pad them), as numpy.asarray(rows, dtype='float32').",
        ) from error
    if array is None:
        raise TaskError("data.format", f"{where} is a {type(value).__name__}, and no array.", hint=FORMS)
    if array.ndim == 0:
        raise TaskError(
            "data.format",
            f"{where} is a single value ({array.dtype}), and no array with rows.",
            hint="Yield batches, not samples: DataLoader(dataset, batch_size=64), dataset.batch(64).",
        )
    if array.dtype.kind in "OSU":
        return _texts(array, where)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TaskError(
            "data.format",
            f"{where} is of dtype {array.dtype}, which no model takes.",
            hint="Cast it: .astype('float32'), or to an integer type.",
        )
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


class Store:
    """The columns' files in one folder; grows batch by batch."""

    def __init__(self, folder: Path, where: str) -> None:
        self.rows = 0
        self._folder = folder
        self._where = where
        self._columns: dict[str, _StoredColumn] = {}

    def append(self, columns: Mapping[str, Any], number: int) -> None:
        """Writes one batch. Raises `data.mismatch` where it differs from the first."""
        rows = len(next(iter(columns.values()), ()))
        if not rows:
            return
        if not self._columns:
            self._columns = {
                name: _StoredColumn.open(self._folder, index, array)
                for index, (name, array) in enumerate(columns.items())
            }
        where = f"{self._where}, batch {number}"
        if columns.keys() != self._columns.keys():
            raise TaskError(
                "data.mismatch",
                f"{where} has the arrays {', '.join(columns)}; earlier batches have {', '.join(self._columns)}.",
                hint="Every batch needs the same arrays.",
            )
        for name, array in columns.items():
            self._columns[name].write(array, f"{where}, {name!r}")
        self.rows += rows

    def close(self) -> dict[str, Any]:
        """`{"rows", "columns": [{"name", "dtype", "row_shape", "values", "lengths"}]}`, all written.

        `values` and `lengths` are names of files in the folder; texts have int64 lengths in bytes, one a cell,
        -1 where there is no text, and the dtype `"text"`. Raises `data.empty`.
        """
        if not self.rows:
            raise TaskError(
                "data.empty", f"{self._where} gave no row.", hint="Yield at least one batch. " + FORMS
            )
        return {
            "rows": self.rows,
            "columns": [{"name": name, **column.close()} for name, column in self._columns.items()],
        }


@dataclass
class _StoredColumn:
    dtype: Any
    """The first batch's; None for texts."""
    row_shape: tuple[int, ...]
    values: IO[bytes]
    lengths: IO[bytes] | None

    @classmethod
    def open(cls, folder: Path, index: int, array: Any) -> _StoredColumn:  # noqa: ANN401 - a numpy array
        is_text = array.dtype.kind == "O"
        return cls(
            dtype=None if is_text else array.dtype,
            row_shape=array.shape[1:],
            values=(folder / f"{index}.values").open("wb"),
            lengths=(folder / f"{index}.lengths").open("wb") if is_text else None,
        )

    def write(self, array: Any, where: str) -> None:  # noqa: ANN401 - as above
        if array.shape[1:] != self.row_shape:
            raise TaskError(
                "data.mismatch",
                f"{where} has rows of the shape {list(array.shape[1:])}; earlier batches have "
                f"{list(self.row_shape)}.",
                hint="Give all batches one shape: pad, crop or resize the rows.",
            )
        is_text = array.dtype.kind == "O"
        if is_text != (self.dtype is None) or not (is_text or np.can_cast(array.dtype, self.dtype)):
            raise TaskError(
                "data.mismatch",
                f"{where} is of dtype {_called(array)}; earlier batches are of {self.dtype or 'text'}.",
                hint="Give all batches one dtype: .astype('float32').",
            )
        if self.lengths is None:
            self.values.write(np.ascontiguousarray(array, self.dtype).data)
            return
        texts = [None if item is None else item.encode() for item in array.ravel().tolist()]
        self.values.write(b"".join(text for text in texts if text))
        lengths = [MISSING if text is None else len(text) for text in texts]
        self.lengths.write(np.array(lengths, np.int64).data)

    def close(self) -> dict[str, Any]:
        self.values.close()
        if self.lengths is not None:
            self.lengths.close()
        return {
            "dtype": "text" if self.dtype is None else self.dtype.str,
            "row_shape": list(self.row_shape),
            "values": Path(self.values.name).name,
            "lengths": None if self.lengths is None else Path(self.lengths.name).name,
        }


def _parted(batch: Any, where: str) -> tuple[Any, Any]:  # noqa: ANN401 - as `columns_of`
    if not isinstance(batch, (tuple, list)):
        return batch, None
    if len(batch) == 1 and (_is_mapping(batch[0]) or _is_tensor(batch[0])):
        return batch[0], None
    if len(batch) == 2 and all(_is_batch_part(item) for item in batch):
        return batch[0], batch[1]
    found = ", ".join(type(item).__name__ for item in batch[:4]) + (", …" if len(batch) > 4 else "")
    raise TaskError(
        "data.format", f"{where} is a {type(batch).__name__} of {len(batch)} ({found}).", hint=FORMS
    )


def _is_batch_part(item: Any) -> bool:  # noqa: ANN401 - as above
    """Numbers too: they are told apart from batches in `as_array`."""
    return _is_mapping(item) or _is_tensor(item) or isinstance(item, (list, tuple, bool, int, float))


def _is_mapping(value: Any) -> bool:  # noqa: ANN401 - as above
    """A dict, or a frame of columns (pandas, polars, Arrow)."""
    is_frame = hasattr(value, "columns") and not hasattr(value, "dtype")
    return isinstance(value, Mapping) or is_frame


def _items(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - as above
    names = value if isinstance(value, Mapping) else getattr(value, "column_names", value.columns)
    return [(name, value[name]) for name in names]


def _is_tensor(value: Any) -> bool:  # noqa: ANN401 - as above
    has_form = hasattr(value, "shape") and hasattr(value, "dtype")
    return has_form or hasattr(value, "toarray") or hasattr(value, "__array__")


def _to_numpy(value: Any) -> Any:  # noqa: ANN401 - any framework's tensor in; an array, or None
    """Raises `ValueError` and `TypeError` for ragged rows."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach"):  # torch
        value = value.detach().cpu()
        value = value.to_dense() if value.is_sparse else value
        return (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    for method in ("numpy", "toarray"):  # TensorFlow; SciPy's sparse matrices
        if hasattr(value, method):
            return np.asarray(getattr(value, method)())
    if hasattr(value, "__array__") or isinstance(value, (bool, int, float)):
        return np.asarray(value)
    return _from_list(value) if isinstance(value, (list, tuple)) else None


def _from_list(value: Any) -> Any:  # noqa: ANN401 - as above
    """Texts stay texts, whatever stands beside them."""
    if any(isinstance(item, (str, bytes)) or item is None for item in value):
        array = np.empty(len(value), object)
        array[:] = value
        return array
    return np.asarray([_to_numpy(item) if _is_tensor(item) else item for item in value])


def _texts(array: Any, where: str) -> Any:  # noqa: ANN401 - a numpy array in, one of objects out
    texts = np.empty(array.shape, object)
    texts.reshape(-1)[:] = [_text(item, where, index) for index, item in enumerate(array.ravel().tolist())]
    return texts


def _text(item: Any, where: str, index: int) -> str | None:  # noqa: ANN401 - a cell
    if item is None or (isinstance(item, float) and math.isnan(item)):  # pandas has NaN for a missing text
        return None
    if isinstance(item, bytes):
        with suppress(UnicodeDecodeError):
            return item.decode()
        raise TaskError(
            "data.format",
            f"{where}: expected text, element {index} is not UTF-8 ({item[:40]!r}).",
            hint="Decode the bytes with the encoding that they are in.",
        )
    if isinstance(item, str):
        with suppress(UnicodeEncodeError):
            item.encode()
            return item
        raise TaskError(
            "data.format",
            f"{where}: element {index} is no text that can be stored ({item[:40]!r}).",
            hint="Decode it with errors='replace'.",
        )
    raise TaskError(
        "data.format",
        f"{where} holds Python objects (element {index} is a {type(item).__name__}), which are never stored.",
        hint="Give numbers or texts; rows of unequal length need padding.",
    )


def _called(array: Any) -> str:  # noqa: ANN401 - a numpy array
    return "text" if array.dtype.kind == "O" else str(array.dtype)
