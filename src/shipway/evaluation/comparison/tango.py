"""The score interval of a paired difference of two proportions, from the counts of the rows that differ.

T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
design", Statistics in Medicine 17:891-908 (1998). Unlike Wald's it keeps its level on a few differing rows,
and on none it still has a width.
"""

from __future__ import annotations

import math

from scipy import optimize, special

_NEAR_END = 1e-12
"""How near to -1 and 1 a bound is looked for: the statistic has no value at the very ends."""


def score_statistic(*, n: int, b: int, c: int, difference: float) -> float:
    """Standard normal where the true difference is `difference`; falls as `difference` grows (Tango's eq. 5).

    Of `n` pairs, `b` hold only with the first of the two and `c` only with the second: the measured difference is
    (b - c) / n. `difference` lies between -1 and 1. 0 where nothing contradicts it and nothing varies.
    """
    distance = b - c - n * difference
    linear = (2 * n - b + c) * difference - b - c
    constant = c * difference * (1 - difference)
    # The restricted maximum likelihood estimate of the second's share, a root of 2n·q² + linear·q - constant.
    share = (math.sqrt(linear * linear + 8 * n * constant) - linear) / (4 * n)
    variance = n * (2 * max(share, 0.0) + difference * (1 - difference))
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def tango_interval(*, n: int, b: int, c: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided interval of the difference (b - c) / n, as shares between -1 and 1.

    Its ends at a confidence of 0.90 are the one-sided 95 % bounds. Raises `ValueError` unless `n` ≥ 1 holds both
    counts.
    """
    if n < 1 or min(b, c) < 0 or b + c > n:
        raise ValueError(f"{b} and {c} differing pairs among {n}")
    z = float(special.ndtri(0.5 + confidence / 2))
    return -_upper(n, c, b, z), _upper(n, b, c, z)


def tango_bounds(*, n: int, b: int, c: int, confidence: float = 0.95) -> tuple[float, float]:
    """The one-sided lower and upper bound, each with this confidence."""
    return tango_interval(n=n, b=b, c=c, confidence=2 * confidence - 1)


def _upper(n: int, b: int, c: int, z: float) -> float:
    """The largest difference that the counts do not contradict."""
    measured, end = (b - c) / n, 1 - _NEAR_END

    def above(difference: float) -> float:
        return score_statistic(n=n, b=b, c=c, difference=difference) + z

    if measured >= end or above(end) > 0:
        return 1.0
    return float(optimize.brentq(above, max(measured, -end), end, xtol=1e-14, rtol=1e-14))
