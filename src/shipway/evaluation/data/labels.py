"""Class labels as whole numbers: which forms are taken, and what is wrong with those that are not.

Labels are read only where something is judged by them, so data without labels, or with the targets of a
regression, still serves an export.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shipway.errors import LabelError
from shipway.types import Array

_FORMS = (
    "Labels are class indices: whole numbers from 0, one a row ([rows] or [rows, 1]), or exact one-hot rows."
)


def class_indices(labels: Array, *, class_names: Sequence[str] = ()) -> NDArray[np.int64]:
    """The rows' class indices, int64 `[rows]`.

    Whole numbers are taken in any dtype (floats and booleans too), `[rows]` or `[rows, 1]`; exact one-hot
    `[rows, classes]`; texts, also as objects (`str` or `bytes`), where `class_names` gives them their order.
    Raises `LabelError`.
    """
    if labels.dtype.kind in "SU" or _are_texts(labels):
        return _from_names(_one_a_row(labels), class_names)
    if labels.dtype.kind not in "biuf":
        raise LabelError(f"The labels are {labels.dtype}, which are no class indices.", hint=_FORMS)
    if labels.ndim == 2 and labels.shape[1] > 1:
        return _from_one_hot(labels)
    values = _one_a_row(labels)
    if values.dtype.kind == "f":
        whole = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2**53)
        if not whole.all():
            raise LabelError(
                f"The labels are {values.dtype} and not whole numbers: {_rows_of(~whole, values)}.",
                hint=f"{_FORMS} Targets of a regression are not judged by classification metrics.",
            )
    if values.dtype == np.uint64 and values.size and int(values.max()) > np.iinfo(np.int64).max:
        raise LabelError(f"The labels reach {int(values.max())}, which is no class index.", hint=_FORMS)
    return values.astype(np.int64)


def check_labels(labels: NDArray[np.int64], class_count: int) -> None:
    """Raises `LabelError` unless every label (int64 `[rows]`) is one of `class_count` classes, from 0."""
    outside = (labels < 0) | (labels >= class_count)
    if not outside.any():
        return
    values, counts = np.unique(labels[outside], return_counts=True)
    shown = ", ".join(
        f"{value} ({count} row{'s' if count > 1 else ''})"
        for value, count in zip(values[:5].tolist(), counts[:5].tolist(), strict=True)
    ) + (", …" if values.size > 5 else "")
    rows = np.flatnonzero(outside)
    first = ", ".join(str(row) for row in rows[:5].tolist()) + (", …" if rows.size > 5 else "")
    raise LabelError(
        f"{rows.size} of {labels.size} labels are outside 0 to {class_count - 1}, what the model with "
        f"{class_count} classes can answer: {shown}; first at rows {first}.",
        hint=_likely_cause(labels, class_count),
    )


def _likely_cause(labels: NDArray[np.int64], class_count: int) -> str:
    low, high = int(labels.min()), int(labels.max())
    if low == 1 and high == class_count:
        return f"The labels run from 1 to {class_count}: most likely they count from 1; use y - 1."
    if class_count == 2 and set(np.unique(labels).tolist()) == {-1, 1}:
        return "The labels are -1 and 1: use (y > 0).astype(int)."
    if low == -1:
        return "-1 often marks rows without a label: drop them (keep = y >= 0)."
    if high in (99, 255) and high - class_count > 20:
        return f"{high} often marks rows to ignore: drop them (keep = y != {high})."
    if low >= class_count:
        return f"Every label is above the classes: most likely they start at {low}; use y - {low}."
    return "Check that the labels belong to this model, and that its last layer has a unit for each class."


def _one_a_row(labels: Array) -> Array:
    if labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1):
        return labels.reshape(-1)
    raise LabelError(f"The labels have the shape {list(labels.shape)}.", hint=_FORMS)


def _from_one_hot(labels: Array) -> NDArray[np.int64]:
    exact = ((labels == 0) | (labels == 1)).all(axis=1) & (labels.sum(axis=1) == 1)
    if exact.all():
        return np.asarray(labels.argmax(axis=1), dtype=np.int64)
    row = int(np.flatnonzero(~exact)[0])
    values = ", ".join(f"{value:g}" for value in labels[row, :8].astype(float).tolist())
    raise LabelError(
        f"The labels have the shape {list(labels.shape)} and are not one-hot: "
        f"row {row} is [{values}{', …' if labels.shape[1] > 8 else ''}].",
        hint=f"{_FORMS} Several classes in one row, and shares of classes, are not judged yet.",
    )


def _are_texts(labels: Array) -> bool:
    """As formats of texts (CSV, Parquet, JSON lines) give them."""
    return labels.dtype == object and all(
        isinstance(item, (str, bytes)) for item in labels.reshape(-1).tolist()
    )


def _from_names(labels: Array, class_names: Sequence[str]) -> NDArray[np.int64]:
    names = [item.decode(errors="replace") if isinstance(item, bytes) else str(item) for item in labels]
    if not class_names:
        found = ", ".join(repr(name) for name in sorted(set(names))[:5])
        raise LabelError(
            f"The labels are strings ({found}), and no class names say which output each one is.",
            hint="Name the classes in the order of the model's outputs: --classes cat,dog; or save indices.",
        )
    index = {name: position for position, name in enumerate(class_names)}
    unknown = sorted(set(names) - set(index))
    if unknown:
        raise LabelError(
            f"The labels hold names that are no class: {', '.join(map(repr, unknown[:5]))}.",
            hint=f"The classes are {', '.join(repr(str(name)) for name in class_names[:10])}.",
        )
    return np.array([index[name] for name in names], dtype=np.int64)


def _rows_of(mask: NDArray[np.bool_], values: Array) -> str:
    rows = np.flatnonzero(mask)[:3].tolist()
    return ", ".join(f"{float(values[row]):g} at row {row}" for row in rows)
