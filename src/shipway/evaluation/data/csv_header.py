"""The first line of a table of text cells: how cells are divided, and what the columns are called."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from shipway.errors import DataFormatError
from shipway.evaluation.data.table_columns import check_names, shown
from shipway.evaluation.data.text_files import BOM, HEAD_BYTES

DELIMITERS = (",", ";", "\t")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Header:
    """The first row of the file."""

    delimiter: str
    names: tuple[str, ...]
    """In the file's order; empty for a first column that has none, an index as pandas writes it."""
    begin: int
    """Of what follows it, in bytes."""
    lines: int
    """Lines of the file up to there."""


def read_header(path: Path, head: bytes) -> Header:
    """`head` is the file's beginning, in UTF-8.

    Raises `DataFormatError` where the first row is no header: numbers, names twice, a name missing, no end.
    """
    lines = head.splitlines(keepends=True)
    blank = next((number for number, line in enumerate(lines) if line.removeprefix(BOM).strip()), 0)
    texts = [line.decode("utf-8-sig", errors="replace") for line in lines[blank : blank + 10_000]]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _tell_delimiter(texts)
    rows = csv.reader(texts, delimiter=delimiter)
    try:
        cells = [cell.strip() for cell in next(rows)]
    except csv.Error as error:
        raise _no_header(path, blank + 1, str(error)) from error
    used = blank + rows.line_num
    begin = sum(map(len, lines[:used]))
    if begin == HEAD_BYTES or (rows.line_num == len(texts) > 1):
        raise _no_header(path, blank + 1, "it has no end: a quote is not closed, or the file is no table")
    return Header(delimiter, _check(path, cells, blank + 1), begin, used)


def _tell_delimiter(lines: list[str]) -> str:
    """The one that divides the first two rows into equally many cells, and into most."""

    def judge(delimiter: str) -> tuple[bool, int]:
        counts = _count_cells(lines, delimiter)
        return len(counts) == 2 and counts[0] == counts[1] > 1, counts[0] if counts else 0

    return max(DELIMITERS, key=judge)


def _count_cells(lines: list[str], delimiter: str) -> list[int]:
    counts: list[int] = []
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            if row:
                counts.append(len(row))
            if len(counts) == 2:
                break
    except csv.Error:  # a text of more than 128 KiB, which says nothing about the delimiter
        return counts
    return counts


def _check(path: Path, names: list[str], line: int) -> tuple[str, ...]:
    where = f"line {line} (the header)"
    if len(names) == 1 and "|" in names[0]:
        raise DataFormatError(
            f"{path}, {where}: one column called {shown(names[0])}; cells are divided by a comma, a semicolon or "
            "a tab.",
            hint=f'Convert it: pandas.read_csv("{path.name}", sep="|").to_csv("data.csv", index=False)',
        )
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    counted = len(numbers) >= 3 and numbers == [str(index) for index in range(len(numbers))]
    if numbers and 2 * len(numbers) >= len(names) and not counted:
        raise DataFormatError(
            f"{path}, {where} holds numbers where the names of the columns are expected: "
            f"{shown(', '.join(names[:6]))}.",
            hint=f'Add a header: pandas.read_csv("{path.name}", header=None, names=["x1", ..., "label"])'
            '.to_csv("data.csv", index=False)',
        )
    nameless = [place for place, name in enumerate(names, 1) if not name]
    if nameless and (nameless != [1] or len(names) == 1):
        raise DataFormatError(
            f"{path}, {where}: column {nameless[-1]} of {len(names)} has no name.",
            hint="Name every column; a delimiter at the end of each line makes such a column: take it away.",
        )
    check_names(path, names, where=where)
    return tuple(names)


def _no_header(path: Path, line: int, why: str) -> DataFormatError:
    return DataFormatError(
        f"{path}, line {line}: the header cannot be read: {why}.",
        hint="Write the names of the columns into the first line, each quote closed.",
    )
