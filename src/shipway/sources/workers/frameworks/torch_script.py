"""TorchScript as a format to write: scripts that carry their signature, which torch's own do not."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..loaded import read_tensors
from .torch_model import Model
from .torch_onnx import examples

SIGNATURE_FILE = "shipway.json"
"""The extra file in the archive: `{"inputs": [...], "outputs": [...]}`."""
DEPRECATED = "TorchScript is deprecated in favor of torch.export (.pt2), and does not support Python 3.14"


def fits_fixed(facts: Mapping[str, Any]) -> int | None:
    """For programs: TorchScript's tracer takes none that computes with a free dimension."""
    return None if facts.get("free_dimensions") else 0


def write_trace(module: Any, model: Model, out: Path, task: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Traces `module` on two rows: branches on values are frozen, and a verdict must follow."""
    torch = importlib.import_module("torch")
    inputs = examples(model.input_specs, read_tensors(model.input_specs, task["samples"]))
    with torch.no_grad():
        script = torch.jit.trace(module, inputs, strict=False, check_trace=False)
    save(script, model, out)


def save(script: Any, model: Model, out: Path) -> None:  # noqa: ANN401 - a ScriptModule
    """Writes the script and what the model says of its inputs and outputs."""
    torch = importlib.import_module("torch")
    signature = {"inputs": list(model.input_specs), "outputs": list(model.output_specs)}
    torch.jit.save(script, str(out), _extra_files={SIGNATURE_FILE: json.dumps(signature)})


def bare(names: Any, tensors: Any) -> Any:  # noqa: ANN401 - a tensor or a tuple
    """What a script answers: one tensor bare, several as a tuple; servers of TorchScript take no dicts."""
    return tensors[0] if len(names) == 1 else tuple(tensors)
