"""SavedModel → OpenVINO IR. A model of several signatures is saved anew with one: OpenVINO joins them all."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.openvino_ir import REQUIRES, import_openvino, write_ir
from ..frameworks.saved_model_signature import save_alone
from ..loaded import signature_of


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Converts the chosen signature."""
    del task
    model = opened.model
    keys = {"inputs": model.input_keys, "outputs": model.output_keys}
    openvino = import_openvino()
    with tempfile.TemporaryDirectory() as folder:
        path = opened.path
        if len(model.saved.signatures) > 1:
            path = Path(folder) / "alone"
            save_alone(model.saved, model.signature_name, path)
        write_ir(openvino, openvino.convert_model(str(path)), signature_of(model), out, keys=keys)


EDGES = (
    Edge(
        name="openvino/from-savedmodel",
        start="savedmodel",
        end="openvino",
        file=__file__,
        write=write,
        result="model.xml",
        rank=10,
        requires=REQUIRES,
        extra="tensorflow,openvino",
    ),
)
