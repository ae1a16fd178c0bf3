"""An `nn.Module` or a program → TorchScript, for the servers that take nothing newer."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Facts, Opened, Write
from ..frameworks.torch_script import DEPRECATED, bare, fits_fixed, save, write_trace
from ..loaded import names_of
from ..wire import TaskError


def write_traced(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Records the operators of one run: right for nets without branches on values."""
    model = opened.model
    write_trace(model.wrap(model.inner, bare), model, out, task)


def write_traced_program(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """The same of a program."""
    model = opened.model
    write_trace(model.wrap(model.unguarded().inner, bare), model, out, task)


def write_scripted(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Compiles the module's own code: keeps branches, and takes only what TorchScript knows of Python."""
    del task
    torch = importlib.import_module("torch")
    model = opened.model
    if "bfloat16" in model.input_dtypes:
        raise TaskError("export.no-way", "A script keeps bfloat16 inputs, which no request can carry.")
    script = torch.jit.script(model.inner)
    arguments = [argument.name for argument in script.forward.schema.arguments[1:]]
    if any(name not in arguments for name in names_of(model.input_specs)):
        raise TaskError("export.no-way", f"The script takes {', '.join(arguments)}.")
    save(script, model, out)


Fits = Callable[[Facts], int | None]


def _fits_all(facts: Facts) -> int:
    del facts
    return 0


def _edge(name: str, start: str, rank: int, write: Write, fits: Fits = _fits_all) -> Edge:
    return Edge(
        name=name,
        start=start,
        end="torchscript",
        file=__file__,
        write=write,
        result="model.pt",
        rank=rank,
        fits=fits,
        extra="torch",
        deprecated=DEPRECATED,
        from_examples=True,
    )


EDGES = (
    _edge("torch/trace", "torch", 10, write_traced),
    _edge("torch/script", "torch", 11, write_scripted),
    _edge("pt2/trace", "pt2", 10, write_traced_program, fits_fixed),
)
