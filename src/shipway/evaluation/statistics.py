"""The statistics that verdicts and metrics stand on: thin, named wrappers over SciPy's distributions.

No rule lives here and no data is read: counts and sorted values in, bounds out. Where a textbook formula is
vectorized instead of calling SciPy's object for one value, a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from shipway.types import Array

BLOCK_BYTES = 32 << 20
"""How much of a bootstrap is held at a time."""


def wilson_interval(
    successes: ArrayLike, trials: ArrayLike, *, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two-sided score interval of a proportion (Wilson 1927), elementwise: `(low, high)`.

    Equal to `scipy.stats.binomtest(k, n).proportion_ci(method="wilson")`; (0, 1) where there is no trial.
    """
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    z = float(special.ndtri(0.5 + confidence / 2))
    safe = np.where(n > 0, n, 1.0)
    p = k / safe
    middle = (p + z * z / (2 * safe)) / (1 + z * z / safe)
    half = z / (1 + z * z / safe) * np.sqrt(p * (1 - p) / safe + z * z / (4 * safe * safe))
    # At no success and at no failure the ends are 0 and 1 exactly; rounding would leave 1e-18 there.
    low = np.where((n == 0) | (k == 0), 0.0, middle - half)
    high = np.where((n == 0) | (k == n), 1.0, middle + half)
    return low, high


def upper_bound(events: int, trials: int, *, confidence: float = 0.95) -> float:
    """The exact one-sided upper bound of a rate (Clopper-Pearson 1934); 1.0 where there is no trial."""
    if events >= trials:
        return 1.0
    return float(stats.beta.ppf(confidence, events + 1, trials - events))


def lower_bound(events: int, trials: int, *, confidence: float = 0.95) -> float:
    """The exact one-sided lower bound of a rate (Clopper-Pearson 1934); 0.0 where there is no event."""
    if events <= 0:
        return 0.0
    return float(stats.beta.ppf(1 - confidence, events, trials - events + 1))


def rows_for_pass(events: int, rate: float, *, confidence: float = 0.95) -> int:
    """The smallest number of rows at which `events` of them still prove a rate of at most `rate`.

    With no event and a rate of 2 % it is 149: 0.98 ** 149 is the first power below 5 %.
    """
    return _smallest(lambda rows: upper_bound(events, rows, confidence=confidence) <= rate, events + 1)


def rows_to_settle(events: int, trials: int, rate: float, *, confidence: float = 0.95) -> int | None:
    """How many rows would settle whether the rate is above or below `rate`, were it as seen so far.

    `events` of `trials` were seen. None where the observed rate is `rate` itself: no number would.
    """
    observed = events / trials
    if events == 0:
        return rows_for_pass(0, rate, confidence=confidence)
    if observed < rate:
        return _smallest(
            lambda rows: upper_bound(math.ceil(observed * rows), rows, confidence=confidence) <= rate, trials
        )
    if observed > rate:
        return _smallest(
            lambda rows: lower_bound(math.floor(observed * rows), rows, confidence=confidence) > rate, trials
        )
    return None


def _smallest(settles: Callable[[int], bool], start: int, limit: int = 1 << 40) -> int:
    """The smallest whole number from `start` on for which `settles` holds, which is taken for monotone."""
    low, high = start - 1, start
    while not settles(high):
        if high > limit:
            break
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settles(middle) else (middle, high)
    return high


def percentile_interval(
    ordered: Array, percentile: float, *, confidence: float = 0.95
) -> tuple[float, float | None, float | None]:
    """A percentile (0 to 100) of independent measurements with its order-statistic interval.

    `ordered` is sorted, `[n]`, n ≥ 1. The ranks come from the binomial distribution, so nothing is assumed of
    the measurements' distribution (Hahn and Meeker 1991, §5.2). An end is None where n is too small to bound
    it: for the 99th percentile and 95 %, the upper one needs 368 measurements.
    """
    count = int(ordered.size)
    quantile, tail = percentile / 100, (1 - confidence) / 2
    value = float(np.quantile(ordered, quantile, method="inverted_cdf"))
    below = int(stats.binom.ppf(tail, count, quantile))
    above = int(stats.binom.ppf(1 - tail, count, quantile)) + 1
    low = float(ordered[below - 1]) if below >= 1 else None
    high = float(ordered[above - 1]) if above <= count else None
    return value, low, high


def resample_counts(counts: Array, *, replicates: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Multinomial bootstrap of a table of counts: `[some, cells]` at a time, `replicates` rows in all.

    `counts` are whole numbers, `[cells]`. Drawing the table is the same as drawing the rows it was counted
    from with replacement, and costs the number of cells instead of the number of rows.
    """
    total = int(counts.sum())
    generator = np.random.default_rng(seed)
    block = max(1, BLOCK_BYTES // (8 * max(1, counts.size)))
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        yield generator.multinomial(total, counts / total, size=size)
