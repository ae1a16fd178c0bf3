"""What a figure is for two models on the same rows, and between which bounds its difference lies.

From resampled differences to bounds: bias-corrected and accelerated (Efron, "Better bootstrap confidence
intervals", JASA 82:171-185, 1987). Where a figure comes from, and how it is resampled, is the business of its
own file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from shipway.bundle.evidence import Json
from shipway.evaluation.statistics import wilson_interval

CONFIDENCE = 0.95
FEWEST_ROWS = 20
"""Below, resampling the rows tells too little of rows that were not seen (the spread of 10 means is off by 24
%)."""


@dataclass(frozen=True)
class Bounds:
    """Where a difference lies, each figure None where nothing tells."""

    low: float | None
    high: float | None
    """The ends of the two-sided 95 % interval."""
    lower: float | None
    upper: float | None
    """The one-sided 95 % bounds."""
    error: float | None
    """The standard error."""
    method: str
    """`bca`, `percentile`, `basic`, `normal`, `tango`, `wilson`, or `none` where nothing bounds it."""


UNBOUNDED = Bounds(None, None, None, None, None, "none")


@dataclass(frozen=True)
class PairedDifference:
    """One figure of two models, A and B, on the same rows."""

    metric: str
    a: float | None
    b: float | None
    """None where the figure is undefined."""
    bounds: Bounds
    """Of `change`."""

    @property
    def change(self) -> float | None:
        """B less A."""
        if self.a is None or self.b is None:
            return None
        return self.b - self.a

    def to_json(self) -> dict[str, Json]:
        """`{"metric", "a", "b", "difference", "low", "high", "method"}`; not finite is null."""
        bounds = self.bounds
        return {
            "metric": self.metric,
            "a": finite(self.a),
            "b": finite(self.b),
            "difference": finite(self.change),
            "low": finite(bounds.low),
            "high": finite(bounds.high),
            "method": bounds.method,
        }


def finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return float(value) if value is not None and math.isfinite(value) else None


def normal_bounds(value: float, error: float) -> Bounds:
    """Bounds of a figure whose estimate is normal. `none` where the standard error is 0."""
    if not error > 0:
        return UNBOUNDED
    two, one = _quantile(0.5 + CONFIDENCE / 2), _quantile(CONFIDENCE)
    return Bounds(
        value - two * error, value + two * error, value - one * error, value + one * error, error, "normal"
    )


def bootstrap_bounds(value: float, replicates: NDArray[np.float64], acceleration: float) -> Bounds:
    """Bounds from resampled values, `[replicates]`; `acceleration` from `acceleration_of`.

    BCa; percentiles where BCa has no meaning, because every replicate lies on one side of the value, some are
    infinite (an error relative to none) or `acceleration` is NaN. Replicates in which the figure is undefined
    (NaN) do not count. `none` where all replicates are equal: resampling rows on which two models agree says
    nothing of other rows.
    """
    replicates = replicates[~np.isnan(replicates)]
    if not replicates.size or replicates.min() == replicates.max():
        return UNBOUNDED
    tail, one = (1 - CONFIDENCE) / 2, 1 - CONFIDENCE
    levels = np.array([tail, 1 - tail, one, 1 - one])
    below = float(((replicates < value).mean() + (replicates <= value).mean()) / 2)
    is_finite = bool(np.isfinite(replicates).all())
    method = "bca" if 0 < below < 1 and is_finite and math.isfinite(acceleration) else "percentile"
    if method == "bca":
        levels = _corrected(levels, _quantile(below), acceleration)
    low, high, lower, upper = np.quantile(replicates, levels, method="inverted_cdf").tolist()
    error = float(replicates.std(ddof=1)) if is_finite else math.inf
    return Bounds(low, high, lower, upper, error, method)


def drawn_bounds(value: float, replicates: NDArray[np.float64], *, reflected: bool = False) -> Bounds:
    """Bounds by the percentiles of resampled values, `[replicates]`, that hold the value.

    `reflected` turns them around the value (the "basic" bootstrap, Davison and Hinkley 1997, §5.2), for figures
    whose replicates lie above them as they lie above the truth.
    """
    found = bootstrap_bounds(value, replicates, math.nan)
    if found.low is None or found.high is None or found.lower is None or found.upper is None:
        return found
    ends = (found.low, found.high, found.lower, found.upper)
    if reflected:
        ends = (2 * value - ends[1], 2 * value - ends[0], 2 * value - ends[3], 2 * value - ends[2])
    low, lower = (min(end, value) for end in (ends[0], ends[2]))
    high, upper = (max(end, value) for end in (ends[1], ends[3]))
    return Bounds(low, high, lower, upper, found.error, "basic" if reflected else found.method)


def unmoved_bounds(value: float, *, rows: int, width: float) -> Bounds:
    """Bounds of a difference that no draw of rows moves, as that of two models that answer alike: never a point.

    As many rows as Wilson's interval leaves open after none of n (28 % of ten, 0.4 % of 1,000) may be
    otherwise, and as far as the figure is wide (1 for a share).
    """
    levels = (CONFIDENCE, 2 * CONFIDENCE - 1)
    two, one = (width * float(wilson_interval(0, rows, confidence=level)[1]) for level in levels)
    return Bounds(
        max(value - two, -width),
        min(value + two, width),
        max(value - one, -width),
        min(value + one, width),
        None,
        "wilson",
    )


def acceleration_of(
    left_out: NDArray[np.float64], counts: NDArray[np.int64], strata: NDArray[np.int64]
) -> float:
    """How the spread changes with the value: the skewness of the rows' influence, by the jackknife.

    `left_out[i]` is the figure without one row of kind i, of which there are `counts[i]` in stratum `strata[i]`
    (from 0 on), all `[kinds]`. 0 where no row has any influence.
    """
    size = np.bincount(strata, weights=counts)
    middle = np.bincount(strata, weights=counts * left_out) / np.maximum(size, 1)
    share = ((size - 1) / np.maximum(size, 1))[strata]
    influence = share * (middle[strata] - left_out)
    squares = float((counts * influence**2).sum())
    if not squares > 0:
        return 0.0
    return float((counts * influence**3).sum() / (6 * squares**1.5))


def _corrected(levels: NDArray[np.float64], bias: float, acceleration: float) -> NDArray[np.float64]:
    """The levels that BCa reads the percentiles at (Efron and Tibshirani 1993, eq. 14.10)."""
    shifted = bias + special.ndtri(levels)
    return np.asarray(special.ndtr(bias + shifted / (1 - acceleration * shifted)))


def _quantile(share: float) -> float:
    return float(special.ndtri(share))
