"""How findings name rows and figures, so that all of them read alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import numpy as np

MOST_EXAMPLES: Final = 5
_NAMED: Final = 3
"""Rows of one group that are named; the others are counted."""


def name_rows(rows: Iterable[int]) -> tuple[str, ...]:
    """`row 17`, the first five."""
    return tuple(f"row {row}" for row in islice(rows, MOST_EXAMPLES))


def name_groups(groups: Iterable[Sequence[int]]) -> tuple[str, ...]:
    """`rows 3 and 90`, `rows 3, 90, 91 and 4 more`, the first five groups."""
    return tuple(_name_group(group) for group in islice(groups, MOST_EXAMPLES))


def name_places(places: Iterable[str]) -> tuple[str, ...]:
    """The first five."""
    return tuple(islice(places, MOST_EXAMPLES))


def counted(count: int, noun: str) -> str:
    """`1 row`, `2 rows`, `2 classes`."""
    if count == 1:
        return f"1 {noun}"
    plural = "es" if noun.endswith("s") else "s"
    return f"{count} {noun[:-1]}ies" if noun.endswith("y") else f"{count} {noun}{plural}"


def figure(value: float) -> str:
    """Four digits, whole numbers without a point."""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e6 else f"{value:.4g}"


def share(count: int, of: int) -> str:
    """`3.2 %`, `99.8 %`."""
    percent = 100 * count / max(1, of)
    return f"{percent:.2g} %" if percent < 10 else f"{percent:.3g} %"


def first_rows(mask: Sequence[bool] | np.ndarray, row_numbers: np.ndarray) -> list[int]:
    """The numbers in the file of the first rows where `mask` holds, as many as are named."""
    found: list[int] = row_numbers[np.flatnonzero(mask)[:MOST_EXAMPLES]].tolist()
    return found


def _name_group(group: Sequence[int]) -> str:
    shown = [str(row) for row in group[:_NAMED]]
    more = len(group) - len(shown)
    if more:
        return f"rows {', '.join(shown)} and {more} more"
    return f"rows {', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else f"row {shown[0]}"
