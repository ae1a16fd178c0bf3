"""Rows that cannot be used: gathered over the whole file, then refused or left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.errors import DataValueError
from shipway.evaluation.data.base import Problem
from shipway.evaluation.data.fit import Unit
from shipway.types import Array

_KEPT = 100_000
"""Problems remembered with their words, some 20 MB; beyond, only rows and counts."""
_DROP = "Or go on without them: --drop-bad."
_ALLOW = "Where the model itself takes missing values (boosted trees, imputers): --allow-missing."


@dataclass
class BadRows:
    """What was found so far, in the file's order."""

    rows: set[int] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    """The first hundred thousand."""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(column, kind) → rows."""
    nan: Counter[str] = field(default_factory=Counter)
    """Column → NaN values."""
    infinite: Counter[str] = field(default_factory=Counter)

    def note(self, problem: Problem) -> None:
        """One more."""
        self.rows.add(problem.row)
        self.counts[problem.column, problem.kind] += 1
        if len(self.problems) < _KEPT:
            self.problems.append(problem)

    def note_special_values(
        self,
        array: Array,
        first_row: int,
        *,
        called: str,
        without: NDArray[np.intp],
        only_infinite: bool = False,
    ) -> None:
        """Finds NaN and infinity in a block of a float input, `[rows, ...]`; `without` are rows told already."""
        finite = ~np.isinf(array) if only_infinite else np.isfinite(array)
        finite[without] = True
        if finite.all():
            return
        missing = int(np.isnan(array[~finite]).sum())
        self.nan[called] += missing
        self.infinite[called] += int(array.size - finite.sum()) - missing
        bad = ~finite.reshape(len(array), -1).all(axis=1)
        for row in (first_row + np.flatnonzero(bad)).tolist():
            self.note(Problem(row, called, "not-finite", "NaN or infinity"))

    def refuse(self, path: Path, total: int, unit: Unit) -> None:
        """Raises `DataValueError` where there is any."""
        if not self.rows:
            return
        kinds = {(column, kind) for column, kind in self.counts if kind != "not-finite"}
        for called in self.nan:
            if not kinds:
                raise self._not_finite(called, total, unit)
        shown = "; ".join(
            f"{unit} {problem.row}, {problem.column}: {problem.words}" for problem in self.problems[:5]
        )
        raise DataValueError(
            f"{len(self.rows)} of {total} {unit}s of {path} cannot be used: {shown}"
            f"{'; …' if len(self.problems) > 5 else ''}.",
            hint=f"Mend or fill in these values as for training. {_DROP}"
            f"{' ' + _ALLOW if any(problem.kind == 'missing' for problem in self.problems) else ''}",
        )

    def _not_finite(self, called: str, total: int, unit: Unit) -> DataValueError:
        rows = [problem.row for problem in self.problems if problem.column == called]
        count = self.counts[called, "not-finite"]
        shown = ", ".join(map(str, rows[:5])) + (", …" if count > 5 else "")
        return DataValueError(
            f"Array {called!r} holds {self.nan[called]} NaN and {self.infinite[called]} infinite values, in "
            f"{count} of {total} {unit}s ({unit}s {shown}).",
            hint=f"Fill them in as for training. {_DROP}{' ' + _ALLOW if self.nan[called] else ''}",
        )

    def to_json(self) -> dict[str, Any]:
        """As the document records what was left out: how many, why, and the first of them."""
        return {
            "rows": len(self.rows),
            "reasons": [
                {"column": column, "kind": kind, "rows": count}
                for (column, kind), count in self.counts.most_common()
            ],
            "examples": [
                {"row": problem.row, "column": problem.column, "words": problem.words}
                for problem in self.problems[:20]
            ],
        }
