"""Columns that give the answer away: one that equals the label or predicts it without an error, and row numbers.

Tables only. All by figures that do not grow with the rows; a column is dropped at its first counterexample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.data.base import Finding
from shipway.evaluation.inspection.class_labels import UNUSABLE
from shipway.evaluation.inspection.wording import name_places
from shipway.types import Array

FEWEST_ROWS: Final = 50
"""In fewer rows a column without any meaning can separate two classes by chance."""
_MOST_COLUMNS: Final = 1_024
_MOST_CLASSES: Final = 64
_MOST_VALUES: Final = 64
"""Distinct values of a column, up to which each one's label is remembered."""
_ROWS_A_VALUE: Final = 5
"""So many rows must share each value, or that they agree in their label says nothing."""
_ID_ROWS: Final = 20_000
"""Rows in which an identity's values must all differ: a figure of six digits repeats itself in as many."""
_ID_COLUMNS: Final = 64
_LINEAR: Final = 1 - 1e-9
"""Squared correlation of a column that is the target in another unit."""


class LabelLeaks:
    """Follows a table's columns against class codes, or a regression's targets."""

    def __init__(self) -> None:
        self._rows = 0
        self._equals = self._steps = np.zeros(0, bool)
        self._low = self._high = np.zeros((0, 0))
        self._seen = np.zeros(_MOST_CLASSES, np.int64)
        """Rows of each class; those beyond share the last."""
        self._tables: list[dict[float, int] | None] = []
        self._moments = np.zeros((5, 0))
        self._shift: tuple[Array, float] = (np.zeros(0), 0.0)
        self._has_targets = False

    def see_classes(self, values: Array, codes: NDArray[np.int64]) -> None:
        """`[rows, columns]` and the class of each row (-1: none)."""
        usable = codes != UNUSABLE
        values, codes = values[usable, :_MOST_COLUMNS], codes[usable]
        if not len(codes):
            return
        if not self._rows:
            self._begin(values.shape[1])
        self._rows += len(codes)
        self._equals &= (values == codes[:, None]).all(axis=0)
        self._seen += np.bincount(np.minimum(codes, _MOST_CLASSES - 1), minlength=_MOST_CLASSES)
        self._see_ranges(values, codes)
        for column, table in enumerate(self._tables):
            if table is not None and not _extend(table, values[:, column], codes):
                self._tables[column] = None

    def see_targets(self, values: Array, targets: Array) -> None:
        """`[rows, columns]` and one figure a row."""
        finite = np.isfinite(targets)
        values, target = values[finite, :_MOST_COLUMNS].astype(np.float64), targets[finite].astype(np.float64)
        if not len(target):
            return
        if not self._rows:
            self._begin(values.shape[1])
            self._shift = (values[0], float(target[0]))  # sums of large figures would cancel
            self._moments = np.zeros((5, values.shape[1]))
        self._has_targets = True
        self._rows += len(target)
        with np.errstate(all="ignore"):
            x = values - self._shift[0]
            y = np.broadcast_to((target - self._shift[1])[:, None], x.shape)
            self._moments += [part.sum(axis=0) for part in (x, x * x, x * y, y, y * y)]

    def findings(self, name: str, column_name: Callable[[int], str]) -> Iterator[Finding]:
        """One for all columns that leak; `name` is the input's."""
        if self._rows < FEWEST_ROWS:
            return
        leaking = self._linear() if self._has_targets else self._perfect()
        columns = np.flatnonzero(leaking).tolist()
        if not columns:
            return
        first = column_name(columns[0])
        if self._has_targets:
            what = "is the label in another unit"
        else:
            what = "equals the label" if self._equals[columns[0]] else "tells the label without one error"
        yield Finding(
            "label-leak",
            "warning",
            name,
            count=len(columns),
            of=len(leaking),
            examples=name_places(map(column_name, columns)),
            words=f"{first[:1].upper()}{first[1:]} {what} in all {self._rows} rows"
            f"{f', and {len(columns) - 1} more do' if len(columns) > 1 else ''}.",
            remedy="Check that the column is known before the answer is; one filled in later gives it away.",
        )

    def _begin(self, columns: int) -> None:
        self._equals, self._steps = np.ones(columns, bool), np.ones(columns, bool)
        self._low = np.full((_MOST_CLASSES, columns), np.inf)
        self._high = np.full((_MOST_CLASSES, columns), -np.inf)
        self._tables = [{} for _ in range(columns)]

    def _see_ranges(self, values: Array, codes: NDArray[np.int64]) -> None:
        if codes.max() >= _MOST_CLASSES:
            self._steps = np.zeros(len(self._steps), bool)
        if not self._steps.any():
            return
        for code in np.unique(codes).tolist():
            mine = values[codes == code]
            self._low[code] = np.minimum(self._low[code], mine.min(axis=0))
            self._high[code] = np.maximum(self._high[code], mine.max(axis=0))
        self._steps = self._steps & self._separates()

    def _separates(self) -> NDArray[np.bool_]:
        """Whether the classes' ranges do not overlap, so that thresholds tell them apart."""
        there = self._seen > 0
        low, high = self._low[there], self._high[there]
        order = np.argsort(low, axis=0)
        low, high = np.take_along_axis(low, order, axis=0), np.take_along_axis(high, order, axis=0)
        return np.asarray((low[1:] > high[:-1]).all(axis=0), dtype=bool)

    def _perfect(self) -> NDArray[np.bool_]:
        if int((self._seen > 0).sum()) < 2:
            return np.zeros(len(self._equals), bool)
        told = [
            table is not None and len(set(table.values())) > 1 and len(table) * _ROWS_A_VALUE <= self._rows
            for table in self._tables
        ]
        enough = bool(self._seen[self._seen > 0].min() >= _ROWS_A_VALUE)
        perfect: NDArray[np.bool_] = (self._equals | np.array(told, bool) | self._steps) & enough
        return perfect

    def _linear(self) -> NDArray[np.bool_]:
        x, xx, xy, y, yy = self._moments / self._rows
        with np.errstate(all="ignore"):
            squared = (xy - x * y) ** 2 / ((xx - x * x) * (yy - y * y))
        return np.asarray(np.isfinite(squared) & (squared >= _LINEAR))


