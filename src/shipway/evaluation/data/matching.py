"""Which column of the data is which input of the model, and which holds the labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shipway.errors import DataMismatchError, LabelError, UsageError
from shipway.evaluation.data.base import Column, Reader
from shipway.evaluation.data.fit import Unit, dims_of
from shipway.types import DType, TensorSpec

_SHOWN = 12
"""Columns named in a message; tables have hundreds."""


@dataclass(frozen=True)
class Assignment:
    """Columns of the data by what they are for."""

    inputs: Mapping[str, tuple[str, ...]]
    """Input → its column; several, in the file's order, where the columns of a table are one input's values."""
    label: str | None
    kept: tuple[str, ...]
    """Columns that the user asked for beside these."""
    unused: tuple[str, ...]

    @property
    def used(self) -> tuple[str, ...]:
        """Columns that are read."""
        read = [column for columns in self.inputs.values() for column in columns]
        return tuple(dict.fromkeys([*read, *([self.label] if self.label else []), *self.kept]))


def assign_columns(
    reader: Reader,
    specs: Sequence[TensorSpec],
    *,
    unit: Unit,
    label: str | None = None,
    kept: tuple[str, ...] = (),
) -> Assignment:
    """Columns go by the inputs' names; a single input's may be called `x`, or be a whole table's columns.

    `label` is the label column's name where the user gave one, `kept` are columns to keep beside. Raises
    `DataMismatchError` naming both sides, `LabelError` where the label column named is not there, and
    `UsageError` where one to keep is not.
    """
    _require_kept(reader, kept)
    if label is not None and label not in reader.columns:
        raise LabelError(
            f"{reader.path} has no column {label!r} to take the labels from; "
            f"it has {_listed(reader.columns.values())}.",
            hint="Give --label the name of one of them.",
        )
    inputs = _named(reader, specs) or _stacked(reader, specs, label, unit, kept)
    if inputs is None:
        raise DataMismatchError(
            f"{reader.path} does not hold the model's inputs. Found: {_listed(reader.columns.values())}. "
            f"Expected: {_expected(specs, unit)}.",
            hint=_mend_names(reader, [spec.name for spec in specs]),
        )
    taken = {column for columns in inputs.values() for column in columns}
    if label is None:
        label = next(
            (name for name in reader.label_names if name in reader.columns and name not in taken), None
        )
    left = [name for name in reader.columns if name not in taken and name != label]
    return Assignment(inputs, label, kept, tuple(name for name in left if name not in kept))


def _require_kept(reader: Reader, kept: tuple[str, ...]) -> None:
    for name in kept:
        column = reader.columns.get(name)
        if column is None or column.row_shape or column.is_scalar:
            found = "it has none of that name" if column is None else f"it holds {column}"
            plain = [name for name, one in reader.columns.items() if not one.row_shape and not one.is_scalar]
            raise UsageError(
                f"{reader.path} has no column {name!r} of one value a row to slice by: {found}.",
                hint=f"Its columns are {', '.join(plain[:_SHOWN]) or 'none'}.",
            )


def _named(reader: Reader, specs: Sequence[TensorSpec]) -> dict[str, tuple[str, ...]] | None:
    names = [spec.name for spec in specs]
    if all(name in reader.columns for name in names):
        return {name: (name,) for name in names}
    if len(names) == 1 and "x" in reader.columns:
        return {names[0]: ("x",)}
    return None


def _stacked(
    reader: Reader, specs: Sequence[TensorSpec], label: str | None, unit: Unit, kept: tuple[str, ...]
) -> dict[str, tuple[str, ...]] | None:
    """All other columns of a table, in its order, for a single input of as many values a row.

    Columns that are kept to slice by count where the model takes that many, and not where it takes fewer.
    """
    if len(specs) != 1 or unit != "row" or reader.format == "npz":
        return None
    dims = dims_of(specs[0], unit)
    found = label or next((name for name in reader.label_names if name in reader.columns), None)
    columns = [name for name in reader.columns if name != found]
    is_text = specs[0].dtype is DType.BYTES
    fitting = [
        name
        for name in columns
        if reader.columns[name].row_shape == () and (reader.columns[name].dtype.kind in "OSU") == is_text
    ]
    if len(dims) > 1 or not fitting:
        return None
    wanted = dims[0] if dims else 1
    without_kept = [name for name in fitting if name not in kept]
    if len(fitting) != wanted == len(without_kept):
        fitting = without_kept
    if isinstance(wanted, int) and len(fitting) != wanted:
        kind = "text" if is_text else "number"
        raise DataMismatchError(
            f"{reader.path} has {len(fitting)} {kind} columns beside {found or 'no label column'}: "
            f"{_listed(reader.columns[name] for name in fitting)}; input {specs[0].name!r} of the model takes "
            f"{wanted} values a row.",
            hint="Leave the columns of the training in the file, in the order of the training"
            + (" and name the labels' by --label." if found is None else "."),
        )
    return {specs[0].name: tuple(fitting)}


def _mend_names(reader: Reader, names: list[str]) -> str:
    found = reader.columns
    single = len(names) == 1
    file = reader.path.name
    if single and "x_test" in found:
        labels = ', y=d["y_test"]' if "y_test" in found else ""
        return (
            "The file holds parts; save the one to judge on: "
            f'd = numpy.load("{file}"); numpy.savez("data.npz", x=d["x_test"]{labels})'
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
    what = "arrays" if reader.format == "npz" else "columns"
    return f"Save the {what} under the inputs' names; missing: {', '.join(missing[:_SHOWN])}."


def _listed(columns: Iterable[Column]) -> str:
    named = [str(column) for column in columns]
    more = f"; and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return "; ".join(named[:_SHOWN]) + more


def _expected(specs: Sequence[TensorSpec], unit: Unit) -> str:
    parts = [
        f"{spec.name} {_dtype_name(spec)}[{', '.join([f'{unit}s', *map(str, dims_of(spec, unit))])}]"
        for spec in specs
    ]
    alias = " (or called x)" if len(specs) == 1 else ""
    labels = "; labels int64[rows] (or called y), optional for export" if unit == "row" else ""
    return f"{'; '.join(parts)}{alias}{labels}"


def _dtype_name(spec: TensorSpec) -> str:
    return "str" if spec.dtype is DType.BYTES else str(spec.dtype.numpy)
