"""The table of what goes wrong inside a converted layer, each cause tested by undoing it on the arrays.

A cause is named only where what the candidate holds is explained by it; no cause is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import permutations

import numpy as np

from shipway.evaluation.blame.layer_arithmetic import ROWS, Weighted, nearest_activation, weighted
from shipway.sources.base import LayerAnswer
from shipway.types import Array

LAYOUT = "layout"
EVAL_MODE = "missing eval mode"
LOST_BIAS = "lost bias"
REVERSED = "reversed channels"
PADDING = "padding"
EPSILON = "epsilon"
ACTIVATION = "activation variant"
RESIZE = "resize mode"
DTYPE = "dtype"
TRUNCATED = "truncated weights"
SWAPPED = "swapped outputs"
BATCH = "batch size baked in"
SHIFTED = "off by one"
SCALED = "scale"

_FITS = 1e-3
"""Of the largest magnitude: what is left once the cause is undone."""
_TELLS = 1e-5
"""Of the largest magnitude: a smaller difference is rounding."""
_LARGEST_FP16 = 65_504.0
_MOST_AXES = 4
_MOST_VALUES = 500_000
"""Larger answers are compared on their first rows, but for what a batch has in common."""
_FEWEST_ROWS = 4
_FACTORS = {
    "silu": ("none", "sigmoid"),
    "hard swish": ("none", "hard sigmoid of x/6 + 0.5"),
}
"""Activations whose values a graph holds on the way to another's."""


class Examined:
    """A layer whose answer is compared with one value after another; what is computed for it is computed once."""

    def __init__(self, layer: LayerAnswer) -> None:
        self.kind = layer.kind.lower()
        self.layer = layer
        self._heads: dict[int, Examined] = {}

    @cached_property
    def again(self) -> Weighted | None:
        """The layer as sums of products."""
        return weighted(self.layer)

    @cached_property
    def planted(self) -> list[tuple[str, Array]]:
        """Causes and the answers that the layer gives with each of them planted, on two rows."""
        return [(cause, again.answer()) for cause, again in _plant(self.again)] if self.again else []

    @cached_property
    def activation(self) -> tuple[str, float]:
        """The source's own, told by its answer."""
        before = self.before()
        if before is None:
            return "", np.inf
        return nearest_activation(before, self.layer.outputs[0][: len(before)])

    def before(self) -> Array | None:
        """What goes into the activation, in the layout of the answer; None where that is not known."""
        if self.again is not None:
            sums = self.again.sums()
            return np.moveaxis(sums, -1, 1) if self.again.channels_first and sums.ndim > 2 else sums
        inputs, outputs = self.layer.inputs, self.layer.outputs
        if len(inputs) == 1 and inputs[0].shape == outputs[0].shape and not self.layer.parameters:
            return inputs[0].astype(np.float64)
        return None

    def head(self, rows: int) -> Examined:
        """The layer on its first rows only."""
        layer = self.layer
        if len(layer.outputs[0]) <= rows:
            return self
        if rows not in self._heads:
            inputs = tuple(array[:rows] for array in layer.inputs)
            outputs = tuple(array[:rows] for array in layer.outputs)
            self._heads[rows] = Examined(replace(layer, inputs=inputs, outputs=outputs))
        return self._heads[rows]


Test = Callable[[Examined, Array, Array], str]
"""The layer, its answer, and the candidate's value in that answer's layout; the cause in words, or `""`."""


