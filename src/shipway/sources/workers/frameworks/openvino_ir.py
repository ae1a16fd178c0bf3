"""OpenVINO as the worker uses it: without telemetry, and with the model's own names in what it writes."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..wire import TaskError, blame
from .openvino_dimensions import PLACE

REQUIRES = {"openvino": "openvino>=2025.0,<2027"}

Specs = Sequence[Mapping[str, Any]]


def import_openvino() -> Any:  # noqa: ANN401 - its types are incomplete
    """The module. Its telemetry, which is on unless a file in the home says otherwise, is not imported.

    OpenVINO then takes its own stub. With it, `import openvino` writes into the home and sends to the network.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # None makes the import fail
    with blame("worker.crashed", "OpenVINO does not start"):
        return importlib.import_module("openvino")


def write_ir(
    openvino: Any,  # noqa: ANN401 - as above
    graph: Any,  # noqa: ANN401 - an `openvino.Model`
    signature: Mapping[str, Specs],
    out: Path,
    *,
    keys: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Gives the graph the signature's names and order, and writes `out` and the `.bin` beside it, in float32.

    Tensors are matched by `keys` (what the graph calls them; None: the names) where the graph has these, else by
    position. Raises `TaskError("export.no-way")` where a tensor is missing, was fixed, or has another dtype.
    """
    parameters, results = (
        _ordered(ports, signature[side], keys[side] if keys else None)
        for ports, side in ((graph.inputs, "inputs"), (graph.outputs, "outputs"))
    )
    named = [
        *zip(parameters, signature["inputs"], strict=True),
        *zip(results, signature["outputs"], strict=True),
    ]
    for port, spec in named:
        _check(port, spec)
        port.get_tensor().set_names({spec["name"]})
    for port, spec in named:
        if port.get_names() != {spec["name"]}:
            raise TaskError(
                "export.no-way",
                f"An input is an output too ({spec['name']}): OpenVINO has one name for both.",
            )
    ordered = openvino.Model(
        [port.get_node() for port in results],
        graph.get_sinks(),
        [port.get_node() for port in parameters],
        "model",
    )
    shapes = {side: [list(spec["shape"]) for spec in specs] for side, specs in signature.items()}
    ordered.set_rt_info(json.dumps(shapes), list(PLACE))
    openvino.save_model(ordered, str(out), compress_to_fp16=False)


def _ordered(ports: Sequence[Any], specs: Specs, keys: Sequence[str] | None) -> list[Any]:
    if len(ports) != len(specs):
        raise TaskError(
            "export.no-way",
            f"OpenVINO made {len(ports)} tensors ({', '.join(_any_name(port) for port in ports)}) "
            f"where the model has {len(specs)} ({', '.join(spec['name'] for spec in specs)}).",
        )
    by_name = {name: port for port in ports for name in port.get_names()}
    names = keys or [spec["name"] for spec in specs]
    return [by_name[name] for name in names] if set(names) <= set(by_name) else list(ports)


def _any_name(port: Any) -> str:  # noqa: ANN401 - an `openvino.Output`
    return str(min(port.get_names(), default=port.get_node().get_friendly_name()))


def _check(port: Any, spec: Mapping[str, Any]) -> None:  # noqa: ANN401 - as above
    found, wanted = dtype_of(port), spec["dtype"]
    sizes = sizes_of(port)
    if found != wanted:
        raise TaskError("export.no-way", f"OpenVINO made {found} of {spec['name']}, which is {wanted}.")
    fits = len(sizes) == len(spec["shape"]) and all(
        size is None if isinstance(dim, str) else size in (dim, None)
        for size, dim in zip(sizes, spec["shape"], strict=False)
    )
    if not fits:
        raise TaskError(
            "export.no-way", f"OpenVINO made the shape {sizes} of {spec['name']}, which is {spec['shape']}."
        )


def dtype_of(port: Any) -> str:  # noqa: ANN401 - as above
    """numpy's name, or `"string"`."""
    kind = port.get_element_type()
    name: str = "string" if kind.get_type_name() == "string" else kind.to_dtype().name
    return name


def sizes_of(port: Any) -> list[int | None]:  # noqa: ANN401 - as above
    """None for a free axis."""
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        raise TaskError("source.unsupported", f"{_any_name(port)} has no fixed number of axes.")
    return [dim.get_length() if dim.is_static else None for dim in shape]
