"""A `torch.export` program → ONNX: its own graph translated; one of fixed sizes can be traced, too."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.torch_onnx import write_legacy, write_program
from ..frameworks.torch_script import DEPRECATED, fits_fixed


def write(opened: Opened, out: Path, task: Mapping[str, Any], *, optimize: bool) -> None:
    """Translates the graph; names and free dimensions are the program's."""
    del task
    write_program(opened.model.program, opened.model, out, optimize=optimize)


def write_by_tracing(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Traces the program's module on two rows."""
    model = opened.model
    write_legacy(model.unguarded(), model, out, task)


_REQUIRES = {"onnxscript": "onnxscript>=0.5,<1", "onnx": "onnx"}

EDGES = (
    Edge(
        name="pt2/dynamo",
        start="pt2",
        end="onnx",
        file=__file__,
        write=partial(write, optimize=True),
        result="model.onnx",
        rank=10,
        requires=_REQUIRES,
        extra="torch",
    ),
    Edge(
        name="pt2/dynamo-plain",
        start="pt2",
        end="onnx",
        file=__file__,
        write=partial(write, optimize=False),
        result="model.onnx",
        rank=11,
        requires=_REQUIRES,
        extra="torch",
    ),
    Edge(
        name="pt2/torchscript-exporter",
        start="pt2",
        end="onnx",
        file=__file__,
        write=write_by_tracing,
        result="model.onnx",
        rank=30,
        fits=fits_fixed,
        requires={"onnx": "onnx"},
        extra="torch",
        deprecated=DEPRECATED,
        from_examples=True,
    ),
)
