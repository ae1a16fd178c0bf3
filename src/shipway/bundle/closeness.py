"""How far two answers lie apart: the one measure that export, server and `check` all judge by.

numpy only, because a serving image proves its golden samples with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shipway.types import Array

SCALE_FLOOR = 0.1
"""A row's scale is never taken below this part of the output's whole scale.

Runtimes compute some functions with an absolute accuracy only: over [-22, 22], ONNX Runtime's Sigmoid lies
up to 1.7e-7 from the true value at any size of the result. At a floor of 0.01 an answer of 0.01 would be
charged 1.2e-5 for it, of the 1.5e-5 that float32 is allowed in all; at 0.1 it is 1.7e-6.
"""

SMALLEST_PROBABILITY_SCALE = 1e-4
"""An output within [0, 1] that reaches this is judged on the scale 1, as probabilities are computed."""


def _widened(array: Array) -> Array:
    """BF16, which numpy takes for no float, as the float32 that it is the upper half of."""
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def output_scale(reference: Array) -> float:
    """The scale that an output's differences are judged on. `reference` has any shape and dtype.

    The largest finite magnitude of a float output; 1.0 where all values lie in [0, 1] and reach
    `SMALLEST_PROBABILITY_SCALE`, where nothing is above zero, and for whole numbers, booleans and strings.
    """
    reference = _widened(reference)
    if reference.dtype.kind != "f":
        return 1.0
    values = reference[np.isfinite(reference)]
    if not values.size:
        return 1.0
    lowest, highest = float(values.min()), float(values.max())
    if lowest >= 0 and SMALLEST_PROBABILITY_SCALE <= highest <= 1:
        return 1.0
    return max(abs(lowest), abs(highest)) or 1.0


def row_scales(reference: Array, *, scale: float) -> NDArray[np.float64]:
    """Per row of the first axis: what its differences are divided by, float64 `[rows]`, above zero."""
    reference = _widened(reference)
    rows = reference.shape[0] if reference.ndim else 1
    if reference.size == 0 or reference.dtype.kind != "f":
        return np.full(rows, scale)
    values = reference.reshape(rows, -1)
    magnitude = np.where(np.isfinite(values), np.abs(values), 0).max(axis=1).astype(np.float64)
    scales: NDArray[np.float64] = np.maximum(magnitude, SCALE_FLOOR * scale)
    return scales


def row_errors(found: Array, reference: Array, *, scale: float) -> NDArray[np.float64]:
    """Per row of the first axis: the largest difference, normalized by the row's own scale.

    `found` and `reference` have one shape, `[rows, ...]`; the result has shape `[rows]`, float64, no unit.
    `scale` is `output_scale` of the whole reference that the rows come from. NaN and infinity must stand at
    the same places in both, else the row's error is infinite. Whole numbers, booleans and strings are equal
    (0) or not (infinite).
    """
    found, reference = _widened(found), _widened(reference)
    rows = reference.shape[0] if reference.ndim else 1
    if reference.size == 0:
        return np.zeros(rows)
    left = found.reshape(rows, -1)
    right = reference.reshape(rows, -1)
    if reference.dtype.kind != "f":
        return np.where((left == right).all(axis=1), 0.0, np.inf)
    left, right = left.astype(np.float64), right.astype(np.float64)
    comparable = np.isfinite(left) & np.isfinite(right)
    same_specials = comparable | (left == right) | (np.isnan(left) & np.isnan(right))
    difference = np.abs(np.subtract(left, right, out=np.zeros_like(right), where=comparable)).max(axis=1)
    errors = difference / row_scales(reference, scale=scale)
    return np.where(same_specials.all(axis=1), errors, np.inf)


def scores_beside(outputs: Mapping[str, Array], name: str) -> str | None:
    """The float output `[rows, classes]` that `name` is the decision of, or None.

    That is one whole number, boolean or text a row, beside a single output of two scores a row or more.
    """
    decision = outputs.get(name)
    if decision is None or decision.dtype.kind == "f" or not decision.ndim or decision.size != len(decision):
        return None
    scores = [
        other
        for other, array in outputs.items()
        if array.dtype.kind == "f" and array.ndim == 2 and array.shape[1] > 1 and len(array) == len(decision)
    ]
    return scores[0] if len(scores) == 1 else None


def tied_rows(scores: Array, *, scale: float, budget: float) -> NDArray[np.bool_]:
    """Rows `[rows]` whose two largest scores lie within twice `budget`: rounding decides which class is named.

    Twenty trees that vote ten to ten give 0.5 and 0.5 in one runtime and 0.49999997 in another.
    """
    top = np.partition(scores.astype(np.float64), -2, axis=1)[:, -2:]
    with np.errstate(invalid="ignore"):
        tied = top[:, 1] - top[:, 0] <= 2 * budget * row_scales(scores, scale=scale)
    return np.asarray(tied)