def cause_of(layer: LayerAnswer | Examined, answer: Array, value: Array) -> str:
    """Why `value`, `[rows, ...]` in the layout of `answer`, differs from it; `""` where the table has none.

    `answer` is one of the layer's outputs. With an `Examined` further values cost less.
    """
    examined = layer if isinstance(layer, Examined) else Examined(layer)
    if value.shape != answer.shape or not answer.size:
        return ""
    with np.errstate(all="ignore"):
        overflow = _overflow(answer, value)
        if overflow or not (np.isfinite(answer).all() and np.isfinite(value).all()):
            return overflow
        if _gap(value, answer) <= _TELLS or _is_constant(value):
            return ""
        cause = _half_precision(answer, value, 2e-3) or _batch_statistics(examined, answer, value)
        if cause:
            return cause
        rows = max(_FEWEST_ROWS, _MOST_VALUES // answer[0].size)
        wide, expected = value[:rows].astype(np.float64), answer[:rows].astype(np.float64)
        few = examined.head(rows)
        found = next((cause for test in TABLE if (cause := test(few, expected, wide))), "")
        return found or _half_precision(answer, value, 2e-2)


def _overflow(answer: Array, value: Array) -> str:
    lost = ~np.isfinite(value) & np.isfinite(answer)
    if not lost.any():
        return ""
    largest = float(np.abs(answer[lost]).max())
    if largest >= _LARGEST_FP16 * 0.99:
        return f"{DTYPE}: values up to {largest:.3g} are beyond the largest of float16, 65504"
    return ""


def _half_precision(answer: Array, value: Array, limit: float) -> str:
    if value.dtype == np.float16 and _gap(value.astype(np.float64), answer) < limit:
        return f"{DTYPE}: computed in float16"
    if np.array_equal(value, np.trunc(value)) and _gap(value, np.trunc(answer)) == 0:
        return f"{DTYPE}: cut to whole numbers"
    return ""


def _order(examined: Examined, answer: Array, value: Array) -> str:  # noqa: ARG001 - the tests' shape
    """Reversed, shifted, or with exchanged axes."""
    if answer[0].size < 3:
        return ""
    for axis in {1, answer.ndim - 1} - {0}:
        if answer.shape[axis] > 2 and _settles(_gap(np.flip(value, axis), answer), answer, value):
            return f"{REVERSED}: the values stand in reversed order along axis {axis}"
    for places in (1, -1):
        if _settles(_gap(np.roll(value, places, axis=-1), answer), answer, value):
            return f"{SHIFTED}: the values are shifted by one place along the last axis"
    axes = range(1, answer.ndim)
    flat = value.reshape(len(value), -1)
    for order in permutations(axes) if answer.ndim - 1 <= _MOST_AXES else ():
        turned = np.transpose(answer, (0, *order)).reshape(flat.shape)
        if order != tuple(axes) and _settles(_gap(turned, flat), answer, value):
            return f"{LAYOUT}: axes {list(axes)} became {list(order)}"
    return ""


def _flattened(examined: Examined, answer: Array, value: Array) -> str:
    """The layer's input flattened from another layout, or any other order of the same values."""
    for given in examined.layer.inputs:
        if given.ndim > 2 and given.size == answer.size and len(given) == len(answer):
            for order in permutations(range(1, given.ndim)) if given.ndim - 1 <= _MOST_AXES else ():
                turned = np.transpose(given, (0, *order)).reshape(answer.shape)
                if _settles(_gap(turned, value), answer, value):
                    return f"{LAYOUT}: flattened with axes in the order {list(order)}"
    rows = len(answer)
    ours, theirs = (np.sort(array.reshape(rows, -1), axis=1) for array in (answer, value))
    if answer[0].size > 2 and _gap(theirs, ours) < _TELLS:
        return f"{LAYOUT}: the values stand in another order"
    return ""


def _dropout(examined: Examined, answer: Array, value: Array) -> str:
    if "dropout" not in examined.kind:
        return ""
    kept = value != 0
    alive = kept & (answer != 0)
    if kept.all() or not alive.any():
        return ""
    factor = float(np.median(value[alive] / answer[alive]))
    if factor >= 1 and _gap(np.where(kept, answer * factor, 0), value) < _FITS:
        return f"{EVAL_MODE}: dropout sets values to zero and multiplies the others by {factor:.3g}"
    return ""


def _batch_statistics(examined: Examined, answer: Array, value: Array) -> str:
    """Batch normalization by the batch's own mean and variance, which it has in training only."""
    if "norm" not in examined.kind or "layer" in examined.kind or len(answer) < 2:
        return ""
    for axis in (answer.ndim - 1, 1):
        size = answer.shape[axis]
        others = tuple(place for place in range(answer.ndim) if place != axis)
        shift = _first(examined.layer, size, "beta", "bias", default=0.0)
        factor = _first(examined.layer, size, "gamma", "weight", default=1.0)
        scale = float(np.abs(value).max()) or 1.0
        if (
            np.abs(value.mean(axis=others) - shift).max() < 1e-2 * scale
            and np.abs(value.std(axis=others) - np.abs(factor)).max() < 5e-2 * scale
            and np.abs(answer.mean(axis=others) - value.mean(axis=others)).max() > _TELLS * scale
        ):
            return f"{EVAL_MODE}: normalized by the mean and variance of the batch, not by those learned"
    return ""


def _epsilon(examined: Examined, answer: Array, value: Array) -> str:
    if "norm" not in examined.kind:
        return ""
    for axis in (answer.ndim - 1, 1):
        shape = [1] * answer.ndim
        shape[axis] = size = answer.shape[axis]
        shift = np.broadcast_to(_first(examined.layer, size, "beta", "bias", default=0.0), (size,)).reshape(
            shape
        )
        ours, theirs = answer - shift, value - shift
        others = tuple(place for place in range(answer.ndim) if place != axis)
        for along in (others, (axis,)):  # one factor for each channel, or for each place
            factor = (ours * theirs).sum(along, keepdims=True) / np.square(ours).sum(along, keepdims=True)
            near = bool((np.abs(factor - 1) < 0.9).all())
            if near and _gap(ours * factor, theirs) < min(_FITS, _gap(value, answer) / 20):
                return f"{EPSILON}: divided by another root of variance plus epsilon"
    return ""


def _first(layer: LayerAnswer, size: int, *names: str, default: float) -> Array:
    for key, array in layer.parameters.items():
        if key.rpartition("/")[2].rpartition(".")[2] in names and array.shape == (size,):
            return array.astype(np.float64)
    return np.asarray(default)


def _planted(examined: Examined, answer: Array, value: Array) -> str:
    """Dense and convolution layers, computed again with one fault after the other."""
    for cause, found in examined.planted:
        if _explains(found, answer[:ROWS], value[:ROWS]):
            return cause
    return ""


def _plant(again: Weighted) -> Iterator[tuple[str, Weighted]]:
    yield f"{LOST_BIAS}: the layer's bias was not added", replace(again, bias=np.zeros_like(again.bias))
    turned = again.x[..., ::-1]
    yield f"{REVERSED}: the input's channels stand in reversed order (RGB for BGR)", replace(again, x=turned)
    if again.kernel.shape[-1] == again.kernel.shape[-2]:
        kernel = np.swapaxes(again.kernel, -1, -2)
        yield f"{LAYOUT}: the weights are transposed", replace(again, kernel=kernel)
    if again.kernel.ndim > 3:
        if again.kernel.shape[0] == again.kernel.shape[1]:
            kernel = np.swapaxes(again.kernel, 0, 1)
            yield f"{LAYOUT}: the window's height and width are exchanged", replace(again, kernel=kernel)
        kernel = again.kernel[::-1, ::-1]
        yield "mirrored weights: convolution in the place of correlation", replace(again, kernel=kernel)
    for moved in _other_paddings(again.padding):
        cause = f"{PADDING}: {list(moved)} places before the first value instead of {list(again.padding)}"
        yield cause, replace(again, padding=moved)


def _explains(found: Array, answer: Array, value: Array) -> bool:
    return found.shape == value.shape and _settles(_gap(found, value), answer, value)


def _settles(left: float, answer: Array, value: Array) -> bool:
    """Whether the difference that is left once a cause is undone is small, and far smaller than it was."""
    return left < min(_FITS, _gap(value, answer) / 5)


def _other_paddings(padding: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for places in (-1, 1):
        moved = tuple(max(0, pad + places) for pad in padding)
        if moved != padding:
            yield moved


def _truncated(examined: Examined, answer: Array, value: Array) -> str:
    for axis in (answer.ndim - 1, 1):
        others = tuple(place for place in range(answer.ndim) if place != axis)
        still, moving = np.ptp(value, axis=others) == 0, np.ptp(answer, axis=others) > 0
        lost = np.flatnonzero(still & moving)
        kept = [place for place in range(answer.shape[axis]) if place not in set(lost)]
        if not lost.size or not kept:
            continue
        if _gap(np.take(value, kept, axis), np.take(answer, kept, axis)) < _FITS:
            return f"{TRUNCATED}: {lost.size} of {answer.shape[axis]} channels never change"
    again = examined.again
    if again is None or again.kernel.ndim != 2 or again.kernel.size > 1_000_000:
        return ""
    for first in range(1, len(again.kernel)):  # a matrix stored row by row loses the last inputs
        kept_rows = np.arange(len(again.kernel))[:, None] < first
        if _explains(replace(again, kernel=again.kernel * kept_rows).answer(), answer[:ROWS], value[:ROWS]):
            return f"{TRUNCATED}: only the first {first} of {len(again.kernel)} inputs count"
    return ""


def _constant_difference(examined: Examined, answer: Array, value: Array) -> str:  # noqa: ARG001 - as above
    """A difference that is the same in every row, where neither is cut off at zero."""
    if len(answer) < 3:
        return ""
    for axis in (answer.ndim - 1, 1):
        others = tuple(place for place in range(answer.ndim) if place != axis)
        alive = (
            (answer != 0) & (value != 0) if (answer >= 0).all() and (value >= 0).all() else answer == answer
        )
        counts = alive.sum(axis=others, keepdims=True)
        offset = np.where(alive, answer - value, 0).sum(axis=others, keepdims=True) / np.maximum(counts, 1)
        if counts.max() > 2 and _gap(np.where(alive, value + offset, answer), answer) < _FITS / 10:
            return f"{LOST_BIAS}: the difference is the same in every row"
    return ""


def _activation(examined: Examined, answer: Array, value: Array) -> str:
    """Another function of the layer's input, or of its sums."""
    source, error = examined.activation
    before = examined.before() if error <= _FITS else None
    if before is None:
        return ""
    rows = len(before)
    candidate, left = nearest_activation(before, value[:rows])
    if candidate in (source, *_FACTORS.get(source, ("none",))):  # on the way to the source's own
        return ""
    if not _settles(left, answer[:rows], value[:rows]):
        return ""
    return f"{ACTIVATION}: {candidate} in the place of {source}"


def _border(examined: Examined, answer: Array, value: Array) -> str:  # noqa: ARG001 - as above
    """Equal inside and different at the border, or equal once moved by one place."""
    if answer.ndim < 3:
        return ""
    for axes in ((1, 2)[: answer.ndim - 2], tuple(range(2, answer.ndim))):
        if any(answer.shape[axis] < 5 for axis in axes):
            continue
        inside = tuple(slice(2, -2) if axis in axes else slice(None) for axis in range(answer.ndim))
        if _gap(value[inside], answer[inside]) < _FITS:
            return f"{PADDING}: equal inside, different at the border"
        for places in (1, -1):
            moved = np.roll(value, places, axis=axes)
            if _gap(moved[inside], answer[inside]) < _FITS:
                return f"{PADDING}: moved by one place"
    return ""


def _resize(examined: Examined, answer: Array, value: Array) -> str:  # noqa: ARG001 - as above
    """Other values between the same bounds, from a layer that changes the size."""
    resizes = any(word in examined.kind for word in ("resiz", "upsampl", "interpol"))
    if not resizes or len(examined.layer.inputs) != 1:
        return ""
    low, high = float(examined.layer.inputs[0].min()), float(examined.layer.inputs[0].max())
    room = (high - low) * 0.1  # cubic rules overshoot
    if low - room <= value.min() and value.max() <= high + room:
        return f"{RESIZE}: the values between the given ones come from another rule"
    return ""


def _scaled(examined: Examined, answer: Array, value: Array) -> str:  # noqa: ARG001 - as above
    factor = float((answer * value).sum()) / (float(np.square(answer).sum()) or 1.0)
    if factor and _gap(answer * factor, value) < min(_FITS, _gap(value, answer) / 20):
        return f"{SCALED}: the values are the source's times {factor:.4g}"
    return ""


TABLE: tuple[Test, ...] = (
    _order,
    _flattened,
    _dropout,
    _batch_statistics,
    _planted,
    _truncated,
    _epsilon,
    _activation,
    _border,
    _constant_difference,
    _resize,
    _scaled,
)


def _gap(found: Array, expected: Array) -> float:
    """The largest difference as a share of the largest magnitude expected."""
    if not expected.size:
        return 0.0
    gap = float(np.abs(found - expected).max()) / (float(np.abs(expected).max()) or 1.0)
    return gap if np.isfinite(gap) else np.inf


def _is_constant(value: Array) -> bool:
    return bool(value.min() == value.max())
