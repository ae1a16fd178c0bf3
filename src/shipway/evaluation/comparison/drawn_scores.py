"""What two models' scores and probabilities differ by: PR-AUC, ROC-AUC, and the expected calibration error.

Values are the evaluation's own, on all rows; the same draws of rows for both give the interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.comparison.differences import UNBOUNDED, PairedDifference, drawn_bounds
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
    reflected, as that of one model's is.
    """
    values = [_error(_gaps(side, None)[None], np.array([side.bin.size]))[0] for side in (a, b)]
    drawn = [
        _error(
            draws.weights @ _gaps(side, draws), draws.sums(np.full(draws.rows, side.bin.size / draws.rows))
        )
        for side in (a, b)
    ]
    bounds = drawn_bounds(float(values[1] - values[0]), drawn[1] - drawn[0], reflected=True)
    return PairedDifference("ece", float(values[0]), float(values[1]), bounds)


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
