"""`.parquet`: columns with types, read a batch at a time; claims are checked before memory is taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shipway.bundle.files import sha256_of
from shipway.errors import DataEmptyError, DataFormatError, DataMismatchError
from shipway.evaluation.data.arrow_columns import dtype_of, is_list, read_column, shape_of
from shipway.evaluation.data.base import Block, Column
from shipway.evaluation.data.memory import physical_memory_bytes
from shipway.evaluation.data.table_columns import TABLE_LABELS, Cells, Unasked, block_of, check_names
from shipway.evaluation.data.text_files import check_data_file

_BUFFER_BYTES = 1 << 20
"""Of a column chunk, so much is in memory at a time."""
_LEAST_ROW_BYTES = 8
"""Of one number: equal values are packed so small that the packed size bounds nothing."""
_DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, NotImplementedError)
"""What Arrow raises on hostile bytes; its own errors derive from several of Python's."""


class ParquetReader:
    """Reads the footer, and one row where lists are, when made; the file is open only while rows are read."""

    format = "parquet"
    label_names = TABLE_LABELS
    class_names: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unasked = Unasked()
        with self._open() as file:
            schema = file.schema_arrow
            check_names(path, schema.names, where="the schema")
            self._index = _index_columns(schema)
            self.rows: int = file.metadata.num_rows
            fields = [field for field in schema if field.name not in self._index]
            self._check_claims(file.metadata, len(fields))
            shapes = self._shapes(file, [field.name for field in fields if is_list(field.type)])
            self.columns: Mapping[str, Column] = {
                field.name: self._column(field, shapes.get(field.name, ())) for field in fields
            }

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, and what became of cells in columns that nobody demanded."""
        index = ", ".join(self._index)
        told = [f"the index that pandas wrote was left out ({index})"] if index else []
        return (*told, *self._unasked.notes())

    def blocks(
        self, names: tuple[str, ...], dtypes: Mapping[str, np.dtype[Any]], *, rows: int
    ) -> Iterator[Block]:
        """As `Reader.blocks`, in the file's own dtypes; a null in a column that is not in `dtypes` is NaN or an
        empty text, and no problem. Raises `DataMismatchError` where the columns are not what `dtypes` want."""
        for name in names:
            self._check_kind(name, dtypes.get(name))
        first = 0
        with self._open() as file:
            for batch in file.iter_batches(batch_size=rows, columns=list(names), use_threads=False):
                cells = {name: self._read(batch, name, first) for name in names}
                yield block_of(first, cells, dtypes, self._unasked)
                first += batch.num_rows
        if first != self.rows:
            raise _damaged(self.path, f"it claims {self.rows} rows and holds {first}")

    def sha256(self) -> str:
        """Of the file's bytes."""
        return sha256_of(self.path)

    def close(self) -> None:
        """Nothing is held."""

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        check_data_file(self.path)
        try:
            file = pq.ParquetFile(str(self.path), pre_buffer=False, buffer_size=_BUFFER_BYTES)
        except _DAMAGED as error:
            raise _damaged(self.path, str(error)) from error
        with file:
            try:
                yield file
            except _DAMAGED as error:
                raise _damaged(self.path, str(error)) from error

    def _read(self, batch: pa.RecordBatch, name: str, first_row: int) -> Cells:
        where = f"{self.path}, column {name!r}"
        return read_column(batch.column(name), self.columns[name].row_shape, where=where, first_row=first_row)

    def _shapes(self, file: pq.ParquetFile, lists: list[str]) -> dict[str, tuple[int, ...]]:
        """List column → the shape of its first row that has one."""
        found: dict[str, tuple[int, ...]] = {}
        if not lists:
            return found
        for batch in file.iter_batches(batch_size=1, columns=lists, use_threads=False):
            for name in lists:
                value = batch.column(name)[0].as_py()
                if value is not None:
                    found.setdefault(name, shape_of(value))
            if len(found) == len(lists):
                break
        return found

    def _column(self, field: pa.Field, shape: tuple[int, ...]) -> Column:
        dtype = dtype_of(field.type)
        called = f"{field.name} {field.type}[rows{''.join(f', {size}' for size in shape)}]"
        if dtype.kind == "V":
            called = f"{field.name} {field.type} (neither numbers nor texts)"
        return Column(field.name, dtype, shape, rows=self.rows, called=called)

    def _check_kind(self, name: str, wanted: np.dtype[Any] | None) -> None:
        column = self.columns[name]
        if column.dtype.kind == "V":
            raise DataMismatchError(
                f"{self.path}, column {name!r} is {column}; expected numbers, texts, or lists of one length.",
                hint="Convert it: numbers as float, texts as string, rows of numbers as list<float>; images in a "
                "folder by class.",
            )
        if wanted is not None and column.dtype.kind == "O" and wanted.kind in "biuf":
            raise DataMismatchError(
                f"{self.path}, column {name!r} is {column}; the model takes {wanted}.",
                hint=f"Convert it: frame[{name!r}] = pandas.to_numeric(frame[{name!r}]), or the codes of "
                "training.",
            )

    def _check_claims(self, metadata: pq.FileMetaData, columns: int) -> None:
        """Raises `DataFormatError` where the footer's numbers cannot be, `DataEmptyError` without rows."""
        memory = physical_memory_bytes()
        # A group's columns are not looked at: `RowGroupMetaData.column` of a damaged file ends the whole process,
        # because Arrow 26 throws there where no Python exception is made of it.
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        for number, group in enumerate(groups):
            if min(group.num_rows, group.total_byte_size) < 0:
                raise _damaged(self.path, f"row group {number} claims {group.num_rows} rows")
            claimed = max(group.total_byte_size, _LEAST_ROW_BYTES * group.num_rows)
            if memory is not None and claimed > memory:
                raise DataFormatError(
                    f"{self.path}: row group {number} unpacks to {claimed / 1e9:.1f} GB ({group.num_rows} rows); "
                    f"this machine has {memory / 1e9:.1f} GB of memory.",
                    hint='Write smaller row groups: frame.to_parquet("data.parquet", row_group_size=100_000).',
                )
        if sum(group.num_rows for group in groups) != self.rows:
            raise _damaged(self.path, f"it claims {self.rows} rows, and its row groups another number")
        if self.rows == 0 or columns == 0:
            raise DataEmptyError(
                f"{self.path} holds {self.rows} rows and {columns} columns.",
                hint="Give a file with at least one row of data.",
            )


def open_parquet(path: Path) -> ParquetReader:
    """Opens a table of typed columns.

    Raises `DataNotFoundError`, `PermissionDeniedError`, `DataEmptyError`, and `DataFormatError` where the footer
    is damaged or claims what cannot be.
    """
    return ParquetReader(path)


def _index_columns(schema: pa.Schema) -> tuple[str, ...]:
    """Columns that pandas wrote for a frame's index without a name."""
    return tuple(name for name in schema.names if name.startswith("__index_level_"))


def _damaged(path: Path, what: str) -> DataFormatError:
    return DataFormatError(
        f"{path} is damaged, or no Parquet file: {what.strip().rstrip('.')[:300]}.",
        hint="Copy or save the file again; a download or copy that was cut off looks like this.",
    )
