"""What the values of one numeric input are like: NaN and infinity, columns and rows without any difference.

Sums, extremes and counts of each feature only: memory does not grow with the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.data.base import Finding
from shipway.evaluation.inspection.wording import (
    MOST_EXAMPLES,
    counted,
    figure,
    first_rows,
    name_places,
    name_rows,
)
from shipway.types import Array

CONSTANT_ROWS: Final = 10
"""Fewer rows are alike by chance: nothing is called constant."""
CONSTANT_FEATURES: Final = 8
"""A row of fewer values can well repeat one of them (four zeros in a table)."""
WIDE_COLUMNS: Final = 16
"""In wider tables columns of zeros are usual: pixels of a border, words that do not occur."""
CHANNELS: Final = (1, 3, 4)
"""Sizes by which the axis of an image's channels is known."""


@dataclass(frozen=True)
class Spread:
    """Of all finite values of an input."""

    rows: int
    low: float
    high: float
    mean: float
    deviation: float
    column_means: NDArray[np.float64]
    """`[features]`."""
    column_deviations: NDArray[np.float64]


class ValueWatch:
    """Follows one numeric input, `[rows, *row_shape]` a block."""

    def __init__(self, name: str, column_names: Sequence[str] = ()) -> None:
        self.name = name
        self.row_shape: tuple[int, ...] = ()
        self.not_finite: list[NDArray[np.int64]] = []
        """Numbers of the rows that hold NaN or infinity, a block each."""
        self._column_names = tuple(column_names)
        self._rows = self._nan = self._infinite = self._constant_rows = 0
        self._constant_examples: list[int] = []
        self._count = self._low = self._high = self._sum = self._squares = np.zeros(0)

    @property
    def is_image(self) -> bool:
        """By its shape: two axes of space, or three with channels."""
        return is_image(self.row_shape)

    def see(self, array: Array, row_numbers: NDArray[np.int64]) -> None:
        """One block; integers and booleans too."""
        if not self._rows:
            self._begin(array.shape[1:])
        values = array.reshape(len(array), -1)
        if values.dtype == bool:
            values = values.view(np.uint8)
        self._rows += len(values)
        if not values.size:
            return
        finite = np.isfinite(values) if values.dtype.kind == "f" else None
        if finite is None or finite.all():
            self._add(values, np.full(values.shape[1], float(len(values))))
        else:
            self._add_finite(values, finite, row_numbers)
        self._note_constant_rows(values, row_numbers)

    def spread(self) -> Spread | None:
        """None without a finite value."""
        count = self._count.sum()
        if not count:
            return None
        seen = np.maximum(self._count, 1)
        with np.errstate(over="ignore", invalid="ignore"):  # as in `_add`
            mean, squares = self._sum.sum() / count, self._squares.sum() / count
            means = self._sum / seen
            deviations = np.sqrt(np.maximum(0.0, self._squares / seen - means * means))
            deviation = np.sqrt(np.maximum(0.0, squares - mean * mean))
        return Spread(
            rows=self._rows,
            low=float(self._low.min()),
            high=float(self._high.max()),
            mean=float(mean),
            deviation=float(deviation),
            column_means=means,
            column_deviations=deviations,
        )

    def findings(self) -> Iterator[Finding]:
        """NaN and infinity, constant rows, constant columns or lines."""
        yield from self._not_finite_findings()
        yield from self._constant_row_findings()
        if self._rows >= CONSTANT_ROWS and self._count.sum():
            yield from self._constant_lines() if self.is_image else self._constant_columns()

    def column(self, index: int) -> str:
        """As messages have it."""
        if index < len(self._column_names):
            return self._column_names[index]
        return f"column {index} of {self.name}" if math.prod(self.row_shape) > 1 else self.name

    def _begin(self, row_shape: tuple[int, ...]) -> None:
        features = math.prod(row_shape)
        self.row_shape = row_shape
        self._count, self._sum, self._squares = (np.zeros(features) for _ in range(3))
        self._low, self._high = np.full(features, np.inf), np.full(features, -np.inf)

    def _add(self, values: Array, count: NDArray[np.float64]) -> None:
        self._count += count
        self._low = np.minimum(self._low, values.min(axis=0))
        self._high = np.maximum(self._high, values.max(axis=0))
        with np.errstate(over="ignore"):  # squares of the largest doubles: a spread without end is none
            self._sum += values.sum(axis=0, dtype=np.float64)
            self._squares += np.einsum("ij,ij->j", values, values, dtype=np.float64, casting="unsafe")

    def _add_finite(self, values: Array, finite: NDArray[np.bool_], row_numbers: NDArray[np.int64]) -> None:
        nan = int(np.isnan(values).sum())
        self._nan += nan
        self._infinite += int(finite.size - finite.sum()) - nan
        self.not_finite.append(row_numbers[~finite.all(axis=1)])
        low, high = self._low, self._high
        self._add(np.where(finite, values, 0), finite.sum(axis=0).astype(np.float64))
        self._low = np.minimum(low, np.where(finite, values, np.inf).min(axis=0))
        self._high = np.maximum(high, np.where(finite, values, -np.inf).max(axis=0))

    def _note_constant_rows(self, values: Array, row_numbers: NDArray[np.int64]) -> None:
        if values.shape[1] < CONSTANT_FEATURES:
            return
        alike = values[:, 0] == values[:, 1]
        alike[alike] = (values[alike] == values[alike, :1]).all(axis=1)
        self._constant_rows += int(alike.sum())
        if alike.any() and len(self._constant_examples) < MOST_EXAMPLES:
            self._constant_examples += first_rows(alike, row_numbers)

    def _not_finite_findings(self) -> Iterator[Finding]:
        if not self.not_finite:
            return
        rows = np.unique(np.concatenate(self.not_finite))
        yield Finding(
            "not-finite",
            "error",
            self.name,
            count=len(rows),
            of=self._rows,
            examples=name_rows(rows.tolist()),
            words=f"{self.name} holds {counted(self._nan, 'NaN')} and {self._infinite} infinite values, in "
            f"{counted(len(rows), 'row')}.",
            remedy="Fill them in as for training, or go on without these rows: --drop-bad.",
        )

    def _constant_row_findings(self) -> Iterator[Finding]:
        if not self._constant_rows:
            return
        what = "images of one color" if self.is_image else "rows of one value"
        yield Finding(
            "constant-rows",
            "warning",
            self.name,
            count=self._constant_rows,
            of=self._rows,
            examples=name_rows(self._constant_examples),
            words=f"{self.name} has {self._constant_rows} {what}: nothing in them tells one class from another.",
            remedy="Look at them: a failed read or an empty crop looks like this. Take them out if so.",
        )

    def _constant_columns(self) -> Iterator[Finding]:
        constant = np.flatnonzero(self._low == self._high)
        columns = len(self._low)
        if not constant.size:
            return
        is_usual = columns >= WIDE_COLUMNS and not self._low[constant].any()
        shown = [
            f"{self.column(index)} is always {figure(self._low[index])}" for index in constant.tolist()[:5]
        ]
        yield Finding(
            "constant",
            "note" if is_usual else "warning",
            self.name,
            count=len(constant),
            of=columns,
            examples=name_places(shown),
            words=f"{self.name} has {counted(len(constant), 'column')} of {columns} with one value in every row.",
            remedy="Check how the column was filled: a join that found nothing, or a default, looks like this.",
        )

    def _constant_lines(self) -> Iterator[Finding]:
        """Of images: channels, then lines of pixels; single pixels are constant at many a border."""
        is_constant = (self._low == self._high).reshape(self.row_shape)
        channel_axis = channel_axis_of(self.row_shape)
        if channel_axis is not None and self.row_shape[channel_axis] > 1:
            others = tuple(axis for axis in range(3) if axis != channel_axis)
            channels = np.flatnonzero(is_constant.all(axis=others))
            if channels.size:
                yield self._constant_parts(channels, self.row_shape[channel_axis], "channel")
        plane = is_constant if channel_axis is None else is_constant.all(axis=channel_axis)
        for axis, noun in ((1, "line"), (0, "pixel column")):
            lines = plane.all(axis=axis)
            inner = _inner(lines)
            if inner.size and not lines.all():
                yield self._constant_parts(inner, len(lines), noun)

    def _constant_parts(self, parts: NDArray[np.intp], of: int, noun: str) -> Finding:
        return Finding(
            "constant",
            "warning",
            self.name,
            count=len(parts),
            of=of,
            examples=name_places(f"{noun} {part}" for part in parts.tolist()),
            words=f"{self.name} has {counted(len(parts), noun)} of {of} that never changes over all images.",
            remedy="Look at some images: a channel that was lost, or a bar laid over them, looks like this.",
        )


def is_image(row_shape: tuple[int, ...]) -> bool:
    """Two axes of at least 4, or three of which one has 1, 3 or 4 entries."""
    if len(row_shape) == 2:
        return min(row_shape) >= 4
    return channel_axis_of(row_shape) is not None


def channel_axis_of(row_shape: tuple[int, ...]) -> int | None:
    """The axis of an image's channels, 2 or 0; None where there is none."""
    if len(row_shape) != 3:
        return None
    return next((axis for axis in (2, 0) if row_shape[axis] in CHANNELS), None)


def _inner(lines: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Constant lines with others on both sides: those at the edges are a frame, as many sets have it."""
    changing = np.flatnonzero(~lines)
    if not changing.size:
        return changing
    found = np.flatnonzero(lines)
    inner: NDArray[np.intp] = found[(found > changing[0]) & (found < changing[-1])]
    return inner
