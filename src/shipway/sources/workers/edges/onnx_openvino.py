"""ONNX → OpenVINO IR, with float32 weights (by default they would be saved as float16)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.openvino_ir import REQUIRES, import_openvino, write_ir
from ..loaded import signature_of


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Reads the file itself; the session tells the signature."""
    del task
    signature = signature_of(opened.model)
    openvino = import_openvino()
    write_ir(openvino, openvino.convert_model(str(opened.path)), signature, out)


EDGES = (
    Edge(
        name="openvino/from-onnx",
        start="onnx",
        end="openvino",
        file=__file__,
        write=write,
        result="model.xml",
        rank=10,
        requires=REQUIRES,
        extra="openvino",
    ),
)
