"""Computes a dense or convolution layer again, on two rows, so that a fault can be planted and compared.

Trusted only where it gives the source's own answer first; stride, padding and activation are told by that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from shipway.sources.base import LayerAnswer
from shipway.types import Array

ROWS = 2
_MOST_PRODUCTS = 200_000_000
"""Multiplications in one computation: a fraction of a second."""
_LARGEST_STRIDE = 4
_AGREES = 1e-3
"""Of the largest magnitude: two orders of summing a layer's products differ by far less."""

Function = Callable[[Array], Array]


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _erf(x: Array) -> Array:
    """Abramowitz and Stegun, 7.1.26: within 1.5e-7, and numpy has none of its own."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(np.sign(x) * (1 - series * np.exp(-np.square(x))))


ACTIVATIONS: Mapping[str, Function] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "softmax": _softmax,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "leaky relu with slope 0.01": lambda x: np.where(x < 0, 0.01 * x, x),
    "leaky relu with slope 0.1": lambda x: np.where(x < 0, 0.1 * x, x),
    "leaky relu with slope 0.2": lambda x: np.where(x < 0, 0.2 * x, x),
    "leaky relu with slope 0.3": lambda x: np.where(x < 0, 0.3 * x, x),
    "elu": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "selu": lambda x: (
        1.0507009873554805 * np.where(x < 0, 1.6732632423543772 * np.expm1(np.minimum(x, 0)), x)
    ),
    "softplus": lambda x: np.logaddexp(x, 0),
    "hard sigmoid of x/6 + 0.5": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard sigmoid of 0.2 x + 0.5": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "silu": lambda x: x * _sigmoid(x),
    "hard swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "gelu by tanh": lambda x: 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3))),
    "gelu by erf": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
}
"""Of the last axis, where an activation has one."""


def nearest_activation(before: Array, after: Array) -> tuple[str, float]:
    """The activation that turns `before` into `after` best, and its largest error as a share of the scale."""
    scale = float(np.abs(after).max()) or 1.0
    errors = {name: _gap(function(before), after) / scale for name, function in ACTIVATIONS.items()}
    best = min(errors, key=lambda name: errors[name])
    return best, errors[best]


def _gap(found: Array, expected: Array) -> float:
    with np.errstate(all="ignore"):
        gap = float(np.abs(found - expected).max())
    return gap if np.isfinite(gap) else np.inf


@dataclass(frozen=True)
class Weighted:
    """A dense or convolution layer as sums of products; channels last, `x` `[rows, places..., channels]`."""

    x: Array
    kernel: Array
    """`[window..., channels in, channels out]`; a dense layer's window is empty."""
    bias: Array
    strides: tuple[int, ...]
    padding: tuple[int, ...]
    """Zeros before the first value, for each place axis."""
    places: tuple[int, ...]
    activation: str
    channels_first: bool
    """Whether the layer's own arrays have the channels in front."""

    def answer(self) -> Array:
        """What the layer gives, in its own layout."""
        with np.errstate(all="ignore"):
            found = ACTIVATIONS[self.activation](self.sums())
        return np.moveaxis(found, -1, 1) if self.channels_first and found.ndim > 2 else found

    def sums(self) -> Array:
        """What goes into the activation."""
        window = self.kernel.ndim - 2
        if not window:
            return np.asarray(self.x @ self.kernel + self.bias)
        margins = [
            (pad, max(0, (count - 1) * stride + size - pad - length))
            for pad, count, stride, size, length in zip(
                self.padding, self.places, self.strides, self.kernel.shape, self.x.shape[1:], strict=False
            )
        ]
        padded = np.pad(self.x, [(0, 0), *margins, (0, 0)])
        axes = tuple(range(1, window + 1))
        seen = sliding_window_view(padded, self.kernel.shape[:window], axis=axes)
        for axis, (stride, count) in enumerate(zip(self.strides, self.places, strict=True), 1):
            index = [slice(None)] * seen.ndim
            index[axis] = slice(0, (count - 1) * stride + 1, stride)
            seen = seen[tuple(index)]
        kernel = np.moveaxis(self.kernel, -2, 0)
        return np.asarray(np.tensordot(seen, kernel, axes=window + 1) + self.bias)


def weighted(layer: LayerAnswer) -> Weighted | None:
    """The layer as sums of products, or None where it is none, is too large, or comes out otherwise."""
    kernel, named = _parameter(layer, "kernel", "weight")
    if kernel is None or len(layer.inputs) != 1 or len(layer.outputs) != 1:
        return None
    x, expected = layer.inputs[0][:ROWS], layer.outputs[0][:ROWS]
    channels_first = named == "weight" and kernel.ndim > 2
    if named == "weight":
        kernel = np.moveaxis(kernel, (0, 1), (-1, -2)) if kernel.ndim > 2 else kernel.T
    if channels_first and x.ndim > 2:
        x, expected = np.moveaxis(x, 1, -1), np.moveaxis(expected, 1, -1)
    if not _is_fit(x, kernel, expected):
        return None
    bias, _ = _parameter(layer, "bias")
    bias = np.zeros(kernel.shape[-1]) if bias is None or bias.shape != kernel.shape[-1:] else bias
    for strides, padding in _settings(x, kernel, expected):
        layer_again = Weighted(
            x.astype(np.float64), kernel.astype(np.float64), bias.astype(np.float64), strides, padding,
            expected.shape[1:-1], "none", channels_first,
        )  # fmt: skip
        activation, error = nearest_activation(layer_again.sums(), expected)
        if error < _AGREES:
            return replace(layer_again, activation=activation)
    return None


def _parameter(layer: LayerAnswer, *names: str) -> tuple[Array | None, str]:
    for key, array in layer.parameters.items():
        name = key.rpartition("/")[2].rpartition(".")[2]
        if name in names:
            return array, name
    return None, ""


def _is_fit(x: Array, kernel: Array, expected: Array) -> bool:
    window = kernel.ndim - 2
    if not 0 <= window <= 3 or (window and x.ndim != window + 2) or x.ndim < 2 or expected.ndim != x.ndim:
        return False
    if x.shape[-1] != kernel.shape[-2] or expected.shape[-1] != kernel.shape[-1]:
        return False
    return expected[..., 0].size * kernel.size <= _MOST_PRODUCTS and bool(np.isfinite(expected).all())


def _settings(x: Array, kernel: Array, expected: Array) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Strides and paddings that give the answer's shape."""
    sizes = zip(
        x.shape[1:-1], kernel.shape[:-2], expected.shape[1:-1], strict=False
    )  # a dense layer has no window
    axes = [list(_axis_settings(*axis)) for axis in sizes]
    for chosen in product(*axes):
        yield tuple(stride for stride, _ in chosen), tuple(padding for _, padding in chosen)


def _axis_settings(length: int, size: int, count: int) -> Iterator[tuple[int, int]]:
    """Stride and zeros in front: `same` in the way of TensorFlow, or as many zeros on both ends."""
    for stride in range(1, _LARGEST_STRIDE + 1):
        paddings = {pad for pad in range(size) if (length + 2 * pad - size) // stride + 1 == count}
        if -(-length // stride) == count:
            paddings.add(max(0, (count - 1) * stride + size - length) // 2)
        yield from ((stride, padding) for padding in sorted(paddings))
