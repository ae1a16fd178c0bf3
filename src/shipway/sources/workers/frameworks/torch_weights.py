"""Puts a file of weights into a module, and says exactly what does not fit. No pickle is run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..loading import require
from ..wire import TaskError, blame, progress

_PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning put before every name."""
_SHOWN = 5
_UNUSED = "num_batches_tracked"
"""A counter that BatchNorm does not need to answer, and that files older than torch 0.4.1 have not."""


def _is_lazy(tensor: Any) -> bool:  # noqa: ANN401 - torch is imported late
    """True for a parameter of `nn.LazyLinear` and its like: it takes the shape of what is loaded."""
    return hasattr(tensor, "materialize")


def load_weights(torch: Any, module: Any, file: Path) -> None:  # noqa: ANN401 - torch is imported late
    """Raises `source.damaged`, `source.unsupported` (missing or unexpected names, other shapes)."""
    progress(f"loading {file.name}")
    found = _choose(torch, file, _read(torch, file))
    own = module.state_dict(keep_vars=True)
    found = _without_prefix(found, own)
    missing = [name for name in own if name not in found and not _is_tied(own, name, found)]
    missing = [name for name in missing if not name.endswith(_UNUSED)]
    unexpected = [name for name in found if name not in own]
    other = [
        f"{name} is {list(found[name].shape)} in the file and {list(own[name].shape)} in the module"
        for name in found
        if name in own and not _is_lazy(own[name]) and found[name].shape != own[name].shape
    ]
    reasons = [
        f"{len(names)} {what} ({_shorten(names)})"
        for what, names in (
            ("missing in the file", missing),
            ("unknown to the module", unexpected),
            ("of another shape", other),
        )
        if names
    ]
    if reasons:
        raise TaskError(
            "source.unsupported",
            f"The weights in {file} do not fit the module ({len(own)} tensors): {'; '.join(reasons)}.",
            hint="Give this model's weights, or build the module with the sizes that it was trained with.",
        )
    with blame("source.unsupported", f"{file} does not fit the module"):
        module.load_state_dict(found, strict=False)


def _read(torch: Any, file: Path) -> Mapping[str, Any]:  # noqa: ANN401
    with file.open("rb") as stream:
        head = stream.read(9)
    is_safetensors = len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < 1 << 30
    if is_safetensors:
        require({"safetensors": "safetensors"})
        with blame("source.damaged", f"{file} cannot be read as safetensors"):
            return dict(importlib.import_module("safetensors.torch").load_file(file))
    with blame(
        "source.unsupported",
        f"{file} cannot be read as weights alone",
        hint="Save the weights alone: torch.save(model.state_dict(), 'weights.pt'), or as safetensors.",
    ):
        found = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(found, Mapping):
        raise TaskError(
            "source.unsupported",
            f"{file} holds a {type(found).__name__}; expected a state_dict.",
            hint="Save the weights alone: torch.save(model.state_dict(), 'weights.pt').",
        )
    return found


def _choose(torch: Any, file: Path, found: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """The state_dict itself, or the only one in a checkpoint."""
    if _is_state_dict(torch, found):
        return dict(found)
    inner = [key for key, value in found.items() if isinstance(value, Mapping) and value]
    inner = [key for key in inner if _is_state_dict(torch, found[key])]
    if len(inner) != 1:
        what = f"{len(inner)} of them ({_shorten([str(key) for key in inner])})" if inner else "none"
        raise TaskError(
            "source.unsupported",
            f"{file} is a checkpoint ({_shorten([str(key) for key in found])}); expected one state_dict in it, "
            f"found {what}.",
            hint="Save the weights alone: torch.save(model.state_dict(), 'weights.pt').",
        )
    progress(f"taking {inner[0]!r} from the checkpoint")
    return dict(found[inner[0]])


def _is_state_dict(torch: Any, found: Mapping[Any, Any]) -> bool:  # noqa: ANN401
    return all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in found.items())


def _without_prefix(found: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Names without what a wrapper put before all of them."""
    for prefix in _PREFIXES:
        if found and all(name.startswith(prefix) for name in found) and not set(found) & set(own):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return found


def _is_tied(own: Mapping[str, Any], name: str, found: Mapping[str, Any]) -> bool:
    """True for a tensor that is another one of the module under a second name: safetensors keeps one of them."""
    return any(own[other] is own[name] for other in found if other in own)


def _shorten(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
