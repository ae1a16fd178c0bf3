"""Where a table of text cells is damaged: the line, by a second, slower reading after the quick one stopped."""

from __future__ import annotations

import csv
from pathlib import Path

from shipway.errors import DataFormatError
from shipway.evaluation.data.csv_header import Header
from shipway.evaluation.data.table_columns import shown


def find_damage(path: Path, header: Header, longest_row_bytes: int) -> DataFormatError | None:
    """The error for the first row that has another number of cells than the header, no end, or too many bytes."""
    wanted = len(header.names)
    row, line = 0, header.lines + 1
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        for _ in range(header.lines):
            file.readline()
        rows = csv.reader(file, delimiter=header.delimiter)
        try:
            for cells in rows:
                lines = header.lines + rows.line_num - line + 1
                if sum(map(len, cells)) + len(cells) > longest_row_bytes:
                    return _too_long(path, row, line, longest_row_bytes)
                if cells and len(cells) != wanted:
                    return _ragged(path, row, line, lines, cells, header)
                row += bool(cells)
                line = header.lines + rows.line_num + 1
        except csv.Error:  # a cell of more than 128 KiB
            return _endless(path, row, line, longest_row_bytes)
    return None


def _ragged(path: Path, row: int, line: int, lines: int, cells: list[str], header: Header) -> DataFormatError:
    """A row that swallowed many lines has a quote that nothing closes."""
    if lines > 1 and len(cells) < len(header.names):
        return _unclosed(path, row, line, lines, cells[-1])
    wanted = len(header.names)
    found = f"{len(cells)} cell{'s' if len(cells) != 1 else ''}"
    if len(cells) > wanted:
        more = f"The first too many is {shown(cells[wanted])}; put texts that hold the delimiter into quotes"
    else:
        more = (
            f"The row ends at column {header.names[len(cells) - 1]!r}; a file that was cut off ends like this"
        )
    return DataFormatError(
        f"{path}, line {line} (row {row}): {found}, the header has {wanted}.",
        hint=f"{more}.",
    )


def _unclosed(path: Path, row: int, line: int, lines: int, text: str) -> DataFormatError:
    return DataFormatError(
        f"{path}, line {line} (row {row}): a quote is opened and not closed before line {line + lines - 1}; "
        f"its text begins {shown(text)}.",
        hint='Close the quote, or double a quote that is part of the text: "say ""yes""".',
    )


def _endless(path: Path, row: int, line: int, longest_row_bytes: int) -> DataFormatError:
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            if number == line and len(text) > longest_row_bytes:
                return _too_long(path, row, line, longest_row_bytes)
    return DataFormatError(
        f"{path}, line {line} (row {row}): a text of more than 128 KiB; most likely a quote is opened and "
        "not closed.",
        hint='Close the quote, or double a quote that is part of the text: "say ""yes""".',
    )


def _too_long(path: Path, row: int, line: int, longest_row_bytes: int) -> DataFormatError:
    return DataFormatError(
        f"{path}, line {line} (row {row}) is longer than {longest_row_bytes // 2**20} MiB, the most that a row "
        "may be.",
        hint="Check that the line ends are there; keep wide rows in .npz or Parquet.",
    )
