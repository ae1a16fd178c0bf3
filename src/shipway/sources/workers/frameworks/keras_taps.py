"""Runs a Keras model once and records what went into and came out of each layer.

Layers inside of nested models are recorded, the parts of a composite layer (a cell, an attention's projections)
are not: converters keep no value for them, and a cell is called once a time step.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from ..wire import progress
from .keras_model import Model

LIMIT_BYTES = 512 << 20
"""Of the arrays kept; the layers behind that are left out."""
_PARAMETER_BYTES = 16 << 20
"""Of one weight."""

Record = dict[str, Any]


def record(model: Model, arrays: Mapping[str, np.ndarray], *, limit_bytes: int = LIMIT_BYTES) -> list[Record]:
    """What each layer was given and gave, in the order of the calls, in inference mode.

    `model` is a `keras.Model` or the `Model` around it; `arrays` are the inputs, `[rows, ...]`, by name or in the
    model's order. Gives `{"name", "kind", "inputs", "outputs", "parameters"}` a
    call: lists of arrays (`[rows, ...]`, an array that is passed on is one object), and weights by their names.
    """
    if not isinstance(model, Model):
        keras = importlib.import_module("keras")
        model = Model(keras, model, keras.backend.backend())
    named = arrays if isinstance(arrays, Mapping) else dict(zip(model.input_names, arrays, strict=True))
    recorder = _Recorder(model.keras, limit_bytes)
    layers = list(dict.fromkeys(_leaves(model.model)))
    progress(f"listening to {len(layers)} layers")
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_listening(layer, recorder))
        model.predict(named)
    return recorder.records


def _leaves(model: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    """Layers and operations (`x + y`, `keras.ops`) of a model and of the models inside it."""
    parts = list(getattr(model, "operations", None) or ())
    if not parts:
        functional = getattr(model, "_functional", None)  # a Sequential model keeps its graph there
        parts = list(getattr(functional, "operations", None) or model.layers)
    for part in parts:
        if hasattr(part, "layers"):
            yield from _leaves(part)
        elif type(part).__name__ != "InputLayer":
            yield part


@contextmanager
def _listening(layer: Any, recorder: _Recorder) -> Iterator[None]:  # noqa: ANN401 - as above
    """Puts a listener in the place of `layer.call`, past Keras's tracking of attributes."""
    vars(layer)["call"] = recorder.around(layer, layer.call)
    try:
        yield
    finally:
        del vars(layer)["call"]


class _Recorder:
    """Keeps the calls; a tensor that several layers see becomes one array."""

    def __init__(self, keras: Any, limit_bytes: int) -> None:  # noqa: ANN401 - as above
        self.records: list[Record] = []
        self._keras = keras
        self._left_bytes = limit_bytes
        self._seen: dict[int, tuple[Any, np.ndarray]] = {}
        """The tensor too: as long as it lives, no other has its id."""

    def around(self, layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ANN401 - as above
        """`call`, which is recorded in addition."""

        def listened(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any layer's call
            found = call(*args, **kwargs)
            self._record(layer, (args, kwargs), found)
            return found

        return listened

    def _record(self, layer: Any, given: Any, found: Any) -> None:  # noqa: ANN401 - as above
        if self._left_bytes <= 0:
            return
        inputs, outputs = self._arrays(given), self._arrays(found)
        if self._left_bytes > 0:
            self.records.append(
                {
                    "name": layer.name,
                    "kind": type(layer).__name__,
                    "inputs": inputs,
                    "outputs": outputs,
                    "parameters": self._parameters(layer),
                }
            )

    def _arrays(self, structure: Any) -> list[np.ndarray]:  # noqa: ANN401 - any structure of tensors
        return [self._array(item) for item in self._keras.tree.flatten(structure) if hasattr(item, "shape")]

    def _array(self, tensor: Any) -> np.ndarray:  # noqa: ANN401 - a backend's tensor
        if id(tensor) not in self._seen:
            array = _to_numpy(self._keras, tensor)
            self._left_bytes -= array.nbytes
            self._seen[id(tensor)] = tensor, array
        return self._seen[id(tensor)][1]

    def _parameters(self, layer: Any) -> dict[str, np.ndarray]:  # noqa: ANN401 - as above
        found: dict[str, np.ndarray] = {}
        for weight in _own_weights(layer):
            array = _to_numpy(self._keras, weight)
            if array.nbytes <= _PARAMETER_BYTES:
                found.setdefault(weight.name, array)
                self._left_bytes -= array.nbytes
        return found


def _own_weights(layer: Any) -> Sequence[Any]:  # noqa: ANN401 - as above
    return getattr(layer, "weights", ())


def _to_numpy(keras: Any, tensor: Any) -> np.ndarray:  # noqa: ANN401 - bfloat16 is a foreign dtype
    array = np.array(keras.ops.convert_to_numpy(tensor))
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
