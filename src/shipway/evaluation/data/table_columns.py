"""What tables share, whatever file they lie in: names of columns, and values where a cell has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shipway.errors import DataFormatError
from shipway.evaluation.data.base import Block, Problem
from shipway.types import Array

TABLE_LABELS: tuple[str, ...] = ("label", "labels", "y", "target", "class")
"""By these names the label's column of a table goes; the likeliest first."""
_SHOWN_CHARACTERS = 40


def check_names(path: Path, names: Iterable[str], *, where: str) -> None:
    """Raises `DataFormatError` where two columns share a name. `where` is the place of the names in the file."""
    listed = list(names)
    twice = [name for name, count in Counter(listed).items() if count > 1]
    if twice:
        places = [str(place) for place, name in enumerate(listed, 1) if name == twice[0]]
        raise DataFormatError(
            f"{path}, {where}: the column {shown(twice[0])} stands there {len(places)} times "
            f"(columns {', '.join(places)}).",
            hint="Give every column a name of its own, or leave the copies out.",
        )


def shown(value: object) -> str:
    """A cell as messages quote it: on one line, not longer than a few words."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


@dataclass(frozen=True)
class Cells:
    """Some rows of one column, read as one dtype."""

    values: Array
    """`[rows, *row_shape]`; where a cell is bad, a value that stands for nothing: NaN, 0, False or ``""``."""
    bad: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """Row within these → the kind of its problem, and its words."""


def nothing_of(dtype: np.dtype[Any]) -> float | str | np.generic:
    """What stands in a column of this dtype where there is no value."""
    if dtype.kind == "f":
        return np.nan
    zero: np.generic = dtype.type(0)
    return "" if dtype.kind == "O" else zero


@dataclass
class Unasked:
    """Columns that nobody demands a dtype of: cells that do not read so become empty, and are counted."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def settle(self, name: str, cells: Cells, first_row: int) -> Array:
        """The values; numbers with a gap are float64, the gap NaN."""
        if not cells.bad:
            return cells.values
        for row, (kind, words) in cells.bad.items():
            if kind != "missing" and first_row + row >= self.counts_from(name):
                self.counts[name] += 1
                self.first.setdefault(name, f"row {first_row + row}: {words}")
        values = cells.values
        if values.dtype.kind in "biu":
            values = values.astype(np.float64)
            values[list(cells.bad)] = np.nan
        return values

    def counts_from(self, name: str) -> int:
        """The first row that was not counted yet: a file is read more than once."""
        return self._seen.get(name, 0)

    _seen: dict[str, int] = field(default_factory=dict)

    def passed(self, name: str, row: int) -> None:
        """All rows before `row` were counted."""
        self._seen[name] = max(self._seen.get(name, 0), row)

    def notes(self) -> tuple[str, ...]:
        """A line for each column that lost a cell."""
        return tuple(
            f"{name}: {count} cell{'s' if count > 1 else ''} left empty ({self.first[name]})"
            for name, count in self.counts.items()
        )


def block_of(
    first_row: int, cells: Mapping[str, Cells], demanded: Mapping[str, Any], unasked: Unasked
) -> Block:
    """A block out of its columns; problems are told of the columns in `demanded` only, in the rows' order."""
    arrays: dict[str, Array] = {}
    problems = []
    for name, column in cells.items():
        if name in demanded:
            arrays[name] = column.values
            problems += [
                Problem(first_row + row, name, kind, words) for row, (kind, words) in column.bad.items()
            ]
        else:
            arrays[name] = unasked.settle(name, column, first_row)
            unasked.passed(name, first_row + len(column.values))
    problems.sort(key=lambda problem: problem.row)
    return Block(first_row, arrays, tuple(problems))
