"""An `nn.Module` → ONNX by `torch.export`: the way that PyTorch maintains.

Plain ResNets have come out wrong from the optimizer after it (pytorch/pytorch#166797, #168224), so it is tried
without, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.torch_onnx import write_dynamo


def write(opened: Opened, out: Path, task: Mapping[str, Any], *, optimize: bool) -> None:
    """Exports on two rows with every free dimension named."""
    model = opened.model
    write_dynamo(model.module, model, out, task, optimize=optimize)


def _edge(name: str, rank: int, *, optimize: bool) -> Edge:
    return Edge(
        name=name,
        start="torch",
        end="onnx",
        file=__file__,
        write=partial(write, optimize=optimize),
        result="model.onnx",
        rank=rank,
        requires={"onnxscript": "onnxscript>=0.5,<1", "onnx": "onnx"},
        extra="torch",
        from_examples=True,
    )


EDGES = (_edge("torch/dynamo", 10, optimize=True), _edge("torch/dynamo-plain", 11, optimize=False))
