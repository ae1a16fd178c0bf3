"""LiteRT's GELU in ONNX: tf2onnx leaves `TFL_GELU` in, and ONNX has the operator only from opset 20 on."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np


def replace_gelu(graph: Any) -> None:  # noqa: ANN401 - protobuf
    """`x/2 * (1 + erf(x/√2))`; with `approximate`, `x/2 * (1 + tanh(√(2/π) * (x + 0.044715 x³)))`. In float32."""
    kept: list[Any] = []
    for node in graph.node:
        kept += _spelled_out(node) if node.op_type == "TFL_GELU" else [node]
    del graph.node[:]
    graph.node.extend(kept)


def _spelled_out(node: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    onnx = importlib.import_module("onnx")
    x, out = node.input[0], node.output[0]

    def constant(name: str, value: float) -> Any:  # noqa: ANN401 - as above
        tensor = onnx.numpy_helper.from_array(np.float32(value), f"{out}/{name}")
        return onnx.helper.make_node("Constant", [], [f"{out}/{name}"], value=tensor)

    def step(operator: str, name: str, *inputs: str) -> Any:  # noqa: ANN401 - as above
        return onnx.helper.make_node(operator, list(inputs), [f"{out}/{name}" if name else out])

    yield from (constant("half", 0.5), constant("one", 1.0))
    if any(attribute.name == "approximate" and attribute.i for attribute in node.attribute):
        yield from (constant("cubic", 0.044715), constant("slope", math.sqrt(2 / math.pi)))
        yield step("Mul", "square", x, x)
        yield step("Mul", "cubed", f"{out}/square", f"{out}/cubic")
        yield step("Add", "factor", f"{out}/cubed", f"{out}/one")
        yield step("Mul", "inner", x, f"{out}/factor")
        yield step("Mul", "scaled", f"{out}/inner", f"{out}/slope")
        yield step("Tanh", "bent", f"{out}/scaled")
    else:
        yield constant("slope", 1 / math.sqrt(2))
        yield step("Mul", "scaled", x, f"{out}/slope")
        yield step("Erf", "bent", f"{out}/scaled")
    yield step("Add", "raised", f"{out}/bent", f"{out}/one")
    yield step("Mul", "halved", x, f"{out}/half")
    yield step("Mul", "", f"{out}/halved", f"{out}/raised")
