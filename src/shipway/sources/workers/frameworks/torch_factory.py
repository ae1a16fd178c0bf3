"""Builds the `nn.Module` that the user's own `module.py:factory` makes, or says where that fails, by line."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..user_code import blame_user, import_file, own_names, required_arguments
from ..wire import TaskError, progress

_CODE = "source.unsupported"
_SEED = 0
"""Of a factory that leaves weights to chance: every child must build the same model."""


def build(torch: Any, file: Path, name: str) -> tuple[Any, Any]:  # noqa: ANN401 - torch is imported late
    """The module, and its example inputs or None. Raises `source.unsupported`, which names file and line."""
    progress(f"running {file.name}")
    random.seed(_SEED)
    np.random.seed(_SEED)  # what the user's code may draw from
    torch.manual_seed(_SEED)
    with blame_user(_CODE, file):
        module = import_file(file)
    made = getattr(module, name, None)
    if made is None:
        raise TaskError(_CODE, f"{file} has no {name!r}.", hint=_hint(file, module))
    if isinstance(made, torch.nn.Module):
        return _uncompiled(made), None
    if not callable(made):
        raise TaskError(
            _CODE,
            f"{file}: {name} is a {type(made).__name__}, and no function that makes an nn.Module.",
            hint=_hint(file, module),
        )
    _require_no_arguments(file, name, made)
    with blame_user(_CODE, file):
        answer = made()
    return _split(torch, f"{file}:{name}", answer)


def parameters_of(module: Any) -> tuple[list[str], list[str], bool]:  # noqa: ANN401 - an nn.Module
    """Names of `forward`'s arguments, those of them without a default, and whether it takes `*args`."""
    parameters = list(inspect.signature(module.forward).parameters.values())
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    required = [p.name for p in plain if p.default is p.empty]
    return [p.name for p in plain], required, any(p.kind is p.VAR_POSITIONAL for p in parameters)


def caller_of(module: Any, names: Sequence[str]) -> Callable[[Any, Sequence[Any]], Any]:  # noqa: ANN401
    """Calls by position as far as the names are the first arguments, and by name from there on."""
    plain, _, takes_more = parameters_of(module)
    kinds = {p.name: p.kind for p in inspect.signature(module.forward).parameters.values()}
    first = 0
    for given, own in zip(names, plain, strict=False):
        if given != own or kinds[own] is inspect.Parameter.KEYWORD_ONLY:
            break
        first += 1
    if (takes_more and first == len(plain)) or is_alone(module, names):
        first = len(names)

    def call(inner: Any, tensors: Sequence[Any]) -> Any:  # noqa: ANN401 - tensors in, any structure out
        return inner(*tensors[:first], **dict(zip(names[first:], tensors[first:], strict=True)))

    return call


def is_alone(module: Any, names: Sequence[str]) -> bool:  # noqa: ANN401 - as above
    """Whether one input of a name of its own can be nothing but `forward`'s one required, first argument.

    Data calls it `x`; `forward` of `nn.Sequential` and most layers calls it `input`.
    """
    plain, required, _ = parameters_of(module)
    kinds = {p.name: p.kind for p in inspect.signature(module.forward).parameters.values()}
    if len(names) != 1 or names[0] in plain or len(required) != 1 or required != plain[:1]:
        return False
    return kinds[plain[0]] is not inspect.Parameter.KEYWORD_ONLY


def _require_no_arguments(file: Path, name: str, made: Callable[..., Any]) -> None:
    needed = required_arguments(made)
    if needed:
        raise TaskError(
            _CODE,
            f"{file}{_line_of(made)}: {name} needs the arguments {', '.join(needed)}; it is called with none.",
            hint=f"Write a function without arguments in that file, def make(): return {name}(...), "
            f"and give {file.name}:make.",
        )


def _line_of(made: Any) -> str:  # noqa: ANN401 - a function or a class
    try:
        return f", line {inspect.getsourcelines(made)[1]}"
    except (OSError, TypeError):
        return ""


def _split(torch: Any, where: str, answer: Any) -> tuple[Any, Any]:  # noqa: ANN401
    module, example = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
    if isinstance(module, torch.nn.Module):
        return _uncompiled(module), example
    extra = ": the class itself, not an object of it" if isinstance(module, type) else ""
    raise TaskError(
        _CODE,
        f"{where} returned a {type(answer).__name__}{extra}; expected an nn.Module, or (module, example_inputs).",
        hint="Return the module itself: def make(): return Net(). Weights come by --weights.",
    )


def _uncompiled(module: Any) -> Any:  # noqa: ANN401 - an nn.Module
    """What `torch.compile` was given: the same model, without a compiler that starts for every size."""
    return getattr(module, "_orig_mod", module)


def _hint(file: Path, module: ModuleType) -> str:
    own = own_names(module)
    return f"{file.name} has: {', '.join(own[:8])}." if own else "Define a function that returns the module."


def read_example(torch: Any, module: Any, example: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
    """Input → tensor, by the names of `forward`'s arguments. Raises `source.unsupported`."""
    names, _, takes_more = parameters_of(module)
    if isinstance(example, Mapping):
        given = dict(example)
    else:
        values = list(example) if isinstance(example, (tuple, list)) else [example]
        more = [f"input_{number}" for number in range(len(names), len(values))] if takes_more else []
        if len(values) > len(names) + len(more):
            raise TaskError(
                _CODE,
                f"{where} gives {len(values)} example inputs; forward takes {len(names)} "
                f"({', '.join(names)}).",
            )
        given = dict(zip([*names, *more], values, strict=False))
    for name, value in given.items():
        if not isinstance(value, (torch.Tensor, np.ndarray)):
            raise TaskError(
                _CODE,
                f"{where}: the example of {name!r} is a {type(value).__name__}, and no tensor.",
                hint="Give tensors only; settings belong into the module.",
            )
    return {name: torch.as_tensor(value) for name, value in given.items()}
