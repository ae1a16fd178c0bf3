"""Two models on a part of the rows, a slice or a class: is B another there, corrected for asking often?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from shipway.bundle.evidence import Json
from shipway.evaluation.comparison.differences import UNBOUNDED, Bounds, PairedDifference, finite
from shipway.evaluation.comparison.paired_bootstrap import FEWER_REPLICATES, bootstrap_means
from shipway.evaluation.comparison.tango import tango_bounds, tango_interval
from shipway.evaluation.metrics.slices import SIGNIFICANCE, holm

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PartDifference:
    """One figure of both models on some of the rows."""

    name: str
    rows: int
    figure: PairedDifference
    p_value: float | None
    """How often two equally good models differ by as much; None where nothing tells."""
    p_holm: float | None = None
    """The same, corrected for the number of parts (Holm 1979)."""

    @property
    def differs(self) -> bool:
        """At 5 % over all parts."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANCE

    def to_json(self) -> dict[str, Json]:
        """As the document has it."""
        return {
            "name": self.name,
            "rows": self.rows,
            **self.figure.to_json(),
            "p_value": self.p_value,
            "p_holm": self.p_holm,
            "differs": self.differs,
        }


def compare_slices(
    slices: Mapping[str, NDArray[np.bool_]], a: Floats, b: Floats, *, metric: str
) -> tuple[tuple[PartDifference, ...], list[str]]:
    """Both models on each of the masks `[rows]`, in their order, and notes; a slice without rows has no figures.

    `a` and `b` are `Judged.correct`, `[rows]`: 1 or 0 (a share, `metric` being `accuracy` or `exact_match`), or
    minus the absolute error (`mae`). Shares are compared by Tango's interval and McNemar's exact test, errors by
    the paired bootstrap and the paired t-test.
    """
    compare = compare_errors if metric == "mae" else compare_shares
    found, notes = [], []
    for name, mask in slices.items():
        part = compare(name, a[mask], b[mask], metric=metric)
        if not part.rows:
            notes.append(f"Slice {name!r}: it holds no row, and is not compared")
        elif part.p_value is None:
            notes.append(f"Slice {name!r}: nothing tells by how much the errors of its rows may differ")
        found.append(part)
    return corrected(found), notes


def corrected(parts: Sequence[PartDifference]) -> tuple[PartDifference, ...]:
    """The same with `p_holm`."""
    chances = holm([part.p_value for part in parts])
    return tuple(replace(part, p_holm=chance) for part, chance in zip(parts, chances, strict=True))


def compare_shares(name: str, a: Floats, b: Floats, *, metric: str) -> PartDifference:
    """Shares of right rows; `a` and `b` are 1 or 0, `[rows]`."""
    if not a.size:
        return PartDifference(name, 0, PairedDifference(metric, None, None, UNBOUNDED), None)
    before, after = a > 0, b > 0
    won, lost = int((after & ~before).sum()), int((before & ~after).sum())
    bounds = share_bounds(before, after)
    figure = PairedDifference(metric, float(before.mean()), float(after.mean()), bounds)
    chance = float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0
    return PartDifference(name, len(a), figure, chance)


def share_bounds(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> Bounds:
    """Bounds of the change of a share of rows, by Tango; `[rows]`, at least one."""
    n, won, lost = len(a), int((b & ~a).sum()), int((a & ~b).sum())
    low, high = tango_interval(n=n, b=won, c=lost)
    return Bounds(low, high, *tango_bounds(n=n, b=won, c=lost), None, "tango")


def compare_errors(name: str, a: Floats, b: Floats, *, metric: str) -> PartDifference:
    """Mean absolute errors; `a` and `b` are minus each row's error, `[rows]`. None where one is not finite."""
    values = [finite(float(-side.mean())) if side.size else None for side in (a, b)]
    figure = PairedDifference(metric, values[0], values[1], UNBOUNDED)
    if figure.change is not None and len(a) > 1:
        drawn = bootstrap_means(metric, -a, -b, replicates=FEWER_REPLICATES)
        figure = replace(figure, bounds=drawn.bounds)
    return PartDifference(name, len(a), figure, _t_test(a, b) if figure.change is not None else None)


def _t_test(a: Floats, b: Floats) -> float | None:
    """Two-sided; 1 where both err alike on every row, None where they differ by the same on every row."""
    gaps = b - a
    if not gaps.any():
        return 1.0
    if len(gaps) < 2 or np.ptp(gaps) == 0:
        return None
    return float(stats.ttest_1samp(gaps, 0.0).pvalue)
