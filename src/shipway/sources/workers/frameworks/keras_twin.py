"""A Keras model in float64: the same configuration with every float dtype widened, and the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..loaded import Arrays, Twin
from .keras_model import Model

PRECISE_PARAMETERS = 50_000_000
"""A float64 twin needs some 24 bytes for each parameter while its weights are set: 1.2 GB at this size."""

_WIDENED = {"float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"}


def widened(model: Model) -> Twin | None:
    """The twin, or None. Raises whatever a layer without float64 raises.

    On TensorFlow only: on torch, Keras 3.15's Dense gives float64 arrays of float32 values (measured: 7e-8 off).
    """
    if model.backend != "tensorflow" or model.model.count_params() > PRECISE_PARAMETERS:
        return None
    keras = model.keras
    with _floatx(keras, "float64"):
        twin = Model(keras, _float64_twin(keras, model.model), model.backend)

    def predict(arrays: Arrays) -> Arrays:
        with _floatx(keras, "float64"):
            return twin.predict(arrays)

    return Twin(predict)


@contextmanager
def _floatx(keras: Any, name: str) -> Iterator[None]:  # noqa: ANN401 - Keras has no types
    before = keras.config.floatx()
    keras.config.set_floatx(name)
    try:
        yield
    finally:
        keras.config.set_floatx(before)


def _float64_twin(keras: Any, model: Any) -> Any:  # noqa: ANN401 - Keras has no types
    """The same model with every float dtype in its configuration turned to float64, and the same weights.

    Mixed precision too: how far it lies from float64 is just the noise that its ONNX form may have as well.
    """
    twin = keras.saving.deserialize_keras_object(widen(keras.saving.serialize_keras_object(model)))
    for target, weight in zip(twin.variables, model.variables, strict=True):
        target.assign(np.asarray(keras.ops.convert_to_numpy(weight)).astype(str(target.dtype)))
    return twin


def widen(config: Any) -> Any:  # noqa: ANN401 - JSON
    """Float dtypes and policies → `float64`; initializers → zeros, because the weights are set afterwards."""
    if isinstance(config, dict):
        return {
            key: "zeros"
            if key.endswith("_initializer") and isinstance(value, dict)
            else value
            if key in ("name", "shared_object_id") and value not in _WIDENED
            else widen(value)
            for key, value in config.items()
            if key != "shared_object_id"
        }
    if isinstance(config, (list, tuple)):
        return [widen(item) for item in config]
    return "float64" if isinstance(config, str) and config in _WIDENED else config
