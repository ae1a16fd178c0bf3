"""Labelled data as a model takes it: one file in, arrays that fit the signature out, or an error saying why.

Reading the file is `npz.py`, fitting an array to an input is `fit.py`; here is which array is which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.files import sha256_of
from shipway.errors import DataEmptyError, DataMismatchError, LabelError
from shipway.evaluation.data.fit import Unit, check_free_dimensions, check_shape, dims_of, fit_values
from shipway.evaluation.data.labels import check_labels, class_indices
from shipway.evaluation.data.npz import NpzFile, StoredArray, open_npz
from shipway.types import Array, TensorSpec

LABELS = "labels"
"""The array that holds the labels; `y` is read so too where no input is called `y`."""


@dataclass(frozen=True)
class Dataset:
    """Rows that fit a model's inputs, with their labels where the file has them; or requests, for a model without
    rows."""

    inputs: dict[str, Array]
    """Input name → `[rows, ...]`, in the input's own dtype; `[requests, *shape]` for a model without rows."""
    labels: Array | None
    """As stored, `[rows, ...]`: an export has no use for them, so nothing is demanded of them in reading."""
    rows: int
    """Or requests."""
    sha256: str
    """Of the file's bytes."""
    path: Path
    notes: tuple[str, ...] = ()
    """What was changed or left out in reading, a line each."""
    has_rows: bool = True
    """False: each entry along the first axis is a whole request."""

    def require_labels(self, *, class_names: Sequence[str] = ()) -> NDArray[np.int64]:
        """The rows' class indices, int64 `[rows]`, from any form that `labels.class_indices` takes.

        Raises `LabelError` where there are none, or where they are no class indices, and `DataMismatchError`
        for a model without rows.
        """
        if not self.has_rows:
            raise DataMismatchError(
                "Judging quality needs one answer and one label a row; this model takes whole requests: its "
                "inputs and outputs share no first axis.",
                hint="shipway export, serve and check work on it; judge its quality by your own measure.",
            )
        if self.labels is None:
            raise LabelError(
                f"{self.path} holds no labels; judging quality needs them.",
                hint='Add them: numpy.savez("data.npz", x=..., y=...), y being class indices, int64[rows].',
            )
        return class_indices(self.labels, class_names=class_names)

    def checked_labels(self, class_count: int, *, class_names: Sequence[str] = ()) -> NDArray[np.int64]:
        """The same, each one of `class_count` classes from 0. Raises `LabelError`."""
        labels = self.require_labels(class_names=class_names)
        check_labels(labels, class_count)
        return labels

    def take(self, rows: slice | NDArray[Any]) -> Dataset:
        """The rows of a slice, or an array of indices or booleans. Path and digest stay those of the file."""
        inputs = {name: array[rows] for name, array in self.inputs.items()}
        return Dataset(
            inputs=inputs,
            labels=None if self.labels is None else self.labels[rows],
            rows=len(next(iter(inputs.values()))),
            sha256=self.sha256,
            path=self.path,
            notes=self.notes,
            has_rows=self.has_rows,
        )


def load_dataset(path: Path, signature_inputs: tuple[TensorSpec, ...], *, has_rows: bool = True) -> Dataset:
    """Reads `path` (`.npz`, told by its content) for a model with these inputs.

    The arrays are named as the inputs, or `x` for a model with one input; labels are `labels` or `y`. Rows
    lie along axis 0, also for a model whose own first axis is fixed: running it that way is the caller's.
    For a model without rows (`has_rows` false, as `Signature.has_rows`) axis 0 counts the requests, and the
    model's whole shape follows it.

    Raises `DataNotFoundError`, `DataFormatError` (unreadable, damaged, pickled), `DataMismatchError` (names,
    shapes, dtypes, unequal row counts), `DataEmptyError` and `DataValueError` (NaN, infinity).
    """
    unit: Unit = "row" if has_rows else "request"
    with open_npz(path) as file:
        sources = _match_names(file, signature_inputs, unit)
        label_name = _label_name(file, sources.values())
        used = [*sources.values(), *([label_name] if label_name else [])]
        for spec in signature_inputs:
            stored = file.arrays[sources[spec.name]]
            if not stored.dtype.hasobject:
                check_shape(stored.shape, spec, called=stored.name, unit=unit)
        rows = _count_rows(file, used, unit)
        shapes = {name: file.arrays[source].shape for name, source in sources.items()}
        inputs: dict[str, Array] = {}
        notes: list[str] = []
        for spec in signature_inputs:
            source = sources[spec.name]
            inputs[spec.name], note = fit_values(file.read(source), spec, called=source, unit=unit)
            if note:
                notes.append(note)
        check_free_dimensions(shapes, signature_inputs, unit=unit)
        labels = file.read(label_name) if label_name else None
        unused = sorted(set(file.arrays) - set(used))
        if unused:
            notes.append(f"not used: {', '.join(unused)}")
    return Dataset(
        inputs=inputs,
        labels=labels,
        rows=rows,
        sha256=sha256_of(path),
        path=path,
        notes=tuple(notes),
        has_rows=has_rows,
    )


