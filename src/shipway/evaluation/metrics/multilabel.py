"""Judges a classifier that may give a row several classes, or none: every class is a yes or no of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    hamming_loss,
    log_loss,
    mean_squared_error,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
)

from shipway.bundle.evidence import Estimate, Json
from shipway.errors import DataEmptyError, DataMismatchError, LabelError
from shipway.evaluation.metrics.bootstrap import RowBootstrap, estimate_of, mean_estimate, share_estimate
from shipway.evaluation.metrics.calibration import CLIP, LARGEST_LOSS, Calibration
from shipway.evaluation.metrics.classes import in_order, ranking_notes
from shipway.evaluation.metrics.classification import AVERAGES, SCORES, unique_names
from shipway.evaluation.metrics.decisions import Decisions
from shipway.evaluation.metrics.judged import Judged, listed, worst_entry, worst_first
from shipway.evaluation.metrics.ranking import average_estimates, curves_json, rank_classes
from shipway.evaluation.metrics.scores import read_scores
from shipway.evaluation.statistics import wilson_interval
from shipway.types import Array

Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]


def judge_multilabel(labels: Array, decisions: Decisions, *, class_names: Sequence[str] = ()) -> Judged:
    """Judges decisions of the rule `each` by labels `[rows, classes]` of 0 and 1.

    `exact_match` (all classes of a row right), `hamming_loss` (share of wrong answers), precision, recall and F1
    (per class, macro, micro, weighted), ROC-AUC and PR-AUC; with probabilities `log_loss` and `brier`, the means
    over the classes of scikit-learn's binary ones, and `ece` over all answers. What has no denominator is None,
    and counts as 0 in averages of precision, recall and F1. Raises `LabelError`, `DataEmptyError`,
    `DataMismatchError`.
    """
    expected = _checked(labels, decisions)
    predicted = decisions.predicted
    names = unique_names(class_names, expected.shape[1])
    draws = RowBootstrap(len(expected))
    scores = read_scores(decisions)
    right = (expected == predicted).all(axis=1)
    wrong_share = (expected != predicted).mean(axis=1)
    metrics = {
        "exact_match": share_estimate(int(right.sum()), len(expected)),
        "hamming_loss": mean_estimate(
            float(hamming_loss(expected, predicted)), wrong_share, draws, limits=(0, 1)
        ),
    }
    metrics |= _decision_estimates(expected, predicted, names, draws)
    notes = [*_notes(expected, predicted, names), *scores.notes]
    curves, calibration, losses = None, None, wrong_share
    if scores.ranking.shape[1]:
        ranked = rank_classes(expected == 1, scores.ranking, draws)
        metrics |= average_estimates(ranked)
        for name, one in zip(names, ranked, strict=True):
            metrics |= {f"{figure}[{name}]": one.estimate(figure) for figure in ("roc_auc", "pr_auc")}
        notes += ranking_notes(ranked, names)
        curves = curves_json(names, ranked)
    if scores.probabilities is not None:
        found, losses = _probability_estimates(expected, scores.probabilities, draws)
        bins = Calibration.of(scores.probabilities, expected == 1)
        metrics |= found | {"ece": bins.estimate(draws)}
        calibration = bins.to_json()
    return Judged(
        task="multilabel",
        metrics=in_order(metrics),
        rows=len(expected),
        decision_rule=str(decisions.rule),
        correct=right.astype(np.float64),
        labels=expected,
        predicted=predicted,
        names=names,
        notes=tuple(notes),
        sections={
            "classes": list(names),
            "support": expected.sum(axis=0).tolist(),
            "confusion_matrix": multilabel_confusion_matrix(expected, predicted).tolist(),
            "confused_pairs": _confused_pairs(expected, predicted, names),
            "calibration": calibration,
            "curves": curves,
            "worst": [
                worst_entry(row, _set(expected[row], names), _set(predicted[row], names), float(losses[row]))
                for row in worst_first(losses)
            ],
        },
    )


def _checked(labels: Array, decisions: Decisions) -> NDArray[np.int64]:
    if labels.ndim != 2 or labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise LabelError(
            f"The labels are {labels.dtype}{list(labels.shape)}, which do not say yes or no for each class.",
            hint="Several classes a row are given as 0 and 1, [rows, classes].",
        )
    if labels.shape[1] == 1:
        raise LabelError(
            "The labels have one column: yes or no for a single class is a task of two classes.",
            hint="Use --task classification.",
        )
    if labels.shape != decisions.scores.shape:
        raise DataMismatchError(
            f"The labels are {list(labels.shape)} (rows, classes) and output {decisions.rule.output!r} is "
            f"{list(decisions.scores.shape)}.",
            hint="Give a 0 or 1 for every class that the model answers, in the order of its output.",
        )
    if not len(labels):
        raise DataEmptyError("There is no row to judge.", hint="Give labelled data with at least one row.")
    return labels.astype(np.int64)


def _decision_estimates(
    expected: NDArray[np.int64], predicted: NDArray[np.int64], names: tuple[str, ...], draws: RowBootstrap
) -> dict[str, Estimate]:
    """Precision, recall and F1."""
    right, labelled, decided = (
        part.astype(np.float64) for part in (expected * predicted, expected, predicted)
    )
    drawn = _averages(*(draws.sums(part) for part in (right, labelled, decided)))
    hits, support, answers = (part.sum(axis=0) for part in (right, labelled, decided))
    found: dict[str, Estimate] = {}
    cells = _cells(hits, support, answers)
    for kind in AVERAGES:
        values = precision_recall_fscore_support(**cells, average=kind, zero_division=0)
        for score, value in zip(SCORES, values[:3], strict=True):
            name = f"{score}_{kind}"
            found[name] = estimate_of(float(value), drawn[name], rows=len(expected))
    order = [f"{score}_{kind}" for score in SCORES for kind in AVERAGES]
    single = precision_recall_fscore_support(**cells, average=None, zero_division=np.nan)
    bounds: dict[str, Bounds] = {
        "precision": wilson_interval(hits, answers),
        "recall": wilson_interval(hits, support),
    }
    classes: dict[str, Estimate] = {}
    for index, name in enumerate(names):
        for score in ("precision", "recall"):
            value, (low, high) = float(single[SCORES.index(score)][index]), bounds[score]
            classes[f"{score}[{name}]"] = (
                Estimate(None) if np.isnan(value) else Estimate(value, float(low[index]), float(high[index]))
            )
        rows = max(1, round((support[index] + answers[index]) / 2))
        classes[f"f1[{name}]"] = estimate_of(float(single[2][index]), drawn["f1"][:, index], rows=rows)
    return {name: found[name] for name in order} | classes


def _cells(
    right: NDArray[np.float64], labelled: NDArray[np.float64], decided: NDArray[np.float64]
) -> dict[str, Array]:
    """The rows as scikit-learn takes them, as few as there are kinds: right, missed and false of each class.

    A million rows of 10 classes take it seconds for each average; these 30 weighted ones give the same.
    """
    own = np.eye(len(right), dtype=np.int64)
    none = np.zeros_like(own)
    # The last row says no to all: it counts nowhere, and keeps the weights from being 0 altogether.
    return {
        "y_true": np.vstack([own, own, none, none[:1]]),
        "y_pred": np.vstack([own, none, own, none[:1]]),
        "sample_weight": np.concatenate([right, labelled - right, decided - right, [1]]),
    }


def _averages(
    right: NDArray[np.float64], labelled: NDArray[np.float64], decided: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """From sums `[replicates, classes]`; 0 where there is no denominator, as scikit-learn's averages have it."""
    found: dict[str, NDArray[np.float64]] = {}
    parts = {
        "precision": (right, decided),
        "recall": (right, labelled),
        "f1": (2 * right, labelled + decided),
    }
    for score, (above, below) in parts.items():
        single = above / np.maximum(below, 1)
        total = labelled.sum(axis=1)
        found[f"{score}_macro"] = single.mean(axis=1)
        found[f"{score}_micro"] = above.sum(axis=1) / np.maximum(below.sum(axis=1), 1)
        found[f"{score}_weighted"] = (single * labelled).sum(axis=1) / np.maximum(total, 1)
        found[score] = single
    return found


