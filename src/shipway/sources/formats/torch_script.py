"""TorchScript files: described from the archive's text, run and converted in a child process.

A script does not say the dtypes and shapes of what goes in. Those that Shipway writes carry a signature.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

from shipway.errors import SourceDamagedError
from shipway.needs import Need, Needs
from shipway.sources.base import Description, Hints, Limits
from shipway.sources.files.torch_archive import TorchKind, TorchOutline, kind_of_members, read_torch
from shipway.sources.files.zip_archive import ArchiveKind, member_names, open_archive, read_json
from shipway.sources.formats.torch_module import TORCH, rename_free
from shipway.sources.formats.torch_program import refuse_unsafe
from shipway.sources.framework import FrameworkSource, read_signature
from shipway.types import DType, Signature, TensorSpec

DEPRECATED: Final = (
    "TorchScript is deprecated in favor of torch.export (.pt2), and does not support Python 3.14"
)
_KIND: Final = ArchiveKind(
    name="TorchScript file",
    writer="torch.jit.save",
    save_again="Save the script again with torch.jit.save(), or copy the file again.",
    members=200_000,
)
_SIGNATURE_END: Final = "/extra/shipway.json"
_JSON_BYTES = 1 << 20


class TorchScriptFormat:
    """The archive of `torch.jit.save`."""

    name: ClassVar[str] = "torchscript"
    title: ClassVar[str] = "TorchScript (.pt)"
    extensions: ClassVar[tuple[str, ...]] = (".pt", ".ts", ".torchscript")
    deprecated: ClassVar[str] = DEPRECATED
    needs: ClassVar[Needs] = Needs(
        purpose="reads TorchScript", packages=(TORCH, Need("onnxscript", ">=0.5,<1")), extra="torch"
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for an archive of torch's with code."""
        if not path.is_file():
            return False
        members = member_names(path)
        return kind_of_members(members) == TorchKind.TORCHSCRIPT and any(
            name.endswith("/data.pkl") for name in members
        )

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> TorchScriptSource:
        """Raises `SourceDamagedError`, `PermissionDeniedError`."""
        return TorchScriptSource(path, read_torch(path), python=python, limits=limits, hints=hints)


class TorchScriptSource(FrameworkSource):
    """One script."""

    format = TorchScriptFormat.name
    loader = "torchscript"
    extra = "torch"
    requires: ClassVar = {"torch": "torch"}

    def __init__(
        self, path: Path, outline: TorchOutline, *, python: Path | None, limits: Limits, hints: Hints
    ) -> None:
        super().__init__(path, python=python, limits=limits, settings={})
        self._outline = outline
        self._trust = hints.trust
        self._signature = _own_signature(path)
        self._inputs = self._signature.inputs if self._signature is not None else None
        if hints.inputs:
            self.assume_inputs(hints.inputs)

    def assume_inputs(self, inputs: tuple[TensorSpec, ...]) -> None:
        """Takes these in place of the file's own signature."""
        self._inputs = rename_free(inputs)
        super().assume_inputs(self._inputs)
        self._signature = None

    def describe(self) -> Description:
        """From the archive alone. `asks_inputs` names forward's arguments where the file says no more."""
        found = self._outline
        details: dict[str, Any] = {
            "class": found.class_name,
            "arguments": list(found.argument_names),
            "foreign_operators": list(found.foreign_operators),
            "needs_trust": list(found.unsafe),
        }
        asks = found.argument_names if self._inputs is None else None
        return self.description(details, inputs=self._inputs, asks_inputs=asks)

    def refuse(self) -> None:
        """Raises `SourceUnsupportedError` for code that reaches out of its process, unless it is trusted."""
        refuse_unsafe(self.path, self._outline, trust=self._trust)


def _own_signature(path: Path) -> Signature | None:
    """What Shipway wrote beside the code; None in files of others. Raises `SourceDamagedError`."""
    name = next((name for name in member_names(path) if name.endswith(_SIGNATURE_END)), None)
    if name is None:
        return None
    with open_archive(path, _KIND) as archive:
        found = read_json(path, archive, name, _KIND, limit_bytes=_JSON_BYTES)
    try:
        signature = read_signature(found)
        _require_plain((*signature.inputs, *signature.outputs))
        return signature
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceDamagedError(
            f"{path}: {name} is no signature: {error!r}.", hint=_KIND.save_again
        ) from error


def _require_plain(specs: tuple[TensorSpec, ...]) -> None:
    """Raises `ValueError` for what no torch tensor is: the file may be anyone's."""
    for spec in specs:
        sizes = [size for size in spec.shape if not isinstance(size, str)]
        if not isinstance(spec.name, str) or spec.dtype is DType.BYTES:
            raise ValueError(f"{spec.name!r} is no tensor of {spec.dtype.value}")
        if not all(type(size) is int and size >= 0 for size in sizes):
            raise ValueError(f"{spec.name!r} has the sizes {sizes}")
