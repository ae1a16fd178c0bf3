"""Classification metrics: scikit-learn's values by scikit-learn's names, each with its 95 % interval.

Everything is computed from the confusion matrix, as a weighted set of its cells: a million rows cost what a
hundred cells do, and the values are scikit-learn's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    recall_score,
)

from shipway.bundle.evidence import Estimate, Json
from shipway.errors import DataEmptyError, DataMismatchError
from shipway.evaluation.data.labels import check_labels
from shipway.evaluation.metrics.decisions import Decisions
from shipway.evaluation.metrics.intervals import bootstrap_intervals
from shipway.evaluation.statistics import wilson_interval

SCORES = ("precision", "recall", "f1")
AVERAGES = ("macro", "micro", "weighted")
MOST_PAIRS = 20
MOST_CLASSES = 5_000
"""The confusion matrix of so many takes 200 MB."""


@dataclass(frozen=True)
class ClassificationReport:
    """How well a classifier decided."""

    metrics: dict[str, Estimate]
    """`accuracy`, `balanced_accuracy`, `precision_macro` …, `mcc`, then `precision[NAME]`, … per class."""
    class_names: tuple[str, ...]
    support: tuple[int, ...]
    """Labelled rows of each class."""
    confusion: tuple[tuple[int, ...], ...]
    """`[label][decision]`, rows counted."""
    rows: int
    decision_rule: str
    notes: tuple[str, ...] = ()
    """Which figures are undefined, and why."""

    def to_json(self) -> dict[str, Json]:
        """All of it, for evidence and `--json`."""
        return {
            "rows": self.rows,
            "decision_rule": self.decision_rule,
            "classes": list(self.class_names),
            "support": list(self.support),
            "confusion_matrix": [list(row) for row in self.confusion],
            "metrics": {name: estimate.to_json() for name, estimate in self.metrics.items()},
            "notes": list(self.notes),
        }


def classification_metrics(
    labels: NDArray[np.int64], decisions: Decisions, *, class_names: Sequence[str] = ()
) -> ClassificationReport:
    """Judges decisions by labels, both class indices, `[rows]`.

    `class_names` are in the order of the indices; without them a class is called by its index. A figure that
    has no denominator (a class never predicted has no precision) is None and noted; in averages it counts as 0,
    as in scikit-learn's scorers. Classes that neither side holds are left out of averages, as there. Raises
    `LabelError`, `DataEmptyError`, and `DataMismatchError` where the two have unequal lengths.
    """
    predicted = decisions.predicted
    if len(labels) != len(predicted):
        raise DataMismatchError(f"There are {len(labels)} labels for {len(predicted)} predictions.")
    if not len(labels):
        raise DataEmptyError("There is no row to judge.", hint="Give labelled data with at least one row.")
    count = decisions.class_count
    if decisions.rule.class_count is None:
        count = max(count, len(class_names), int(labels.max()) + 1)
    check_labels(labels, count)
    _check_decisions(predicted, count)
    confusion = np.bincount(labels * count + predicted, minlength=count * count).reshape(count, count)
    return report_of_counts(confusion, class_names=class_names, decision_rule=str(decisions.rule))


def _check_decisions(predicted: NDArray[np.int64], count: int) -> None:
    """Outputs of classes may hold anything: -1 for an outlier, or a quantity that was rounded."""
    if predicted.min() < 0:
        raise DataMismatchError(
            f"The model answers {predicted.min()} where it should name a class from 0.",
            hint="Evaluate a model whose output counts the classes from 0, or gives a score for each class.",
        )
    if count > MOST_CLASSES:
        raise DataMismatchError(
            f"Labels and answers name classes up to {count - 1}; at most {MOST_CLASSES} are judged.",
            hint="Where the numbers are quantities and no classes, use --task regression.",
        )


def report_of_counts(
    confusion: NDArray[np.int64], *, class_names: Sequence[str] = (), decision_rule: str = ""
) -> ClassificationReport:
    """The report of a confusion matrix, `[classes, classes]` (label, decision), with at least one row counted."""
    names = unique_names(class_names, len(confusion))
    values, notes = _values(confusion, names)
    intervals = bootstrap_intervals(confusion)
    metrics = {}
    for name, value in values["average"].items():
        # Micro averages of one label and one decision a row are the accuracy.
        low, high = (
            _accuracy_interval(confusion)
            if name == "accuracy" or name.endswith("_micro")
            else intervals[name]
        )
        metrics[name] = _estimate(value, low, high)
    metrics.update(_class_estimates(confusion, names, values, intervals["f1"]))
    return ClassificationReport(
        metrics=metrics,
        class_names=names,
        support=tuple(confusion.sum(axis=1).tolist()),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        rows=int(confusion.sum()),
        decision_rule=decision_rule,
        notes=notes,
    )


def _values(confusion: NDArray[np.int64], names: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """scikit-learn's values: `average` by name, and per class an array for each score (NaN: undefined)."""
    label, decision = np.nonzero(confusion)
    weights = confusion[label, decision]
    average = {
        "accuracy": float(accuracy_score(label, decision, sample_weight=weights)),
        # scikit-learn's balanced accuracy, without its warning where classes are decided that no label names.
        "balanced_accuracy": float(
            recall_score(
                label,
                decision,
                sample_weight=weights,
                labels=np.unique(label),
                average="macro",
                zero_division=0,
            )
        ),
        "mcc": _matthews(label, decision, weights),
    }
    for kind in AVERAGES:
        found = precision_recall_fscore_support(
            label, decision, sample_weight=weights, average=kind, zero_division=0
        )
        average.update(
            {f"{score}_{kind}": float(value) for score, value in zip(SCORES, found[:3], strict=True)}
        )
    order = [
        "accuracy",
        "balanced_accuracy",
        *(f"{score}_{kind}" for score in SCORES for kind in AVERAGES),
        "mcc",
    ]
    single = precision_recall_fscore_support(
        label, decision, sample_weight=weights, labels=np.arange(len(names)), zero_division=np.nan
    )
    values: dict[str, Any] = dict(zip(SCORES, single[:3], strict=True))
    values["average"] = {name: average[name] for name in order}
    return values, _notes(confusion, names)


