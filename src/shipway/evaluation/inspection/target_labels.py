"""Labels that are no single class: several classes a row, and the targets of a regression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.data.base import Finding
from shipway.evaluation.inspection.class_labels import RARE_ROWS
from shipway.evaluation.inspection.values import CONSTANT_ROWS, ValueWatch
from shipway.evaluation.inspection.wording import MOST_EXAMPLES, counted, first_rows, name_places, name_rows
from shipway.types import Array


class MultilabelWatch:
    """Counts the positive rows of each class of labels `[rows, classes]` of 0 and 1."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._names = tuple(class_names)
        self.rows = self._odd = 0
        self._odd_examples: list[int] = []
        self._positive = np.zeros(0, np.int64)

    def see(self, labels: Array, row_numbers: NDArray[np.int64]) -> None:
        """One block."""
        values = labels.reshape(len(labels), -1)
        if not self.rows:
            self._positive = np.zeros(values.shape[1], np.int64)
        self.rows += len(values)
        exact = ((values == 0) | (values == 1)).all(axis=1)
        if not exact.all():
            self._odd += int((~exact).sum())
            if len(self._odd_examples) < MOST_EXAMPLES:
                self._odd_examples += first_rows(~exact, row_numbers)
        self._positive += (values[exact] == 1).sum(axis=0)

    def findings(self) -> Iterator[Finding]:
        """Labels that are neither 0 nor 1; classes without a positive row, or without many."""
        if self._odd:
            yield Finding(
                "label-form",
                "error",
                "labels",
                count=self._odd,
                of=self.rows,
                examples=name_rows(self._odd_examples),
                words=f"{counted(self._odd, 'row')} of {self.rows} have labels that are neither 0 nor 1.",
                remedy="Give one column of 0 and 1 for each class.",
            )
        absent, rare = self._positive == 0, (self._positive > 0) & (self._positive < RARE_ROWS)
        if absent.any():
            yield self._of_classes("absent-class", absent, "no row: recall there is undefined")
        if rare.any():
            yield self._of_classes(
                "rare-class", rare, f"fewer than {RARE_ROWS} rows: its figures mean little"
            )

    def _of_classes(self, kind: str, chosen: NDArray[np.bool_], words: str) -> Finding:
        codes = np.flatnonzero(chosen).tolist()
        shown = [f"class {self._told(code)}: {counted(int(self._positive[code]), 'row')}" for code in codes]
        return Finding(
            kind,
            "warning",
            "labels",
            count=len(codes),
            of=len(self._positive),
            examples=name_places(shown),
            words=f"{counted(len(codes), 'class')} of {len(self._positive)} "
            f"{'has' if len(codes) == 1 else 'have'} {words}.",
            remedy="Give more rows that show them.",
        )

    def _told(self, code: int) -> str:
        return self._names[code] if code < len(self._names) else str(code)


class TargetWatch:
    """Targets of a regression, `[rows]` or `[rows, outputs]`."""

    def __init__(self) -> None:
        self._values = ValueWatch("labels")

    def see(self, labels: Array, row_numbers: NDArray[np.int64]) -> None:
        """One block of numbers."""
        self._values.see(labels.reshape(len(labels), -1), row_numbers)

    def findings(self) -> Iterator[Finding]:
        """NaN and infinity; targets that never change."""
        yield from (finding for finding in self._values.findings() if finding.kind == "not-finite")
        spread = self._values.spread()
        if spread is None or spread.rows < CONSTANT_ROWS or spread.low != spread.high:
            return
        yield Finding(
            "constant",
            "warning",
            "labels",
            count=spread.rows,
            of=spread.rows,
            examples=(),
            words=f"Every label is {spread.low:g}: R² is undefined, and any error says little.",
            remedy="Check that the column named is the target.",
        )
