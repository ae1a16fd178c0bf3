"""Class labels as they are: missing, broken, out of range, absent classes, rare ones, and how even they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.data.base import Finding
from shipway.evaluation.inspection.wording import (
    MOST_EXAMPLES,
    counted,
    figure,
    name_places,
    name_rows,
    share,
)
from shipway.evaluation.statistics import wilson_interval
from shipway.types import Array

RARE_ROWS: Final = 10
"""With ten rows all right, a class's recall may still be 0.72 (Wilson, 95 %): below, its figures mean little."""
IMBALANCE_NOTE: Final = 3.0
IMBALANCE: Final = 10.0
"""Largest class against smallest. From here on a model that always says the largest is right on nine of ten rows
of the two."""
_MOST_LISTED: Final = 20
"""Classes that get a finding of their own; of more, the set as a whole is told."""
UNUSABLE: Final = -1
"""The code of a label that is no class."""


class ClassWatch:
    """Counts the rows of each class; `codes` are what other examiners know classes by."""

    def __init__(self, class_names: Sequence[str], class_count: int | None) -> None:
        self._names = tuple(class_names)
        self._class_count = class_count or len(self._names) or None
        self._index = {name: number for number, name in enumerate(self._names)}
        self.rows = 0
        self._counts: Counter[int] = Counter()
        self._odd: dict[str, Counter[str]] = {
            "missing": Counter(),
            "label-form": Counter(),
            "label-range": Counter(),
        }
        self._examples: dict[str, list[int]] = {kind: [] for kind in self._odd}

    def see(self, labels: Array, row_numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """One block of labels in any form; gives the class of each row, -1 where it is none. int64 `[rows]`."""
        self.rows += len(labels)
        values = labels.reshape(len(labels), -1)
        codes = self._codes(values, row_numbers)
        for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
            if code != UNUSABLE:
                self._counts[int(code)] += int(count)
        return codes

    def findings(self) -> Iterator[Finding]:
        """All that there is to say of the labels."""
        yield from self._odd_findings()
        if not self._counts:
            return
        yield from self._absent()
        yield from self._rare()
        yield from self._balance()

    def name(self, code: int) -> str:
        """As messages have it."""
        return self._names[code] if 0 <= code < len(self._names) else str(code)

    def _codes(self, values: Array, row_numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        if values.shape[1] > 1:
            return self._from_one_hot(values, row_numbers)
        column = values[:, 0] if values.shape[1] else np.zeros(len(values))
        if column.dtype.kind in "OSU":
            return np.array(
                [
                    self._from_text(item, row)
                    for item, row in zip(column.tolist(), row_numbers.tolist(), strict=True)
                ],
                np.int64,
            )
        return self._from_numbers(column, row_numbers)

    def _from_one_hot(self, values: Array, row_numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        exact = ((values == 0) | (values == 1)).all(axis=1) & (values.sum(axis=1) == 1)
        for row in row_numbers[~exact].tolist():
            self._note("label-form", "no one-hot row", row)
        return np.where(exact, values.argmax(axis=1), UNUSABLE).astype(np.int64)

    def _from_numbers(self, column: Array, row_numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        codes = np.full(len(column), UNUSABLE, np.int64)
        if column.dtype.kind == "f":
            column = column.astype(np.float64)
            finite = np.isfinite(column)
            whole = finite & (column == np.floor(column)) & (np.abs(column) < 2**53)
            for row in row_numbers[~finite].tolist():
                self._note("missing", "no label", row)
            for row, value in zip(
                row_numbers[finite & ~whole].tolist(), column[finite & ~whole].tolist(), strict=True
            ):
                self._note("label-form", figure(value), row)
        else:
            whole = np.ones(len(column), bool)
        usable = whole & (column >= 0)
        if self._class_count is not None:
            usable &= column < self._class_count
        for row, value in zip(
            row_numbers[whole & ~usable].tolist(), column[whole & ~usable].tolist(), strict=True
        ):
            self._note("label-range", str(int(value)), row)
        codes[usable] = column[usable].astype(np.int64)
        return codes

    def _from_text(self, item: Any, row: int) -> int:  # noqa: ANN401 - a cell
        name = item.decode("utf-8", "replace") if isinstance(item, bytes) else item
        if name is None or name == "" or (isinstance(name, float) and np.isnan(name)):
            self._note("missing", "no label", row)
            return UNUSABLE
        if str(name) not in self._index:
            if self._names:
                self._note("label-range", repr(str(name)), row)
                return UNUSABLE
            self._index[str(name)] = len(self._index)
        return self._index[str(name)]

    def _note(self, kind: str, what: str, row: int) -> None:
        known = self._odd[kind]
        known[what if what in known or len(known) < _MOST_LISTED else "others"] += 1
        if len(self._examples[kind]) < MOST_EXAMPLES:
            self._examples[kind].append(row)

    def _odd_findings(self) -> Iterator[Finding]:
        last = "any class" if self._class_count is None else f"0 to {self._class_count - 1}"
        told = {
            "missing": ("have no label", "Label these rows, or leave them out: --drop-bad."),
            "label-form": (
                "have a label that is no class",
                "Give class indices, whole numbers from 0, one a row.",
            ),
            "label-range": (
                f"have a label outside of {last}",
                "Check that the labels belong to this model, and that they count from 0.",
            ),
        }
        for kind, (words, remedy) in told.items():
            found = self._odd[kind]
            count = found.total()
            if not count:
                continue
            shown = (
                "" if kind == "missing" else ": " + ", ".join(f"{v} ({n})" for v, n in found.most_common(5))
            )
            yield Finding(
                kind,
                "error",
                "labels",
                count=count,
                of=self.rows,
                examples=name_rows(self._examples[kind]),
                words=f"{counted(count, 'row')} of {self.rows} {words}{shown}.",
                remedy=remedy,
            )

    def _absent(self) -> Iterator[Finding]:
        known = self._class_count if self._class_count is not None else max(self._counts) + 1
        absent = [code for code in range(min(known, 100_000)) if code not in self._counts]
        if not absent or (not self._names and self._index):  # names without an order: the seen ones are all
            return
        yield Finding(
            "absent-class",
            "warning" if self._class_count is not None else "note",
            "labels",
            count=len(absent),
            of=known,
            examples=name_places(f"class {self._told(code)}" for code in absent),
            words=f"{counted(len(absent), 'class')} of {known} {'has' if len(absent) == 1 else 'have'} no row: "
            "recall there is undefined, and averages over classes leave it out.",
            remedy="Give rows of every class that the model can answer.",
        )

    def _rare(self) -> Iterator[Finding]:
        rare = sorted((count, code) for code, count in self._counts.items() if count < RARE_ROWS)
        if len(rare) > _MOST_LISTED:
            yield Finding(
                "rare-class",
                "warning",
                "labels",
                count=len(rare),
                of=len(self._counts),
                examples=name_places(f"class {self._told(code)}: {counted(n, 'row')}" for n, code in rare),
                words=f"{len(rare)} classes have fewer than {RARE_ROWS} rows each.",
                remedy="Give more rows of them, or read averages that weigh classes by their rows.",
            )
            return
        for count, code in rare:
            low, _ = wilson_interval(count, count)
            yield Finding(
                "rare-class",
                "warning",
                f"class {self._told(code)}",
                count=count,
                of=self.rows,
                examples=(),
                words=f"Class {self._told(code)} has {counted(count, 'row')}: were all of them right, its recall "
                f"could still be {low:.2f} (95 %).",
                remedy="Give more rows of it.",
            )

    def _balance(self) -> Iterator[Finding]:
        if len(self._counts) < 2:
            yield Finding(
                "class-balance",
                "warning",
                "labels",
                count=self.rows,
                of=self.rows,
                examples=(),
                words=f"All rows are of one class, {self._told(next(iter(self._counts)))}: "
                "most metrics are undefined.",
                remedy="Give rows of the other classes.",
            )
            return
        (largest, most), (smallest, fewest) = self._counts.most_common(1)[0], self._counts.most_common()[-1]
        ratio = most / fewest
        if ratio < IMBALANCE_NOTE:
            return
        usable = self._counts.total()
        yield Finding(
            "class-balance",
            "warning" if ratio >= IMBALANCE else "note",
            "labels",
            count=most,
            of=usable,
            examples=(
                f"class {self._told(largest)}: {counted(most, 'row')}",
                f"class {self._told(smallest)}: {counted(fewest, 'row')}",
            ),
            words=f"The largest class has {figure(round(ratio, 1))} times the rows of the smallest; "
            f"always saying {self._told(largest)} would be right on {share(most, usable)}.",
            remedy="Read balanced accuracy, F1 and MCC beside accuracy.",
        )

    def _told(self, code: int) -> str:
        if self._names or not self._index:
            return self.name(code)
        return next(name for name, number in self._index.items() if number == code)
