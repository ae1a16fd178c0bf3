"""Rows that are there more than once, by the hash of their content, within one data set or between two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.data.base import Finding
from shipway.evaluation.inspection.wording import counted, name_groups, name_rows, share

FEW_COPIES: Final = 0.01
"""Up to this share copies move no figure: an interval of accuracy on 1,000 rows is 2 points wide at the best."""


@dataclass(frozen=True)
class Copies:
    """Groups of equal rows; indices are places in the order of `hashes`."""

    order: NDArray[np.intp]
    """All rows, equal ones next to each other, each group in the file's order."""
    starts: NDArray[np.intp]
    """Where each group begins in `order`."""
    sizes: NDArray[np.intp]

    @classmethod
    def of(cls, hashes: NDArray[np.uint8]) -> Copies:
        """`hashes` are uint8 `[rows, 16]`, at least one."""
        words = np.ascontiguousarray(hashes).view(np.uint64)
        order = np.lexsort((words[:, 1], words[:, 0]))
        placed = words[order]
        is_new = np.ones(len(order), bool)
        is_new[1:] = (placed[1:] != placed[:-1]).any(axis=1)
        starts = np.flatnonzero(is_new)
        return cls(order, starts, np.diff(np.append(starts, len(order))))

    @property
    def surplus(self) -> int:
        """Rows that repeat an earlier one."""
        return len(self.order) - len(self.starts)

    @property
    def first_places(self) -> NDArray[np.intp]:
        """One row of each group: the earliest, in the file's order."""
        return np.sort(self.order[self.starts])

    def groups(self, chosen: NDArray[np.intp], row_numbers: NDArray[np.int64]) -> list[list[int]]:
        """The rows' numbers of a few groups, in the file's order."""
        found = [
            row_numbers[self.order[self.starts[g] : self.starts[g] + self.sizes[g]]].tolist()
            for g in chosen.tolist()
        ]
        return sorted(found)

    def earliest(self, chosen: NDArray[np.bool_], most: int = 5) -> NDArray[np.intp]:
        """Of the groups where `chosen` holds, those that come first in the file."""
        groups = np.flatnonzero(chosen)
        return groups[np.argsort(self.order[self.starts[groups]])[:most]]


def copy_findings(
    copies: Copies,
    row_numbers: NDArray[np.int64],
    label_keys: NDArray[np.uint64] | None,
    *,
    is_class: bool,
) -> Iterator[Finding]:
    """Duplicates, and those whose labels differ: an error where labels are classes (`is_class`), not figures."""
    rows = len(copies.order)
    if not copies.surplus:
        return
    repeated = copies.sizes > 1
    yield Finding(
        "duplicates",
        "note" if copies.surplus <= FEW_COPIES * rows else "warning",
        "rows",
        count=copies.surplus,
        of=rows,
        examples=name_groups(copies.groups(copies.earliest(repeated), row_numbers)),
        words=f"{counted(copies.surplus, 'row')} of {rows} ({share(copies.surplus, rows)}) "
        f"{'repeats an earlier one' if copies.surplus == 1 else 'repeat earlier ones'} exactly.",
        remedy="Keep one of each: intervals count every row as new evidence, and are too narrow for copies.",
    )
    if label_keys is not None:
        yield from _contradictions(copies, row_numbers, label_keys, is_class=is_class)


def _contradictions(
    copies: Copies, row_numbers: NDArray[np.int64], label_keys: NDArray[np.uint64], *, is_class: bool
) -> Iterator[Finding]:
    placed = label_keys[copies.order]
    differ = np.minimum.reduceat(placed, copies.starts) != np.maximum.reduceat(placed, copies.starts)
    groups = int(differ.sum())
    if not groups:
        return
    count = int(copies.sizes[differ].sum())
    yield Finding(
        "contradicting-labels",
        "warning" if is_class else "note",  # noise of labels is common, and the rows can be judged
        "labels",
        count=count,
        of=len(placed),
        examples=name_groups(copies.groups(copies.earliest(differ), row_numbers)),
        words=f"{counted(count, 'row')} in {counted(groups, 'group')} of equal inputs have different labels: no "
        "model can answer all of them rightly.",
        remedy="Settle the labels of these rows; if they are right, the inputs miss what tells the rows apart.",
    )


def leakage(
    hashes: NDArray[np.uint8],
    trained_hashes: NDArray[np.uint8],
    *,
    row_numbers: NDArray[np.int64] | None = None,
    called: str = "the training data",
) -> tuple[Finding, ...]:
    """Rows of this data set (uint8 `[rows, 16]`, `split.hash_rows`) that another, which trained the model, holds.

    An error above 1 % of the rows, else a warning; empty where they share none.
    """
    shared = np.isin(_keys(hashes), _keys(trained_hashes))
    count = int(shared.sum())
    if not count:
        return ()
    numbers = np.arange(len(hashes), dtype=np.int64) if row_numbers is None else row_numbers
    return (
        Finding(
            "leakage",
            "error" if count > FEW_COPIES * len(hashes) else "warning",
            "training data",
            count=count,
            of=len(hashes),
            examples=name_rows(numbers[np.flatnonzero(shared)[:5]].tolist()),
            words=f"{counted(count, 'row')} of {len(hashes)} ({share(count, len(hashes))}) "
            f"{'is' if count == 1 else 'are'} in {called} too: what was learned by heart is judged as new.",
            remedy="Take them out of this data, or judge on rows that the training has never seen.",
        ),
    )


def _keys(hashes: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """One value a row that sorts and compares."""
    return np.ascontiguousarray(hashes).view("S16").reshape(-1)
