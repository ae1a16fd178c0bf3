"""Two models' figures in one list, each with the bounds of its difference, and what is to be noted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from shipway.bundle.evidence import Estimate
from shipway.evaluation.comparison.differences import (
    UNBOUNDED,
    Bounds,
    PairedDifference,
    unmoved_bounds,
)
from shipway.evaluation.metrics.calibration import LARGEST_LOSS
from shipway.evaluation.metrics.judged import Judged, listed

WIDTHS: Mapping[str, float] = {"mcc": 2.0, "log_loss": LARGEST_LOSS}
"""How far apart the ends of a figure are; others are shares, or have no ends."""
ENDLESS = ("mae", "rmse", "r2", "error_")


def pair_figures(
    a: Judged, b: Judged, bounds: Mapping[str, Bounds], *, widths: Mapping[str, float] | None = None
) -> tuple[PairedDifference, ...]:
    """Figures of the whole that either model has, A's order first, with the bounds of their differences.

    What no draw of rows moves is bounded by the rows that were not seen, where the figure has ends; `widths`
    tells of ends other than those of `WIDTHS`.
    """
    names = [
        name for name in {**a.metrics, **b.metrics} if not name.endswith("]") or name.startswith("top_k")
    ]
    known = {**WIDTHS, **(widths or {})}
    nothing = Estimate(None)
    return tuple(
        _bounded(
            PairedDifference(
                name,
                a.metrics.get(name, nothing).value,
                b.metrics.get(name, nothing).value,
                bounds.get(name, UNBOUNDED),
            ),
            rows=a.rows,
            width=math.inf if name.startswith(ENDLESS) else known.get(name, 1.0),
        )
        for name in names
    )


def _bounded(difference: PairedDifference, *, rows: int, width: float) -> PairedDifference:
    change = difference.change
    if change is None:
        return PairedDifference(difference.metric, difference.a, difference.b, UNBOUNDED)
    if difference.bounds.low is not None or math.isinf(width):
        return difference
    bounds = unmoved_bounds(change, rows=rows, width=width)
    return PairedDifference(difference.metric, difference.a, difference.b, bounds)


def notes_of(a: Judged, b: Judged, differences: Sequence[PairedDifference]) -> tuple[str, ...]:
    """What was noted of both, of one of them, and of the differences."""
    both = [note for note in a.notes if note in b.notes]
    own = [
        f"{side}: {note}"
        for side, judged in (("A", a), ("B", b))
        for note in judged.notes
        if note not in both
    ]
    return (*both, *own, *_notes(differences))


def _notes(differences: Sequence[PairedDifference]) -> Iterable[str]:
    for side, lone in (
        ("A", [one.metric for one in differences if one.b is None and one.a is not None]),
        ("B", [one.metric for one in differences if one.a is None and one.b is not None]),
    ):
        if lone:
            yield f"{listed(lone)}: defined for {side} alone, so there is no difference"
    equal = [one.metric for one in differences if one.change is not None and one.bounds.low is None]
    if equal:
        yield f"{listed(equal)}: no interval, because these rows do not tell how far the difference may move"
