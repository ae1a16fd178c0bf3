"""R² and the quantiles of the error of two regressions, and by how much they differ on the same draws of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from shipway.evaluation.comparison.differences import UNBOUNDED, PairedDifference, drawn_bounds
from shipway.evaluation.metrics.bootstrap import RowBootstrap
from shipway.evaluation.metrics.regression import QUANTILES

WINDOW_BINS = 500
"""Bins of the ranks around a quantile; each holds 0.02 of its standard error at most."""
WINDOW_ERRORS = 5.0
"""How far to each side of a quantile its bins reach, in standard errors of its rank."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def explained_difference(labels: Floats, a: Floats, b: Floats, draws: RowBootstrap) -> PairedDifference:
    """`r2` of finite predictions, all three `[rows, outputs]`; the mean over the outputs, as scikit-learn's is.

    None for one row and for labels that are all equal.
    """
    if len(labels) < 2 or (np.ptp(labels, axis=0) == 0).any():
        return PairedDifference("r2", None, None, UNBOUNDED)
    centered = labels - labels.mean(axis=0)
    spread = (centered**2).mean(axis=0)
    drawn_spread = draws.means(centered**2) - draws.means(centered) ** 2
    # A draw whose labels are all equal has no R²; rounding leaves a spread of 1e-17 there.
    drawn_spread = np.where(drawn_spread > 1e-12 * spread, drawn_spread, np.nan)
    values, drawn = [], []
    for side in (a, b):
        squares = (side - labels) ** 2
        values.append(float((1 - squares.mean(axis=0) / spread).mean()))
        drawn.append((1 - draws.means(squares) / drawn_spread).mean(axis=1))
    return PairedDifference(
        "r2", values[0], values[1], drawn_bounds(values[1] - values[0], drawn[1] - drawn[0])
    )


def quantile_differences(a: Floats, b: Floats, draws: RowBootstrap) -> list[PairedDifference]:
    """`error_q50` … `error_q99` of finite absolute errors, `[rows, outputs]`, over all values.

    No bounds where the rows are too few to bound the quantile of one model from above (368 for the last): a draw
    holds no error that was not seen.
    """
    values, drawn = zip(*(_quantiles(side, draws) for side in (a, b)), strict=True)
    return [
        PairedDifference(
            f"error_q{100 * level:g}",
            before,
            after,
            drawn_bounds(after - before, drawn[1][index] - drawn[0][index])
            if int(stats.binom.ppf(0.975, draws.rows, level)) < draws.rows
            else UNBOUNDED,
        )
        for index, (level, before, after) in enumerate(zip(QUANTILES, *values, strict=True))
    ]


def _quantiles(errors: Floats, draws: RowBootstrap) -> tuple[list[float], list[Floats]]:
    """The least errors that enough errors do not exceed, and those of the draws, `[replicates]` each."""
    ordered = np.sort(errors, axis=None)
    values = [float(np.quantile(ordered, level, method="inverted_cdf")) for level in QUANTILES]
    ends = _ends(ordered.size, errors.shape[1])
    # A value lies in the first bin whose largest one it does not exceed; equal values are in one bin.
    tops = np.unique(ordered[ends])
    table = np.zeros((draws.groups, len(tops)))
    for column in errors.T:
        cells = draws.group * len(tops) + np.searchsorted(tops, column)
        table += np.bincount(cells, minlength=table.size).reshape(table.shape)
    so_far = np.cumsum(draws.weights @ table, axis=1)
    wanted = [level * so_far[:, -1:] for level in QUANTILES]
    # As many whole errors as make the share; rounding of the product may lie 1e-12 above such a number.
    return values, [tops[(so_far < one * (1 - 1e-12)).sum(axis=1)] for one in wanted]


def _ends(count: int, outputs: int) -> Integers:
    """Ranks of the largest value of each bin: all of a few values, else close together around the quantiles.

    The errors of a row's outputs may be all alike, so that as many rows count as there are rows.
    """
    if count <= 2 * WINDOW_BINS * len(QUANTILES):
        return np.arange(count)
    windows = []
    for level in QUANTILES:
        reach = WINDOW_ERRORS * np.sqrt(count * outputs * level * (1 - level))
        windows.append(np.linspace(level * count - reach, level * count + reach, WINDOW_BINS))
    ranks = np.concatenate([*windows, [count - 1]]).astype(np.int64)
    return np.unique(np.clip(ranks, 0, count - 1))
