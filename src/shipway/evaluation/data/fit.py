"""Whether arrays fit a model's inputs, and what the user changes when they do not.

The rules: the rows lie along axis 0 (or whole requests, for a model without rows: then all axes of the model
follow); every other axis is as the model has it; a change of width that loses
nothing more than rounding is made and noted; a change of kind (whole numbers to floats) is refused, because
it hides a scaling that was forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from shipway.errors import DataMismatchError
from shipway.types import Array, Dim, DType, TensorSpec

Unit = Literal["row", "request"]
"""What axis 0 of the data counts."""


def dims_of(spec: TensorSpec, unit: Unit) -> tuple[Dim, ...]:
    """The shape of one row or of one request."""
    return spec.shape[1:] if unit == "row" else spec.shape


def check_shape(array_shape: tuple[int, ...], spec: TensorSpec, *, called: str, unit: Unit = "row") -> None:
    """Raises `DataMismatchError`, with the line that would mend it, unless rows of this shape fit `spec`.

    `called` is the array's name in the file. The first axis holds the rows, whatever its size in the model; or
    the requests, whose shape is the model's own.
    """
    expected = dims_of(spec, unit)
    if array_shape and _fits(array_shape[1:], expected):
        return
    found = f"[{', '.join(str(size) for size in array_shape)}]"
    row = ", ".join(str(dim) for dim in expected)
    raise DataMismatchError(
        f"Array {called!r} has shape {found}; input {spec.name!r} of the model takes {unit}s of shape [{row}].",
        hint=_mend_shape(array_shape, expected, called, unit),
    )


def check_free_dimensions(
    shapes: Mapping[str, tuple[int, ...]], specs: tuple[TensorSpec, ...], *, unit: Unit = "row"
) -> None:
    """Raises `DataMismatchError` where inputs share a named free dimension and the data's sizes differ."""
    sizes: dict[str, tuple[int, str]] = {}
    for spec in specs:
        for dim, size in zip(dims_of(spec, unit), shapes[spec.name][1:], strict=True):
            if not isinstance(dim, str):
                continue
            first_size, first_name = sizes.setdefault(dim, (size, spec.name))
            if size != first_size:
                raise DataMismatchError(
                    f"Inputs {first_name!r} and {spec.name!r} share the free dimension {dim!r}; "
                    f"the data has {first_size} in one and {size} in the other.",
                    hint=f"Pad or cut the {unit}s of both arrays to one size.",
                )


def fit_values(
    array: Array, spec: TensorSpec, *, called: str, from_table: bool = False
) -> tuple[Array, str | None]:
    """The array in the input's dtype, and a note where its width was changed.

    A table's whole numbers and booleans are numbers like its others (`from_table`): frames hold a column of 0 and
    1 as integers. NaN and infinity stay. Raises `DataMismatchError` on a dtype of another kind or values
    that the input's dtype cannot hold.
    """
    wanted = spec.dtype.numpy
    if spec.dtype is DType.BYTES:
        if array.dtype.kind not in "OSU":
            raise _kind_mismatch(array, spec, called)
        return array.astype(object), None
    same_kind = (
        (from_table and spec.dtype.is_float and array.dtype.kind in "iub")
        or (array.dtype.kind == "f" and spec.dtype.is_float)
        or (array.dtype.kind in "iu" and spec.dtype.is_integer)
    )
    if array.dtype != wanted and not same_kind:
        raise _kind_mismatch(array, spec, called)
    if array.dtype == wanted:
        return array, None
    if spec.dtype.is_integer:
        _refuse_out_of_range(array, spec, called)
        return array.astype(wanted), f"{called}: {array.dtype} stored as {wanted}, every value fits"
    with np.errstate(over="ignore"):
        fitted = array.astype(wanted)
    if wanted.itemsize < array.dtype.itemsize and (np.isinf(fitted) & np.isfinite(array)).any():
        largest = float(np.finfo(wanted).max)
        raise DataMismatchError(
            f"Array {called!r} is {array.dtype} with values beyond ±{largest:.3g}, the range of {wanted}, "
            f"which input {spec.name!r} takes.",
            hint="Check the values, or scale them as for training.",
        )
    word = "rounded to" if array.dtype.kind == "f" else "read as"
    return fitted, f"{called}: {array.dtype} {word} {wanted}"


