"""The bootstrap over rows, at a cost that does not grow with them.

Up to 1,000 rows each is drawn for itself. More rows are dealt at random into 1,000 groups of equal size and whole
groups are drawn: the spread of a statistic is the same, known to 2 % (1 / √(2 · 1,000)), and all figures of one
judgement see the same draws, so averages over classes keep their correlation. The seed is fixed: equal data gives
equal intervals.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.evidence import Estimate
from shipway.evaluation.statistics import wilson_interval
from shipway.types import Array

SEED = 20_260
MOST_GROUPS = 1_000
REPLICATES = 1_000


class RowBootstrap:
    """Draws of `rows` rows with replacement, as weights of groups of rows."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.groups = min(rows, MOST_GROUPS)
        self.group: NDArray[np.int64] = np.arange(rows)
        """Each row's group, `[rows]`."""
        if rows > MOST_GROUPS:
            self.group = np.random.default_rng(SEED).permutation(self.group) % MOST_GROUPS
        self.weights, self._weights32 = _draw(self.groups)
        """How often each group was drawn, `[replicates, groups]`, not to be written to."""

    def sums(self, values: Array) -> NDArray[np.float64]:
        """Sums of per-row `values` by replicate: `[rows]` → `[replicates]`, `[rows, k]` → `[replicates, k]`."""
        if values.ndim == 1:
            return np.asarray(self.weights @ np.bincount(self.group, values, minlength=self.groups))
        grouped = np.stack(
            [np.bincount(self.group, column, minlength=self.groups) for column in values.T], axis=1
        )
        return np.asarray(self.weights @ grouped)

    def means(self, values: Array) -> NDArray[np.float64]:
        """As `sums`, by drawn row."""
        totals, rows = self.sums(values), self.sums(np.ones(self.rows))
        return totals / (rows if totals.ndim == 1 else rows[:, None])

    def counts(self, cells: NDArray[np.int64], count: int) -> NDArray[np.float32]:
        """How many drawn rows fell in each of `count` cells, `[replicates, count]`; `cells` is `[rows]`.

        Whole numbers below 2**24, which float32 holds exactly, at half the cost of a product in float64.
        """
        table = np.bincount(self.group * count + cells, minlength=self.groups * count)
        return self._weights32 @ table.reshape(self.groups, count).astype(np.float32)


@lru_cache(maxsize=2)
def _draw(groups: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """How often each of the groups is among as many drawn with replacement, by replicate, in both precisions."""
    drawn = np.random.default_rng(SEED).integers(groups, size=(REPLICATES, groups))
    cells = drawn + groups * np.arange(REPLICATES)[:, None]
    counts = np.bincount(cells.ravel(), minlength=REPLICATES * groups)
    weights = counts.reshape(REPLICATES, groups)
    found = weights.astype(np.float64), weights.astype(np.float32)
    for one in found:
        one.flags.writeable = False
    return found


def estimate_of(
    value: float | None,
    replicates: Array,
    *,
    rows: int,
    limits: tuple[float, float] = (0.0, 1.0),
    reflected: bool = False,
) -> Estimate:
    """`value` with the 95 % percentile interval of its replicates, which always holds it and keeps the `limits`.

    Replicates in which the figure is undefined (NaN) do not count; without any other there is no interval.
    `reflected` turns the interval around the value (the "basic" bootstrap, Davison and Hinkley 1997, §5.2), for
    figures whose replicates lie above them as they lie above the truth; at the lower limit it stays as it is.
    Where all replicates agree the interval
    is `open_interval`'s for so many `rows`.
    """
    if value is None or not np.isfinite(value):
        return Estimate(None)
    defined = replicates[np.isfinite(replicates)]
    if not defined.size:
        return Estimate(float(value))
    low, high = np.quantile(defined, [0.025, 0.975])
    if high - low <= 1e-12 * max(1.0, abs(value)):
        return open_interval(float(value), rows, limits)
    if reflected and value > limits[0]:
        low, high = 2 * value - high, 2 * value - low
    return Estimate(
        float(value),
        float(min(max(low, limits[0]), value)),
        float(max(min(high, limits[1]), value)),
    )


def open_interval(value: float, rows: int, limits: tuple[float, float]) -> Estimate:
    """The interval of a figure that no draw of rows moves, as where all are decided rightly: never a point.

    As many rows as Wilson's interval leaves open after none of n (79 % of one row, 28 % of ten, 0.4 % of 1,000)
    may be otherwise, and as far as the `limits` allow. For a share that is Wilson's interval itself. Without
    limits on both sides there is no interval.
    """
    if not np.isfinite(limits).all():
        return Estimate(value)
    unseen = float(wilson_interval(0, rows)[1])
    low, high = limits
    return Estimate(value, value - (value - low) * unseen, value + (high - value) * unseen)


def share_estimate(hits: int, rows: int) -> Estimate:
    """A plain share of rows with Wilson's interval; None without rows."""
    if not rows:
        return Estimate(None)
    low, high = wilson_interval(hits, rows)
    return Estimate(hits / rows, float(low), float(high))


def mean_estimate(
    value: float, terms: Array, draws: RowBootstrap, *, limits: tuple[float, float]
) -> Estimate:
    """`value`, the mean of per-row `terms` within `limits`, with its interval."""
    replicates = draws.means(terms) - float(terms.mean()) + value
    return estimate_of(value, replicates, rows=len(terms), limits=limits)