def _probability_estimates(
    expected: NDArray[np.int64], probabilities: NDArray[np.float64], draws: RowBootstrap
) -> tuple[dict[str, Estimate], NDArray[np.float64]]:
    """`log_loss` and `brier`, and each row's log loss (the mean over the classes)."""
    classes = range(expected.shape[1])
    given = np.clip(np.where(expected == 1, probabilities, 1 - probabilities), CLIP, 1 - CLIP)
    losses = -np.log(given).mean(axis=1)
    loss = np.mean([log_loss(expected[:, one], probabilities[:, one], labels=[0, 1]) for one in classes])
    brier = float(mean_squared_error(expected, probabilities))
    squares = ((expected - probabilities) ** 2).mean(axis=1)
    return {
        "log_loss": mean_estimate(float(loss), losses, draws, limits=(0, LARGEST_LOSS)),
        "brier": mean_estimate(brier, squares, draws, limits=(0, 1)),
    }, losses


def _confused_pairs(
    expected: NDArray[np.int64], predicted: NDArray[np.int64], names: tuple[str, ...]
) -> list[dict[str, Json]]:
    """A class that was missed where another was decided wrongly, most rows first, at most 20."""
    missed, false = expected * (1 - predicted), (1 - expected) * predicted
    rows = missed.astype(np.float64).T @ false
    order = np.argsort(-rows.ravel(), kind="stable")[: min(20, np.count_nonzero(rows))]
    return [
        {
            "label": names[label],
            "decision": names[decision],
            "rows": int(rows[label, decision]),
            "share": float(rows[label, decision] / expected[:, label].sum()),
        }
        for label, decision in (divmod(cell, len(names)) for cell in order.tolist())
    ]


def _notes(expected: NDArray[np.int64], predicted: NDArray[np.int64], names: tuple[str, ...]) -> list[str]:
    labelled, decided = expected.any(axis=0), predicted.any(axis=0)
    groups = (
        (~labelled & ~decided, "no row has or gets it: precision, recall and F1 are undefined"),
        (labelled & ~decided, "never decided: precision is undefined"),
        (~labelled & decided, "no row has it: recall is undefined"),
    )
    return [
        f"{listed([names[index] for index in np.flatnonzero(mask)])}: {words}, and counts as 0 in the averages"
        for mask, words in groups
        if mask.any()
    ]


def _set(row: NDArray[np.int64], names: tuple[str, ...]) -> str:
    return ", ".join(names[index] for index in np.flatnonzero(row)) or "none"
