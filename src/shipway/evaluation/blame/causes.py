"""What a wrong answer looks like: cheap comparisons that turn "it differs" into the likely cause.

Nothing here decides a verdict; a cause is named only where the answers fit once it is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np

from shipway.bundle.closeness import row_errors
from shipway.types import Array

Outputs = Mapping[str, Array]

MOST_VALUES = 4_000_000
"""Larger outputs are compared on their first rows, to this many values."""


def swapped_outputs(found: Outputs, reference: Outputs, fits: Callable[[str, Array], bool]) -> str | None:
    """Names two outputs whose answers stand under each other's name.

    `fits(name, array)` says whether `array` is within the budget of the reference's output `name`.
    """
    names = [name for name in reference if name in found]
    for one, other in combinations(names, 2):
        if found[one].shape != reference[other].shape or found[other].shape != reference[one].shape:
            continue
        if fits(one, found[other]) and fits(other, found[one]):
            return f"outputs {one!r} and {other!r} look swapped"
    return None


def likely_cause(found: Array, reference: Array, *, scale: float, budget: float) -> str | None:
    """Why a float output, `[rows, ...]`, may differ, or None. Both arrays have one shape."""
    if reference.dtype.kind != "f" or reference.ndim < 2 or not reference.size or len(reference) < 2:
        return None
    rows = max(2, MOST_VALUES // max(1, reference[0].size))
    found, reference = found[:rows].astype(np.float64), reference[:rows].astype(np.float64)
    if not (np.isfinite(found).all() and np.isfinite(reference).all()):
        return None

    def fits(candidate: Array) -> bool:
        return bool(row_errors(candidate, reference, scale=scale).max() <= 4 * budget)

    if reference.shape[-1] > 1 and fits(found[..., ::-1]):
        return "the values stand in reversed order along the last axis"
    if fits(found[::-1]):
        return "the rows stand in reversed order"
    if any(fits(np.roll(found, places, axis=1)) for places in (1, -1)):
        return "the values are shifted by one place"
    offset = (reference - found).mean(axis=0)
    if fits(found + offset):
        return "the difference is the same in every row: a bias that was lost or changed"
    factor = float((found * reference).sum()) / (float(np.square(found).sum()) or 1.0)
    if factor and fits(found * factor):
        return f"the answers are the source's times {1 / factor:.4g}"
    return _permuted_columns(found, reference, fits)


def _permuted_columns(found: Array, reference: Array, fits: Callable[[Array], bool]) -> str | None:
    """Whether sorting the columns by their first rows' values in both gives the same answers."""
    if reference.ndim != 2 or not 2 < reference.shape[1] <= 10_000:
        return None
    order_found, order_reference = np.lexsort(found[:4]), np.lexsort(reference[:4])
    restored = np.empty_like(found)
    restored[:, order_reference] = found[:, order_found]
    return "the values stand in another order along the last axis" if fits(restored) else None
