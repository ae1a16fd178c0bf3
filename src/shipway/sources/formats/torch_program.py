"""`.pt2` files of `torch.export`: described from the archive alone, run and converted in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from shipway.errors import SourceUnsupportedError
from shipway.needs import Need, Needs
from shipway.sources.base import Description, Hints, Limits
from shipway.sources.files.torch_archive import TorchOutline, looks_like_torch, read_torch
from shipway.sources.files.torch_export_file import is_program, native_members
from shipway.sources.files.zip_archive import member_names
from shipway.sources.formats.torch_module import TORCH, facts_of
from shipway.sources.framework import FrameworkSource


class TorchProgramFormat:
    """The archive of `torch.export.save`."""

    name: ClassVar[str] = "pt2"
    title: ClassVar[str] = "PyTorch program of torch.export (.pt2)"
    extensions: ClassVar[tuple[str, ...]] = (".pt2",)
    deprecated: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(
        purpose="reads .pt2 files", packages=(TORCH, Need("onnxscript", ">=0.5,<1")), extra="torch"
    )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """True for an archive with a graph or with compiled code, also for one that was cut off."""
        if not path.is_file():
            return False
        members = member_names(path)
        if not members:
            return path.suffix == ".pt2" and looks_like_torch(path)
        return bool(is_program(members) or native_members(members)) and looks_like_torch(path)

    @classmethod
    def open(cls, path: Path, *, python: Path | None, limits: Limits, hints: Hints) -> TorchProgramSource:
        """Raises `SourceDamagedError`, `SourceUnsupportedError` (compiled code), `PermissionDeniedError`."""
        return TorchProgramSource(path, read_torch(path), python=python, limits=limits, trust=hints.trust)


class TorchProgramSource(FrameworkSource):
    """One program."""

    format = TorchProgramFormat.name
    loader = "pt2"
    extra = "torch"
    requires: ClassVar = {"torch": "torch"}

    def __init__(
        self, path: Path, outline: TorchOutline, *, python: Path | None, limits: Limits, trust: bool
    ) -> None:
        super().__init__(path, python=python, limits=limits, settings={})
        self._outline = outline
        self._trust = trust

    def describe(self) -> Description:
        """From the graph's text; outputs get their names when torch has read the structure that they are in."""
        found = self._outline
        details: dict[str, Any] = {
            "torch_version": found.torch_version,
            "outputs": [f"{spec.name} {spec}" for spec in found.outputs],
            "free_dimensions": [_tell(name, *limits) for name, limits in found.ranges.items()],
            "constant_arguments": list(found.others),
            "foreign_operators": list(found.foreign_operators),
            "needs_trust": list(found.unsafe),
            **facts_of(found.weights),
        }
        return self.description(details, inputs=found.inputs)

    def refuse(self) -> None:
        """Raises `SourceUnsupportedError` for what runs code from the file, and for foreign operators."""
        refuse_unsafe(self.path, self._outline, trust=self._trust)


def _tell(name: str, low: int, high: int | None) -> str:
    return f"{name} of {max(low, 1)} and more" if high is None else f"{name} of {max(low, 1)} to {high}"


def refuse_unsafe(path: Path, outline: TorchOutline, *, trust: bool) -> None:
    """For programs and scripts. Raises `SourceUnsupportedError`, which names each finding."""
    if outline.unsafe and not trust:
        raise SourceUnsupportedError(
            f"{path} would have to be trusted: it {'; it '.join(outline.unsafe[:5])}.",
            hint="Look where it comes from. If you trust it as you trust a program: --trust.",
        )
    if outline.foreign_operators:
        names = ", ".join(outline.foreign_operators[:5])
        raise SourceUnsupportedError(
            f"{path} needs operators that torch itself does not have: {names}.",
            hint="Export the model without them, or give it as module.py:factory, which can import them.",
        )
