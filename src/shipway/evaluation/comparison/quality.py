"""Two models' figures side by side on the same labels, with the paired interval of every difference that has
one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from shipway.bundle.evidence import Estimate, Json, Verdict
from shipway.evaluation.comparison.delong import MOST_VALUES, auc_difference
from shipway.evaluation.comparison.differences import UNBOUNDED, Bounds, PairedDifference, finite
from shipway.evaluation.comparison.non_inferiority import (
    broken_answers,
    error_non_inferiority,
    non_inferiority,
)
from shipway.evaluation.comparison.paired_bootstrap import (
    bootstrap_decisions,
    bootstrap_errors,
    bootstrap_means,
)
from shipway.evaluation.comparison.tango import tango_bounds, tango_interval
from shipway.evaluation.metrics.calibration import row_losses
from shipway.evaluation.metrics.classes import judge_classes
from shipway.evaluation.metrics.decisions import Decisions
from shipway.evaluation.metrics.judged import Judged
from shipway.evaluation.metrics.multilabel import judge_multilabel
from shipway.evaluation.metrics.regression import judge_regression
from shipway.evaluation.metrics.scores import read_scores
from shipway.evaluation.metrics.slices import SIGNIFICANCE, holm
from shipway.types import Array


@dataclass(frozen=True)
class QualityComparison:
    """What the labels say of two models."""

    task: str
    a: Judged
    b: Judged
    differences: tuple[PairedDifference, ...]
    """Figures of the whole, in the order of the evaluation's."""
    classes: tuple[dict[str, Json], ...]
    """Recall class by class; empty for a regression."""
    verdicts: tuple[Verdict, ...]

    def to_json(self) -> dict[str, Json]:
        """The document's part on quality."""
        return {
            "task": self.task,
            "rows": self.a.rows,
            "decision_rule": self.a.decision_rule,
            "metrics": [difference.to_json() for difference in self.differences],
            "classes": [dict(one) for one in self.classes],
        }


def compare_classes(
    labels: NDArray[np.int64],
    a: Decisions,
    b: Decisions,
    *,
    class_names: Sequence[str],
    margin: float,
    subject: str,
    are_same: bool,
) -> QualityComparison:
    """One class a row: accuracy is what is judged. Labels are class indices, `[rows]`. Raises `LabelError`."""
    judged = [judge_classes(labels, side, class_names=class_names) for side in (a, b)]
    count = max(a.class_count, b.class_count, int(labels.max()) + 1)
    bounds = {name: found.bounds for name, found in _of_decisions(labels, a, b, count).items()}
    right = [side.correct > 0 for side in judged]
    bounds |= dict.fromkeys(("accuracy", "precision_micro", "recall_micro", "f1_micro"), _of_shares(*right))
    for difference in _of_scores(labels, a, b):
        bounds[difference.metric] = difference.bounds
    return QualityComparison(
        task="classification",
        a=judged[0],
        b=judged[1],
        differences=_side_by_side(judged[0].metrics, judged[1].metrics, bounds),
        classes=_class_recalls(labels, right, judged[0].names),
        verdicts=(_judge_shares(*right, subject=subject, margin=margin, are_same=are_same),),
    )


def compare_label_sets(
    labels: Array,
    a: Decisions,
    b: Decisions,
    *,
    class_names: Sequence[str],
    margin: float,
    subject: str,
    are_same: bool,
) -> QualityComparison:
    """Several classes a row: a row counts as right where all of them are. Labels are `[rows, classes]`."""
    judged = [judge_multilabel(labels, side, class_names=class_names) for side in (a, b)]
    right = [side.correct > 0 for side in judged]
    return QualityComparison(
        task="multilabel",
        a=judged[0],
        b=judged[1],
        differences=_side_by_side(judged[0].metrics, judged[1].metrics, {"exact_match": _of_shares(*right)}),
        classes=(),
        verdicts=(
            _judge_shares(*right, subject=subject, margin=margin, are_same=are_same, metric="exact_match"),
        ),
    )


def compare_numbers(
    labels: Array,
    a: Array,
    b: Array,
    *,
    decision_rule: str,
    output_names: Sequence[str],
    margin: float,
    subject: str,
    are_same: bool,
) -> QualityComparison:
    """A regression, `[rows]` or `[rows, outputs]`: MAE and RMSE are judged, `margin` being a share of A's."""
    judged = [
        judge_regression(labels, side, decision_rule=decision_rule, output_names=output_names)
        for side in (a, b)
    ]
    is_finite = [np.asarray(np.isfinite(side.predicted).all(axis=1)) for side in judged]
    bounds: dict[str, Bounds] = {}
    verdicts: list[Verdict] = []
    if all(side.all() for side in is_finite):
        found = bootstrap_errors(*(side.predicted - side.labels for side in judged))
        bounds = {name: difference.absolute.bounds for name, difference in found.items()}
        verdicts = [
            error_non_inferiority(
                difference.relative, n=judged[0].rows, subject=subject, margin=margin, are_same=are_same
            )
            for difference in found.values()
        ]
    else:
        verdicts = [_judge_broken(*is_finite, subject=subject)]
    return QualityComparison(
        task="regression",
        a=judged[0],
        b=judged[1],
        differences=_side_by_side(judged[0].metrics, judged[1].metrics, bounds),
        classes=(),
        verdicts=tuple(verdicts),
    )


