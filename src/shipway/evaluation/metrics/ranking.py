"""How well scores rank the rows of a class above the others: ROC-AUC, average precision, and their curves.

The values are scikit-learn's on all rows. For the intervals the scores are put into at most `bins` bins, half of
them holding equally many rows of the class and half equally many others, so that the top of a rare class is seen
finely; what binning moves is taken back by shifting the replicates to the exact value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, average_precision_score, roc_curve

from shipway.bundle.evidence import Estimate, Json
from shipway.evaluation.metrics.bootstrap import RowBootstrap, estimate_of
from shipway.types import Array

MOST_BINS = 1_024
LEAST_BINS = 64
CURVE_POINTS = 100
MOST_CURVES = 20

Curve = dict[str, list[float]]


@dataclass(frozen=True)
class ClassRanking:
    """One class against all others."""

    positives: int
    negatives: int
    values: dict[str, float | None]
    """`roc_auc` and `pr_auc`; None where the class has no row, or every row."""
    replicates: dict[str, NDArray[np.float64]]
    """`roc_auc`, `pr_auc` and `positives`, `[replicates]` each; NaN where undefined."""
    curves: dict[str, Curve]
    """`roc` (x: false, y: true positive rate) and `precision_recall` (x: recall); empty where not asked for."""

    def estimate(self, name: str) -> Estimate:
        """The figure with its interval; the rarer side counts where no draw moves it."""
        rows = min(self.positives, self.negatives)
        return estimate_of(self.values[name], self.replicates[name], rows=rows)


def rank_classes(
    positive: NDArray[np.bool_], scores: Array, draws: RowBootstrap, *, most_curves: int = MOST_CURVES
) -> list[ClassRanking]:
    """Every class against all others; both `[rows, classes]`, scores finite.

    Curves come for the `most_curves` classes with most rows.
    """
    if not positive.shape[1]:
        return []
    support = positive.sum(axis=0)
    drawn = set(np.argsort(-support, kind="stable")[:most_curves].tolist())
    bins = max(LEAST_BINS, min(MOST_BINS, 16 * MOST_BINS // positive.shape[1]))
    return [
        rank_class(positive[:, index], scores[:, index], draws, bins=bins, with_curves=index in drawn)
        for index in range(positive.shape[1])
    ]


def rank_class(
    positive: NDArray[np.bool_],
    scores: Array,
    draws: RowBootstrap,
    *,
    bins: int = MOST_BINS,
    with_curves: bool = True,
) -> ClassRanking:
    """One class, `positive` and finite `scores` `[rows]`."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        nothing = np.full(len(draws.weights), np.nan)
        return ClassRanking(
            positives,
            negatives,
            {"roc_auc": None, "pr_auc": None},
            {"roc_auc": nothing, "pr_auc": nothing, "positives": draws.sums(positive.astype(np.float64))},
            {},
        )
    # scikit-learn sorts for each figure, stably; rows that are in order already cost it next to nothing.
    order = np.argsort(scores)
    positive, scores = positive[order], scores[order]
    with np.errstate(over="ignore"):  # steps between scores of 1e38; they need only differ from 0
        false_rate, true_rate, thresholds = roc_curve(positive, scores, drop_intermediate=False)
        precision = float(average_precision_score(positive, scores))
    values = {"roc_auc": float(auc(false_rate, true_rate)), "pr_auc": precision}
    cuts = _cuts(false_rate, true_rate, thresholds, bins)
    cells = np.empty(len(scores), dtype=np.int64)
    cells[order] = 2 * (len(cuts) - np.searchsorted(cuts[::-1], scores, side="right")) + positive
    exact = np.bincount(cells, minlength=2 * len(cuts))[None, :].astype(np.float64)
    binned = {name: float(found[0]) for name, found in _areas(exact).items()}
    replicates = _areas(draws.counts(cells, 2 * len(cuts)))
    for name, value in values.items():
        replicates[name] += value - binned[name]
    curves = _curves(false_rate, true_rate, positives / negatives) if with_curves else {}
    return ClassRanking(positives, negatives, dict(values), replicates, curves)


