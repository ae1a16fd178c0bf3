"""What a classifier's output values are: probabilities, logits, or scores that only rank.

Which one it is decides which figures may be told: any score ranks (ROC-AUC, PR-AUC), only probabilities can be
held against frequencies (log loss, Brier, ECE).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from shipway.evaluation.metrics.decisions import Decisions
from shipway.types import Array

ROUNDING = 1e-3
"""How far float32 and float16 probabilities of a row may be from a sum of 1 without a note."""
QUANTIZATION = 0.05
"""The same for probabilities that went through 8 bits; they are scaled to a sum of 1, with a note."""


@dataclass(frozen=True)
class Scores:
    """One row of values for each row judged."""

    kind: str
    """`"probabilities"`, `"logits"`, `"scores"`, or `"none"` where the model tells classes only."""
    ranking: Array
    """`[rows, classes]`, what ranks the rows for each class; of two classes `[rows, 1]`, for class 1."""
    probabilities: NDArray[np.float64] | None = None
    """`[rows, classes]` with a sum of 1; with several labels a row each for itself. None unless known."""
    notes: tuple[str, ...] = field(default=())


def read_scores(decisions: Decisions) -> Scores:
    """The scores behind class decisions.

    Rows of values in [0, 1] with a sum of 1 are probabilities, and scaled in float64 to exactly that, as
    scikit-learn wants. Values of which some are negative are logits: softmax, or the sigmoid of one column.
    Others are scores. With several labels a row (rule `each`) every column is judged as a single one is.
    """
    values = decisions.scores
    if decisions.rule.kind == "label" or values.dtype.kind != "f":
        return Scores("none", values[:, :0], notes=(_LEFT_OUT.format("The model answers with classes only"),))
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        rows = np.flatnonzero(~finite)
        words = f"{rows.size} rows are answered with NaN or infinity (first: row {rows[0]})"
        return Scores("none", values[:, :0], notes=(_LEFT_OUT.format(words),))
    if decisions.rule.kind == "argmax":
        return _of_columns(values)
    return _of_single(values, decisions.rule.threshold, each=decisions.rule.kind == "each")


_LEFT_OUT = "{}: ROC-AUC, PR-AUC, top-k, log loss, Brier and ECE need scores and are left out"
_NO_PROBABILITIES = "{}: they rank the rows, but log loss, Brier and ECE need probabilities and are left out"


def _of_columns(values: Array) -> Scores:
    """`[rows, classes]`, one class a row."""
    binary = values.shape[1] == 2
    # Of two columns the difference ranks as the probability does, and does not saturate.
    ranking = (values[:, 1:].astype(np.float64) - values[:, :1]) if binary else values
    if values.min() < -1e-6:
        probabilities = special.softmax(values.astype(np.float64), axis=1)
        note = f"Output values from {values.min():.3g} to {values.max():.3g} are read as logits (softmax)"
        return Scores("logits", ranking if binary else probabilities, probabilities, (note,))
    sums = values.sum(axis=1, dtype=np.float64)
    apart = float(np.abs(sums - 1).max())
    if apart > QUANTIZATION:
        words = f"Output values are not negative and their rows sum to {sums.min():.3g} to {sums.max():.3g}"
        return Scores("scores", ranking, notes=(_NO_PROBABILITIES.format(words),))
    probabilities = np.maximum(values.astype(np.float64), 0)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    note = f"Rows of probabilities sum to 1 only within {apart:.2g}: each was divided by its sum"
    return Scores(
        "probabilities",
        values[:, 1:] if binary else values,
        probabilities,
        (note,) if apart > ROUNDING else (),
    )


def _of_single(values: Array, threshold: float, *, each: bool) -> Scores:
    """Every column for itself: `[rows, 1]` for two classes, `[rows, classes]` with several labels a row."""
    notes: tuple[str, ...] = ()
    inside = bool((values >= 0).all() and (values <= 1).all())
    if inside and threshold > 0:
        kind, positive = "probabilities", values.astype(np.float64)
    elif threshold <= 0 or not inside:
        kind, positive = "logits", special.expit(values.astype(np.float64))
        notes = (f"Output values from {values.min():.3g} to {values.max():.3g} are read as logits (sigmoid)",)
    else:
        words = f"Output values in [0, 1] with the threshold {threshold:g}"
        return Scores("scores", values, notes=(_NO_PROBABILITIES.format(words),))
    return Scores(kind, values, positive if each else np.hstack([1 - positive, positive]), notes)
