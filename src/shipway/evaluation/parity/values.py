"""What values an input holds: learned from rows, or from its dtype and range, and new rows drawn from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shipway.types import Array, DType, TensorSpec

SAMPLE_STRINGS = (
    "",
    "a",
    "Shipway",
    "the quick brown fox jumps over the lazy dog",
    "naïve café",
    "日本語",
    "42",
)
EDGE_KINDS = ("zeros", "low", "high", "middle", "ramp", "checkerboard")
BLOCK_ROWS = 16
UNKNOWN_INTEGERS = (0.0, 9.0)
"""Whole numbers without a range are often indices, and the table that they point into has a size we can't see."""


@dataclass(frozen=True)
class Spread:
    """The values of one input, place by place; each array has the shape of one row.

    Place by place, because the columns of a table differ: an index into 4 categories beside one into 1,000.
    """

    spec: TensorSpec
    low: Array
    high: Array
    mean: Array
    deviation: Array
    """Zero or above; infinite where values are drawn evenly between low and high."""
    strings: tuple[str | bytes, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row."""
        return self.low.shape

    @property
    def row_bytes(self) -> int:
        """Of one row in the input's dtype."""
        return int(self.low.size * self.spec.dtype.numpy.itemsize)

    def sample(self, rows: int, generator: np.random.Generator) -> Array:
        """`[rows, ...]` in the input's dtype."""
        size = (rows, *self.shape)
        dtype = self.spec.dtype
        if dtype is DType.BYTES:
            chosen = np.empty(size, dtype=object)
            chosen[...] = np.array(self.strings, dtype=object)[
                generator.integers(len(self.strings), size=size)
            ]
            return chosen
        if dtype is DType.BOOL:
            return generator.random(size) < 0.5
        if dtype.is_integer:
            return _to_integer(self.low + generator.random(size) * (self.high - self.low + 1) - 0.5, self)
        even = np.isinf(self.deviation)
        values = np.where(
            even,
            self.low + generator.random(size) * np.where(even, self.high - self.low, 0.0),
            self.mean + generator.standard_normal(size) * np.where(even, 0.0, self.deviation),
        )
        return np.clip(values, self.low, self.high).astype(dtype.numpy)

    def edge(self, kind: str) -> Array:
        """One row of one of `EDGE_KINDS`, within what the input holds."""
        if self.spec.dtype is DType.BYTES:
            return self._edge_string(kind)
        low, high = (
            np.where(np.isinf(self.low), -3.0, self.low),
            np.where(np.isinf(self.high), 3.0, self.high),
        )
        places = np.arange(low.size).reshape(low.shape)
        shares = {
            "low": np.zeros(low.shape),
            "high": np.ones(low.shape),
            "middle": np.full(low.shape, 0.5),
            "ramp": places / max(1, low.size - 1),
            "checkerboard": np.indices(low.shape).sum(axis=0) % 2 if low.ndim else np.zeros(()),
        }
        values = np.zeros(low.shape) if kind == "zeros" else low + shares[kind] * (high - low)
        if self.spec.dtype is DType.BOOL:
            return np.asarray(values >= 0.5)
        if self.spec.dtype.is_integer:
            return _to_integer(values, self)
        return np.asarray(values).astype(self.spec.dtype.numpy)

    def _edge_string(self, kind: str) -> Array:
        empty = type(self.strings[0])()
        row = np.empty(self.shape, dtype=object)
        row[...] = {"zeros": empty, "high": max(self.strings, key=len)}.get(kind, self.strings[-1])
        return row


def spread_of_data(rows: Array, spec: TensorSpec) -> Spread:
    """What `rows` (`[rows, ...]`, at least one) hold."""
    if spec.dtype is DType.BYTES:
        found = tuple(dict.fromkeys(rows.ravel()[:256].tolist())) or SAMPLE_STRINGS
        return _string_spread(spec, rows.shape[1:], found)
    if spec.dtype is DType.BOOL:
        return _even_spread(spec, rows.shape[1:], (0.0, 1.0))
    if spec.dtype.is_float and np.isnan(rows).any():
        rows = _without_missing(rows)
    mean = rows.mean(axis=0, dtype=np.float64)
    return Spread(
        spec=spec,
        low=rows.min(axis=0).astype(np.float64),
        high=rows.max(axis=0).astype(np.float64),
        mean=mean,
        deviation=np.full_like(mean, np.inf) if spec.dtype.is_integer else _deviation(rows, mean),
    )


def spread_of_spec(
    spec: TensorSpec, shape: tuple[int, ...], value_range: tuple[float, float] | None
) -> Spread:
    """What an input may hold when no row tells: its range, else its dtype's, else a standard normal."""
    if spec.dtype is DType.BYTES:
        return _string_spread(spec, shape, SAMPLE_STRINGS)
    if value_range is not None:
        return _even_spread(spec, shape, value_range)
    if spec.dtype is DType.BOOL:
        return _even_spread(spec, shape, (0.0, 1.0))
    if spec.dtype in (DType.UINT8, DType.INT8):  # pixels and quantized values use the whole range
        limits = np.iinfo(spec.dtype.numpy)
        return _even_spread(spec, shape, (float(limits.min), float(limits.max)))
    if spec.dtype.is_integer:
        return _even_spread(spec, shape, UNKNOWN_INTEGERS)
    return Spread(
        spec=spec,
        low=np.full(shape, -np.inf),
        high=np.full(shape, np.inf),
        mean=np.zeros(shape),
        deviation=np.ones(shape),
    )


def _without_missing(rows: Array) -> Array:
    """NaN as the mean of the others in its place, 0 where there are none: what varies is what is known."""
    known = ~np.isnan(rows)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, rows, 0).sum(axis=0, dtype=np.float64) / counts
    return np.where(known, rows, mean).astype(rows.dtype)


def _deviation(rows: Array, mean: Array) -> Array:
    """Standard deviation by place, a few rows at a time: in float64 256 images of 224 × 224 are 308 MB."""
    squares = np.zeros(mean.shape)
    for start in range(0, len(rows), BLOCK_ROWS):
        squares += np.square(rows[start : start + BLOCK_ROWS] - mean).sum(axis=0)
    return np.asarray(np.sqrt(squares / len(rows)))


def _even_spread(spec: TensorSpec, shape: tuple[int, ...], value_range: tuple[float, float]) -> Spread:
    low, high = value_range
    return Spread(
        spec=spec,
        low=np.full(shape, float(low)),
        high=np.full(shape, float(high)),
        mean=np.full(shape, (low + high) / 2),
        deviation=np.full(shape, np.inf),
    )


def _string_spread(spec: TensorSpec, shape: tuple[int, ...], strings: tuple[str | bytes, ...]) -> Spread:
    nothing = np.zeros(shape)
    return Spread(spec=spec, low=nothing, high=nothing, mean=nothing, deviation=nothing, strings=strings)


def _to_integer(values: Array, spread: Spread) -> Array:
    """Rounded into the range. float64 is exact to 2⁵³ only, so a 64-bit end must not be rounded up past it."""
    limits = np.iinfo(spread.spec.dtype.numpy)
    low = np.ceil(np.maximum(spread.low, float(limits.min)))
    high = np.floor(np.minimum(spread.high, float(limits.max)))
    rounded = np.clip(np.rint(values), low, high)
    top = float(limits.max)
    largest_exact = np.nextafter(top, 0) if int(top) > limits.max else top
    return np.asarray(np.minimum(rounded, largest_exact)).astype(spread.spec.dtype.numpy)
