"""Is the model worse on some part of the rows? Each slice against all other rows, corrected for asking often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from shipway.bundle.evidence import Estimate, Json
from shipway.evaluation.metrics.bootstrap import RowBootstrap, mean_estimate, share_estimate

SIGNIFICANCE = 0.05
MOST_FOR_EXACT = 20_000
"""Rows up to which shares are compared by Fisher's exact test; above, the score test agrees with it."""


def slice_report(
    slices: Mapping[str, NDArray[np.bool_]], correct: NDArray[np.float64], *, metric: str
) -> tuple[tuple[dict[str, Json], ...], list[str]]:
    """The slices' entries of the evaluation document, in their order, and notes.

    `slices` are masks `[rows]`, which may overlap; `correct` is `Judged.correct`: 1 or 0 (shares, `accuracy` or
    `exact_match`), or minus the error (`mae`). Shares are compared with the rest of the rows by Fisher's exact
    test, two-sided (the score test above 20,000 rows), errors by Welch's. `differs` is at 5 % over all slices
    (Holm 1979). A slice without rows has no figures, one without a rest, or of one row's error, no comparison.
    """
    is_share = metric != "mae"
    entries, chances, notes = [], [], []
    for name, mask in slices.items():
        inside, rest = correct[mask], correct[~mask]
        value = _share(inside) if is_share else _error(inside)
        other = float(abs(rest.mean())) if rest.size else None
        chance = _chance(inside, rest, is_share=is_share)
        if chance is None:
            notes.append(f"Slice {name!r}: {_why(inside, rest)}")
        chances.append(chance)
        entries.append(
            {
                "name": name,
                "rows": int(inside.size),
                "metric": metric,
                **value.to_json(),
                "rest": _finite(other),
                "difference": _finite(None if value.value is None or other is None else value.value - other),
                "p_value": chance,
            }
        )
    corrected = holm(chances)
    return tuple(
        {**entry, "p_holm": chance, "differs": chance is not None and chance < SIGNIFICANCE}
        for entry, chance in zip(entries, corrected, strict=True)
    ), notes


def holm(chances: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for their number (Holm 1979), in their order; None where nothing was tested."""
    tested = sorted((chance, index) for index, chance in enumerate(chances) if chance is not None)
    found: list[float | None] = [None] * len(chances)
    highest = 0.0
    for rank, (chance, index) in enumerate(tested):
        highest = max(highest, min(1.0, chance * (len(tested) - rank)))
        found[index] = highest
    return found


def _share(inside: NDArray[np.float64]) -> Estimate:
    return share_estimate(int(inside.sum()), inside.size)


def _error(inside: NDArray[np.float64]) -> Estimate:
    if not inside.size or not np.isfinite(inside).all():
        return Estimate(None)
    return mean_estimate(float(-inside.mean()), -inside, RowBootstrap(inside.size), limits=(0, np.inf))


def _chance(inside: NDArray[np.float64], rest: NDArray[np.float64], *, is_share: bool) -> float | None:
    """How often chance alone gives such a difference, or None where the two cannot be compared."""
    if not inside.size or not rest.size:
        return None
    if not is_share:
        return _welch(inside, rest)
    right = (int(inside.sum()), int(rest.sum()))
    table = np.array([right, (inside.size - right[0], rest.size - right[1])])
    if inside.size + rest.size <= MOST_FOR_EXACT:
        return float(stats.fisher_exact(table)[1])
    if (table.sum(axis=1) == 0).any():
        return 1.0
    return float(stats.chi2_contingency(table, correction=False)[1])


def _welch(inside: NDArray[np.float64], rest: NDArray[np.float64]) -> float | None:
    both = np.concatenate([inside, rest])
    if min(inside.size, rest.size) < 2 or not np.isfinite(both).all():
        return None
    if np.ptp(both) == 0:
        return 1.0
    if np.ptp(inside) == 0 and np.ptp(rest) == 0:
        return None
    moments = [(float(one.mean()), float(one.std(ddof=1)), one.size) for one in (inside, rest)]
    return float(stats.ttest_ind_from_stats(*moments[0], *moments[1], equal_var=False)[1])


def _why(inside: NDArray[np.float64], rest: NDArray[np.float64]) -> str:
    if not inside.size:
        return "it holds no row, and is not judged"
    if not rest.size:
        return "it holds every row, so there is nothing to compare it with"
    if not np.isfinite(np.concatenate([inside, rest])).all():
        return "rows answered with NaN or infinity have no error, so it is not compared"
    return "too few rows with errors that vary to compare it with the rest"


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
