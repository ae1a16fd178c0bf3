"""Bootstrap intervals of what a confusion matrix says: F1, the averages, balanced accuracy and MCC.

The matrix is drawn anew from the multinomial distribution of its own cells, which is the bootstrap over rows.
The seed is fixed, so equal data gives equal intervals.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from shipway.evaluation.metrics.bootstrap import open_interval
from shipway.evaluation.statistics import resample_counts, wilson_interval

SEED = 20_260
REPLICATES = 2_000
FEWER_REPLICATES = 400
MANY_CELLS = 5_000
"""Non-empty cells above which fewer replicates are drawn: 1,000 classes may fill 50,000 cells."""


def bootstrap_intervals(confusion: NDArray[np.int64]) -> dict[str, Any]:
    """95 % intervals of a confusion matrix `[classes, classes]` (label, decision) with at least one row.

    `f1` → arrays `(low, high)`, `[classes]`; `precision_macro`, `recall_macro`, `f1_macro`, the same with
    `weighted`, `balanced_accuracy` and `mcc` → `(low, high)`. Where nothing was decided wrongly, or nothing
    rightly, there is nothing to resample, and the interval would be a point: see `open_interval`.
    """
    label, decision = np.nonzero(confusion)
    counts = confusion[label, decision]
    replicates = REPLICATES if counts.size <= MANY_CELLS else FEWER_REPLICATES
    cells, classes = np.arange(counts.size), len(confusion)
    sums = [
        csr_matrix((np.ones(mask.sum()), (cells[mask], into[mask])), shape=(counts.size, classes))
        for mask, into in (
            (label == decision, label),
            (np.ones(counts.size, dtype=bool), label),
            (np.ones(counts.size, dtype=bool), decision),
        )
    ]
    f1: list[NDArray[np.float32]] = []
    averages: dict[str, list[NDArray[np.float64]]] = {}
    for drawn in resample_counts(counts, replicates=replicates, seed=SEED):
        right, labelled, decided = (np.asarray(drawn @ matrix) for matrix in sums)
        scores = _scores(right, labelled, decided)
        f1.append(scores["f1"].astype(np.float32))
        found = _averages(scores, labelled, decided)
        found["mcc"] = _matthews(right, labelled, decided)
        for name, values in found.items():
            averages.setdefault(name, []).append(values)
    return {
        "f1": _f1_interval(confusion, np.concatenate(f1)),
        **{name: _interval(name, confusion, np.concatenate(parts)) for name, parts in averages.items()},
    }


def _scores(
    right: NDArray[np.float64], labelled: NDArray[np.float64], decided: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Per replicate and class, `[replicates, classes]`; 0 where there is no denominator, as in the averages."""
    return {
        "precision": right / np.maximum(decided, 1),
        "recall": right / np.maximum(labelled, 1),
        "f1": 2 * right / np.maximum(labelled + decided, 1),
    }


def _averages(
    scores: dict[str, NDArray[np.float64]], labelled: NDArray[np.float64], decided: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    present = (labelled + decided) > 0
    shares = labelled / labelled.sum(axis=1, keepdims=True)
    found = {}
    for name, values in scores.items():
        found[f"{name}_macro"] = (values * present).sum(axis=1) / present.sum(axis=1)
        found[f"{name}_weighted"] = (values * shares).sum(axis=1)
    found["balanced_accuracy"] = scores["recall"].sum(axis=1) / (labelled > 0).sum(axis=1)
    return found


def _matthews(
    right: NDArray[np.float64], labelled: NDArray[np.float64], decided: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gorodkin's R_K (2004), which is scikit-learn's `matthews_corrcoef`; NaN where a side has one class."""
    total = labelled.sum(axis=1)
    spread = (total**2 - (labelled**2).sum(axis=1)) * (total**2 - (decided**2).sum(axis=1))
    above_chance = right.sum(axis=1) * total - (labelled * decided).sum(axis=1)
    return np.asarray(np.where(spread > 0, above_chance / np.sqrt(np.where(spread > 0, spread, 1)), np.nan))


def _interval(
    name: str, confusion: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[float | None, float | None]:
    defined = values[np.isfinite(values)]
    if not defined.size:
        return None, None
    low, high = np.quantile(defined, [0.025, 0.975])
    if high - low < 1e-12:
        found = open_interval(float(low), int(confusion.sum()), (-1 if name == "mcc" else 0, 1))
        return found.low, found.high
    return float(low), float(high)


def _f1_interval(
    confusion: NDArray[np.int64], values: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = (bound.astype(np.float64) for bound in np.quantile(values, [0.025, 0.975], axis=0))
    right, labelled, decided = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    flawless = (right == labelled) & (right == decided)
    never = (right == 0) & (labelled + decided > 0)
    return (
        np.where(flawless, wilson_interval(right, labelled)[0], low),
        np.where(never, wilson_interval(0, (labelled + decided) / 2)[1], high),
    )
