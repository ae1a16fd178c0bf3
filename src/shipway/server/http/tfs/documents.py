"""Status and metadata of a model as TensorFlow Serving prints them.

Versions are text in a bundle; TensorFlow Serving has whole numbers and prints them as text: clients see the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shipway.server.http.tfs.request import SIGNATURE
from shipway.server.models.card import ModelCard
from shipway.server.models.model import ServedModel, State
from shipway.types import DType, TensorSpec

Document = dict[str, Any]

_STATES = {
    State.PROVING: "LOADING",
    State.READY: "AVAILABLE",
    State.REFUSED: "END",
    State.RETIRED: "UNLOADING",
}
DATA_TYPES = {
    DType.BOOL: "DT_BOOL",
    DType.UINT8: "DT_UINT8",
    DType.UINT16: "DT_UINT16",
    DType.UINT32: "DT_UINT32",
    DType.UINT64: "DT_UINT64",
    DType.INT8: "DT_INT8",
    DType.INT16: "DT_INT16",
    DType.INT32: "DT_INT32",
    DType.INT64: "DT_INT64",
    DType.FP16: "DT_HALF",
    DType.FP32: "DT_FLOAT",
    DType.FP64: "DT_DOUBLE",
    DType.BF16: "DT_BFLOAT16",
    DType.BYTES: "DT_STRING",
}


def status_document(models: list[ServedModel], asleep: Sequence[str] = ()) -> Document:
    """`GET /v1/models/{m}`: the state of each version; `asleep`: versions that made room for others.

    These are AVAILABLE: a request to one is answered once it has been loaded again. END, for what
    TensorFlow Serving's manager has unloaded for good, would take them out of a client's rotation.
    """
    sleeping = [
        {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        for version in asleep
    ]
    return {"model_version_status": [*map(_version_status, models), *sleeping]}


def _version_status(model: ServedModel) -> Document:
    is_refused = model.state is State.REFUSED
    return {
        "version": model.card.version,
        "state": _STATES[model.state],
        "status": {
            "error_code": "FAILED_PRECONDITION" if is_refused else "OK",
            "error_message": model.reason if is_refused else "",
        },
    }


def metadata_document(card: ModelCard) -> Document:
    """`GET /v1/models/{m}/metadata`: the signature as a `SignatureDef`."""
    return {
        "model_spec": {"name": card.name, "signature_name": "", "version": card.version},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    SIGNATURE: {
                        "inputs": {spec.name: _tensor(spec) for spec in card.signature.inputs},
                        "outputs": {spec.name: _tensor(spec) for spec in card.signature.outputs},
                        "method_name": "tensorflow/serving/predict",
                    }
                }
            }
        },
    }


def _tensor(spec: TensorSpec) -> Document:
    sizes = [str(dim) if isinstance(dim, int) else "-1" for dim in spec.shape]
    return {
        "dtype": DATA_TYPES[spec.dtype],
        "tensor_shape": {"dim": [{"size": size, "name": ""} for size in sizes], "unknown_rank": False},
        "name": spec.name,
    }
