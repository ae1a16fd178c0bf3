"""Judges numbers by numbers: how far off a regression is, and where most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from shipway.bundle.evidence import Estimate, Json
from shipway.errors import DataEmptyError, DataMismatchError, LabelError
from shipway.evaluation.metrics.bootstrap import SEED, RowBootstrap, estimate_of
from shipway.evaluation.metrics.judged import Judged, listed, worst_entry, worst_first
from shipway.types import Array

QUANTILES = (0.5, 0.9, 0.95, 0.99)
RESIDUAL_BINS = 50
MOST_POINTS = 500


def judge_regression(
    labels: Array, predicted: Array, *, decision_rule: str = "", output_names: Sequence[str] = ()
) -> Judged:
    """Judges `predicted` by `labels`, both `[rows]` or `[rows, outputs]`.

    `mae`, `rmse` and `r2` of several outputs are the means over the outputs, as scikit-learn's are; the quantiles
    of the absolute error go over all values. Each output's own follow, as `mae[NAME]`. R² is undefined for one
    row and for labels that are all equal. Raises `LabelError`, `DataEmptyError`, `DataMismatchError`.
    """
    expected, found = _pair(labels, predicted)
    names = _names(output_names, expected.shape[1])
    broken = np.asarray(~np.isfinite(found).all(axis=1))
    errors = found - expected
    metrics, notes = _figures(expected, found, names, broken)
    return Judged(
        task="regression",
        metrics=metrics,
        rows=len(expected),
        decision_rule=decision_rule,
        correct=-np.abs(np.where(broken[:, None], np.inf, errors)).mean(axis=1),
        labels=expected,
        predicted=found,
        names=names,
        notes=tuple(notes),
        sections=_sections(expected, found, names, metrics, ~broken),
    )


def _pair(labels: Array, predicted: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64 `[rows, outputs]`."""
    if labels.dtype.kind not in "biuf" or labels.ndim not in (1, 2):
        raise LabelError(
            f"The labels are {labels.dtype}{list(labels.shape)}, which are no targets of a regression.",
            hint="Targets are numbers, one a row ([rows] or [rows, 1]) or several ([rows, outputs]).",
        )
    expected, found = (
        array.astype(np.float64).reshape(len(array), -1 if array.size else 1) for array in (labels, predicted)
    )
    if not len(expected):
        raise DataEmptyError("There is no row to judge.", hint="Give labelled data with at least one row.")
    if expected.shape != found.shape:
        raise DataMismatchError(
            f"The labels are {list(expected.shape)} (rows, outputs) and the model's answers {list(found.shape)}.",
            hint="Give one target for every value that the model answers a row with.",
        )
    unknown = np.flatnonzero(~np.isfinite(expected).all(axis=1))
    if unknown.size:
        raise LabelError(
            f"{unknown.size} of {len(expected)} rows have NaN or infinity as label; first: row {unknown[0]}.",
            hint="Drop these rows (keep = numpy.isfinite(y)), or give them their values.",
        )
    return expected, found


def _figures(
    expected: NDArray[np.float64],
    found: NDArray[np.float64],
    names: tuple[str, ...],
    broken: NDArray[np.bool_],
) -> tuple[dict[str, Estimate], list[str]]:
    """The metrics and the notes."""
    several = expected.shape[1] > 1
    if broken.any():
        metrics = {name: Estimate(None) for name in _figure_names(names)}
        first = int(np.flatnonzero(broken)[0])
        count = int(broken.sum())
        note = (
            f"{count} rows are answered with NaN or infinity (first: row {first}): every figure is undefined"
        )
        return metrics, [note]
    draws = RowBootstrap(len(expected))
    moments = _Moments(expected, found, draws)
    metrics = moments.estimates(slice(None)) | _quantiles(np.abs(found - expected))
    if several:
        for index, name in enumerate(names):
            own = moments.estimates(slice(index, index + 1)) | _quantiles(
                np.abs(found - expected)[:, index : index + 1]
            )
            metrics |= {f"{figure}[{name}]": estimate for figure, estimate in own.items()}
    return metrics, _notes(expected, found, names)


def _figure_names(names: tuple[str, ...]) -> list[str]:
    whole = ["mae", "rmse", "r2", *(f"error_q{100 * level:g}" for level in QUANTILES)]
    return whole + ([f"{figure}[{name}]" for name in names for figure in whole] if len(names) > 1 else [])


