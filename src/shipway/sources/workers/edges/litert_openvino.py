"""LiteRT → OpenVINO IR. Integers stay integers: a quantized file's inputs and outputs keep their type."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.openvino_ir import REQUIRES, import_openvino, write_ir
from ..loaded import signature_of
from ..wire import TaskError


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Converts the file's first graph."""
    del task
    model = opened.model
    if not model.is_main_graph:
        raise TaskError(
            "export.no-way", "OpenVINO reads a LiteRT file's first graph; the signature is another's."
        )
    openvino = import_openvino()
    write_ir(openvino, openvino.convert_model(str(opened.path)), signature_of(model), out)


EDGES = (
    Edge(
        name="openvino/from-litert",
        start="litert",
        end="openvino",
        file=__file__,
        write=write,
        result="model.xml",
        rank=10,
        requires=REQUIRES,
        extra="openvino",
    ),
)
