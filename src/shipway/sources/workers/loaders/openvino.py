"""Loads OpenVINO's IR on the CPU in float32: by default it would compute in bfloat16 where the CPU can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..frameworks.openvino_dimensions import PLACE, name_dimensions, read_dimensions
from ..frameworks.openvino_ir import REQUIRES, dtype_of, import_openvino, sizes_of
from ..loaded import Arrays, Twin, names_of
from ..loading import require, versions_of
from ..wire import TaskError, progress, summarize

_PLAIN = {
    "INFERENCE_PRECISION_HINT": "f32",
    "ENABLE_CPU_PINNING": False,  # threads tied to cores took twice the time beside a busy neighbor
    "INFERENCE_NUM_THREADS": 2,
}


class Model:
    """One compiled network."""

    framework = "OpenVINO"

    def __init__(self, path: Path, graph: Any, compiled: Any) -> None:  # noqa: ANN401 - OpenVINO's types
        self.path = path
        self._graph = graph
        self._compiled = compiled
        dimensions = _dimensions(graph)
        owners: dict[int, str] = {}
        self.input_specs = _specs(compiled.inputs, dimensions.get("inputs"), owners)
        self.output_specs = _specs(compiled.outputs, dimensions.get("outputs"), owners)

    @property
    def perturbs(self) -> bool:
        """False for a quantized graph, whose answers jump."""
        return not any(node.get_type_name() == "FakeQuantize" for node in self._graph.get_ops())

    def predict(self, arrays: Arrays) -> Arrays:
        """One run."""
        found = self._compiled([arrays[name] for name in names_of(self.input_specs)])
        names = names_of(self.output_specs)
        return {name: np.array(found[place]) for place, name in enumerate(names)}

    def twin(self) -> Twin | None:
        """OpenVINO's CPU kernels compute float64 graphs in float32."""
        return None

    def versions(self) -> dict[str, str]:
        """Of OpenVINO and numpy."""
        return versions_of(("openvino", "numpy"))


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """Raises `source.unsupported` for what OpenVINO refuses."""
    del settings
    require(REQUIRES)
    progress("loading the model")
    openvino = import_openvino()
    core = openvino.Core()
    try:
        graph = core.read_model(str(path))
        return Model(path, graph, core.compile_model(graph, "CPU", _PLAIN))
    except RuntimeError as error:  # all that OpenVINO raises
        raise TaskError(
            "source.unsupported",
            f"OpenVINO cannot load the model: {summarize(error)}",
            hint="Convert the model again with this OpenVINO, or update it: pip install --upgrade openvino",
        ) from error


def _dimensions(graph: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    place = list(PLACE)
    return read_dimensions(graph.get_rt_info(place).astype(str)) if graph.has_rt_info(place) else {}


def _specs(ports: Sequence[Any], noted: Any, owners: dict[int, str]) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    names = [min(port.get_names(), default=port.get_node().get_friendly_name()) for port in ports]
    shapes = name_dimensions(names, [sizes_of(port) for port in ports], noted, owners)
    return [
        {"name": name, "dtype": dtype_of(port), "shape": shape}
        for name, port, shape in zip(names, ports, shapes, strict=True)
    ]
