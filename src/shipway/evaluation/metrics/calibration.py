"""How far probabilities can be believed: log loss, Brier score, expected calibration error and its bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from shipway.bundle.evidence import Estimate, Json
from shipway.evaluation.metrics.bootstrap import RowBootstrap, estimate_of, mean_estimate
from shipway.evaluation.statistics import wilson_interval

BINS = 15
CLIP = float(np.finfo(np.float64).eps)
"""As `sklearn.metrics.log_loss` clips float64: a probability of 0 costs 36.04, not infinity."""
LARGEST_LOSS = -float(np.log(CLIP))


def row_losses(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row's log loss in nats, `[rows]`: minus the logarithm of what its label was given."""
    given = probabilities[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.clip(given, CLIP, 1 - CLIP)))


def probability_estimates(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], draws: RowBootstrap
) -> dict[str, Estimate]:
    """`log_loss`, `brier` and `ece` of `[rows, classes]` by class indices `[rows]`.

    Brier (1950) is the squared distance of a row's probabilities from its label, summed over the classes (0 to
    2); of two classes half of that, the squared error of class 1, as `sklearn.metrics.brier_score_loss` has it.
    ECE (Guo et al. 2017) takes 15 equally wide bins of the largest probability.
    """
    given = probabilities[np.arange(len(labels)), labels]
    most = 1.0 if probabilities.shape[1] == 2 else 2.0
    # Both need a row's label alone of all classes: one-hot tables of a million rows would take 0.5 GB.
    squares = (np.einsum("ij,ij->i", probabilities, probabilities) - 2 * given + 1) * most / 2
    loss = float(log_loss(np.ones(len(given)), np.column_stack([1 - given, given]), labels=[0, 1]))
    right = probabilities.argmax(axis=1) == labels
    calibration = Calibration.of(probabilities.max(axis=1), right)
    return {
        "log_loss": mean_estimate(loss, row_losses(labels, probabilities), draws, limits=(0, LARGEST_LOSS)),
        "brier": mean_estimate(float(squares.mean()), squares, draws, limits=(0, most)),
        "ece": calibration.estimate(draws),
    }


@dataclass(frozen=True)
class Calibration:
    """Claims of certainty, binned by their probability, and what came of them."""

    bin: NDArray[np.int64]
    confidence: NDArray[np.float64]
    right: NDArray[np.float64]
    """1 where the claim held, else 0; all three of one shape, `[rows]` or `[rows, classes]`."""

    @classmethod
    def of(cls, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Calibration:
        """Of claims in [0, 1]; a bin holds its upper end and not its lower, but for 0."""
        edges = np.linspace(0, 1, BINS + 1)[1:-1]
        return cls(np.digitize(confidence, edges, right=True), confidence, right.astype(np.float64))

    def estimate(self, draws: RowBootstrap) -> Estimate:
        """The expected calibration error.

        Chance moves every bin off the diagonal, in the sample and once more in each replicate, so the interval
        is reflected.
        """
        rows = len(self.bin)
        value = float(_error(self._sums(None), self.bin.size))
        claims = draws.sums(np.full(rows, self.bin.size / rows))
        return estimate_of(value, _error(self._sums(draws), claims), rows=rows, reflected=True)

    def to_json(self) -> dict[str, Json]:
        """The bins that hold a claim, each with the share of claims that held and its Wilson interval."""
        index = self.bin.ravel()
        rows = np.bincount(index, minlength=BINS)
        held = np.bincount(index, self.right.ravel(), minlength=BINS)
        claimed = np.bincount(index, self.confidence.ravel(), minlength=BINS)
        low, high = wilson_interval(held, rows)
        return {
            "bins": [
                {
                    "low": number / BINS,
                    "high": (number + 1) / BINS,
                    "rows": int(rows[number]),
                    "confidence": float(claimed[number] / rows[number]),
                    "accuracy": float(held[number] / rows[number]),
                    "accuracy_low": float(low[number]),
                    "accuracy_high": float(high[number]),
                }
                for number in np.flatnonzero(rows).tolist()
            ]
        }

    def _sums(self, draws: RowBootstrap | None) -> NDArray[np.float64]:
        """What was claimed less what held, summed in each bin: `[bins]`, or `[replicates, bins]`."""
        gap = self.confidence - self.right
        if draws is None:
            return np.asarray(np.bincount(self.bin.ravel(), gap.ravel(), minlength=BINS), dtype=np.float64)
        claims = self.bin.size // len(self.bin)
        group = np.repeat(draws.group, claims) * BINS + self.bin.ravel()
        table = np.bincount(group, gap.ravel(), minlength=draws.groups * BINS).reshape(draws.groups, BINS)
        return np.asarray(draws.weights @ table)


def _error(gaps: NDArray[np.float64], claims: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.abs(gaps).sum(axis=-1) / claims)
