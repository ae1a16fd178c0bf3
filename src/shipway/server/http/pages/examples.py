"""A model's first golden sample as a request, and the source framework's recorded outputs as its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shipway.bundle.golden import Golden
from shipway.server.models.card import ModelCard
from shipway.types import Array, TensorSpec

MOST_BYTES = 16 * 2**10
"""Larger bodies are left out: they hide what they are to show."""


@dataclass(frozen=True)
class Example:
    """One sample as the Open Inference Protocol writes it."""

    request: dict[str, Any]
    answer: dict[str, Any]


@dataclass(frozen=True)
class Examples:
    """An example, or the word why there is none."""

    example: Example | None
    why_not: str = ""


def example_of(card: ModelCard, golden: Golden | None) -> Examples:
    """The first sample; none where there is no sample, where it is large, or where JSON cannot write it."""
    if golden is None or not golden.count:
        return Examples(None, "The bundle holds no golden sample.")
    at = slice(0, 1) if golden.has_rows else (0, ...)
    outputs = {name: array[at] for name, array in golden.outputs.items()}
    try:
        request = {"inputs": _tensors(card.signature.inputs, golden.request(0))}
        answer = {
            "model_name": card.name,
            "model_version": card.version,
            "outputs": _tensors(card.signature.outputs, outputs),
        }
    except (ValueError, KeyError):  # bytes that are no text; a bundle that leaves an output out
        return Examples(None, "The golden sample cannot be written in JSON.")
    size = max(len(json.dumps(request)), len(json.dumps(answer)))
    if size > MOST_BYTES:
        return Examples(None, f"A golden sample takes {size} bytes of JSON; up to {MOST_BYTES} are shown.")
    return Examples(Example(request, answer))


def _tensors(specs: tuple[TensorSpec, ...], arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "shape": list(arrays[spec.name].shape),
            "datatype": str(spec.dtype),
            "data": _elements(arrays[spec.name]),
        }
        for spec in specs
    ]


def _elements(array: Array) -> list[Any]:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("NaN or infinity")
    return [item.decode() if isinstance(item, bytes) else item for item in array.ravel().tolist()]
