"""Draws of rows within each label, the same for both models: what a label's share of the rows would move cancels.

As `metrics/bootstrap.py`, whose interface this keeps: up to 2,000 rows each is drawn for itself; of more, the
rows of a label are dealt at random into groups of equal size, as many for each label, and groups are drawn.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.metrics.bootstrap import REPLICATES, RowBootstrap

SEED = 20_262
MOST_GROUPS = 2_000
"""The spread of a figure is then known to 1.6 % (1 / √(2 · 2,000))."""
FEWEST_GROUPS = 20
"""Of a label with as many rows: fewer would make its spread 5 % too small and more."""

Integers = NDArray[np.int64]


class PairedDraws(RowBootstrap):
    """1,000 draws of as many rows, as weights of groups of rows.

    `labels` are class indices, `[rows]`, at least one; `None` draws from all rows alike, as do more than 100
    labels on more than 2,000 rows, which leave too few groups for each.
    """

    def __init__(self, rows: int, labels: Integers | None = None) -> None:
        kinds = np.zeros(rows, np.int64) if labels is None else np.unique(labels, return_inverse=True)[1]
        counts = np.bincount(kinds)
        if rows > MOST_GROUPS and len(counts) * FEWEST_GROUPS > MOST_GROUPS:
            kinds, counts = np.zeros(rows, np.int64), np.array([rows])
        most = rows if rows <= MOST_GROUPS else MOST_GROUPS // len(counts)
        sizes = np.minimum(counts, most)
        self.rows = rows
        self.groups = int(sizes.sum())
        self.group = _dealt(kinds, counts, sizes)
        self.weights, self._weights32 = _draw(tuple(sizes.tolist()))


def _dealt(kinds: Integers, counts: Integers, sizes: Integers) -> Integers:
    """Each row's group, `[rows]`: rows of a label in random order, dealt to its groups in turn."""
    shuffled = np.random.default_rng(SEED).permutation(len(kinds))
    order = shuffled[np.argsort(kinds[shuffled], kind="stable")]
    place = np.arange(len(kinds)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = np.repeat(np.cumsum(sizes) - sizes, counts)
    found = np.empty(len(kinds), np.int64)
    found[order] = first + place % np.repeat(sizes, counts)
    return found


@lru_cache(maxsize=2)
def _draw(sizes: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """How often each group is among as many of its label drawn with replacement, by replicate."""
    generator = np.random.default_rng(SEED)
    weights = np.concatenate([_counted(generator, size) for size in sizes], axis=1)
    found = weights.astype(np.float64), weights.astype(np.float32)
    for one in found:
        one.flags.writeable = False
    return found


def _counted(generator: np.random.Generator, groups: int) -> Integers:
    """How often each of `groups` is among as many drawn, `[replicates, groups]`."""
    drawn = generator.integers(groups, size=(REPLICATES, groups)) + groups * np.arange(REPLICATES)[:, None]
    return np.bincount(drawn.ravel(), minlength=REPLICATES * groups).reshape(REPLICATES, groups)
