"""How near two different rows of a data set come by chance: only what is nearer is called a copy.

In data of few dimensions (four columns, or many that move together), and where rows crowd together, a nearest
neighbor is no copy: one limit for all data would call a fifth of many a table copies.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shipway.types import Array

_REFERENCE_ROWS: Final = 1_024
_FEWEST_ROWS: Final = 24
_NEIGHBOR: Final = 5
_FARTHER: Final = 10
"""Which neighbors of a row are measured: not the first ones, which may be its copies."""
_EXPECTED: Final = 0.01
"""Pairs that may be called copies by chance, expected over the whole data set."""
_FINEST: Final = 0.002
"""What half floats near 1 still measure; where chance comes nearer, nothing can be told."""
_CHUNK: Final = 4_096


class Chance:
    """The distance below which chance does not explain a pair, for each row by how crowded it is around it.

    Around a row whose fifth neighbor in a sample of `s` rows is at the distance `r`, `n` rows in `d` dimensions
    leave `5 n / s (t / r)^d` others within `t`; over all rows these must come to less than a hundredth of a pair.
    The dimension is that of the sample: neighbors' numbers grow with their distance to its power.
    """

    def __init__(self, measures: NDArray[np.floating], most_dimensions: int) -> None:
        """`measures` are `[rows, 24]`, one row of each group of exact copies. `most_dimensions`: features that
        take many values, since rows of one category differ in no others."""
        self._rows = len(measures)
        size = min(_REFERENCE_ROWS, self._rows)
        self._chosen = np.sort(np.random.default_rng(0).choice(self._rows, size, replace=False))
        self._reference = measures[self._chosen].astype(np.float64)
        self._nearest = np.zeros(0)
        self.dimension = 0.0
        if size >= _FEWEST_ROWS:
            near, far = self._distances(measures, self._chosen)
            self._nearest = near
            ratios = np.log(far[near > 0] / near[near > 0])
            middle = float(np.median(ratios)) if ratios.size else 0.0
            if middle > 0:
                self.dimension = min(math.log(_FARTHER / _NEIGHBOR) / middle, float(most_dimensions))

    def limits(self, measures: NDArray[np.floating], places: NDArray[np.intp]) -> NDArray[np.float64]:
        """For the rows at `places` of `measures`, root mean square over the measures; 0 where nothing is told."""
        if self.dimension <= 0:
            return np.zeros(len(places))
        found = np.empty(len(places))
        for start in range(0, len(places), _CHUNK):
            part = places[start : start + _CHUNK]
            found[start : start + len(part)] = self._distances(measures, part)[0]
        return self._scaled(found)

    def most(self) -> float:
        """The 99th percentile of the limits, by the sample; 0 where nothing is told of nearly all rows."""
        if self.dimension <= 0:
            return 0.0
        return float(np.percentile(self._scaled(self._nearest), 99))

    def _scaled(self, nearest: NDArray[np.float64]) -> NDArray[np.float64]:
        """Limits of rows whose fifth neighbor in the sample is so far away."""
        share = _EXPECTED * len(self._chosen) / (_NEIGHBOR * float(self._rows) ** 2)
        limits = nearest * share ** (1 / self.dimension)
        return np.where(limits >= _FINEST, limits, 0.0)

    def _distances(self, measures: NDArray[np.floating], places: NDArray[np.intp]) -> tuple[Array, Array]:
        """Of each row's fifth and tenth neighbor in the sample, itself not counted."""
        rows = measures[places].astype(np.float64)
        width = rows.shape[1]
        squares = (rows**2).mean(axis=1)[:, None] + (self._reference**2).mean(axis=1)
        squares -= 2 / width * (rows @ self._reference.T)
        at = np.minimum(np.searchsorted(self._chosen, places), len(self._chosen) - 1)
        itself = np.flatnonzero(self._chosen[at] == places)
        squares[itself, at[itself]] = np.inf
        ranked = np.partition(squares, (_NEIGHBOR - 1, _FARTHER - 1), axis=1)
        near, far = np.sqrt(np.maximum(0.0, ranked[:, [_NEIGHBOR - 1, _FARTHER - 1]])).T
        return near, far
