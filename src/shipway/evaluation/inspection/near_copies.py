"""Rows that are nearly the same: a picture saved twice, a table's row with its figures rounded, a text retyped.

Numbers: random hyperplanes give each row 64 signs (Charikar, STOC 2002), and rows whose signs differ in a few
bits are found as neighbors in sorted rotations of them (Manku, Jain and Das Sarma, WWW 2007); a random
projection to 24 half floats (Johnson-Lindenstrauss) then measures their distance. How near is near goes by what
chance would bring about in this data (`near_by_chance.py`). Texts: equal after case, space and punctuation are
gone. Memory: 56 bytes a row, 8 for texts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.data.split import hash_rows
from shipway.evaluation.inspection.near_by_chance import Chance
from shipway.evaluation.inspection.values import channel_axis_of, is_image
from shipway.types import Array

NEAR: Final = 0.05
"""Root mean square difference of a feature, in its own deviations, up to which rows are nearly the same. Of 200
crops of photographs, each saved again as JPEG, 178 are found at quality 95 and 158 at 85; the nearest pairs of
different handwritten digits are at 0.2."""
_MANY_VALUES: Final = 8
"""Distinct values of a feature in the first rows, above which it is no category."""
_LEARNED_ROWS: Final = 1_024
"""The first rows, of which each feature's middle and deviation are taken."""
_LEARNED_BYTES: Final = 32 << 20
_POOLED_SIDE: Final = 32
_POOLED_FEATURES: Final = 4_096
_SIGNS: Final = 64
_MEASURES: Final = 24
_COARSE: Final = 4
"""Measures that are compared first: they rule out most pairs."""
_FLIPPED: Final = 5
"""Signs that may differ: at a distance of `NEAR` one of 64 does on average, six in 1 of 1,000 pairs."""
_ROTATIONS: Final = (0, 16, 32, 48)
_NEIGHBORS: Final = 6
"""Rows after each in sorted order that are compared with it, so that the work grows with the rows alone."""
_MOST_PAIRS: Final = 1_000_000
_CUT: Final = 1_000.0
"""Deviations beyond which a value counts no more, so that half floats hold it."""

_NOT_WORDS: Final = re.compile(r"[\W_]+")


class NearCopies:
    """Follows the rows of all inputs, a block at a time."""

    def __init__(self) -> None:
        self._text_keys: list[NDArray[np.uint64]] = []
        self._waiting: list[Array] = []
        self._scale: _Scale | None = None
        self._varied = 0
        """Features that take many values."""
        self._signs: list[NDArray[np.uint64]] = []
        self._measures: list[NDArray[np.float16]] = []

    def see(self, arrays: Mapping[str, Array]) -> None:
        """The inputs' rows, name → `[rows, ...]`."""
        if any(array.dtype.kind in "OSU" for array in arrays.values()):
            plain = {name: _plain(a) if a.dtype.kind in "OSU" else a for name, a in arrays.items()}
            self._text_keys.append(np.ascontiguousarray(hash_rows(plain)[:, :8]).view(np.uint64).reshape(-1))
        elif any(array[:1].size for array in arrays.values()):
            self._see_features(_features(arrays))

    def pairs(self, places: NDArray[np.intp]) -> NDArray[np.int64]:
        """`[pairs, 2]`, each once, of places in the order seen; `places`: one of each group of exact copies."""
        if self._text_keys:
            return _equal_pairs(np.concatenate(self._text_keys), places)
        if self._waiting and self._scale is None:
            self._learn()
        if not self._signs or len(places) < 2:
            return np.zeros((0, 2), np.int64)
        signs, measures = np.concatenate(self._signs), np.concatenate(self._measures)
        self._signs, self._measures = [signs], [measures]
        return _near_pairs(signs[places], measures[places], places, self._varied)

    def _see_features(self, features: Array) -> None:
        if self._scale is not None:
            self._project(features)
            return
        self._waiting.append(features)
        rows = sum(map(len, self._waiting))
        if rows >= _LEARNED_ROWS or rows * features.shape[1] * 4 >= _LEARNED_BYTES:
            self._learn()

    def _learn(self) -> None:
        waiting, self._waiting = self._waiting, []
        first = np.concatenate(waiting)
        self._scale = _Scale(first)
        placed = np.sort(first[:_LEARNED_ROWS], axis=0)
        self._varied = int(((placed[1:] != placed[:-1]).sum(axis=0) >= _MANY_VALUES).sum())
        for features in waiting:
            self._project(features)

    def _project(self, features: Array) -> None:
        assert self._scale is not None
        signs, measures = self._scale.project(features)
        self._signs.append(signs)
        self._measures.append(measures)


class _Scale:
    """Each feature's middle and deviation, robust against outliers, and the directions rows are projected on."""

    def __init__(self, first: Array) -> None:
        with np.errstate(all="ignore"):
            values = np.where(np.isfinite(first), first, 0).astype(np.float64)
            low, middle, high = np.percentile(values, [25, 50, 75], axis=0)
            deviation = values.std(axis=0)
            robust = (high - low) / 1.349  # of a normal distribution
            whole = float(values.std()) or 1.0
        spread = np.where(robust > 0, np.minimum(robust, deviation), deviation)
        self._middle = middle.astype(np.float32)
        self._scale = np.where(spread > 0, spread, whole).astype(np.float32)
        generator = np.random.default_rng(0)
        directions = generator.standard_normal((values.shape[1], _SIGNS + _MEASURES), dtype=np.float32)
        self._directions = directions / np.float32(math.sqrt(values.shape[1]))

    def project(self, features: Array) -> tuple[NDArray[np.uint64], NDArray[np.float16]]:
        """64 signs in one number, and 24 measures, a row each."""
        with np.errstate(all="ignore"):
            standard = np.nan_to_num((features - self._middle) / self._scale, posinf=_CUT, neginf=-_CUT)
            projected = np.clip(standard, -_CUT, _CUT) @ self._directions
        bits = np.packbits(projected[:, :_SIGNS] > 0, axis=1)
        return bits.view(np.uint64).reshape(-1), projected[:, _SIGNS:].astype(np.float16)


