"""What goes into a model whose file does not say it, learned from the user's own rows."""

from __future__ import annotations

from pathlib import Path

from shipway.errors import DataMismatchError
from shipway.evaluation.data.npz import NpzFile, StoredArray, open_npz
from shipway.types import DType, TensorSpec

_LABELS = ("labels", "y")


def infer_inputs(path: Path, names: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    """The inputs as the arrays of an `.npz` have them: dtype, a free batch, and the other axes' sizes.

    `names` are the inputs' names where the file tells those; a single one may be called `x` in the data. float64
    arrays, numpy's own default, are taken for float32 inputs, as models are trained. Raises
    `DataMismatchError`, `DataFormatError`, `DataNotFoundError`.
    """
    with open_npz(path) as file:
        chosen = _choose(file, names)
        return tuple(_spec(name, file.arrays[member], path) for name, member in chosen.items())


def _choose(file: NpzFile, names: tuple[str, ...]) -> dict[str, str]:
    """Input → array."""
    candidates = [name for name in file.arrays if name not in _LABELS]
    if not names:
        return {name: name for name in candidates}
    if all(name in file.arrays for name in names):
        return {name: name for name in names}
    if len(names) == 1 and "x" in file.arrays:
        return {names[0]: "x"}
    found = "; ".join(str(array) for array in file.arrays.values())
    raise DataMismatchError(
        f"{file.path} does not hold the model's inputs. Found: {found}. Expected: {', '.join(names)}.",
        hint="Save the arrays under the inputs' names, or say with --input NAME=DTYPE[batch,...] what goes in.",
    )


def _spec(name: str, array: StoredArray, path: Path) -> TensorSpec:
    try:
        dtype = DType.of(array.dtype)
    except ValueError as error:
        raise DataMismatchError(f"{array} in {path} is of a dtype that no model takes.") from error
    if not array.shape:
        raise DataMismatchError(f"{array} in {path} has no rows; expected one row per sample along axis 0.")
    return TensorSpec(name, DType.FP32 if dtype is DType.FP64 else dtype, ("batch", *array.shape[1:]))
