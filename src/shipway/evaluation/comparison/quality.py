"""Two models' figures side by side on the same labels, with the paired interval of every difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.evidence import Json, Verdict
from shipway.evaluation.comparison.differences import UNBOUNDED, Bounds, PairedDifference
from shipway.evaluation.comparison.drawn_label_sets import label_set_differences
from shipway.evaluation.comparison.drawn_numbers import explained_difference, quantile_differences
from shipway.evaluation.comparison.draws import PairedDraws
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
from shipway.evaluation.comparison.parts import (
    PartDifference,
    compare_shares,
    corrected,
    share_bounds,
)
from shipway.evaluation.comparison.score_figures import (
    class_score_differences,
    label_set_score_differences,
)
from shipway.evaluation.comparison.side_by_side import notes_of, pair_figures
from shipway.evaluation.metrics.classes import judge_classes
from shipway.evaluation.metrics.decisions import Decisions
from shipway.evaluation.metrics.judged import Judged, listed
from shipway.evaluation.metrics.multilabel import judge_multilabel
from shipway.evaluation.metrics.regression import judge_regression
from shipway.types import Array


@dataclass(frozen=True)
class QualityComparison:
    """What the labels say of two models."""

    task: str
    a: Judged
    b: Judged
    differences: tuple[PairedDifference, ...]
    """Figures of the whole, in the order of the evaluation's."""
    classes: tuple[PartDifference, ...]
    """Recall class by class; empty for a regression."""
    verdicts: tuple[Verdict, ...]
    slices: tuple[PartDifference, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The document's part on quality."""
        return {
            "task": self.task,
            "rows": self.a.rows,
            "decision_rule": self.a.decision_rule,
            "metrics": [difference.to_json() for difference in self.differences],
            "classes": [_as_class(one) for one in self.classes],
            "slices": [one.to_json() for one in self.slices],
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
    judged = (
        judge_classes(labels, a, class_names=class_names),
        judge_classes(labels, b, class_names=class_names),
    )
    count = max(a.class_count, b.class_count, int(labels.max()) + 1)
    found = [
        *bootstrap_decisions(labels, a.predicted, b.predicted, class_count=count).values(),
        *class_score_differences(labels, a, b, PairedDraws(len(labels), labels)),
    ]
    bounds = {difference.metric: difference.bounds for difference in found}
    right = (judged[0].correct > 0, judged[1].correct > 0)
    bounds |= dict.fromkeys(("accuracy", "precision_micro", "recall_micro", "f1_micro"), share_bounds(*right))
    differences = pair_figures(*judged, bounds, widths={"brier": 1.0 if count == 2 else 2.0})
    names = judged[0].names
    return QualityComparison(
        task="classification",
        a=judged[0],
        b=judged[1],
        differences=differences,
        classes=_class_recalls(labels, judged, names),
        verdicts=(_judge_shares(*right, subject=subject, margin=margin, are_same=are_same),),
        notes=(*notes_of(*judged, differences), *_lone_rows(np.bincount(labels), names)),
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
    judged = (
        judge_multilabel(labels, a, class_names=class_names),
        judge_multilabel(labels, b, class_names=class_names),
    )
    expected, decided = judged[0].labels, (judged[0].predicted, judged[1].predicted)
    wrong = [(expected != side).mean(axis=1) for side in decided]
    draws = PairedDraws(len(expected))
    found = [
        *label_set_differences(expected, *decided, draws),
        *label_set_score_differences(expected, a, b, draws),
        bootstrap_means("hamming_loss", wrong[0], wrong[1]),
    ]
    right = (judged[0].correct > 0, judged[1].correct > 0)
    bounds = {difference.metric: difference.bounds for difference in found}
    differences = pair_figures(*judged, {**bounds, "exact_match": share_bounds(*right)})
    return QualityComparison(
        task="multilabel",
        a=judged[0],
        b=judged[1],
        differences=differences,
        classes=_set_recalls(expected, decided, judged[0].names),
        verdicts=(
            _judge_shares(*right, subject=subject, margin=margin, are_same=are_same, metric="exact_match"),
        ),
        notes=(*notes_of(*judged, differences), *_lone_rows(expected.sum(axis=0), judged[0].names)),
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
    before, after = (
        judge_regression(labels, side, decision_rule=decision_rule, output_names=output_names)
        for side in (a, b)
    )
    is_finite = [np.asarray(np.isfinite(side.predicted).all(axis=1)) for side in (before, after)]
    bounds: dict[str, Bounds] = {}
    verdicts: list[Verdict] = []
    if all(side.all() for side in is_finite):
        found = bootstrap_errors(*(side.predicted - side.labels for side in (before, after)))
        bounds = {name: difference.absolute.bounds for name, difference in found.items()}
        bounds |= {difference.metric: difference.bounds for difference in _drawn_numbers(before, after)}
        verdicts = [
            error_non_inferiority(
                difference.relative, n=before.rows, subject=subject, margin=margin, are_same=are_same
            )
            for difference in found.values()
        ]
    else:
        verdicts = [_judge_broken(*is_finite, subject=subject)]
    differences = pair_figures(before, after, bounds)
    return QualityComparison(
        task="regression",
        a=before,
        b=after,
        differences=differences,
        classes=(),
        verdicts=tuple(verdicts),
        notes=notes_of(before, after, differences),
    )


def _drawn_numbers(a: Judged, b: Judged) -> list[PairedDifference]:
    """R² and the quantiles of the error, all answers being finite."""
    draws = PairedDraws(a.rows)
    before, after = (np.abs(side.predicted - side.labels) for side in (a, b))
    explained = explained_difference(a.labels, a.predicted, b.predicted, draws)
    return [explained, *quantile_differences(before, after, draws)]


def _judge_broken(a: NDArray[np.bool_], b: NDArray[np.bool_], *, subject: str) -> Verdict:
    """Errors that are no numbers: B's own fault where A answers those rows."""
    fault = np.flatnonzero(a & ~b)
    if len(fault):
        return broken_answers("mae", rows=len(fault), first=int(fault[0]), subject=subject)
    return error_non_inferiority(PairedDifference("mae", None, None, UNBOUNDED), n=len(a), subject=subject)


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


def _class_recalls(
    labels: NDArray[np.int64], judged: Sequence[Judged], names: Sequence[str]
) -> tuple[PartDifference, ...]:
    """Of each class's rows, how many each model finds."""
    sides = [side.correct for side in judged]
    return corrected(
        [
            compare_shares(_name(names, index), *(side[labels == index] for side in sides), metric="recall")
            for index in np.unique(labels).tolist()
        ]
    )


def _set_recalls(
    labels: NDArray[np.int64], decided: Sequence[NDArray[np.int64]], names: Sequence[str]
) -> tuple[PartDifference, ...]:
    """The same where a row may have several classes."""
    return corrected(
        [
            compare_shares(
                names[index], *(side[labels[:, index] == 1, index] for side in decided), metric="recall"
            )
            for index in np.flatnonzero(labels.any(axis=0)).tolist()
        ]
    )


def _as_class(part: PartDifference) -> dict[str, Json]:
    """`{"class", "rows", "a", "b", "difference", "low", "high", "p_value", "p_holm", "differs"}`."""
    told = part.to_json()
    return {"class": told.pop("name"), **{key: told[key] for key in told if key not in ("metric", "method")}}


def _name(names: Sequence[str], index: int) -> str:
    return names[index] if index < len(names) else str(index)


def _lone_rows(support: NDArray[np.int64], names: Sequence[str]) -> list[str]:
    lone = [_name(names, index) for index in np.flatnonzero(support == 1).tolist()]
    return [f"{listed(lone)}: one row each, which does not tell how others would fare"] if lone else []
