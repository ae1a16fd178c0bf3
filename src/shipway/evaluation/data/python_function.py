"""Data that the user's own `module.py:function` yields: run once in a child, kept as plain arrays until `close`.

The framework that makes the batches never runs in this process, and nothing pickled comes back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shipway.errors import (
    DataFormatError,
    DataNotFoundError,
    ShipwayError,
    WorkerDiskError,
    WorkerTimeoutError,
)
from shipway.evaluation.data.base import Block, Column, Problem, Reading
from shipway.evaluation.data.split import digest_of, hash_rows
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Limits, Progress
from shipway.sources.child import WORKERS, Scratch, Task, run
from shipway.sources.detect import factory_of
from shipway.types import Array

_WORKER: Final = WORKERS / "datasets.py"
_DIGEST_ROWS: Final = 4_096


def open_python_function(
    path_and_name: str, reading: Reading, limits: Limits, *, progress: Progress | None = None
) -> PythonFunctionReader:
    """Runs the function to its end, in `reading.python`; the reader holds what it gave on disk.

    Raises `DataFormatError` (not of the form, no such function, it fails or gives something else),
    `DataNotFoundError`, `DataMismatchError` (batches that differ), `DataEmptyError`, `MissingDependencyError`,
    and `WorkerError` for what its limits ended: time, memory, disk.
    """
    found = factory_of(Path(path_and_name))
    if found is None:
        raise DataFormatError(
            f"{path_and_name} is not of the form module.py:function.",
            hint="Name the file and the function that yields batches: --data data.py:batches.",
        )
    file, function = found
    if not file.is_file():
        raise DataNotFoundError(f"No file {file}.", hint="Check the path given to --data.")
    scratch = Scratch(limits.scratch)
    try:
        index = _run(file, function, scratch, reading, limits, progress or (lambda _: None))
        return PythonFunctionReader(Path(path_and_name), scratch, index)
    except BaseException:
        scratch.close()
        raise


def _run(
    file: Path, function: str, scratch: Scratch, reading: Reading, limits: Limits, progress: Progress
) -> Mapping[str, Any]:
    out = scratch.path / "columns"
    work = scratch.path / "work"
    with os_errors_as_ours("make a working folder", scratch.path):
        out.mkdir()
        work.mkdir()
    task = Task("write", {"file": str(file.resolve()), "function": function, "out": str(out)})
    done = run(
        _WORKER,
        [task],
        folder=work,
        limits=limits,
        progress=progress,
        python=reading.python,
        extra="",
        temporary=scratch.path,
    )
    (outcome,) = done.outcomes
    if isinstance(outcome.error, (WorkerTimeoutError, WorkerDiskError)):
        raise _without_end(f"{file.name}:{function}", outcome.error) from outcome.error
    return outcome.unwrap()


def _without_end(where: str, error: ShipwayError) -> ShipwayError:
    return type(error)(
        f"{where} was still giving batches. {error.message}",
        hint=f"{error.hint} A generator that never ends needs a last batch: itertools.islice(batches, 100), "
        "dataset.take(100).",
    )


@dataclass(frozen=True)
class _Stored:
    """One column's files."""

    column: Column
    values: NDArray[np.uint8]
    """The bytes of all rows."""
    lengths: NDArray[np.int64] | None
    """Of a text's cells, in bytes."""

    @property
    def cells(self) -> int:
        """In one row."""
        return math.prod(self.column.row_shape)

    def pieces(self, rows: int, total: int) -> Iterator[Array]:
        """`rows` at a time; texts are `str`, and None where there is none."""
        begin = 0
        for first in range(0, total, rows):
            count = min(rows, total - first)
            if self.lengths is None:
                width = self.cells * self.column.dtype.itemsize
                raw = bytearray(self.values[first * width : (first + count) * width])
                yield np.frombuffer(raw, self.column.dtype).reshape(count, *self.column.row_shape)
                continue
            lengths = self.lengths[first * self.cells : (first + count) * self.cells]
            size = int(np.maximum(lengths, 0).sum())
            yield self._texts(bytes(self.values[begin : begin + size]), lengths, count)
            begin += size

    def _texts(self, data: bytes, lengths: NDArray[np.int64], count: int) -> Array:
        ends = np.maximum(lengths, 0).cumsum().tolist()
        texts = np.empty(count * self.cells, object)
        texts[:] = [
            None if length < 0 else data[end - length : end].decode()
            for end, length in zip(ends, lengths.tolist(), strict=True)
        ]
        return texts.reshape(count, *self.column.row_shape)


