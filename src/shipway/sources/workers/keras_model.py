"""A loaded Keras model behind one face: flat, named inputs and outputs, whatever its own structure is."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .wire import TaskError

_PROBE_SIZES = (17, 23, 29, 31, 37)
"""Unequal primes: an output's axis of that size comes from that input's axis, not from a layer's width."""


class Model:
    """A Keras model; tensors go in and out in the order of `input_names` and `output_names`."""

    def __init__(self, keras: Any, model: Any, backend: str) -> None:  # noqa: ANN401 - Keras has no types
        self.keras = keras
        self.model = model
        self.backend = backend
        if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
            raise TaskError(
                "source.unsupported",
                f"The model ({type(model).__name__}) does not say what goes in and out.",
                hint="Save it as a Sequential or functional model with keras.Input layers.",
            )
        self.inputs = list(model.inputs)
        self.outputs = list(model.outputs)
        # A Sequential model just loaded says it "has no defined input", and has exactly one of each.
        sequential = isinstance(model, keras.Sequential)
        self._structure = self.inputs[0] if sequential else model.input
        self.input_names = _names(self._structure, [tensor.name for tensor in self.inputs])
        producers = [tensor._keras_history.operation.name for tensor in self.outputs]
        self.output_names = _names(self.outputs[0] if sequential else model.output, producers)

    def call(self, tensors: Sequence[Any]) -> list[Any]:
        """Backend tensors in, backend tensors out; inference mode."""
        packed = tensors[0]
        if _is_nested(self._structure):
            packed = self.keras.tree.pack_sequence_as(self._structure, list(tensors))
        return list(self.keras.tree.flatten(self.model(packed, training=False)))

    def predict(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays in, arrays out, by name, in one go."""
        tensors = [
            self.keras.ops.convert_to_tensor(arrays[name], dtype=tensor.dtype)
            for name, tensor in zip(self.input_names, self.inputs, strict=True)
        ]
        if self.backend == "torch":
            with importlib.import_module("torch").no_grad():
                found = self.call(tensors)
        else:
            found = self.call(tensors)
        return {
            name: _to_numpy(self.keras.ops.convert_to_numpy(tensor))
            for name, tensor in zip(self.output_names, found, strict=True)
        }

    def signature(self) -> dict[str, list[dict[str, Any]]]:
        """`{"inputs": [{name, dtype, shape}], "outputs": [...]}`; free dimensions have their names."""
        return {"inputs": self.input_specs, "outputs": self.output_specs}

    @cached_property
    def input_specs(self) -> list[dict[str, Any]]:
        """Free dimensions are `batch` and `NAME_AXIS`, NAME being the first input with a free axis there."""
        specs = []
        owners: dict[int, str] = {}
        for name, tensor in zip(self.input_names, self.inputs, strict=True):
            shape: list[int | str] = []
            for axis, size in enumerate(tensor.shape):
                free = (
                    "batch"
                    if axis == 0
                    else f"{owners.setdefault(axis, name)}_{axis}"
                    if size is None
                    else ""
                )
                shape.append(size if size is not None else free)
            specs.append({"name": name, "dtype": _dtype(tensor), "shape": shape})
        return specs

    @cached_property
    def output_specs(self) -> list[dict[str, Any]]:
        """A free dimension has the name of the input's dimension that it follows, else its own."""
        followed = self._followed_dimensions()
        specs = []
        for name, tensor in zip(self.output_names, self.outputs, strict=True):
            shape: list[int | str] = []
            for axis, size in enumerate(tensor.shape):
                own = "batch" if axis == 0 else followed.get((name, axis), f"{name}_{axis}")
                shape.append(size if size is not None else own)
            specs.append({"name": name, "dtype": _dtype(tensor), "shape": shape})
        return specs

    def free_dimensions(self) -> list[str]:
        """The names of the inputs' free dimensions, each once."""
        shapes = (spec["shape"] for spec in self.input_specs)
        return list(dict.fromkeys(size for shape in shapes for size in shape if isinstance(size, str)))

    def fixed_batch(self) -> int | None:
        """The number of rows that the model insists on, or None."""
        sizes = [spec["shape"][0] for spec in self.input_specs if spec["shape"]]
        return next((size for size in sizes if isinstance(size, int)), None)

    def _followed_dimensions(self) -> dict[tuple[str, int], str]:
        """(output, axis) → the input's free dimension of the same size, told by one run on unequal sizes."""
        if not any(size is None for tensor in self.outputs for size in tensor.shape[1:]):
            return {}
        names = [name for name in self.free_dimensions() if name != "batch"][: len(_PROBE_SIZES)]
        sizes = dict(zip(names, _PROBE_SIZES, strict=False))
        arrays = {
            spec["name"]: np.zeros(
                [2 if size == "batch" else sizes.get(size, size) for size in spec["shape"]], spec["dtype"]
            )
            for spec in self.input_specs
        }
        try:
            found = self.predict(arrays)
        except Exception:  # noqa: BLE001 - a model may refuse these sizes; its dimensions keep their own names
            return {}
        by_size = {size: name for name, size in sizes.items()}
        return {
            (name, axis): by_size[size]
            for name, array in found.items()
            for axis, size in enumerate(array.shape)
            if axis and size in by_size
        }


def read_tensors(model: Model, tensors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The model's inputs from `{"file", "names"}`: an `.npz` with members numbered in the order of `names`."""
    members = {name: str(number) for number, name in enumerate(tensors["names"])}
    missing = [name for name in model.input_names if name not in members]
    if missing:
        raise TaskError(
            "data.mismatch",
            f"The model takes {', '.join(model.input_names)}; given were {', '.join(members) or 'none'}.",
        )
    with np.load(tensors["file"], allow_pickle=False) as archive:
        return {name: archive[members[name]] for name in model.input_names}


def _is_nested(structure: Any) -> bool:  # noqa: ANN401 - any structure of tensors
    return isinstance(structure, (list, tuple, dict))


def _names(structure: Any, tensor_names: Sequence[str]) -> list[str]:  # noqa: ANN401 - as above
    """A flat dict's keys in Keras's order (sorted), else the tensors' own names; each made unique."""
    names = list(tensor_names)
    if isinstance(structure, dict) and not any(_is_nested(value) for value in structure.values()):
        names = sorted(structure)
    unique: list[str] = []
    for name in names:
        candidate, count = name, 0
        while candidate in unique:
            count += 1
            candidate = f"{name}_{count}"
        unique.append(candidate)
    return unique


def _dtype(tensor: Any) -> str:  # noqa: ANN401 - a Keras tensor
    dtype = str(tensor.dtype)
    return "float32" if dtype == "bfloat16" else dtype


def _to_numpy(array: Any) -> np.ndarray:  # noqa: ANN401 - what Keras calls numpy; bfloat16 is a foreign dtype
    found = np.asarray(array)
    return found.astype(np.float32) if found.dtype.name == "bfloat16" else found
