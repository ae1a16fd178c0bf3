"""Weights without their model: `.safetensors`, a state_dict, a checkpoint, and pickles of whole modules.

They can be looked at, and nothing can be asked of them: the code that computes is elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

from shipway.errors import SourceUnsupportedError
from shipway.needs import Needs
from shipway.sources.base import Description, Hints, Limits
from shipway.sources.files.safetensors_file import looks_like_safetensors, read_safetensors
from shipway.sources.files.torch_archive import TorchKind, kind_of_members, looks_like_torch, read_torch
from shipway.sources.files.torch_export_file import is_program, native_members
from shipway.sources.files.weights import Weight
from shipway.sources.files.zip_archive import member_names
from shipway.sources.formats.torch_module import facts_of
from shipway.sources.framework import FrameworkSource, digest_and_size

_SAFETENSORS: Final = "safetensors"
_TITLES: Final = {
    _SAFETENSORS: "weights alone (safetensors)",
    TorchKind.STATE_DICT: "weights alone (a state_dict)",
    TorchKind.CHECKPOINT: "a checkpoint: weights among other values",
    TorchKind.MODULE: "a pickle of a whole module, which imports and runs code when it is read",
}


class TorchWeightsFormat:
    """Files that hold a PyTorch model's weights and not what computes with them."""

    name: ClassVar[str] = "weights"
    title: ClassVar[str] = "PyTorch weights (to look at; a model is module.py:factory with --weights)"
    extensions: ClassVar[tuple[str, ...]] = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(purpose="reads tables of weights", packages=())

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for what torch.save wrote and for safetensors, also cut off; not for programs and scripts."""
        if not path.is_file():
            return False
        if looks_like_safetensors(path):
            return True
        members = member_names(path)
        is_model = is_program(members) or native_members(members)
        return (
            not is_model
            and kind_of_members(members) != TorchKind.TORCHSCRIPT
            and looks_like_torch(path)
            and (bool(members) or path.suffix != ".pt2")
        )

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> TorchWeightsSource:
        """Reads the table of contents. Raises `SourceDamagedError`, `PermissionDeniedError`."""
        del hints
        return TorchWeightsSource(path, python=python, limits=limits)


class TorchWeightsSource(FrameworkSource):
    """One file of weights."""

    format = TorchWeightsFormat.name
    loader = ""
    """None: `refuse` comes before any child."""

    def __init__(self, path: Path, *, python: Path | None, limits: Limits) -> None:
        super().__init__(path, python=python, limits=limits, settings={})
        self._kind, self._weights, self._unsafe, self._inside = _read(path)

    def describe(self) -> Description:
        """The names, dtypes and shapes of the weights."""
        digest, size = digest_and_size(self.path)
        details: dict[str, Any] = {
            "holds": _TITLES[self._kind],
            "would_import": list(self._unsafe),
            "state_dicts": list(self._inside),
            **facts_of(self._weights),
        }
        return Description(self.format, self.path, size, digest, signature=None, details=details)

    def refuse(self) -> None:
        """Always raises `SourceUnsupportedError`: with the way that leads on."""
        again = (
            " after torch.save(model.state_dict(), 'weights.pt') where its classes are"
            if self._kind == TorchKind.MODULE
            else ""
        )
        names = f": {', '.join(self._unsafe[:5])}" if self._unsafe else ""
        raise SourceUnsupportedError(
            f"{self.path} is {_TITLES[self._kind]}{names}. The code of the model is not in it.",
            hint=f"Give the file with the nn.Module, and the weights beside it{again}: "
            f"module.py:factory --weights {'weights.pt' if again else self.path.name}",
        )


def _read(path: Path) -> tuple[str, tuple[Weight, ...], tuple[str, ...], tuple[str, ...]]:
    """What the file holds, its weights, what it would import, and the keys of the weights inside."""
    if looks_like_safetensors(path):
        return _SAFETENSORS, read_safetensors(path).weights, (), ()
    outline = read_torch(path)
    return outline.kind, outline.weights, outline.unsafe, outline.state_dicts
