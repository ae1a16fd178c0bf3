"""SavedModel → LiteRT by TensorFlow's converter, with LiteRT's own operators only.

`SELECT_TF_OPS` is not asked for: it makes files that need TensorFlow's Flex delegate, which no LiteRT package
has. Recurrent nets would need it while their batch is free, and go through with the batch fixed to 1.
"""

from __future__ import annotations

import importlib
import re
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.litert_bytes import finish
from ..frameworks.saved_model_signature import save_fixed
from ..loaded import signature_of
from ..wire import TaskError


def write(opened: Opened, out: Path, task: Mapping[str, Any], *, rows: int | None) -> None:
    """Converts the chosen signature."""
    del task
    model = opened.model
    key = model.signature_name
    with tempfile.TemporaryDirectory() as folder:
        path = opened.path
        if rows is not None:
            path = Path(folder) / "alone"
            save_fixed(model.saved, key, path, rows)
        keys = {"inputs": model.input_keys, "outputs": model.output_keys}
        finish(_convert(path, key), key, signature_of(model), keys, out)


def _convert(path: Path, key: str) -> bytes:
    lite = importlib.import_module("tensorflow").lite
    try:
        converter = lite.TFLiteConverter.from_saved_model(str(path), signature_keys=[key])
        converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS]
        return bytes(converter.convert())
    except Exception as error:
        if "TensorListReserve" in str(error):
            raise TaskError(
                "export.no-way",
                "A recurrent layer's states have a free size (the batch), which LiteRT cannot hold.",
            ) from error
        select = re.search(r"^\s*TF Select ops: (.+)$", str(error), re.MULTILINE)
        if select is None:
            raise
        raise TaskError(
            "export.no-way", f"LiteRT has no operators for {select[1]}; they would need TensorFlow itself."
        ) from error


def _edge(name: str, rank: int, *, rows: int | None) -> Edge:
    return Edge(
        name=name,
        start="savedmodel",
        end="litert",
        file=__file__,
        write=partial(write, rows=rows),
        result="model.tflite",
        rank=rank,
        requires={"ai_edge_litert": "ai-edge-litert>=2.0,<3"},
        extra="tensorflow,litert",
        fixes=frozenset() if rows is None else frozenset({"batch"}),
    )


EDGES = (_edge("litert/converter", 10, rows=None), _edge("litert/converter-batch-1", 20, rows=1))
