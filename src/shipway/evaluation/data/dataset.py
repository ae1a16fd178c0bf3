"""Labelled data as a model takes it: a file or folder in, rows that fit the signature out.

Formats are `readers.py`'s, which column is which input is `matching.py`'s, fitting values is `fit.py`'s. Small
sets are held in memory; large ones are read anew for each pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.evidence import Json
from shipway.errors import DataEmptyError, DataMismatchError, LabelError, UsageError
from shipway.evaluation.data.bad_rows import BadRows
from shipway.evaluation.data.base import Reader, Reading
from shipway.evaluation.data.fit import Unit
from shipway.evaluation.data.labels import class_indices
from shipway.evaluation.data.matching import assign_columns
from shipway.evaluation.data.readers import open_reader
from shipway.evaluation.data.rows import FittedRows
from shipway.evaluation.data.split import PARTS, digest_of, hash_rows, part_of
from shipway.sources.base import Limits, Progress
from shipway.types import Array, TensorSpec

HELD_BYTES = 256 * 2**20
"""Sets up to this size stay in memory between passes."""


class Rows(Protocol):
    """Where the inputs' rows come from."""

    def blocks(self) -> Iterator[dict[str, Array]]:
        """All of them in order, from the first; input → `[rows, ...]`."""


@dataclass(frozen=True)
class Dataset:
    """Rows that fit a model's inputs, with their labels where the file has them; or requests, for a model without
    rows.

    A context manager: leaving it lets go of files that were made for the reading.
    """

    source: Rows
    labels: Array | None
    """As stored, `[rows, ...]`: an export has no use for them, so nothing is demanded of them in reading."""
    rows: int
    """Or requests."""
    sha256: str
    """Of the file's bytes; of a folder's names and bytes."""
    path: Path
    row_numbers: NDArray[np.int64]
    """Of each row in the file, from 0."""
    hashes: NDArray[np.uint8]
    """Of each row's inputs, `[rows, 16]` (`split.hash_rows`)."""
    notes: tuple[str, ...] = ()
    """What was changed or left out in reading, a line each."""
    allows_missing: bool = False
    """NaN among the inputs is a value that the model takes."""
    casts: tuple[str, ...] = ()
    """Of the notes those on dtypes that were changed."""
    has_rows: bool = True
    """False: each entry along the first axis is a whole request."""
    columns: Mapping[str, Array] = field(default_factory=dict)
    """Those that were asked for: one value a row each, `[rows]`."""
    class_names: tuple[str, ...] = ()
    """Where the data names its classes (folders of images)."""
    column_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of inputs that a table's columns were joined to."""
    dropped: BadRows = field(default_factory=BadRows)
    part: str | None = None
    parts: Mapping[str, Json] = field(default_factory=dict)
    """Part of the split → its rows and digest, over the whole file."""
    reader: Reader | None = None

    @cached_property
    def inputs(self) -> dict[str, Array]:
        """All of it in memory: input → `[rows, ...]` in its own dtype; `[requests, *shape]` without rows."""
        blocks = list(self.source.blocks())
        return {name: _joined([block[name] for block in blocks]) for name in blocks[0]}

    @cached_property
    def row_bytes(self) -> int:
        """Of one row's inputs, about; texts by their first few."""
        block = next(self.source.blocks())
        size = sum(_bytes_of(array) for array in block.values())
        return max(1, size // max(1, len(next(iter(block.values())))))

    def blocks(self) -> Iterator[dict[str, Array]]:
        """The same in order, some rows at a time, in the memory of those."""
        return self.source.blocks()

    def require_labels(self, *, class_names: Sequence[str] = ()) -> NDArray[np.int64]:
        """The rows' class indices, int64 `[rows]`, from any form that `labels.class_indices` takes.

        Raises `LabelError` where there are none, or where they are no class indices, and `DataMismatchError`
        for a model without rows.
        """
        return class_indices(self.stored_labels(), class_names=class_names or self.class_names)

    def stored_labels(self) -> Array:
        """The labels in any form. Raises `LabelError` where there are none, `DataMismatchError` without rows."""
        if not self.has_rows:
            raise DataMismatchError(
                "Judging quality needs one answer and one label a row; this model takes whole requests: its "
                "inputs and outputs share no first axis.",
                hint="shipway export, serve and check work on it; judge its quality by your own measure.",
            )
        if self.labels is None:
            names = list(self.reader.columns) if self.reader is not None else []
            is_table = self.reader is not None and self.reader.format != "npz"
            raise LabelError(
                f"{self.path} holds no labels; judging quality needs them.",
                hint=f"Name the column that holds them by --label: {', '.join(names[:12])}."
                if is_table
                else 'Add them: numpy.savez("data.npz", x=..., y=...), y being class indices, int64[rows].',
            )
        return self.labels

    def take(self, rows: slice | NDArray[Any]) -> Dataset:
        """The rows of a slice, or an array of indices or booleans, in memory. Path and digest stay the file's."""
        places = np.arange(self.rows)[rows]
        wanted = np.unique(places)
        order = np.searchsorted(wanted, places)
        found = list(_Selected(self.source, wanted).blocks())
        inputs = (
            {name: _joined([block[name] for block in found])[order] for name in found[0]}
            if found
            else {name: array[:0] for name, array in next(self.source.blocks()).items()}
        )
        return replace(self._at(places), source=Held((inputs,)))

    def select(self, keep: NDArray[np.bool_]) -> Dataset:
        """The rows where `keep` (`[rows]`) holds, read as they are needed."""
        places = np.flatnonzero(keep)
        return replace(self._at(places), source=_Selected(self.source, places))

    def _at(self, places: NDArray[np.intp]) -> Dataset:
        return replace(
            self,
            rows=len(places),
            labels=None if self.labels is None else self.labels[places],
            columns={name: array[places] for name, array in self.columns.items()},
            row_numbers=self.row_numbers[places],
            hashes=self.hashes[places],
        )

    def to_json(self) -> dict[str, Json]:
        """What was judged, for documents and evidence."""
        told: dict[str, Json] = {"sha256": self.sha256, "rows": self.rows}
        if self.part is not None:
            told["part"] = self.part
        if self.has_rows:
            told["parts"] = dict(self.parts)
        if self.dropped.rows:
            told["dropped"] = self.dropped.to_json()
        return told

    def close(self) -> None:
        """Lets go of what the reading holds; safe to call twice."""
        if self.reader is not None:
            self.reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def in_memory(
    inputs: dict[str, Array], *, labels: Array | None = None, path: Path, has_rows: bool = True
) -> Dataset:
    """A data set of arrays that are there already and fit the model; `path` is what messages call it."""
    rows = len(next(iter(inputs.values())))
    hashes = hash_rows(inputs)
    return Dataset(
        source=Held((inputs,)),
        labels=labels,
        rows=rows,
        sha256=digest_of(hashes),
        path=path,
        has_rows=has_rows,
        row_numbers=np.arange(rows, dtype=np.int64),
        hashes=hashes,
    )


def load_dataset(
    path: Path,
    signature_inputs: tuple[TensorSpec, ...],
    *,
    has_rows: bool = True,
    reading: Reading | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Reads `path` for a model with these inputs, once, to its end.

    Columns are named as the inputs, or `x` for a model with one input; the columns of a table may be one input's
    values. Rows lie along axis 0, also for a model whose own first axis is fixed: running it that way is the
    caller's. For a model without rows (`has_rows` false, as `Signature.has_rows`) axis 0 counts the requests, and
    the model's whole shape follows it.

    `limits` and `progress` are for `module.py:function`, which a child runs.

    Raises `DataNotFoundError`, `DataFormatError` (unreadable, damaged, pickled), `DataMismatchError` (names,
    shapes, dtypes, unequal row counts), `DataEmptyError` and `DataValueError` (NaN, infinity, missing values).
    """
    told = reading or Reading()
    unit: Unit = "row" if has_rows else "request"
    reader = open_reader(path, signature_inputs, told, limits=limits, progress=progress)
    try:
        assignment = assign_columns(reader, signature_inputs, unit=unit, label=told.label, kept=told.columns)
        fitted = FittedRows(reader, signature_inputs, assignment, unit, told.allow_missing)
        fitted.check_form()
        return _load(fitted, told)
    except BaseException:
        reader.close()
        raise


def _load(fitted: FittedRows, told: Reading) -> Dataset:
    bad, held = BadRows(), _Holding()
    columns: dict[str, list[Array]] = {}
    hashes = []
    for block in fitted.blocks(with_columns=True, bad=bad):
        held.add(block.inputs)
        hashes.append(hash_rows(block.inputs))
        for name, array in block.columns.items():
            columns.setdefault(name, []).append(array)
    reader, unit = fitted.reader, fitted.unit
    rows = sum(map(len, hashes))
    if not told.drop_bad:
        bad.refuse(reader.path, rows, unit)
    joined = {name: _joined(pieces) for name, pieces in columns.items()}
    label = fitted.assignment.label
    notes = [*reader.notes, *fitted.notes]
    if fitted.assignment.unused and reader.format != "images":  # their names are ours, not the user's
        notes.append(f"not used: {', '.join(sorted(fitted.assignment.unused))}")
    whole = Dataset(
        source=held.rows() or _Streamed(fitted),
        labels=None if label is None else joined[label],
        rows=rows,
        sha256=reader.sha256(),
        path=reader.path,
        notes=tuple(notes),
        allows_missing=fitted.allow_missing,
        casts=tuple(fitted.notes),
        has_rows=unit == "row",
        columns={name: joined[name] for name in fitted.assignment.kept},
        row_numbers=np.arange(rows, dtype=np.int64),
        hashes=np.concatenate(hashes),
        class_names=reader.class_names,
        column_names={name: names for name, names in fitted.assignment.inputs.items() if len(names) > 1},
        reader=reader,
    )
    return _only(_without(whole, bad, unit), told.part)


def _without(dataset: Dataset, bad: BadRows, unit: Unit) -> Dataset:
    if not bad.rows:
        return dataset
    keep = np.ones(dataset.rows, bool)
    keep[sorted(bad.rows)] = False
    if not keep.any():
        first = bad.problems[0]
        raise DataEmptyError(
            f"None of the {dataset.rows} {unit}s of {dataset.path} can be used; {unit} {first.row}, "
            f"{first.column}: {first.words}.",
            hint="Mend the data, or leave out the column.",
        )
    kept = dataset.select(keep)
    note = f"{len(bad.rows)} of {dataset.rows} {unit}s cannot be used and were left out"
    return replace(kept, dropped=bad, notes=(*kept.notes, note))


def _only(dataset: Dataset, part: str | None) -> Dataset:
    """The rows of one part of the split. Raises `UsageError`, `DataEmptyError`."""
    if not dataset.has_rows:
        return dataset
    index = part_of(dataset.hashes)
    parts = {
        name: {"rows": int(mine.sum()), "sha256": digest_of(dataset.hashes[mine])}
        for name, mine in ((name, index == number) for number, name in enumerate(PARTS))
    }
    if part is None:
        return replace(dataset, parts=parts)
    if part not in PARTS:
        raise UsageError(f"The data has no part {part!r}.", hint=f"Its parts are {', '.join(PARTS)}.")
    chosen = index == PARTS.index(part)
    if not chosen.any():
        raise DataEmptyError(
            f"No row of {dataset.path} falls into the part {part!r}; it has {dataset.rows} rows.",
            hint="Give more rows, or judge all of them: leave out --part.",
        )
    return replace(dataset.select(chosen), parts=parts, part=part)


@dataclass(frozen=True)
class Held:
    """Rows in memory."""

    pieces: tuple[dict[str, Array], ...]

    def blocks(self) -> Iterator[dict[str, Array]]:
        """As they came."""
        return iter(self.pieces)


class _Holding:
    """Keeps blocks while they are few enough."""

    def __init__(self) -> None:
        self._pieces: list[dict[str, Array]] | None = []
        self._bytes = 0

    def add(self, inputs: dict[str, Array]) -> None:
        if self._pieces is None:
            return
        self._pieces.append(inputs)
        self._bytes += sum(_bytes_of(array) for array in inputs.values())
        if self._bytes > HELD_BYTES:
            self._pieces = None

    def rows(self) -> Held | None:
        return None if self._pieces is None else Held(tuple(self._pieces))


@dataclass(frozen=True)
class _Streamed:
    """Rows that are read again for each pass."""

    fitted: FittedRows

    def blocks(self) -> Iterator[dict[str, Array]]:
        return (block.inputs for block in self.fitted.blocks())


@dataclass(frozen=True)
class _Selected:
    """Some of another's rows: `places`, in increasing order."""

    source: Rows
    places: NDArray[np.intp]

    def blocks(self) -> Iterator[dict[str, Array]]:
        first = taken = 0
        for block in self.source.blocks():
            if taken == len(self.places):
                return
            rows = len(next(iter(block.values())))
            until = int(np.searchsorted(self.places, first + rows))
            if until > taken:
                chosen = self.places[taken:until] - first
                yield block if len(chosen) == rows else {name: array[chosen] for name, array in block.items()}
            first, taken = first + rows, until


def _joined(pieces: Sequence[Array]) -> Array:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _bytes_of(array: Array) -> int:
    """Texts are counted by a few."""
    if array.dtype != object:
        return array.nbytes
    some = array.reshape(-1)[:256].tolist()
    mean = sum(len(item) + 49 for item in some) / max(1, len(some))  # 49: an empty str's own bytes
    return int(array.size * (mean + 8))