def _matthews(label: NDArray[np.int64], decision: NDArray[np.int64], weights: NDArray[np.int64]) -> float:
    """NaN where one side has one class only: scikit-learn answers 0 there, as for a model that guesses."""
    if min(len(np.unique(label)), len(np.unique(decision))) < 2:
        return float("nan")
    return float(matthews_corrcoef(label, decision, sample_weight=weights))


def confused_pairs(report: ClassificationReport) -> list[dict[str, Json]]:
    """Which class was taken for which, most rows first, at most 20; `share` is of the label's rows."""
    wrong = np.array(report.confusion)
    np.fill_diagonal(wrong, 0)
    count = len(wrong)
    order = np.argsort(-wrong.ravel(), kind="stable")[: min(MOST_PAIRS, np.count_nonzero(wrong))]
    return [
        {
            "label": report.class_names[label],
            "decision": report.class_names[decision],
            "rows": int(wrong[label, decision]),
            "share": int(wrong[label, decision]) / report.support[label],
        }
        for label, decision in (divmod(cell, count) for cell in order.tolist())
    ]


def _notes(confusion: NDArray[np.int64], names: tuple[str, ...]) -> tuple[str, ...]:
    labelled, decided = confusion.sum(axis=1) > 0, confusion.sum(axis=0) > 0
    groups = (
        (
            ~labelled & ~decided,
            "no row is labelled so or decided so: not judged, and left out of the averages",
        ),
        (labelled & ~decided, "never decided: precision is undefined, and counts as 0 in the averages"),
        (~labelled & decided, "no row is labelled so: recall is undefined, and counts as 0 in the averages"),
    )
    single = [
        f"{side} are all of one class: MCC is undefined"
        for side, present in (("Labels", labelled), ("Decisions", decided))
        if present.sum() == 1
    ]
    return (*single, *_class_notes(groups, names))


def _class_notes(groups: Sequence[tuple[NDArray[np.bool_], str]], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"{', '.join(names[index] for index in np.flatnonzero(mask)[:10])}"
        f"{', …' if mask.sum() > 10 else ''}: {words}"
        for mask, words in groups
        if mask.any()
    )


def _class_estimates(
    confusion: NDArray[np.int64],
    names: tuple[str, ...],
    values: dict[str, Any],
    f1_intervals: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> dict[str, Estimate]:
    right, labelled, decided = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    bounds = {
        "precision": wilson_interval(right, decided),
        "recall": wilson_interval(right, labelled),
        "f1": f1_intervals,
    }
    return {
        f"{score}[{name}]": _estimate(values[score][index], bounds[score][0][index], bounds[score][1][index])
        for index, name in enumerate(names)
        for score in SCORES
    }


def _accuracy_interval(confusion: NDArray[np.int64]) -> tuple[float, float]:
    low, high = wilson_interval(int(np.trace(confusion)), int(confusion.sum()))
    return float(low), float(high)


def _estimate(value: float, low: float | None, high: float | None) -> Estimate:
    """The interval always holds the value: a percentile bootstrap of a biased figure may end beside it."""
    if np.isnan(value):
        return Estimate(None)
    if low is None or high is None:
        return Estimate(float(value))
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def unique_names(class_names: Sequence[str], count: int) -> tuple[str, ...]:
    """`count` names that tell the classes apart: as given, by their index where there is none."""
    names = [str(name) for name in class_names][:count]
    names += [str(index) for index in range(len(names), count)]
    return tuple(name if names.count(name) == 1 else f"{name} ({index})" for index, name in enumerate(names))
