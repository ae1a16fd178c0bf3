"""Loads a program of `torch.export`: its graph, with the names and free dimensions that it was exported with."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..frameworks.torch_answers import flatten
from ..frameworks.torch_model import Model, import_torch
from ..wire import TaskError, blame, progress

_TRAINING = {"aten.dropout.default": 2, "aten.batch_norm.default": 5, "aten.feature_dropout.default": 2}
"""Operator → the position of its argument that is true in training."""


class Program(Model):
    """A program; `program` is for exporters that take it whole."""

    def __init__(self, torch: Any, program: Any) -> None:  # noqa: ANN401 - torch is imported late
        self.program = program
        inputs, outputs = _Signature(torch, program).read()
        in_spec = program.call_spec.in_spec
        super().__init__(
            torch, module_of(program), inputs, call=_caller(torch, in_spec, program), outputs=outputs
        )

    def unguarded(self) -> Any:  # noqa: ANN401 - an nn.Module
        """As `module`, without the checks of sizes, which no tracer understands."""
        return self.wrap(module_of(self.program, check_guards=False), lambda _, tensors: tuple(tensors))


def load(path: Path, settings: Mapping[str, Any]) -> Program:
    """Raises `source.damaged`, `source.unsupported` (exported in training mode)."""
    del settings
    torch = import_torch()
    progress("loading the program")
    with blame("source.damaged", f"torch {torch.__version__} cannot load the program"):
        program = torch.export.load(path)
    _require_inference(program)
    return Program(torch, program)


def module_of(program: Any, *, check_guards: bool = True) -> Any:  # noqa: ANN401
    """The program as an `nn.Module`; torch before 2.9 has no guards to leave out."""
    if "check_guards" in inspect.signature(program.module).parameters:
        return program.module(check_guards=check_guards)
    return program.module()


def _require_inference(program: Any) -> None:  # noqa: ANN401
    for node in program.graph.nodes:
        position = _TRAINING.get(str(node.target))
        if position is not None and len(node.args) > position and node.args[position] is True:
            raise TaskError(
                "source.unsupported",
                f"The program was exported in training mode: {node.target} ({node.name}) is set to train.",
                hint="Call model.eval() before torch.export.export(...), and save the program again.",
            )


class _Signature:
    """Reads specifications from the graph; symbols of sizes get the names of the first axes that have them."""

    def __init__(self, torch: Any, program: Any) -> None:  # noqa: ANN401
        self._torch = torch
        self._program = program
        self._values = {node.name: node.meta.get("val") for node in program.graph.nodes}
        self._names: dict[str, str] = {}

    def read(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        signature = self._program.graph_signature
        inputs = [self._spec(name, name, is_input=True) for name in map(str, signature.user_inputs)]
        tree = self._torch.utils._pytree
        found = tree.tree_unflatten(list(signature.user_outputs), self._program.call_spec.out_spec)
        outputs = [self._spec(name, value, is_input=False) for name, value in flatten(found)]
        if any(spec is None for spec in outputs):
            raise TaskError(
                "source.unsupported",
                "The program answers with something that is no tensor.",
                hint="Let the model answer with tensors only, and export it again.",
            )
        return [s for s in inputs if s is not None], [s for s in outputs if s is not None]

    def _spec(self, name: str, value: Any, *, is_input: bool) -> dict[str, Any] | None:  # noqa: ANN401
        tensor = self._values.get(value) if isinstance(value, str) else None
        if not isinstance(tensor, self._torch.Tensor):
            return None
        shape = [self._size(name, axis, size, is_input) for axis, size in enumerate(tensor.shape)]
        return {"name": name, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": shape}

    def _size(self, name: str, axis: int, size: Any, is_input: bool) -> int | str:  # noqa: ANN401
        if isinstance(size, int):
            return size
        is_first = axis == 0 and is_input and "batch" not in self._names.values()
        return self._names.setdefault(str(size), "batch" if is_first else f"{name}_{axis}")


def _caller(torch: Any, in_spec: Any, program: Any) -> Any:  # noqa: ANN401
    """Puts tensors at their places in the arguments; what is no tensor is what it was exported with."""
    names = list(program.graph_signature.user_inputs)
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    is_tensor = [isinstance(values.get(str(name)), torch.Tensor) for name in names]
    if any(str(n) in values and not tensor for n, tensor in zip(names, is_tensor, strict=True)):
        raise TaskError(
            "source.unsupported",
            f"The program takes a number that changes from call to call ({', '.join(map(str, names))}).",
            hint="Make it a tensor, or a constant, and export the model again.",
        )

    def call(inner: Any, tensors: Sequence[Any]) -> Any:  # noqa: ANN401 - tensors in, any structure out
        rest = iter(tensors)
        leaves = [next(rest) if tensor else name for tensor, name in zip(is_tensor, names, strict=True)]
        args, kwargs = torch.utils._pytree.tree_unflatten(leaves, in_spec)
        return inner(*args, **kwargs)

    return call
