"""What goes into a model whose file does not say it, learned from the user's own rows."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from shipway.errors import DataMismatchError
from shipway.evaluation.data.base import Column, Reader, Reading
from shipway.evaluation.data.readers import open_reader
from shipway.types import DType, TensorSpec


def infer_inputs(
    path: Path, names: tuple[str, ...], reading: Reading | None = None
) -> tuple[TensorSpec, ...]:
    """The inputs as the columns of the data have them: dtype, a free batch, and the other axes' sizes.

    `names` are the inputs' names where the file tells those; a single one may be called `x` in the data, or be
    all number columns of a table. float64 columns, numpy's own default, are taken for float32 inputs, as models
    are trained. Raises `DataMismatchError`, `DataFormatError`, `DataNotFoundError`.
    """
    told = reading or Reading()
    if path.is_dir():
        raise DataMismatchError(
            f"{path} is a folder of images, which does not say what the model takes.",
            hint="Say it: --input 'x=float32[batch,224,224,3]' or --input 'x=float32[batch,3,224,224]'.",
        )
    with closing(open_reader(path, (), told)) as reader:
        if reader.format == "npz":
            chosen = _choose(reader, names, told)
            return tuple(_spec(name, reader.columns[column], reader) for name, column in chosen.items())
        return _of_table(reader, names, told)


def _of_table(reader: Reader, names: tuple[str, ...], told: Reading) -> tuple[TensorSpec, ...]:
    columns = _candidates(reader, told)
    if names and all(name in reader.columns for name in names):
        return tuple(_column_input(_spec(name, reader.columns[name], reader)) for name in names)
    if len(names) == 1 and "x" in columns:
        return (_spec(names[0], columns["x"], reader),)
    if len(names) <= 1 and all(
        not column.row_shape and column.dtype.kind in "biuf" for column in columns.values()
    ):
        return (TensorSpec(names[0] if names else "x", DType.FP32, ("batch", len(columns))),)
    if names:
        raise _other_names(reader, names)
    return tuple(_column_input(_spec(name, column, reader)) for name, column in columns.items())


def _column_input(spec: TensorSpec) -> TensorSpec:
    """A table's column as pipelines take it: `[batch, 1]`, numbers as float32."""
    if len(spec.shape) > 1:
        return spec
    dtype = DType.BYTES if spec.dtype is DType.BYTES else DType.FP32
    return TensorSpec(spec.name, dtype, (*spec.shape, 1))


def _candidates(reader: Reader, told: Reading) -> Mapping[str, Column]:
    """All columns but the labels'."""
    label = told.label or next((name for name in reader.label_names if name in reader.columns), None)
    labels = set(reader.label_names) if reader.format == "npz" else {label}
    return {name: column for name, column in reader.columns.items() if name not in labels | {told.label}}


def _choose(reader: Reader, names: tuple[str, ...], told: Reading) -> dict[str, str]:
    """Input → column."""
    if not names:
        return {name: name for name in _candidates(reader, told)}
    if all(name in reader.columns for name in names):
        return {name: name for name in names}
    if len(names) == 1 and "x" in reader.columns:
        return {names[0]: "x"}
    raise _other_names(reader, names)


def _other_names(reader: Reader, names: tuple[str, ...]) -> DataMismatchError:
    found = "; ".join(map(str, reader.columns.values()))
    what = "arrays" if reader.format == "npz" else "columns"
    return DataMismatchError(
        f"{reader.path} does not hold the model's inputs. Found: {found}. Expected: {', '.join(names)}.",
        hint=f"Save the {what} under the inputs' names, or say with --input NAME=DTYPE[batch,...] what goes in.",
    )


def _spec(name: str, column: Column, reader: Reader) -> TensorSpec:
    try:
        # Texts of a table are objects; objects of an .npz are pickled, and never read.
        is_text = column.dtype.hasobject and reader.format != "npz"
        dtype = DType.BYTES if is_text else DType.of(column.dtype)
    except ValueError as error:
        raise DataMismatchError(f"{column} in {reader.path} is of a dtype that no model takes.") from error
    if column.is_scalar:
        raise DataMismatchError(
            f"{column} in {reader.path} has no rows; expected one row per sample along axis 0."
        )
    return TensorSpec(name, DType.FP32 if dtype is DType.FP64 else dtype, ("batch", *column.row_shape))
