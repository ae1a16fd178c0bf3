"""Do two models answer alike? Numbers output by output, decisions row by row; no label is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.evidence import Json
from shipway.evaluation.comparison.differences import finite
from shipway.evaluation.metrics.decisions import Decisions
from shipway.evaluation.metrics.scores import read_scores
from shipway.types import Array, Tensors

MOST_EXAMPLES = 10


@dataclass(frozen=True)
class OutputDifference:
    """One output of two models on the same rows."""

    name: str
    rows: int
    rows_differing: int
    """In any bit; texts and whole numbers in their value."""
    largest: float | None
    """The largest absolute difference of two numbers; None for texts, and where only one is finite."""
    largest_row: int | None
    scale: float | None
    """The largest magnitude of A's numbers."""
    is_same: bool
    """Bit by bit, dtype and shape included."""

    def to_json(self) -> dict[str, Json]:
        """As the document has it."""
        return {
            "name": self.name,
            "rows": self.rows,
            "rows_differing": self.rows_differing,
            "max_difference": finite(self.largest),
            "max_difference_row": self.largest_row,
            "scale": finite(self.scale),
            "is_same": self.is_same,
        }


def compare_outputs(a: Tensors, b: Tensors) -> tuple[OutputDifference, ...]:
    """Every output that both have with equal shapes, `[rows, ...]`, in A's order."""
    return tuple(
        _compare(name, a[name], b[name]) for name in a if name in b and a[name].shape == b[name].shape
    )


def _compare(name: str, a: Array, b: Array) -> OutputDifference:
    rows = len(a) if a.ndim else 1
    flat = [array.reshape(rows, -1) for array in (a, b)]
    if {a.dtype.kind, b.dtype.kind} & set("OSU") or not a.size:
        unequal = _texts_differ(*flat) if a.size else np.zeros(rows, bool)
        return OutputDifference(
            name, rows, int(unequal.sum()), None, _first(unequal), None, not unequal.any()
        )
    unequal = _bits_differ(*flat)
    gaps = _gaps(*flat)
    worst = int(gaps.argmax())
    largest = float(gaps[worst])
    magnitude = np.abs(flat[0].astype(np.float64))
    return OutputDifference(
        name=name,
        rows=rows,
        rows_differing=int(unequal.sum()),
        largest=largest,
        largest_row=worst if largest > 0 else _first(unequal),
        scale=float(magnitude[np.isfinite(magnitude)].max(initial=0)),
        is_same=not unequal.any(),
    )


def _gaps(a: Array, b: Array) -> NDArray[np.float64]:
    """The largest difference in each row, `[rows]`; infinite where only one side is finite or both differ so."""
    if a.dtype.kind == b.dtype.kind == "u" or a.dtype.kind == b.dtype.kind == "i":
        # In float64 neighbors above 2**53 would be equal.
        return np.asarray((np.maximum(a, b) - np.minimum(a, b)).max(axis=1).astype(np.float64))
    before, after = a.astype(np.float64), b.astype(np.float64)
    both = np.isfinite(before) & np.isfinite(after)
    alike = (before == after) | (np.isnan(before) & np.isnan(after))
    gaps = np.subtract(after, before, out=np.zeros_like(before), where=both)
    return np.asarray(np.where(both | alike, np.abs(gaps), np.inf).max(axis=1))


def _bits_differ(a: Array, b: Array) -> NDArray[np.bool_]:
    if a.dtype != b.dtype:
        return np.ones(len(a), bool)
    bits = [np.ascontiguousarray(array).view(np.uint8).reshape(len(array), -1) for array in (a, b)]
    return np.asarray((bits[0] != bits[1]).any(axis=1))


def _texts_differ(a: Array, b: Array) -> NDArray[np.bool_]:
    texts = [[_bytes(item) for item in array.ravel().tolist()] for array in (a, b)]
    unequal = np.array([one != other for one, other in zip(*texts, strict=True)], dtype=bool)
    return np.asarray(unequal.reshape(len(a), -1).any(axis=1))


def _bytes(item: object) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()


def _first(mask: NDArray[np.bool_]) -> int | None:
    return int(np.flatnonzero(mask)[0]) if mask.any() else None


@dataclass(frozen=True)
class Flips:
    """Rows that two classifiers decide otherwise."""

    rows: int
    flips: int
    lost: int | None
    """A is right there and B is not; None without labels."""
    won: int | None
    """B is right there and A is not."""
    examples: tuple[dict[str, Json], ...] = field(default=())
    """At most ten: those lost first, then those that B is surest of."""

    def to_json(self) -> dict[str, Json]:
        """As the document has it."""
        return {
            "rows": self.rows,
            "flips": self.flips,
            "lost": self.lost,
            "won": self.won,
            "examples": [dict(example) for example in self.examples],
        }


def find_flips(
    a: Decisions,
    b: Decisions,
    *,
    labels: NDArray[np.int64] | None,
    names: Sequence[str],
    row_numbers: NDArray[np.int64],
) -> Flips:
    """Compares decisions row by row; `labels` are class indices `[rows]`, or `[rows, classes]` of 0 and 1.

    `row_numbers` are the rows' places in the file, `names` the classes'.
    """
    before, after = a.predicted, b.predicted
    flipped = _differ(before, after)
    confidence_a, confidence_b = confidences(a), confidences(b)
    lost = won = np.zeros(len(before), bool)
    if labels is not None:
        right_a, right_b = ~_differ(labels, before), ~_differ(labels, after)
        lost, won = right_a & ~right_b, right_b & ~right_a
    sureness = np.zeros(len(before)) if confidence_b is None else confidence_b
    rows = np.flatnonzero(flipped)
    rows = rows[np.lexsort((rows, -sureness[rows], ~lost[rows]))][:MOST_EXAMPLES]
    return Flips(
        rows=len(before),
        flips=int(flipped.sum()),
        lost=None if labels is None else int(lost.sum()),
        won=None if labels is None else int(won.sum()),
        examples=tuple(
            {
                "row": int(row_numbers[row]),
                "label": None if labels is None else _name(labels[row], names),
                "a": _name(before[row], names),
                "b": _name(after[row], names),
                "a_confidence": None if confidence_a is None else finite(confidence_a[row]),
                "b_confidence": None if confidence_b is None else finite(confidence_b[row]),
            }
            for row in rows.tolist()
        ),
    )


def confidences(decisions: Decisions) -> NDArray[np.float64] | None:
    """The probability of what was decided, `[rows]`; None where the outputs are no probabilities.

    With several classes a row it is that of the least sure of them.
    """
    probabilities = read_scores(decisions).probabilities
    if probabilities is None:
        return None
    if decisions.rule.kind == "each":
        return np.asarray(np.maximum(probabilities, 1 - probabilities).min(axis=1))
    return np.asarray(probabilities[np.arange(len(probabilities)), decisions.predicted])


def _differ(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
    unequal = a != b
    return unequal if unequal.ndim == 1 else np.asarray(unequal.any(axis=1))


def _name(decision: NDArray[np.int64] | np.int64, names: Sequence[str]) -> str:
    if np.ndim(decision):
        held = [_name(np.int64(index), names) for index in np.flatnonzero(decision)]
        return ", ".join(held) or "none"
    index = int(decision)
    return names[index] if 0 <= index < len(names) else str(index)
