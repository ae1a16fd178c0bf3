"""Loads a `.tflite` file in LiteRT's interpreter, with the signature that the file has: its names, its integers.

The kernels are LiteRT's default (XNNPACK), which applications run. On a quantized net they were equal to the bit
with ONNX Runtime and OpenVINO on the converted file, while LiteRT's reference kernels were up to 2 and its plain
optimized ones up to 3 steps of the output's scale away; on float nets all lie within 4e-7 of each other.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..loaded import Arrays, Twin, named_shape, names_of
from ..loading import require, versions_of
from ..wire import TaskError, blame, progress, summarize

REQUIRES = {"ai_edge_litert": "ai-edge-litert>=2.0,<3"}

_THREADS = 2
_DEFAULT = "serving_default"
_HINT_FLEX = (
    "Convert the model again with LiteRT's own operators only (without SELECT_TF_OPS); for recurrent nets with "
    "the batch fixed to 1."
)


class Model:
    """One signature of one file."""

    framework = "LiteRT"

    def __init__(self, path: Path, interpreter: Any, signature: str | None) -> None:  # noqa: ANN401 - no types
        self.path = path
        self.signature = signature
        self._interpreter = interpreter
        self._runner = interpreter.get_signature_runner(signature) if signature else None
        self.inputs = self._tensors(interpreter.get_input_details(), "input")
        self.outputs = self._tensors(interpreter.get_output_details(), "output")
        owners: dict[int, str] = {}
        self.input_specs = [_spec(name, tensor, owners) for name, tensor in self.inputs.items()]
        self.output_specs = [_spec(name, tensor, owners) for name, tensor in self.outputs.items()]

    @property
    def perturbs(self) -> bool:
        """False for a file that computes with integers, whose answers jump a step at a time."""
        tensors = self._interpreter.get_tensor_details()
        return not any(np.dtype(t["dtype"]).kind in "iu" and t["quantization"][0] for t in tensors)

    @property
    def is_main_graph(self) -> bool:
        """Whether the signature is that of the file's first graph, the only one that converters read."""
        first = {tensor["index"] for tensor in self._interpreter.get_input_details()}
        names = {tensor["name"] for tensor in self._interpreter.get_input_details()}
        own = {(tensor["index"] in first, tensor["name"] in names) for tensor in self.inputs.values()}
        return own <= {(True, True)}

    def predict(self, arrays: Arrays) -> Arrays:
        """One run; free dimensions take the arrays' sizes."""
        if self._runner is not None:
            found = self._runner(**arrays)
            return {name: found[name] for name in names_of(self.output_specs)}
        run = self._interpreter
        for name, tensor in self.inputs.items():
            run.resize_tensor_input(tensor["index"], arrays[name].shape)
        run.allocate_tensors()
        for name, tensor in self.inputs.items():
            run.set_tensor(tensor["index"], arrays[name])
        run.invoke()
        return {name: run.get_tensor(tensor["index"]) for name, tensor in self.outputs.items()}

    def twin(self) -> Twin | None:
        """LiteRT has no float64 kernels."""
        return None

    def versions(self) -> dict[str, str]:
        """Of LiteRT and numpy."""
        return versions_of(("ai-edge-litert", "numpy"))

    def _tensors(self, graph: Sequence[Mapping[str, Any]], side: str) -> dict[str, Mapping[str, Any]]:
        """Name → tensor, in the order of the graph: LiteRT sorts a signature's names."""
        if self._runner is None:
            return {_unique(tensor["name"] or side, n, graph): tensor for n, tensor in enumerate(graph)}
        found = getattr(self._runner, f"get_{side}_details")()
        places = {tensor["index"]: place for place, tensor in enumerate(graph)}
        return dict(sorted(found.items(), key=lambda item: places.get(item[1]["index"], len(places))))


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """The signature `settings["signature"]`, else `serving_default`, else the only one, else the first graph.

    Raises `source.unsupported` for operators that LiteRT has not, and for a signature that has to be chosen.
    """
    require(REQUIRES)
    progress("loading the model")
    with blame("worker.crashed", "LiteRT does not start"):
        litert = importlib.import_module("ai_edge_litert.interpreter")
    try:
        interpreter = litert.Interpreter(str(path), num_threads=_THREADS)
        interpreter.allocate_tensors()  # not allowed any more once a signature's runner holds the interpreter
        signature = choose(list(interpreter.get_signature_list()), settings.get("signature"))
        return Model(path, interpreter, signature)
    except (ValueError, RuntimeError) as error:  # all that LiteRT raises
        raise _explain(error) from error


def choose(signatures: Sequence[str], wanted: str | None) -> str | None:
    """The signature that is meant; None where the file has none. Raises `source.unsupported`."""
    if wanted in signatures or not (wanted or signatures):
        return wanted
    if wanted is None and (_DEFAULT in signatures or len(signatures) == 1):
        return _DEFAULT if _DEFAULT in signatures else signatures[0]
    named = f"has no signature {wanted!r}" if wanted else "does not say which of its signatures is meant"
    raise TaskError(
        "source.unsupported",
        f"The file {named}; it has: {', '.join(signatures) or 'none'}.",
        hint="Choose one with --signature NAME." if signatures else "Leave --signature out.",
    )


def _explain(error: Exception) -> TaskError:
    text = str(error)
    if "Select TensorFlow op" in text or "Flex" in text:
        needed = text.rpartition("(")[2].partition(")")[0]
        return TaskError(
            "source.unsupported",
            f"The model needs TensorFlow's own operators ({needed}), which LiteRT's runtime has not.",
            hint=_HINT_FLEX,
        )
    if "unresolved custom op" in text.lower():
        return TaskError("source.unsupported", f"LiteRT knows no such operator: {summarize(error)}")
    return TaskError("source.damaged", f"LiteRT cannot load the file: {summarize(error)}")


def _spec(name: str, tensor: Mapping[str, Any], owners: dict[int, str]) -> dict[str, Any]:
    sizes = tensor["shape_signature"] if len(tensor["shape_signature"]) else tensor["shape"]
    shape = named_shape(name, [None if size < 0 else int(size) for size in sizes], owners)
    dtype = np.dtype(tensor["dtype"])
    spec = {"name": name, "dtype": "string" if dtype.kind in "OSU" else dtype.name, "shape": shape}
    scale, zero_point = tensor["quantization"]
    if scale:
        spec["quantization"] = {"scale": float(scale), "zero_point": int(zero_point)}
    return spec


def _unique(name: str, number: int, graph: Sequence[Mapping[str, Any]]) -> str:
    """Tensors may share a name, or have none."""
    is_shared = sum(tensor["name"] == name for tensor in graph) != 1
    return f"{name}_{number}" if is_shared else name
