"""Loads an ONNX file in ONNX Runtime with no graph optimization: the plainest reading of it.

In a child process, because a hostile graph may crash or exhaust whatever loads it. float64 answers come from
the reference evaluator of the ONNX project itself, on a few rows, as far as it gets in its time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..loaded import Arrays, Twin, names_of
from ..loading import require, versions_of
from ..wire import TaskError, blame, progress

_PRECISE_ROWS = 4
_PRECISE_SECONDS = 20
"""The reference evaluator computes convolutions in numpy: seconds a row for a large image model."""
_PRECISE_BYTES = 256 << 20
_HINT = (
    "Export the model with standard operators (an older opset, no custom ones), or update onnxruntime: "
    "pip install --upgrade onnxruntime"
)
_DTYPES = {
    "tensor(bool)": "bool",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": "string",
}


class Model:
    """One ONNX file in ONNX Runtime."""

    framework = "ONNX Runtime"
    perturbs = True

    def __init__(self, path: Path, session: Any) -> None:  # noqa: ANN401 - ONNX Runtime has no types
        self.path = path
        self._session = session
        self.input_specs = [_spec(value) for value in session.get_inputs()]
        self.output_specs = [_spec(value) for value in session.get_outputs()]

    def predict(self, arrays: Arrays) -> Arrays:
        """One run."""
        names = names_of(self.output_specs)
        return dict(zip(names, self._session.run(names, arrays), strict=True))

    def twin(self) -> Twin | None:
        """The ONNX project's reference evaluator on the graph in float64; None for a large file."""
        files = [file for file in self.path.parent.iterdir() if file.name.startswith(self.path.name)]
        if sum(file.stat().st_size for file in files) > _PRECISE_BYTES:
            return None
        import onnx
        from onnx.reference import ReferenceEvaluator

        from ..frameworks.onnx_double import widen

        evaluator = ReferenceEvaluator(widen(onnx.load(self.path)))

        def predict(arrays: Arrays) -> Arrays:
            wide = {n: a.astype(np.float64) if a.dtype == np.float32 else a for n, a in arrays.items()}
            found = evaluator.run(None, wide)
            return dict(zip(evaluator.output_names, map(np.asarray, found), strict=True))

        return Twin(predict, rows=_PRECISE_ROWS, on_edges=False, seconds=_PRECISE_SECONDS)

    def versions(self) -> dict[str, str]:
        """Of ONNX Runtime, whose distribution may be called otherwise (onnxruntime-gpu), onnx and numpy."""
        import onnxruntime as ort

        return {"onnxruntime": str(ort.__version__), **versions_of(("onnx", "numpy"))}


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """Raises `source.unsupported` for what ONNX Runtime refuses."""
    del settings
    require({"onnxruntime": "onnxruntime"})
    progress("loading the model")
    with blame("worker.crashed", "ONNX Runtime does not start"):
        import onnxruntime as ort
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the seam to ONNX Runtime, whose errors share no class
        raise TaskError("source.unsupported", _explain(str(error)), hint=_HINT) from error
    return Model(path, session)


def _explain(text: str) -> str:
    operator = re.search(r"No Op registered for (\S+) with domain_version of (\d+)", text)
    operator = operator or re.search(r"Could not find an implementation for (\S+)\((\d+)\)", text)
    unknown = re.search(r"(\S+:\S+)\(-?\d*\) is not a registered function/op", text)
    if operator:
        return f"ONNX Runtime knows no operator {operator[1]} (version {operator[2]})."
    if unknown:
        return f"ONNX Runtime knows no operator {unknown[1]}."
    return f"ONNX Runtime cannot load the model: {text.strip()[:600]}"


def _spec(value: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return {
        "name": value.name,
        "dtype": _DTYPES.get(value.type, value.type),
        "shape": [
            size if isinstance(size, int) else str(size or f"{value.name}_{axis}")
            for axis, size in enumerate(value.shape)
        ],
    }
