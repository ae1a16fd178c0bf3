"""Loads an `nn.Module` that the user's own file builds, with weights from another file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..frameworks.torch_factory import build, caller_of, is_alone, parameters_of, read_example
from ..frameworks.torch_model import Model, import_torch
from ..frameworks.torch_weights import load_weights
from ..wire import TaskError

_HINT = (
    "Say it: --input 'x=float32[batch,3,224,224]', or let the factory return (module, example_inputs), "
    "the examples being a tuple or dict of tensors."
)


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """`settings`: `file`, `factory`, and where given `weights` and `inputs`. `path` is for messages."""
    del path
    torch = import_torch()
    file, name = Path(settings["file"]), settings["factory"]
    module, example = build(torch, file, name)
    if settings.get("weights"):
        load_weights(torch, module, Path(settings["weights"]))
    module.eval().requires_grad_(False)
    where = f"{file.name}:{name}"
    if settings.get("inputs"):
        specs = _in_order(module, settings["inputs"], where)
    elif example is not None:
        specs = _from_example(read_example(torch, module, example, where))
    else:
        names = ", ".join(parameters_of(module)[0])
        raise TaskError(
            "usage.invalid",
            f"{where} does not say the dtypes and shapes of its inputs ({names}).",
            hint=_HINT,
        )
    return Model(torch, module, specs, call=caller_of(module, [spec["name"] for spec in specs]))


def _in_order(module: Any, given: Sequence[Mapping[str, Any]], where: str) -> list[Mapping[str, Any]]:  # noqa: ANN401
    """The specifications in the order of `forward`'s arguments. Raises `data.mismatch`."""
    if is_alone(module, [spec["name"] for spec in given]):
        return list(given)
    names, required, takes_more = parameters_of(module)
    by_name = {spec["name"]: spec for spec in given}
    unknown = [name for name in by_name if name not in names]
    missing = [name for name in required if name not in by_name]
    if (unknown and not takes_more) or missing:
        raise TaskError(
            "data.mismatch",
            f"{where}: forward takes {', '.join(names) or 'nothing'}; given were {', '.join(by_name)}.",
            hint="Name the inputs as forward's arguments are called.",
        )
    return [by_name[name] for name in (*names, *unknown) if name in by_name]


def _from_example(example: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """First axis free, all others as the example has them."""
    return [
        {
            "name": name,
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": ["batch", *tensor.shape[1:]] if tensor.dim() else [],
        }
        for name, tensor in example.items()
    ]
