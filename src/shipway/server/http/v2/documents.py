"""What the server tells about itself and its models, as the protocol spells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from shipway.server.models.card import ModelCard, Sleeper
from shipway.server.models.model import ServedModel
from shipway.server.service import Service
from shipway.types import TensorSpec

EXTENSIONS = ("binary_tensor_data", "model_configuration", "statistics")
Document = dict[str, Any]


def server_document(more_extensions: Sequence[str] = ()) -> Document:
    """`GET /v2`."""
    from importlib.metadata import version

    return {"name": "shipway", "version": version("shipway"), "extensions": [*EXTENSIONS, *more_extensions]}


def index_document(service: Service) -> Document:
    """`GET /`: where to go from here."""
    return {
        "server": "/v2",
        "live": "/v2/health/live",
        "ready": "/v2/health/ready",
        "openapi": "/openapi.json",
        "docs": "/docs",
        "models": {
            name: {
                "metadata": f"/v2/models/{quote(name, safe='')}",
                "infer": f"/v2/models/{quote(name, safe='')}/infer",
                "versions": service.versions(name),
            }
            for name in service.names()
        },
    }


def model_document(model: ServedModel | Sleeper, versions: list[str]) -> Document:
    """`GET /v2/models/{model}`: the contract, and under `properties` the bundle with its evidence."""
    card = model.card
    return {
        "name": card.name,
        "versions": versions,
        "platform": "onnx_onnxv1" if card.format == "onnx" else f"shipway_{card.format}",
        "inputs": [_tensor(spec) for spec in card.signature.inputs],
        "outputs": [_tensor(spec) for spec in card.signature.outputs],
        "properties": _properties(card),
    }


def _tensor(spec: TensorSpec) -> Document:
    shape = [dim if isinstance(dim, int) else -1 for dim in spec.shape]
    return {"name": spec.name, "datatype": str(spec.dtype), "shape": shape}


def _properties(card: ModelCard) -> Document:
    found: Document = {
        "version": card.version,
        "bundle": card.bundle_id,
        "variant": card.variant,
        "precision": card.precision,
        "runtime": card.runtime,
        "verdicts": [
            {
                "rule": verdict.rule,
                "subject": verdict.subject,
                "result": str(verdict.result),
                "reason": verdict.reason,
            }
            for verdict in card.verdicts
        ],
    }
    if card.task is not None:
        found["task"] = card.task
    if card.labels is not None:
        found["labels"] = list(card.labels)
    return found
