"""`GET /v2/models/{model}/config`: a version as a `ModelConfig`, the protocol's model configuration extension.

Clients that generate load (perf_analyzer, genai-perf) read it to learn whether requests may be batched and which
shape one row has. The source of names and enumerations is Triton's `model_config.proto`.
"""

from __future__ import annotations

from typing import Any

from shipway.server.models.card import Sleeper
from shipway.server.models.model import ServedModel
from shipway.types import DType, TensorSpec

EXTENSION = "model_configuration"
Document = dict[str, Any]


def configuration_document(model: ServedModel | Sleeper) -> Document:
    """The configuration; `max_batch_size` is 0 where a request is not made of rows.

    Else it is the rows up to which requests are joined, and tensors are described by one row. A larger request is
    taken all the same: Triton would refuse it, so nothing that a client computes from this goes wrong.
    """
    card = model.card
    has_rows = card.signature.batch_axis is not None
    document: Document = {
        "name": card.name,
        "platform": "onnxruntime_onnx" if card.format == "onnx" else f"shipway_{card.format}",
        "backend": card.runtime,
        "runtime": "",
        "version_policy": {"specific": {"versions": _whole_numbers(card.version)}},
        "max_batch_size": model.max_batch_rows if has_rows else 0,
        "input": [_input(spec, has_rows=has_rows) for spec in card.signature.inputs],
        "output": [_output(spec, has_rows=has_rows) for spec in card.signature.outputs],
        "instance_group": [{"name": card.name, "kind": "KIND_CPU", "count": 1, "gpus": []}],
        "default_model_filename": card.main_file.rpartition("/")[2],
        "parameters": {
            "bundle": {"string_value": card.bundle_id},
            "variant": {"string_value": card.variant},
            "version": {"string_value": card.version},
        },
    }
    if has_rows and model.can_batch:
        document["dynamic_batching"] = {
            "preferred_batch_size": [model.max_batch_rows],
            "max_queue_delay_microseconds": 0,  # nothing waits for company
        }
    return document


def _whole_numbers(version: str) -> list[int]:
    """Triton's versions are whole numbers; one that is not is told under `parameters` alone."""
    return [int(version)] if version.isascii() and version.isdigit() else []


def _input(spec: TensorSpec, *, has_rows: bool) -> Document:
    return {
        **_output(spec, has_rows=has_rows),
        "format": "FORMAT_NONE",
        "is_shape_tensor": False,
        "allow_ragged_batch": False,
        "optional": False,
    }


def _output(spec: TensorSpec, *, has_rows: bool) -> Document:
    shape = spec.shape[1:] if has_rows else spec.shape
    dims = [dim if isinstance(dim, int) else -1 for dim in shape]
    found: Document = {"name": spec.name, "data_type": _data_type(spec.dtype), "dims": dims or [1]}
    if not dims:
        # `dims` must not be empty: a row that is one number is [1], reshaped to what the model has.
        found["reshape"] = {"shape": []}
    return found


def _data_type(dtype: DType) -> str:
    return "TYPE_STRING" if dtype is DType.BYTES else f"TYPE_{dtype}"
