"""Writes a Keras model, of Keras 3 or 2, as a SavedModel that keeps its names, its order and its free axes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Opened
from ..loaded import names_of, signature_of
from . import signature_notes


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """The folder `out`, with one function behind the signatures `serve` and `serving_default`.

    `model.export` would call the outputs `output_0`, `output_1`.
    """
    del task
    model = opened.model
    tensorflow = importlib.import_module("tensorflow")
    keys = signature_notes.input_keys(names_of(model.input_specs))
    specs = [
        tensorflow.TensorSpec(tensor.shape, tensor.dtype, name=key)
        for key, tensor in zip(keys, model.inputs, strict=True)
    ]

    def serve(*tensors: Any) -> dict[str, Any]:  # noqa: ANN401 - symbolic tensors
        return dict(zip(model.output_names, model.call(tensors), strict=True))

    archive = model.keras.export.ExportArchive()
    archive.track(model.model)
    archive.add_endpoint("serve", serve, input_signature=specs)
    archive.write_out(str(out))
    signature_notes.write(out, signature_of(model), keys)
