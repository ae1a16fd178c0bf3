"""A loaded Keras model behind one face: flat, named inputs and outputs, whatever its own structure is."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..loaded import Twin, followed_dimensions, named_shape
from ..loading import versions_of
from ..wire import TaskError

_DISTRIBUTIONS = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "torch": ("torch",)}
"""Backend → the distributions that it may come from."""


class Model:
    """A Keras model; tensors go in and out in the order of `input_names` and `output_names`."""

    framework = "Keras"
    perturbs = False

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
        self.input_names = unique_names(self._structure, [tensor.name for tensor in self.inputs])
        producers = [tensor._keras_history.operation.name for tensor in self.outputs]
        self.output_names = unique_names(self.outputs[0] if sequential else model.output, producers)

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

    def twin(self) -> Twin | None:
        """See `keras_twin.py`."""
        return importlib.import_module(".keras_twin", __package__).widened(self)  # type: ignore[no-any-return]

    def record(self, arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """What each layer was given and gave: see `keras_taps.py`."""
        taps = importlib.import_module(".keras_taps", __package__)
        return taps.record(self, arrays)  # type: ignore[no-any-return]

    def versions(self) -> dict[str, str]:
        """Of Keras, numpy and the backend."""
        return versions_of(("keras", "numpy", *_DISTRIBUTIONS[self.backend]))

    @cached_property
    def input_specs(self) -> list[dict[str, Any]]:
        """Free dimensions are `batch` and `NAME_AXIS`, NAME being the first input with a free axis there."""
        owners: dict[int, str] = {}
        return [
            {"name": name, "dtype": _dtype(tensor), "shape": named_shape(name, tensor.shape, owners)}
            for name, tensor in zip(self.input_names, self.inputs, strict=True)
        ]

    @cached_property
    def output_specs(self) -> list[dict[str, Any]]:
        """A free dimension has the name of the input's dimension that it follows, else its own."""
        is_free = any(size is None for tensor in self.outputs for size in tensor.shape[1:])
        followed = followed_dimensions(self) if is_free else {}
        specs = []
        for name, tensor in zip(self.output_names, self.outputs, strict=True):
            shape: list[int | str] = []
            for axis, size in enumerate(tensor.shape):
                own = "batch" if axis == 0 else followed.get((name, axis), f"{name}_{axis}")
                shape.append(size if size is not None else own)
            specs.append({"name": name, "dtype": _dtype(tensor), "shape": shape})
        return specs


def _is_nested(structure: Any) -> bool:  # noqa: ANN401 - any structure of tensors
    return isinstance(structure, (list, tuple, dict))


def unique_names(structure: Any, tensor_names: Sequence[str]) -> list[str]:  # noqa: ANN401 - as above
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
