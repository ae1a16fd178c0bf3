"""One pass over the data, block by block, and all that its owner should know of it.

Each examiner is a file of its own; here is what each is given. Memory: about 100 bytes a row, none of its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from shipway.evaluation.data.base import Finding, Problem
from shipway.evaluation.data.split import PARTS, hash_rows, part_of
from shipway.evaluation.inspection.class_labels import ClassWatch
from shipway.evaluation.inspection.copies import Copies, copy_findings
from shipway.evaluation.inspection.leaks import IdentityColumns, LabelLeaks
from shipway.evaluation.inspection.near_copies import NearCopies, group_count
from shipway.evaluation.inspection.pictures import picture_findings
from shipway.evaluation.inspection.problems import ProblemLog
from shipway.evaluation.inspection.ranges import Trained, range_findings
from shipway.evaluation.inspection.target_labels import MultilabelWatch, TargetWatch
from shipway.evaluation.inspection.texts import TextWatch
from shipway.evaluation.inspection.values import ValueWatch
from shipway.evaluation.inspection.wording import counted, name_groups, share
from shipway.types import Array, TensorSpec

Task = Literal["classification", "multilabel", "regression"]

FEW_NEAR_COPIES: Final = 0.01
"""Of the rows; up to here they are a note, as exact copies are."""
_ORDER: Final = {"error": 0, "warning": 1, "note": 2}


class Inspector:
    """Feed it with `see` and `note_problems`, then ask for `findings`, once."""

    def __init__(
        self,
        specs: tuple[TensorSpec, ...],
        *,
        class_names: Sequence[str] = (),
        task: Task = "classification",
        class_count: int | None = None,
        column_names: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`class_count`: outputs of the model (None: as many as names). `column_names`: of inputs that a table's
        columns were joined to."""
        named = column_names or {}
        self._specs = specs
        self._values = {
            s.name: ValueWatch(s.name, named.get(s.name, ())) for s in specs if s.dtype != "BYTES"
        }
        self._texts = {spec.name: TextWatch(spec.name) for spec in specs if spec.dtype == "BYTES"}
        self._leaks = {name: LabelLeaks() for name in self._values}
        self._identities = {name: IdentityColumns() for name in self._values}
        self._near, self._problems = NearCopies(), ProblemLog()
        self._classes = ClassWatch(class_names, class_count) if task == "classification" else None
        self._several = MultilabelWatch(class_names) if task == "multilabel" else None
        self._targets = TargetWatch() if task == "regression" else None
        self._hashes: list[NDArray[np.uint8]] = []
        self._row_numbers: list[NDArray[np.int64]] = []
        self._label_keys: list[NDArray[np.uint64]] = []

    def see(
        self,
        arrays: Mapping[str, Array],
        labels: Array | None,
        hashes: NDArray[np.uint8],
        row_numbers: NDArray[np.int64],
    ) -> None:
        """A block in the file's order: input → `[rows, ...]` in the model's dtypes, labels in any form,
        `split.hash_rows` of the inputs, and each row's number in the file. Rows with NaN may be among them."""
        if not len(row_numbers):
            return
        self._hashes.append(hashes)
        self._row_numbers.append(row_numbers)
        for name, text in self._texts.items():
            text.see(arrays[name], row_numbers)
        for name, value in self._values.items():
            value.see(arrays[name], row_numbers)
        self._near.see({spec.name: arrays[spec.name] for spec in self._specs})
        tables = {name: table for name in self._values if (table := _table(arrays[name])) is not None}
        for name, table in tables.items():
            self._identities[name].see(table)
        if labels is not None:
            self._label_keys.append(_label_keys(labels))
            self._see_labels(labels, row_numbers, tables)

    def note_problems(
        self, problems: Iterable[Problem], counts: Mapping[tuple[str, str], int] | None = None
    ) -> None:
        """What the reader could not use, in the file's order; `counts`: (column, kind) → rows, where these are
        only the first of them."""
        self._problems.note(problems, counts)

    def findings(
        self,
        *,
        trained: Mapping[str, Trained] | None = None,
        sizes: Mapping[tuple[int, int], int] | None = None,
        modes: Mapping[str, int] | None = None,
        dtype_notes: Sequence[str] = (),
        total: int | None = None,
    ) -> tuple[Finding, ...]:
        """Errors first, then warnings, then notes.

        `trained`: input → low, high and mean of its golden samples, where those are of real data. `sizes` and
        `modes`: of the image files. `dtype_notes`: what was cast in reading. `total`: rows of the file, where not
        all were seen.
        """
        rows = total if total is not None else sum(map(len, self._row_numbers))
        told = frozenset(name for name, value in self._values.items() if value.not_finite)
        found = [
            *self._problems.findings(rows, without=told),
            *self._input_findings(trained or {}),
            *self._label_findings(),
            *self._copy_findings(),
            *picture_findings(sizes or {}, modes or {}),
            *(_dtype_finding(note, rows) for note in dtype_notes),
        ]
        return tuple(sorted(found, key=lambda finding: _ORDER[finding.severity]))

    def _see_labels(self, labels: Array, row_numbers: NDArray[np.int64], tables: Mapping[str, Array]) -> None:
        if self._classes is not None:
            codes = self._classes.see(labels, row_numbers)
            for name, table in tables.items():
                self._leaks[name].see_classes(table, codes)
        elif self._several is not None:
            self._several.see(labels, row_numbers)
        elif self._targets is not None and labels.dtype.kind in "biuf":
            self._targets.see(labels, row_numbers)
            if labels.size == len(labels):
                for name, table in tables.items():
                    self._leaks[name].see_targets(table, labels.reshape(-1))

    def _input_findings(self, trained: Mapping[str, Trained]) -> Iterator[Finding]:
        for spec in self._specs:
            if spec.name in self._texts:
                yield from self._texts[spec.name].findings()
                continue
            value = self._values[spec.name]
            yield from value.findings()
            spread = value.spread()
            if spread is not None:
                yield from range_findings(
                    spec.name,
                    spread,
                    trained=trained.get(spec.name),
                    is_image=value.is_image,
                    is_integer=not spec.dtype.is_float,
                )
            columns = len(spread.column_means) if spread is not None else 0
            yield from self._identities[spec.name].findings(spec.name, value.column, columns)
            yield from self._leaks[spec.name].findings(spec.name, value.column)

    def _label_findings(self) -> Iterator[Finding]:
        for watch in (self._classes, self._several, self._targets):
            if watch is not None:
                yield from watch.findings()

    def _copy_findings(self) -> Iterator[Finding]:
        if not self._hashes:
            return
        hashes, row_numbers = np.concatenate(self._hashes), np.concatenate(self._row_numbers)
        self._hashes, self._row_numbers = [hashes], [row_numbers]
        keys = np.concatenate(self._label_keys) if self._label_keys else None
        copies = Copies.of(hashes)
        yield from copy_findings(copies, row_numbers, keys, is_class=self._targets is None)
        pairs = self._near.pairs(copies.first_places)
        yield from _near_findings(pairs, row_numbers)
        yield from _part_findings(pairs, part_of(hashes), row_numbers)