def average_estimates(ranked: Sequence[ClassRanking]) -> dict[str, Estimate]:
    """`roc_auc_macro`, `roc_auc_weighted` (by rows of the class), the same of `pr_auc`, over defined classes."""
    kept = [one for one in ranked if one.values["roc_auc"] is not None]
    found = {}
    for name in ("roc_auc", "pr_auc"):
        for kind in ("macro", "weighted"):
            if not kept:
                found[f"{name}_{kind}"] = Estimate(None)
                continue
            values = np.array([[one.values[name]] for one in kept], dtype=np.float64)
            weights = np.array([[one.positives] for one in kept], dtype=np.float64)
            drawn = np.stack([one.replicates[name] for one in kept])
            drawn_weights = np.stack([one.replicates["positives"] for one in kept])
            if kind == "macro":
                weights, drawn_weights = np.ones_like(weights), np.ones_like(drawn_weights)
            found[f"{name}_{kind}"] = estimate_of(
                float(_average(values, weights)[0]),
                _average(drawn, drawn_weights),
                rows=kept[0].positives + kept[0].negatives,
            )
    return found


def curves_json(names: Sequence[str], ranked: Sequence[ClassRanking]) -> dict[str, Json] | None:
    """`{"roc": {name: curve}, "precision_recall": {name: curve}}`, or None where no class has one."""
    found = {
        kind: {name: one.curves[kind] for name, one in zip(names, ranked, strict=True) if one.curves}
        for kind in ("roc", "precision_recall")
    }
    return found if found["roc"] else None


def _average(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted over the first axis, NaN left out; NaN where nothing is left."""
    weights = np.where(np.isnan(values), 0, weights)
    total = weights.sum(axis=0)
    summed = (np.nan_to_num(values) * weights).sum(axis=0)
    return np.asarray(np.where(total > 0, summed / np.where(total > 0, total, 1), np.nan))


def _cuts(false_rate: Array, true_rate: Array, thresholds: Array, bins: int) -> Array:
    """The lowest score of each bin, descending; the last is the lowest of all."""
    if len(thresholds) - 1 <= bins:
        return np.asarray(thresholds[1:])
    steps = np.linspace(0, 1, bins // 2 + 1)[1:]
    chosen = np.unique(
        np.concatenate([np.searchsorted(rate, steps - 1e-12) for rate in (false_rate, true_rate)])
    )
    chosen = np.union1d(np.clip(chosen, 1, len(thresholds) - 1), [len(thresholds) - 1])
    return np.asarray(thresholds[chosen])


def _areas(counts: Array) -> dict[str, NDArray[np.float64]]:
    """Areas of tables `[tables, 2 · bins]`: others and rows of the class by turns, the highest scores first."""
    others, own = counts[:, 0::2], counts[:, 1::2]
    others_so_far = np.cumsum(others, axis=1, dtype=np.float64)
    own_so_far = np.cumsum(own, axis=1, dtype=np.float64)
    others_total, own_total = others_so_far[:, -1], own_so_far[:, -1]
    defined = (others_total > 0) & (own_total > 0)
    safe_own = np.where(own_total > 0, own_total, 1)
    below = others_total[:, None] - others_so_far + 0.5 * others
    precision = own_so_far / np.maximum(own_so_far + others_so_far, 1)
    roc = (own * below).sum(axis=1) / (safe_own * np.where(others_total > 0, others_total, 1))
    return {
        "roc_auc": np.where(defined, roc, np.nan),
        "pr_auc": np.where(defined, (own * precision).sum(axis=1) / safe_own, np.nan),
        "positives": own_total,
    }


def _curves(false_rate: Array, true_rate: Array, odds: float) -> dict[str, Curve]:
    """At most 100 points each: ROC in equal steps of x + y, precision in equal steps of recall.

    Precision is 1 at a recall of 0, as scikit-learn's curve has it; `odds` are rows of the class to others.
    """
    right = true_rate * odds
    precision = np.divide(right, right + false_rate, out=np.ones_like(right), where=right + false_rate > 0)
    return {
        "roc": _thinned(false_rate, true_rate, false_rate + true_rate),
        "precision_recall": _thinned(true_rate, precision, true_rate),
    }


def _thinned(x: Array, y: Array, rising: Array) -> Curve:
    at = np.searchsorted(rising, np.linspace(rising[0], rising[-1], CURVE_POINTS - 1))
    chosen = np.union1d(np.clip(at, 0, len(rising) - 1), [len(rising) - 1])
    return {"x": x[chosen].tolist(), "y": y[chosen].tolist()}