def _fits(sizes: tuple[int, ...], dims: tuple[Dim, ...]) -> bool:
    return len(sizes) == len(dims) and all(
        isinstance(dim, str) or dim == size for size, dim in zip(sizes, dims, strict=True)
    )


def _mend_shape(shape: tuple[int, ...], expected: tuple[Dim, ...], called: str, unit: Unit) -> str:
    """The line that makes the array fit, or what to check where no reordering would."""
    row = shape[1:]
    for axis in range(len(expected)):
        if expected[axis] == 1 and _fits((*row[:axis], 1, *row[axis:]), expected):
            index = "..., None" if axis == len(expected) - 1 else ", ".join([":"] * (axis + 1) + ["None"])
            return f"An axis of size 1 is missing (often the channels): use {called}[{index}]."
    if len(row) > 1:
        for source, target, words in ((0, -1, "first, the model's last"), (-1, 0, "last, the model's first")):
            order = list(range(len(row)))
            order.insert(target % len(row), order.pop(source))
            if _fits(tuple(row[axis] for axis in order), expected):
                move = f"numpy.moveaxis({called}, {source % len(row) + 1}, {target % len(row) + 1})"
                return f"The array's channels look to be {words}: use {move}."
    if _fits(shape, expected):
        return f"The axis of the {unit}s is missing: for one {unit} use {called}[None]."
    ones = [axis for axis, size in enumerate(row) if size == 1]
    for extra in [*([axis] for axis in reversed(ones)), ones]:
        if _fits(tuple(size for axis, size in enumerate(row) if axis not in extra), expected):
            axes = ", ".join(str(axis + 1) for axis in extra)
            return f"There are extra axes of size 1: use {called}.squeeze(({axes},))."
    fixed = [dim for dim in expected if isinstance(dim, int)]
    if len(fixed) == len(expected) and row and math.prod(row) == math.prod(fixed):
        return (
            f"Each {unit} has as many values as the model takes: use "
            f"{called}.reshape({', '.join(str(size) for size in (-1, *fixed))}), if the order is the same."
        )
    return f"Prepare the {unit}s as for training: the same sizes, the same order of axes."


def _kind_mismatch(array: Array, spec: TensorSpec, called: str) -> DataMismatchError:
    wanted = spec.dtype.numpy
    message = f"Array {called!r} is {array.dtype}; input {spec.name!r} of the model takes {wanted}."
    if spec.dtype is DType.BYTES:
        return DataMismatchError(message, hint="Give strings, as the model takes text.")
    if array.dtype.kind not in "biuf":
        return DataMismatchError(
            message.replace("takes object", "takes strings"),
            hint=f'Save numbers: {called} = numpy.asarray({called}, dtype="{wanted}").',
        )
    line = f'{called}.astype("{wanted}")'
    if spec.dtype.is_float and array.dtype.kind in "iu" and array.size:
        low, high = int(array.min()), int(array.max())
        hint = f"Use {line}. The values run from {low} to {high}: "
        if low >= 0 and high > 1:
            hint += (
                "if the model was trained on 0 to 1, divide too "
                f"({line} / {255 if 1 < high <= 255 else high}); "
            )
        return DataMismatchError(message, hint=f"{hint}the scaling must be the one of training.")
    if spec.dtype.is_integer and array.dtype.kind == "f":
        whole = bool(np.isfinite(array).all() and (array == np.floor(array)).all())
        remark = (
            "Every value is a whole number, so nothing is lost."
            if whole
            else "Values between whole numbers would be cut off: the model may want unscaled data (0 to 255)."
        )
        return DataMismatchError(message, hint=f"Use {line}. {remark}")
    return DataMismatchError(message, hint=f"Use {line}, if that is what the model was trained on.")


def _refuse_out_of_range(array: Array, spec: TensorSpec, called: str) -> None:
    limits: Any = np.iinfo(spec.dtype.numpy)
    if not array.size:
        return
    low, high = int(array.min()), int(array.max())
    if low < int(limits.min) or high > int(limits.max):
        raise DataMismatchError(
            f"Array {called!r} is {array.dtype} with values from {low} to {high}; input {spec.name!r} takes "
            f"{spec.dtype.numpy}, which holds {limits.min} to {limits.max}.",
            hint="Check the values: they would wrap around.",
        )