def _near_pairs(
    signs: NDArray[np.uint64], measures: NDArray[np.float16], places: NDArray[np.intp], varied: int
) -> NDArray[np.int64]:
    chance = Chance(measures, varied)
    near = min(NEAR, chance.most())
    if near <= 0:
        return np.zeros((0, 2), np.int64)
    coarse = measures[:, :_COARSE].astype(np.float32)
    found = [np.zeros((0, 2), np.intp)]
    for rotation in _ROTATIONS:
        turned = (signs << np.uint64(rotation)) | (signs >> np.uint64((64 - rotation) % 64))
        order = np.argsort(turned)
        placed, roughly = signs[order], coarse[order]
        for step in range(1, min(_NEIGHBORS, len(order) - 1) + 1):
            close = np.flatnonzero(np.bitwise_count(placed[step:] ^ placed[:-step]) <= _FLIPPED)
            apart = ((roughly[close] - roughly[close + step]) ** 2).sum(axis=1)
            close = close[apart <= _COARSE * (3 * near) ** 2]  # of 4 measures' mean, 9 times is 1 in 10^6
            pairs = np.stack([order[close], order[close + step]], axis=1)
            found.append(pairs[_distances(measures, pairs) <= near])
    pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)[:_MOST_PAIRS]
    members, index = np.unique(pairs, return_inverse=True)
    limits = chance.limits(measures, members)[index.reshape(pairs.shape)].min(axis=1)
    is_copy = (limits > 0) & (_distances(measures, pairs) <= limits)
    return np.asarray(places[pairs[is_copy]], dtype=np.int64)


def _distances(measures: NDArray[np.float16], pairs: NDArray[np.intp]) -> NDArray[np.float32]:
    """Root mean square, as of the features in their deviations."""
    one, other = (measures[pairs[:, side]].astype(np.float32) for side in (0, 1))
    return np.asarray(np.sqrt(((one - other) ** 2).mean(axis=1)))


def _equal_pairs(keys: NDArray[np.uint64], places: NDArray[np.intp]) -> NDArray[np.int64]:
    chosen = keys[places]
    order = np.argsort(chosen, kind="stable")
    same = np.flatnonzero(chosen[order][1:] == chosen[order][:-1])[:_MOST_PAIRS]
    pairs = np.stack([places[order[same]], places[order[same + 1]]], axis=1)
    return np.asarray(pairs, dtype=np.int64)


def _plain(texts: Array) -> Array:
    """Without case, space and punctuation; what is nothing else stays."""
    found = np.empty(texts.shape, object)
    found.reshape(-1)[:] = [_plain_text(item) for item in texts.ravel().tolist()]
    return found


def _plain_text(item: str | bytes | None) -> str | None:
    if item is None:
        return None
    text = item.decode("utf-8", "replace") if isinstance(item, bytes) else item
    return _NOT_WORDS.sub(" ", text.casefold()).strip() or text


def _features(arrays: Mapping[str, Array]) -> Array:
    """float32 `[rows, features]` of all inputs; large images and vectors by means over neighbors."""
    parts = [_pooled(arrays[name]) for name in sorted(arrays)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _pooled(array: Array) -> Array:
    row_shape = array.shape[1:]
    with np.errstate(all="ignore"):  # doubles beyond float32
        values = array.astype(np.float32, copy=False)
        if is_image(row_shape) and math.prod(row_shape) > _POOLED_SIDE**2:
            channels = channel_axis_of(row_shape)
            for axis in (axis for axis in range(len(row_shape)) if axis != channels):
                values = _mean_along(values, axis + 1, -(-row_shape[axis] // _POOLED_SIDE))
        flat = values.reshape(len(array), -1)
        return _mean_along(flat, 1, -(-flat.shape[1] // _POOLED_FEATURES))


def _mean_along(values: Array, axis: int, width: int) -> Array:
    """Means over `width` neighbors; a rest at the end is left out."""
    if width <= 1:
        return values
    size = values.shape[axis] // width
    cut = np.take(values, range(size * width), axis=axis)
    means: Array = cut.reshape(*cut.shape[:axis], size, width, *cut.shape[axis + 1 :]).mean(axis=axis + 1)
    return means


def group_count(pairs: NDArray[np.int64]) -> tuple[int, Sequence[Sequence[int]]]:
    """Rows beyond one of each group that the pairs join, and the first groups, by place."""
    from scipy.sparse import coo_array  # inside: tenths of a second, and most data has no pair
    from scipy.sparse.csgraph import connected_components

    if not len(pairs):
        return 0, ()
    members, index = np.unique(pairs, return_inverse=True)
    ends = index.reshape(pairs.shape)
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(len(members),) * 2)
    count, group = connected_components(graph, directed=False)
    firsts = list(dict.fromkeys(group.tolist()))[:5]
    return len(members) - int(count), [members[group == number].tolist() for number in firsts]
