"""Asks a Keras model for its own answers: in its own precision, in float64, and row by row."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .keras_model import Model, read_tensors
from .wire import blame, progress

_BATCH_ROWS = 32
_BATCH_BYTES = 32 << 20
"""Of inputs; a layer's activations are some ten times that."""
_PRECISE_ROWS = 16
_REPEATED_ROWS = 8
_PRECISE_PARAMETERS = 50_000_000
"""A float64 twin needs some 24 bytes for each parameter while its weights are set: 1.2 GB at this size."""

_WIDENED = {"float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"}

Arrays = dict[str, np.ndarray]


def answer(model: Model, cases: Mapping[str, Mapping[str, Any]], out: Path) -> dict[str, dict[str, str]]:
    """Writes one `.npz` per case and kind; gives `{"outputs" | "precise" | "repeated": {case: file}}`.

    Members of every file are numbered in the order of the model's inputs or outputs: a name may hold
    characters that an archive's member may not.
    """
    files: dict[str, dict[str, str]] = {"outputs": {}, "precise": {}, "repeated": {}}
    largest, most = "", -1
    for number, (case, tensors) in enumerate(cases.items()):
        inputs = read_tensors(model, tensors)
        rows = _rows(inputs)
        progress(f"asking the model: {case}, {rows} rows ({number + 1} of {len(cases)})")
        with blame("data.mismatch", f"the model refuses the inputs of {case!r}"):
            found = _predict(model, inputs, model.fixed_batch() or _batch_rows(inputs))
        files["outputs"][case] = _write(out / f"outputs-{number}.npz", found)
        if rows > most:
            largest, most = case, rows
    if cases and model.fixed_batch() is None:
        inputs = read_tensors(model, cases[largest])
        files["repeated"][largest] = _repeat(model, inputs, out)
        # Edges too, where a net may cancel far more than on the rows that it was trained for.
        chosen = {case: read_tensors(model, cases[case]) for case in {largest, "edge"} & set(cases)}
        for number, (case, found) in enumerate(_precise(model, chosen).items()):
            files["precise"][case] = _write(out / f"precise-{number}.npz", found)
    return files


def _repeat(model: Model, inputs: Arrays, out: Path) -> str:
    progress("asking again, row by row")
    few = {name: array[:_REPEATED_ROWS] for name, array in inputs.items()}
    return _write(out / "repeated.npz", _predict(model, few, 1))


def _precise(model: Model, cases: Mapping[str, Arrays]) -> dict[str, Arrays]:
    """A float64 twin's answers by case; none where there can be none (a layer without float64).

    On TensorFlow only: on torch, Keras 3.15's Dense gives float64 arrays of float32 values (measured: 7e-8 off).
    """
    keras = model.keras
    if model.backend != "tensorflow":
        return {}
    if model.model.count_params() > _PRECISE_PARAMETERS:
        return {}
    progress("computing in float64")
    keras.config.set_floatx("float64")
    try:
        twin = Model(keras, _float64_twin(keras, model.model), model.backend)
        few = {c: {name: a[:_PRECISE_ROWS] for name, a in inputs.items()} for c, inputs in cases.items()}
        return {case: _predict(twin, inputs, _batch_rows(inputs)) for case, inputs in few.items()}
    except Exception:  # noqa: BLE001 - any layer may refuse float64; the row-by-row answers still stand
        traceback.print_exc()
        return {}
    finally:
        keras.config.set_floatx("float32")


def _float64_twin(keras: Any, model: Any) -> Any:  # noqa: ANN401 - Keras has no types
    """The same model with every float dtype in its configuration turned to float64, and the same weights.

    Mixed precision too: how far it lies from float64 is just the noise that its ONNX form may have as well.
    """
    twin = keras.saving.deserialize_keras_object(_widen(keras.saving.serialize_keras_object(model)))
    for target, weight in zip(twin.variables, model.variables, strict=True):
        target.assign(np.asarray(keras.ops.convert_to_numpy(weight)).astype(str(target.dtype)))
    return twin


def _widen(config: Any) -> Any:  # noqa: ANN401 - JSON
    """Float dtypes and policies → `float64`; initializers → zeros, because the weights are set afterwards."""
    if isinstance(config, dict):
        return {
            key: "zeros"
            if key.endswith("_initializer") and isinstance(value, dict)
            else value
            if key in ("name", "shared_object_id") and value not in _WIDENED
            else _widen(value)
            for key, value in config.items()
            if key != "shared_object_id"
        }
    if isinstance(config, (list, tuple)):
        return [_widen(item) for item in config]
    return "float64" if isinstance(config, str) and config in _WIDENED else config


def _predict(model: Model, inputs: Arrays, batch_rows: int) -> Arrays:
    parts = [
        model.predict({name: array[start : start + batch_rows] for name, array in inputs.items()})
        for start in range(0, _rows(inputs), batch_rows)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in model.output_names}


def _batch_rows(inputs: Arrays) -> int:
    row_bytes = sum(array.nbytes for array in inputs.values()) // max(1, _rows(inputs))
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, row_bytes)))


def _rows(inputs: Arrays) -> int:
    return int(next(iter(inputs.values())).shape[0])


def _write(file: Path, arrays: Arrays) -> str:
    """Numbered members, as `answer` says. Strings are written as fixed-width text, never pickled."""
    members = {str(n): a.astype(str) if a.dtype.kind == "O" else a for n, a in enumerate(arrays.values())}
    np.savez(file, allow_pickle=False, **members)
    return str(file)
