"""What two models' scores and probabilities differ by: PR-AUC, ROC-AUC, and the expected calibration error.

Values are the evaluation's own, on all rows; the same draws of rows for both give the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from shipway.evaluation.comparison.differences import UNBOUNDED, Bounds, PairedDifference, drawn_bounds
from shipway.evaluation.metrics.bootstrap import RowBootstrap
from shipway.evaluation.metrics.calibration import BINS, Calibration
from shipway.evaluation.metrics.ranking import ClassRanking, rank_class
from shipway.types import Array

FIGURES = ("roc_auc", "pr_auc")
RANKING_BINS = 256
"""Of the scores, for the intervals alone: a quarter of the time of the evaluation's 1,024, and the same width."""


def ranking_differences(
    positive: NDArray[np.bool_], a: Array, b: Array, draws: RowBootstrap
) -> list[PairedDifference]:
    """ROC-AUC and PR-AUC of finite scores, `[rows, classes]`, each class against all others.

    `positive` has the shape of the scores. One class: `roc_auc` and `pr_auc`; several: the macro averages and
    those weighted by the classes' rows, over classes that some rows are of and some are not. None where there
    is no such class.
    """
    sides = [_ranked(positive, side, draws) for side in (a, b)]
    averages = [""] if positive.shape[1] == 1 else ["macro", "weighted"]
    return [_ranking_difference(figure, average, sides) for figure in FIGURES for average in averages]


def _ranked(positive: NDArray[np.bool_], scores: Array, draws: RowBootstrap) -> list[ClassRanking]:
    """The classes that some rows are of and some are not."""
    return [
        rank_class(positive[:, index], scores[:, index], draws, bins=RANKING_BINS, with_curves=False)
        for index in range(positive.shape[1])
        if 0 < positive[:, index].sum() < len(positive)
    ]


def _ranking_difference(
    figure: str, average: str, sides: Sequence[Sequence[ClassRanking]]
) -> PairedDifference:
    name = f"{figure}_{average}" if average else figure
    if not sides[0]:
        return PairedDifference(name, None, None, UNBOUNDED)
    values, drawn = zip(*(_averaged(side, figure, average) for side in sides), strict=True)
    bounds = drawn_bounds(values[1] - values[0], drawn[1] - drawn[0])
    return PairedDifference(name, values[0], values[1], bounds)


def _averaged(ranked: Sequence[ClassRanking], figure: str, average: str) -> tuple[float, NDArray[np.float64]]:
    """The average over the classes, and that of each draw: over the classes that it has rows of."""
    values = np.array([one.values[figure] for one in ranked], np.float64)
    drawn = np.stack([one.replicates[figure] for one in ranked])
    support = np.array([one.positives for one in ranked], np.float64)
    drawn_support = np.stack([one.replicates["positives"] for one in ranked])
    if average != "weighted":
        support, drawn_support = np.ones_like(support), np.ones_like(drawn_support)
    drawn_support = np.where(np.isnan(drawn), 0, drawn_support)
    total = drawn_support.sum(axis=0)
    summed = (np.nan_to_num(drawn) * drawn_support).sum(axis=0)
    means = np.divide(summed, total, out=np.full_like(total, np.nan), where=total > 0)
    return float(np.average(values, weights=support)), means


def calibration_difference(a: Calibration, b: Calibration, draws: RowBootstrap) -> PairedDifference:
    """`ece` of two models' claims on the same rows.

    Chance moves every bin off the diagonal, in the sample and once more in each draw, so the interval is
    reflected, as that of one model's is. A draw moves bins less than the sample did whose true gap is smaller
    than the measured one; each end is put outward by what that may hide (`_hidden`).
    """
    claims = np.array([a.bin.size]), draws.sums(np.full(draws.rows, a.bin.size / draws.rows))
    values, drawn, hidden = [], [], []
    for side in (a, b):
        gaps, drawn_gaps = _gaps(side, None), draws.weights @ _gaps(side, draws)
        values.append(float(_error(gaps[None], claims[0])[0]))
        drawn.append(_error(drawn_gaps, claims[1]))
        hidden.append(_hidden(gaps, drawn_gaps.std(axis=0)) / side.bin.size)
    bounds = drawn_bounds(values[1] - values[0], drawn[1] - drawn[0], reflected=True)
    return PairedDifference("ece", values[0], values[1], _moved(bounds, hidden[1], hidden[0]))


def _hidden(gaps: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    """By how much more than a draw does the sample may have raised the bins' absolute gaps, summed.

    Gaps are measured with these standard errors; each may truly be smaller by one. Without it the interval held
    the truth in 80 % to 92 % of simulations with 300 rows, with it in 92 % to 98 %.
    """
    moved = errors > 0
    size, error = np.abs(gaps[moved]), errors[moved]
    return float((_raised(np.maximum(size - error, 0), error) - _raised(size, error)).sum())


def _raised(size: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the mean of |N(size, error²)| lies above `size`: the folded normal distribution's, less it.

    `scipy.stats.foldnorm` divides by 0 on its way to the same where the size is many errors.
    """
    ratio = size / error
    return np.asarray(2 * error * stats.norm.pdf(ratio) - 2 * size * stats.norm.cdf(-ratio))


def _moved(bounds: Bounds, below: float, above: float) -> Bounds:
    """The ends put outward."""
    if bounds.low is None or bounds.high is None or bounds.lower is None or bounds.upper is None:
        return bounds
    low, lower = bounds.low - below, bounds.lower - below
    high, upper = bounds.high + above, bounds.upper + above
    return replace(
        bounds, low=max(low, -1.0), high=min(high, 1.0), lower=max(lower, -1.0), upper=min(upper, 1.0)
    )


def _gaps(claims: Calibration, draws: RowBootstrap | None) -> NDArray[np.float64]:
    """What was claimed less what held, summed by bin: `[bins]`, or of each group of rows, `[groups, bins]`."""
    gap = (claims.confidence - claims.right).ravel()
    if draws is None:
        return np.asarray(np.bincount(claims.bin.ravel(), gap, minlength=BINS), np.float64)
    cells = np.repeat(draws.group, claims.bin.size // draws.rows) * BINS + claims.bin.ravel()
    table = np.bincount(cells, gap, minlength=draws.groups * BINS).reshape(draws.groups, BINS)
    return np.asarray(table, np.float64)


def _error(gaps: NDArray[np.float64], claims: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.abs(gaps).sum(axis=1) / claims)
