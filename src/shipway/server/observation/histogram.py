"""Counts by fixed buckets, filled many values at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_STEPS = (1.0, 1.6, 2.5, 4.0, 6.3)
"""Five bounds a decade: a quantile read off between two of them is right within a quarter of itself."""
SECONDS_BOUNDS: Final = (
    5e-5,
    *(float(f"{step}e{power}") for power in range(-4, 1) for step in _STEPS),
    *(10.0, 16.0, 25.0, 40.0, 60.0),
)
"""50 µs to 60 s: from less than the smallest model's run to more than clients wait."""
COUNT_BOUNDS: Final = tuple(float(2**power) for power in range(13))
"""Rows of a batch and requests of a run: 1, 2, 4 … 4096."""


class Histogram:
    """Values below or at each bound, and their sum. As Prometheus has it, but for the counts: per bucket."""

    __slots__ = ("_bounds", "bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._bounds = np.asarray(bounds)
        self.counts = np.zeros(len(self.bounds) + 1, np.int64)
        """The last one is of the values above every bound."""
        self.sum = 0.0

    def fold(self, values: npt.NDArray[np.float64], repeats: npt.NDArray[np.int64] | None = None) -> None:
        """Takes values in, each as often as `repeats` says."""
        places = np.searchsorted(self._bounds, values)
        if repeats is None:
            self.counts += np.bincount(places, minlength=len(self.counts))
            self.sum += float(values.sum())
        else:
            found = np.bincount(places, weights=repeats, minlength=len(self.counts))
            self.counts += found.astype(np.int64)
            self.sum += float((values * repeats).sum())

    def snapshot(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {"counts": self.counts.tolist(), "sum": self.sum}
