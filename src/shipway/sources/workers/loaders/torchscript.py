"""Loads TorchScript: a script's own file says the names of its arguments, never their dtypes and shapes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..frameworks.torch_answers import flatten
from ..frameworks.torch_model import Call, Model, import_torch
from ..frameworks.torch_script import SIGNATURE_FILE
from ..wire import TaskError, blame, progress

_TRAINING = {"aten::dropout": 2, "aten::feature_dropout": 2, "aten::batch_norm": 5}
"""Operator → the position of its argument that is true in training."""


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """`settings["inputs"]` says what goes in, where the file does not.

    Raises `source.damaged`, `source.unsupported`, `data.mismatch`, `usage.invalid`.
    """
    torch = import_torch()
    progress("loading the script")
    extra = {SIGNATURE_FILE: ""}
    with blame("source.damaged", f"torch {torch.__version__} cannot load the script"):
        script = torch.jit.load(str(path), map_location="cpu", _extra_files=extra).eval()
    if not hasattr(script, "forward"):
        raise TaskError("source.unsupported", "The script has no forward.")
    _require_inference(script)
    own = json.loads(extra[SIGNATURE_FILE]) if extra[SIGNATURE_FILE] else {}
    arguments = [argument.name for argument in script.forward.schema.arguments[1:]]
    given = settings.get("inputs") or own.get("inputs")
    if not given:
        raise TaskError(
            "usage.invalid",
            f"{path.name} does not say the dtypes and shapes of its inputs ({', '.join(arguments)}).",
            hint="Say it: --input 'x=float32[batch,3,224,224]'.",
        )
    specs = _in_order(given, arguments, script)
    told = own.get("outputs") if given == own.get("inputs") else None
    call = _caller(
        [spec["name"] for spec in specs], arguments, [spec["name"] for spec in own.get("outputs", ())]
    )
    return Model(torch, script, specs, call=call, outputs=told)


def _in_order(
    given: Sequence[Mapping[str, Any]],
    arguments: Sequence[str],
    script: Any,  # noqa: ANN401
) -> list[Mapping[str, Any]]:
    by_name = {spec["name"]: spec for spec in given}
    required = [a.name for a in script.forward.schema.arguments[1:] if not a.has_default_value()]
    if [name for name in by_name if name not in arguments] or [n for n in required if n not in by_name]:
        raise TaskError(
            "data.mismatch",
            f"The script takes {', '.join(arguments) or 'nothing'}; given were {', '.join(by_name)}.",
            hint="Name the inputs as the script's arguments are called.",
        )
    return [by_name[name] for name in arguments if name in by_name]


def _caller(names: Sequence[str], arguments: Sequence[str], outputs: Sequence[str]) -> Call:
    """By position where that is possible: a tracer takes no names. Answers get the names that the file has."""
    by_position = list(arguments[: len(names)]) == list(names)

    def call(script: Any, tensors: Sequence[Any]) -> Any:  # noqa: ANN401 - tensors in, any structure out
        given = dict(zip(names, tensors, strict=True))
        answer = script(*tensors) if by_position else script(**given)
        return dict(zip(outputs, (leaf for _, leaf in flatten(answer)), strict=True)) if outputs else answer

    return call


def _require_inference(script: Any) -> None:  # noqa: ANN401
    """A trace keeps the mode that it was made in, and `eval()` does not reach it."""
    graph = str(script.inlined_graph) if hasattr(script, "inlined_graph") else ""
    constants = dict(re.findall(r"(%\S+) : bool = prim::Constant\[value=(\d)\]", graph))
    for operator, arguments in re.findall(
        r"(aten::(?:feature_dropout|dropout|batch_norm))\(([^)]*)\)", graph
    ):
        values = [value.strip() for value in arguments.split(",")]
        place = _TRAINING[operator]
        if len(values) > place and constants.get(values[place]) == "1":
            raise TaskError(
                "source.unsupported",
                f"The script was traced in training mode: {operator} is set to train.",
                hint="Call model.eval() before torch.jit.trace(...), and save the script again.",
            )
