"""Judges a classifier: one class a row, with everything its outputs allow to be said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import top_k_accuracy_score

from shipway.bundle.evidence import Estimate, Json
from shipway.evaluation.metrics.bootstrap import RowBootstrap, share_estimate
from shipway.evaluation.metrics.calibration import Calibration, probability_estimates, row_losses
from shipway.evaluation.metrics.classification import (
    ClassificationReport,
    classification_metrics,
    confused_pairs,
)
from shipway.evaluation.metrics.decisions import Decisions
from shipway.evaluation.metrics.judged import Judged, listed, worst_entry, worst_first
from shipway.evaluation.metrics.ranking import ClassRanking, average_estimates, curves_json, rank_classes
from shipway.evaluation.metrics.scores import Scores, read_scores
from shipway.types import Array


def judge_classes(
    labels: NDArray[np.int64], decisions: Decisions, *, class_names: Sequence[str] = ()
) -> Judged:
    """Judges decisions by class indices `[rows]`. Raises what `classification_metrics` raises.

    Figures that need more than the decisions are left out, with a note, where the model does not give it; a
    class that no row is labelled with, or every row, has no ROC-AUC and PR-AUC, and averages go over the others.
    """
    report = classification_metrics(labels, decisions, class_names=class_names)
    scores = read_scores(decisions)
    draws = RowBootstrap(len(labels))
    metrics = dict(report.metrics)
    notes = [*report.notes, *scores.notes]
    ranked = _ranked(labels, scores, draws)
    metrics |= _top_k(labels, scores) | _ranking_estimates(ranked, report.class_names)
    notes += ranking_notes(ranked, _ranked_names(ranked, report.class_names))
    sections: dict[str, Json] = {
        "classes": list(report.class_names),
        "support": list(report.support),
        "confusion_matrix": [list(row) for row in report.confusion],
        "confused_pairs": confused_pairs(report),
        "calibration": None,
        "curves": curves_json(_ranked_names(ranked, report.class_names), ranked) if ranked else None,
        "worst": _worst(labels, decisions, scores, report),
    }
    if scores.probabilities is not None:
        metrics |= probability_estimates(labels, scores.probabilities, draws)
        top = scores.probabilities.argmax(axis=1)
        sections["calibration"] = Calibration.of(scores.probabilities.max(axis=1), top == labels).to_json()
    return Judged(
        task="classification",
        metrics=in_order(metrics),
        rows=report.rows,
        decision_rule=report.decision_rule,
        correct=(labels == decisions.predicted).astype(np.float64),
        labels=labels,
        predicted=decisions.predicted,
        names=report.class_names,
        notes=tuple(notes),
        sections=sections,
    )


def in_order(metrics: dict[str, Estimate]) -> dict[str, Estimate]:
    """Figures of the whole first, those of one class last."""
    parts = {name: name.endswith("]") and not name.startswith("top_k") for name in metrics}
    return {name: metrics[name] for is_part in (False, True) for name in metrics if parts[name] is is_part}


def ranking_notes(ranked: Sequence[ClassRanking], names: Sequence[str]) -> list[str]:
    """Which classes have no area, and over how many the averages go."""
    undefined = [name for name, one in zip(names, ranked, strict=True) if one.values["roc_auc"] is None]
    if not undefined:
        return []
    note = f"{listed(undefined)}: no row, or every row, is of this class: ROC-AUC and PR-AUC are undefined"
    if len(ranked) > 1:
        note += f"; their averages go over {len(ranked) - len(undefined)} of {len(ranked)} classes"
    return [note]


def _ranked(labels: NDArray[np.int64], scores: Scores, draws: RowBootstrap) -> list[ClassRanking]:
    columns = scores.ranking.shape[1]
    if columns == 1:
        return rank_classes((labels == 1)[:, None], scores.ranking, draws)
    return rank_classes(labels[:, None] == np.arange(columns), scores.ranking, draws)


def _ranked_names(ranked: Sequence[ClassRanking], names: tuple[str, ...]) -> tuple[str, ...]:
    """Of two classes the second is the positive one."""
    return names[1:2] if len(ranked) == 1 else names[: len(ranked)]


def _ranking_estimates(ranked: Sequence[ClassRanking], names: tuple[str, ...]) -> dict[str, Estimate]:
    if not ranked:
        return {}
    if len(ranked) == 1:
        return {name: ranked[0].estimate(name) for name in ("roc_auc", "pr_auc")}
    return average_estimates(ranked) | {
        f"{name}[{of}]": one.estimate(name)
        for of, one in zip(names, ranked, strict=True)
        for name in ("roc_auc", "pr_auc")
    }


def _top_k(labels: NDArray[np.int64], scores: Scores) -> dict[str, Estimate]:
    """The label is among the k largest values: k is 5 above 5 classes, else 2 above 2."""
    count = scores.ranking.shape[1]
    if count <= 2:
        return {}
    k = 5 if count > 5 else 2
    hits = top_k_accuracy_score(labels, scores.ranking, k=k, normalize=False, labels=np.arange(count))
    return {f"top_k_accuracy[{k}]": share_estimate(int(hits), len(labels))}


def _worst(
    labels: NDArray[np.int64], decisions: Decisions, scores: Scores, report: ClassificationReport
) -> list[dict[str, Json]]:
    """By log loss; without probabilities the wrong rows, those first that were decided most clearly."""
    names, predicted = report.class_names, decisions.predicted
    probabilities = scores.probabilities
    if probabilities is not None:
        losses = row_losses(labels, probabilities)
        return [
            worst_entry(
                row,
                names[labels[row]],
                names[predicted[row]],
                float(losses[row]),
                score=float(probabilities[row, labels[row]]),
                confidence=float(probabilities[row].max()),
            )
            for row in worst_first(losses)
        ]
    losses = _distances(labels, decisions)
    return [
        worst_entry(row, names[labels[row]], names[predicted[row]], float(losses[row]))
        for row in worst_first(losses, labels != predicted)
    ]


def _distances(labels: NDArray[np.int64], decisions: Decisions) -> NDArray[np.float64]:
    """How far the decided class stood above the label's, in the output's unit; 1 for outputs of classes only."""
    values: Array = decisions.scores
    if decisions.rule.kind != "argmax" or not np.isfinite(values).all():
        margins = decisions.margins
        return np.where(np.isfinite(margins), margins, 1.0)
    rows = np.arange(len(labels))
    top = values[rows, decisions.predicted].astype(np.float64)
    return np.asarray(top - values[rows, labels])
