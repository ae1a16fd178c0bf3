"""`.csv` and `.tsv`: a header line, then rows of text cells, read a block at a time.

Arrow parses; what a parser would guess at (delimiter, encoding, missing header) is decided here, before it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from shipway.bundle.files import sha256_of
from shipway.errors import DataEmptyError, DataFormatError
from shipway.evaluation.data.base import Block, Column
from shipway.evaluation.data.csv_damage import find_damage
from shipway.evaluation.data.csv_header import read_header
from shipway.evaluation.data.table_columns import TABLE_LABELS, Cells, Unasked, block_of
from shipway.evaluation.data.text_columns import guess_dtype, read_cells
from shipway.evaluation.data.text_files import CheckedBytes, read_head

LARGEST_BLOCK_BYTES = 1 << 26
"""No row may be longer: Arrow holds whole rows. 64 MiB are 10 million values."""
_SMALLEST_BLOCK_BYTES = 1 << 20
_ROWS_PER_BLOCK = 8
"""Of the longest row seen, at least so many fit into a block."""


class CsvReader:
    """Reads the header and a first block when made; the file is open only while rows are read."""

    format = "csv"
    label_names = TABLE_LABELS
    class_names: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        head = read_head(path)
        self._header = read_header(path, head)
        self._block_bytes = _block_bytes(head)
        self._unasked = Unasked()
        self._names = tuple(name for name in self._header.names if name)
        first = next(self._batches(self._names), None)
        if first is None or first.num_rows == 0:
            raise DataEmptyError(
                f"{path} holds a header ({len(self._names)} columns) and no row below it.",
                hint="Give a file with at least one row of data.",
            )
        self.columns: Mapping[str, Column] = {
            name: _column(name, guess_dtype(first.column(name))) for name in self._names
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """How the file was taken, and what became of cells in columns that nobody demanded."""
        delimiter = {"\t": "tab"}.get(self._header.delimiter, self._header.delimiter)
        told = [] if delimiter == "," else [f"cells are divided by {delimiter!r}"]
        if "" in self._header.names:
            told.append("the first column has no name (an index, as pandas writes it) and was left out")
        return (*told, *self._unasked.notes())

    def blocks(
        self, names: tuple[str, ...], dtypes: Mapping[str, np.dtype[Any]], *, rows: int
    ) -> Iterator[Block]:
        """As `Reader.blocks`; cells of columns that are not in `dtypes` are no problems: what does not read as
        the column's own dtype is NaN there, and a note."""
        first = 0
        for batch in self._batches(names):
            for begin in range(0, batch.num_rows, rows):
                piece = batch.slice(begin, rows)
                cells = {name: self._read(piece, name, dtypes.get(name)) for name in names}
                yield block_of(first, cells, dtypes, self._unasked)
                first += piece.num_rows

    def sha256(self) -> str:
        """Of the file's bytes."""
        return sha256_of(self.path)

    def close(self) -> None:
        """Nothing is held."""

    def _read(self, piece: pa.RecordBatch, name: str, dtype: np.dtype[Any] | None) -> Cells:
        own = self.columns[name].dtype
        return read_cells(piece.column(name), own if dtype is None else dtype, as_booleans=own.kind == "b")

    def _batches(self, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """Record batches of text cells. Raises `DataFormatError`."""
        header = self._header
        columns = [name or "\0" for name in header.names]  # a NUL stands in no header
        with CheckedBytes(self.path, header.begin) as file:
            try:
                reader = arrow_csv.open_csv(
                    pa.PythonFile(file, mode="r"),
                    read_options=arrow_csv.ReadOptions(
                        use_threads=False, block_size=self._block_bytes, column_names=columns
                    ),
                    parse_options=arrow_csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True),
                    convert_options=arrow_csv.ConvertOptions(
                        include_columns=list(names),
                        column_types=dict.fromkeys(names, pa.string()),
                        strings_can_be_null=False,
                        check_utf8=False,  # CheckedBytes does, and knows the line
                    ),
                )
                yield from reader
            except pa.ArrowInvalid as error:
                if "Empty CSV file" in str(error):
                    return
                raise self._damage(error) from error

    def _damage(self, error: Exception) -> DataFormatError:
        """What is wrong where Arrow stopped, with the line, which Arrow does not know."""
        found = find_damage(self.path, self._header, self._block_bytes)
        return found or DataFormatError(
            f"{self.path} cannot be read as a table: {str(error)[:200]}.", hint="Save the file again as CSV."
        )


def open_csv(path: Path) -> CsvReader:
    """Opens a table of text cells.

    Raises `DataNotFoundError`, `PermissionDeniedError`, `DataEmptyError`, and `DataFormatError` on another
    encoding than UTF-8, a missing header, duplicate names, and damage in the first block.
    """
    return CsvReader(path)


def _column(name: str, dtype: np.dtype[Any]) -> Column:
    return Column(name, dtype, called=f"{name} {'text' if dtype.kind == 'O' else dtype}[rows]")


def _block_bytes(head: bytes) -> int:
    longest = max(map(len, head.splitlines()))
    return min(LARGEST_BLOCK_BYTES, max(_SMALLEST_BLOCK_BYTES, _ROWS_PER_BLOCK * longest))
