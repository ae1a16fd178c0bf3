"""The difference of two models' areas under the ROC curve on the same rows.

E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, "Comparing the areas under two or more correlated receiver
operating characteristic curves", Biometrics 44:837-845 (1988): the placement of each row among the rows of
the other class is what the row adds to the area, so its spread is the area's, and no resampling is needed.
Placements from ranks, as in X. Sun and W. Xu, IEEE Signal Processing Letters 21:1389 (2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from shipway.evaluation.comparison.differences import UNBOUNDED, PairedDifference, normal_bounds
from shipway.types import Array

MOST_VALUES = 20_000_000
"""Scores of one model above which the areas are not compared: ranking as many takes 5 s."""

Floats = NDArray[np.float64]


def auc_differences(labels: NDArray[np.int64], a: Array, b: Array) -> list[PairedDifference]:
    """`roc_auc` of two models' scores of the positive class, `[rows, 1]`; `roc_auc_macro` and `roc_auc_weighted`
    of `[rows, classes]`.

    Labels are class indices, `[rows]`. The averages are one class against the rest, over classes that some rows
    are of and some are not, alike or by their rows. Undefined (None) where there is no such class; no bounds
    where the areas are equal row by row or a class has one row only.
    """
    several = a.shape[1] > 1
    names = ["roc_auc_macro", "roc_auc_weighted"] if several else ["roc_auc"]
    counts = np.bincount(labels, minlength=a.shape[1] if several else 2)
    classes = np.flatnonzero((counts > 0) & (counts < len(labels))) if several else np.array([1])
    if counts.max() == len(labels) or not len(classes):
        return [PairedDifference(name, None, None, UNBOUNDED) for name in names]
    shares = [np.full(len(classes), 1 / len(classes)), counts[classes] / counts[classes].sum()][: len(names)]
    areas, influence = np.zeros((len(names), 2)), np.zeros((len(names), len(labels)))
    for place, index in enumerate(classes.tolist()):
        is_positive = labels == index
        for side, scores in enumerate((a, b)):
            area, moved = _area(is_positive, scores[:, index if several else 0])
            for one, weights in enumerate(shares):
                areas[one, side] += area * weights[place]
                influence[one] += (moved if side else -moved) * weights[place]
    return [
        PairedDifference(name, before, after, normal_bounds(after - before, _error(labels, moved)))
        for name, (before, after), moved in zip(names, areas.tolist(), influence, strict=True)
    ]


def _area(is_positive: NDArray[np.bool_], scores: Array) -> tuple[float, Floats]:
    """The area, and by how much each row moves it, `[rows]`."""
    positives = int(is_positive.sum())
    negatives = len(scores) - positives
    ranks, shares = rankdata(scores), np.empty(len(scores))
    below = (ranks[is_positive] - rankdata(scores[is_positive])) / negatives
    above = 1 - (ranks[~is_positive] - rankdata(scores[~is_positive])) / positives
    area = float(below.mean())
    shares[is_positive] = (below - area) / positives
    shares[~is_positive] = (above - area) / negatives
    return area, shares


def _error(labels: NDArray[np.int64], influence: Floats) -> float:
    """The standard error of the influences' sum, rows being drawn within each label."""
    size = np.bincount(labels).astype(np.float64)
    middle = np.bincount(labels, weights=influence) / np.maximum(size, 1)
    squares = np.bincount(labels, weights=(influence - middle[labels]) ** 2)
    if size[size > 0].min() < 2:
        return 0.0
    return float(np.sqrt((squares * size / np.maximum(size - 1, 1)).sum()))
