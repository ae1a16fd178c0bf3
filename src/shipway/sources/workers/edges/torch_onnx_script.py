"""An `nn.Module` or a script → ONNX by TorchScript: the old exporter, for what the new one gets wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened, Write
from ..frameworks.torch_onnx import write_legacy
from ..frameworks.torch_script import DEPRECATED


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Traces on two rows."""
    model = opened.model
    write_legacy(model.module, model, out, task)


def write_script(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Takes the script as it is, with its branches; no tracer sees into one."""
    model = opened.model
    write_legacy(model.inner, model, out, task)


def _edge(name: str, start: str, write: Write) -> Edge:
    return Edge(
        name=name,
        start=start,
        end="onnx",
        file=__file__,
        write=write,
        result="model.onnx",
        rank=30,
        requires={"onnx": "onnx"},
        extra="torch",
        deprecated=DEPRECATED,
        from_examples=True,
    )


EDGES = (
    _edge("torch/torchscript-exporter", "torch", write),
    _edge("torchscript/torchscript-exporter", "torchscript", write_script),
)
