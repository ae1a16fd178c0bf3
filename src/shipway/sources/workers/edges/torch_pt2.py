"""An `nn.Module` → `torch.export`'s `.pt2`, the format that follows TorchScript."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.torch_onnx import dynamic_shapes, examples
from ..loaded import Specs, names_of, read_tensors
from ..wire import TaskError, progress


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Exports on two rows with every free dimension named. Raises `export.no-way` where torch fixes one of them.

    `nn.LSTM` and `nn.GRU` fix the length of the sequence.
    """
    torch = importlib.import_module("torch")
    model = opened.model
    inputs = examples(model.input_specs, read_tensors(model.input_specs, task["samples"]))
    program = _export(torch, model, inputs)
    _require_same_inputs(program, model.input_specs)
    # The user's own rows do not belong into the file.
    program.example_inputs = (tuple(torch.zeros_like(tensor) for tensor in inputs), {})
    torch.export.save(program, str(out))


def _export(torch: Any, model: Any, inputs: tuple[Any, ...]) -> Any:  # noqa: ANN401
    """Free of limits where that is possible, else with the limits that the model's own code has."""
    shapes = dynamic_shapes(model.input_specs)
    with torch.no_grad():
        try:
            return torch.export.export(model.natural_module, inputs, dynamic_shapes=shapes)
        except torch._dynamo.exc.UserError as error:
            progress("exporting again, with the limits that the model has")
            free = torch.export.Dim.DYNAMIC
            loose = tuple(dict.fromkeys(axes, free) for axes in shapes)
            try:
                return torch.export.export(model.natural_module, inputs, dynamic_shapes=loose)
            except torch._dynamo.exc.UserError:
                raise error from None  # the first one calls the dimensions by their names


def _require_same_inputs(program: Any, specs: Specs) -> None:  # noqa: ANN401
    found = {str(name): None for name in program.graph_signature.user_inputs}
    if list(found) != names_of(specs):
        raise TaskError(
            "export.no-way",
            f"torch.export renamed the inputs {', '.join(names_of(specs))} to {', '.join(found)}.",
        )


EDGES = (
    Edge(
        name="torch/export",
        start="torch",
        end="pt2",
        file=__file__,
        write=write,
        result="model.pt2",
        rank=10,
        extra="torch",
        from_examples=True,
    ),
)