def _extend(table: dict[float, int], column: Array, codes: NDArray[np.int64]) -> bool:
    """Remembers each value's label; False where one has two, or there are too many."""
    values, first, inverse = np.unique(column, return_index=True, return_inverse=True)
    if len(values) > _MOST_VALUES or not (codes[first][inverse] == codes).all():
        return False
    for value, label in zip(values.tolist(), codes[first].tolist(), strict=True):
        if table.setdefault(value, label) != label:
            return False
    return len(table) <= _MOST_VALUES


class IdentityColumns:
    """Finds columns of whole numbers that differ in every row."""

    def __init__(self) -> None:
        self._alive: NDArray[np.intp] | None = None
        self._values: list[Array] = []
        self._rows = 0

    def see(self, values: Array) -> None:
        """`[rows, columns]`; only the first rows are looked at."""
        if self._rows >= _ID_ROWS:
            return
        if self._alive is None:
            self._alive = np.arange(min(values.shape[1], _MOST_COLUMNS))
        part = values[: _ID_ROWS - self._rows, self._alive]
        self._rows += len(part)
        whole = (part == np.floor(part)).all(axis=0) & ~(part[:1] == part[1:]).any(axis=0)
        if self._rows > len(part):
            self._values = [before[:, whole] for before in self._values]
        self._values.append(part[:, whole].astype(np.float64))
        self._alive = self._alive[whole]
        if len(self._alive) > _ID_COLUMNS:
            self._alive, self._values = self._alive[:0], [before[:, :0] for before in self._values]

    def findings(self, name: str, column_name: Callable[[int], str], of: int) -> Iterator[Finding]:
        """One for all such columns."""
        if self._alive is None or self._rows < 2 * FEWEST_ROWS or not self._alive.size:
            return
        placed = np.sort(np.concatenate(self._values), axis=0)
        columns = self._alive[(placed[1:] != placed[:-1]).all(axis=0)].tolist()
        if not columns:
            return
        yield Finding(
            "id-column",
            "note",
            name,
            count=len(columns),
            of=of,
            examples=name_places(map(column_name, columns)),
            words=f"{', '.join(map(column_name, columns[:3]))} {'has' if len(columns) == 1 else 'have'} another "
            f"whole number in each of {self._rows} rows, as a row's number or an identity has.",
            remedy="A model that was given it may have learned the order of the file: train without it.",
        )
