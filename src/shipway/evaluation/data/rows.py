"""The rows of an opened data set as a model takes them: each pass from the first row, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shipway.errors import DataEmptyError, DataMismatchError
from shipway.evaluation.data.bad_rows import BadRows
from shipway.evaluation.data.base import Block, Reader
from shipway.evaluation.data.fit import Unit, check_free_dimensions, check_shape, dims_of, fit_values
from shipway.evaluation.data.matching import Assignment
from shipway.types import Array, TensorSpec

MOST_ROWS = 4_096
MOST_BYTES = 32 * 2**20
"""Of a block as it is read, so that memory stays flat whatever the size of a row."""
TABLES = ("csv", "parquet", "jsonl")


@dataclass(frozen=True)
class FittedBlock:
    """Some rows, in the file's order, in the model's dtypes; those that cannot be used are there too."""

    first_row: int
    inputs: dict[str, Array]
    columns: dict[str, Array]
    """The labels' column and those that are kept."""

    @property
    def rows(self) -> int:
        """How many."""
        return len(next(iter(self.inputs.values())))


@dataclass
class FittedRows:
    """Reads what `assignment` names and fits it to the inputs `specs`."""

    reader: Reader
    specs: Sequence[TensorSpec]
    assignment: Assignment
    unit: Unit = "row"
    allow_missing: bool = False
    notes: dict[str, None] = field(default_factory=dict)
    """What was changed in fitting, each once, in order."""

    def check_form(self) -> None:
        """Raises `DataMismatchError` and `DataEmptyError` by what the columns say and the first row shows."""
        self._check_counts()
        peeked = next(self._read(self.assignment.used, rows=1), None)
        if peeked is None:
            raise self._empty()
        shapes = {}
        for spec in self.specs:
            array = self._gather(peeked, spec)
            rows = self.reader.columns[self.assignment.inputs[spec.name][0]].rows or len(array)
            shapes[spec.name] = (rows, *array.shape[1:])
            check_shape(shapes[spec.name], spec, called=self._called(spec), unit=self.unit)
        check_free_dimensions(shapes, tuple(self.specs), unit=self.unit)
        entry_bytes = sum(array.nbytes for array in peeked.arrays.values())
        self._block_rows = max(1, min(MOST_ROWS, MOST_BYTES // max(1, entry_bytes)))

    def blocks(self, *, with_columns: bool = False, bad: BadRows | None = None) -> Iterator[FittedBlock]:
        """All rows; `check_form` comes first. What cannot be used is noted in `bad`.

        Raises `DataFormatError` and `DataMismatchError` where a block is damaged or does not fit.
        """
        names = self.assignment.used if with_columns else self._input_columns()
        for block in self._read(names, rows=self._block_rows):
            inputs = {spec.name: self._fit(block, spec) for spec in self.specs}
            if bad is not None:
                self._note_bad(block, inputs, bad)
            wanted = (self.assignment.label, *self.assignment.kept) if with_columns else ()
            yield FittedBlock(block.first_row, inputs, {name: block.arrays[name] for name in wanted if name})

    def _note_bad(self, block: Block, inputs: Mapping[str, Array], bad: BadRows) -> None:
        """What the reader could not use, then NaN and infinity that stand in the file as such."""
        floats = {
            column: spec for spec in self.specs if spec.dtype.is_float for column in self._columns_of(spec)
        }
        problems = [
            problem
            for problem in block.problems
            if not (self.allow_missing and problem.kind == "missing" and problem.column in floats)
        ]
        for problem in problems:
            bad.note(problem)
        told = np.array([problem.row - block.first_row for problem in problems], np.intp)
        for column, spec in floats.items():
            columns, values = self._columns_of(spec), inputs[spec.name]
            values = values[:, columns.index(column)] if len(columns) > 1 else values
            bad.note_special_values(
                values, block.first_row, called=column, without=told, only_infinite=self.allow_missing
            )

    def _columns_of(self, spec: TensorSpec) -> tuple[str, ...]:
        return self.assignment.inputs[spec.name]

    def _fit(self, block: Block, spec: TensorSpec) -> Array:
        called = self._called(spec)
        from_table = self.reader.format in TABLES
        array, note = fit_values(self._gather(block, spec), spec, called=called, from_table=from_table)
        if note:
            self.notes[note] = None
        return array

    def _gather(self, block: Block, spec: TensorSpec) -> Array:
        """The input's column; a table's columns side by side; a column of numbers as `[rows, 1]` where wanted."""
        columns = self.assignment.inputs[spec.name]
        if len(columns) > 1:
            return np.stack([block.arrays[name] for name in columns], axis=1)
        array = block.arrays[columns[0]]
        if array.ndim == 1 and len(dims_of(spec, self.unit)) == 1 and self.reader.format != "npz":
            return array[:, None]
        return array

    def _called(self, spec: TensorSpec) -> str:
        columns = self.assignment.inputs[spec.name]
        return columns[0] if len(columns) == 1 else f"{columns[0]} … {columns[-1]}"

    def _input_columns(self) -> tuple[str, ...]:
        return tuple(column for columns in self.assignment.inputs.values() for column in columns)

    def _read(self, names: tuple[str, ...], *, rows: int) -> Iterator[Block]:
        return self.reader.blocks(names, self._dtypes(), rows=rows)

    def _dtypes(self) -> Mapping[str, np.dtype[Any]]:
        label = self.assignment.label
        told = {} if label is None else {label: self.reader.columns[label].dtype}
        return told | {
            column: spec.dtype.numpy for spec in self.specs for column in self.assignment.inputs[spec.name]
        }

    def _check_counts(self) -> None:
        for spec in self.specs:
            if self.reader.columns[self.assignment.inputs[spec.name][0]].is_scalar:
                check_shape((), spec, called=self._called(spec), unit=self.unit)
        columns = [self.reader.columns[name] for name in self.assignment.used]
        counts = {column.name: column.rows for column in columns if column.rows is not None}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise DataMismatchError(
                f"The arrays in {self.reader.path} have unequal numbers of {self.unit}s (axis 0): {listed}.",
                hint=f"Every {self.unit} needs one entry in each array; check how the file was written.",
            )
        if 0 in counts.values():
            for spec in self.specs:
                column = self.reader.columns[self.assignment.inputs[spec.name][0]]
                if column.row_shape:
                    check_shape((0, *column.row_shape), spec, called=column.name, unit=self.unit)
            raise self._empty()

    def _empty(self) -> DataEmptyError:
        columns = "; ".join(str(self.reader.columns[name]) for name in self.assignment.used)
        return DataEmptyError(
            f"{self.reader.path} holds no {self.unit}: {columns}.",
            hint=f"Give a file with at least one {self.unit}.",
        )
