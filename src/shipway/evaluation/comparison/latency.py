"""How much slower or faster B answers than A, measured side by side.

Blocks alternate (A B, B A, …), so that a machine that warms up or is busy for a while slows both alike; the
ratio is taken block by block, and its spread over the blocks is the interval.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from shipway.bundle.evidence import Json

SECONDS = 3.0
"""For both models together, warming up included."""
BLOCK_SECONDS = 0.04
FEWEST_BLOCKS = 6
"""Below, there is no interval: of 5 blocks the median's 95 % interval has no end (2 · 0.5⁵ > 5 %)."""
MOST_BLOCKS = 60
MOST_REQUESTS = 2_000
"""In a block."""
SEED = 20_262

Ask = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class LatencyRatio:
    """B's time for one request divided by A's."""

    a_ms: float
    """Median of A's blocks."""
    b_ms: float
    ratio: float
    low: float | None
    high: float | None
    """The 95 % interval of the ratio; None where the blocks are too few."""
    blocks: int
    requests: int
    """Of each."""

    def to_json(self) -> dict[str, Json]:
        """As the document has it."""
        return {
            "a_ms": self.a_ms,
            "b_ms": self.b_ms,
            "ratio": self.ratio,
            "low": self.low,
            "high": self.high,
            "blocks": self.blocks,
            "requests": self.requests,
        }


def measure_ratio(
    ask_a: Ask, ask_b: Ask, *, seconds: float = SECONDS, clock: Clock = time.perf_counter
) -> LatencyRatio:
    """Asks both one request after another for about `seconds`; each call is one request, answered when it
    returns.

    At least two blocks are measured, however long they take.
    """
    began = clock()
    slower = max(_warm_up(ask_a, clock), _warm_up(ask_b, clock))
    per_block = min(MOST_REQUESTS, max(1, int(BLOCK_SECONDS / max(slower, 1e-9))))
    asks, times = (ask_a, ask_b), np.empty((MOST_BLOCKS, 2))
    blocks = 0
    while blocks < MOST_BLOCKS and (blocks < 2 or clock() - began < seconds):
        order = (0, 1) if blocks % 2 == 0 else (1, 0)
        for side in order:
            times[blocks, side] = _block(asks[side], per_block, clock)
        blocks += 1
    return _ratio_of(times[:blocks], per_block)


def _warm_up(ask: Ask, clock: Clock) -> float:
    """Seconds that the third request takes: the first ones pay for what is made once."""
    for _ in range(2):
        ask()
    began = clock()
    ask()
    return clock() - began


def _block(ask: Ask, requests: int, clock: Clock) -> float:
    """The median of some requests, in seconds."""
    taken = np.empty(requests)
    for number in range(requests):
        began = clock()
        ask()
        taken[number] = clock() - began
    return float(np.median(taken))


def _ratio_of(times: np.ndarray[tuple[int, int], np.dtype[np.float64]], per_block: int) -> LatencyRatio:
    least = np.maximum(times, 1e-9)
    ratios = least[:, 1] / least[:, 0]
    low = high = None
    if len(ratios) >= FEWEST_BLOCKS:
        low, high = (float(end) for end in _interval(ratios))
    return LatencyRatio(
        a_ms=float(1000 * np.median(times[:, 0])),
        b_ms=float(1000 * np.median(times[:, 1])),
        ratio=float(np.median(ratios)),
        low=low,
        high=high,
        blocks=len(ratios),
        requests=len(ratios) * per_block,
    )


def _interval(ratios: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    """Of the median, by the percentiles of resampled blocks (BCa has no acceleration for a median)."""
    found = stats.bootstrap(
        (ratios,), np.median, n_resamples=2000, method="percentile", rng=np.random.default_rng(SEED)
    ).confidence_interval
    return float(found.low), float(found.high)
