"""Keras on torch → ONNX by `torch.export`: for large plain nets, for which tf2onnx takes too much memory."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..edge import Edge, Facts, Opened
from ..frameworks.torch_onnx import write_dynamo

_LARGE_BYTES = 100 << 20
"""Of weights; from here on tf2onnx needs tens of times that in memory: docs/decisions/0002."""


def write(opened: Opened, out: Path, task: Mapping[str, Any], *, optimize: bool) -> None:
    """Wraps the Keras model as an `nn.Module`."""
    torch = importlib.import_module("torch")
    model = opened.model

    class Wrapped(torch.nn.Module):  # type: ignore[misc, name-defined] # torch is imported here only
        def __init__(self) -> None:
            super().__init__()
            self.inner = model.model

        def forward(self, *tensors: Any) -> tuple[Any, ...]:  # noqa: ANN401 - symbolic tensors
            return tuple(model.call(tensors))

    write_dynamo(Wrapped().eval(), model, out, task, optimize=optimize)


def _fits(facts: Facts) -> int:
    """Before TensorFlow's ways for a large net without recurrence or attention."""
    is_large = int(facts.get("weights_bytes") or 0) > _LARGE_BYTES
    return -30 if is_large and not facts.get("is_recurrent_or_attentive") else 0


def _edge(name: str, rank: int, *, optimize: bool) -> Edge:
    return Edge(
        name=name,
        start="keras",
        end="onnx",
        file=__file__,
        write=partial(write, optimize=optimize),
        result="model.onnx",
        rank=rank,
        fits=_fits,
        settings={"backends": ["torch"]},
        requires={"onnxscript": "onnxscript>=0.5,<1", "onnx": "onnx"},
        extra="keras,torch",
        from_examples=True,
    )


EDGES = (_edge("torch/dynamo", 30, optimize=True), _edge("torch/dynamo-plain", 31, optimize=False))
