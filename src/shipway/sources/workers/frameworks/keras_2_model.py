"""A model of Keras 2 behind the same face as one of Keras 3."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..loaded import Arrays, Twin
from ..loading import versions_of
from ..wire import TaskError
from .keras_model import Model, unique_names
from .keras_twin import PRECISE_PARAMETERS, widen


@dataclass(frozen=True)
class Tensor:
    """An input or output: as Keras 3 says it."""

    shape: tuple[int | None, ...]
    dtype: str


class Keras2Model(Model):
    """A model of `tf_keras`; tensors go in and out in the order of `input_names` and `output_names`."""

    framework = "Keras 2"

    def __init__(self, keras: Any, model: Any) -> None:  # noqa: ANN401 - Keras has no types
        self.keras = keras
        self.model = model
        self.backend = "tensorflow"
        self.tensorflow = importlib.import_module("tensorflow")
        if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
            raise TaskError(
                "source.unsupported",
                f"The model ({type(model).__name__}) does not say what goes in and out.",
                hint="Save it as a Sequential or functional model with keras.Input layers.",
            )
        self.inputs = [_tensor(found) for found in model.inputs]
        self.outputs = [_tensor(found) for found in model.outputs]
        sequential = isinstance(model, keras.Sequential)
        self._structure = model.inputs[0] if sequential else model.input
        self.input_names = unique_names(self._structure, model.input_names)
        self.output_names = unique_names(model.outputs[0] if sequential else model.output, model.output_names)

    def call(self, tensors: Sequence[Any]) -> list[Any]:
        """TensorFlow's tensors in and out; inference mode."""
        packed = tensors[0]
        if isinstance(self._structure, (list, tuple, dict)):
            packed = self.tensorflow.nest.pack_sequence_as(self._structure, list(tensors))
        return list(self.tensorflow.nest.flatten(self.model(packed, training=False)))

    def predict(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays in, arrays out, by name, in one go."""
        given = [
            self.tensorflow.constant(arrays[name], dtype=tensor.dtype)
            for name, tensor in zip(self.input_names, self.inputs, strict=True)
        ]
        found = [tensor.numpy() for tensor in self.call(given)]
        return dict(zip(self.output_names, found, strict=True))

    def twin(self) -> Twin | None:
        """The same configuration with every float dtype widened, and the same weights."""
        if self.model.count_params() > PRECISE_PARAMETERS:
            return None
        with _floatx(self.keras, "float64"):
            config = widen(json.loads(self.model.to_json()))
            wide = self.keras.models.model_from_json(json.dumps(config))
            wide.set_weights([weight.astype(np.float64) for weight in self.model.get_weights()])
            twin = Keras2Model(self.keras, wide)

        def predict(arrays: Arrays) -> Arrays:
            with _floatx(self.keras, "float64"):
                return twin.predict(arrays)

        return Twin(predict)

    def versions(self) -> dict[str, str]:
        """Of Keras 2, numpy and TensorFlow."""
        return versions_of(("tf_keras", "numpy", "tensorflow", "tensorflow-cpu"))


@contextmanager
def _floatx(keras: Any, name: str) -> Iterator[None]:  # noqa: ANN401 - Keras has no types
    before = keras.backend.floatx()
    keras.backend.set_floatx(name)
    try:
        yield
    finally:
        keras.backend.set_floatx(before)


def _tensor(found: Any) -> Tensor:  # noqa: ANN401 - a KerasTensor of Keras 2
    return Tensor(tuple(found.shape), found.dtype.name)
