"""Precision, recall and F1 of two models that give a row several classes, and by how much they differ.

Whole rows are drawn, with all their classes: classes that go wrong together make the averages less certain than
each class for itself would tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.comparison.differences import PairedDifference, drawn_bounds
from shipway.evaluation.metrics.bootstrap import RowBootstrap

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def label_set_differences(
    labels: Integers, a: Integers, b: Integers, draws: RowBootstrap
) -> list[PairedDifference]:
    """Macro, micro and weighted precision, recall and F1 of decisions `[rows, classes]` of 0 and 1.

    Values are scikit-learn's with `zero_division=0`.
    """
    labelled = labels.astype(np.float64)
    drawn_labelled, support = draws.sums(labelled), labelled.sum(axis=0, keepdims=True)
    values, drawn = [], []
    for decided in (a.astype(np.float64), b.astype(np.float64)):
        right = labelled * decided
        values.append(
            _averages(right.sum(axis=0, keepdims=True), support, decided.sum(axis=0, keepdims=True))
        )
        drawn.append(_averages(draws.sums(right), drawn_labelled, draws.sums(decided)))
    return [
        PairedDifference(
            name,
            float(before[0]),
            float(values[1][name][0]),
            drawn_bounds(float(values[1][name][0] - before[0]), drawn[1][name] - drawn[0][name]),
        )
        for name, before in values[0].items()
    ]


def _averages(right: Floats, labelled: Floats, decided: Floats) -> dict[str, Floats]:
    """From sums `[some, classes]`, one value for each of `some`."""
    parts = {
        "precision": (right, decided),
        "recall": (right, labelled),
        "f1": (2 * right, labelled + decided),
    }
    rows = np.maximum(labelled.sum(axis=1), 1)
    found: dict[str, Floats] = {}
    for score, (above, below) in parts.items():
        single = above / np.maximum(below, 1)
        found[f"{score}_macro"] = single.mean(axis=1)
        found[f"{score}_micro"] = above.sum(axis=1) / np.maximum(below.sum(axis=1), 1)
        found[f"{score}_weighted"] = (single * labelled).sum(axis=1) / rows
    return found