def _judge_broken(a: NDArray[np.bool_], b: NDArray[np.bool_], *, subject: str) -> Verdict:
    """Errors that are no numbers: B's own fault where A answers those rows."""
    fault = np.flatnonzero(a & ~b)
    if len(fault):
        return broken_answers("mae", rows=len(fault), first=int(fault[0]), subject=subject)
    return error_non_inferiority(PairedDifference("mae", None, None, UNBOUNDED), n=len(a), subject=subject)


def _of_decisions(
    labels: NDArray[np.int64], a: Decisions, b: Decisions, count: int
) -> dict[str, PairedDifference]:
    return bootstrap_decisions(labels, a.predicted, b.predicted, class_count=count)


def _of_shares(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> Bounds:
    """Bounds of the change of a share of rows, by Tango."""
    n, won, lost = len(a), int((b & ~a).sum()), int((a & ~b).sum())
    low, high = tango_interval(n=n, b=won, c=lost)
    return Bounds(low, high, *tango_bounds(n=n, b=won, c=lost), None, "tango")


def _judge_shares(
    a: NDArray[np.bool_],
    b: NDArray[np.bool_],
    *,
    subject: str,
    margin: float,
    are_same: bool,
    metric: str = "accuracy",
) -> Verdict:
    return non_inferiority(
        n=len(a),
        b=int((a & ~b).sum()),
        c=int((b & ~a).sum()),
        subject=subject,
        margin=margin,
        metric=metric,
        are_same=are_same,
    )


def _of_scores(labels: NDArray[np.int64], a: Decisions, b: Decisions) -> list[PairedDifference]:
    """ROC-AUC, log loss and Brier, where both models give what these need."""
    scores = [read_scores(side) for side in (a, b)]
    found = []
    shape = scores[0].ranking.shape
    if shape[1] and shape == scores[1].ranking.shape and scores[0].ranking.size <= MOST_VALUES:
        single = shape[1] == 1
        found.append(
            auc_difference(labels, *(side.ranking[:, 0] if single else side.ranking for side in scores))
        )
    probabilities = [side.probabilities for side in scores]
    if probabilities[0] is not None and probabilities[1] is not None:
        terms: Mapping[str, Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]]] = {
            "log_loss": row_losses,
            "brier": _squares,
        }
        found += [
            bootstrap_means(name, term(labels, probabilities[0]), term(labels, probabilities[1]))
            for name, term in terms.items()
        ]
    return found


def _squares(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row's Brier score, of two classes half the sum over them."""
    rows = np.arange(len(labels))
    given = probabilities[rows, labels]
    total = (probabilities**2).sum(axis=1) - 2 * given + 1
    return np.asarray(total / 2 if probabilities.shape[1] == 2 else total)


def _side_by_side(
    a: Mapping[str, Estimate], b: Mapping[str, Estimate], bounds: Mapping[str, Bounds]
) -> tuple[PairedDifference, ...]:
    names = [name for name in a if not name.endswith("]") or name.startswith("top_k")]
    return tuple(
        PairedDifference(
            name, a[name].value, b[name].value if name in b else None, bounds.get(name, UNBOUNDED)
        )
        for name in names
    )


def _class_recalls(
    labels: NDArray[np.int64], right: Sequence[NDArray[np.bool_]], names: Sequence[str]
) -> tuple[dict[str, Json], ...]:
    """Of each class's rows, how many each model finds; McNemar's exact test, corrected for the classes."""
    found: list[dict[str, Json]] = []
    chances: list[float | None] = []
    for index in np.unique(labels).tolist():
        mine = labels == index
        a, b = right[0][mine], right[1][mine]
        won, lost = int((b & ~a).sum()), int((a & ~b).sum())
        bounds = _of_shares(a, b)
        chances.append(float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0)
        found.append(
            {
                "class": names[index] if index < len(names) else str(index),
                "rows": len(a),
                "a": float(a.mean()),
                "b": float(b.mean()),
                "difference": float(b.mean() - a.mean()),
                "low": finite(bounds.low),
                "high": finite(bounds.high),
            }
        )
    return tuple(
        {
            **one,
            "p_value": chance,
            "p_holm": corrected,
            "differs": corrected is not None and corrected < SIGNIFICANCE,
        }
        for one, chance, corrected in zip(found, chances, holm(chances), strict=True)
    )