class _Moments:
    """What MAE, RMSE and R² are made of, with its replicates `[replicates, outputs]`."""

    def __init__(
        self, expected: NDArray[np.float64], found: NDArray[np.float64], draws: RowBootstrap
    ) -> None:
        self.expected, self.found = expected, found
        centered = expected - expected.mean(axis=0)
        errors = found - expected
        self.absolute = draws.means(np.abs(errors))
        self.squared = draws.means(errors**2)
        self.spread = draws.means(centered**2) - draws.means(centered) ** 2
        self.is_constant = np.ptp(expected, axis=0) == 0

    def estimates(self, outputs: slice) -> dict[str, Estimate]:
        """`mae`, `rmse` and `r2`, the means over these outputs."""
        expected, found = self.expected[:, outputs], self.found[:, outputs]
        spread = self.spread[:, outputs]
        with np.errstate(divide="ignore", invalid="ignore"):
            explained = np.where(spread > 1e-12 * spread.max(), 1 - self.squared[:, outputs] / spread, np.nan)
        is_defined = len(expected) > 1 and not self.is_constant[outputs].any()
        values: dict[str, tuple[float | None, NDArray[np.float64], tuple[float, float]]] = {
            "mae": (
                float(mean_absolute_error(expected, found)),
                self.absolute[:, outputs].mean(axis=1),
                (0, np.inf),
            ),
            "rmse": (
                float(root_mean_squared_error(expected, found)),
                np.sqrt(self.squared[:, outputs]).mean(axis=1),
                (0, np.inf),
            ),
            "r2": (
                float(r2_score(expected, found)) if is_defined else None,
                explained.mean(axis=1),
                (-np.inf, 1),
            ),
        }
        # Errors that are all alike (one row; a flawless model) tell nothing of how large others may be: their
        # limits are open, so they get no interval.
        return {
            name: estimate_of(value, replicates, rows=len(expected), limits=limits)
            for name, (value, replicates, limits) in values.items()
        }


def _quantiles(absolute: NDArray[np.float64]) -> dict[str, Estimate]:
    """Quantiles of the absolute error: the least one that enough errors do not exceed, with order statistics.

    The ranks of the interval are those of as many independent values as there are rows (Hahn and Meeker 1991,
    §5.2), also where a row has several values, which may all err alike. An end that rows cannot bound is None.
    """
    rows, outputs = absolute.shape
    ordered = np.sort(absolute, axis=None)
    found = {}
    for level in QUANTILES:
        value = float(np.quantile(ordered, level, method="inverted_cdf"))
        below = int(stats.binom.ppf(0.025, rows, level))
        above = int(stats.binom.ppf(0.975, rows, level)) + 1
        low = float(ordered[below * outputs - 1]) if below >= 1 else None
        high = float(ordered[above * outputs - 1]) if above <= rows else None
        found[f"error_q{100 * level:g}"] = Estimate(value, low, high)
    return found


def _notes(expected: NDArray[np.float64], found: NDArray[np.float64], names: tuple[str, ...]) -> list[str]:
    rows = len(expected)
    notes = []
    constant = [name for name, width in zip(names, np.ptp(expected, axis=0), strict=True) if width == 0]
    if rows == 1:
        notes.append("One row: R² is undefined, and no figure has an interval")
    elif constant:
        which = "the labels" if len(names) == 1 else f"the labels of {listed(constant)}"
        notes.append(f"R² is undefined: {which} are all equal")
    if rows > 1 and (np.ptp(np.abs(found - expected), axis=0) == 0).all():
        notes.append("All rows err by the same amount: MAE, RMSE and R² have no interval")
    unbounded = [
        f"{100 * level:g} %" for level in QUANTILES if int(stats.binom.ppf(0.975, rows, level)) + 1 > rows
    ]
    if unbounded and rows > 1:
        notes.append(
            f"{rows} rows are too few to bound the {listed(unbounded)} quantile of the error from above"
        )
    return notes


def _sections(
    expected: NDArray[np.float64],
    found: NDArray[np.float64],
    names: tuple[str, ...],
    metrics: dict[str, Estimate],
    is_sound: NDArray[np.bool_],
) -> dict[str, Json]:
    """The document's part; rows answered with NaN or infinity are not drawn."""
    label, answer = expected[is_sound], found[is_sound]
    residuals = (answer - label).ravel()
    counts, edges = _histogram(residuals)
    points = np.arange(label.size)
    if points.size > MOST_POINTS:
        points = np.sort(np.random.default_rng(SEED).choice(points.size, MOST_POINTS, replace=False))
    losses = np.abs(answer - label).mean(axis=1) if len(label) else np.zeros(0)
    rows = np.flatnonzero(is_sound)
    return {
        "outputs": list(names),
        "error_quantiles": {f"{level:g}": metrics[f"error_q{100 * level:g}"].value for level in QUANTILES},
        "residuals": {"edges": edges, "counts": counts},
        "predicted_against_label": {
            "label": label.ravel()[points].tolist(),
            "predicted": answer.ravel()[points].tolist(),
        },
        "worst": [
            worst_entry(int(rows[row]), *_furthest(label[row], answer[row]), float(losses[row]))
            for row in worst_first(losses)
        ],
    }


def _histogram(residuals: NDArray[np.float64]) -> tuple[list[int], list[float]]:
    """50 equally wide bins. Residuals that differ by rounding alone are one: they leave no room for 50."""
    if not residuals.size:
        return [], []
    low, high = float(residuals.min()), float(residuals.max())
    step = 2 * RESIDUAL_BINS * float(np.spacing(max(abs(low), abs(high))))
    if high - low <= step:
        low, high = low - max(0.5, step), high + max(0.5, step)
    counts, edges = np.histogram(residuals, bins=RESIDUAL_BINS, range=(low, high))
    return counts.tolist(), edges.tolist()


def _furthest(label: NDArray[np.float64], answer: NDArray[np.float64]) -> tuple[float, float]:
    """Label and answer of the output that errs most."""
    output = int(np.abs(answer - label).argmax())
    return float(label[output]), float(answer[output])


def _names(output_names: Sequence[str], count: int) -> tuple[str, ...]:
    names = [str(name) for name in output_names][:count]
    return (*names, *(str(index) for index in range(len(names), count)))