def _match_names(file: NpzFile, specs: tuple[TensorSpec, ...], unit: Unit) -> dict[str, str]:
    """Input name → name of its array in the file. Raises `DataMismatchError` naming both sides."""
    names = [spec.name for spec in specs]
    if all(name in file.arrays for name in names):
        return {name: name for name in names}
    if len(names) == 1 and "x" in file.arrays:
        return {names[0]: "x"}
    raise DataMismatchError(
        f"{file.path} does not hold the model's inputs. Found: {_listed(file.arrays.values())}. "
        f"Expected: {_expected(specs, unit)}.",
        hint=_mend_names(file, names),
    )


def _mend_names(file: NpzFile, names: list[str]) -> str:
    found = file.arrays
    single = len(names) == 1
    if single and "x_test" in found:
        labels = ', y=d["y_test"]' if "y_test" in found else ""
        return (
            "The file holds parts; save the one to judge on: "
            f'd = numpy.load("{file.path.name}"); numpy.savez("data.npz", x=d["x_test"]{labels})'
        )
    if "arr_0" in found:
        wanted = "x=..., y=..." if single else ", ".join(f"{name}=..." for name in names)
        return f'The arrays were saved without names; name them: numpy.savez("data.npz", {wanted}).'
    by_case = {name.lower(): name for name in found}
    close = [f"{by_case[n.lower()]} for {n}" for n in names if n not in found and n.lower() in by_case]
    if single and "X" in found:
        close = ["X for x"]
    if close:
        return f"Names are compared exactly, also in upper and lower case: the file has {', '.join(close)}."
    missing = [name for name in names if name not in found]
    return f"Save the arrays under the inputs' names; missing: {', '.join(missing)}."


def _label_name(file: NpzFile, taken: Iterable[str]) -> str | None:
    inputs = set(taken)
    for name in (LABELS, "y"):
        if name in file.arrays and name not in inputs:
            return name
    return None


def _count_rows(file: NpzFile, used: list[str], unit: Unit) -> int:
    counts = {name: (file.arrays[name].shape or (0,))[0] for name in used}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise DataMismatchError(
            f"The arrays in {file.path} have unequal numbers of {unit}s (axis 0): {listed}.",
            hint=f"Every {unit} needs one entry in each array; check how the file was written.",
        )
    rows = counts[used[0]]
    if rows == 0:
        raise DataEmptyError(
            f"{file.path} holds no {unit}: {_listed(file.arrays[name] for name in used)}.",
            hint=f"Give a file with at least one {unit}.",
        )
    return rows


def _listed(arrays: Iterable[StoredArray]) -> str:
    return "; ".join(str(array) for array in arrays)


def _expected(specs: tuple[TensorSpec, ...], unit: Unit) -> str:
    parts = [
        f"{spec.name} {_dtype_name(spec)}[{', '.join([f'{unit}s', *map(str, dims_of(spec, unit))])}]"
        for spec in specs
    ]
    alias = " (or called x)" if len(specs) == 1 else ""
    labels = "; labels int64[rows] (or called y), optional for export" if unit == "row" else ""
    return f"{'; '.join(parts)}{alias}{labels}"


def _dtype_name(spec: TensorSpec) -> str:
    return "str" if spec.dtype == "BYTES" else str(spec.dtype.numpy)
