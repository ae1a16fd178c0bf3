"""Finds a layer's answer among a candidate's values by what it holds: names and places change in conversion.

Converters move channels first or last, flatten, and drop or add axes of size one; none of that is a fault, so
a layer's answer is compared in each of those layouts. Any other order of the values is not the same answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.closeness import output_scale, row_errors, row_scales
from shipway.evaluation.blame.tapped import NodeAnswer
from shipway.types import Array

_PROBED_PLACES = 64
"""Of each row: enough to rule out most values without reading them whole."""


@dataclass(frozen=True)
class Match:
    """The value that lies nearest to a layer's answer."""

    error: float
    """The largest difference, normalized by the row's scale; infinite where no value has that size."""
    position: int
    """Among the nodes; -1 where no value has that size."""


NO_MATCH = Match(np.inf, -1)


@dataclass(frozen=True)
class _Held:
    position: int
    rows: Array
    """`[rows, values of one row]`."""


class ValueIndex:
    """A candidate's float values by their size."""

    def __init__(self, nodes: Sequence[NodeAnswer], *, rows: int) -> None:
        """`rows` is how many were asked: it tells the axis of the rows in a value that has another in front."""
        self._groups: dict[tuple[int, int], list[_Held]] = defaultdict(list)
        self._probes: dict[tuple[int, int], NDArray[np.float64]] = {}
        for position, node in enumerate(nodes):
            if node.value.dtype.kind == "f" and node.value.size and node.value.ndim:
                held = _as_rows(node.value, rows)
                self._groups[held.shape[0], held.shape[1]].append(_Held(position, held))

    def nearest(self, answer: Array) -> Match:
        """The value nearest to `answer` (`[rows, ...]`) in any of its layouts; the first of equally near ones."""
        best = NO_MATCH
        if not answer.ndim or not answer.size:
            return best
        key = len(answer), answer.size // len(answer)
        group = self._groups.get(key)
        if not group:
            return best
        scale = output_scale(answer)
        turned = list(layouts(answer))
        bounds = np.concatenate([self._bounds(key, rows, scale) for rows in turned])
        for place in np.argsort(bounds, kind="stable"):
            if bounds[place] >= best.error:
                break
            layout, number = divmod(int(place), len(group))
            error = float(row_errors(group[number].rows, turned[layout], scale=scale).max())
            if error < best.error:
                best = Match(error, group[number].position)
        return best

    def same_size(self, answer: Array, *, after: int) -> list[int]:
        """Positions beyond `after` of the values that have as many rows, and as many values in each."""
        if not answer.ndim or not answer.size:
            return []
        held = self._groups.get((len(answer), answer.size // len(answer)), ())
        return sorted({value.position for value in held if value.position > after})

    def _bounds(self, key: tuple[int, int], answer: Array, scale: float) -> NDArray[np.float64]:
        """For each value of the group, a difference that the whole of it reaches at least."""
        places = np.linspace(0, key[1] - 1, min(key[1], _PROBED_PLACES)).astype(int)
        if key not in self._probes:
            self._probes[key] = np.stack(
                [held.rows[:, places].astype(np.float64) for held in self._groups[key]]
            )
        with np.errstate(invalid="ignore", over="ignore"):
            gaps = np.abs(self._probes[key] - answer[:, places]) / row_scales(answer, scale=scale)[:, None]
        return np.asarray(np.nan_to_num(gaps, nan=0.0, posinf=0.0).max(axis=(1, 2)))


def layouts(answer: Array) -> Iterator[Array]:
    """`answer` as `[rows, values]`: as it is, with its channels moved from last to first, from first to last."""
    if not answer.ndim or not answer.size:
        return
    rows = len(answer)
    yield answer.reshape(rows, -1)
    if answer.ndim > 2:
        yield np.moveaxis(answer, -1, 1).reshape(rows, -1)
    if answer.ndim > 3:
        yield np.moveaxis(answer, 1, -1).reshape(rows, -1)


def arranged(value: Array, like: Array) -> Iterator[Array]:
    """`value` in the layout of `like`, which has as many values: one array per layout that it may be in."""
    if value.shape == like.shape:
        yield value
        return
    rows = _as_rows(value, len(like))
    if rows.size != like.size or len(rows) != len(like):
        return
    moves = ((-1, 1), (1, -1)) if like.ndim > 3 else ((-1, 1),) if like.ndim > 2 else ()
    shapes = [(np.moveaxis(like, *move).shape, move) for move in moves]
    fitting = [found for found in shapes if found[0] == value.shape]
    if not fitting:
        yield rows.reshape(like.shape)
    for shape, (origin, target) in fitting or shapes:
        yield np.moveaxis(rows.reshape(shape), target, origin)


def _as_rows(value: Array, rows: int) -> Array:
    """`[rows, values]`. ONNX's LSTM has other axes in front of the rows, of any size or of size one."""
    if len(value) != rows and value.ndim > 2 and rows in value.shape[1:3]:
        value = np.moveaxis(value, value.shape.index(rows, 1), 0)
    return value.reshape(len(value), -1)
