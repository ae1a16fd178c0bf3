"""Two classifiers' figures that need scores or probabilities, as far as both give them, and their differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.comparison.delong import MOST_VALUES, auc_differences
from shipway.evaluation.comparison.differences import PairedDifference
from shipway.evaluation.comparison.drawn_scores import calibration_difference, ranking_differences
from shipway.evaluation.comparison.paired_bootstrap import bootstrap_means
from shipway.evaluation.comparison.parts import share_bounds
from shipway.evaluation.metrics.bootstrap import RowBootstrap
from shipway.evaluation.metrics.calibration import Calibration, row_losses
from shipway.evaluation.metrics.decisions import Decisions
from shipway.evaluation.metrics.scores import read_scores
from shipway.types import Array

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def class_score_differences(
    labels: Integers, a: Decisions, b: Decisions, draws: RowBootstrap
) -> list[PairedDifference]:
    """Of one class a row, class indices `[rows]`: ROC-AUC (DeLong's bounds up to 20 million values), PR-AUC,
    top-k, log loss, Brier, ECE."""
    sides = [read_scores(side) for side in (a, b)]
    found: list[PairedDifference] = []
    if sides[0].ranking.shape[1] and sides[0].ranking.shape == sides[1].ranking.shape:
        found += _of_rankings(labels, sides[0].ranking, sides[1].ranking, draws)
    if sides[0].probabilities is not None and sides[1].probabilities is not None:
        pair = sides[0].probabilities, sides[1].probabilities
        for name, term in (("log_loss", row_losses), ("brier", _squares)):
            found.append(bootstrap_means(name, term(labels, pair[0]), term(labels, pair[1])))
        before, after = (Calibration.of(side.max(axis=1), side.argmax(axis=1) == labels) for side in pair)
        found.append(calibration_difference(before, after, draws))
    return found


def label_set_score_differences(
    labels: Integers, a: Decisions, b: Decisions, draws: RowBootstrap
) -> list[PairedDifference]:
    """The same of several classes a row, labels `[rows, classes]` of 0 and 1; without top-k."""
    sides = [read_scores(side) for side in (a, b)]
    found: list[PairedDifference] = []
    if sides[0].ranking.shape[1] and sides[0].ranking.shape == sides[1].ranking.shape:
        found += ranking_differences(labels == 1, sides[0].ranking, sides[1].ranking, draws)
    if sides[0].probabilities is not None and sides[1].probabilities is not None:
        pair = sides[0].probabilities, sides[1].probabilities
        losses = [_set_losses(labels, side) for side in pair]
        squares = [((labels - side) ** 2).mean(axis=1) for side in pair]
        before, after = (Calibration.of(side, labels == 1) for side in pair)
        found += [
            bootstrap_means("log_loss", losses[0], losses[1]),
            bootstrap_means("brier", squares[0], squares[1]),
            calibration_difference(before, after, draws),
        ]
    return found


def _of_rankings(labels: Integers, a: Array, b: Array, draws: RowBootstrap) -> list[PairedDifference]:
    """ROC-AUC, PR-AUC and top-k; where DeLong's bounds are known they come last, and count."""
    columns = np.arange(a.shape[1]) if a.shape[1] > 1 else np.array([1])
    found = ranking_differences(labels[:, None] == columns, a, b, draws)
    if a.size <= MOST_VALUES:
        found += [one for one in auc_differences(labels, a, b) if one.bounds.method != "none"]
    return found + _top_k_difference(labels, a, b)


def _top_k_difference(labels: Integers, a: Array, b: Array) -> list[PairedDifference]:
    """As the evaluation has it: k is 5 above 5 classes, else 2 above 2."""
    if a.shape[1] <= 2:
        return []
    k = 5 if a.shape[1] > 5 else 2
    hits = [_among_largest(labels, side, k) for side in (a, b)]
    shares = [float(side.mean()) for side in hits]
    return [PairedDifference(f"top_k_accuracy[{k}]", shares[0], shares[1], share_bounds(hits[0], hits[1]))]


def _among_largest(labels: Integers, scores: Array, k: int) -> NDArray[np.bool_]:
    """Whether each row's label is among the k largest; of equal scores the later class comes first, as in
    `sklearn.metrics.top_k_accuracy_score`."""
    given = scores[np.arange(len(labels)), labels][:, None]
    later = np.arange(scores.shape[1]) > labels[:, None]
    return np.asarray(((scores > given) | ((scores == given) & later)).sum(axis=1) < k)


def _squares(labels: Integers, probabilities: Floats) -> Floats:
    """Each row's Brier score, of two classes half the sum over them."""
    given = probabilities[np.arange(len(labels)), labels]
    total = np.einsum("ij,ij->i", probabilities, probabilities) - 2 * given + 1
    return np.asarray(total / 2 if probabilities.shape[1] == 2 else total)


def _set_losses(labels: Integers, probabilities: Floats) -> Floats:
    """Each row's log loss, the mean over its classes."""
    given = np.where(labels == 1, probabilities, 1 - probabilities)
    own = row_losses(np.zeros(given.size, np.int64), given.reshape(-1, 1))
    return np.asarray(own.reshape(given.shape).mean(axis=1))