class PythonFunctionReader:
    """What the function gave, on disk; until `close`, garbage collection, or the end of the process."""

    format = "python"
    label_names: tuple[str, ...] = ("labels", "label", "y", "target")
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, scratch: Scratch, index: Mapping[str, Any]) -> None:
        self.path = path
        """`module.py:function`."""
        self._rows = int(index["rows"])
        self._scratch = scratch
        folder = scratch.path / "columns"
        self._stored = {told["name"]: _open(folder, told, self._rows) for told in index["columns"]}
        self.columns: Mapping[str, Column] = {name: stored.column for name, stored in self._stored.items()}

    def blocks(
        self,
        names: tuple[str, ...],
        dtypes: Mapping[str, np.dtype[Any]],  # noqa: ARG002 - the arrays have theirs
        *,
        rows: int,
    ) -> Iterator[Block]:
        """As `Reader.blocks`; a text that is missing is "", with a problem."""
        for first, arrays in self._pieces(names, rows):
            problems = [
                problem
                for name, array in arrays.items()
                if array.dtype == object
                for problem in _fill_missing(array, name, first)
            ]
            yield Block(first, arrays, tuple(problems))

    def sha256(self) -> str:
        """Of the rows' content in every column, whatever their order: a shuffled loader gives the same data."""
        return self._digest

    def close(self) -> None:
        """Removes the files; safe to call twice."""
        self._stored = {}
        self._scratch.close()

    @cached_property
    def _digest(self) -> str:
        pieces = self._pieces(tuple(self.columns), _DIGEST_ROWS)
        return digest_of(np.concatenate([hash_rows(arrays) for _, arrays in pieces]))

    def _pieces(self, names: tuple[str, ...], rows: int) -> Iterator[tuple[int, dict[str, Array]]]:
        streams = [self._stored[name].pieces(rows, self._rows) for name in names]
        for number, arrays in enumerate(zip(*streams, strict=True)):
            yield number * rows, dict(zip(names, arrays, strict=True))


def _fill_missing(array: Array, name: str, first_row: int) -> Iterator[Problem]:
    missing = np.array([item is None for item in array.ravel().tolist()], bool).reshape(array.shape)
    array[missing] = ""
    for row in np.flatnonzero(missing.reshape(len(array), -1).any(axis=1)).tolist():
        yield Problem(first_row + row, name, "missing", "there is no text")


def _open(folder: Path, told: Mapping[str, Any], rows: int) -> _Stored:
    """Maps the files. Raises `DataFormatError` where their sizes are not what the index claims."""
    is_text = told["dtype"] == "text"
    column = Column(
        name=str(told["name"]),
        dtype=np.dtype(object if is_text else told["dtype"]),
        row_shape=tuple(told["row_shape"]),
        rows=rows,
        called=_called(told) if is_text else "",
    )
    values = _mapped(folder / Path(told["values"]).name)
    lengths = _mapped(folder / Path(told["lengths"]).name).view(np.int64) if is_text else None
    cells = rows * math.prod(column.row_shape)
    expected = cells * column.dtype.itemsize if lengths is None else int(np.maximum(lengths, 0).sum())
    if len(values) != expected or (lengths is not None and len(lengths) != cells):
        raise DataFormatError(
            f"{column.name}: the child claims {expected} bytes and wrote {len(values)}.",
            hint="The function must leave the files of the folder that it runs in alone.",
        )
    return _Stored(column, values, lengths)


def _called(told: Mapping[str, Any]) -> str:
    return f"{told['name']} text[rows{''.join(f', {size}' for size in told['row_shape'])}]"


def _mapped(file: Path) -> NDArray[np.uint8]:
    """Bytes of a file; an empty one cannot be mapped."""
    with os_errors_as_ours("read what the function gave", file):
        return np.memmap(file, np.uint8, mode="r") if file.stat().st_size else np.zeros(0, np.uint8)