def _table(array: Array) -> Array | None:
    """`[rows, columns]` of an input of numbers, None for images and the like."""
    if array.ndim == 1:
        return array[:, None]
    return array if array.ndim == 2 and array.shape[1] else None


def _label_keys(labels: Array) -> NDArray[np.uint64]:
    """One number a row, equal for equal labels."""
    values = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if values.ndim == 1 and values.dtype.kind in "biuf" and values.dtype.itemsize <= 8:
        return np.asarray(values, dtype=np.float64).view(np.uint64)
    if values.dtype == object:
        shown = np.empty(values.shape, object)
        shown.reshape(-1)[:] = [None if item is None else str(item) for item in values.ravel().tolist()]
        values = shown
    return np.ascontiguousarray(hash_rows({"": values})[:, :8]).view(np.uint64).reshape(-1)


def _near_findings(pairs: NDArray[np.int64], row_numbers: NDArray[np.int64]) -> Iterator[Finding]:
    surplus, groups = group_count(pairs)
    if not surplus:
        return
    rows = len(row_numbers)
    yield Finding(
        "near-duplicates",
        "note" if surplus <= FEW_NEAR_COPIES * rows else "warning",
        "rows",
        count=surplus,
        of=rows,
        examples=name_groups(row_numbers[group].tolist() for group in groups),
        words=f"{counted(surplus, 'row')} of {rows} ({share(surplus, rows)}) "
        f"{'is' if surplus == 1 else 'are'} nearly the same as another.",
        remedy="Look at the examples; if they are the same thing twice, keep one of each.",
    )


def _part_findings(
    pairs: NDArray[np.int64], parts: NDArray[np.int8], row_numbers: NDArray[np.int64]
) -> Iterator[Finding]:
    """Rows that judge and are nearly those that chose: equal rows always lie in one part."""
    crossing = pairs[parts[pairs[:, 0]] != parts[pairs[:, 1]]]
    gate = PARTS.index("gate")
    judged = np.unique(crossing[parts[crossing] == gate])
    if not judged.size:
        return
    of = int((parts == gate).sum())
    yield Finding(
        "leakage",
        "note" if len(judged) <= FEW_NEAR_COPIES * of else "warning",
        "other parts",
        count=len(judged),
        of=of,
        examples=name_groups(sorted(row_numbers[pair].tolist()) for pair in crossing[:5]),
        words=f"{counted(len(judged), 'row')} of the gate's {of} {'is' if len(judged) == 1 else 'are'} nearly "
        "the same as a row of the calibration or tuning part.",
        remedy="Keep one of each before the split: what was tuned on them is judged by them.",
    )


def _dtype_finding(note: str, rows: int) -> Finding:
    return Finding(
        "dtype",
        "note",
        note.split(":", 1)[0].strip(),
        count=rows,
        of=rows,
        examples=(),
        words=note if note.endswith(".") else f"{note}.",
        remedy="Save the values in the model's own dtype, so that nothing is cast.",
    )
